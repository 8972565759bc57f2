"""The numbers that a program prints, and whether they say that it learns.

What follows the slope of no usual loss (a policy gradient, an evolution, the means of clusters) can be compared with
none. But nearly every program prints how far it is.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

MOST = 20_000  # lines that are kept
FEWEST = 5  # numbers of one name, of which a trend is a trend
STAYS = 0.9  # of the second half of them, which are nearer to the last than to the first
GAIN = 0.5  # of the range of a number, between its first fifth and its last
SHARE = 0.15  # of its size at the beginning, the same
NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?", re.I)
FALLS = re.compile(
    r"loss|err|cost|mse|mae|rmse|nll|energy|distortion|inertia|perplexity|residual|negative|-\w*log\(|^J\b", re.I
)
RISES = re.compile(r"acc|correct|right|hits|reward|return|score|fitness|likelihood|won|wins|success|argmax|==", re.I)


@dataclass(frozen=True)
class Trend:
    """A number that was printed again and again: what it is called, and what it was at first and at last."""

    name: str
    first: float
    last: float

    @property
    def said(self) -> str:
        return f"{self.name} goes from {self.first:.4g} to {self.last:.4g}"


def watch_print(lines: list[str], sources: dict[str, str]) -> None:
    """From here on, keep what is printed; before a number that stands by itself, what it is called in the source."""
    own = builtins.print
    calls: dict[tuple[str, int], list[ast.expr]] = {}

    def kept(*values: Any, **how: Any) -> None:
        if len(lines) < MOST and how.get("file") is None:
            frame = sys._getframe(1)
            at = frame.f_code.co_filename, frame.f_lineno
            if at not in calls:
                calls[at] = _arguments(sources.get(at[0], ""), at[1])
            lines.append(_line(values, calls[at]))
        own(*values, **how)

    builtins.print = kept


def _arguments(source: str, line: int) -> list[ast.expr]:
    """What the one call of `print` in a line is given."""
    with contextlib.suppress(SyntaxError):
        found = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Call) and n.lineno == line]
        found = [call for call in found if ast.unparse(call.func) == "print"]
        if len(found) == 1 and not any(isinstance(a, ast.Starred) for a in found[0].args):
            return found[0].args
    return []


def _line(values: Sequence[Any], written: Sequence[ast.expr]) -> str:
    """
    >>> _line([3, 0.25], ast.parse("print(epoch, loss / n)").body[0].value.args)
    'epoch 3 loss / n 0.25'
    >>> _line(["3: 0.25"], ast.parse("print(f'{epoch}: {loss:.2f}')").body[0].value.args)
    'epoch 3: loss 0.25'
    """
    parts: list[str] = []
    for i, value in enumerate(values):
        text = str(value)[:200] if isinstance(value, str | int | float | np.number) else ""
        node = written[i] if len(written) == len(values) else None
        if node is not None and not isinstance(value, str):
            bare = not parts or not re.search(r"[A-Za-z]\W*$", parts[-1])
            text = f"{_called(node)} {text}" if bare else text
        elif isinstance(node, ast.JoinedStr):
            held = [part.value for part in node.values if isinstance(part, ast.FormattedValue)]
            if len(NUMBER.findall(text)) == len(held) and not re.search(r"[A-Za-z]{2}", text):
                names = iter(held)
                text = NUMBER.sub(lambda found: f"{_called(next(names))} {found[0]}", text)  # noqa: B023
        parts.append(text)
    return " ".join(parts)


def _called(node: ast.expr) -> str:
    """An expression without the numbers in it."""
    return re.sub(r"[\d.]+", "", ast.unparse(node))


def learns(lines: Sequence[str]) -> Trend | None:
    """The number by which a program learns: all that are called so get better, and do not fall back.

    >>> learns([f"epoch {i} loss {2.0 / (i + 1):.3f}" for i in range(8)]).said
    'loss goes from 2 to 0.25'
    >>> learns([f"epoch {i} loss {2.0 + i:.3f}" for i in range(8)])
    """
    series: dict[tuple[str, str], list[float]] = {}
    for line in lines:
        begin, text = 0, NUMBER.sub("#", line)
        for found in NUMBER.finditer(line):
            series.setdefault((text, _name(line[begin : found.start()])), []).append(float(found[0]))
            begin = found.end()
    told: list[tuple[int, Trend, bool]] = []
    for (_, name), values in series.items():
        falls = FALLS.search(name) is not None
        if len(values) >= FEWEST and (falls or RISES.search(name)) and np.isfinite(values).all():
            trend, better = _trend(name, np.array(values), -1.0 if falls else 1.0)
            told.append((len(values), trend, better))
    if not told or not all(better for _, _, better in told):
        return None
    return max(told, key=lambda item: item[0])[1]


def _name(before: str) -> str:
    """The words before a number: `mean return` of `episode 60, mean return: `."""
    return " ".join(before.split()).strip(" ,:|;=").removeprefix("- ")


def _trend(name: str, values: np.ndarray, sign: float) -> tuple[Trend, bool]:
    """Its trend, and whether it gets better and stays so."""
    part = max(1, len(values) // 5)
    first, last = float(values[:part].mean()), float(values[-part:].mean())
    gain = sign * (last - first)
    stays = float((sign * values[len(values) // 2 :] > sign * (first + last) / 2).mean())
    better = gain > GAIN * float(np.ptp(values)) and gain > SHARE * abs(first) and stays >= STAYS
    return Trend(name, first, last), bool(better)
