"""The map of the rooms is up to date, and what should become less only becomes less."""

import json
import re
from pathlib import Path

import pytest

from tests import house

COUNTS = house.counts()
KNOWN = json.loads(house.COUNTS.read_text(encoding="utf-8"))


def test_the_map_shows_the_imports() -> None:
    assert house.PAGE.read_text(encoding="utf-8") == house.page_with_map(), "write it anew: python -m tests.house"


@pytest.mark.parametrize(("kind", "room"), [(kind, room) for kind, rooms in COUNTS.items() for room in rooms])
def test_the_counts_only_fall(kind: str, room: str) -> None:
    before, now = KNOWN[kind].get(room, 0), COUNTS[kind][room]
    assert now <= before, f"{kind} in {room}: {now}, there were {before}"
    assert now == before, f"{kind} in {room}: {now}, down from {before}: keep it so by python -m tests.house"


# Not English, with what is: each was found in many docstrings, comments and messages.
PHRASES = {
    r"\bis told\b": "is reported",
    r"\bso many\b": "a number of, as many as …: `so many` counts nothing",
    r"\bmisses\b": "is missing, lacks",
}
TEXTS = [*house.MODULES, *sorted((house.ROOT / "docs").rglob("*.md")), house.ROOT / "README.md"]


def unenglish(text: str) -> list[str]:
    """What of the list the text says, each with its line and with what to say instead."""
    return [
        f"line {text[: found.start()].count(chr(10)) + 1}: {found.group()!r}: {instead}"
        for phrase, instead in PHRASES.items()
        for found in re.finditer(phrase, text)
    ]


@pytest.mark.parametrize("path", TEXTS, ids=[str(path.relative_to(house.ROOT)) for path in TEXTS])
def test_no_text_says_what_is_not_english(path: Path) -> None:
    assert not unenglish(path.read_text(encoding="utf-8"))


def test_a_phrase_that_is_not_english_is_found() -> None:
    assert unenglish("The file\nmisses its head, which is told.") == [
        "line 2: 'is told': is reported",
        "line 2: 'misses': is missing, lacks",
    ]
