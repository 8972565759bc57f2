"""Descent: a product that makes a gradient takes it off the weight at once, where plain SGD does nothing else with it.

    G = matmul(A, B); W <- sgd_(W, G, lr)  ->  W <- descend(A, B, W)

G is not stored unless it is handed out. The product moves to where the update was.
"""

from __future__ import annotations

from typing import Any

from ..graph import Graph, Node, Value


class Descent(Node):
    """An update together with the product that makes its gradient; `keeps` says that the gradient is stored, too."""

    __slots__ = ("keeps", "product", "update")

    def __init__(self, product: Node, update: Node, keeps: bool) -> None:
        (a, b), param = product.args, update.args[0]
        super().__init__("descend", (a, b, param), product.outputs, writes=(param,))
        self.product, self.update, self.keeps = product, update, keeps
        self.kwargs, self.live = update.kwargs, update.live


def run(graph: Graph) -> None:
    """Join products with updates."""
    handed_out = {value.memory for value in graph.escaping()}
    written = graph.written()
    makers: dict[int, Node] = {}
    readers: dict[int, int] = {}
    for node in graph.nodes:
        for value in node.reads():
            readers[value.memory] = readers.get(value.memory, 0) + 1
        if node.name == "matmul" and len(node.args) == 2 and not node.kwargs:
            makers[id(node.outputs[0])] = node
    gone: set[int] = set()
    joined: dict[int, Node] = {}
    for node in graph.nodes:
        product = makers.get(id(node.args[1])) if _is_plain(node) else None
        if product is None or any(value.memory in written for value in product.reads()):
            continue
        (gradient,) = product.outputs
        if len(gradient.shape) == 2 and readers[gradient.memory] == 1 and _same(node.args[0], gradient):
            gone.add(id(product))
            joined[id(node)] = Descent(product, node, gradient.memory in handed_out)
    graph.nodes = [joined.get(id(node), node) for node in graph.nodes if id(node) not in gone]


def _is_plain(node: Node) -> bool:
    options: dict[str, Any] = node.kwargs
    if node.name != "sgd_" or node.live is None or node.args[2] is not None:
        return False
    return not (options["maximize"] or options["weight_decay"] or options["l1"])


def _same(param: Value, gradient: Value) -> bool:
    return param.shape == gradient.shape and param.dtype == gradient.dtype and param.dense
