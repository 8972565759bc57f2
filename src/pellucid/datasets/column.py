"""A column of a table as it is understood, and the words in which messages speak of one."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from pellucid import shell
from pellucid.datasets import dates
from pellucid.datasets.numerals import numeral

Kind = Literal["number", "category", "date", "nothing"]
Missing = Literal["error", "drop", "category", "mean", "indicator"]
LEAST_NUMBERED = 10  # rows of which a column with each number once is taken to number them
WAYS: tuple[Missing, ...] = ("error", "drop", "category", "mean", "indicator")

# What people and programs write for a value that they do not have: as pandas reads it, with the marks of older files.
MISSING = frozenset(
    "|#N/A|#N/A N/A|#NA|-1.#IND|-1.#QNAN|-NaN|-nan|1.#IND|1.#QNAN|<NA>|N/A|NA|NULL|NaN|None|n/a|nan|null"
    "|NAN|Null|#NULL!|#VALUE!|#DIV/0!|#REF!|NaT|?|-|--|\u2013|\u2014|.".split("|")
)
# Beside numbers, these are no texts either; among texts they are categories ("none" of three kinds of fur).
MISSING_NUMBER = frozenset({"na", "none", "n.a.", "missing", "unknown"})
FILLED = frozenset({"mean", "indicator"})  # the ways with missing values that fill them in
MOST_FAR = 0.02  # of the numbers of a column, those that can be far from the others
MOST_CATEGORIES = 256  # a text column with more is a name or an identifier, not a category
MOST_CLASSES = 20  # a target of whole numbers with more different values is a quantity


@dataclass(frozen=True, eq=False)
class Column:
    """A column as it is understood.

    Attributes:
        kind: a number, or a category; a date is a number, of days since 1970-01-01, and a time of day one of hours.
        values: (N,) float64 for numbers, (N,) str for categories.
        exact: the numbers as whole numbers of any size, where all of them are whole.
        unit: what is written beside each number: a currency, %, kg; empty where there is nothing. Shares are divided
            out: 5% is 0.05.
        decimal: the mark before the decimals, "" where no cell has one.
        missing: how many cells of the file have no value.
        note: what was decided about it that another reader might have decided otherwise.
        date: of dates "day first", "month first" or, where no cell needs one of these, "date"; of times of day "time".
    """

    name: str
    kind: Kind
    values: np.ndarray
    exact: tuple[int, ...] | None = None
    unit: str = ""
    decimal: str = ""
    missing: int = 0
    note: str = ""
    date: str = ""

    @property
    def has_clock(self) -> bool:
        """Whether it holds times of day, with dates or alone."""
        return self.date == "time" or bool(self.date and np.nan_to_num(self.values % 1).any())

    @property
    def quoted(self) -> str:
        """Its name as a command line takes it."""
        return shell.quote(self.name)

    def _far(self) -> str:
        """What is said of a few numbers ten times as far from the others as these are from one another."""
        if self.kind != "number" or self.date:
            return ""
        there = self.values[~np.isnan(self.values)]
        low, high = np.percentile(there, [25, 75])
        with np.errstate(over="ignore"):
            reach = 10 * (high - low)
            far = there[(there < low - reach) | (there > high + reach)]
        if not reach or not len(far) or len(far) > MOST_FAR * len(there):
            return ""
        what = "1 value lies" if len(far) == 1 else f"{len(far)} values lie"
        return f"{what} far from the others, such as {short(float(far[np.abs(far).argmax()]))}"

    def _alike(self) -> str:
        """What is said of categories that differ in capitals or blanks alone: the same one, written in two ways?"""
        if self.kind != "category":
            return ""
        first: dict[str, str] = {}
        for name in np.unique(self.values).tolist():
            before = first.setdefault("".join(name.casefold().split()), name)
            if before != name:
                return f"{before!r} and {name!r} count as two: written in one way, they are one"
        return ""

    def _held(self) -> str:
        if self.kind == "category":
            names, counts = np.unique(self.values, return_counts=True)
            often = names[np.argsort(-counts, kind="stable")]
            shown = [str(name) or "(empty)" for name in often[:4]]
            return f"{len(names)}: {', '.join(shown)}{', …' if len(names) > 4 else ''}"
        low, high = (
            (min(self.exact), max(self.exact)) if self.exact else (np.nanmin(self.values), np.nanmax(self.values))
        )
        if self.date:
            low, high = (dates.written(float(end), self.date == "time") for end in (low, high))
            return f"{low} to {high}"
        return f"{short(low)} to {short(high)}"

    def described(self, role: str, suspicion: str = "") -> dict[str, Any]:
        """A row of the table that is shown before training; `suspicion` is what else may be said of it."""
        read = f"{self.note}, and on a clock" if self.has_clock else self.note
        told = (
            self.unit and f"in {self.unit}",
            read,
            self._far(),
            self._alike(),
            suspicion,
        )
        note = "; ".join(part for part in told if part)
        return {
            "name": self.name,
            "role": role,
            "kind": {"": self.kind, "time": "time"}.get(self.date, "date"),
            "missing": self.missing,
            "holds": self._held(),
            "note": note,
        }


def is_missing(cell: str) -> bool:
    """Whether a cell of a column of numbers or dates has no value."""
    return cell in MISSING or (cell.lower() in MISSING_NUMBER and numeral(cell) is None)


def leave_out(name: str) -> str:
    return f"leave the column out with --ignore {quoted(name)}"


def as_category(name: str) -> str:
    return f"say so with --categorical {quoted(name)}"


def otherwise(name: str, learned: bool) -> str:
    """What to do beside correcting the cells of a column: nothing, where a network has learned what it holds."""
    if learned:
        return ", as the column was read so when the network learned from it"
    return f", {leave_out(name)}, or, where its cells are categories, {as_category(name)}"


def quoted(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() else f'"{name}"'


def short(value: float) -> str:
    """A number as one writes it: 1234, 1.234, 1e+20."""
    return (
        f"{value:d}"
        if isinstance(value, int)
        else np.format_float_positional(value, 6, fractional=False, trim="-")
        if 1e-4 <= abs(value) < 1e15 or value == 0
        else f"{value:.6g}"
    )
