"""The constructor of an optimiser, made from its formula."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from .hyperparameters import check_ranges

__all__ = ["constructor"]


def constructor(cls: Any) -> Callable[..., None]:
    """``__init__`` of an optimiser, from the hyperparameters that its formula declares."""
    own, kinds = {**cls.formula.attributes, **cls.own_defaults}, inspect.Parameter
    kind = dict.fromkeys(range(cls.by_position), kinds.POSITIONAL_OR_KEYWORD)
    annotations = inspect.unwrap(cls.formula.declared).__annotations__
    parameters = [kinds(name, kinds.POSITIONAL_OR_KEYWORD) for name in ("self", "params")] + [
        kinds(name, kind.get(place, kinds.KEYWORD_ONLY), default=default, annotation=annotations.get(name, kinds.empty))
        for place, (name, default) in enumerate(own.items())
        if name not in cls.fixed
    ]
    signature = inspect.Signature(parameters)

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            bound = signature.bind(self, *args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{cls.__name__}() {error}; it is called as {cls.__name__}{shown}") from None
        bound.apply_defaults()
        given = {name: value for name, value in bound.arguments.items() if name not in ("self", "params")}
        given.update(cls.fixed)
        self.check(given)
        check_ranges(given)
        stored = {name: given[name] for name in (*cls.stored_first.split(), *given) if name in given}
        self._begin(bound.arguments["params"], stored)

    shown = "(" + ", ".join(str(parameter.replace(annotation=kinds.empty)) for parameter in parameters[1:]) + ")"
    __init__.__annotations__ = {
        name: annotations[name] for name in own if name in annotations and name not in cls.fixed
    }
    __init__.__signature__ = signature  # type: ignore[attr-defined]
    __init__.__qualname__ = f"{cls.__qualname__}.__init__"
    return __init__
