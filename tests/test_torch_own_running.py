"""What PyTorch's own tests ask of a backward while it runs: each is run with both libraries and the texts compared."""

from __future__ import annotations

import importlib
import re
from collections import OrderedDict
from typing import Any

import pytest
import torch

import pellucid
from tests.test_torch_own import Made, text


def compiled(lib: Any) -> Any:
    return importlib.import_module("torch._C" if lib is torch else "pellucid.bridge.torch._C")


def nodes_in_order(lib: Any) -> Any:
    """The order that is foretold is that in which the hooks are called, those of leaves too."""
    a, b = lib.ones(1, requires_grad=True), lib.ones(1, requires_grad=True)
    c, d = b.sin(), a.cos()
    out, called, foretold = c * d * a, [], []
    for name, tensor in {"a": a, "b": b, "c": c, "d": d}.items():
        tensor.register_hook(lambda _, name=name: called.append(name))
    out.register_hook(lambda _: foretold.extend(compiled(lib)._current_graph_task_execution_order()))
    with lib.autograd.set_multithreading_enabled(False):
        out.backward()
    return called, [node.name() for node in foretold]


def around_a_leaf(lib: Any) -> Any:
    """A leaf's hooks are called as soon as its gradient is whole."""
    x, y = lib.ones(1, requires_grad=True), lib.ones(1, requires_grad=True)
    middle, called = x.exp(), []
    out = middle * y
    y.register_hook(lambda _: called.append("tensor"))
    node = out.grad_fn.next_functions[1][0]
    node.register_prehook(lambda _: called.append("before"))
    node.register_hook(lambda *_: called.append("after"))
    middle.register_hook(lambda _: called.append("middle"))
    out.backward()
    return called, node.name(), type(node).__name__


def executed(lib: Any) -> Any:
    a, b = lib.ones(2, requires_grad=True), lib.ones(2, requires_grad=True)
    c = a * b
    beside, out, found = c.cos(), c.sin(), []

    def ask(_: Any) -> None:
        found.extend(compiled(lib)._will_engine_execute_node(t.grad_fn) for t in (c, beside))
        found.append(compiled(lib)._current_autograd_node().name())

    c.register_hook(ask)
    out.sum().backward(inputs=(a,), retain_graph=True)
    lib.autograd.grad(out.sum(), (c,), retain_graph=True)
    out.register_hook(lambda _: compiled(lib)._will_engine_execute_node(c.grad_fn.next_functions[0][0]))
    lib.autograd.grad(out.sum(), (a,))
    return found


def counted(lib: Any, inside: bool = True) -> Any:
    x = lib.rand(2, requires_grad=True)
    y = x.exp()
    saved = y.grad_fn._saved_result
    with lib.no_grad():
        y += 1
    return (y._version, saved._version) if inside else y.grad_fn._saved_result


def kept(lib: Any) -> Any:
    """Of what two nodes saved one copy is made, and it goes with them."""
    found = []
    with lib.autograd.graph.allow_mutation_on_saved_tensors() as mutations:
        a = lib.rand(2, 3, requires_grad=True).clone()
        b, c = a**2, a**2
        found.append((len(mutations.cloned), len(mutations.tid_to_weakhandle)))
        a.sin_()
        d = a**2
        a.sin_()
        found.append(len(mutations.cloned))
        del b, c
        found.append(len(mutations.cloned))
        d.sum().backward()
        found.append(len(mutations.cloned))
    return found


def without_history(lib: Any) -> None:
    del lib.ones(1, requires_grad=True)._grad_fn


def laid(lib: Any) -> Any:
    """A gradient lies in memory as its leaf does, and is contiguous where that has gaps."""
    found = []
    for leaf in (
        lib.ones(2, 3, 4, 5).to(memory_format=lib.channels_last), lib.ones(3, 2).t(), lib.ones(4, 4)[::2, ::2],
    ):  # fmt: skip
        for program in (lambda x: x.sum(), lambda x: (x * lib.ones(x.shape)).sum()):
            x = leaf.detach().requires_grad_()
            program(x).backward()
            found.append(x.grad.stride())
    return found


