"""`torchvision.transforms.v2`: the same transforms, of whole samples, and those that only it has.

| file | what it is about |
|---|---|
| `samples` | which parts of a sample a transform changes |
| `single` | what only v2 has |
| `mixing` | pictures of a batch mixed with each other: `MixUp`, `CutMix` |
| `functional` | the functions, under the names that v2 has for them |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pellucid.torch_names import absent

from .. import classes as first
from ..functional import InterpolationMode
from . import functional
from .mixing import CutMix, MixUp
from .samples import AutoAugmentPolicy, Compose, Lambda, RandomApply, RandomChoice, RandomOrder, of_samples
from .single import RGB, GaussianNoise, Identity, RandomChannelPermutation, RandomResize, ToDtype, ToImage, ToPureTensor

_SAME = tuple(name for name in first.__all__ if name not in globals())

if TYPE_CHECKING:
    from ..classes import *  # noqa: F403
else:
    vars().update({name: of_samples(getattr(first, name), __name__) for name in _SAME})

__all__ = [  # pyright: ignore[reportUnsupportedDunderAll]
    *_SAME, "AutoAugmentPolicy", "Compose", "CutMix", "GaussianNoise", "Identity", "InterpolationMode", "Lambda",
    "MixUp", "RGB", "RandomApply", "RandomChannelPermutation", "RandomChoice", "RandomOrder", "RandomResize", "ToDtype",
    "ToImage", "ToPureTensor", "functional",
]  # fmt: skip


def query_size(flat_inputs: list[Any]) -> tuple[int, int]:
    """Height and width of the first picture."""
    from ...pictures import is_pil, size_of

    return next(size_of(part) for part in flat_inputs if is_pil(part) or getattr(part, "ndim", 0) > 1)


__getattr__ = absent("torchvision.transforms.v2")
