"""`flex_attention`: attention whose scores a program's function changes, and whose mask is a function too.

All scores are computed, as PyTorch does without `torch.compile`; a `BlockMask` says which blocks of them a mask leaves.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ...core import Tensor
from ...errors import warn
from ...ops.padding import pad
from ...types.dtypes import bool_, int32
from .. import vocabulary as ops

__all__ = [
    "AuxOutput", "AuxRequest", "BlockMask", "and_masks", "create_block_mask", "create_mask", "flex_attention",
    "noop_mask", "or_masks",
]  # fmt: skip

MaskMod = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
ScoreMod = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]


class AuxRequest(NamedTuple):
    """What else `flex_attention` is to give: the logarithms of the sums of e^score, the largest scores."""

    lse: bool = False
    max_scores: bool = False


class AuxOutput(NamedTuple):
    """What was asked for by an `AuxRequest`."""

    lse: Tensor | None = None
    max_scores: Tensor | None = None


def noop_mask(batch: Tensor, head: Tensor, token_q: Tensor, token_kv: Tensor) -> Tensor:
    """A mask that leaves everything."""
    return batch.new_ones((), dtype=bool_)


def and_masks(*mask_mods: MaskMod) -> MaskMod:
    """The mask that leaves what all of these leave."""
    return _joined(mask_mods, lambda left, right: left & right, True)


def or_masks(*mask_mods: MaskMod) -> MaskMod:
    """The mask that leaves what any of these leaves."""
    return _joined(mask_mods, lambda left, right: left | right, False)


def _joined(masks: tuple[MaskMod, ...], join: Callable[[Tensor, Tensor], Tensor], first: bool) -> MaskMod:
    if not all(callable(mask) for mask in masks):
        raise RuntimeError(f"All inputs should be callable mask_mods: {masks}")

    def mask(b: Tensor, h: Tensor, q_idx: Tensor, kv_idx: Tensor) -> Tensor:
        begin = b.new_full((), first, dtype=bool_)
        return functools.reduce(join, (one(b, h, q_idx, kv_idx) for one in masks), begin)

    return mask


def _places(*lengths: int) -> Iterator[Tensor]:
    """The index along each of some dimensions, as a tensor that broadcasts: (B, 1, 1, 1), (H, 1, 1), (Q, 1), (K,)."""
    for at, length in enumerate(lengths):
        yield ops.arange(length).reshape(length, *(1,) * (len(lengths) - at - 1))


def create_mask(mod_fn: Any, B: int | None, H: int | None, Q_LEN: int, KV_LEN: int, device: Any = None) -> Tensor:
    """A mask as a tensor (B, H, Q_LEN, KV_LEN): of a function of places, or of one that changes scores."""
    shape = (B or 1, H or 1, Q_LEN, KV_LEN)
    changes_scores = len(inspect.signature(mod_fn).parameters) == 5
    made = mod_fn(ops.zeros(shape), *_places(*shape)) if changes_scores else mod_fn(*_places(*shape))
    return made.expand(shape)


class BlockMask:
    """Which blocks of the scores a mask leaves whole, in part, or not at all.

    Attributes:
        kv_num_blocks, full_kv_num_blocks: for each row of blocks, how many are left in part, and whole (B, H, rows).
        shape: (B, H, length of the queries, length of the keys).
        mask_mod: the function.
    """

    def __init__(self, mask_mod: MaskMod, lengths: tuple[int, int], block: tuple[int, int], left: Tensor) -> None:
        self.mask_mod, self.seq_lengths, self.BLOCK_SIZE = mask_mod, lengths, block
        rows, columns = (-(-length // size) for length, size in zip(lengths, block, strict=True))
        room = (rows * block[0] - lengths[0], columns * block[1] - lengths[1])
        batch, heads = left.shape[0], left.shape[1]
        filled = pad(left.to(int32), (0, room[1], 0, room[0]))
        counts = filled.reshape(batch, heads, rows, block[0], columns, block[1]).sum(dim=(3, 5))
        full = counts == block[0] * block[1]
        self._any = (counts > 0).to(int32)
        self.kv_num_blocks = ((counts > 0) & ~full).sum(-1).to(int32)
        self.full_kv_num_blocks = full.sum(-1).to(int32)

    @property
    def shape(self) -> tuple[int, ...]:
        """(B, H, length of the queries, length of the keys)."""
        return (*self._any.shape[:2], *self.seq_lengths)

    def numel(self) -> int:
        """How many scores there are."""
        return math.prod(self.shape)

    def to_dense(self) -> Tensor:
        """1 for each block that is left in whole or in part: (B, H, rows, columns)."""
        return self._any

    def sparsity(self) -> float:
        """How many of a hundred scores are in blocks that need not be computed."""
        left = int(self._any.sum()) * self.BLOCK_SIZE[0] * self.BLOCK_SIZE[1]
        return 100 * (1 - left / self.numel())

    def to(self, device: Any) -> BlockMask:
        """The mask itself: there is one device."""
        return self

    def to_string(self, grid_size: int | tuple[int, int] = (20, 20), limit: int = 4) -> str:
        """The blocks drawn: whole, in part (of those drawn as one), or not left."""
        rows, columns = self._any.shape[2:]
        sizes = (grid_size, grid_size) if isinstance(grid_size, int) else grid_size
        most = (rows, columns) if grid_size == -1 else sizes
        down, across = max(1, -(-rows // most[0])), max(1, -(-columns // most[1]))
        drawn: list[str] = []
        for at in itertools.islice(itertools.product(*map(range, self._any.shape[:2])), limit + 1):
            if len(drawn) == limit:
                drawn.append("...")
                break
            blocks = self._any[at].numpy()
            lines = [
                "".join(_drawn(blocks[r : r + down, c : c + across].mean()) for c in range(0, columns, across))
                for r in range(0, rows, down)
            ]
            drawn.append("\n".join([str(at), *lines, ""]))
        return "\n".join(drawn)

    def __str__(self) -> str:
        return f"BlockMask(shape={self.shape}, sparsity={self.sparsity():.2f}%, \n{self.to_string().strip()}\n)"


def _drawn(part: float) -> str:
    return "██" if part == 1 else "  " if part == 0 else "░░"


def create_block_mask(
    mask_mod: MaskMod, B: int | None, H: int | None, Q_LEN: int, KV_LEN: int, device: Any = None,
    BLOCK_SIZE: int | tuple[int, int] = 128, _compile: bool = False, separate_full_blocks: bool = True,
) -> BlockMask:  # fmt: skip
    """The `BlockMask` of a function of the places of batch, head, query and key; None for one that is for all."""
    block = (BLOCK_SIZE, BLOCK_SIZE) if isinstance(BLOCK_SIZE, int) else BLOCK_SIZE
    return BlockMask(mask_mod, (Q_LEN, KV_LEN), block, create_mask(mask_mod, B, H, Q_LEN, KV_LEN))


def flex_attention(
    query: Tensor, key: Tensor, value: Tensor, score_mod: ScoreMod | None = None, block_mask: BlockMask | None = None,
    scale: float | None = None, enable_gqa: bool = False, return_lse: bool = False, kernel_options: Any = None, *,
    return_aux: AuxRequest | None = None,
) -> Any:  # fmt: skip
    """softmax(score_mod(q kᵀ · scale)) v, over the places that the mask leaves; a row without any gives zeros.

    Shape: (B, H, Q, E), (B, H, K, E), (B, H, K, V) -> (B, H, Q, V).

    Args:
        score_mod: gets the scores and the places of batch, head, query and key, which broadcast.
        scale: 1/√E unless given.
        enable_gqa: whether several heads of queries share one of keys and values.

    Raises:
        ValueError: the heads differ, and `enable_gqa` is not said.
    """
    heads = query.shape[1]
    if key.shape[1] != heads:
        if not enable_gqa:
            raise ValueError(
                f"Expect query and key/value to have the same number of heads but got Hq={heads} and "
                f"Hkv={key.shape[1]}. Try setting enable_gqa=True for GQA."
            )
        key, value = (x.repeat_interleave(heads // x.shape[1], dim=1) for x in (key, value))
    scores = query @ key.transpose(-2, -1) * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
    places = tuple(_places(*scores.shape))
    if score_mod is not None:
        scores = score_mod(scores, *places)
    if block_mask is not None:
        scores = ops.where(block_mask.mask_mod(*places), scores, -math.inf)
    largest = scores.amax(-1, keepdim=True)
    reached = largest != -math.inf
    sums = scores.logsumexp(-1)
    out = ops.where(reached, ops.softmax(ops.where(reached, scores, 0.0), dim=-1), 0.0) @ value
    out = out.to(query.dtype)
    if return_aux is not None:
        return out, AuxOutput(sums if return_aux.lse else None, largest[..., 0] if return_aux.max_scores else None)
    if return_lse:
        warn(
            "return_lse is deprecated and will be removed in v2.10. Please use return_aux=AuxRequest(lse=True) "
            "instead.",
            FutureWarning,
        )
        return out, sums
    return out