def saved_for_backward(lib: Any) -> Any:
    """What was saved for backward alone is not there in forward mode."""
    seen = []

    class Double(lib.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * 2

        @staticmethod
        def jvp(ctx: Any, t: Any) -> Any:
            seen.append(len(ctx.saved_tensors))
            return t * 2

    ad = importlib.import_module(f"{lib.__name__}.autograd.forward_ad")
    with ad.dual_level():
        x = ad.make_dual(lib.ones(1), lib.ones(1))
        return ad.unpack_dual(Double.apply(x)).tangent.tolist(), seen


def limited(lib: Any) -> Any:
    """Hooks of leaves that a backward is limited to are called as their gradients become whole, too."""
    x, y, called = lib.ones(1, requires_grad=True), lib.ones(1, requires_grad=True), []
    middle = x * 3
    out = middle * y
    for name, tensor in {"x": x, "y": y, "middle": middle}.items():
        tensor.register_hook(lambda g, name=name: called.append(name) or g * 2)
    out.backward(inputs=(x, y), retain_graph=True)
    return called, x.grad.tolist(), y.grad.tolist(), [g.tolist() for g in lib.autograd.grad(out, (y, x))], called


def called_by_hand(lib: Any) -> Any:
    """A node that is called does its step of backward, and records it."""
    x, y = lib.tensor([3.0], requires_grad=True), lib.tensor([2.0], requires_grad=True)
    one = lib.ones(1)
    return (
        x.exp().grad_fn(one), (x * y).grad_fn(one), (x * 2).grad_fn(one), lib.cat([x, y]).grad_fn(lib.ones(2)),
        lib.autograd.grad(x.exp().grad_fn(one), x),
    )  # fmt: skip


def badly(*count: int) -> Made:
    return lambda lib: [lib.ones(1, requires_grad=True).exp().grad_fn(*[lib.ones(1)] * n) for n in count]


def named_after_the_op(lib: Any) -> Any:
    found = []
    for mode in (True, False):
        with lib.autograd._force_original_view_tracking(mode):
            view = (lib.ones(2, 2, requires_grad=True) * 1).view(-1)
            view.add_(1)
            found += [view.grad_fn.name(), lib.autograd.is_view_replay_enabled()]
    return found, lib.autograd.is_view_replay_enabled()


def without_hooks(lib: Any) -> None:
    del lib.ones(1, requires_grad=True)._backward_hooks


def hooks_put_in(lib: Any) -> Any:
    """Those of what no gradient arrives at are not called."""
    x, plain, called = lib.ones(2, requires_grad=True), lib.ones(2), []
    y = x + plain
    for name, tensor in {"x": x, "plain": plain}.items():
        tensor._backward_hooks = OrderedDict({0: lambda g, name=name: called.append(name)})
    y.sum().backward()
    return called, [list(tensor._backward_hooks) for tensor in (x, plain)]


RUNNING: dict[str, Made] = {
    "order": nodes_in_order, "a leaf": around_a_leaf, "executed": executed, "count of a result": counted,
    "a result that changed": lambda lib: counted(lib, False),
    "changed": kept, "no history": without_history,
    "layout": laid, "saved for backward": saved_for_backward,
    "random complex numbers": lambda lib: lib.rand_like(lib.ones(2, dtype=lib.complex128)),
    "limited": limited, "called": called_by_hand, "called with none": badly(0), "called with two": badly(2),
    "named after the op": named_after_the_op, "no hooks": without_hooks,
    "hooks put in": hooks_put_in,
    "hooks": lambda lib: lib.ones(1, requires_grad=True)._backward_hooks,
    "no node": lambda lib: compiled(lib)._current_autograd_node(),
    "not running": lambda lib: compiled(lib)._current_graph_task_execution_order(),
    "a tensor": lambda lib: compiled(lib)._will_engine_execute_node(lib.ones(1)),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
@pytest.mark.parametrize("name", RUNNING)
def test_running(name: str) -> None:
    assert text(pellucid, RUNNING[name]) == text(torch, RUNNING[name])


def test_what_dir_lists_is_there() -> None:
    x = pellucid.ones(1, 1, dtype=pellucid.complex64)
    assert [name for name in dir(x) if not hasattr(x, name)] == []
    assert {"shape", "imag", "_array"} <= set(dir(x))


def returning(lib: Any, made: Any) -> Any:
    """A Function of two arguments whose backward returns what is made of the gradient."""
    methods = {"forward": staticmethod(lambda ctx, a, b: a + b), "backward": staticmethod(lambda ctx, g: made(g))}
    return type("Returning", (lib.autograd.Function,), methods)


RETURNED: dict[str, Any] = {
    "the second": lambda g: (g, g * 0 / 0), "the first": lambda g: (g + float("nan"), g),
    "made before": lambda g: (g * float("nan"), None), "on the way": lambda g: ((g * 0 / 0).nan_to_num(1.0), g),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", RETURNED)
def test_which_gradient_is_nan(name: str) -> None:
    """A NaN that a Function's backward only makes on the way is no anomaly."""

    def run(lib: Any) -> Any:
        x, y = lib.ones(2, requires_grad=True), lib.ones(2, requires_grad=True)
        with lib.autograd.detect_anomaly():
            out = returning(lib, RETURNED[name]).apply(x, y)
            try:
                out.sum().backward()
            except RuntimeError as failure:
                return re.findall(r"Function 'ReturningBackward' returned nan values in its \dth output", str(failure))
        return x.grad.tolist(), y.grad.tolist()

    assert run(pellucid) == run(torch)
