"""The programs of benchmarks/handwritten and the mistakes planted in them are well formed."""

import re
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.handwritten.cases import HERE, Case, Mistake, cases, mistakes_of, planted, sample  # noqa: E402

SHARED = ROOT.parent / "shared"
VOCABULARIES = (SHARED / "check" / "mistakes.md", SHARED / "doctor" / "causes.md")
PROGRAMS = sorted(path.stem for path in (HERE / "programs").glob("*.py"))
HEALTHY = sorted(path.stem for path in (HERE / "healthy").glob("*.py"))
CONDITIONS = sorted(f"conditions/{path.stem}" for path in (HERE / "conditions").glob("*.py"))


@pytest.fixture(scope="module")
def all_cases() -> list[Case]:
    """Every case; a replacement whose text does not occur exactly once is an error."""
    return list(cases())


def test_there_are_enough_programs():
    assert len(PROGRAMS) >= 60
    assert len(HEALTHY) >= 40


def test_every_case_compiles_and_has_a_name_of_its_own(all_cases):
    for case in all_cases:
        compile(case.source, case.name, "exec")
    repeated = [name for name, count in Counter(case.name for case in all_cases).items() if count > 1]
    assert repeated == []


def test_every_mistake_changes_a_line_that_may_be_named(all_cases):
    right = {case.name: case.source for case in all_cases if not case.mistakes}
    for case in all_cases:
        if case.mistakes:
            name = case.name.split("+")[0]
            assert case.source != right[name], case.name
            assert case.lines, case.name


def test_every_program_has_mistakes():
    for name in PROGRAMS:
        mistakes, pairs = mistakes_of(HERE / "mistakes" / f"{name}.toml")
        assert len(mistakes) >= 4, name
        assert all(0 <= place < len(mistakes) for pair in pairs for place in pair), name
    paired = [name for name in PROGRAMS if mistakes_of(HERE / "mistakes" / f"{name}.toml")[1]]
    assert len(paired) >= len(PROGRAMS) / 4


def test_names_are_of_the_vocabularies():
    if not all(path.is_file() for path in VOCABULARIES):
        pytest.skip("the vocabularies in ../shared are not here")
    known = {
        name
        for path in VOCABULARIES
        for name in re.findall(r"^\| `([a-z-]+)` \|", path.read_text("utf-8"), re.MULTILINE)
    }
    for path in (*HERE.glob("mistakes/*.toml"), *HERE.glob("conditions/*.toml")):
        for mistake in mistakes_of(path)[0]:
            assert mistake.names() <= known, (path.stem, mistake.names() - known)


def test_every_condition_says_which_score_is_better():
    for path in HERE.glob("conditions/*.py"):
        table = tomllib.loads(path.with_suffix(".toml").read_text(encoding="utf-8"))
        assert table["score"] in ("higher", "lower"), path.stem
        assert table["mistake"], path.stem


@pytest.mark.parametrize(
    "name", [*(f"programs/{name}" for name in PROGRAMS), *(f"healthy/{name}" for name in HEALTHY), *CONDITIONS]
)
def test_programs_know_nothing_of_pellucid(name):
    source = (HERE / f"{name}.py").read_text(encoding="utf-8")
    assert "pellucid" not in source
    assert 15 <= len(source.splitlines()) <= 150


def test_a_part_of_the_cases_has_every_kind_in_turn() -> None:
    found = list(cases("condition-*"))
    kinds = {tuple(mistake.id for mistake in case.mistakes) for case in found}
    first = sample(found, len(kinds), 0)
    assert {tuple(mistake.id for mistake in case.mistakes) for case in first} == kinds
    assert {case.name for case in sample(found, None, 3)} == {case.name for case in found}


def test_the_lines_beside_a_statement_that_was_taken_out():
    source = "a = f(x)\nb = a + 1\n# the gradient\n\nc = b\n"
    case = planted("x", source.replace("# the", "b[a < 0] = 0\n# the"), (Mistake("sign", "b[a < 0] = 0", ""),))
    assert [line for line in range(1, 7) if case.is_right(line)] == [2, 3, 4, 6]
