"""What every test has: one thread, the same seeds, and the way to the real data where it is at hand."""

import os

# Before NumPy is imported: its BLAS reads these once. The tests run a process per core, so one thread each.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
# A window to draw in is not to be had on a test machine.
os.environ.setdefault("MPLBACKEND", "Agg")

import random
from pathlib import Path

import numpy
import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def _seeds() -> None:
    """Each test starts from the same random state, whichever ran before it in the same process."""
    random.seed(0)
    numpy.random.seed(0)  # noqa: NPY002 (the global state is the point: libraries under test draw from it)
    import pellucid

    if hasattr(pellucid, "manual_seed"):
        pellucid.manual_seed(0)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data that lies beside the repository: MNIST, Shakespeare, names."""
    folder = Path(os.environ.get("PELLUCID_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder} (set PELLUCID_SHARED_DATA to the folder that holds mnist/ and text/)")
    return folder


@pytest.fixture(scope="session")
def mnist_folder(shared_data: Path) -> Path:
    """The four IDX files of MNIST."""
    folder = shared_data / "mnist"
    if not (folder / "train-images-idx3-ubyte.gz").is_file():
        pytest.skip(f"no MNIST in {folder}")
    return folder
