"""`export`: a model as an ONNX file.

The model's forward is run and recorded, op by op, and each op is written by its row of the table. So whatever the
forward does is written, layers and functions alike; a `for` over steps is unrolled, an `if` keeps the branch it took.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..core import no_grad
from ..files import write_atomically
from ..nn import Module
from .axes import Axes, axes_of, axes_of_shapes, runs_of, sized_as
from .calls import check_call
from .errors import OnnxExporterError
from .graph import ModelGraph
from .loading import OnnxModule
from .packages import need
from .recording import leaves, record, warn_of_reads

OPSETS = range(18, 24)
OPSET = 18


class Exported:
    """A model as ONNX: `proto`, onnx's ModelProto; `save(path)`; and its opset, inputs and outputs, in its text."""

    def __init__(self, proto: Any, opset: int, path: str | None) -> None:
        self.proto, self.opset, self.path = proto, opset, path

    @property
    def model_proto(self) -> Any:
        """PyTorch's name for it."""
        return self.proto

    def save(self, destination: Any) -> None:
        """Write the file; `destination` may be a file object, too."""
        data = self.proto.SerializeToString()
        if hasattr(destination, "write"):
            destination.write(data)
            return
        write_atomically(Path(destination), data)

    def __repr__(self) -> str:
        graph = self.proto.graph
        where = f"{self.path}: " if self.path else ""
        return (
            f"{where}ONNX opset {self.opset}, {len(graph.node)} nodes, {_listing(graph.input)} -> "
            f"{_listing(graph.output)}"
        )


def export(
    model: Module,
    args: Any = (),
    f: Any = None,
    *,
    kwargs: dict[str, Any] | None = None,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    opset_version: int | None = None,
    dynamic_axes: Any = None,
    dynamic_shapes: Any = None,
    verify: bool = False,
    **settings: Any,
) -> Exported:
    """Write what `model(*args)` computes, in evaluation mode, as an ONNX model; `f` is a path or a binary file.

    Args:
        args: example inputs, a tensor or a tuple of tensors, lists and dicts of them.
        input_names: what the inputs are called in the file; else as forward's parameters.
        output_names: what the outputs are called; else "output", "output_1", …
        opset_version: 18 to 23, ONNX's version of its operators; 18 if not given.
        dynamic_axes: which axes may have other sizes, `{"input": {0: "batch"}}` or `{"input": [0]}`. The model is then
            run on inputs of several sizes, to see what depends on them.
        dynamic_shapes: the same in PyTorch's later form, by name or in the order of the inputs:
            `({0: "batch"}, None)`.
        verify: compare the file's answer with the model's, by onnxruntime.

    Parameters and buffers keep their names. Raises OnnxExporterError, with the op, the layer and the line, for what has
    no ONNX form. Other settings of `torch.onnx.export` are taken and change nothing.

    >>> import pellucid as torch
    >>> torch.onnx.export(torch.nn.Linear(3, 2), torch.zeros(4, 3), dynamic_axes={"input": {0: "batch"}})
    ONNX opset 18, 1 nodes, input float32 (batch, 3) -> output float32 (batch, 2)
    """
    need("onnx", "writing ONNX")
    check_call(model, args, f, settings)
    opset = OPSET if opset_version is None else opset_version
    if opset not in OPSETS:
        raise OnnxExporterError(f"opset {opset_version} was asked for; pellucid writes {OPSETS[0]} to {OPSETS[-1]}")
    args = args if isinstance(args, tuple) else (args,)
    call = _Called(model, kwargs)
    names = list(input_names or _input_names(model, args))
    tensors = [tensor for _, tensor in leaves(args)]
    if len(names) != len(tensors):
        raise OnnxExporterError(f"{len(tensors)} tensors are given, and input_names has {len(names)}: {names}")
    if len(set(names)) != len(names):
        raise OnnxExporterError(f"each input needs a name of its own, and input_names is {names}")
    axes = axes_of(dynamic_axes or axes_of_shapes(dynamic_shapes, names), names)
    runs = runs_of(axes, dict(zip(names, tensors, strict=True)))
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        recordings = [_recorded(model, call, args, names, axes, run, runs[0]) for run in runs]
    finally:
        for module, training in modes:
            module.training = training
    buffers = {name for name, _ in model.named_buffers()}
    graph = ModelGraph(recordings, runs, axes, names, opset, buffers)
    proto = graph.model(type(model).__name__, list(output_names or []))
    path = None if f is None or hasattr(f, "write") else os.fspath(f)
    exported = Exported(proto, opset, path)
    _check(exported)
    if verify:
        _compare(model, call, args, exported)
    if f is not None:
        exported.save(f)
    warn_of_reads(recordings[0].reads)
    return exported


