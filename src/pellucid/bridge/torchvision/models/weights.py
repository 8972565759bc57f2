"""There are no trained weights here: an error that says what to do instead."""

from __future__ import annotations

import enum
from typing import Any

__all__ = ["refuse", "weights_of"]


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
    if weights is None and not given.pop("pretrained", False):
        return
    raise RuntimeError(
        f"{name}(weights={weights!r}): pellucid fetches no trained weights. Build the model with weights=None, and "
        "load a state dict that you have: model.load_state_dict(torch.load(path))"
    )
