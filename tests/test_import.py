"""`import pellucid` asks for NumPy alone; benchmarks/import_time.py says how long it takes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SHOW = (
    "import sys, json; before = set(sys.modules); import {what}; print(json.dumps(sorted(set(sys.modules) - before)))"
)


def packages_of_import(what: str) -> set[str]:
    """The top-level packages, outside the standard library, that a fresh interpreter holds after `import what`."""
    path = [entry for entry in sys.path if entry]
    code = f"import sys; sys.path[:] = {path!r}; " + SHOW.format(what=what)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    tops = {name.split(".")[0] for name in json.loads(done.stdout)}
    return {top for top in tops if top not in sys.stdlib_module_names}


def test_import_takes_numpy_alone() -> None:
    # NumPy's compiled parts bring Cython's own bookkeeping modules: whatever `import numpy` brings is NumPy's.
    assert packages_of_import("pellucid") - packages_of_import("numpy") == {"pellucid"}


def test_the_check_sees_other_packages() -> None:
    assert "pytest" in packages_of_import("numpy, pytest")


def _loaded_by(words: list[str]) -> set[str]:
    """The modules that a command has loaded when it ends."""
    code = (
        f"import sys; sys.argv = {['pellucid', *words]!r}\nimport pellucid_command\n"
        "try:\n    pellucid_command.main()\nexcept SystemExit:\n    pass\n"
        "print('', *sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_help_is_made_without_the_library_and_without_markdown() -> None:
    assert _loaded_by(["--help"]) & {"numpy", "pellucid", "rich.markdown", "rich.traceback", "markdown_it"} == set()


@pytest.mark.slow
def test_training_on_the_digits_loads_no_other_library_for_them(tmp_path: Path) -> None:
    words = ["train", "digits", "--epochs", "1", "--no-report", "--quiet", "--out", str(tmp_path / "run")]
    loaded = _loaded_by(words)
    assert "pellucid.nn" in loaded
    assert loaded & {"sklearn", "scipy", "pandas", "matplotlib.pyplot", "jinja2"} == set()
