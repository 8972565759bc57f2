"""How numbers lie in memory: layouts, and orders of dimensions. Each is its name, and prints as PyTorch's."""

from __future__ import annotations

__all__ = ["channels_last", "channels_last_3d", "contiguous_format", "layout", "memory_format", "preserve_format",
           "sparse_coo", "sparse_csr", "strided"]  # fmt: skip


class layout(str):
    """`strided` for a dense tensor, `sparse_coo` or `sparse_csr`.

    >>> layout("strided")
    torch.strided
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    @property
    def name(self) -> str:
        """Without `torch.`."""
        return str.__str__(self)


class memory_format(layout):
    """An order of the dimensions in memory: `contiguous_format`, `channels_last`, `preserve_format`."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """PyTorch's name for it."""
        own = str.__str__(self)
        return own if own.startswith("channels") else f"{own}_format"


strided, sparse_coo, sparse_csr = layout("strided"), layout("sparse_coo"), layout("sparse_csr")
contiguous_format, preserve_format = memory_format("contiguous"), memory_format("preserve")
channels_last, channels_last_3d = memory_format("channels_last"), memory_format("channels_last_3d")
