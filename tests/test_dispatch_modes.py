"""Modes that see each op under PyTorch's name, and selective checkpoints, which are made of them."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.utils.checkpoint

import pellucid
import pellucid.utils.checkpoint
from tests.twins import both_raise, same

Program = Callable[[Any], Any]


def module(lib: Any, name: str) -> Any:
    own = "pellucid.bridge.torch.ops" if lib is pellucid and name == "_ops.ops" else f"{lib.__name__}.{name}"
    return torch.ops if lib is torch and name == "_ops.ops" else importlib.import_module(own)


def aten(lib: Any) -> Any:
    return module(lib, "_ops.ops").aten


def logging(lib: Any, answer: Callable[..., Any] | None = None) -> Any:
    """A mode that writes down what it is asked about, and its list. `detach` is of PyTorch's own engine."""
    seen: list[str] = []

    def dispatch(self: Any, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if "detach" not in str(func):
            seen.append(f"{func} {func.name()}")
        return answer(func, *args) if answer else func(*args, **(kwargs or {}))

    base = module(lib, "utils._python_dispatch").TorchDispatchMode
    return type("Logging", (base,), {"__torch_dispatch__": dispatch})(), seen


def tensors(lib: Any) -> list[Any]:
    return [lib.arange(6.0).reshape(2, 3).requires_grad_(), lib.ones(3, 2).requires_grad_(), lib.tensor([0, 1])]


NAMED: dict[str, Callable[[Any, Any, Any, Any], Any]] = {
    "numbers": lambda lib, a, b, i: ((a * 2 + 1) / 3 - a).exp().sin(),
    "products": lambda lib, a, b, i: (lib.mm(a, b), lib.mv(a, b[:, 0].detach()), lib.bmm(a[None], b[None])),
    "powers": lambda lib, a, b, i: (a**2, a.pow(a), 2**a), "compared": lambda lib, a, b, i: (a > 1, a == a),
    "reduced": lambda lib, a, b, i: (a.sum(), a.sum(0), a.mean(), a.mean(1), a.amax(0)),
    "softmax": lambda lib, a, b, i: (a.softmax(1), a.log_softmax(0)),
    "in place": lambda lib, a, b, i: a.detach().clone().add_(1).mul_(2),
    "views": lambda lib, a, b, i: (a.transpose(0, 1), a.unsqueeze(0), a.expand(2, 3), a[0], a[:, 1:], a.permute(1, 0)),
    "joined": lambda lib, a, b, i: (lib.cat([a, a]), lib.stack([a, a])), "rows": lambda lib, a, b, i: a[i],
    "layers": lambda lib, a, b, i: (lib.relu(a), lib.nn.functional.gelu(a)),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMED)
def test_the_names_of_ops(name: str) -> None:
    def run(lib: Any) -> Any:
        mode, seen = logging(lib)
        given = tensors(lib)
        with mode, lib.no_grad():
            NAMED[name](lib, *given)
        return seen

    same(run)


def answered(lib: Any) -> Any:
    """Another result in its place, with the gradient of the op."""
    mode, _ = logging(lib, lambda func, *args: lib.full_like(args[0], 5.0) if "exp" in str(func) else func(*args))
    x = lib.ones(2, requires_grad=True)
    with mode:
        y = x.exp()
    (y * 3).sum().backward()
    return [y, x.grad]


def stacked(lib: Any) -> Any:
    outer, first = logging(lib)
    inner, second = logging(lib)
    x = lib.ones(2, requires_grad=True)
    with outer:
        with inner:
            y = x.sin()
        y.cos().sum().backward()
    x.exp()
    return [second, [entry for entry in first if "sin" in entry or "cos" in entry][:2], x.grad]


def by_hand(lib: Any) -> Any:
    ops = aten(lib)
    a, b = lib.ones(2, 3), lib.ones(3, 2)
    return [ops.mm.default(a, b), ops.mm(a, b), ops.exp.default(a), str(ops.mm), str(ops.mm.default),
            repr(ops.add.Tensor), ops.mm.default is ops.mm.default]  # fmt: skip


def current(lib: Any) -> Any:
    found = module(lib, "utils._python_dispatch")
    mode, _ = logging(lib)
    with mode:
        inside = found._get_current_dispatch_mode() is mode
    return [inside, found._get_current_dispatch_mode()]


@pytest.mark.parametrize("program", [answered, stacked, by_hand, current], ids=lambda program: program.__name__)
def test_modes(program: Program) -> None:
    same(program)


def selective(
    lib: Any, wanted: Callable[[Any], Any], body: Callable[[Any], Any] = lambda x: x.exp().sin().cos(), **how: Any
) -> Any:
    """The ops that the policy is asked about at first, and the gradient."""
    utils = module(lib, "utils.checkpoint")
    asked: list[str] = []

    def policy(ctx: Any, op: Any, *args: Any, **kwargs: Any) -> Any:
        asked.append(f"{ctx.is_recompute} {op}")
        return utils.CheckpointPolicy.MUST_SAVE if op in wanted(aten(lib)) else utils.CheckpointPolicy.PREFER_RECOMPUTE

    x = lib.tensor([0.5, -1.0], requires_grad=True)
    contexts = functools.partial(utils.create_selective_checkpoint_contexts, policy, **how)
    out = utils.checkpoint(body, x, use_reentrant=False, context_fn=contexts)
    out.sum().backward(retain_graph=True)
    return [[entry for entry in asked if "False" in entry and "detach" not in entry], x.grad], out


SELECTED: dict[str, Program] = {
    "one": lambda lib: selective(lib, lambda ops: [ops.exp.default])[0],
    "two": lambda lib: selective(lib, lambda ops: [ops.exp.default, ops.sin.default])[0],
    "none": lambda lib: selective(lib, lambda ops: [])[0],
    "a change": lambda lib: selective(
        lib, lambda ops: [ops.sin.default], lambda x: x.sin().mul_(2).cos().exp(), allow_cache_entry_mutation=True
    )[0],
}


@pytest.mark.parametrize("name", SELECTED)
def test_selective_checkpoints(name: str) -> None:
    same(SELECTED[name])


def of_a_list(lib: Any, ops: Any) -> Any:
    utils = module(lib, "utils.checkpoint")
    return utils.create_selective_checkpoint_contexts(ops)


REFUSED: dict[str, tuple[Program, str]] = {
    "a number in the list": (lambda lib: of_a_list(lib, [2]), "to be an OpOverload but got: 2"),
    "a packet": (lambda lib: of_a_list(lib, [aten(lib).sin]), "update the OpOverloadPacket to a specific OpOverload"),
    "no list": (lambda lib: of_a_list(lib, 2), "either a function or a list of ops"),
    "changed": (lambda lib: selective(lib, lambda ops: [ops.sin.default], lambda x: x.sin().mul_(2).cos()),
                "has been mutated"),
    "twice": (lambda lib: selective(lib, lambda ops: [ops.exp.default])[1].sum().backward(),
              "Trying to backward an extra time"),
    "no such overload": (lambda lib: aten(lib).mm.nothing, "has no overload name 'nothing'"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    both_raise(*REFUSED[name])


def test_a_result_that_is_kept_is_not_computed_again() -> None:
    """Neither with a mode around, which sees the second computation too."""
    from pellucid.utils.checkpoint import checkpoint, create_selective_checkpoint_contexts

    mode, seen = logging(pellucid)
    x = pellucid.ones(2, requires_grad=True)
    contexts = functools.partial(create_selective_checkpoint_contexts, [aten(pellucid).exp.default])
    with mode:
        checkpoint(lambda x: x.exp().sin().cos(), x, use_reentrant=False, context_fn=contexts).sum().backward()
    assert (seen.count("aten.exp.default aten::exp"), seen.count("aten.cos.default aten::cos")) == (1, 2)
    assert seen.count("aten.sin.default aten::sin") == 3  # twice computed, and once the derivative of the cosine


@pytest.mark.parametrize("lib", [torch, pellucid], ids=["torch", "pellucid"])
def test_the_last_op_is_not_computed_again(lib: Any) -> None:
    """Backward needs its argument, which has been computed by then."""
    mode, seen = logging(lib)
    x = lib.ones(2, requires_grad=True)
    with mode:
        lib.utils.checkpoint.checkpoint(lambda x: x.sin().sin(), x, use_reentrant=False).sum().backward()
    assert seen.count("aten.sin.default aten::sin") == 3


def test_an_error_of_a_checkpoint_lists_the_ops() -> None:
    utils = pellucid.utils.checkpoint
    for around, how, told in ((None, True, True), (None, False, False), (True, False, True), (False, True, False)):
        calls: list[int] = []

        def other(x: Any, calls: list[int] = calls) -> Any:
            calls.append(1)
            return x.sin().exp().sin() if len(calls) == 1 else x.sin().exp()

        x = pellucid.ones(1, requires_grad=True)
        with utils.set_checkpoint_debug_enabled(around):
            out = utils.checkpoint(other, x, use_reentrant=False, debug=how)
            with pytest.raises(RuntimeError, match="A different number of tensors was saved") as raised:
                out.backward()
        assert ("because you passed `debug=True` to checkpoint" in str(raised.value)) is told
        assert ("-> aten.sin.default(float32[1])  at " in str(raised.value)) is told
