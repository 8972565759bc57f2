"""What a run was computed with: versions, linear algebra, processor, and the state of the folder it was called in.

The same configuration gives the same bits only on the same of these: another BLAS adds the same numbers in another
order. So they are kept beside the configuration of every run.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.version import __version__

# By the names under which they are installed: what pellucid may use, in the order of its extras.
PACKAGES = (
    "jinja2",
    "matplotlib",
    "pooch",
    "rich",
    "safetensors",
    "scikit-learn",
    "tqdm",
    "typer",
    "optuna",
    "pandas",
    "tensorboardX",
    "torch",
    "cupy-cuda12x",
)
# OpenBLAS, MKL, BLIS and Apple's Accelerate each listen to one of these, and most to the first.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def kernels() -> str:
    """What the native kernels run on, or why there are none."""
    from pellucid.kernels.compiler import status  # loaded where it is asked for

    return status()


def environment(folder: str | Path = ".") -> dict[str, Any]:
    """Versions, BLAS, processor and git state, as JSON can hold them. It never fails: what is not known is None.

    Args:
        folder: where git is asked; the current folder, which is where the code that made the run most often is.

    >>> sorted(environment())
    ['blas', 'git', 'kernels', 'platform', 'processor', 'versions']
    >>> environment()["versions"]["numpy"] == np.__version__
    True
    """
    return {
        "versions": versions(),
        "blas": blas(),
        "kernels": kernels(),
        "platform": platform.platform(),
        "processor": processor(),
        "git": git_state(folder),
    }


def versions() -> dict[str, str]:
    """pellucid, Python, NumPy, and of the packages that pellucid may use those that are installed."""
    from importlib.metadata import PackageNotFoundError, version

    found = {"pellucid": __version__, "python": platform.python_version(), "numpy": np.__version__}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def blas() -> dict[str, Any]:
    """The library that NumPy multiplies matrices with: `name`, `version`, `threads`.

    `threads` is what the library says through threadpoolctl, else what the environment
    asks it for, else None.
    """
    built: Any = np.show_config(mode="dicts")
    library = (built or {}).get("Build Dependencies", {}).get("blas", {})
    return {"name": library.get("name"), "version": library.get("version"), "threads": _threads()}


def _threads() -> int | None:
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        asked = [os.environ[name] for name in _THREADS if os.environ.get(name, "").isdigit()]
        return int(asked[0]) if asked else None
    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    # SciPy may have brought a second one: NumPy's own counts.
    own = [pool for pool in pools if "numpy" in Path(pool["filepath"]).parent.name.lower()]
    return next((pool["num_threads"] for pool in own or pools), None)


def processor() -> dict[str, Any]:
    """`name` and the number of logical `cores` that this process may run on."""
    name = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    except OSError:
        pass  # not Linux
    affinity = getattr(os, "sched_getaffinity", None)
    return {"name": name, "cores": len(affinity(0)) if affinity else os.cpu_count()}


def git_state(folder: str | Path = ".") -> dict[str, Any] | None:
    """`commit`, `branch` (None where detached) and `dirty` (whether a file that git keeps was changed since).

    None where the folder is in no repository, the repository has no commit, or there is no git. The folder may be
    anybody's, so nothing that its repository configures is run: no fsmonitor, no hook, no pager. Where it configures
    filters of its own, or fetches objects when they are needed, `dirty` is None: `git status` would run these.
    """
    executable = shutil.which("git")
    if executable is None or Path(executable).absolute().parent == Path(folder).absolute():
        return None

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                [executable, *_NOTHING_RUNS, *arguments],
                cwd=folder,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=10,
                # No lock is taken and nobody asked for anything: a run must not get into the way of one's own git.
                env={
                    **os.environ,
                    "GIT_OPTIONAL_LOCKS": "0",
                    "GIT_TERMINAL_PROMPT": "0",
                    "GIT_NO_LAZY_FETCH": "1",
                },
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    commit = git("rev-parse", "HEAD")
    if not commit:
        return None
    changes = None
    settings = git("config", "--list", "--includes", "--show-scope", "--name-only", "-z")
    if settings is not None and not _RUNS_SOMETHING.search(settings):
        # Of a submodule only its commit is compared: git would read its configuration too.
        changes = git("status", "--porcelain", "--untracked-files=no", "--ignore-submodules=dirty")
    branch = git("symbolic-ref", "--short", "HEAD")
    return {"commit": commit, "branch": branch or None, "dirty": None if changes is None else bool(changes)}


# What the command line says has precedence over what a repository configures.
_NOTHING_RUNS = (
    "--no-pager",
    "-c", "core.fsmonitor=false",
    "-c", f"core.hooksPath={os.devnull}",
    "-c", "safe.bareRepository=explicit",
)  # fmt: skip
_RUNS_SOMETHING = re.compile(
    r"(?:^|\0)(?:local|worktree)\0(?:filter\..*\.(?:clean|process)|remote\..*\.promisor|extensions\.partialclone)(?:\0|$)",
    re.IGNORECASE,
)
