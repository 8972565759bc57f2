"""A run's network as a program for PyTorch: the lines that build it and load its parameters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pellucid import nn
from pellucid.experiments.language import Bigram, CharacterLSTM, CharacterTransformer, WindowMLP
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

# Each network for text by its class: how it computes, from (N, T) to scores (N, V, T).
_FORWARD: dict[type[nn.Module], str] = {
    Bigram: """
        return self.scores(x).transpose(1, 2)""",
    WindowMLP: """
        before = torch.full((len(x), {window} - 1), {vocab})
        padded = torch.cat([before, x], 1)
        last = torch.stack([padded[:, k : k + x.shape[1]] for k in range({window})], 2)
        return self.layers(self.embedding(last).flatten(2)).transpose(1, 2)""",
    CharacterLSTM: """
        state = self.embedding(x)
        for layer in self.layers:
            state = self.dropout(layer(state)[0])
        return self.head(state).transpose(1, 2)""",
    CharacterTransformer: """
        state = self.embedding(x) + self.position(torch.arange(x.shape[1]))
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        for block in self.blocks:
            state = block(state, src_mask=mask, is_causal=True)
        return self.head(self.norm(state)).transpose(1, 2)""",
}


def in_torch(
    model: nn.Module,
    path: Path,
    sample_shape: tuple[int, ...],
    characters: Sequence[str] = (),
    lines: bool = False,
) -> str:
    """The program; empty for a network that is not made of layers that PyTorch has.

    Args:
        path: of the file model.safetensors.
        sample_shape: of what goes into it, without the batch.
        characters: of a text, by number: the program has the network write.
        lines: it learned each line of the text by itself, so it begins each anew.

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
    head = "import torch\nfrom safetensors.torch import load_file\nfrom torch import nn\n\n"
    load = f"model.load_state_dict(load_file({str(path)!r}))\nmodel.eval()\n"
    if type(model) in _FORWARD:
        return f"{head}{_network(model)}\n\nmodel = Network()\n{load}{_writing(characters, sample_shape[0], lines)}"
    if not isinstance(model, nn.Sequential):
        return ""
    own = any(isinstance(module, Residual) for module in model.modules())
    return (
        head
        + (f"{_RESIDUAL}\n" if own else "")
        + f"model = {_written(model, '')}\n{load}"
        + f"print(model(torch.zeros({', '.join(str(size) for size in (1, *sample_shape))})))"
    )


def _network(model: nn.Module) -> str:
    """A network for text as a class with the same layers by the same names, so that its parameters fit."""
    made = "".join(f"\n        self.{name} = {_written(child, ' ' * 8)}" for name, child in model.named_children())
    facts = {name: value for name, value in vars(model).items() if name in ("vocab", "window")}
    return (
        "\nclass Network(nn.Module):\n    def __init__(self):\n        super().__init__()"
        f"{made}\n\n    def forward(self, x):{_FORWARD[type(model)].format(**facts)}\n"
    )


def _writing(characters: Sequence[str], context: int, lines: bool) -> str:
    """The lines that have a network write: one character after the other, each drawn by its probability."""
    read = f"written[written.rindex({chr(10)!r}):][-{context}:]" if lines else f"written[-{context}:]"
    return f"""
characters = {"".join(characters)!r}
written = {chr(10)!r}
with torch.no_grad():
    while len(written) < 200:
        numbers = [characters.index(each) for each in {read}]
        scores = model(torch.tensor([numbers]))[0, :, -1]
        written += characters[torch.multinomial(scores.softmax(0), 1).item()]
print(written)"""


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
    if isinstance(layer, nn.ModuleList):
        inside = "".join(f"{deeper}{_written(child, deeper)},\n" for child in layer)
        return f"nn.ModuleList([\n{inside}{indent}])"
    if isinstance(layer, nn.LSTM):
        return f"nn.LSTM({layer.input_size}, {layer.hidden_size}, batch_first={layer.batch_first})"
    if isinstance(layer, nn.TransformerEncoderLayer):
        attention, inner = layer.self_attn, layer.linear1.out_features
        return (
            f"nn.TransformerEncoderLayer({attention.embed_dim}, {attention.num_heads}, {inner}, {layer.dropout.p}, "
            "'gelu', batch_first=True, norm_first=True)"
        )
    return f"nn.{layer!r}"
