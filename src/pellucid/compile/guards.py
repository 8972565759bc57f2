"""The quick look before each run: that what a function depends on is what it was, as one function of conditions.

Things are compared by identity, and each comparison is an expression of the text, so that Python runs them without a
call: about 20 ns each. Where something is another object, `Surroundings` looks again, by value.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from operator import is_
from typing import Any

_FEW = 32  # entries of a list that are compared one by one


class Conditions:
    """Conditions that are gathered, and then made one function that says whether all of them hold."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {"len": len, "all": all, "map": map, "is_": is_}
        self._known: dict[int, str] = {}
        self._texts: dict[str, None] = {}

    def name(self, thing: Any) -> str:
        """What the text calls a thing."""
        if id(thing) not in self._known:
            self._known[id(thing)] = f"t{len(self._known)}"
            self.names[self._known[id(thing)]] = thing
        return self._known[id(thing)]

    def same(self, expression: str, thing: Any) -> None:
        """That the expression gives this very object."""
        plain = thing is None or thing is True or thing is False
        self._texts[f"{expression} is {thing if plain else self.name(thing)}"] = None

    def entry(self, mapping: Any, key: Any, value: Any, absent: bool) -> None:
        """That a mapping holds a value, or has nothing for the key."""
        known, text = self.name(mapping), repr(key) if type(key) is str else self.name(key)
        if absent:
            self._texts[f"{text} not in {known}"] = None
        else:
            self.same(f"{known}[{text}]" if isinstance(mapping, dict) else f"{known}.get({text})", value)

    def size(self, container: Any, size: int) -> None:
        """That a container has that number of entries."""
        known = self.name(container)
        simple = isinstance(container, dict | list | set | deque) and not hasattr(type(container), "__bool__")
        self._texts[f"not {known}" if simple and not size else f"len({known}) == {size}"] = None

    def items(self, container: list[Any], items: tuple[Any, ...]) -> None:
        """That a list holds these."""
        self.size(container, len(items))
        known = self.name(container)
        if len(items) > _FEW:
            self._texts[f"all(map(is_, {known}, {self.name(items)}))"] = None
            return
        for place, item in enumerate(items):
            self.same(f"{known}[{place}]", item)

    def function(self) -> Callable[[], bool]:
        """The function. Where an entry is missing, the conditions do not hold."""
        whole = " and\n        ".join(self._texts) or "True"
        text = (
            f"def hold():\n    try:\n        return ({whole})\n"
            "    except (KeyError, IndexError, ValueError, AttributeError):\n        return False\n"
        )
        namespace = dict(self.names)
        exec(compile(text, "<pellucid.compile guards>", "exec"), namespace)  # noqa: S102  the text made above
        return namespace["hold"]
