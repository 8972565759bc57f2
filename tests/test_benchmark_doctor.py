"""The programs of benchmarks/doctor, the mistakes planted in them, and how its scores are made."""

import math
import re
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from pellucid.doctor.observed.record import LossRecord, OptimizerRecord, ParameterRecord, ProgramRecord, StepRecord
from pellucid.doctor.observed.uses import uses_framework

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.doctor import rivals, scores, twins  # noqa: E402
from benchmarks.doctor.__main__ import held_out, is_held_out, summary  # noqa: E402
from benchmarks.doctor.diagnosis import share  # noqa: E402
from benchmarks.doctor.plain import reseeded  # noqa: E402
from benchmarks.handwritten.cases import Case, cases  # noqa: E402

HERE = ROOT / "benchmarks" / "doctor"
CAUSES = ROOT.parent / "shared" / "doctor" / "causes.md"


@pytest.fixture(scope="module")
def found() -> list[Case]:
    """Every case; a replacement whose text does not occur exactly once is an error."""
    return list(cases(home=HERE))


def test_there_are_enough_programs(found: list[Case]) -> None:
    planted = Counter(case.mistakes[0].id for case in found if len(case.mistakes) == 1)
    assert sum(planted.values()) >= 170
    assert min(planted.values()) >= 2
    assert sum(len(case.mistakes) == 2 for case in found) >= 20
    assert len(list((HERE / "healthy").glob("*.py"))) >= 40


@pytest.mark.skipif(not CAUSES.is_file(), reason="the vocabulary of causes lies beside the checkout")
def test_every_cause_of_the_vocabulary_is_planted(found: list[Case]) -> None:
    known = set(re.findall(r"^\| `([a-z-]+)`", CAUSES.read_text(), re.MULTILINE))
    assert {mistake.id for case in found for mistake in case.mistakes} == known


def test_every_case_compiles_and_has_a_name_of_its_own(found: list[Case]) -> None:
    for case in found:
        compile(case.source, case.name, "exec")
        assert bool(case.lines) == bool(case.mistakes), case.name
    assert len({case.name for case in found}) == len(found)


def test_every_program_trains_with_a_framework() -> None:
    for path in [*(HERE / "programs").glob("*.py"), *(HERE / "healthy").glob("*.py")]:
        assert uses_framework(path), path


def test_held_out_programs_are_there() -> None:
    there = {path.stem for folder in ("programs", "healthy") for path in (HERE / folder).glob("*.py")}
    assert held_out() <= there
    assert is_held_out("wine_tabular+lr-too-low#2") and is_held_out("healthy-two_heads")
    assert not is_held_out("blobs_mlp+lr-too-low")


def test_other_seeds_are_put_where_seeds_are() -> None:
    source = "torch.manual_seed(7); rng = np.random.default_rng(4); f(random_state=1, n=3)"
    assert reseeded(source, 0) == source
    assert reseeded(source, 1) == "torch.manual_seed(108); rng = np.random.default_rng(105); f(random_state=102, n=3)"


@pytest.mark.parametrize(
    ("right", "faulty", "better", "worse"),
    [
        ([0.9, 0.8], [0.5, 0.7], "higher", True),
        ([0.9, 0.8], [0.5, 0.85], "higher", False),  # not under each seed
        ([0.9, 0.8], [0.899, 0.799], "higher", False),  # not clearly
        ([0.9, 0.8], [None, None], "higher", True),
        ([0.1, 0.2], [0.3, None], "lower", True),
        ([None, None], [0.3, 0.2], "lower", False),
    ],
)
def test_what_is_clearly_worse(right: list[float | None], faulty: list[float | None], better: str, worse: bool) -> None:
    assert twins.clearly_worse(right, faulty, better) is worse


