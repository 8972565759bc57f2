"""Chains of changes of which each has a strength: AutoAugment, RandAugment, TrivialAugment, AugMix."""

from __future__ import annotations

import enum
import math
from typing import Any

import pellucid
from pellucid.core import Tensor
from pellucid.distributions import Dirichlet

from . import functional as F
from .base import TransformModule, below
from .functional import InterpolationMode
from .functional.conversion import largest
from .policies import POLICIES

__all__ = ["AugMix", "AutoAugment", "AutoAugmentPolicy", "RandAugment", "TrivialAugmentWide"]

Space = dict[
    str, tuple[Tensor, bool]
]  # of each change its strengths (one, where it has none), and whether of two signs

_COLOURS = ("Brightness", "Color", "Contrast", "Sharpness")


def _range(low: float, high: float, bins: int) -> Tensor:
    return pellucid.linspace(low, high, bins)


def _bits(most: int, fewer: int, bins: int) -> Tensor:
    """How many bits are left: from `most` on, up to `fewer` fewer."""
    return most - (pellucid.arange(bins) / ((bins - 1) / fewer)).round().int()


def _space(
    bins: int, shear: float, across: float, down: float, turn: float, colour: float, bits: Tensor, *others: str
) -> Space:
    """The changes in torchvision's order, and `others` that have no strength."""
    none = (pellucid.tensor(0.0), False)
    return {
        "ShearX": (_range(0.0, shear, bins), True),
        "ShearY": (_range(0.0, shear, bins), True),
        "TranslateX": (_range(0.0, across, bins), True),
        "TranslateY": (_range(0.0, down, bins), True),
        "Rotate": (_range(0.0, turn, bins), True),
        **{name: (_range(0.0, colour, bins), True) for name in _COLOURS},
        "Posterize": (bits, False),
        "Solarize": (_range(255.0, 0.0, bins), False),
        **dict.fromkeys(("AutoContrast", "Equalize", *others), none),
    }


def _changed(img: Any, name: str, strength: float, interpolation: Any, fill: Any) -> Any:
    """One change of a picture."""
    how: dict[str, Any] = {"interpolation": interpolation, "fill": fill}
    if name.startswith("Shear"):
        degrees = math.degrees(math.atan(strength))
        shear = [degrees, 0.0] if name == "ShearX" else [0.0, degrees]
        return F.affine(img, 0.0, [0, 0], 1.0, shear, center=[0, 0], **how)
    if name.startswith("Translate"):
        move = [int(strength), 0] if name == "TranslateX" else [0, int(strength)]
        return F.affine(img, 0.0, move, 1.0, [0.0, 0.0], **how)
    if name == "Rotate":
        return F.rotate(img, strength, **how)
    if name == "Posterize":
        return F.posterize(img, int(strength))
    if name == "Solarize":
        return F.solarize(img, strength if not isinstance(img, Tensor) else strength / 255 * largest(img))
    if name in _COLOURS:
        change = (F.adjust_brightness, F.adjust_saturation, F.adjust_contrast, F.adjust_sharpness)
        return change[_COLOURS.index(name)](img, 1.0 + strength)
    plain = {"AutoContrast": F.autocontrast, "Equalize": F.equalize, "Invert": F.invert}
    return plain[name](img) if name in plain else img


class _Augmentation(TransformModule):
    """What the four have in common: how pixels are found, and what lies outside."""

    def __init__(self, interpolation: Any, fill: Any) -> None:
        super().__init__()
        self.interpolation, self.fill = interpolation, fill

    def __repr__(self) -> str:
        said = [f"{name}={getattr(self, name)}" for name in self.shown]
        return (
            f"{type(self).__name__}({', '.join([*said, f'interpolation={self.interpolation}', f'fill={self.fill}'])})"
        )

    def _one(self, img: Any, space: Space, which: int | None, of: int | None = None) -> Any:
        """A change that is drawn, with strength `which`, or one of the first `of`, or any."""
        name = list(space)[below(len(space))]
        strengths, signed = space[name]
        strength = 0.0
        if strengths.ndim:
            strength = float(strengths[below(of or len(strengths)) if which is None else which].item())
        if signed and below(2):
            strength = -strength
        return _changed(img, name, strength, self.interpolation, self.fill)


class AutoAugmentPolicy(enum.Enum):
    """For which pictures the pairs of changes were searched."""

    IMAGENET = "imagenet"
    CIFAR10 = "cifar10"
    SVHN = "svhn"


