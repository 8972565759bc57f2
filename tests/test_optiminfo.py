"""PyTorch's tables of optimisers and schedules: a sample of the cases, and all of them where `slow` runs."""

import pytest

pytest.importorskip("torch")

import pellucid
from pellucid import optim
from tests.optiminfo import optimizers, schedules
from tests.optiminfo.compare import Case, run

OPTIMIZERS = list(optimizers.cases(pellucid))
SCHEDULES = list(schedules.cases())
# Of each optimiser and each kind one case, of each schedule one; the rest are exhaustive.
FIRST = {(case.subject, case.kind): case.id for case in reversed(OPTIMIZERS + SCHEDULES)}
ROWS = [
    pytest.param(case, id=case.id, marks=() if case.id in FIRST.values() else pytest.mark.slow)
    for case in OPTIMIZERS + SCHEDULES
]


@pytest.mark.parametrize("case", ROWS)
def test_case(case: Case) -> None:
    found = run(case)
    assert found is None, f"{found}\nrepeat with: python -m tests.optiminfo.report --only '{case.id}'"


def test_every_optimizer_and_schedule_is_in_the_tables() -> None:
    known = {*optim.OPTIMIZERS, "SparseAdam"} & set(dir(pytest.importorskip("torch").optim))
    assert {case.subject for case in OPTIMIZERS} == known
    assert {case.subject for case in SCHEDULES} >= set(optim.lr_scheduler.SCHEDULERS)


def test_a_difference_is_found() -> None:
    """The harness itself: other numbers, another error, and no error."""

    def numbers(T: object) -> object:
        return [1.0, 2.0 if T is pellucid else 3.0]

    def errors(T: object) -> object:
        raise ValueError("no") if T is pellucid else TypeError("no")

    def refused(T: object) -> object:
        if T is not pellucid:
            raise TypeError("no")
        return 1

    for ask in (numbers, errors, refused):
        assert run(Case("harness", "kind", "what", ask)) is not None
