"""Files of a run: each whole or absent, and read without executing anything."""

from pellucid.train.files.lock import RunFolderError, run_lock
from pellucid.train.files.run import RunFolder

__all__ = ["RunFolder", "RunFolderError", "run_lock"]
