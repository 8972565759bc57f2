"""Break the rules of one op, in every way, and see who notices."""

import functools
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from pellucid.declare import TABLE
from tests.mutation.checks import Check, gradient_checks, noticed_by, opinfo_tests, own_tests
from tests.mutation.equivalence import Calls, reason, same
from tests.mutation.mutants import Mutant, broken, mutants, rules
from tests.mutation.survivors import explained

Answers = tuple[Calls, list[Any]]  # what a rule was called with, and what it answered


@dataclass
class Fate:
    """What became of a mutant: which test and which input of `check.gradients` noticed, or why neither need."""

    op: str
    where: str
    what: str
    tests: str | None  # the first of the project's own tests that fails
    gradients: str | None  # the first input for which check.gradients says "wrong"
    reason: str | None  # why it is no mistake (then nobody noticed), or why check.gradients cannot see it


def fates(name: str, keep: Callable[[Mutant], bool] = lambda _: True) -> list[Fate]:
    """The fates of the mutants of an op. Raises AssertionError where a check fails without any mutant."""
    op = TABLE[name]
    tests, inputs = own_tests(op), gradient_checks(op)
    known = {where: Calls(name, where, rule) for where, rule in rules(op).items()}
    seen_by_gradients = {where: Calls(name, where, rule) for where, rule in rules(op).items()}
    for checks, records in ((tests, known), (inputs, seen_by_gradients)):
        for calls in records.values():
            with calls.recording():
                failed = noticed_by(checks)
            assert failed is None, f"{name}: {failed} fails without a mutant"
    answers = {where: calls.results() for where, calls in known.items()}
    answers_where_smooth = {where: calls.results() for where, calls in seen_by_gradients.items()}
    more = functools.cache(lambda: opinfo_tests(op))
    return [
        fate(
            mutant, tests, inputs, more,
            (known[mutant.where], answers[mutant.where]),
            (seen_by_gradients[mutant.where], answers_where_smooth[mutant.where]),
        )
        for mutant in mutants(op)
        if keep(mutant)
    ]  # fmt: skip


def work(name: str) -> tuple[str, float, list[dict[str, Any]]]:
    """For a process of its own: the op, the seconds that it took, and the fates as plain dicts."""
    start = time.process_time()
    found = [asdict(fate) for fate in fates(name)]
    return name, time.process_time() - start, found


def fate(
    mutant: Mutant,
    tests: list[Check],
    inputs: list[Check],
    more: Callable[[], list[Check]],
    called: Answers,
    called_where_smooth: Answers,
) -> Fate:
    """Who notices a mutant. Its checks are not run where it cannot differ, and that is explained."""
    result = Fate(mutant.op, mutant.where, mutant.what, None, None, None)
    result.reason = explained(mutant.op, mutant.where, mutant.what)
    equal = same(mutant, *called)
    if equal and result.reason is None:
        result.reason = reason(mutant, *called)
    if equal and result.reason is not None:
        return result
    result.reason = None
    with broken(mutant.op, mutant.where, mutant.rule):
        result.tests = noticed_by(tests) or noticed_by(more())
        if result.tests is not None or not equal:
            result.gradients = noticed_by(inputs)
    open_question = result.gradients is None and result.tests is not None and result.reason is None
    if open_question and same(mutant, *called_where_smooth):
        result.reason = "shows only where there is no derivative: at a kink, a tie or an extreme"
    if result.gradients is None and result.reason is None:
        result.reason = explained(mutant.op, mutant.where, mutant.what)
    return result
