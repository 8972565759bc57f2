"""Sheets: a solved program, of which what is to be written is taken out."""

from __future__ import annotations

import re
from pathlib import Path

from pellucid.exercises.table import EXERCISES, Exercise

SHEETS = Path(__file__).resolve().parent / "sheets"
UNWRITTEN = 'raise NotImplementedError("write this")'
_PART = re.compile(r"^( *)# (solution|fault: ?(?P<fault>.*))\n(?P<right>(?:.*\n)*?) *# end\n", re.MULTILINE)


class ExerciseError(ValueError):
    """There is no such exercise, or no such file."""


def solution(exercise: Exercise) -> str:
    """The whole program, solved.

    >>> print(solution(EXERCISES["relu"]).splitlines()[-1])
        return dy * (x > 0)
    """
    return _PART.sub(lambda part: part["right"], _sheet(exercise))


def skeleton(exercise: Exercise) -> str:
    """The program with what is to be written left out, or with its fault in.

    >>> print(skeleton(EXERCISES["relu"]).splitlines()[-1])
        raise NotImplementedError("write this")
    """

    def left(part: re.Match[str]) -> str:
        if part["fault"] is None:
            return f"{part[1]}{UNWRITTEN}\n"
        return f"{part[1]}{part['fault']}\n" if part["fault"] else ""

    text = _PART.sub(left, _sheet(exercise))
    return text.replace('"""', f'"""Exercise {exercise.name}. ', 1)


def _sheet(exercise: Exercise) -> str:
    return (SHEETS / f"{exercise.name}.py.txt").read_text(encoding="utf-8")


def known(name: str) -> Exercise:
    """The exercise of a name.

    Raises:
        ExerciseError: there is none.
    """
    if name not in EXERCISES:
        import difflib

        near = difflib.get_close_matches(name, EXERCISES, n=1)
        said = f"Did you mean {near[0]}? " if near else ""
        raise ExerciseError(f"there is no exercise {name!r}. {said}pellucid exercise list shows all of them.")
    return EXERCISES[name]


def exercise_of(path: Path) -> Exercise:
    """The exercise that a file is an answer to: by its first line, or by its name.

    Raises:
        ExerciseError: there is no such file, or no exercise that it could be.
    """
    if not path.is_file():
        raise ExerciseError(f"there is no file {path}. pellucid exercise start NAME writes one.")
    found = re.match(r'"""Exercise ([\w-]+)\.', path.read_text(encoding="utf-8", errors="replace"))
    return known(found[1] if found else path.stem)
