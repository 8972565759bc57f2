"""The example programs: under PyTorch and under pellucid they print the same losses."""

import pytest

from benchmarks.examples import EXAMPLES, ROOT, apart, run

STEPS = 50


def test_there_are_at_least_fifteen_each_with_a_line_about_it() -> None:
    assert len(EXAMPLES) >= 15
    for name in EXAMPLES:
        assert (ROOT / "examples" / name / "README.md").read_text(encoding="utf-8").startswith(f"# {name}\n")


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_the_losses_are_those_of_pytorch(name: str) -> None:
    pytest.importorskip("torch")
    theirs, _ = run(name, STEPS, pellucid=False)
    ours, _ = run(name, STEPS, pellucid=True)
    assert len(theirs) == STEPS
    assert apart(ours, theirs) < 1e-4


@pytest.mark.parametrize("name", ["mlp", "gcn"])
def test_a_few_steps(name: str) -> None:
    pytest.importorskip("torch")
    assert apart(run(name, 3, pellucid=True)[0], run(name, 3, pellucid=False)[0]) < 1e-5


def test_curves_that_are_apart_are_seen() -> None:
    assert apart([1.0, 0.5], [1.0, 0.5001]) > 1e-4 > apart([1.0, 0.5], [1.0, 0.5])
