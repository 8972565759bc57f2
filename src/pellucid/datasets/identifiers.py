"""Columns that name the rows and say nothing else of them: by what they are called, and by the numbers they hold."""

import re

import numpy as np

from pellucid.datasets.column import LEAST_NUMBERED, Column

# What is called so is an identifier where hardly a number comes twice, whatever gaps there are between them: rows were
# dropped, or are a part of a larger table.
_OWNERS = "user|customer|client|patient|passenger|person|employee|student|order|item|product|record|row|sample|uu|gu|u"
_CALLED = re.compile(
    rf"(?i:(^|.*[\W_])(id|nr|no|unnamed: 0|({_OWNERS})_?id)\W*|^(index|idx|key|row|level_0))$|.*[a-z](Id|ID|Nr|No)$"
)
# What ends so may be a quantity (a price index): its numbers must count, too.
_COUNTED = re.compile(r"(?i:.*[\W_](index|idx|number|num|row|key)\W*|number|num)$")


def identifies(column: Column) -> str:
    """Why a column of numbers is left out as an identifier; empty where it may say something.

    >>> ids = np.arange(40.0) * 3 + 1000
    >>> identifies(Column("customer_id", "number", ids))
    'has a number of its own for each row: an identifier'
    >>> identifies(Column("customer_id", "number", ids // 10)), identifies(Column("income", "number", ids))
    ('', '')
    """
    if not (_CALLED.match(column.name) or _COUNTED.match(column.name)):
        return ""
    numbers = _whole(column)
    if numbers is None:
        return ""
    if _counts(numbers) or (_COUNTED.match(column.name) and _runs(numbers)):
        return "numbers the rows: an identifier"
    if not _CALLED.match(column.name) or 2 * len(np.unique(numbers)) <= len(numbers):
        return ""
    each = len(np.unique(numbers)) == len(numbers)
    return f"has a number of its own for {'each row' if each else 'most rows'}: an identifier"


def suspicion(column: Column) -> str:
    """What is said of a column that is kept, and that may yet be an identifier."""
    numbers = None if column.date else _whole(column)
    if numbers is None:
        return ""
    name = column.quoted
    if _counts(numbers):
        return f"numbers the rows: an identifier? --ignore {name} leaves it out"
    evenly = 10 * np.diff(numbers).max() < numbers[-1] - numbers[0]
    if _rises(numbers) and evenly:  # of as many rows as this, no quantity does, unless the table is sorted by it
        return f"rises from row to row: an identifier? --ignore {name} leaves it out"
    if _CALLED.match(column.name) and len(np.unique(numbers)) > 20:
        return f"an identifier, as it is called so? --categorical {name} takes it as one, --ignore {name} leaves it out"
    return ""


def _whole(column: Column) -> np.ndarray | None:
    """The numbers of a column in the order of its rows, where there are some, and all are whole."""
    if column.kind != "number" or column.unit or column.date:
        return None
    if column.exact is not None:
        there = np.array(column.exact, object if max(map(abs, column.exact), default=0) >= 2**63 else np.int64)
    else:
        there = column.values[~np.isnan(column.values)]
        if (there != np.floor(there)).any():
            return None
    return there if len(there) >= LEAST_NUMBERED else None


def _counts(numbers: np.ndarray) -> bool:
    """Whether each number between the least and the largest is there once."""
    return len(np.unique(numbers)) == len(numbers) == numbers.max() - numbers.min() + 1


def _rises(numbers: np.ndarray) -> bool:
    """Whether each number is larger than that of the row before it."""
    return bool((numbers[1:] > numbers[:-1]).all())


def _runs(numbers: np.ndarray) -> bool:
    """Whether each number is there once, and they rise from row to row, or most of those between are there, too."""
    each = len(np.unique(numbers)) == len(numbers)
    return each and (_rises(numbers) or numbers.max() - numbers.min() < 2 * len(numbers))
