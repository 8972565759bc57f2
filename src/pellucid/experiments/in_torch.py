"""A run's network as a program for PyTorch: the lines that build it and load its parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pellucid import nn
from pellucid.experiments.layers import Residual

_RESIDUAL = """
class Residual(nn.Module):
    def __init__(self, inside, shortcut=None, activation=None):
        super().__init__()
        self.inside, self.shortcut, self.activation = inside, shortcut, activation

    def forward(self, x):
        result = (x if self.shortcut is None else self.shortcut(x)) + self.inside(x)
        return result if self.activation is None else self.activation(result)

"""


def in_torch(model: nn.Module, path: Path, sample_shape: tuple[int, ...]) -> str:
    """The program; empty for a network that is not made of layers that PyTorch has.

    Args:
        path: of the file model.safetensors.
        sample_shape: of what goes into it, without the batch.

        >>> print(in_torch(nn.Sequential(nn.Linear(2, 1), nn.Sigmoid()), Path("model.safetensors"), (2,)))
        import torch
        from safetensors.torch import load_file
        from torch import nn
        <BLANKLINE>
        model = nn.Sequential(
            nn.Linear(in_features=2, out_features=1, bias=True),
            nn.Sigmoid(),
        )
        model.load_state_dict(load_file('model.safetensors'))
        model.eval()
        print(model(torch.zeros(1, 2)))
    """
    if not isinstance(model, nn.Sequential):
        return ""
    own = any(isinstance(module, Residual) for module in model.modules())
    return (
        "import torch\nfrom safetensors.torch import load_file\nfrom torch import nn\n\n"
        + (f"{_RESIDUAL}\n" if own else "")
        + f"model = {_written(model, '')}\nmodel.load_state_dict(load_file({str(path)!r}))\nmodel.eval()\n"
        f"print(model(torch.zeros({', '.join(str(size) for size in (1, *sample_shape))})))"
    )


def _written(layer: Any, indent: str) -> str:
    """A layer as it is called into being: its repr is PyTorch's, which is such a call."""
    deeper = indent + "    "
    if isinstance(layer, nn.Sequential):
        inside = "".join(f"{deeper}{_written(child, deeper)},\n" for child in layer)
        return f"nn.Sequential(\n{inside}{indent})"
    if isinstance(layer, Residual):
        parts = (layer.inside, layer.shortcut, layer.activation)
        inside = "".join(f"{deeper}{'None' if part is None else _written(part, deeper)},\n" for part in parts)
        return f"Residual(\n{inside}{indent})"
    return f"nn.{layer!r}"
