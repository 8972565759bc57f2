"""What can be reached from a frame: every number and array of floats by its path, and how to read and set it there."""

from __future__ import annotations

import ctypes
import sys
from collections import deque
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, field
from types import CellType, FrameType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

# ("local", name), ("global", (module, name)), ("object", name), ("attr", name), ("item", key); ("cell", name): the cell
# in which a function keeps a variable of the function around it
Step = tuple[str, Any]
Path = tuple[Step, ...]

OF_LIST = "__of_list"  # what ends the name of a comprehension's variable where it is written as a loop: no name of one
MOST_PLACES = 60_000
LONGEST = 4_000  # items of a list or dict that is still gone through
LONGEST_VECTOR = 20_000  # numbers in a list, as of the labels of all rows
LARGEST = 8_000_000  # elements of an array that is still looked at
LARGEST_DATA = 100_000_000  # the same of one that holds rows of data, which is not read in each pass
MANY_ROWS = 64  # tuples in a list, from which on they are rows of data: they are no layers of a network


@dataclass
class Scope:
    """Where a walk begins: a frame of the user's, the modules of the user's program, or objects by name."""

    frame: FrameType | None
    modules: dict[str, dict[str, Any]]
    objects: MutableMapping[str, Any] = field(default_factory=dict)
    fleeting: frozenset[str] = frozenset()  # variables of loops: now this object, now that

    def roots(self) -> Iterator[tuple[Path, Any]]:
        for name, value in list(self.objects.items()):
            yield (("object", name),), value
        if self.frame is not None and self.frame.f_code.co_name != "<module>":
            for name, value in dict(self.frame.f_locals).items():
                if not name.endswith(OF_LIST):
                    yield (("local", name),), value
        for module, names in self.modules.items():
            for name, value in list(names.items()):
                if not name.startswith("__") and not name.endswith(OF_LIST):
                    yield (("global", (module, name)),), value

    def get(self, path: Path) -> Any:
        """What lies at a path. Raises LookupError or AttributeError where there is nothing."""
        kind, key = path[0]
        if kind == "local":
            if self.frame is None:
                raise LookupError(key)
            value = self.frame.f_locals[key]
        elif kind == "global":
            value = self.modules[key[0]][key[1]]
        else:
            value = self.objects[key]
        for kind, key in path[1:]:
            if kind == "cell":
                value = value.__closure__[value.__code__.co_freevars.index(key)]
            else:
                value = getattr(value, key) if kind in ("attr", TABLE) else value[key]
        return value

    def put(self, path: Path, value: Any) -> None:
        """Bind a path to another value; a tuple on the way is made anew."""
        kind, key = path[-1]
        if len(path) == 1:
            if kind == "local":
                set_local(self.frame, key, value)
            elif kind == "global":
                self.modules[key[0]][key[1]] = value
            else:
                self.objects[key] = value
            return
        owner = self.get(path[:-1])
        if kind == TABLE:
            named = {"columns": owner.columns} if hasattr(owner, "columns") else {"name": owner.name}
            self.put(path[:-1], type(owner)(value, index=owner.index, **named))
        elif kind == "attr":
            if isinstance(owner, tuple):
                self.put(path[:-1], owner._replace(**{key: value}))  # type: ignore[attr-defined]
            elif isinstance(owner, CellType):
                owner.cell_contents = value
            else:
                object.__setattr__(owner, key, value)
        elif isinstance(owner, tuple):
            items = [*owner[:key], value, *owner[key + 1 :]]
            self.put(path[:-1], type(owner)(*items) if hasattr(owner, "_fields") else type(owner)(items))
        else:
            owner[key] = value


def set_local(frame: FrameType | None, name: str, value: Any) -> None:
    """Assign a variable of a running function."""
    if frame is None:
        raise LookupError(name)
    frame.f_locals[name] = value
    if sys.version_info < (3, 13):  # from 3.13 on, f_locals writes through
        ctypes.pythonapi.PyFrame_LocalsToFast(ctypes.py_object(frame), ctypes.c_int(0))


