"""What is checked, whichever library it is of: a function, the tensors it is differentiated by, their gradients."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from pellucid.check.subject.surroundings import surroundings

Array = np.ndarray
Point = dict[str, Array]
LEARN = 8  # calls of a function after which it is known which random streams it draws from


class Subject:
    """A function at a point, in float64. Each library has its own subclass.

    Attributes:
        point: the tensors to be checked, by name, as float64 arrays.
        lowered: those that were given in another dtype, with its name.
        analytic: whether the complex step may be tried.
        library: its name, for the report.
    """

    args: dict[str, Any]  # what the function is called with
    point: Point
    lowered: dict[str, str]
    library: str
    analytic = False

    def outputs(self, point: Point) -> list[Array]:
        """What the function returns at a point, as float64 arrays (complex ones for a complex point)."""
        raise NotImplementedError

    def gradient(self, point: Point, weights: list[Array]) -> Point:
        """The gradient of Σ weights · outputs, as the library gives it; zeros where there is none."""
        raise NotImplementedError

    def second(self, point: Point, weights: list[Array], ways: Point) -> Point:
        """The gradient of Σ ways · gradient."""
        raise NotImplementedError

    def shapes(self) -> list[tuple[int, ...]]:
        """The shapes of the outputs; called before `lift`."""
        return [out.shape for out in self.outputs(self.point)]

    def lift(self) -> None:
        """From here on in float64."""

    def lowered_gradient(self, weights: list[Array]) -> Point:
        """The gradient at the point in the dtypes that were given."""
        return {}

    @contextmanager
    def held(self) -> Iterator[None]:
        """For the length of the check: whatever it changes is put back."""
        yield


# --- nests of tensors -------------------------------------------------------------------------------------------------


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Everything in a nest of dicts, lists and tuples, with the path to it: `("layers[0].w", array)`."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            yield from leaves(item, f"{path}[{i}]")
    else:
        yield path, value


def rebuilt(value: Any, found: Mapping[str, Any], path: str = "") -> Any:
    """The same nest with the leaves in `found` in place of its own."""
    if isinstance(value, Mapping):
        items: Any = {key: rebuilt(item, found, f"{path}.{key}" if path else str(key)) for key, item in value.items()}
        kind: Any = type(value)
        return items if kind is dict else kind(items)
    if isinstance(value, list | tuple):
        items = [rebuilt(item, found, f"{path}[{i}]") for i, item in enumerate(value)]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return found.get(path, value)


def arguments(function: Any, inputs: Any) -> dict[str, Any]:
    """The positional arguments by what the function calls them. A dict is one, a tuple or a list are several."""
    given = tuple(inputs) if isinstance(inputs, tuple | list) else (inputs,)
    names: list[str] = []
    try:
        for parameter in inspect.signature(function).parameters.values():
            if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
                names.append(parameter.name)
            elif parameter.kind is parameter.VAR_POSITIONAL:
                names += [f"{parameter.name}[{i}]" for i in range(len(given) - len(names))]
    except (TypeError, ValueError):  # a builtin function
        pass
    names += [f"input {i}" for i in range(len(names), len(given))]
    if len(given) == 1 and isinstance(given[0], Mapping):
        names[0] = ""  # its keys say enough
    return dict(zip(names, given, strict=False))


def named_leaves(args: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in args.items():
        yield from leaves(value, name)


def call(function: Callable[..., Any], args: dict[str, Any], found: Mapping[str, Any]) -> Any:
    return function(*[rebuilt(value, found, name) for name, value in args.items()])


def nothing_to_check(args: dict[str, Any], write: str) -> TypeError:
    """The error for inputs that have no derivative."""
    kinds = ", ".join(
        f"{name or 'input'}: {getattr(value, 'dtype', type(value).__name__)}" for name, value in named_leaves(args)
    )
    return TypeError(
        f"check.gradients: there is no tensor of floating dtype to differentiate by (received {kinds or 'nothing'}); "
        f"integers have no derivative. {write}"
    )


def seen_by(*functions: Any) -> list[Any]:
    """What the functions can see around them."""
    return [place.value for place in surroundings(*[function for function in functions if function is not None])]


# --- random streams ---------------------------------------------------------------------------------------------------


class Streams:
    """The random streams that a function may draw from, so that each call of it draws the same numbers."""

    def __init__(self, *functions: Any) -> None:
        from pellucid.random import Generator, global_streams

        kinds: list[Any] = []
        numpy: list[np.random.Generator] = []
        for value in seen_by(*functions):
            if isinstance(value, Generator):
                kinds.append(value)
            elif isinstance(value, np.random.Generator):
                numpy.append(value)
        self._streams: list[tuple[Callable[[], Any], Callable[[Any], Any]]] = [
            *global_streams(),
            *((stream.get_state, stream.set_state) for stream in kinds),
            *(
                (lambda stream=stream: stream.bit_generator.state, lambda s, stream=stream: _set(stream, s))
                for stream in numpy
            ),
        ]
        self._state = [get() for get, _ in self._streams]
        self._calls = 0
        self._drawn: set[int] = set()

    def rewind(self) -> None:
        """To where they were when this was made.

        The first calls show which streams the function draws from; the others are left alone then, since to set them
        back takes longer than many a function.
        """
        self._calls += 1
        if self._calls <= LEARN:
            now = [get() for get, _ in self._streams]
            self._drawn |= {i for i, state in enumerate(self._state) if not _equal(state, now[i])}
        for i in self._drawn:
            self._streams[i][1](self._state[i])

    def restore(self) -> None:
        """All of them, at the end."""
        for (_, put), state in zip(self._streams, self._state, strict=True):
            put(state)


def _set(generator: np.random.Generator, state: Any) -> None:
    generator.bit_generator.state = state


def _equal(state: Any, other: Any) -> bool:
    if isinstance(state, dict):
        return all(_equal(state[key], other[key]) for key in state)
    if isinstance(state, tuple) and len(state) > 100:  # the words of Python's generator
        return state == other
    if isinstance(state, tuple | list):
        return all(_equal(a, b) for a, b in zip(state, other, strict=True))
    return bool(
        np.array_equal(np.asarray(getattr(state, "_array", state)), np.asarray(getattr(other, "_array", other)))
    )
