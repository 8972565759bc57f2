"""Recordings of a model, written as ONNX's graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import version
from ..core import Declaration
from . import elementwise, indices, layers, losses, recurrent, reductions, shapes  # noqa: F401  they fill the table
from .axes import Axes
from .errors import OnnxExporterError
from .recording import Recording, Ref, Step
from .sizes import Size, blend, explain
from .table import CONVERTERS
from .without import OPS
from .writer import Term, Writer


class ModelGraph:
    """Recordings of one model on inputs of several sizes, written as one graph."""

    def __init__(
        self,
        recordings: list[Recording],
        runs: list[dict[str, int]],
        axes: Axes,
        names: list[str],
        opset: int,
        buffers: set[str],
    ) -> None:
        self.recordings, self.runs, self.axes, self.names = recordings, runs, axes, names
        self.first = recordings[0]
        self.buffers = buffers  # names of what does not learn
        places: dict[str, tuple[Term, int]] = {}
        self.writer = Writer(opset, places)
        self.terms: dict[Ref, Term] = {}
        self.same = {ref for ref in range(len(self.first.values)) if self.first.values[ref].source == "constant"}
        for name, ref in zip(names, self.first.inputs, strict=True):
            self.terms[ref] = Term(self.writer, name, self.first.values[ref].array.dtype, self._shape(ref))
            for axis, called in axes.get(name, {}).items():
                places.setdefault(called, (self.terms[ref], axis % len(self.first.values[ref].shape)))

    def model(self, title: str, output_names: list[str]) -> Any:
        """onnx's ModelProto."""
        self._alike()
        for position, step in enumerate(self.first.steps):
            self._write(step, [recording.steps[position] for recording in self.recordings])
        outputs = self._outputs(output_names)
        onnx, helper = self.writer.onnx, self.writer.onnx.helper
        inputs = [self._info(self.terms[ref].name, ref) for ref in self.first.inputs]
        nodes, initializers = _used(self.writer, [info.name for info in outputs])
        graph = helper.make_graph(nodes, title, inputs, outputs, initializers)
        made = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", self.writer.opset)],
            producer_name="pellucid",
            producer_version=version.__version__,
        )
        made.ir_version = min(made.ir_version, 10)
        onnx.helper.set_model_props(made, {"buffers": "\n".join(sorted(self.buffers))})
        return made

    def _alike(self) -> None:
        """The same ops must have run for all sizes."""
        for recording, run in zip(self.recordings[1:], self.runs[1:], strict=True):
            for ours, theirs in zip(self.first.steps, recording.steps, strict=False):
                if ours.op is not theirs.op or [type(a) for a in ours.args] != [type(a) for a in theirs.args]:
                    break
            else:
                if len(self.first.steps) == len(recording.steps):
                    continue
                ours = (self.first.steps if len(self.first.steps) > len(recording.steps) else recording.steps)[-1]
            raise OnnxExporterError(
                f"which ops run depends on the size of a dynamic axis ({self.runs[0]} against {run}), from "
                f"{ours.op.name} on, in {ours.where()}: a Python loop or branch over it? "
                "Leave that axis out of dynamic_axes"
            )

    def _shape(self, ref: Ref | int) -> Any:
        seen = [recording.values[ref].shape for recording in self.recordings]
        return tuple(explain(lengths, self.runs) for lengths in zip(*seen, strict=True))

    def _term(self, ref: Ref) -> Term:
        """The term of a value, written when it is first used where no op made it."""
        if ref not in self.terms:
            value = self.first.values[ref]
            if any(not np.array_equal(value.array, other.values[ref].array) for other in self.recordings[1:]):
                raise OnnxExporterError(
                    f"a tensor of shape {value.shape} that Python made depends on the size of a dynamic axis: make it "
                    "with functions of tensors (arange, zeros, ones), or leave that axis out of dynamic_axes"
                )
            name = f"model.{value.name}" if value.name in self.names else value.name
            self.terms[ref] = self.writer.constant(value.array, name=name)
        return self.terms[ref]

    def _write(self, step: Step, runs: list[Step]) -> None:
        op: Declaration = step.op
        if self._folded(step, runs):
            return
        name = op.name if op.name in CONVERTERS or not op.mutates else op.name.removesuffix("_")
        converter = CONVERTERS.get(name)
        if converter is None:
            reason = OPS.get(name, OPS.get(op.name, "there is no converter for it"))
            raise OnnxExporterError(f"{op.name} has no ONNX form: {reason} ({step.where()})")
        self.writer.scope = "/" + step.layer.replace(".", "/") if step.layer else ""
        try:
            args = [
                self._term(argument) if isinstance(argument, Ref) else self._number(op, [run.args[i] for run in runs])
                for i, argument in enumerate(step.args)
            ]
            kwargs = {
                key: blend([run.kwargs[key] for run in runs], self.runs, f"{op.name}'s {key}") for key in step.kwargs
            }
            made = converter(self.writer, *args, **kwargs)
        except OnnxExporterError as error:
            raise OnnxExporterError(f"{op.name} has no ONNX form here: {error} ({step.where()})") from None
        except TypeError as error:
            if not any(isinstance(size, Size) for run in self.runs[1:] for size in self._sizes(step)):
                raise
            raise OnnxExporterError(
                f"{op.name} has no ONNX form with a dynamic axis: {error} ({step.where()})"
            ) from error
        for ref, term in zip(step.outputs, made if isinstance(made, tuple) else (made,), strict=False):
            if term is not None:
                self._made(ref, term, op)

    def _sizes(self, step: Step) -> list[Any]:
        found = [size for ref in (*step.args, *step.outputs) if isinstance(ref, Ref) for size in self._shape(ref)]
        return [Size({("?",): 1}) if size is None else size for size in found]

    def _number(self, op: Declaration, values: list[Any]) -> Any:
        return blend(values, self.runs, f"an argument of {op.name}")

    def _made(self, ref: Ref, term: Term, op: Declaration) -> None:
        """Note what the term of a value is, with the dtype and shape that the run had."""
        wanted = self.first.values[ref].array.dtype
        if type(term) is Term:
            if term.dtype != wanted and term.image is None:
                term = term.cast(wanted)
            term.shape = self._shape(ref)
        self.terms[ref] = term

    def _folded(self, step: Step, runs: list[Step]) -> bool:
        """Whether the result depends on no input and no weight, and is the same in all runs: then it is a constant."""
        refs = [argument for argument in step.args if isinstance(argument, Ref)]
        if (step.op.name in OPS and OPS[step.op.name] == OPS["rand"]) or any(ref not in self.same for ref in refs):
            return False
        for ref in step.outputs:
            arrays = [recording.values[ref].array for recording in self.recordings]
            if any(not np.array_equal(arrays[0], array) for array in arrays[1:]) or arrays[0].dtype.kind in "cV":
                return False
            if step.op.mutates:  # the array may have been changed again since
                return False
        self.same.update(step.outputs)
        return True

    def _outputs(self, names: list[str]) -> list[Any]:
        paths = [path for path, _ in self.first.outputs]
        given = names or [f"output_{path}" if path and path != "0" else "output" for path in paths]
        if len(given) != len(paths):
            raise OnnxExporterError(f"the model has {len(paths)} outputs, and output_names has {len(given)}: {given}")
        self.writer.scope = ""
        infos: list[Any] = []
        for name, (_, ref) in zip(given, self.first.outputs, strict=True):
            source = self._term(ref)
            self.writer.nodes.append(self.writer.onnx.helper.make_node("Identity", [source.name], [name]))
            infos.append(self._info(name, ref))
        _renamed(self.writer, {info.name for info in infos}, set(self.names))
        return infos

    def _info(self, name: str, ref: Ref) -> Any:
        shape = [
            size if isinstance(size, int) else f"{name}_dim_{i}" if size is None else str(size).replace(" ", "")
            for i, size in enumerate(self._shape(ref))
        ]
        kind = self.writer.code(self.first.values[ref].array.dtype)
        return self.writer.onnx.helper.make_tensor_value_info(name, kind, shape)


