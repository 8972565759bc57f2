"""Cases from `optim_db`: steps, state, groups, derivatives through a step, text, and refusals."""

import functools
import types
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from torch.testing._internal.common_optimizers import (
    OptimizerErrorEnum,
    OptimizerInfo,
    OptimizerInput,
    _get_optim_inputs_including_global_cliquey_kwargs,
    optim_db,
)

from tests.opinfo.convert import CannotConvert, Converter
from tests.optiminfo.compare import Case, answer

STEPS = 5
FLAGS = ("foreach", "fused", "capturable", "differentiable")
OWN = ("l1",)  # hyperparameters that PyTorch has not


def cases(library: types.ModuleType) -> Iterator[Case]:
    """All of them; `library` is what the samples are turned into."""
    for info in optim_db:
        for at, sample in enumerate(inputs(info)):
            for dtype in ("float32", "float64"):
                ask = functools.partial(steps, info, sample, dtype, library)
                yield Case(info.name, f"steps {dtype}", f"{at} {sample.desc}", ask, slack=4)
            for kind, ask in KINDS.items():
                if kind == "groups" and not info.supports_param_groups:
                    continue
                yield Case(info.name, kind, f"{at} {sample.desc}", functools.partial(ask, info, sample, library), 4)
            for count in (1, 2) if sample.kwargs.get("differentiable") else ():
                ask = functools.partial(derivatives, info, sample, count, library)
                case = Case(info.name, f"derivatives {count}", f"{at} {sample.desc}", ask, slack=10)
                # Of some, PyTorch overwrites in the second step what backward through the first one needs.
                if count == 1 or not isinstance(answer(case, torch), RuntimeError):
                    yield case
        for at, error in enumerate(info.optim_error_inputs_func("cpu", torch.float32)):
            ask = functools.partial(refusal, info, error, library)
            yield Case(info.name, "refusals", f"{at} {error.optimizer_error_input.desc}", ask)
        for flag in FLAGS:
            yield Case(info.name, "flags", flag, functools.partial(flagged, info, {flag: True}, library))
            for other in FLAGS:
                if flag < other:
                    ask = functools.partial(flagged, info, {flag: True, other: True}, library)
                    yield Case(info.name, "flags", f"{flag} {other}", ask)


def inputs(info: OptimizerInfo) -> list[OptimizerInput]:
    return _get_optim_inputs_including_global_cliquey_kwargs("cpu", torch.float32, info)


# ------------------------------------------------------------------------------------------------- a small problem


def converted(T: types.ModuleType, library: types.ModuleType, part: Any) -> Any:
    """A copy of a part of a sample, as T's own; the same parameter twice stays the same."""
    return deepcopy(part) if T is torch else _Conversion(library)(part)


class _Conversion:
    def __init__(self, library: types.ModuleType) -> None:
        self.library, self.convert = library, Converter(library)
        self.parameters: dict[int, Any] = {}

    def __call__(self, part: Any) -> Any:
        if isinstance(part, dict):
            return {key: self(value) for key, value in part.items()}
        if isinstance(part, (list, tuple)):
            return type(part)(self(item) for item in part)
        if isinstance(part, torch.nn.Parameter):
            if id(part) not in self.parameters:
                self.parameters[id(part)] = self.library.nn.Parameter(Converter(self.library)(part.detach()))
            return self.parameters[id(part)]
        made = self.convert(part)
        if isinstance(part, torch.Tensor) and part.grad is not None:
            made.grad = self.convert(part.grad)
        return made


class Problem:
    """Parameters, and a closure that computes a loss and its gradients."""

    def __init__(self, info: OptimizerInfo, T: types.ModuleType, dtype: str = "float32") -> None:
        self.T = T
        random = np.random.default_rng(0)
        shapes = [(3, 4), (2, 3)] if info.name == "Muon" else [(3, 4), (4,), (2, 1, 3)]
        self.names = [f"layer{place}.weight" for place in range(len(shapes))]

        def tensor(values: Any) -> Any:
            return T.tensor(values.astype(dtype).tolist(), dtype=getattr(T, dtype))

        self.params = [T.nn.Parameter(tensor(random.standard_normal(shape))) for shape in shapes]
        self.scales = [tensor(random.uniform(0.5, 20, shape)) for shape in shapes]
        self.sparse = info.only_supports_sparse_grads
        self.closure_needed = info.step_requires_closure
        self.optimizer: Any = None

    def closure(self) -> Any:
        self.optimizer.zero_grad()
        if self.closure_needed:  # convex, and not so round that it is solved at once
            loss = sum((scale * (param - 0.5) ** 2 + 0.1 * param**4).sum()
                       for scale, param in zip(self.scales, self.params, strict=True))  # fmt: skip
        else:
            loss = sum(((param - 0.5).tanh() ** 2 + 0.1 * param**2).sum() for param in self.params)
        loss.backward()
        if self.sparse:
            for param in self.params:
                param.grad = param.grad.to_sparse()
        return loss

    def step(self) -> Any:
        if self.closure_needed:
            return self.optimizer.step(self.closure)
        loss = self.closure()
        if self.optimizer.defaults.get("differentiable"):
            with self.T.no_grad():  # as PyTorch's tests: leaves cannot be changed under autograd
                return self._differentiable()
        self.optimizer.step()
        return loss

    def _differentiable(self) -> Any:
        for param in self.params:
            param.requires_grad_(False)
        self.optimizer.step()
        for param in self.params:
            param.requires_grad_(True)
        return None


