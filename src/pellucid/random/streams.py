"""Random streams of every kind: finding them within objects, and saving and restoring their state.

A stream is a `Generator` of pellucid, one of Python (`random.Random`), or one of NumPy (`numpy.random.Generator`,
`RandomState`, a bit generator). Three are the program's own: pellucid's default generator, the functions of Python's
`random`, and those of `numpy.random`. All others are held by some object: a data set, a sampler, a closure.
"""

from __future__ import annotations

import functools
import gc
import random
import sys
import types
from collections import OrderedDict, deque
from collections.abc import Collection, Iterator, Mapping
from itertools import chain
from typing import Any

import numpy as np

from ..core import Tensor
from .generator import default_generator
from .twister import Twister

_KINDS = (Twister, random.Random, np.random.Generator, np.random.RandomState, np.random.BitGenerator)
_ATOMS = (str, bytes, bytearray, int, float, complex, bool, type(None), Tensor, types.ModuleType, range)
# Exact types, for the many values of a data set: a subclass might have attributes.
_ATOM_KINDS = {*_ATOMS, np.dtype, *(kind for kind in np.sctypeDict.values() if kind not in (np.object_, np.void))}
_SEQUENCES = {list, tuple, set, frozenset}
_CONTAINERS = _SEQUENCES | {dict, OrderedDict}
_LEVELS = 6
# Libraries that show things: what hangs on their objects is much, and draws nothing at random.
_SCREENS = {"rich", "tqdm", "matplotlib", "typer", "click", "IPython", "ipywidgets"}
_PLAIN_KINDS = _ATOM_KINDS | _CONTAINERS | {np.ndarray}


def program_streams() -> dict[str, Any]:
    """The streams that every part of a program shares."""
    return {"default": default_generator, "python": _python(), "numpy": _numpy()}


def find_streams(
    roots: Mapping[str, Any], outside: type | tuple[type, ...] = (), seen: dict[int, Any] | None = None
) -> dict[str, Any]:
    """The random streams within objects, by the path that leads to each, such as `loader.dataset.transforms[0].rng`.

    It looks into attributes (`__slots__` too), containers, bound methods, `functools.partial`, what functions enclose,
    and the globals that functions, and the methods of classes, name. A stream that is there twice goes by the first
    path; the program's own streams are left out.

    Args:
        roots: the objects, by name, in the order in which they are searched.
        outside: objects of these types are not looked into.
        seen: what earlier searches looked at, by `id`; it grows.

    >>> class Noisy:
    ...     def __init__(self):
    ...         self.options = {"noise": [np.random.default_rng(0)]}
    >>> list(find_streams({"data": Noisy()}))
    ["data.options['noise'][0]"]
    """
    found: dict[str, Any] = {}
    seen = {} if seen is None else seen
    for stream in program_streams().values():
        _mark(stream, seen)
    for name, root in roots.items():
        queue: deque[tuple[str, Any]] = deque([(name, root)])
        while queue:
            path, value = queue.popleft()
            if isinstance(value, _ATOMS) or id(value) in seen or isinstance(value, outside):
                continue
            if isinstance(value, _KINDS):
                _mark(value, seen)
                found[path] = value
            elif isinstance(value, np.ndarray):
                if value.dtype.hasobject:
                    queue.extend((f"{path}[{place}]", item) for place, item in enumerate(value.reshape(-1).tolist()))
            elif gc.is_tracked(value) and not _is_plain(value):
                seen[id(value)] = value
                queue.extend(_parts(path, value))
    return found


def stream_state(stream: Any) -> Any:
    """The state of a stream, as arrays, whole numbers and texts; `set_stream_state` puts it back.

    It is an array of bytes for pellucid's own, as `get_state` gives it, and a dict for the others.

    Raises TypeError for one that has no state, such as `random.SystemRandom`.
    """
    if isinstance(stream, Twister):
        return np.array(stream.get_state())
    if isinstance(stream, random.Random):
        try:
            version, words, gauss = stream.getstate()
        except NotImplementedError:
            raise TypeError(f"A {type(stream).__name__} has no state: its numbers never come again.") from None
        return {"kind": "python", "version": version, "state": np.array(words, np.uint32), "gauss": gauss}
    if isinstance(stream, np.random.RandomState):
        return {"kind": "numpy", **_flat(stream.get_state(legacy=False))}
    bits = stream.bit_generator if isinstance(stream, np.random.Generator) else stream
    return {"kind": "numpy", **_flat(bits.state)}


def set_stream_state(stream: Any, state: Any) -> None:
    """Put back what `stream_state` gave. Raises ValueError where the state is that of another kind of stream."""
    kind = _kind(stream_state(stream))
    if kind != _kind(state):
        raise ValueError(f"it is a stream of {kind}, and the state is of {_kind(state)}")
    if isinstance(stream, Twister):
        stream.set_state(state)
    elif isinstance(stream, random.Random):
        stream.setstate((state["version"], tuple(state["state"].tolist()), state["gauss"]))
    else:
        nested = _nested({name: value for name, value in state.items() if name != "kind"})
        if isinstance(stream, np.random.RandomState):
            stream.set_state(nested)
        else:
            bits: Any = stream.bit_generator if isinstance(stream, np.random.Generator) else stream
            bits.state = nested


