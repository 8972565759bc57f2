"""A gradient that is a sum over several paths, with a wrong factor at some of them: what comes through the mean of a
normalisation, summed where it should be averaged, or of the other sign. What is left out is said by other trials."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.check.record.reverse import ReversePass, backward, contributions
from pellucid.check.record.tape import Site, Tape, TapeNode
from pellucid.doctor.probes.lines import behind, first_alike
from pellucid.doctor.probes.values import Value, Values

MOST = 6  # paths
FITS = 1e-5  # of a value, which guards as in log(p + 1e-8) leave
EXACT = 1e-3  # of a factor


@dataclass
class Part:
    """What a value of the forward pass gets through one use of it."""

    user: TapeNode
    value: np.ndarray


@dataclass
class Unequal:
    """A line whose value is the sum of the parts, some of them multiplied by a number that is neither 1 nor 0."""

    site: Site | None
    factors: list[tuple[TapeNode, float]]
    tensors: list[str]

    def named(self, sizes: Iterable[int]) -> tuple[str, str, str]:
        """The mistake, what is wrong, and what to write."""
        values = [factor for _, factor in self.factors]
        where = ", ".join(
            user.op if user.site is None else f"line {user.site.line}" + (f" ({user.op})" if user.op != "move" else "")
            for user, _ in self.factors
        )
        same = all(abs(value - values[0]) <= EXACT * abs(values[0]) for value in values)
        by = abs(values[0])
        if same and abs(values[0] + 1) < EXACT:
            return "sign", f"What comes through {where} has the wrong sign.", "turn its sign around"
        if same and any(abs(by - n) <= EXACT * n or abs(by * n - 1) <= EXACT for n in sizes if n > 1):
            text = f"What comes through {where} is {values[0]:.6g} times as large as it should be: "
            more = by > 1
            text += (
                "summed where the forward pass averages." if more else "averaged once more than the forward pass does."
            )
            return "batch-factor", text, "take the mean where the forward pass does" if more else "take the sum"
        said = ", ".join(f"{value:.4g}" for value in values)
        return "constant-factor", f"What comes through {where} is multiplied by {said}.", "divide it by that"


def unequal(
    tape: Tape, wrong: Iterable[str], given: Mapping[str, np.ndarray], moved: Mapping[str, np.ndarray]
) -> Unequal | None:
    """The first such value on the way to the wrong tensors."""
    way = backward(tape)
    right = Values(tape, moved, way)
    led: dict[int, list[str]] = {}
    for name, step in first_alike(right, list(wrong), given).items():
        for made in behind(step, right):
            led.setdefault(made.index, []).append(name)
    own = {node.index for node in tape.parameters.values()}  # of which a penalty is a part
    sums = [parts for of, parts in _parts(way).items() if 2 <= len(parts) <= MOST and of not in own]
    for index in sorted(led):
        step = right.steps[index]
        times = [t for s in right.sources(step) if (t := _times(s, right))]
        for parts in sums if times else ():
            factors = _factors(step.value, parts)
            if factors is None:
                continue
            off = [(part.user, c / times[0]) for part, c in zip(parts, factors, strict=True)]
            off = [(user, c) for user, c in off if abs(c - 1) > EXACT]  # not nan, of what is nothing
            if 0 < len(off) < len(parts) and all(abs(c) > EXACT for _, c in off):
                return Unequal(step.site, off, led[index])
    return None


def _times(step: Value, right: Values, depth: int = 4) -> float:
    """How many times a true gradient the nearest one is that a value was made of; 0 where there is none near."""
    if step.nodes[0].index in right.forward or not step.needs:
        return 0.0
    if right(step):
        return right.times(step)
    found = [t for s in right.sources(step) if depth and (t := _times(s, right, depth - 1))]
    return found[0] if found else 0.0


def _factors(value: np.ndarray, parts: list[Part]) -> np.ndarray | None:
    """The numbers by which the parts add up to a value; None where they do not, or where a part says nothing."""
    if any(part.value.size != value.size for part in parts) or value.size < 2 * len(parts):
        return None
    columns = np.stack([part.value.ravel() for part in parts], 1)
    sizes = np.linalg.norm(columns, axis=0)
    told = sizes > 1e-9 * sizes.max(initial=0.0)
    if not sizes.any() or not np.isfinite(sizes).all() or told.sum() < 2:
        return None
    flat = value.ravel()
    found, _, rank, _ = np.linalg.lstsq(columns[:, told] / sizes[told], flat, rcond=1e-10)
    rest = np.linalg.norm(columns[:, told] / sizes[told] @ found - flat)
    if rank < told.sum() or not rest <= FITS * np.linalg.norm(flat):
        return None
    factors = np.full(len(parts), np.nan)  # what is nothing has any factor
    factors[told] = found / sizes[told]
    return factors


def _parts(way: ReversePass) -> dict[int, list[Part]]:
    """For each node that is used several times, what it gets of each use; of a loop, of all its turns together."""
    found: dict[int, dict[Any, Part]] = {}
    with np.errstate(all="ignore"):
        for node in way.tape.useful():
            adjoint = way.raw.get(node.index, way.adjoints.get(node.index))
            for source, value in contributions(node, adjoint, way.change)[1] if adjoint is not None else ():
                if value.size > 1:
                    use = (node.op, node.site) if node.site is not None else node.index
                    own = found.setdefault(source.index, {})
                    own[use] = Part(node, value + own[use].value) if use in own else Part(node, value)
    return {index: list(parts.values()) for index, parts in found.items()}
