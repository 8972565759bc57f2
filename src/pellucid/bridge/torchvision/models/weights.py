"""There are no trained weights here: an error that says what to do instead."""

from __future__ import annotations

import enum
from typing import Any

from pellucid.errors import warn

__all__ = ["refuse", "weights_of"]


# The ends of torchvision's warnings of an older argument.
_INSTEAD = "please use 'weights' instead."
_SAME = "removed in the future. The current behavior is equivalent to passing `weights=None`."


class Weights(enum.Enum):
    """Names of trained weights, which programs import; what is asked of them says that there are none."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}.{self.name}"

    def transforms(self, **settings: Any) -> Any:
        """What the weights want of a picture."""
        refuse(f"{self!r}.transforms", self, settings)

    def get_state_dict(self, *args: Any, **settings: Any) -> Any:
        """The weights."""
        refuse(f"{self!r}.get_state_dict", self, settings)


def weights_of(name: str, module: str) -> Any:
    """`ResNet18_Weights` and the like: an enum of the names that torchvision's programs use."""
    given = {"IMAGENET1K_V1": "IMAGENET1K_V1", "IMAGENET1K_V2": "IMAGENET1K_V2", "DEFAULT": "DEFAULT"}
    return Weights(name, given, module=module)


def refuse(name: str, weights: Any, given: dict[str, Any]) -> None:
    """Raise where weights are asked for; `pretrained`, of older programs, is taken out of what was given."""
    if "pretrained" in given:
        asked = given.pop("pretrained")
        warn("The parameter 'pretrained' is deprecated since 0.13 and may be removed in the future, " + _INSTEAD)
        if not asked:
            warn(
                "Arguments other than a weight enum or `None` for 'weights' are deprecated since 0.13 and may be "
                + _SAME
            )
        weights = weights if weights is not None else asked or None
    if weights is None:
        return
    raise RuntimeError(
        f"{name}(weights={weights!r}): pellucid fetches no trained weights. Build the model with weights=None, and "
        "load a state dict that you have: model.load_state_dict(torch.load(path))"
    )
