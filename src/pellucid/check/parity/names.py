"""Which parameter, buffer and layer of one side is which of the other, and the weights carried over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from pellucid.check.parity.sides import OF_LAYERS, Array, Key, Side, layer_of

Transposes = dict[str, tuple[int, ...]]


class PairedNames:
    """The pairs of names, and how an array of ours lies on the other side.

    Args:
        ours, theirs: the sides. Theirs gets our parameters, and our buffers where it has them.
        names: `{our name: their name}`, for parameters, buffers and layers that are called differently.
        transpose: our names whose axes are reversed on the other side, or `{our name: axes}` as for `np.transpose`.

    Raises:
        ValueError: the sides have not the same parameters; it says what to write.
    """

    def __init__(
        self, ours: Side, theirs: Side, names: Mapping[str, str] | None, transpose: Iterable[str] | None
    ) -> None:
        self._given = dict(names or {})
        self._axes = _axes(transpose)
        parameters, buffers = ours.parameters(), ours.buffers()
        known = theirs.parameters()
        if theirs.takes_any_names:
            known = {self._given.get(name, name): self.there(name, value) for name, value in parameters.items()}
        self._check(ours.framework, parameters, theirs.framework, known)
        there = theirs.buffers()
        self.pairs = {name: self._given.get(name, name) for name in parameters}
        self.pairs |= {name: self._given.get(name, name) for name in buffers if self._given.get(name, name) in there}
        self.only_ours = [name for name in buffers if name not in self.pairs]
        self.only_theirs = [name for name in there if name not in self.pairs.values()]
        self._back = {other: name for name, other in {**self._given, **self.pairs}.items()}
        for name, other in self.pairs.items():  # "0.weight" is "fc.weight": so layer "0" is "fc"
            (layer, _, last), (their_layer, _, their_last) = name.rpartition("."), other.rpartition(".")
            if layer and their_layer and last == their_last:
                self._back.setdefault(their_layer, layer)

    def carry(self, ours: Side, theirs: Side) -> None:
        """The weights of ours into the other side."""
        values = {**ours.parameters(), **ours.buffers()}
        theirs.load({other: self.there(name, values[name]) for name, other in self.pairs.items()})

    def name_there(self, name: str) -> str:
        """What the other side calls a tensor, or a layer's output."""
        layer = layer_of(name)
        if name in self.pairs:
            return self.pairs[name]
        return next((other for other, own in self._back.items() if own == layer), layer)

    def there(self, name: str, array: Array) -> Array:
        """An array of ours as it lies on the other side."""
        axes = self._axes.get(name)
        return array if axes is None else np.transpose(array, axes or None)

    def here(self, tensors: Mapping[Key, Array]) -> dict[Key, Array]:
        """What the other side gave, by our names and in our layout."""
        found: dict[Key, Array] = {}
        for (kind, name), array in tensors.items():
            if kind in OF_LAYERS:
                layer = layer_of(name)
                name = self._back.get(name) or self._back.get(layer, layer) + name[len(layer) :]
            else:
                name = self._back.get(name, name)
            axes = self._axes.get(name)
            if axes is not None and len(axes or array.shape) == array.ndim:
                array = np.transpose(array, np.argsort(axes) if axes else None)
            found[kind, name] = array
        return found

    def _check(self, our: str, ours: dict[str, Array], their: str, theirs: dict[str, Array]) -> None:
        wanted = {self._given.get(name, name): name for name in ours}
        missing = [name for other, name in wanted.items() if other not in theirs]
        extra = [name for name in theirs if name not in wanted]
        both = f"{our} and {their}" if our != their else f"the first ({our}) and the second ({their}) model"
        if missing or extra:
            lines = [f"{both} have not the same parameters."]
            lines += [f"Only the first has {_listed(missing, ours)}."] if missing else []
            lines += [f"Only the second has {_listed(extra, theirs)}."] if extra else []
            pairs = dict(zip(missing, extra, strict=False))
            if len(missing) == len(extra) and all(
                theirs[there].shape in (self.there(here, ours[here]).shape, ours[here].shape[::-1])
                for here, there in pairs.items()
            ):
                lines.append(f"If these are the same in this order, write names={pairs}.")
            else:
                lines.append("Say which is which with names={'ours': 'theirs'}, or give both the same layers.")
            raise ValueError(" ".join(lines))
        for other, name in wanted.items():
            got, expected = theirs[other].shape, self.there(name, ours[name]).shape
            if got != expected:
                lying = [key for key, value in ours.items() if theirs[self._given.get(key, key)].shape != value.shape]
                turned = name not in self._axes and got == expected[::-1]
                raise ValueError(
                    f"{name} has shape {ours[name].shape} in the first model ({our}), and {other} has {got} in the "
                    f"second ({their}). "
                    + (
                        f"If it lies transposed there, write transpose={lying} (of a square one no shape tells: "
                        "name it too)."
                        if turned
                        else "If its axes lie in another order there, write transpose={name: axes} as for "
                        "np.transpose; otherwise the models are not the same."
                    )
                )


def _axes(transpose: Iterable[str] | None) -> Transposes:
    """Of each name its axes; () for all of them, reversed."""
    if transpose is None:
        return {}
    if isinstance(transpose, str):
        raise TypeError(f"transpose is a list of names, or {{name: axes}}; write transpose=[{transpose!r}].")
    if isinstance(transpose, Mapping):
        return {name: tuple(axes) for name, axes in transpose.items()}
    return dict.fromkeys(transpose, ())


def _listed(names: list[str], arrays: Mapping[str, Any]) -> str:
    shown = ", ".join(f"{name} {arrays[name].shape}" for name in names[:8])
    return shown + (f" and {len(names) - 8} more" if len(names) > 8 else "")
