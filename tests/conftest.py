"""What every test has: one thread, the same seeds, and the way to the real data where it is at hand.

Three switches show that no test depends on the machine or on luck:

- `OMP_NUM_THREADS=2 OPENBLAS_NUM_THREADS=2 MKL_NUM_THREADS=2`: as many threads (the default is one),
- `PELLUCID_TEST_ROUNDING=reversed`: sums and sums of products in another order, as on another processor,
- `PELLUCID_TEST_SEED=1 python -m pytest -m learns`: other random numbers for all tests that train something.
"""

import os

# Before NumPy is imported: its BLAS reads these once. The tests run a process per core, so one thread each.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
# A window to draw in is not to be had on a test machine.
os.environ.setdefault("MPLBACKEND", "Agg")

import random
import signal
from collections import Counter
from pathlib import Path

import numpy
import pytest

from tests.switches import REVERSED

ROOT = Path(__file__).resolve().parent.parent


def pytest_configure() -> None:
    if REVERSED:
        from tests.rounding import reverse_sums

        reverse_sums()
    # In a shell's background, and under nohup, what tests start would ignore these.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if shift := int(os.environ.get("PELLUCID_TEST_SEED", "0")):
        move_seeds(shift)


def move_seeds(shift: int) -> None:
    """Add `shift` to each seed that a generator of pellucid or NumPy is given."""
    import pellucid

    manual_seed, default_rng = pellucid.Generator.manual_seed, numpy.random.default_rng
    pellucid.Generator.manual_seed = lambda self, seed: manual_seed(self, seed + shift)
    numpy.random.default_rng = lambda seed=None: default_rng(seed + shift if isinstance(seed, int) else seed)


@pytest.fixture(autouse=True)
def _seeds() -> None:
    """Each test starts from the same random state, whichever ran before it in the same process."""
    random.seed(0)
    numpy.random.seed(0)  # noqa: NPY002 (the global state is the point: libraries under test draw from it)
    import pellucid

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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many samples of PyTorch's op tests were compared; the worker processes' counts arrive in their reports."""
    samples: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    names: set[str] = set()
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            for key, value in getattr(report, "user_properties", []):
                if key == "opinfo" and report.when == "call":
                    name, kind, compared, skipped = value
                    names.add(name)
                    samples[kind] += compared
                    reasons.update(skipped)
    if not names:
        return
    terminalreporter.section("PyTorch's op tests")
    counts = ", ".join(f"{kind} {count:,}" for kind, count in samples.items())
    terminalreporter.write_line(f"{len(names)} OpInfos, {samples.total():,} samples compared: {counts}")
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"  not compared: {count:,} × {reason}")