class AutoAugment(_Augmentation):
    """One of 25 pairs of changes, which a search found (Cubuk et al., https://arxiv.org/abs/1805.09501)."""

    shown = ("policy",)

    def __init__(
        self, policy: Any = AutoAugmentPolicy.IMAGENET, interpolation: Any = InterpolationMode.NEAREST,
        fill: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(interpolation, fill)
        self.policy = policy
        self.policies = POLICIES[AutoAugmentPolicy(policy).value]

    def __repr__(self) -> str:
        return f"AutoAugment(policy={self.policy}, fill={self.fill})"

    @staticmethod
    def get_params(transform_num: int) -> tuple[int, Tensor, Tensor]:
        """Which pair, the numbers that decide whether each is made, and the signs."""
        return below(transform_num), pellucid.rand((2,)), pellucid.randint(2, (2,))

    def forward(self, img: Any) -> Any:
        _, height, width = F.get_dimensions(img)
        which, chances, signs = self.get_params(len(self.policies))
        across, down = (150.0 / 331.0 * length for length in (width, height))
        space = _space(10, 0.3, across, down, 30.0, 0.9, _bits(8, 4, 10), "Invert")
        for (name, p, level), chance, sign in zip(self.policies[which], chances, signs, strict=True):
            if chance <= p:
                strengths, signed = space[name]
                strength = 0.0 if level is None else float(strengths[level].item())
                img = _changed(
                    img, name, -strength if signed and sign == 0 else strength, self.interpolation, self.fill
                )
        return img


class RandAugment(_Augmentation):
    """Some changes, all of one strength (Cubuk et al., https://arxiv.org/abs/1909.13719)."""

    shown = ("num_ops", "magnitude", "num_magnitude_bins")

    def __init__(
        self, num_ops: int = 2, magnitude: int = 9, num_magnitude_bins: int = 31,
        interpolation: Any = InterpolationMode.NEAREST, fill: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(interpolation, fill)
        self.num_ops, self.magnitude, self.num_magnitude_bins = num_ops, magnitude, num_magnitude_bins

    def forward(self, img: Any) -> Any:
        _, height, width = F.get_dimensions(img)
        bins = self.num_magnitude_bins
        across, down = (150.0 / 331.0 * length for length in (width, height))
        space = _space(bins, 0.3, across, down, 30.0, 0.9, _bits(8, 4, bins))
        space = {"Identity": (pellucid.tensor(0.0), False), **space}
        for _ in range(self.num_ops):
            img = self._one(img, space, self.magnitude)
        return img


class TrivialAugmentWide(_Augmentation):
    """One change of any strength (Müller and Hutter, https://arxiv.org/abs/2103.10158)."""

    shown = ("num_magnitude_bins",)

    def __init__(
        self, num_magnitude_bins: int = 31, interpolation: Any = InterpolationMode.NEAREST, fill: Any = None
    ) -> None:
        super().__init__(interpolation, fill)
        self.num_magnitude_bins = num_magnitude_bins

    def forward(self, img: Any) -> Any:
        bins = self.num_magnitude_bins
        space = _space(bins, 0.99, 32.0, 32.0, 135.0, 0.99, _bits(8, 6, bins))
        return self._one(img, {"Identity": (pellucid.tensor(0.0), False), **space}, None)


class AugMix(_Augmentation):
    """The picture mixed with chains of changes of it (Hendrycks et al., https://arxiv.org/abs/1912.02781)."""

    shown = ("severity", "mixture_width", "chain_depth", "alpha", "all_ops")

    def __init__(
        self, severity: int = 3, mixture_width: int = 3, chain_depth: int = -1, alpha: float = 1.0,
        all_ops: bool = True, interpolation: Any = InterpolationMode.BILINEAR, fill: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(interpolation, fill)
        if not 1 <= severity <= 10:
            raise ValueError(f"The severity must be between [1, 10]. Got {severity} instead.")
        self.severity, self.mixture_width, self.chain_depth = severity, mixture_width, chain_depth
        self.alpha, self.all_ops = alpha, all_ops

    def _weights(self, count: int, batch: int) -> Tensor:
        return Dirichlet(pellucid.full((batch, count), float(self.alpha))).sample()

    def forward(self, orig_img: Any) -> Any:
        img = F.pil_to_tensor(orig_img) if F.is_pil(orig_img) else orig_img
        _, height, width = F.get_dimensions(img)
        space = _space(10, 0.3, width / 3.0, height / 3.0, 30.0, 0.9, _bits(4, 4, 10))
        colours = {name: space.pop(name) for name in _COLOURS}
        space.update(colours if self.all_ops else {})
        batch = img.reshape(-1, *img.shape[-3:])
        apart = (len(batch), 1, 1, 1)
        kept = self._weights(2, len(batch))  # of the picture itself, and of what it is mixed with
        weights = self._weights(self.mixture_width, len(batch)) * kept[:, 1:]
        mix = kept[:, 0].reshape(apart) * batch
        for i in range(self.mixture_width):
            changed = batch
            for _ in range(self.chain_depth if self.chain_depth > 0 else below(4, 1)):
                changed = self._one(changed, space, None, self.severity)
            mix = mix + weights[:, i].reshape(apart) * changed
        mix = mix.reshape(img.shape).to(img.dtype)
        return F.to_pil_image(mix, orig_img.mode) if F.is_pil(orig_img) else mix
