"""One recorded call of a function: the call itself, what it depends on, and the plan that repeats it."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from pellucid.core import Tensor, interpreter, state
from pellucid.core.node import Node
from pellucid.core.views import memory_of
from pellucid.reverse.gradients import grad

from .apart import Apart, seeds_for
from .beside import Watch, births
from .cost import Cost, Peak, costs, roofline
from .graph import INPUT, Graph, build, leaves
from .guards import Conditions
from .passes import PASSES
from .plan import Plan
from .segment import Segment
from .tracer import Tracer
from .updates import Owner
from .watching import SETTINGS, Refused, Surroundings, settings_of


def record(
    function: Callable[..., Any], args: Any, kwargs: Any, inputs: list[Tensor], *, strict: bool, first: bool = False
) -> tuple[Any, Recording | str]:
    """Call the function; its result, and the recording or why there is none.

    In the `first` call an optimiser makes its state, which is nothing that a run repeats: then it is not recorded.
    """
    try:
        around = Surroundings(function, args)
        _check_inputs(inputs, around)
        if first and not all(map(_has_state, around.optimizers)):
            raise Refused("an optimiser makes its state")
    except Refused as refusal:
        return function(*args, **kwargs), str(refusal)
    before = {key: tensor._grad for key, tensor in around.tensors.items()}
    arrays = {key: tensor._array for key, tensor in around.tensors.items()}
    tracer = Tracer(tuple(inputs), strict=strict)
    with births(), interpreter(tracer), Watch(tracer, around.containers) as watch:
        result = function(*args, **kwargs)
        born = {id(thing) for thing in gc.get_objects(generation=0)}
        watch.stop()
        ends = None if tracer.refusal or watch.reason else _ends(tracer, result, around)
    try:
        if tracer.refusal or watch.reason:
            raise Refused(tracer.refusal or watch.reason)
        changed = around.changed()
        if changed:
            raise Refused(f"{changed}, which a replay would not")
        if any(around.tensors[key]._array is not array for key, array in arrays.items()):
            raise Refused("it puts other memory behind a tensor (tensor.data = …)")
        made = Recording(tracer, inputs, result, around, before, born, ends)
        made.schedules = [schedule for schedule, _ in watch.schedules]
        if any(step.op.mutates for _, at in watch.schedules for step in tracer.steps[at:]):
            raise Refused("a schedule changes the learning rate before an update")
        return result, made
    except Refused as refusal:
        return result, str(refusal)


def _has_state(optimizer: Any) -> bool:
    """Whether an optimiser has made its first step."""
    return bool(optimizer.state)


def _check_inputs(inputs: list[Tensor], around: Surroundings) -> None:
    seen: set[int] = {id(memory_of(tensor._array)) for tensor in around.tensors.values()}
    for tensor in inputs:
        if type(tensor._array) is not np.ndarray or (type(tensor) is not Tensor and not _is_plain(tensor)):
            raise Refused(f"an argument is a {type(tensor).__name__} on {tensor.device}")
        memory = id(memory_of(tensor._array))
        if memory in seen:
            raise Refused("an argument shares memory with another, or with what the function holds")
        seen.add(memory)


def _is_plain(tensor: Tensor) -> bool:
    return type(tensor).__module__.startswith("pellucid.")


class Ends(NamedTuple):
    """The backward pass from a result with a history, as it was recorded behind the function."""

    mark: int  # how many ops the function applied
    outputs: list[Tensor]  # what has a history
    seeds: list[Tensor]  # the gradient of each
    targets: list[Tensor]  # what gets a gradient
    slopes: tuple[Tensor | None, ...]  # the gradient of each


def _ends(tracer: Tracer, result: Any, around: Surroundings) -> Ends | str | None:
    """Go backward from what has a history still; None where nothing has, or why that cannot be recorded."""
    given = {id(tensor) for tensor in tracer.given}
    found = {
        id(tensor): tensor for tensor in _tensors(result)
        if tensor.grad_fn is not None and tensor.grad_fn not in tracer.walked and id(tensor) not in given
    }  # fmt: skip
    if not found:
        return None
    if tracer.walked:
        return "it calls backward(), and returns a tensor with a history for another"
    if any(not tensor.is_leaf for tensor in around.tensors.values()):
        return "it reaches a tensor with a history"
    targets = [leaf for leaf in tracer.leaves.values() if leaf.requires_grad]
    if any(id(leaf) not in around.tensors and id(leaf) not in given for leaf in targets):
        return "a gradient goes to a tensor that it reaches in a way that cannot be followed"
    outputs, mark = list(found.values()), len(tracer.steps)
    seeds = seeds_for(outputs)
    tracer.late |= {int(tracer.slot(seed._array)) for seed in seeds}
    try:
        slopes = grad(outputs, targets, seeds, retain_graph=True, allow_unused=True)
    except RuntimeError as failure:
        return f"its backward pass cannot be recorded: {failure}"
    return Ends(mark, outputs, seeds, targets, slopes)


class Spent(Node):
    """The history of a result whose backward the step itself has done."""

    def __init__(self) -> None:
        self.edges, self.kwargs, self.number = [], {}, 0

    def propagate(self, g: Any, vocabulary: Any, lifted: bool, create: bool) -> Any:
        raise RuntimeError(
            "Trying to backward through the graph a second time: the compiled step that returned this tensor has gone "
            "through it. Return what else is needed, or leave backward() to the caller"
        )


class Recording:
    """A plan, and when it may run. `before` is the text of the graph as it was recorded."""

    def __init__(
        self, tracer: Tracer, inputs: list[Tensor], result: Any, around: Surroundings, before: dict[int, Any],
        born: set[int], ends: Ends | str | None,
    ) -> None:  # fmt: skip
        if isinstance(ends, str):
            raise Refused(ends)
        if ends is None and any(tensor.requires_grad for tensor in inputs) and state.grad:
            raise Refused("an argument requires a gradient")
        self.around = around
        self.schedules: list[Any] = []  # that go on after each run
        self._grads: list[tuple[Tensor, Any]] = []  # (leaf, the memory of its gradient before the call, or None)
        gradients = self._gradients(tracer, before)
        if ends is not None and gradients:
            raise Refused("it changes gradients, and returns a tensor with a history")
        _check_result(tracer, result, ends is not None)
        handed: Any = result if ends is None else (result, ends.outputs, ends.seeds, list(ends.slopes))
        self.graph = build(tracer, inputs, handed, gradients, lambda tensor: id(tensor) in born)
        self._check_held(tracer, born)
        self._settings = [settings_of(optimizer) for optimizer in around.optimizers]
        self._same_settings = self._quick_settings()
        self._same_grads = self._quick_grads()
        self._own_updates()
        if any(value.kind == INPUT for node in self.graph.nodes for value in node.writes):
            raise Refused("it overwrites an argument")
        self.before = str(self.graph)
        self.apart: Apart | None = None
        self._spent = False
        if ends is None:
            for _, run in PASSES:
                run(self.graph)
            self.plan = Plan(self.graph)
            self._spent = any(tensor.requires_grad for tensor in _tensors(result))
        else:
            self.graph.result, outputs, seeds, slopes = self.graph.result
            known = {id(tensor): i for i, tensor in enumerate(inputs)}
            targets = [known.get(id(target), target) for target in ends.targets]
            own = {id(tensor) for tensor in ends.outputs}
            needs = [id(tensor) in own for tensor in _tensors(result)]
            self.apart = Apart(self.graph, ends.mark, outputs, seeds, slopes, targets, needs)
            self.plan = self.apart.plan

    def holds(self) -> bool:
        """Whether a run would do what a call of the function does now."""
        if not (self._same_grads() and self.around.hold()):
            return False
        if not self._same_settings():
            if self._settings != [settings_of(each) for each in self.around.optimizers]:
                return False
            self._same_settings = self._quick_settings()
        if self.apart is None:
            return self.plan.bound() or self._bind(self.plan.held)
        plans = self.apart.plan, self.apart.second
        return all(plan.bound() for plan in plans) or self._bind([pair for plan in plans for pair in plan.held])

    def _bind(self, held: list[tuple[Tensor, Any]]) -> bool:
        """Make the plan anew for other arrays behind the tensors; False where they are not like the former."""
        arrays = [(tensor._array.shape, tensor._array.dtype, tensor._array.strides) for tensor, _ in held]
        if arrays != [(array.shape, array.dtype, array.strides) for _, array in held]:
            return False
        if self.apart is None:
            self.plan = Plan(self.graph)
        else:
            self.apart.rebuild()
        return True

    def _quick_settings(self) -> Callable[[], bool]:
        """Whether the hyperparameters are the very same."""
        conditions = Conditions()
        for optimizer in self.around.optimizers:
            for group in optimizer.param_groups:
                for name, value in group.items():
                    if name in SETTINGS:
                        conditions.entry(group, name, value, absent=False)
        return conditions.function()

    def _quick_grads(self) -> Callable[[], bool]:
        """Whether the gradients are there, or not, that were there when it was recorded."""
        conditions = Conditions()
        for leaf, memory in self._grads:
            grad = f"{conditions.name(leaf)}._grad"
            conditions.same(grad if memory is None else f"{grad}._array", memory)
        return conditions.function()

    def run(self, inputs: list[Tensor]) -> Any:
        """The result of the plan."""
        if self.apart is not None:
            return self.apart.run(inputs)
        result = self.plan(inputs)
        for schedule in self.schedules:
            schedule.step()
        if self._spent:
            for tensor in [result] if isinstance(result, Tensor) else _tensors(result):
                if tensor._array.dtype.kind in "fc" and tensor.grad_fn is None and not tensor.requires_grad:
                    tensor._node, tensor._requires = Spent(), True
        return result

    def explain(self, peak: Peak | None = None) -> str:
        """The graph before and after, and the function that runs; with `peak`, what each kernel costs."""
        steps = len(self.before.splitlines())
        head = f"recorded, {steps} applications:\n{self.before}\n"
        if self.apart is None:
            return f"{head}\n{self._explained(self.graph, self.plan, peak)}"
        first = self._explained(self.apart.forward, self.apart.plan, peak)
        second = self._explained(self.apart.backward, self.apart.second, peak)
        return f"{head}\nthe forward pass, {first}\n\nthe backward pass, {second}"

    def segments(self) -> list[Segment]:
        """The machine code that runs, in its order."""
        if self.apart is None:
            return self.plan.segments
        return [*self.apart.plan.segments, *self.apart.second.segments]

    def costs(self) -> list[Cost]:
        """What each kernel costs, in the order in which they run."""
        if self.apart is None:
            return costs(self.graph)
        return [*costs(self.apart.forward), *costs(self.apart.backward)]

    def _explained(self, graph: Graph, plan: Plan, peak: Peak | None) -> str:
        compiled = f"{plan.natives} of {len(plan.loops)} loops as machine code, {plan.pool.size:,} bytes of buffers"
        return "\n".join([
            f"after the passes ({', '.join(name for name, _ in PASSES)}), {len(graph.nodes)} nodes, {compiled}:",
            str(graph), "", "what runs:", plan.source, *([] if peak is None else ["", roofline(graph, peak)]),
        ])  # fmt: skip

    def _gradients(self, tracer: Tracer, before: dict[int, Any]) -> list[tuple[Tensor, Tensor | None]]:
        """(leaf, its gradient afterwards) of those that the function gave another one; notes what must hold before."""
        found: list[tuple[Tensor, Tensor | None]] = []
        unknown = [leaf for key, leaf in tracer.leaves.items() if key not in self.around.tensors]
        if any(leaf._grad is not None for leaf in unknown):
            raise Refused("a gradient goes to a tensor that it reaches in a way that cannot be followed")
        for key, leaf in self.around.tensors.items():
            old, new = before[key], leaf._grad
            if old is not None and id(old._array) in tracer.captured:
                self._grads.append((leaf, old._array))
            if new is old or (new is not None and old is not None and new._array is old._array):
                continue
            if new is not None:
                if type(new) is not Tensor or tracer.made(new._array) is None:
                    raise Refused("it puts a gradient in place that no recorded op made")
                if old is None:
                    self._grads.append((leaf, None))
            found.append((leaf, new))
        return found

    def _check_held(self, tracer: Tracer, born: set[int]) -> None:
        written = self.graph.written()
        grads = {tracer.memory(array) for _, array in self._grads if array is not None}
        known = {id(tensor._array) for tensor in self.around.tensors.values()}
        for value in self.graph.values():
            tensor = value.tensor
            if tensor is None or id(tensor._array) in known:
                continue
            if type(tensor._array) is not np.ndarray:
                raise Refused(f"a tensor is on {tensor.device}")
            if value.memory in grads:
                continue
            if id(tensor) not in born:
                raise Refused("it reads a tensor that it reaches in a way that cannot be followed")
            if value.memory in written:
                raise Refused("it makes a tensor without an op and overwrites it")

    def _own_updates(self) -> None:
        """Note of each update of an optimiser whose hyperparameters it takes."""
        owners: dict[int, tuple[Any, Any]] = {}
        for optimizer in self.around.optimizers:
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    if id(parameter) in owners:
                        raise Refused("two optimisers have the same parameter")
                    owners[id(parameter)] = optimizer, group
        formulas = {getattr(type(optimizer), "formula", None) for optimizer in self.around.optimizers}
        for node in self.graph.nodes:
            if not node.writes or node.op not in formulas:
                continue
            owner = owners.get(id(node.args[0].tensor))
            if owner is None or _settled(node.kwargs) != _settled(owner[0].options(owner[1])):
                raise Refused("an update has hyperparameters that are not those of its group")
            node.live = Owner(*owner)


def _settled(options: dict[str, Any]) -> dict[str, Any]:
    """The hyperparameters that are not read anew in each run."""
    return {name: value for name, value in options.items() if name not in SETTINGS}


def _tensors(nest: Any) -> list[Tensor]:
    if isinstance(nest, Tensor):
        return [nest]
    if isinstance(nest, dict):
        return [tensor for entry in nest.values() for tensor in _tensors(entry)]
    return [tensor for entry in nest for tensor in _tensors(entry)] if isinstance(nest, tuple | list) else []


def _check_result(tracer: Tracer, result: Any, apart: bool) -> None:
    """Refuse results that are not tensors, or that backward is still to go through, unless that is recorded."""
    if isinstance(result, dict):
        result = list(result.values())
    if isinstance(result, tuple | list):
        for entry in result:
            _check_result(tracer, entry, apart)
        return
    if isinstance(result, Tensor):
        if apart:
            return
        if result._view is not None and result._view.base is not None and result.requires_grad:
            raise Refused("it returns a view with a history")
        node = result.grad_fn
        if node is not None and node not in tracer.walked:
            raise Refused(
                "it returns a tensor that requires a gradient. Compile the whole step, with backward() and "
                "optimizer.step(), or call it in a no_grad() block"
            )
        return
    if not isinstance(result, int | float | bool | str | None):
        raise Refused(f"it returns a {type(result).__name__}")


__all__ = ["Graph", "Recording", "leaves", "record"]
