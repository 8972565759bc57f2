"""`import pellucid` asks for NumPy alone; benchmarks/import_time.py says how long it takes."""

import json
import subprocess
import sys

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
