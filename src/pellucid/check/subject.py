"""What is checked, whichever library it is of: a function, the tensors it is differentiated by, their gradients."""

from __future__ import annotations

import inspect
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from pellucid.check.surroundings import surroundings
from pellucid.check.tape import Array

Point = dict[str, Array]


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
        return [one.shape for one in self.outputs(self.point)]

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
        for key, one in value.items():
            yield from leaves(one, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        for i, one in enumerate(value):
            yield from leaves(one, f"{path}[{i}]")
    else:
        yield path, value


def rebuilt(value: Any, found: Mapping[str, Any], path: str = "") -> Any:
    """The same nest with the leaves in `found` in place of its own."""
    if isinstance(value, Mapping):
        items: Any = {key: rebuilt(one, found, f"{path}.{key}" if path else str(key)) for key, one in value.items()}
        kind: Any = type(value)
        return items if kind is dict else kind(items)
    if isinstance(value, list | tuple):
        items = [rebuilt(one, found, f"{path}[{i}]") for i, one in enumerate(value)]
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
    return [place.value for place in surroundings(*[one for one in functions if one is not None])]


# --- random streams ---------------------------------------------------------------------------------------------------


class Streams:
    """The random streams that a function may draw from, so that each call of it draws the same numbers."""

    def __init__(self, *functions: Any) -> None:
        from pellucid.core import Generator, default_generator

        self._own = [default_generator]
        self._numpy: list[np.random.Generator] = []
        for value in seen_by(*functions):
            if isinstance(value, Generator):
                self._own.append(value)
            elif isinstance(value, np.random.Generator):
                self._numpy.append(value)
        self._torch: Any = sys.modules.get("torch")
        self._state = self._now()

    def _now(self) -> tuple[Any, ...]:
        return (
            [one.get_state() for one in self._own],
            [one.bit_generator.state for one in self._numpy],
            np.random.get_state(),  # noqa: NPY002 (the stream that the user may draw from)
            random.getstate(),
            self._torch.get_rng_state() if hasattr(self._torch, "get_rng_state") else None,
        )

    def rewind(self) -> None:
        """To where they were when this was made."""
        own, numpy, legacy, python, torch = self._state
        for one, state in zip(self._own, own, strict=True):
            one.set_state(state)
        for one, state in zip(self._numpy, numpy, strict=True):
            one.bit_generator.state = state
        np.random.set_state(legacy)  # noqa: NPY002
        random.setstate(python)
        if torch is not None:
            self._torch.set_rng_state(torch)
