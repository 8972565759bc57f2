"""Vision transformers (Dosovitskiy et al., https://arxiv.org/abs/2010.11929)."""

from __future__ import annotations

import math
from collections import OrderedDict
from functools import partial
from typing import Any

import pellucid
from pellucid import nn
from pellucid.core import Tensor

from ..ops.misc import MLP
from .weights import refuse

__all__ = ["VisionTransformer", "vit_b_16", "vit_b_32", "vit_h_14", "vit_l_16", "vit_l_32"]

_norm = partial(nn.LayerNorm, eps=1e-6)


class EncoderBlock(nn.Module):
    """Attention and two linear layers, each of what a norm gives, each added to what came in."""

    def __init__(self, num_heads: int, hidden_dim: int, mlp_dim: int, dropout: float, attention_dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.ln_1 = _norm(hidden_dim)
        self.self_attention = nn.MultiheadAttention(hidden_dim, num_heads, dropout=attention_dropout, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.ln_2 = _norm(hidden_dim)
        self.mlp = MLP(hidden_dim, [mlp_dim, hidden_dim], activation_layer=nn.GELU, dropout=dropout)
        for layer in self.mlp:
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.normal_(layer.bias, std=1e-6)

    def forward(self, input: Tensor) -> Tensor:
        x = self.ln_1(input)
        x = self.dropout(self.self_attention(x, x, x, need_weights=False)[0]) + input
        return x + self.mlp(self.ln_2(x))


class Encoder(nn.Module):
    """Blocks over patches that know where they are. (B, S, E) -> (B, S, E)."""

    def __init__(
        self, seq_length: int, num_layers: int, num_heads: int, hidden_dim: int, mlp_dim: int, dropout: float,
        attention_dropout: float,
    ) -> None:  # fmt: skip
        super().__init__()
        self.pos_embedding = nn.Parameter(pellucid.empty(1, seq_length, hidden_dim).normal_(std=0.02))
        self.dropout = nn.Dropout(dropout)
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for i in range(num_layers):
            layers[f"encoder_layer_{i}"] = EncoderBlock(num_heads, hidden_dim, mlp_dim, dropout, attention_dropout)
        self.layers = nn.Sequential(layers)
        self.ln = _norm(hidden_dim)

    def forward(self, input: Tensor) -> Tensor:
        return self.ln(self.layers(self.dropout(input + self.pos_embedding)))


class VisionTransformer(nn.Module):
    """A transformer over the patches of a picture. (B, 3, H, W) -> (B, num_classes)."""

    def __init__(
        self, image_size: int, patch_size: int, num_layers: int, num_heads: int, hidden_dim: int, mlp_dim: int,
        dropout: float = 0.0, attention_dropout: float = 0.0, num_classes: int = 1000,
        representation_size: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        if image_size % patch_size:
            raise ValueError("Input shape indivisible by patch size!")
        self.image_size, self.patch_size, self.hidden_dim = image_size, patch_size, hidden_dim
        self.conv_proj = nn.Conv2d(3, hidden_dim, kernel_size=patch_size, stride=patch_size)
        length = (image_size // patch_size) ** 2 + 1
        self.class_token = nn.Parameter(pellucid.zeros(1, 1, hidden_dim))
        self.encoder = Encoder(length, num_layers, num_heads, hidden_dim, mlp_dim, dropout, attention_dropout)
        self.seq_length = length
        heads: OrderedDict[str, nn.Module] = OrderedDict()
        if representation_size is not None:
            heads["pre_logits"] = nn.Linear(hidden_dim, representation_size)
            heads["act"] = nn.Tanh()
        heads["head"] = nn.Linear(representation_size or hidden_dim, num_classes)
        self.heads = nn.Sequential(heads)
        nn.init.trunc_normal_(self.conv_proj.weight, std=math.sqrt(1 / (3 * patch_size**2)))
        for name, layer in [("conv_proj", self.conv_proj), *heads.items()]:
            if isinstance(layer, nn.Linear) and name == "pre_logits":
                nn.init.trunc_normal_(layer.weight, std=math.sqrt(1 / hidden_dim))
            elif isinstance(layer, nn.Linear):
                nn.init.zeros_(layer.weight)
            if isinstance(layer, nn.Linear | nn.Conv2d) and layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        n, _, height, width = x.shape
        if (height, width) != (self.image_size, self.image_size):
            raise RuntimeError(f"Wrong image height! Expected {self.image_size} but got {height} x {width}!")
        x = self.conv_proj(x).flatten(2).permute(0, 2, 1)  # (B, E, h, w) -> (B, S, E)
        x = self.encoder(pellucid.cat([self.class_token.expand(n, -1, -1), x], dim=1))
        return self.heads(x[:, 0])


def _vit(name: str, sizes: tuple[int, ...], weights: Any, kwargs: dict[str, Any]) -> VisionTransformer:
    refuse(name, weights, kwargs)
    patch, layers, heads, hidden, mlp = sizes
    return VisionTransformer(kwargs.pop("image_size", 224), patch, layers, heads, hidden, mlp, **kwargs)


def vit_b_16(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> VisionTransformer:
    """`VisionTransformer` of 12 layers over patches of 16 × 16."""
    return _vit("vit_b_16", (16, 12, 12, 768, 3072), weights, kwargs)


def vit_b_32(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> VisionTransformer:
    """`VisionTransformer` of 12 layers over patches of 32 × 32."""
    return _vit("vit_b_32", (32, 12, 12, 768, 3072), weights, kwargs)


def vit_l_16(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> VisionTransformer:
    """`VisionTransformer` of 24 layers over patches of 16 × 16."""
    return _vit("vit_l_16", (16, 24, 16, 1024, 4096), weights, kwargs)


def vit_l_32(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> VisionTransformer:
    """`VisionTransformer` of 24 layers over patches of 32 × 32."""
    return _vit("vit_l_32", (32, 24, 16, 1024, 4096), weights, kwargs)


def vit_h_14(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> VisionTransformer:
    """`VisionTransformer` of 32 layers over patches of 14 × 14."""
    return _vit("vit_h_14", (14, 32, 16, 1280, 5120), weights, kwargs)
