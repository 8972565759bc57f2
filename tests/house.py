"""What the house looks like: the map of the rooms, and counts of what should become less.

    python -m tests.house           writes the map into docs/how-it-works.md, and the counts into tests/house.json
    python -m tests.house --show    prints them

The map is made from the imports themselves, so it shows the arrows that are there, not those that were planned.
"""

import ast
import json
import re
import sys
from collections import defaultdict
from pathlib import Path

from tests.test_rooms import FRONT, MAY_IMPORT, MODULES, SRC, imports, is_room, module_name, room_of

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "how-it-works.md"
COUNTS = ROOT / "tests" / "house.json"
BEGIN, END = "<!-- the map: python -m tests.house -->", "<!-- end of the map -->"

Arrows = dict[str, set[str]]


def arrows() -> Arrows:
    """room -> the rooms that its files import."""
    found: Arrows = {}
    for path in MODULES:
        name = module_name(path)
        room = room_of(name)
        if room in FRONT:
            continue
        targets = imports(path.read_text(encoding="utf-8"), name, path.name == "__init__.py")
        rooms = {room_of(target) for _, target, _ in targets if target.split(".")[0] == "pellucid"}
        found.setdefault(room, set()).update(other for other in rooms - FRONT if other != room and is_room(other))
    return found


def floors(found: Arrows) -> list[list[str]]:
    """The rooms by height: a room lies one above the highest room that it imports. Top floor first."""
    height: dict[str, int] = {}

    def of(room: str) -> int:
        if room not in height:
            height[room] = 1 + max((of(below) for below in found[room]), default=-1)
        return height[room]

    by_height: defaultdict[int, list[str]] = defaultdict(list)
    for room in sorted(found):
        by_height[of(room)].append(room)
    return [by_height[level] for level in sorted(by_height, reverse=True)]


def purpose(room: str) -> str:
    """The first sentence of the room's docstring."""
    package = ROOT / "src" / "pellucid" / room / "__init__.py"
    path = package if package.is_file() else package.parent.with_suffix(".py")
    text = " ".join((ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n\n")[0].split())
    return re.split(r"(?<=\.) ", text)[0].replace("``", "`")


def the_map() -> str:
    """The floors as a drawing, then a row for each room."""
    found = arrows()
    lines = [BEGIN, "", "```text"]
    lines += ["  ".join(floor) for floor in floors(found)]
    lines += ["```", "", "| room | what is there | imports |", "|---|---|---|"]
    for floor in floors(found):
        for room in floor:
            below = ", ".join(f"`{other}`" for other in sorted(found[room]))
            lines.append(f"| `{room}` | {purpose(room)} | {below or '–'} |")
    return "\n".join([*lines, "", END])


def page_with_map() -> str:
    """The page as it should be."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    return before + the_map() + rest.partition(END)[2]


def counts() -> dict[str, dict[str, int]]:
    """By kind and room: pyright switches at the heads of files, and lines with `Any`."""
    switches: defaultdict[str, int] = defaultdict(int)
    anys: defaultdict[str, int] = defaultdict(int)
    for path in [*MODULES, *SRC.rglob("*.pyi")]:
        room = room_of(module_name(path))
        for line in path.read_text(encoding="utf-8").splitlines():
            switches[room] += line.startswith("# pyright:")
            anys[room] += path.suffix == ".py" and bool(re.search(r"\bAny\b", line))
    return {
        "pyright switches at file heads": {room: switches[room] for room in sorted(switches) if room in MAY_IMPORT},
        "lines with Any": {room: anys[room] for room in ("core", "autograd", "optim", "train")},
    }


def main(arguments: list[str]) -> None:
    if "--show" in arguments:
        print(the_map())
        print(json.dumps(counts(), indent=2))
        return
    PAGE.write_text(page_with_map(), encoding="utf-8")
    COUNTS.write_text(json.dumps(counts(), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