@pytest.mark.parametrize(
    ("wrong", "meant", "fixed", "better", "made_up"),
    [
        (0.5, 0.9, 0.9, "higher", 1.0),
        (0.5, 0.9, 0.7, "higher", 0.5),
        (2.0, 1.0, 1.1, "lower", 0.9),
        (0.9, 0.9, 0.9, "higher", None),  # no gap
        (math.nan, 0.9, 0.88, "higher", 1.0),
        (math.nan, 0.9, 0.4, "higher", 0.0),
        (0.5, 0.9, math.nan, "higher", 0.0),
        (0.5, math.nan, 0.9, "higher", None),
    ],
)
def test_the_share_of_the_gap_that_a_fix_makes_up(
    wrong: float, meant: float, fixed: float, better: str, made_up: float | None
) -> None:
    assert share(wrong, meant, fixed, better) == (None if made_up is None else pytest.approx(made_up))


def record_of(losses: list[float], accuracies: list[float], rate: float = 1e-3, scale: float = 0.5) -> ProgramRecord:
    draw = np.random.default_rng(0)
    record = ProgramRecord(
        steps=[StepRecord(a, accuracy=b, count=20, norm=1.0) for a, b in zip(losses, accuracies, strict=True)],
        loss=LossRecord("cross_entropy", prediction=np.zeros((20, 3)), target=np.arange(20) % 3),
        optimizers=[OptimizerRecord("Adam", {"lr": rate})],
        inputs=[draw.uniform(-scale, scale, (20, 4))],
        targets=[np.arange(20) % 3],
    )
    record.parameters = {
        name: ParameterRecord(name, (8, 8), known=True, reached=True, std=0.3, fan_in=8, gradient=0.1, moved=0.2)
        for name in ("a", "b")
    }
    return record


def test_the_rules_of_other_tools() -> None:
    falls, rises = list(np.linspace(1.1, 0.1, 40)), list(np.linspace(0.3, 0.98, 40))
    said = rivals.verdicts(record_of(falls, rises))
    assert not any(said.values()), said
    flat = rivals.verdicts(record_of([1.1] * 40, [0.3] * 40))
    assert [found[0][0] for name, found in flat.items() if name != "UMLAUT"] == [
        "not converge",
        "model does not learn",
        "loss does not fall",
    ]
    assert flat["UMLAUT"] == []
    far = rivals.verdicts(record_of([*falls[:-1], math.nan], rises, rate=0.5, scale=90.0))
    assert [symptom for symptom, _ in far["UMLAUT"]] == [
        "input not normalised to [-1, 1]", "NaN in the loss", "learning rate above 0.01"
    ]  # fmt: skip
    assert far["AutoTrainer"][0][0] == "explode"
    assert rivals.verdicts(None) == {name: [] for name in rivals.TOOLS}


def row(planted: list[str], named: list[str], **more: object) -> scores.Row:
    hit = bool(named) and named[0] in planted
    return {
        "planted": planted, "accepted": planted, "named": named, "status": "faults" if named else "healthy",
        "detected": bool(named), "rank1": hit, "top3": hit, "line right": hit, "seconds": 2.0, "cpu": 1.0,
        "overhead": 3.0, "reason": "", "others": {"UMLAUT": [["loud", ["lr-too-low"]]]}, **more,
    }  # fmt: skip


def test_the_tables() -> None:
    rows = {
        "blobs_mlp+lr-too-low": row(["lr-too-low"], ["lr-too-low"], **{"fork recovers": 0.95}),
        "blobs_mlp+lr-too-high": row(["lr-too-high"], ["dead-units"]),
        "wine_tabular+symmetric-init": row(["symmetric-init"], []),
        "healthy-two_heads": row([], []),
    }
    text = summary(rows, {"wine_tabular+symmetric-init": {"worse": False, "stated": False}})
    assert "4 of" in text and "left out: `wine_tabular+symmetric-init`" in text
    assert "| named at rank 1 | 1 of 2, 50 %" in text
    assert "| forks with the fix that recover 90 % of the gap | 1 of 1, 100 %" in text
    assert "| UMLAUT | 2 of 2, 100 % (34 to 100) | 1 of 2, 50 % (9 to 91) |" in text
    assert "| lr-too-high | 1 | 0 | dead-units 1 |" in text
    assert "- `blobs_mlp+lr-too-high`: faults, dead-units" in text
