"""The programs of benchmarks/doctor and the mistakes planted in them are well formed."""

import sys
from pathlib import Path

import pytest

from pellucid.doctor.observed.uses import uses_framework

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.handwritten.cases import Case, cases  # noqa: E402

HERE = ROOT / "benchmarks" / "doctor"


@pytest.fixture(scope="module")
def found() -> list[Case]:
    """Every case; a replacement whose text does not occur exactly once is an error."""
    return list(cases(home=HERE))


def test_there_are_enough_programs(found: list[Case]) -> None:
    assert sum(bool(case.mistakes) for case in found) >= 100
    assert len(list((HERE / "healthy").glob("*.py"))) >= 30
    assert len({mistake.id for case in found for mistake in case.mistakes}) >= 28


def test_every_case_compiles_and_has_a_name_of_its_own(found: list[Case]) -> None:
    for case in found:
        compile(case.source, case.name, "exec")
        assert bool(case.lines) == bool(case.mistakes), case.name
    assert len({case.name for case in found}) == len(found)


def test_every_program_trains_with_a_framework() -> None:
    for path in [*(HERE / "programs").glob("*.py"), *(HERE / "healthy").glob("*.py")]:
        assert uses_framework(path), path
