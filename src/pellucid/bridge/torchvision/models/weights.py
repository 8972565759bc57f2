"""There are no trained weights here: an error that says what to do instead."""

from __future__ import annotations

from typing import Any

__all__ = ["refuse"]


def refuse(name: str, weights: Any, given: dict[str, Any]) -> None:
    """Raise where weights are asked for; `pretrained`, of older programs, is taken out of what was given."""
    if weights is None and not given.pop("pretrained", False):
        return
    raise RuntimeError(
        f"{name}(weights={weights!r}): pellucid fetches no trained weights. Build the model with weights=None, and "
        "load a state dict that you have: model.load_state_dict(torch.load(path))"
    )
