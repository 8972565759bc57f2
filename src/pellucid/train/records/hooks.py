"""Functions called at every layer, forward and backward, for the length of a `with` block."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

Where = Callable[[str, Any], bool] | str | Iterable[str] | None


class Hooks:
    """Calls a function at each layer of a model while a `with` block lasts; afterwards, also on error, none is left.

    Args:
        model: has `named_modules()`; its layers have `register_forward_hook` and `register_full_backward_hook`.
        forward: `forward(name, layer, inputs, output)`, after the layer's forward; `inputs` is a tuple. What it
            returns, unless None, takes the output's place.
        backward: `backward(name, layer, grad_input, grad_output)`, when the gradients of the layer's inputs are known;
            both are tuples, with None where there is no gradient. What it returns, unless None, takes the place of
            `grad_input`. As in PyTorch, a layer that works in place (`ReLU(inplace=True)`) and a backward hook on it,
            or on the layer before it, exclude each other.
        where: which layers. None: those that have no layers inside; a function `where(name, layer) -> bool`; or names,
            as `named_modules` has them.

    `hooks.layers` holds them by name; a layer that a model has under two names is there once, under the first. Without
    `with`, `attach()` and `remove()` do the same, and either may be called twice.

    Raises ValueError for a name that the model does not have, and where no layer is left.

    >>> from pellucid import nn, ones
    >>> model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    >>> shapes = {}
    >>> def shape(name, layer, inputs, output):
    ...     shapes[name] = tuple(output.shape)
    >>> with Hooks(model, forward=shape):
    ...     output = model(ones(5, 3))
    >>> shapes
    {'0': (5, 4), '1': (5, 4), '2': (5, 2)}
    """

    def __init__(
        self,
        model: Any,
        forward: Callable[..., Any] | None = None,
        backward: Callable[..., Any] | None = None,
        where: Where = None,
    ) -> None:
        self.forward, self.backward = forward, backward
        self.layers = select(model, where)
        self._handles: list[Any] = []

    def attach(self) -> Hooks:
        """Hang the functions on the layers."""
        if self._handles:
            return self
        try:
            for name, layer in self.layers.items():
                if self.forward is not None:
                    self._handles.append(layer.register_forward_hook(_named(self.forward, name)))
                if self.backward is not None:
                    self._handles.append(layer.register_full_backward_hook(_named(self.backward, name)))
        except BaseException:
            self.remove()
            raise
        return self

    def remove(self) -> None:
        """Take them off again."""
        while self._handles:
            self._handles.pop().remove()

    def __enter__(self) -> Hooks:
        return self.attach()

    def __exit__(self, *error: object) -> None:
        self.remove()


def select(model: Any, where: Where = None) -> dict[str, Any]:
    """The layers of a model by name, as `Hooks` chooses them. A model that is one layer goes by its class."""
    layers = {name or type(layer).__name__: layer for name, layer in model.named_modules()}
    if where is None:
        chosen = {name: layer for name, layer in layers.items() if next(iter(layer.children()), None) is None}
    elif callable(where):
        chosen = {name: layer for name, layer in layers.items() if where(name, layer)}
    else:
        names = [where] if isinstance(where, str) else list(where)
        unknown = [name for name in names if name not in layers]
        if unknown:
            raise ValueError(f"where names {unknown[0]!r}, and the model has no such layer. It has {_list(layers)}.")
        chosen = {name: layers[name] for name in names}
    if not chosen:
        raise ValueError(f"where chose none of the model's layers, which are {_list(layers)}.")
    return chosen


def _named(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    def with_name(layer: Any, *values: Any) -> Any:
        return function(name, layer, *values)

    return with_name


def _list(layers: dict[str, Any], most: int = 12) -> str:
    names = [repr(name) for name in layers]
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
