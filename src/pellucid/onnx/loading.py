"""`load`: an ONNX file as a module, whose weights are parameters under the names that they have in the file."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from ..core import Tensor, from_data
from ..nn import Module, Parameter
from ..types.dtypes import OF_NUMPY
from . import read_elements, read_layers, read_shapes  # noqa: F401  they fill the table
from .errors import OnnxLoadError
from .packages import need
from .reader import READERS

# Inputs that are settings, not weights, by operator: (operator, place).
_SETTINGS = {
    (name, place) for name in ("Clip", "Pad", "Resize", "Upsample", "Range", "OneHot") for place in range(1, 5)
}
_STATISTICS = {("BatchNormalization", 3), ("BatchNormalization", 4)}


class OnnxModule(Module):
    """A graph of ONNX that is computed node by node, by functions of pellucid, so that it trains.

    Floating-point initializers with a dimension are parameters, the statistics of batch normalisation (and what
    `export` knew as buffers) are buffers; whole numbers and single numbers are constants. A name with dots in it is
    that of a module within: `0.weight` is `self.get_submodule("0").weight`.
    """

    def __init__(self, proto: Any) -> None:
        super().__init__()
        import onnx

        graph = proto.graph
        self.opset = next((entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx")), 1)
        self.title = graph.name
        self._nodes = [_Node(node, self.opset) for node in graph.node]
        self._constants: dict[str, Tensor] = {}
        self._weights: dict[str, tuple[Module, str]] = {}
        buffers = next((entry.value.split("\n") for entry in proto.metadata_props if entry.key == "buffers"), [])
        uses = {(node.operator, place, name) for node in self._nodes for place, name in enumerate(node.inputs)}
        settings = {name for operator, place, name in uses if (operator, place) in _SETTINGS}
        statistics = {name for operator, place, name in uses if (operator, place) in _STATISTICS} | set(buffers)
        for tensor in graph.initializer:
            array = onnx.numpy_helper.to_array(tensor)
            value = _tensor(array, tensor.name)
            weight = array.dtype.kind == "f" and array.ndim and tensor.name not in settings
            if tensor.name in statistics or (weight and not tensor.name.startswith("/")):
                self._put(tensor.name, value, tensor.name in statistics)
            else:
                self._constants[tensor.name] = value
        given = {tensor.name for tensor in graph.initializer}
        self.inputs = [value.name for value in graph.input if value.name not in given]
        self.outputs = [value.name for value in graph.output]
        self._free = _last_uses(self._nodes, {*self.outputs, *given})

    def _put(self, name: str, value: Tensor, buffer: bool) -> None:
        place: Module = self
        *path, last = name.split(".")
        for part in path:
            if part not in place._modules:
                place.add_module(part, Module())
            found = place._modules[part]
            if found is None:
                raise OnnxLoadError(f"{name!r} and another initializer cannot both have their names")
            place = found
        last = last if last.isidentifier() and not hasattr(place, last) else f"weight_{len(self._weights)}"
        if buffer:
            place.register_buffer(last, value)
        else:
            place.register_parameter(last, Parameter(value))
        self._weights[name] = (place, last)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The outputs for inputs in the file's order, or by their names: one tensor, or a tuple of them."""
        if len(args) > len(self.inputs) or any(name not in self.inputs for name in kwargs):
            raise TypeError(f"the inputs are {self.inputs}, but got {len(args)} and {sorted(kwargs)}")
        values: dict[str, Any] = {"": None, **self._constants, **dict(zip(self.inputs, args, strict=False)), **kwargs}
        missing = [name for name in self.inputs if name not in values]
        if missing:
            raise TypeError(f"the inputs {missing} are missing; the graph takes {self.inputs}")
        values |= {name: getattr(place, attribute) for name, (place, attribute) in self._weights.items()}
        for node, unneeded in zip(self._nodes, self._free, strict=True):
            made = node([values[name] for name in node.inputs])
            values.update(zip(node.outputs, made, strict=False))
            for name in unneeded:
                values.pop(name, None)
        results = tuple(values[name] for name in self.outputs)
        return results[0] if len(results) == 1 else results

    def extra_repr(self) -> str:
        return f"{self.title}, opset {self.opset}, {len(self._nodes)} nodes: {', '.join(self.inputs)} -> " + ", ".join(
            self.outputs
        )


