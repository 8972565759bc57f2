"""Faults that hide each other: treatments that do not help one by one, and do together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .compare import better, chance, reached
from .record import ProgramRecord
from .rules import model, rate
from .suspicion import Suspicion
from .treatments import ScaleInputs

MOST = 4  # causes that are treated at once
FAR = 0.3  # of the way from chance to all answers right, that a treatment of several at once has to gain


def attempts(record: ProgramRecord, alone: list[tuple[Suspicion, ProgramRecord]]) -> list[list[Suspicion]]:
    """What may be treated at once: of each cause the treatment that did best by itself; that at other rates; and, where
    a cause has another treatment, that instead.

    Args:
        alone: what was tried by itself, with its run. Rates are taken from those that are usual, and what does not show
            in how a program learns is left out.
    """
    tried: dict[str, list[tuple[Suspicion, ProgramRecord]]] = {}
    for suspicion, run in alone:
        if not (suspicion.by_recall or suspicion.by_held_out or suspicion.direction):
            # Inputs that are brought to scale in two ways are two ways to treat one thing.
            what = "scale" if any(isinstance(t, ScaleInputs) for t in suspicion.treatments) else suspicion.cause
            tried.setdefault(what, []).append((suspicion, run))
    if not tried:
        return []
    ordered = [sorted(pairs, key=lambda pair: _end(pair[1]), reverse=True) for pairs in list(tried.values())[:MOST]]
    best = [pairs[0][0] for pairs in ordered]
    found = [best] if len(best) > 1 else []
    found += [[*best, other] for other in rate.usual(record)]
    if len(best) > 1:
        found += [[*best[:i], pairs[1][0], *best[i + 1 :]] for i, pairs in enumerate(ordered) if len(pairs) > 1]
    return found


def best_alone(record: ProgramRecord, alone: list[tuple[Suspicion, ProgramRecord]]) -> Suspicion | None:
    """What brings a program that stands still far by itself, though it was not confirmed as strictly as it has to be
    where a program learns."""
    far = [(s, run) for s, run in alone if not (s.by_recall or s.by_held_out) and helps([s], record, run)]
    return max(far, key=lambda pair: _end(pair[1]))[0] if far else None


def at_higher_rates(
    chosen: Suspicion, confirmed: Sequence[tuple[Suspicion, ProgramRecord]]
) -> list[tuple[Suspicion, ProgramRecord]]:
    """Layers with nothing between them, tried at the highest rates that were confirmed beside the one that was chosen.

    A network that is one linear layer does as well at a low rate as at a high one, so the low one is chosen, at which
    activations need more steps than there are to do better.

    Returns:
        each with the run at the same rate without activations, with which that of a fork is to be compared.
    """
    after = next(i for i, (s, _) in enumerate(confirmed) if s is chosen) + 1
    higher = [(s, run) for s, run in confirmed[after:] if s.direction > 0][-2:]
    return [
        (replace(bare, treatments=[*rated.treatments, *bare.treatments]), run)
        for rated, run in higher
        for bare in model.linear(run)
    ]


def helps(parts: list[Suspicion], was: ProgramRecord, now: ProgramRecord) -> bool:
    """Whether a run with all these treatments comes far, where the program as it is stands still."""
    if any(part.by_final for part in parts):
        return _final(now) - max(_final(was), 0.0) > FAR
    same = all(part.same_loss for part in parts)
    return better(was, now, same_loss=same) and reached(now) - max(reached(was), 0.0) > FAR


def as_good(parts: list[Suspicion], was: ProgramRecord, now: ProgramRecord, all_of_them: ProgramRecord) -> bool:
    """Whether a run with fewer treatments does about as well as that with all of them."""
    by_final = any(part.by_final for part in parts)
    far, most = (_final(now), _final(all_of_them)) if by_final else (reached(now), reached(all_of_them))
    return helps(parts, was, now) and far > 0.8 * most


def _final(record: ProgramRecord) -> float:
    """The way from chance at the end, in eval(); what the steps came to where that is not known."""
    if record.final is None or record.final.accuracy is None:
        return reached(record)
    return (record.final.accuracy - chance(record)) / max(1 - chance(record), 1e-9)


def _end(run: ProgramRecord) -> tuple[float, float]:
    """How well a run did: how far it came, and how small its loss is."""
    loss = run.steps[-1].loss if run.steps else float("inf")
    return round(max(reached(run), 0.0), 2), -loss
