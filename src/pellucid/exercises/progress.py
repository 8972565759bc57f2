"""How far the answers of a folder are: right, begun, or changed since they were right.

`pellucid exercise check` notes what was right in `.pellucid-exercises.json`, beside the answers, with a digest of the
file: so the list knows without running anything, and an answer that was edited since is not called right.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path

from pellucid.exercises.checking import Outcome
from pellucid.exercises.sheet import exercise_of
from pellucid.exercises.table import EXERCISES, Exercise
from pellucid.files import write_json

NOTES = ".pellucid-exercises.json"


def note(path: Path, outcome: Outcome) -> None:
    """Keep whether the answer in this file is right. A folder that cannot be written to keeps nothing."""
    known = _known(path.parent)
    name = exercise_of(path).name
    if outcome.right:
        known[name] = {"file": path.name, "digest": _digest(path)}
    elif known.get(name, {}).get("file") == path.name:
        del known[name]
    with contextlib.suppress(OSError):
        write_json(path.parent / NOTES, known)


def states(folder: Path) -> dict[str, str]:
    """For each exercise that was begun in this folder: "right", "begun", or "changed since it was right"."""
    known = _known(folder)
    found: dict[str, str] = {}
    for name in EXERCISES:
        path = file_of(folder, name)
        if path.is_file():
            digest = known.get(name, {}).get("digest", "")
            found[name] = "right" if digest == _digest(path) else "changed since it was right" if digest else "begun"
    return found


def file_of(folder: Path, name: str) -> Path:
    """The answer's file: the one that was right, or the one that `start` writes."""
    return folder / _known(folder).get(name, {}).get("file", f"{name}.py")


def next_of(states: dict[str, str]) -> Exercise | None:
    """The first in the order that is not right, and whose parts are; None where all are right."""
    left = [exercise for exercise in EXERCISES.values() if states.get(exercise.name) != "right"]
    ready = [exercise for exercise in left if all(states.get(name) == "right" for name in exercise.after)]
    return next(iter([*ready, *left]), None)


def _known(folder: Path) -> dict[str, dict[str, str]]:
    try:
        found = json.loads((folder / NOTES).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    rows = found.items() if isinstance(found, dict) else ()
    return {
        name: row
        for name, row in rows
        if isinstance(row, dict) and all(isinstance(row.get(key), str) for key in ("file", "digest"))
    }


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