class _Node:
    """One node: its operator, attributes in Python, and names."""

    def __init__(self, node: Any, opset: int) -> None:
        import onnx

        self.operator, self.name = node.op_type, node.name
        self.inputs, self.outputs = list(node.input), list(node.output)
        if node.domain not in ("", "ai.onnx") or (self.operator not in READERS and self.operator != "Constant"):
            domain = f"{node.domain}::" if node.domain else ""
            raise OnnxLoadError(
                f"the operator {domain}{self.operator} (node {node.name!r}) is not one that pellucid reads"
            )
        self.attributes: dict[str, Any] = {"opset": opset, "outputs": len(self.outputs)}
        for attribute in node.attribute:
            self.attributes[attribute.name] = _python(onnx.helper.get_attribute_value(attribute))

    def __call__(self, inputs: list[Any]) -> tuple[Any, ...]:
        if self.operator == "Constant":
            value = next(value for name, value in self.attributes.items() if name.startswith("value"))
            return (value if isinstance(value, Tensor) else from_data(value),)
        try:
            made = READERS[self.operator](self.attributes, *inputs)
        except OnnxLoadError as error:
            raise OnnxLoadError(f"{error} (node {self.name!r})") from None
        except Exception as error:
            error.add_note(f"in the node {self.name!r} ({self.operator}) of the ONNX graph")
            raise
        return made if isinstance(made, tuple) else (made,)


def _python(value: Any) -> Any:
    import onnx

    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, onnx.TensorProto):
        return _tensor(onnx.numpy_helper.to_array(value), value.name)
    if isinstance(value, onnx.GraphProto):
        return value
    if isinstance(value, int | float | str):
        return value
    return [_python(entry) for entry in value]


def _tensor(array: Any, name: str) -> Tensor:
    if OF_NUMPY.get(array.dtype) is None:
        raise OnnxLoadError(f"pellucid has no dtype {array.dtype}, which {name!r} has")
    return from_data(np.array(array))


def _last_uses(nodes: list[_Node], kept: set[str]) -> list[list[str]]:
    """For each node the values that nothing after it needs."""
    kept = set(kept)
    frees: list[list[str]] = []
    for node in reversed(nodes):
        used = {*node.inputs, *node.outputs} - {""}
        frees.append(sorted(used - kept))
        kept |= used
    return frees[::-1]


def load(source: Any) -> OnnxModule:
    """The module that an ONNX file describes; `source` is a path, a binary file, or onnx's ModelProto.

    It computes what the file says, with gradients, and its `state_dict` has the names of the file: for a file of
    `export` those of the exported model, so that its state can be loaded. What differs in training (dropout,
    statistics of batches) is not in such a file. Raises OnnxLoadError, naming the node, for an operator that is not
    read.

    >>> import pellucid as torch
    >>> exported = torch.onnx.export(torch.nn.Linear(3, 2), torch.zeros(4, 3))
    >>> model = torch.onnx.load(exported.proto)
    >>> [name for name, _ in model.named_parameters()], tuple(model(torch.ones(5, 3)).shape)
    (['weight', 'bias'], (5, 2))
    """
    onnx = need("onnx", "reading ONNX")
    if isinstance(source, onnx.ModelProto):
        return OnnxModule(source)
    if not hasattr(source, "read") and not os.path.isfile(source):
        raise OnnxLoadError(f"there is no file {os.fspath(source)}")
    try:
        proto = onnx.load(source)
    except Exception as error:
        raise OnnxLoadError(f"{source} is no ONNX file: {error}") from error
    if not proto.graph.output:
        raise OnnxLoadError(f"{source} is no ONNX file: it has no graph with an output")
    return OnnxModule(proto)
