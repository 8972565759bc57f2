"""Dates and times of day as people write them, as numbers: days since 1970-01-01, and hours since midnight.

Which of two numbers is the day is decided for a column as a whole: 31/1/2024 can only be read in one way, 1/2/2024 in
two.

    >>> when("2024-01-31"), when("31.1.2024"), when("31 Jan 2024 12:00"), when("12:30")
    (19753.0, 19753.0, 19753.5, 12.5)
    >>> when("1/2/2024", "month first"), when("1/2/2024", "day first"), when("1/2/2024")
    (19724.0, 19754.0, None)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, timedelta

ORDERS = ("day first", "month first")
EXAMPLE = "2024-01-31"
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_TIME = re.compile(
    r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}(?:[.,]\d+)?))?\s?(?P<half>[AaPp])?\.?(?:[Mm]\.?)?"
    r"\s?(?P<zone>Z|UTC|GMT|[+-]\d{2}:?\d{2})?$",
    re.IGNORECASE,
)
_YEAR_FIRST = re.compile(r"(\d{4})[-/.](\d{1,2})(?:[-/.](\d{1,2}))?$")
_YEAR_LAST = re.compile(r"(\d{1,2})([./-])(\d{1,2})\2(\d{4}|\d{2})$")
_EPOCH = date(1970, 1, 1).toordinal()


def when(cell: str, order: str = "") -> float | None:
    """The number that a date, with or without a time, or a time of day is; None where it is neither.

    Args:
        order: "day first" or "month first", which 1/2/2024 and 1-2-2024 need; 1.2.2024 has the day first without.
    """
    plain = cell.strip()
    clock = _TIME.search(plain)
    hours = 0.0
    if clock is not None:
        found = _hours(clock)
        rest = plain[: clock.start()].rstrip(" ,").removesuffix("T")
        if found is None or not rest:
            return found
        hours, plain = found, rest
    day = _day(plain, order)
    return None if day is None else day + hours / 24


def order_of(cells: Sequence[str]) -> str | None:
    """The order of day and month in the dates of a column, "" where no cell needs one; None where they leave it open,
    or contradict each other.

    >>> order_of(["1/2/2024", "13/2/2024"]), order_of(["2024-01-02"]), order_of(["1/2/2024", "3/4/2024"])
    ('day first', '', None)
    """
    asking = [cell for cell in cells if needs_order(cell)]
    if not asking:
        return ""
    fitting = [order for order in ORDERS if all(when(cell, order) is not None for cell in asking)]
    return fitting[0] if len(fitting) == 1 else None


def written(number: float, hours: bool) -> str:
    """A number of `when` as a date, or as a time of day.

    >>> written(19753.0, hours=False), written(19753 + 23 / 24, hours=False), written(12.5, hours=True)
    ('2024-01-31', '2024-01-31 23:00', '12:30')
    """
    minutes = round(number * (60 if hours else 24 * 60))
    day, minute = (0, minutes) if hours else divmod(minutes, 24 * 60)
    clock = f"{minute // 60:02d}:{minute % 60:02d}"
    if hours:
        return clock
    return (date(1970, 1, 1) + timedelta(days=day)).isoformat() + (f" {clock}" if minute else "")


def is_time(cell: str) -> bool:
    """Whether a cell is a time of day without a date."""
    return _TIME.match(cell.strip()) is not None


def needs_order(cell: str) -> bool:
    """Whether a date needs to be told whether its day comes first."""
    plain = cell.strip()
    clock = _TIME.search(plain)
    plain = plain if clock is None else plain[: clock.start()].rstrip(" ,").removesuffix("T")
    match = _YEAR_LAST.match(plain)
    return match is not None and match[2] != "."


def _hours(clock: re.Match[str]) -> float | None:
    hour, minute = int(clock["hour"]), int(clock["minute"])
    half, zone = (clock["half"] or "").lower(), clock["zone"] or ""
    if minute > 59 or (hour > 24 if not half else not 1 <= hour <= 12):
        return None
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    hours = hour + minute / 60 + float((clock["second"] or "0").replace(",", ".")) / 3600
    if zone[:1] in ("+", "-"):  # at the same moment in Greenwich
        away = int(zone[1:3]) + int(zone[-2:]) / 60
        hours -= away if zone[0] == "+" else -away
    return hours


def _day(text: str, order: str) -> float | None:
    if match := _YEAR_FIRST.match(text):
        return _number(int(match[1]), int(match[2]), int(match[3] or 1))
    if match := _YEAR_LAST.match(text):
        first, second, year = int(match[1]), int(match[3]), _year(match[4])
        if match[2] == "." or order == "day first":
            return _number(year, second, first)
        return _number(year, first, second) if order == "month first" else None
    names = [word for word in re.findall(r"[A-Za-z]{3,}", text) if word[:3].lower() in _MONTHS]
    numbers = re.findall(r"\d+", text)
    if not names or not 1 <= len(numbers) <= 2:
        return None
    return _number(
        _year(numbers[-1]), _MONTHS.index(names[-1][:3].lower()) + 1, int(numbers[0]) if len(numbers) == 2 else 1
    )


def _year(digits: str) -> int:
    """Two digits are of the century that POSIX says: 69 to 99 of the twentieth."""
    year = int(digits)
    return year if len(digits) > 2 else year + (1900 if year >= 69 else 2000)


def _number(year: int, month: int, day: int) -> float | None:
    try:
        return float(date(year, month, day).toordinal() - _EPOCH)
    except ValueError:
        return None
