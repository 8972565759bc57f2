"""A side of `parity` that is a Module: of pellucid or of PyTorch, which have the same names for everything."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np

from pellucid.check.parity.sides import Array, Batch, Key, layer_of, leaves, to_array
from pellucid.core import Tensor, no_grad
from pellucid.nn import Module, functional, vocabulary


class ModuleSide:
    """A copy of the module and of its optimiser; those that were given stay as they are."""

    takes_any_names = False

    def __init__(self, model: Any, loss: Any, optimizer: Any, lr: float, double: bool, training: bool | None) -> None:
        self.library = library_of(model)
        self.framework: str = self.library.name
        self._loss = _loss(loss, self.library)
        given = optimizer if hasattr(optimizer, "param_groups") else None
        # Together: a parameter that the optimiser holds and the module's own are one tensor in the copies, too.
        self.model, self.optimizer, self._loss = copy.deepcopy((model, given, self._loss))
        for module in (self.model, self._loss):
            if hasattr(module, "named_parameters"):
                module.double() if double else module.float()
        self._dtype = np.float64 if double else np.float32
        self._lr = lr
        if training is not None:
            self.model.train(training)
        self._modules = dict(self.model.named_modules())
        self._parameters = dict(self.model.named_parameters())
        self._names = {id(parameter): name for name, parameter in self._parameters.items()}
        if self.optimizer is not None:
            self._adopt(self.optimizer, double)
        elif optimizer is not None:
            self.optimizer = optimizer(list(self._parameters.values()))
            if not hasattr(self.optimizer, "step"):
                raise TypeError(
                    f"optimizer, given as a function, makes one of a list of parameters; for {self.framework} it made "
                    f"{type(self.optimizer).__name__}. Write lambda parameters: optim.Adam(parameters, lr=0.001)."
                )

    def _adopt(self, optimizer: Any, double: bool) -> None:
        """The copied optimiser, with its state in the precision of the run."""
        held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
        if not held & set(self._names):
            raise ValueError(
                f"the optimizer for {self.framework} holds no parameter of the model. "
                "Make it of the same model: optimizer=(Adam(ours.parameters()), Adam(theirs.parameters()))."
            )
        for state in optimizer.state.values():
            for key, value in state.items():
                if key != "step" and hasattr(value, "is_floating_point") and value.is_floating_point():
                    state[key] = value.double() if double else value.float()

    def parameters(self) -> dict[str, Array]:
        return {name: to_array(parameter) for name, parameter in self._parameters.items()}

    def buffers(self) -> dict[str, Array]:
        return {name: to_array(buffer) for name, buffer in self.model.named_buffers()}

    def load(self, values: Mapping[str, Array]) -> None:
        targets = {**self._parameters, **dict(self.model.named_buffers())}
        with self.library.no_grad():
            for name, value in values.items():
                # Row by row in memory: a transposed view would be another summation order, and other rounding.
                targets[name].copy_(self.library.from_numpy(np.array(value, order="C")))

    def run(self, batch: Batch, seed: int) -> dict[Key, Array]:
        self.library.manual_seed(seed)
        for parameter in self._parameters.values():
            parameter.grad = None
        device = next((parameter.device for parameter in self._parameters.values()), None)
        *inputs, target = (self._tensor(array, device) for array in batch)
        watch = _LayerWatch(self._modules)
        try:
            output = self.model(*inputs)
            loss = self._loss(output, target)
            if getattr(loss, "ndim", None) != 0:
                raise TypeError(f"the loss must be one number, and is {loss!r:.80} on the side of {self.framework}.")
            loss.backward()
        finally:
            watch.remove()
        tensors: dict[Key, Array] = {**watch.forward, ("loss", ""): to_array(loss)}
        left = {name: p for name, p in reversed(self._parameters.items()) if p.requires_grad}
        # The way back, from the loss: what comes to a layer's output, then what the layer makes of it.
        for place in [name for kind, name in reversed(watch.forward) if kind == "output"]:
            if ("output gradient", place) in watch.backward:
                tensors["output gradient", place] = watch.backward["output gradient", place]
            for name in [name for name in left if name.rpartition(".")[0] == layer_of(place)]:
                tensors["gradient", name] = _gradient(left.pop(name))
        for name, parameter in left.items():
            tensors["gradient", name] = _gradient(parameter)
        return tensors

    def update(self) -> None:
        if self.optimizer is not None:
            self.optimizer.step()
            return
        with self.library.no_grad():
            for parameter in self._parameters.values():
                if parameter.grad is not None:
                    parameter.sub_(self._lr * parameter.grad)

    def describe(self, kind: str, name: str) -> dict[str, Any]:
        if kind in ("update", "parameter"):
            if self.optimizer is None:
                return {"optimizer": "plain gradient descent", "lr": self._lr}
            for group in getattr(self.optimizer, "param_groups", ()):
                if any(self._names.get(id(parameter)) == name for parameter in group["params"]):
                    options = {key: value for key, value in group.items() if key != "params"}
                    return {"optimizer": type(self.optimizer).__name__, **options}
            return {"optimizer": type(self.optimizer).__name__}
        if kind == "loss":
            return {"loss": _words(self._loss)}
        if kind == "gradient" or kind == "buffer":
            name = name.rpartition(".")[0]
        module = self._modules.get(layer_of(name))
        if module is None or any(True for _ in module.children()):
            return {}
        return {"layer": _words(module), "training": module.training}

    def _tensor(self, array: Array, device: Any) -> Any:
        if np.issubdtype(array.dtype, np.floating):
            array = array.astype(self._dtype)
        tensor = self.library.from_numpy(np.array(array, order="C"))
        return tensor if device is None else tensor.to(device)


class _LayerWatch:
    """Every layer's inputs and outputs, and the gradients at the outputs, by hooks."""

    def __init__(self, modules: dict[str, Any]) -> None:
        self.forward: dict[Key, Array] = {}
        self.backward: dict[Key, Array] = {}
        self._calls: Counter[str] = Counter()
        self._handles: list[Any] = []
        for name, module in modules.items():
            self._handles.append(module.register_forward_pre_hook(self._before(name)))
            self._handles.append(module.register_forward_hook(self._after(name)))

    def _place(self, name: str, path: str) -> str:
        calls = self._calls[name]
        return f"{name}{path}" + (f", call {calls}" if calls > 1 else "")

    def _before(self, name: str) -> Callable[..., None]:
        def record(module: Any, inputs: Any) -> None:
            self._calls[name] += 1
            for path, tensor in leaves(inputs if len(inputs) > 1 else inputs[0] if inputs else ()):
                self.forward["input", self._place(name, path)] = to_array(tensor)

        return record

    def _after(self, name: str) -> Callable[..., None]:
        def record(module: Any, inputs: Any, output: Any) -> None:
            for path, tensor in leaves(output):
                place = self._place(name, path)
                self.forward["output", place] = to_array(tensor)  # now: a later layer may write in its place
                if tensor.requires_grad:
                    tensor.register_hook(self._keep(place))

        return record

    def _keep(self, place: str) -> Callable[[Any], None]:
        def keep(gradient: Any) -> None:
            self.backward["output gradient", place] = to_array(gradient)

        return keep

    def remove(self) -> None:
        for handle in self._handles:
            handle.remove()