def show(path: Path) -> str:
    """`net.layers[1].w`, as the user would write it."""
    text = ""
    for kind, key in path:
        if kind == "global":
            text = key[1]
        elif kind in ("local", "object"):
            text = str(key)
        elif key != "cell_contents" and kind != TABLE:
            text += f"[{key!r}]" if kind == "item" else f".{key}"
    return text


TABLE = "table"  # the step from what pandas holds to its numbers


def numbers_of_table(value: Any) -> Any:
    """The numbers of a Series of pandas, or of a DataFrame that holds one kind of numbers; None of anything else."""
    kind = type(value)
    if kind.__name__ not in ("Series", "DataFrame") or kind.__module__.partition(".")[0] != "pandas":
        return None
    if kind.__name__ == "DataFrame" and (len(value.columns) > LONGEST or len({*value.dtypes}) != 1):
        return None
    found = value.values
    return found if is_array(found) else None


NUMBERS = (float, int, np.floating, np.integer)


def is_number(value: Any) -> bool:
    return isinstance(value, NUMBERS) and not isinstance(value, bool)


def is_array(value: Any, largest: int = LARGEST) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "fiu" and 0 < value.size <= largest


def is_vector(value: Any) -> bool:
    """A list of numbers, as programs without NumPy hold a row of weights."""
    return (
        type(value) is list
        and 0 < len(value) <= LONGEST_VECTOR
        and all(type(item) in (float, int) or isinstance(item, np.floating) for item in value)
    )


def is_leaf(value: Any, largest: int = LARGEST) -> bool:
    return is_number(value) or is_array(value, largest) or is_vector(value)


def is_users(value: Any, modules: Any) -> bool:
    """Whether an object is of a class of the user's program."""
    return getattr(type(value), "__module__", None) in modules


NUMBER_NAMES = ("data", "value", "val")  # what an engine of the program's own calls the number of a node


def is_node(value: Any) -> bool:
    """Whether an object is a node of an engine of the program's own: a number or an array, and its gradient."""
    return hasattr(value, "grad") and any(hasattr(value, name) for name in NUMBER_NAMES)


def children(value: Any, modules: Any) -> Iterator[tuple[Step | None, Any]]:
    """What a value holds, with the step that leads there; None where no path leads there (a set, a closure)."""
    if isinstance(value, dict):
        if len(value) <= LONGEST:
            for key, item in list(value.items()):
                yield ("item", key), item
    elif isinstance(value, list | tuple):
        if hasattr(value, "_fields"):
            for name in value._fields:  # type: ignore[union-attr]
                yield ("attr", name), getattr(value, name)
        elif len(value) <= LONGEST:
            for i, item in enumerate(value):
                yield ("item", i), item
    elif isinstance(value, np.ndarray):
        if value.dtype == object and value.ndim == 1 and value.size <= LONGEST:
            for i, item in enumerate(value):
                yield ("item", i), item
    elif isinstance(value, set | frozenset | deque):
        if len(value) <= LONGEST:
            for item in list(value):
                yield None, item
    elif isinstance(value, FunctionType):
        if value.__module__ in modules:
            for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
                yield ("cell", name), cell
    elif isinstance(value, MethodType):
        yield ("attr", "__self__"), value.__self__
    elif isinstance(value, CellType):
        try:
            yield ("attr", "cell_contents"), value.cell_contents
        except ValueError:
            return
    elif isinstance(value, type):
        if value.__module__ in modules:
            for name, item in list(vars(value).items()):
                if not name.startswith("__") and not callable(item) and not isinstance(item, property | staticmethod):
                    yield ("attr", name), item
    elif (held := numbers_of_table(value)) is not None:
        yield (TABLE, "values"), held
    elif is_users(value, modules):
        engine = is_node(value)  # what else it holds is the graph behind it
        for name, item in attributes(value):
            yield (None if engine and not is_leaf(item) else ("attr", name)), item
        yield None, type(value)


