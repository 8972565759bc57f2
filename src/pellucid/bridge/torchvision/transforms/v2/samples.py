"""Which parts of a sample a transform changes: pictures, wherever in tuples, lists and dicts they lie.

A tensor is a picture where it is the first of the sample and no picture of Pillow's is there, which is torchvision's
rule for tensors that do not say what they are. Of several pictures each is changed in the same way: the generator goes
back to where it was before the first.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import pellucid
from pellucid import nn
from pellucid.core import Tensor
from pellucid.random import default_generator

from ...pictures import is_pil
from ..augmenting import AutoAugmentPolicy
from ..base import Perhaps, TransformModule, sample_of

__all__ = [
    "AutoAugmentPolicy",
    "Compose",
    "Lambda",
    "RandomApply",
    "RandomChoice",
    "RandomOrder",
    "changed",
    "of_samples",
]


def changed(change: Callable[[Any], Any], sample: Any) -> Any:
    """The sample with its pictures changed."""
    found = list[Any]()
    _collect(sample, found)
    pictures = [part for part in found if is_pil(part)] or [part for part in found if isinstance(part, Tensor)][:1]
    before, made = default_generator.get_state(), list[Any]()
    for picture in pictures:
        if made:
            default_generator.set_state(before)
        made.append(change(picture))
    return _replaced(sample, {id(picture): new for picture, new in zip(pictures, made, strict=True)})


def _collect(sample: Any, found: list[Any]) -> None:
    if isinstance(sample, dict):
        sample = list(sample.values())
    if isinstance(sample, list | tuple):
        for part in sample:
            _collect(part, found)
    else:
        found.append(sample)


def _replaced(sample: Any, new: dict[int, Any]) -> Any:
    if isinstance(sample, dict):
        return {name: _replaced(part, new) for name, part in sample.items()}
    if isinstance(sample, tuple) and hasattr(sample, "_fields"):
        return type(sample)(*(_replaced(part, new) for part in sample))
    if isinstance(sample, list | tuple):
        return type(sample)(_replaced(part, new) for part in sample)
    return new.get(id(sample), sample)


def of_samples(kind: type[Any], module: str | None = None) -> type[Any]:
    """The transform as one of samples, which takes any number of inputs; `module` is where it is found by its name."""

    def call(self: Any, *inputs: Any) -> Any:
        sample = sample_of(inputs)
        return changed(lambda picture: kind.__call__(self, picture), sample)

    def start(self: Any, *args: Any, **kwargs: Any) -> None:
        kind.__init__(self, *args, **kwargs)
        if not 0.0 <= vars(self).get("p", 0.0) <= 1.0:
            raise ValueError("`p` should be a floating point value in the interval [0.0, 1.0].")

    if issubclass(kind, Perhaps):
        own_start: dict[str, Any] = {"__init__": functools.wraps(kind.__init__)(start)}
    else:
        own_start = {}
    own = {**own_start, "__call__": call, "__module__": module or kind.__module__, "__doc__": kind.__doc__}
    return type(kind.__name__, (kind,), own)


class _Several(TransformModule):
    """Transforms that are given whole samples."""

    def __init__(self, transforms: Sequence[Callable[..., Any]]) -> None:
        super().__init__()
        if not isinstance(transforms, Sequence):
            raise TypeError("Argument transforms should be a sequence of callables")
        if not transforms and isinstance(self, Compose):
            raise ValueError("Pass at least one transform")
        self.transforms = transforms

    def forward(self, *inputs: Any) -> Any:
        for transform in self.chosen():
            found = transform(*inputs)
            inputs = found if len(inputs) > 1 else (found,)
        return sample_of(inputs)

    def chosen(self) -> Sequence[Callable[..., Any]]:
        """Those that are applied now, in their order."""
        return self.transforms

    def __repr__(self) -> str:
        return "\n".join([f"{type(self).__name__}(", *(f"      {each}" for each in self.transforms), ")"])


class Compose(_Several):
    """One transform after the other."""


class RandomApply(_Several):
    """Transforms, all or none."""

    def __init__(self, transforms: Sequence[Callable[..., Any]] | nn.ModuleList, p: float = 0.5) -> None:
        super().__init__(list(transforms))
        if not 0.0 <= p <= 1.0:
            raise ValueError("`p` should be a floating point value in the interval [0.0, 1.0].")
        self.p = p

    def chosen(self) -> Sequence[Callable[..., Any]]:
        return () if float(pellucid.rand(1)) >= self.p else self.transforms


class RandomChoice(_Several):
    """One of some transforms."""

    def __init__(self, transforms: Sequence[Callable[..., Any]], p: list[float] | None = None) -> None:
        super().__init__(transforms)
        weights = [1.0] * len(transforms) if p is None else p
        if len(weights) != len(transforms):
            raise ValueError(f"Length of p doesn't match the number of transforms: {len(weights)} != {len(transforms)}")
        self.p = [weight / sum(weights) for weight in weights]

    def chosen(self) -> Sequence[Callable[..., Any]]:
        return (self.transforms[int(pellucid.multinomial(pellucid.tensor(self.p), 1))],)


class RandomOrder(_Several):
    """Transforms in some order."""

    def chosen(self) -> Sequence[Callable[..., Any]]:
        return [self.transforms[i] for i in pellucid.randperm(len(self.transforms)).tolist()]


class Lambda(TransformModule):
    """A function of one's own, of each part of a sample that is of one of the `types`."""

    def __init__(self, lambd: Callable[[Any], Any], *types: type[Any]) -> None:
        super().__init__()
        self.lambd, self.types = lambd, types or (object,)

    def forward(self, *inputs: Any) -> Any:
        sample = sample_of(inputs)
        found = list[Any]()
        _collect(sample, found)
        return _replaced(sample, {id(part): self.lambd(part) for part in found if isinstance(part, self.types)})

    def __repr__(self) -> str:
        return "Lambda()"