def _recorded(
    model: Module, call: _Called, args: Any, names: list[str], axes: Axes, run: dict[str, int], first: dict[str, int]
) -> Any:
    """The model's run with dynamic axes of these sizes; where only other sizes than the first fail, that is said."""
    try:
        return record(model, call, sized_as(args, names, axes, run), names)
    except OnnxExporterError:
        raise
    except Exception as error:
        if run is first:
            raise
        sizes = " and ".join(f"{name!r} of {size}" for name, size in run.items())
        raise OnnxExporterError(
            f"the model takes no axis {sizes}, and dynamic_axes says that it may have other sizes than in the example: "
            f"leave such an axis out ({type(error).__name__}: {error})"
        ) from error


class _Called:
    """The model's forward with the keywords it is given besides its inputs."""

    def __init__(self, model: Module, kwargs: dict[str, Any] | None) -> None:
        self.model, self.kwargs = model, kwargs or {}

    def __call__(self, *args: Any) -> Any:
        return self.model(*args, **self.kwargs)


def _input_names(model: Module, args: tuple[Any, ...]) -> list[str]:
    """As the parameters of forward are called; the tensors within one are numbered."""
    if isinstance(model, OnnxModule) and len(args) == len(model.inputs):
        return model.inputs
    parameters = [
        parameter.name
        for parameter in inspect.signature(type(model).forward).parameters.values()
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ][1:]
    given = [parameters[i] if i < len(parameters) else f"input_{i}" for i in range(len(args))]
    return [path for name, value in zip(given, args, strict=True) for path, _ in leaves(value, name)]


def _check(exported: Exported) -> None:
    """What is written has to pass onnx's own checker."""
    import onnx

    if exported.proto.ByteSize() < 2**31:
        onnx.checker.check_model(exported.proto, full_check=True)


def _compare(model: Module, call: _Called, args: Any, exported: Exported) -> None:
    """Raise OnnxExporterError where onnxruntime's answer on the example inputs is not the model's."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        with no_grad():
            wanted = [tensor.detach().numpy() for _, tensor in leaves(call(*args))]
    finally:
        for module, training in modes:
            module.training = training
    apart = difference(exported, [tensor.detach().numpy() for _, tensor in leaves(args)], wanted)
    if apart > 1e-3:
        raise OnnxExporterError(f"onnxruntime's answer differs from the model's by {apart:.2g} of its size")


def difference(exported: Exported, given: list[Any], wanted: list[Any]) -> float:
    """How far onnxruntime's outputs are from `wanted`, at most, as a part of the largest value."""
    runtime = need("onnxruntime", "verifying an ONNX file")
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    names = [input.name for input in exported.proto.graph.input]
    data = exported.proto.SerializeToString()
    try:
        session = runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        taken = {input.name for input in session.get_inputs()}
        found = session.run(None, {name: array for name, array in zip(names, given, strict=True) if name in taken})
    except Exception as error:  # onnxruntime has a class of its own for each, and they share no other base
        raise OnnxExporterError(
            f"the file is ONNX by onnx's own checker, but onnxruntime cannot run it on a CPU: {error}"
        ) from error
    apart = 0.0
    for ours, theirs in zip(wanted, found, strict=True):
        if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
            raise OnnxExporterError(
                f"onnxruntime's output is {theirs.dtype} {theirs.shape}, and the model's {ours.dtype} {ours.shape}"
            )
        if ours.size:
            a, b = ours.astype(np.float64), theirs.astype(np.float64)
            same = (a == b) | (np.isnan(a) & np.isnan(b))
            with np.errstate(all="ignore"):
                gap = np.where(same, 0, np.abs(a - b)) / max(1.0, float(np.abs(np.where(np.isfinite(a), a, 0)).max()))
            apart = max(apart, float(np.nan_to_num(gap, nan=np.inf).max()))
    return apart


def _listing(infos: Any) -> str:
    import onnx

    texts: list[str] = []
    for info in infos:
        kind = onnx.helper.tensor_dtype_to_np_dtype(info.type.tensor_type.elem_type)
        sizes = [dim.dim_param or str(dim.dim_value) for dim in info.type.tensor_type.shape.dim]
        texts.append(f"{info.name} {kind} ({', '.join(sizes)}{',' * (len(sizes) == 1)})")
    return ", ".join(texts)