def made(info: OptimizerInfo, sample: OptimizerInput, library: types.ModuleType, T: types.ModuleType,
         dtype: str = "", params: Callable[[Problem], Any] = lambda problem: problem.params) -> Problem:  # fmt: skip
    # When L-BFGS stops depends on the last digits.
    problem = Problem(info, T, dtype or ("float64" if info.step_requires_closure else "float32"))
    kwargs = converted(T, library, sample.kwargs)
    problem.optimizer = getattr(T.optim, info.name)(params(problem), **kwargs)
    return problem


def plain(state: dict[str, Any]) -> dict[str, Any]:
    """A state dict without what PyTorch has not, its groups by name."""
    groups = [dict(sorted((key, value) for key, value in group.items() if key not in OWN))
              for group in state["param_groups"]]  # fmt: skip
    return {"state": state["state"], "param_groups": groups}


# ----------------------------------------------------------------------------------------------------- the kinds


def steps(info: Any, sample: Any, dtype: str, library: types.ModuleType, T: types.ModuleType) -> Any:
    problem = made(info, sample, library, T, dtype)
    answers = []
    for _ in range(1 if info.step_requires_closure else STEPS):
        problem.step()
        answers.append([param.detach().clone() for param in problem.params])
    return answers


def state(info: Any, sample: Any, library: types.ModuleType, T: types.ModuleType) -> Any:
    """Before the first step, and after some."""
    problem = made(info, sample, library, T)
    before = plain(problem.optimizer.state_dict())
    for _ in range(1 if info.step_requires_closure else STEPS):
        problem.step()
    return [before, plain(problem.optimizer.state_dict())]


def resumed(info: Any, sample: Any, library: types.ModuleType, T: types.ModuleType) -> Any:
    """A new optimiser takes over the state, and a deep copy goes on by itself."""
    problem = made(info, sample, library, T)
    for _ in range(STEPS):
        problem.step()
    saved = deepcopy(problem.optimizer.state_dict())
    other = made(info, sample, library, T)
    for mine, param in zip(other.params, problem.params, strict=True):
        with T.no_grad():
            mine.copy_(param)
    other.optimizer.load_state_dict(saved)
    copied = deepcopy(other.optimizer)
    for _ in range(2):
        other.step()
    return [[param.detach() for param in other.params], plain(copied.state_dict()), len(copied.param_groups)]


def groups(info: Any, sample: Any, library: types.ModuleType, T: types.ModuleType) -> Any:
    """Two groups, one with an lr of its own, and one added later."""
    problem = made(info, sample, library, T, params=lambda p: [{"params": p.params[:1], "lr": 0.5}])
    problem.optimizer.add_param_group({"params": problem.params[1]})
    for _ in range(2):
        problem.step()
    return [[param.detach() for param in problem.params], plain(problem.optimizer.state_dict())]


def named(info: Any, sample: Any, library: types.ModuleType, T: types.ModuleType) -> Any:
    problem = made(info, sample, library, T, params=lambda p: list(zip(p.names, p.params, strict=True)))
    problem.step()
    kept = problem.optimizer.state_dict()
    unnamed = made(info, sample, library, T)
    unnamed.optimizer.load_state_dict(kept)
    return [plain(kept), plain(unnamed.optimizer.state_dict())]


def text(info: Any, sample: Any, library: types.ModuleType, T: types.ModuleType) -> Any:
    problem = made(info, sample, library, T)
    return "\n".join(line for line in repr(problem.optimizer).split("\n") if line.split(":")[0].strip() not in OWN)


def derivatives(info: Any, sample: Any, count: int, library: types.ModuleType, T: types.ModuleType) -> Any:
    """Of the parameters after one or two steps, by the parameters before, the gradients, and the learning rate."""
    random = np.random.default_rng(1)
    start, first, second = (T.tensor(random.standard_normal((3, 4)).tolist(), dtype=T.float64).requires_grad_()
                            for _ in range(3))  # fmt: skip
    param = start.clone()
    param.retain_grad()
    optimizer = getattr(T.optim, info.name)([param], **converted(T, library, sample.kwargs))
    for grad in (first, second)[:count]:
        param.grad = grad
        optimizer.step()
    return [param.detach(), T.autograd.grad((param**2).sum(), [start, first, second], allow_unused=True)]


def refusal(info: Any, error: Any, library: types.ModuleType, T: types.ModuleType) -> Any:
    sample = error.optimizer_error_input
    params = sample.params
    if params is None:
        params = [torch.nn.Parameter(torch.randn(2, 3))]
    try:
        params = converted(T, library, params)
    except CannotConvert as reason:
        raise NotImplementedError(str(reason)) from reason
    optimizer = getattr(T.optim, info.name)(params, **converted(T, library, sample.kwargs))
    if error.error_on is OptimizerErrorEnum.STEP_ERROR:
        optimizer.step()
    return repr(type(optimizer).__name__)


def flagged(info: Any, flags: dict[str, bool], library: types.ModuleType, T: types.ModuleType) -> Any:
    """Flags, alone and in pairs: taken or refused, when made or when stepping."""
    problem = made(info, OptimizerInput(None, flags), library, T)
    problem.step()
    return [param.detach() for param in problem.params]


KINDS: dict[str, Callable[..., Any]] = {
    "state": state,
    "resumed": resumed,
    "groups": groups,
    "named": named,
    "text": text,
}
