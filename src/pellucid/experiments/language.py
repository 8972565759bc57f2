"""Networks that say which character comes next, at every place of a text at once.

Shape of each: character numbers (N, T) int64 -> a score for every character at every place, (N, V, T), as cross entropy
takes them. What is said at a place depends on the characters up to it and on none behind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pellucid import nn
from pellucid.core import Tensor
from pellucid.experiments.models import LEAST_HEAD as HEAD
from pellucid.experiments.models import hidden_sizes
from pellucid.nn.vocabulary import arange, cat, full, stack


def language_model(
    model: str, vocab: int, context: int, activation: Callable[[], Any], dropout: float = 0.0
) -> nn.Module:
    """The network that `--model` asks for, of `vocab` characters and texts of at most `context`."""
    name = model.partition(":")[0]
    if name == "bigram":
        return Bigram(vocab)
    sizes = hidden_sizes(model)
    if name == "lstm":
        return CharacterLSTM(vocab, sizes, dropout)
    if name == "transformer":
        return CharacterTransformer(vocab, context, *sizes, dropout=dropout)
    return WindowMLP(vocab, sizes, activation, dropout)


class Bigram(nn.Module):
    """The next character from the last one alone: a table of scores, (V, V).

    Source: Karpathy, makemore, 2022.
    """

    def __init__(self, vocab: int) -> None:
        super().__init__()
        self.scores = nn.Embedding(vocab, vocab)
        nn.init.normal_(self.scores.weight, std=0.01)

    def forward(self, x: Tensor) -> Tensor:
        return self.scores(x).transpose(1, 2)  # (N, T) -> (N, T, V) -> (N, V, T)


class WindowMLP(nn.Module):
    """The next character from the last `window` ones, each a vector, through a multilayer perceptron.

    Source: Bengio, Ducharme, Vincent and Jauvin, A Neural Probabilistic Language Model, 2003.
    """

    def __init__(
        self, vocab: int, sizes: list[int], activation: Callable[[], Any], dropout: float, window: int = 8
    ) -> None:
        super().__init__()
        self.vocab, self.window = vocab, window
        self.embedding = nn.Embedding(vocab + 1, HEAD)  # the last one stands before the beginning
        layers: list[Any] = []
        width = window * HEAD
        for size in sizes:
            layers += [nn.Linear(width, size), activation(), *([nn.Dropout(dropout)] if dropout else [])]
            width = size
        self.layers = nn.Sequential(*layers, nn.Linear(width, vocab))

    def forward(self, x: Tensor) -> Tensor:
        length = x.shape[1]
        before = full((x.shape[0], self.window - 1), self.vocab, dtype=x.dtype, device=x.device)
        padded = cat([before, x], 1)  # (N, window - 1 + T)
        last = stack([padded[:, k : k + length] for k in range(self.window)], 2)  # (N, T, window)
        return self.layers(self.embedding(last).flatten(2)).transpose(1, 2)


class CharacterLSTM(nn.Module):
    """The next character from a state that has read all before it; `sizes` are those of the layers.

    Source: Graves, Generating Sequences With Recurrent Neural Networks, 2013.
    """

    def __init__(self, vocab: int, sizes: list[int], dropout: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab, sizes[0])
        widths = [sizes[0], *sizes]
        self.layers = nn.ModuleList(nn.LSTM(widths[k], size, batch_first=True) for k, size in enumerate(sizes))
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(sizes[-1], vocab)

    def forward(self, x: Tensor) -> Tensor:
        state = self.embedding(x)
        for layer in self.layers:
            state = self.dropout(layer(state)[0])  # (N, T, size)
        return self.head(state).transpose(1, 2)


class CharacterTransformer(nn.Module):
    """The next character by attention to those before it: `blocks` of attention and a perceptron, norms first.

    Source: Radford et al., Language Models are Unsupervised Multitask Learners, 2019 (GPT-2).
    """

    def __init__(self, vocab: int, context: int, width: int, blocks: int, dropout: float) -> None:
        super().__init__()
        self.embedding, self.position = nn.Embedding(vocab, width), nn.Embedding(context, width)
        nn.init.normal_(self.embedding.weight, std=0.02)
        nn.init.normal_(self.position.weight, std=0.02)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, width // HEAD, 4 * width, dropout, "gelu", batch_first=True, norm_first=True
            )
            for _ in range(blocks)
        )
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, vocab)

    def forward(self, x: Tensor) -> Tensor:
        length = x.shape[1]
        state = self.embedding(x) + self.position(arange(length, device=x.device))  # (N, T, width)
        mask = nn.Transformer.generate_square_subsequent_mask(length, device=x.device)
        for block in self.blocks:
            state = block(state, src_mask=mask, is_causal=True)
        return self.head(self.norm(state)).transpose(1, 2)