def _renamed(writer: Writer, outputs: set[str], inputs: set[str]) -> None:
    """Give the nodes that made the outputs the outputs' names, in place of copies."""
    made = {name: node for node in writer.nodes for name in node.output}
    copied: set[str] = set()
    for node in [node for node in writer.nodes if node.op_type == "Identity" and node.output[0] in outputs]:
        source, name = node.input[0], node.output[0]
        if source in inputs or source not in made or source in copied:
            continue
        copied.add(source)
        for other in writer.nodes:
            for names in (other.input, other.output):
                for i, each in enumerate(names):
                    if each == source:
                        names[i] = name
        writer.nodes.remove(node)


def _used(writer: Writer, outputs: list[str]) -> tuple[list[Any], list[Any]]:
    """The nodes that the outputs need, and their initializers; copies in between are left out."""
    source: dict[str, str] = {}
    nodes: list[Any] = []
    for node in writer.nodes:
        for i, name in enumerate(node.input):
            node.input[i] = source.get(name, name)
        if node.op_type == "Identity" and node.output[0] not in outputs:
            source[node.output[0]] = node.input[0]
        else:
            nodes.append(node)
    wanted = set(outputs)
    kept: list[Any] = []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(node.input)
    return kept[::-1], [tensor for name, tensor in writer.initializers.items() if name in wanted]
