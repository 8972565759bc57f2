"""`ShapeProp`: runs a graph, and notes of each node the shape and the dtype of its result."""

from __future__ import annotations

from typing import Any, NamedTuple

from pellucid.core import Tensor

from ..interpreter import Interpreter
from ..node import Node, map_aggregate

__all__ = ["ShapeProp", "TensorMetadata"]


class TensorMetadata(NamedTuple):
    """What is noted of a tensor, in `node.meta["tensor_meta"]`."""

    shape: Any
    dtype: Any
    requires_grad: bool
    stride: tuple[int, ...]
    memory_format: Any
    is_quantized: bool
    qparams: dict[str, Any]


def _of(result: Tensor) -> TensorMetadata:
    return TensorMetadata(
        result.shape, result.dtype, result.requires_grad, tuple(result.stride()), None, False, {}
    )  # fmt: skip


class ShapeProp(Interpreter):
    """`ShapeProp(traced).propagate(input)`; then each node's `meta["tensor_meta"]` has shape and dtype."""

    def run_node(self, n: Node) -> Any:
        """Run one node, and note what came of it."""
        result = super().run_node(n)
        tensors: list[Tensor] = []

        def note(value: Any) -> Any:
            if isinstance(value, Tensor):
                tensors.append(value)
                return _of(value)
            return value

        noted = map_aggregate(result, note)
        if tensors:
            n.meta["tensor_meta"] = noted
        n.meta["type"] = type(result)
        return result

    def propagate(self, *args: Any) -> Any:
        """Run the whole graph with these inputs. What it gives."""
        return super().run(*args)
