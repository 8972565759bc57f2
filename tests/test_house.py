"""The map of the rooms is up to date, and what should become less only becomes less."""

import json

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