def attributes(value: Any) -> list[tuple[str, Any]]:
    """The data attributes of a user's object, in `__dict__` or in slots."""
    found = list(getattr(value, "__dict__", {}).items())
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__") and hasattr(value, name):
                found.append((name, getattr(value, name)))
    return found


def holds_rows(value: Any) -> bool:
    """Whether a list holds samples, each a tuple of its inputs and its label, or batches of such samples.

    >>> holds_rows([(np.zeros(3), 1.0)] * 100), holds_rows([(np.zeros((2, 3)), np.zeros(2))] * 3)
    (True, False)
    """
    many = False
    for _ in range(3):
        if type(value) is not list or not value:
            return many and type(value) is tuple and any(map(is_leaf, value))
        many = many or len(value) >= MANY_ROWS
        value = value[-1]
    return False


def walk(scope: Scope, behind: int = MOST_PLACES, rows: bool = True) -> Iterator[tuple[Path | None, Any]]:
    """Every value that can be reached, nearest first, each container once, with the path to it if there is one.

    `behind`: how many are gone through that no path leads to, such as the graph behind a value of an engine.
    `rows`: whether to go through the samples of a list of samples, too.
    """
    modules = scope.modules.keys()
    seen: set[int] = set()
    queues: tuple[deque[tuple[Path | None, Any]], ...] = (
        deque(),
        deque(),
        deque(),
    )  # lasting, fleeting, without a path
    for path, value in scope.roots():
        queues[root_name(path) in scope.fleeting].append((path, value))
    count = 0
    while count < MOST_PLACES:
        level = 0 if queues[0] else 1 if queues[1] else 2
        if not queues[level] or (level == 2 and behind <= 0):
            break
        behind -= level == 2
        path, value = queues[level].popleft()
        count += 1
        yield path, value
        if isinstance(value, ModuleType) or is_leaf(value) or isinstance(value, str | bytes | type(None)):
            continue
        if id(value) in seen:
            continue
        seen.add(id(value))
        if not rows and holds_rows(value):
            continue
        for step, item in children(value, modules):
            if path is not None and step is not None:
                queues[level].append(((*path, step), item))
            else:
                queues[2].append((None, item))


def root_name(path: Path) -> str:
    """The variable that a path begins with."""
    key = path[0][1]
    return key[1] if isinstance(key, tuple) else str(key)


def leaves(scope: Scope, largest: int = LARGEST, rows: bool = True) -> dict[Path, Any]:
    """Every number, array and list of numbers that a path leads to; of the lists that only grow, the last item too."""
    found = walk(scope, behind=0, rows=rows)
    return {path: value for path, value in found if path is not None and is_leaf(value, largest)}


def as_array(value: Any) -> np.ndarray:
    """A leaf as an array of floats of its own."""
    return np.array(value, dtype=float)


def store(scope: Scope, path: Path, value: np.ndarray) -> None:
    """Give a leaf other values, of the kind that it has: an array in place, so that every name for it sees them."""
    old = scope.get(path)
    if isinstance(old, np.ndarray):
        if old.dtype.kind == "f" and old.flags.writeable:
            old[...] = value.reshape(old.shape)
        elif old.flags.writeable and np.equal(np.mod(value, 1), 0).all():  # labels in another order stay labels
            old[...] = value.reshape(old.shape).astype(old.dtype)
        else:
            scope.put(path, value.reshape(old.shape))
    elif isinstance(old, list):
        old[:] = [float(item) for item in value.ravel()]
    else:
        number = value.reshape(()).item()
        if isinstance(old, int | np.integer) and number == int(number):  # what counts or indexes stays a whole number
            scope.put(path, type(old)(number))
        else:
            scope.put(path, np.float64(number) if isinstance(old, np.floating) else number)


