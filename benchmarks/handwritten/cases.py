"""The cases of the benchmark: each program as its author meant it, and the same with mistakes planted in it.

`programs/NAME.py` is a right program, `healthy/NAME.py` a right but unusual one. `mistakes/NAME.toml` says what may
be wrong in a program: replacements of text, each of which must occur exactly once. `conditions/NAME.py` and
`conditions/NAME.toml` are the same for causes that need no wrong gradient: rates, scales, initialisation, the order of
the data. There `score` says whether the last number that the program prints should be `"higher"` or `"lower"`, by which
`benchmarks.handwritten.twins` shows that each fault does harm.

    pairs = [[0, 2]]               # mistakes that are also planted together, by their places below

    [[mistake]]
    id = "sign"                    # of mistakes.md or causes.md
    accept = ["wrong-loss"]        # other names that are as right
    old = '''dz = p - y'''
    new = '''dz = y - p'''
"""

from __future__ import annotations

import itertools
import random
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Mistake:
    """One replacement of text."""

    id: str
    old: str
    new: str
    accept: tuple[str, ...] = ()
    lines: tuple[int | str, ...] = ()  # more lines that may be named: counted in the right program, or texts in them

    def names(self) -> set[str]:
        return {self.id, *self.accept}


@dataclass(frozen=True)
class Case:
    """A program to be diagnosed."""

    name: str
    source: str
    mistakes: tuple[Mistake, ...] = ()
    lines: frozenset[int] = field(default_factory=frozenset)  # that may be named, from 1, or one beside
    beside: frozenset[int] = field(default_factory=frozenset)  # of a statement that was taken out, those next to it

    def is_right(self, line: int | None) -> bool:
        """Whether a line is where a mistake stands, within one; blank lines and comments do not count as one."""
        return line is not None and (line in self.beside or any(abs(line - wanted) <= 1 for wanted in self.lines))


def planted(name: str, source: str, mistakes: tuple[Mistake, ...]) -> Case:
    """The program with the mistakes in it."""
    lines, beside = set[int](), set[int]()
    for mistake in mistakes:
        if source.count(mistake.old) != 1:
            raise ValueError(
                f"{name}, {mistake.id}: {mistake.old!r} occurs {source.count(mistake.old)} times, not once"
            )
        start = source.index(mistake.old)
        first = source.count("\n", 0, start) + 1
        before, after = mistake.old.split("\n"), mistake.new.split("\n")
        # Of a replacement over several lines, those that changed are the place.
        changed = [first + i for i, line in enumerate(after) if i >= len(before) or line != before[i]]
        lines |= set(changed or [first]) | {line for line in mistake.lines if isinstance(line, int)}
        source = source[:start] + mistake.new + source[start + len(mistake.old) :]
        beside |= _beside(source, changed or [first])
    texts = [text for mistake in mistakes for text in mistake.lines if isinstance(text, str)]
    lines |= {n for n, line in enumerate(source.splitlines(), 1) if any(text in line for text in texts)}
    return Case(
        f"{name}+{'+'.join(mistake.id for mistake in mistakes)}", source, mistakes, frozenset(lines), frozenset(beside)
    )


def _beside(source: str, places: list[int]) -> set[int]:
    """Where a statement was taken out and an empty line is left, the statements before and behind it."""
    rows = source.splitlines()
    found: set[int] = set()
    for place in places:
        if place <= len(rows) and not rows[place - 1].strip():
            before = [n for n in range(1, place) if is_statement(rows[n - 1])]
            behind = [n for n in range(place + 1, len(rows) + 1) if is_statement(rows[n - 1])]
            found |= {*before[-1:], *behind[:1]}
    return found


def is_statement(row: str) -> bool:
    return bool(row.strip()) and not row.strip().startswith("#")


def mistakes_of(path: Path) -> tuple[list[Mistake], list[list[int]]]:
    """The mistakes that a file lists, and the pairs of them that are planted together."""
    if not path.is_file():
        return [], []
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    found = [
        Mistake(row["id"], row["old"], row["new"], tuple(row.get("accept", ())), tuple(row.get("lines", ())))
        for row in table.get("mistake", [])
    ]
    return found, table.get("pairs", [])


def cases(only: str = "*", home: Path = HERE) -> Iterator[Case]:
    """All cases whose name matches the pattern: the right program, then one for each mistake, then the pairs."""
    for folder, lists, prefix in (("programs", "mistakes", ""), ("conditions", "conditions", "condition-")):
        for path in sorted((home / folder).glob("*.py")):
            source, name = path.read_text(encoding="utf-8"), prefix + path.stem
            mistakes, pairs = mistakes_of(home / lists / f"{path.stem}.toml")
            here = [Case(name, source)]
            here += [planted(name, source, (mistake,)) for mistake in mistakes]
            here += [planted(name, source, tuple(mistakes[i] for i in pair)) for pair in pairs]
            yield from (case for case in numbered(here) if fnmatch(case.name, only))
    for path in sorted((home / "healthy").glob("*.py")):
        case = Case(f"healthy-{path.stem}", path.read_text(encoding="utf-8"))
        if fnmatch(case.name, only):
            yield case


def numbered(found: list[Case]) -> Iterator[Case]:
    """The cases with names of their own: the second with a name gets `#2`."""
    seen: Counter[str] = Counter()
    for case in found:
        seen[case.name] += 1
        yield case if seen[case.name] == 1 else replace(case, name=f"{case.name}#{seen[case.name]}")


def sample(found: list[Case], count: int | None, seed: int) -> list[Case]:
    """As many of the cases, or all, in an order drawn by chance in which the kinds of mistakes take turns."""
    kinds: dict[tuple[str, ...], list[Case]] = {}
    for case in random.Random(seed).sample(found, len(found)):
        kinds.setdefault(tuple(mistake.id for mistake in case.mistakes), []).append(case)
    turns = [case for turn in itertools.zip_longest(*kinds.values()) for case in turn if case is not None]
    return turns[:count]