def library_of(model: Any) -> SimpleNamespace:
    """The few functions that a side needs, of the library that the module belongs to."""
    if isinstance(model, Module):
        return SimpleNamespace(
            name="pellucid",
            tensor=Tensor,
            no_grad=no_grad,
            functional=functional,
            from_numpy=vocabulary.from_numpy,
            manual_seed=vocabulary.manual_seed,
        )
    import torch  # it is there: the module is one of its

    return SimpleNamespace(
        name="torch",
        tensor=torch.Tensor,
        no_grad=torch.no_grad,
        functional=torch.nn.functional,
        from_numpy=torch.from_numpy,
        manual_seed=torch.manual_seed,
    )


def _loss(loss: Any, library: SimpleNamespace) -> Callable[..., Any]:
    """The loss of (output, target): a function, or the library's own of this name."""
    if isinstance(loss, str):
        found = getattr(library.functional, loss, None) or getattr(library.functional, f"{loss}_loss", None)
        if found is None:
            raise ValueError(
                f"loss={loss!r}: {library.name}'s nn.functional has no such loss. Write 'cross_entropy' or 'mse', "
                "or a function of (output, target) for each side: loss=(ours, theirs)."
            )
        return found
    if not callable(loss):
        raise TypeError(
            f"loss is {loss!r} on the side of {library.name}: write 'cross_entropy' or 'mse', or a function of "
            "(output, target) for each side: loss=(ours, theirs)."
        )
    return loss


def _gradient(parameter: Any) -> Array:
    """None and zeros are the same to whoever differentiates."""
    return np.zeros(tuple(parameter.shape)) if parameter.grad is None else to_array(parameter.grad)


def _words(value: Any) -> str:
    """A layer or a function, in a line."""
    if hasattr(value, "named_parameters"):
        return " ".join(repr(value).split())
    return getattr(value, "__name__", type(value).__name__)