@dataclass(frozen=True)
class Group:
    """What belongs together as one tensor: an array, or the numbers and rows that a program holds one by one."""

    name: str
    paths: tuple[Path, ...]
    sizes: tuple[int, ...]
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        return sum(self.sizes)

    def read(self, scope: Scope) -> np.ndarray:
        """The values as one vector. Raises LookupError, AttributeError, TypeError, ValueError where they are gone."""
        if len(self.paths) == 1:
            return as_array(scope.get(self.paths[0])).ravel()
        return np.concatenate([as_array(scope.get(path)).ravel() for path in self.paths])

    def write(self, scope: Scope, values: np.ndarray) -> None:
        start = 0
        for path, size in zip(self.paths, self.sizes, strict=True):
            store(scope, path, values[start : start + size])
            start += size

    def element(self, index: int) -> str:
        """One element, as the user would write it."""
        for path, size in zip(self.paths, self.sizes, strict=True):
            if index < size:
                if len(self.paths) == 1 and len(self.shape) > 1:
                    return f"{show(path)}[{', '.join(map(str, np.unravel_index(index, self.shape)))}]"
                return show(path) if size == 1 else f"{show(path)}[{index}]"
            index -= size
        raise IndexError(index)


def groups(found: dict[Path, Any]) -> dict[str, Group]:
    """Leaves by the tensor that they belong to.

    The first index is kept where it tells layers apart (`layers[1].neurons[*].w[*]`); of a list of numbers, or of
    lists of them, all elements are one tensor.
    """
    members: dict[tuple[Step, str], list[Path]] = {}  # a local variable and a global one of the same name are two
    for path, value in found.items():
        members.setdefault((path[0], _pattern(path, value)), []).append(path)
    result: dict[str, Group] = {}
    for (root, name), paths in members.items():
        values = [found[path] for path in paths]
        sizes = tuple(int(np.size(value)) for value in values)
        if len(paths) == 1:
            shape = np.shape(values[0])
            name = show(paths[0])
        elif all(np.ndim(value) for value in values) and (
            len({np.shape(value) for value in values}) > 1 or _is_pair(paths, values)
        ):
            # net = [[W1, b1], [W2, b2]]: arrays of several shapes are tensors of their own; [[m1, v1], [m2, v2]], too
            result |= {
                show(p): Group(show(p), (p,), (int(np.size(v)),), np.shape(v))
                for p, v in zip(paths, values, strict=True)
            }
            continue
        elif len(set(sizes)) == 1:
            shape = (len(paths), *np.shape(values[0]))
        else:
            shape = (sum(sizes),)
        if name in result:
            if root[0] != "global":
                continue
            name = f"{root[1][0]}.{name}"
        result[name] = Group(name, tuple(paths), sizes, shape)
    return result


def _is_pair(paths: list[Path], values: list[Any]) -> bool:
    """Whether two arrays are held in a list that is one of several: the memories that an optimiser has of a tensor."""
    return len(paths) == 2 and all(
        isinstance(v, np.ndarray) and len(p) > 2 and p[-1][0] == p[-2][0] == "item"
        for p, v in zip(paths, values, strict=True)
    )


def _pattern(path: Path, value: Any) -> str:
    places = [i for i, (kind, key) in enumerate(path) if kind == "item" and isinstance(key, int)]
    vector = isinstance(value, list)
    if isinstance(value, np.ndarray):
        free = places[1:]
    else:
        count = len(places) + vector
        first_kept = count >= 3 or (
            count >= 2 and bool(places) and any(i not in places for i in range(places[0], len(path)))
        )
        free = places[1:] if first_kept else places
    return show(tuple(("item", _STAR) if i in free else step for i, step in enumerate(path)))


class _Star:
    def __repr__(self) -> str:
        return "*"


_STAR = _Star()