def _kind(state: Any) -> str:
    if not isinstance(state, Mapping):
        return "pellucid"
    return f"{state.get('kind')} {state.get('bit_generator', '')}".strip()


def _mark(stream: Any, seen: dict[int, Any]) -> None:
    """A generator of NumPy and its bit generator are one stream."""
    seen[id(stream)] = stream
    bits = getattr(stream, "bit_generator", None) or getattr(stream, "_bit_generator", None)
    if bits is not None:
        seen[id(bits)] = bits


def _is_plain(value: Any) -> bool:
    """Whether a value cannot hold a stream, by its type: numbers, texts, arrays, and containers of nothing else.

    It goes level by level, as a data set may be a list of a million pairs; what is nested more deeply the search itself
    looks into.
    """
    level: Collection[Any] = (value,)
    for _ in range(_LEVELS):
        kinds = set(map(type, level))
        if kinds <= _ATOM_KINDS:
            return True
        if not kinds <= _PLAIN_KINDS:
            return False
        if np.ndarray in kinds and any(type(item) is np.ndarray and item.dtype.hasobject for item in level):
            return False
        level = dict(zip(map(id, level), level, strict=True)).values()  # each of them once
        if not kinds <= _SEQUENCES:
            level = [item.values() if isinstance(item, dict) else item for item in level if type(item) in _CONTAINERS]
        level = [*chain.from_iterable(level)]
    return False


def _parts(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """What an object holds, with the path to it."""
    if isinstance(value, type) or type(value).__module__.partition(".")[0] in _SCREENS:
        return
    if isinstance(value, Mapping):
        yield from (
            (f"{path}[{key!r}]" if isinstance(key, str | int) else f"{path}[…]", item)
            for key, item in ((key, value[key]) for key in value)
            if not _is_plain(item)
        )
    elif isinstance(value, list | tuple | deque | set | frozenset):
        # A data set may be a list of a million samples.
        yield from ((f"{path}[{place}]", item) for place, item in enumerate(value) if not _is_plain(item))
    if isinstance(value, functools.partial):
        yield from ((f"{path}.func", value.func), (f"{path}.args", value.args), (f"{path}.keywords", value.keywords))
    owner = getattr(value, "__self__", None)  # of a method, also of one that is written in C
    if owner is not None and not isinstance(owner, types.ModuleType):
        yield f"{path}.__self__", owner
    function = getattr(value, "__func__", value)
    if isinstance(function, types.FunctionType):
        yield from _named_by(path, function)
        return
    attributes = getattr(value, "__dict__", None)
    if isinstance(attributes, dict):
        yield from ((f"{path}.{name}", item) for name, item in attributes.items())
    for cls in type(value).__mro__:
        if _is_library(cls.__module__):
            continue
        slots = cls.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            try:
                yield f"{path}.{name}", getattr(value, name)
            except AttributeError:
                continue
        for name, item in vars(cls).items():
            item = getattr(item, "__func__", item)  # of static and class methods
            if isinstance(item, types.FunctionType):
                yield from _named_by(f"{path}.{name}", item)
            elif isinstance(item, (*_KINDS, list, tuple, dict, functools.partial)):
                yield f"{path}.{name}", item


def _named_by(path: str, function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """What a function encloses, its defaults, and, where it is the user's, the globals that its code names."""
    code = function.__code__
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield f"{path}.{name}", cell.cell_contents
        except ValueError:  # not filled yet
            continue
    for place, item in enumerate(function.__defaults__ or ()):
        yield f"{path}.{code.co_varnames[code.co_argcount - len(function.__defaults__ or ()) + place]}", item
    yield from ((f"{path}.{name}", item) for name, item in (function.__kwdefaults__ or {}).items())
    if _is_library(function.__module__):
        return
    for name in code.co_names:
        item = function.__globals__.get(name)
        of_library = isinstance(item, types.FunctionType) and _is_library(item.__module__)
        if not of_library and not isinstance(item, type):
            yield f"{path}.{name}", item


def _is_library(module: str | None) -> bool:
    """Whether a module is Python's, NumPy's or pellucid's own, whose streams are known."""
    top = (module or "").partition(".")[0]
    return top in ("pellucid", "torch", "numpy") or (top in sys.stdlib_module_names and top != "__main__")


def _flat(state: Mapping[str, Any]) -> dict[str, Any]:
    """NumPy's nested state with whole numbers beyond 64 bits as arrays of words."""
    result: dict[str, Any] = {}
    for name, value in state.items():
        if isinstance(value, Mapping):
            result[name] = _flat(value)
        elif isinstance(value, int) and value >= 2**63:
            result[name] = {"words": np.array([value >> 64 & (2**64 - 1), value & (2**64 - 1)], np.uint64)}
        else:
            result[name] = np.array(value) if isinstance(value, np.ndarray) else value
    return result


def _nested(state: Mapping[str, Any]) -> Any:
    if set(state) == {"words"}:
        high, low = (int(word) for word in state["words"])
        return high << 64 | low
    return {name: _nested(value) if isinstance(value, Mapping) else value for name, value in state.items()}


def _python() -> random.Random:
    return random.random.__self__  # type: ignore[attr-defined]


def _numpy() -> np.random.RandomState:
    return np.random.random.__self__  # type: ignore[attr-defined]
