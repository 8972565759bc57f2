"""Numbers as people write them in a table: 1,000.50 and 1.000,50, 1'000, $2.50, 5%, (3.2), 7-, 12 kg.

Whether a comma or a point is the decimal mark is decided for a column as a whole: `52,4` can only be read in one way,
`1,234` in two.

    >>> numeral("$1,000.50").read(".")
    1000.5
    >>> [numeral("1,234").read(mark) for mark in ".,"]
    [1234.0, 1.234]
    >>> numeral("(5%)").read("."), numeral("x4")
    (-0.05, None)
"""

import math
import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

# Of the ways to write a minus, a blank and an apostrophe, a table may hold any; one stands for all.
_PLAIN = str.maketrans(
    dict.fromkeys("−–﹣－", "-")
    | dict.fromkeys("\xa0\u2002\u2003\u2007\u2008\u2009\u200a\u202f\t", " ")
    | dict.fromkeys("’‘ʼʹ′", "'")
)
_CODES = "USD|EUR|GBP|CHF|JPY|CNY|RMB|INR|AUD|CAD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|BRL|MXN|ZAR|KRW|TRY|RUB|Rs|kr"
_CURRENCY = rf"(?:[A-Z]{{0,3}}[$¢£¤¥€₩₪₫₱₴₹₺₽₿]|(?:{_CODES})\.?)"
_CELL = re.compile(
    rf"(?P<sign>[+-])?\s*(?P<before>{_CURRENCY})?\s*(?P<second>[+-])?\s*"
    r"(?P<digits>\d(?:[\d.,' ]*[\d.])?|[.,]\d+)(?P<exponent>[eE][+-]?\d+)?\s*"
    rf"(?P<after>[%‰]|{_CURRENCY}|[^\W\d_]{{1,10}}[23]?(?:[/·][^\W\d_]{{1,6}}[23]?)?\.?|°[CF]?|[\"'])?\s*(?P<last>-)?"
)
_SCALES = {"%": Decimal(100), "‰": Decimal(1000)}
LARGEST_EXACT = 2**53  # beyond it a float64 skips whole numbers


@dataclass(frozen=True)
class Numeral:
    """A cell that may be a number: its digits with their marks, as written, and what surrounds them.

    Attributes:
        text: the cell.
        unit: a currency, %, ‰ or a word such as kg; empty where there is none.
        is_word: the unit is a word, and neither a currency nor a share.
    """

    text: str
    digits: str
    exponent: str
    negative: bool
    unit: str
    is_word: bool

    def exact(self, decimal: str) -> Decimal | None:
        """The number that it is where `decimal`, a point or a comma, is the decimal mark; None where it is none."""
        plain = _without_groups(self.digits, decimal)
        if plain is None:
            return None
        value = Decimal(plain + self.exponent) / _SCALES.get(self.unit, Decimal(1))
        return -value if self.negative else value

    def read(self, decimal: str) -> float | None:
        """As `exact`, rounded to float64: None where there is no such number, or none that is finite."""
        plain = _without_groups(self.digits, decimal)
        if plain is None:
            return None
        value = float(plain + self.exponent) / float(_SCALES.get(self.unit, 1))
        if not math.isfinite(value):
            return None
        return -value if self.negative else value

    @property
    def decimals(self) -> str:
        """The decimal marks with which it can be read: ".," for both."""
        return "".join(mark for mark in ".," if self.read(mark) is not None)

    @property
    def is_ambiguous(self) -> bool:
        """Whether a point and a comma as the decimal mark give two different numbers."""
        return self.decimals == ".," and self.read(".") != self.read(",")


@lru_cache(maxsize=100_000)
def numeral(cell: str) -> Numeral | None:
    """The number that a cell may be, or None where it is a text."""
    plain = cell.translate(_PLAIN).strip()
    bracketed = plain.startswith("(") and plain.endswith(")")
    if bracketed:
        plain = plain[1:-1].strip()
    match = _CELL.fullmatch(plain)
    if match is None:
        return None
    signs = [match[name] for name in ("sign", "second", "last") if match[name]]
    before, after = match["before"] or "", match["after"] or ""
    if len(signs) + bracketed > 1 or (before and after and after not in _SCALES):
        return None
    unit = after or before
    is_word = bool(after) and after not in _SCALES and re.fullmatch(_CURRENCY, after) is None
    if is_word and match["last"]:
        return None
    found = Numeral(
        text=cell,
        digits=match["digits"],
        exponent=match["exponent"] or "",
        negative=bracketed or "-" in signs,
        unit=unit,
        is_word=is_word,
    )
    return found if found.decimals else None


def _without_groups(digits: str, decimal: str) -> str | None:
    """`1,000.50` with the decimal mark `.` is "1000.50"; None where the marks are not where they belong."""
    digits = unicodedata.normalize("NFKC", digits)
    whole, mark, fraction = digits.partition(decimal)
    if not (whole or fraction) or not (fraction.isdigit() or fraction == ""):
        return None
    separators = {char for char in whole if not char.isdigit()}
    if len(separators) > 1:
        return None
    if separators:
        (separator,) = separators
        first, *groups = whole.split(separator)
        # Thousands; or hundreds between the first digits and the last three, as they are written in India.
        inner = {len(group) for group in groups[:-1]}
        if not (1 <= len(first) <= 3 and first[0] != "0" and len(groups[-1]) == 3 and inner in (set(), {3}, {2})):
            return None
        if inner == {2} and len(first) > 2:
            return None
        whole = first + "".join(groups)
    return f"{whole or '0'}.{fraction or '0'}" if mark else whole


_TIME = r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?: ?[AaPp]\.?[Mm]\.?)?(?: ?(?:Z|UTC|GMT|[+-]\d{2}:?\d{2}))?"
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\.?"
_DAY = "|".join(
    (
        r"\d{4}-\d{1,2}(?:-\d{1,2})?",
        r"\d{4}[/.]\d{1,2}[/.]\d{1,2}",
        r"\d{1,2}([./-])\d{1,2}\1\d{2}(?:\d{2})?",
        rf"(?:\w+,? )?\d{{1,2}}(?:\.|st|nd|rd|th)?[ -]{_MONTH},?[ -]\d{{2,4}}",
        rf"(?:\w+,? )?{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?,? \d{{2,4}}",
        rf"{_MONTH}[ -]\d{{4}}",
    )
)
_WHEN = re.compile(rf"(?:{_TIME}|(?:{_DAY})(?:(?:T|,? )(?:{_TIME}))?)", re.IGNORECASE)


def is_date_or_time(cell: str) -> bool:
    """Whether a cell is a date or a time of day, in one of the usual ways to write them.

    >>> [is_date_or_time(cell) for cell in ("2024-01-31", "31.1.2024", "1/31/24", "5 Jan 2024 12:30", "12:30", "12.30")]
    [True, True, True, True, True, False]
    """
    return numeral(cell) is None and _WHEN.fullmatch(cell.strip()) is not None
