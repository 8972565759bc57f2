"""Reverse mode: `backward` and `autograd.grad`, against PyTorch, program by program."""

import copy
import gc
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pellucid
from tests.twins import both_raise, same

A = [[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]]
B = [0.3, 0.7, -1.1]


def leaf(library: Any, data: Any, kind: str = "float64") -> Any:
    return library.tensor(data, dtype=getattr(library, kind), requires_grad=True)


# --- what backward gives ---------------------------------------------------------------------------------------------


def _shared(library: Any) -> Any:
    """A value used three times, in two of its parts."""
    x = leaf(library, A)
    y = x * x
    z = y + y * x
    (z.sum() + y.mean()).backward()
    return x.grad


def _diamonds(library: Any) -> Any:
    """Twenty forks in a row: 2^20 paths, each node visited once."""
    x = leaf(library, B)
    y = x
    for _ in range(20):
        y = y * 0.5 + y * 0.5
    y.sum().backward()
    return x.grad


def _accumulates(library: Any) -> Any:
    x = leaf(library, B)
    for _ in range(3):
        (x * x).sum().backward()
    return x.grad


def _accumulates_into_given(library: Any) -> Any:
    x = leaf(library, B)
    x.grad = given = library.ones(3, dtype=library.float64)
    (x * x).sum().backward()
    return x.grad, given, x.grad is given


def _broadcast(library: Any) -> Any:
    x, y, z = leaf(library, A), leaf(library, B), leaf(library, 2.0)
    (x * y + z).sum().backward()
    return x.grad, y.grad, z.grad


def _mixed_dtypes(library: Any) -> Any:
    x, y = leaf(library, A, "float32"), leaf(library, B)
    (x * y).sum().backward()
    return x.grad, y.grad


def _mixed_dtypes_with_create_graph(library: Any) -> Any:
    x, y = leaf(library, A, "float32"), leaf(library, B)
    (slope,) = library.autograd.grad((x * y).exp().sum(), x, create_graph=True)
    return slope.detach(), library.autograd.grad(slope.sum(), [x, y])


def _seeded(library: Any) -> Any:
    x = leaf(library, A)
    y = x.exp()
    y.backward(library.tensor(A, dtype=library.float64))
    return x.grad


def _seeded_by_keyword(library: Any) -> Any:
    x = leaf(library, A)
    x.exp().backward(gradient=library.ones(2, 3, dtype=library.float64))
    return x.grad


def _one_element_needs_no_seed(library: Any) -> Any:
    x = leaf(library, [[2.0]])
    (x * x).backward()
    return x.grad


def _several_roots(library: Any) -> Any:
    x, y = leaf(library, B), leaf(library, B)
    product, other = x * y, (x + y).sum()
    library.autograd.backward([product, other], [library.tensor(B, dtype=library.float64), None])
    return x.grad, y.grad


def _a_root_within_another(library: Any) -> Any:
    x = leaf(library, B)
    y = (x * x).sum()
    z = y * y
    library.autograd.backward([z, y])
    return x.grad


def _twice_the_same_root(library: Any) -> Any:
    x = leaf(library, B)
    y = (x * x).sum()
    library.autograd.backward([y, y])
    return x.grad


def _leaf_as_root(library: Any) -> Any:
    x = leaf(library, 3.0)
    x.backward()
    first = x.grad.clone()
    x.backward(library.tensor(5.0, dtype=library.float64))
    return first, x.grad


def _leaf_and_output(library: Any) -> Any:
    """A leaf that is both where the walk begins and where it ends."""
    x = leaf(library, 3.0)
    y = x * x
    library.autograd.backward([y, x])
    return x.grad


def _inputs(library: Any) -> Any:
    x, y, z = leaf(library, B), leaf(library, B), leaf(library, B)
    h = x * y
    (h * z).sum().backward(inputs=[x, h])
    return x.grad, y.grad, z.grad, h.grad


def _one_input(library: Any) -> Any:
    x, y = leaf(library, B), leaf(library, B)
    (x * y).sum().backward(inputs=y)
    return x.grad, y.grad


def _inputs_accumulate(library: Any) -> Any:
    x = leaf(library, B)
    y = x * x
    for _ in range(2):
        y.sum().backward(inputs=[x], retain_graph=True)
    return x.grad


def _untouched_by_no_grad(library: Any) -> Any:
    x = leaf(library, B)
    with library.no_grad():
        y = x * 2
    z = x * y
    z.sum().backward()
    return y.requires_grad, y.is_leaf, x.grad


def _detached(library: Any) -> Any:
    x = leaf(library, B)
    y = x * x
    (y.detach() * x).sum().backward()
    return x.grad, y.detach().requires_grad, y.detach().is_leaf


def _frozen_leaf(library: Any) -> Any:
    x, w = leaf(library, B), leaf(library, B)
    w.requires_grad_(False)
    (x * w).sum().backward()
    return x.grad, w.grad


def _thawed(library: Any) -> Any:
    w = library.tensor(B)
    returned = w.requires_grad_() is w
    w.requires_grad = True
    (w * 2).sum().backward()
    return returned, w.grad, w.requires_grad, w.is_leaf


def _retained(library: Any) -> Any:
    x = leaf(library, B)
    y = x * x
    y.retain_grad()
    (y * y).sum().backward()
    return y.grad, y.retains_grad, x.retains_grad, x.grad


def _retained_accumulates(library: Any) -> Any:
    x = leaf(library, B)
    y = x * x
    y.retain_grad()
    y.retain_grad()
    for _ in range(2):
        y.sum().backward(retain_graph=True)
    return y.grad, x.grad


def _retain_grad_of_a_leaf(library: Any) -> Any:
    x = leaf(library, B)
    x.retain_grad()
    x.sum().backward()
    return x.grad, x.retains_grad


def _retain_graph(library: Any) -> Any:
    x = leaf(library, B)
    y = (x.exp() * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    return x.grad


def _second_backward_where_nothing_was_saved(library: Any) -> Any:
    x = leaf(library, B)
    y = (x + 1).sum()
    y.backward()
    y.backward()
    return x.grad


def _part_of_a_freed_graph(library: Any) -> Any:
    """What was not walked is not freed."""
    x, z = leaf(library, B), leaf(library, B)
    shared = x * 1.0
    total, other = (shared + 1).sum(), (z * z).sum()
    total.backward()
    other.backward()
    return x.grad, z.grad


def _create_graph_leaves_a_graph(library: Any) -> Any:
    x = leaf(library, B)
    (x**3).sum().backward(create_graph=True)
    first = x.grad
    x.grad = None
    first.sum().backward()
    return first.requires_grad, x.grad


def _gradient_penalty(library: Any) -> Any:
    w, x = leaf(library, A), leaf(library, B)
    y = (w @ x).tanh().sum()
    (slope,) = library.autograd.grad(y, x, create_graph=True)
    ((slope**2).sum() + y).backward()
    return w.grad, x.grad


def _third_order(library: Any) -> Any:
    x = leaf(library, B)
    y = (x.exp() * x**2).tanh().sum()
    found = []
    for _ in range(3):
        (slope,) = library.autograd.grad(y, x, create_graph=True)
        found.append(slope.detach())
        y = slope.sum()
    return found


def _third_order_of_a_product(library: Any) -> Any:
    x, y = leaf(library, A), leaf(library, A)
    z = (x @ (y * y).permute(1, 0)).exp().mean()
    (first,) = library.autograd.grad(z, x, create_graph=True)
    (two,) = library.autograd.grad((first * first).sum(), y, create_graph=True)
    return first.detach(), two.detach(), library.autograd.grad((two**3).sum(), [x, y])


def _grad_of_several(library: Any) -> Any:
    x, y, z = leaf(library, A), leaf(library, B), leaf(library, 2.0)
    outputs = [x * y, (y * z).exp()]
    seeds = [library.tensor(A, dtype=library.float64), library.tensor(B, dtype=library.float64)]
    return library.autograd.grad(outputs, [x, y, z], seeds), x.grad


def _grad_of_a_tuple_with_one_seed(library: Any) -> Any:
    x = leaf(library, B)
    return library.autograd.grad((x * x,), (x,), library.ones(3, dtype=library.float64))


def _grad_of_nonleaf(library: Any) -> Any:
    x = leaf(library, B)
    y = x * x
    z = y * y
    return library.autograd.grad(z.sum(), [y, x, z])


def _grad_of_the_output_itself(library: Any) -> Any:
    x = leaf(library, B)
    y = (x * x).sum()
    return library.autograd.grad(y, [y, x])


def _unused(library: Any) -> Any:
    x, y = leaf(library, B), leaf(library, A)
    z = (x * 2).sum()
    return (
        library.autograd.grad(z, [x, y], allow_unused=True, retain_graph=True),
        library.autograd.grad(z, [x, y], materialize_grads=True),
    )


def _grad_leaves_grad_alone(library: Any) -> Any:
    x = leaf(library, B)
    library.autograd.grad((x * x).sum(), x)
    return x.grad


def _grad_twice_the_same_input(library: Any) -> Any:
    x = leaf(library, B)
    return library.autograd.grad((x * x).sum(), [x, x])


def _grad_goes_only_where_asked(library: Any) -> Any:
    """What does not lead to the inputs is not walked: values freed there are not missed."""
    x, y = leaf(library, B), leaf(library, B)
    left, right = x.exp().sum(), y.exp().sum()
    right.backward()
    return library.autograd.grad(left + right, x)


def _in_place_then_backward(library: Any) -> Any:
    x = leaf(library, B)
    y = x * 2
    y.mul_(x).add_(1)
    (y * y).sum().backward()
    return x.grad, y.detach()


def _in_place_on_a_view(library: Any) -> Any:
    x = leaf(library, A)
    y = x * 1
    y[0].mul_(3)
    y[:, 1] = x[:, 2] * 2
    part = y[1]
    y.mul_(2)
    return library.autograd.grad((y * y).sum() + part.sum(), x), part.detach()


def _set_item(library: Any) -> Any:
    x, w = leaf(library, A), leaf(library, B)
    y = x.clone()
    y[1] = w
    y[0, 0] = 7.0
    (y * y).sum().backward()
    return x.grad, w.grad


def _requires_grad_through_assignment(library: Any) -> Any:
    """A plain tensor comes to require a gradient when something that does is stored in it."""
    x, y = leaf(library, B), library.zeros(3, dtype=library.float64)
    y[1:] = x[1:] * 2
    before = y.requires_grad
    y.sum().backward()
    return before, x.grad


def _empty(library: Any) -> Any:
    x = leaf(library, [])
    (x * 2).sum().backward()
    return x.grad


def _integers_beside(library: Any) -> Any:
    x, n = leaf(library, B), library.tensor([1, 2, 3])
    (x * n).sum().backward()
    return x.grad, n.grad, (n * 2).requires_grad, (x > 0).requires_grad


def _through_casts(library: Any) -> Any:
    x = leaf(library, B, "float32")
    (x.double() * 3).half().float().sum().backward()
    return x.grad


def _seed_in_another_dtype(library: Any) -> Any:
    x = leaf(library, B, "float32")
    (x * 2).backward(library.ones(3, dtype=library.float64))
    return x.grad


def _deep_copy(library: Any) -> Any:
    x = leaf(library, B)
    (x * x).sum().backward()
    made = copy.deepcopy(x)
    (made * 2).sum().backward()
    return made, made.grad, x.grad, made.is_leaf


def _is_leaf(library: Any) -> Any:
    x, plain_one = leaf(library, B), library.tensor(B)
    y = x * 2
    return x.is_leaf, plain_one.is_leaf, y.is_leaf, (plain_one * 2).is_leaf, y.requires_grad, y.detach().is_leaf


def _detach_in_place(library: Any) -> Any:
    x = leaf(library, B)
    y = x * 2
    y.detach_()
    return y.requires_grad, y.is_leaf, y.grad_fn is None


def _zero_grad_by_hand(library: Any) -> Any:
    x = leaf(library, B)
    (x * x).sum().backward()
    x.grad.zero_()
    (x * 3).sum().backward()
    return x.grad


def _accumulates_onto_a_differentiable_gradient(library: Any) -> Any:
    x = leaf(library, B)
    (x**3).sum().backward(create_graph=True)
    (x * x).sum().backward()
    found = x.grad.detach().clone()
    x.grad = None
    return found


def _accumulates_under_create_graph(library: Any) -> Any:
    x = leaf(library, B)
    (x * x).sum().backward()
    (x**3).sum().backward(create_graph=True)
    found, live = x.grad.detach().clone(), x.grad.requires_grad
    x.grad = None
    return found, live


def _grad_deleted(library: Any) -> Any:
    x = leaf(library, B)
    (x * x).sum().backward()
    del x.grad
    return x.grad


def _fused_losses_to_second_order(library: Any) -> Any:
    x, target = leaf(library, A), library.tensor([2, 0])
    loss = library.nn.functional.cross_entropy(x, target, label_smoothing=0.1)
    (slope,) = library.autograd.grad(loss, x, create_graph=True)
    return slope.detach(), library.autograd.grad((slope * slope).sum(), x)


def _normalisation_to_second_order(library: Any) -> Any:
    x, w = leaf(library, A), leaf(library, B)
    y = library.nn.functional.layer_norm(x, (3,), w)
    slopes = library.autograd.grad((y**3).sum(), [x, w], create_graph=True)
    return [each.detach() for each in slopes], library.autograd.grad(sum((each**2).sum() for each in slopes), [x, w])


def _data(library: Any) -> Any:
    x = leaf(library, B)
    x.data.mul_(2)
    x.data = x.data + 1
    (x * x).sum().backward()
    return x, x.grad, x.data.requires_grad


PROGRAMS = {name[1:]: value for name, value in dict(globals()).items()
            if name.startswith("_") and not name.startswith("__") and isinstance(value, Callable)}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.filterwarnings("ignore:Using backward.. with create_graph:UserWarning")
def test_program(name: str) -> None:
    same(PROGRAMS[name], rtol=1e-5)


# --- hooks -----------------------------------------------------------------------------------------------------------


def hooked_leaf(library: Any) -> Any:
    x, seen = leaf(library, B), []
    handle = x.register_hook(lambda g: seen.append(g.clone()))
    (x * x).sum().backward()
    handle.remove()
    handle.remove()
    (x * x).sum().backward()
    return seen, x.grad


def hooked_leaf_once(library: Any) -> Any:
    """A leaf used twice: the hook is called once, with the sum."""
    x, seen = leaf(library, B), []
    x.register_hook(lambda g: seen.append(g.clone()))
    ((x * x).sum() + x.exp().sum()).backward()
    return seen, x.grad


def replacing(library: Any) -> Any:
    x = leaf(library, B)
    y = x * x
    y.register_hook(lambda g: g * 10)
    y.register_hook(lambda g: g + 1)
    x.register_hook(lambda g: -g)
    y.sum().backward()
    return x.grad


def hook_and_retained(library: Any) -> Any:
    """A retained gradient is the one that the hooks left, whenever they were registered."""
    x = leaf(library, B)
    y = x * x
    y.retain_grad()
    y.register_hook(lambda g: g * 2)
    y.sum().backward()
    return y.grad, x.grad


def hook_with_grad(library: Any) -> Any:
    x, seen = leaf(library, B), []
    y = x * x
    y.register_hook(lambda g: seen.append(g.clone()))
    x.register_hook(lambda g: g * 3)
    return library.autograd.grad(y.sum(), [x, y]), seen


def after_accumulation(library: Any) -> Any:
    x, seen = leaf(library, B), []

    def step(tensor: Any) -> None:
        seen.append(tensor.grad.clone())
        tensor.grad = None

    handle = x.register_post_accumulate_grad_hook(step)
    (x * x).sum().backward()
    before = x.grad
    handle.remove()
    (x * x).sum().backward()
    return seen, before, x.grad


def hook_that_removes_itself(library: Any) -> Any:
    x, seen = leaf(library, B), []

    def once(g: Any) -> None:
        seen.append(g.clone())
        handle.remove()

    handle = x.register_hook(once)
    for _ in range(2):
        (x * 2).sum().backward()
    return seen


def the_same_hook_twice(library: Any) -> Any:
    x = leaf(library, B)

    def double(g: Any) -> Any:
        return g * 2

    x.register_hook(double)
    handle = x.register_hook(double)
    x.sum().backward()
    first = x.grad.clone()
    handle.remove()
    x.sum().backward()
    return first, x.grad


def a_handle_removed_twice(library: Any) -> Any:
    x, seen = leaf(library, B), []
    handle = x.register_hook(seen.append)
    x.register_hook(seen.append)
    handle.remove()
    handle.remove()  # takes nothing away from the other
    x.sum().backward()
    return seen


def hook_under_create_graph(library: Any) -> Any:
    x = leaf(library, B)
    y = x * x
    y.register_hook(lambda g: g * y)
    (slope,) = library.autograd.grad(y.sum(), x, create_graph=True)
    return slope.detach(), library.autograd.grad(slope.sum(), x)


def hook_in_grad_mode(library: Any) -> Any:
    x, seen = leaf(library, B), []
    x.register_hook(lambda g: seen.append((library.is_grad_enabled(), g.requires_grad)))
    (x * x).sum().backward()
    (x * x).sum().backward(create_graph=True)
    return seen


@pytest.mark.parametrize("program", [
    hooked_leaf, hooked_leaf_once, replacing, hook_and_retained, hook_with_grad, after_accumulation,
    hook_that_removes_itself, the_same_hook_twice, a_handle_removed_twice, hook_under_create_graph, hook_in_grad_mode,
])  # fmt: skip
@pytest.mark.filterwarnings("ignore:Using backward.. with create_graph:UserWarning")
def test_hooks(program: Any) -> None:
    same(program)


def test_a_hook_handle_is_a_context() -> None:
    x, seen = leaf(pellucid, B), []
    with x.register_hook(lambda g: seen.append(g)):
        x.sum().backward()
    x.sum().backward()
    assert len(seen) == 1


# --- errors ----------------------------------------------------------------------------------------------------------


def second_backward(library: Any) -> None:
    x = leaf(library, B)
    y = x.exp().sum()
    y.backward()
    y.backward()


def second_backward_through_a_part(library: Any) -> None:
    x = leaf(library, B)
    shared = x.exp()
    shared.sum().backward()
    (shared * 2).sum().backward()


def second_grad(library: Any) -> None:
    x = leaf(library, B)
    y = x.exp().sum()
    library.autograd.grad(y, x)
    library.autograd.grad(y, x, create_graph=True)


def saved_result_changed(library: Any) -> None:
    x = leaf(library, B)
    y = x.exp()
    y.add_(1)
    y.sum().backward()


def saved_input_changed(library: Any) -> None:
    x, w = leaf(library, B), library.tensor(B, dtype=library.float64)
    y = x * w
    w.mul_(2)
    y.sum().backward()


def saved_input_changed_through_a_view(library: Any) -> None:
    x, w = leaf(library, B), library.tensor(B, dtype=library.float64)
    y = x * w
    w[0].mul_(2)
    y.sum().backward()


def saved_input_changed_under_create_graph(library: Any) -> None:
    x = leaf(library, B)
    y = x * 1
    z = y * y
    with library.no_grad():
        y.mul_(2)
    library.autograd.grad(z.sum(), x, create_graph=True)


def one_of_a_list_changed(library: Any) -> None:
    x, w = leaf(library, A), library.tensor(A, dtype=library.float64)
    y = library.einsum("ij,kj->ik", x, w)
    w.zero_()
    y.sum().backward()


def changed_through_detach(library: Any) -> None:
    x = leaf(library, B)
    y = x.exp()
    y.detach().zero_()
    y.sum().backward()


def no_seed(library: Any) -> None:
    (leaf(library, A) * 2).backward()


def no_history(library: Any) -> None:
    library.tensor(1.0).backward()


def no_history_under_no_grad(library: Any) -> None:
    x = leaf(library, 2.0)
    with library.no_grad():
        y = x * x
    y.backward()


def wrong_seed_shape(library: Any) -> None:
    (leaf(library, A) * 2).backward(library.ones(3, 2))


def wrong_number_of_seeds(library: Any) -> None:
    x = leaf(library, A)
    library.autograd.backward([x * 2, x * 3], [library.ones(2, 3)])


def seed_is_a_number(library: Any) -> None:
    (leaf(library, 1.0) * 2).backward(1.0)


def one_of_the_seeds_is_a_number(library: Any) -> None:
    x = leaf(library, 1.0)
    library.autograd.backward([x * 2, x * 3], [None, 1.0])


def unused_input(library: Any) -> None:
    x, y = leaf(library, B), leaf(library, B)
    library.autograd.grad((x * 2).sum(), [x, y])


def input_without_grad(library: Any) -> None:
    x, y = leaf(library, B), library.tensor(B)
    library.autograd.grad((x * 2).sum(), [x, y])


def inputs_empty(library: Any) -> None:
    leaf(library, 1.0).backward(inputs=[])


def grad_of_ints(library: Any) -> None:
    library.tensor([1, 2], requires_grad=True)


def grad_of_ints_later(library: Any) -> None:
    library.tensor([1, 2]).requires_grad_()


def freeze_nonleaf(library: Any) -> None:
    (leaf(library, B) * 2).requires_grad_(False)


def hook_without_grad(library: Any) -> None:
    library.tensor(B).register_hook(print)


def after_hook_on_nonleaf(library: Any) -> None:
    (leaf(library, B) * 2).register_post_accumulate_grad_hook(print)


def retain_without_grad(library: Any) -> None:
    library.tensor(B).retain_grad()


def in_place_on_leaf(library: Any) -> None:
    leaf(library, B).mul_(2)


def in_place_on_view_of_leaf(library: Any) -> None:
    leaf(library, B)[0].mul_(2)


def assignment_into_leaf(library: Any) -> None:
    leaf(library, B)[0] = 1.0


def copy_of_nonleaf(library: Any) -> None:
    copy.deepcopy(leaf(library, B) * 2)


def detach_view_in_place(library: Any) -> None:
    (leaf(library, A) * 2)[0].detach_()


def wrong_grad_shape(library: Any) -> None:
    leaf(library, B).grad = library.ones(2, dtype=library.float64)


def wrong_grad_type(library: Any) -> None:
    leaf(library, B).grad = 1.0


def wrong_grad_dtype(library: Any) -> None:
    leaf(library, B).grad = library.ones(3)


def saved_leaf_changed_in_step(library: Any) -> None:
    """The optimiser stepped before backward."""
    w = leaf(library, B)
    loss = (w * w).sum()
    with library.no_grad():
        w.sub_(0.1)
    loss.backward()


def hook_returns_wrong_shape(library: Any) -> None:
    x = leaf(library, B)
    x.register_hook(lambda g: g[:1])
    (x * x).sum().backward()


def hook_returns_no_tensor(library: Any) -> None:
    x = leaf(library, B)
    x.register_hook(lambda g: 3.0)
    (x * x).sum().backward()


ERRORS = [
    (second_backward, ["second time", "exp", "retain_graph=True"]),
    (second_backward_through_a_part, ["second time", "exp", "retain_graph=True"]),
    (second_grad, ["second time", "retain_graph=True"]),
    (saved_result_changed, ["inplace operation", "exp needs its result", "version 1; expected version 0", "clone()"]),
    (saved_input_changed, ["inplace operation", "mul needs its input 'other'", "float64 (3,)", "clone()"]),
    (saved_input_changed_through_a_view, ["inplace operation", "mul"]),
    (saved_input_changed_under_create_graph, ["inplace operation", "mul"]),
    (one_of_a_list_changed, ["inplace operation"]),
    (changed_through_detach, ["inplace operation", "exp"]),
    (saved_leaf_changed_in_step, ["inplace operation", "mul"]),
    (no_seed, ["implicitly created only for scalar outputs", "(2, 3)", ".sum()", "backward(gradient=...)"]),
    (no_history, ["does not require grad and does not have a grad_fn", "requires_grad=True"]),
    (no_history_under_no_grad, ["does not require grad", "no_grad()"]),
    (wrong_seed_shape, ["Mismatch in shape", "(3, 2)", "(2, 3)"]),
    (wrong_number_of_seeds, ["2 tensors and 1 gradients"]),
    (seed_is_a_number, ["float"]),
    (one_of_the_seeds_is_a_number, ["gradients can be either Tensors or None, but got float"]),
    (unused_input, ["not have been used in the graph", "input 1", "allow_unused=True"]),
    (input_without_grad, ["does not require grad", "input 1"]),
    (inputs_empty, ["cannot be empty"]),
    (grad_of_ints, ["floating point", "int64", ".float()"]),
    (grad_of_ints_later, ["floating point", "int64", ".float()"]),
    (freeze_nonleaf, ["leaf variables", "detach()"]),
    (hook_without_grad, ["register a hook", "doesn't require gradient"]),
    (after_hook_on_nonleaf, ["non-leaf"]),
    (retain_without_grad, ["retain_grad", "requires_grad=False"]),
    (in_place_on_leaf, ["mul_", "leaf Variable that requires grad", "in-place", "no_grad()"]),
    (in_place_on_view_of_leaf, ["view of a leaf Variable", "no_grad()"]),
    (assignment_into_leaf, ["leaf Variable", "no_grad()"]),
    (copy_of_nonleaf, ["deepcopy", "detach().clone()"]),
    (detach_view_in_place, ["detach views", "detach()"]),
    (wrong_grad_shape, ["grad", "(2,)", "(3,)"]),
    (wrong_grad_type, ["grad", "float"]),
    (wrong_grad_dtype, ["grad", "float32", "float64"]),
    (hook_returns_wrong_shape, ["hook", "(1,)", "(3,)"]),
    (hook_returns_no_tensor, ["hook", "float"]),
]


@pytest.mark.parametrize(("program", "words"), ERRORS, ids=lambda program: getattr(program, "__name__", ""))
def test_error(program: Any, words: list[str]) -> None:
    both_raise(program, *words)


def test_errors_name_the_line() -> None:
    for program in (second_backward, saved_result_changed, no_seed, no_history, in_place_on_leaf, hook_without_grad):
        message = both_raise(program)
        assert "test_autograd.py:" in message
        assert f"in {program.__name__}: " in message


def test_asking_a_nonleaf_for_its_gradient_warns() -> None:
    x = leaf(pellucid, B)
    y = x * 2
    with pytest.warns(UserWarning, match=r"not a leaf Tensor is being accessed.*retain_grad\(\)"):
        assert y.grad is None
    y.retain_grad()
    assert y.grad is None


def test_batched_gradients_are_refused() -> None:
    x = leaf(pellucid, B)
    with pytest.raises(NotImplementedError, match="jacobian"):
        pellucid.autograd.grad(x * 2, x, pellucid.ones(2, 3), is_grads_batched=True)


# --- deep graphs -----------------------------------------------------------------------------------------------------


def test_a_chain_of_100_000_ops() -> None:
    """Forward, backward, a second order, and letting go: nothing recurses."""
    x = pellucid.tensor(1.0, requires_grad=True, dtype=pellucid.float64)
    y = x
    for _ in range(100_000):
        y = y + 1e-5
    y.backward()
    assert x.grad.item() == 1.0
    assert abs(y.item() - 2.0) < 1e-9
    (slope,) = pellucid.autograd.grad(y * y, x, create_graph=True)
    assert abs(slope.item() - 4.0) < 1e-9
    node = weakref.ref(y.grad_fn)
    del y, slope
    gc.collect()
    assert node() is None


def test_a_deep_chain_that_saves_values() -> None:
    x = pellucid.tensor(0.5, requires_grad=True, dtype=pellucid.float64)
    y = x
    for _ in range(20_000):
        y = y * 1.0001
    y.backward()
    np.testing.assert_allclose(x.grad.item(), 1.0001**20_000, rtol=1e-9)


def test_a_graph_dies_with_its_result() -> None:
    """No cycles: memory is given back at once, without the garbage collector."""
    x = pellucid.ones(3, requires_grad=True)
    gc.disable()
    try:
        y = (x.exp() * x).tanh().sum()
        y.backward()
        node = weakref.ref(y.grad_fn)
        array = weakref.ref(y.grad_fn.edges[0])
        del y
        assert node() is None
        assert array() is None
    finally:
        gc.enable()


def test_backward_frees_what_was_saved() -> None:
    x = pellucid.ones(3, requires_grad=True)
    y = x * 2
    z = y.exp()
    kept = weakref.ref(z._array)
    total = z.sum()
    del z
    assert kept() is not None
    total.backward()
    assert kept() is None


# --- gradients are nobody else's memory ------------------------------------------------------------------------------

ALIASING: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "nested": lambda a, b: (a + b) + (b + a),
    "reshape": lambda a, b: a.reshape(3, 1).reshape(3) + b,
    "transpose": lambda a, b: a.reshape(1, 3).permute(1, 0).reshape(3) + b,
    "clone": lambda a, b: a.clone() + b.clone(),
    "slice": lambda a, b: a[:] + b[0:3],
    "cast": lambda a, b: a.double() + b.to(pellucid.float64),
    "twice": lambda a, b: a + a + b,
    "sum": lambda a, b: (a + b).sum().expand(3),
    "expand": lambda a, b: a.expand(3) + b.expand(3),
    "positive": lambda a, b: +a + (+b),
    "clamp": lambda a, b: a.clamp(-9, 9) + b.clamp(-9, 9),
    "cat": lambda a, b: pellucid.cat([a[:1], a[1:]]) + b,
    "split": lambda a, b: a.split(3)[0] + b,
    "flip": lambda a, b: a.flip(0) + b.flip(0),
    "where": lambda a, b: pellucid.where(a == a, a, b) + b,
    "squeeze": lambda a, b: a.unsqueeze(0).squeeze(0) + b,
    "mul by one": lambda a, b: a * 1 + b,
}


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("name", ALIASING)
def test_gradients_never_share_memory(name: str, create_graph: bool) -> None:
    """To change one gradient in place changes neither another one nor the seed."""
    a, b = leaf(pellucid, B), leaf(pellucid, B)
    seed = pellucid.ones(3, dtype=pellucid.float64)
    y = ALIASING[name](a, b)
    y.backward(seed, retain_graph=True, create_graph=create_graph)
    expected = b.grad.numpy(force=True).copy()
    with pellucid.no_grad():
        a.grad.mul_(100)
    np.testing.assert_array_equal(b.grad.numpy(force=True), expected)
    np.testing.assert_array_equal(seed.numpy(), 1)
    with pellucid.no_grad():
        b.grad.mul_(100)
    np.testing.assert_array_equal(seed.numpy(), 1)
    first, other = pellucid.autograd.grad(y, [a, b], seed, create_graph=create_graph)
    assert not np.shares_memory(first._array, other._array)
    assert not np.shares_memory(first._array, seed._array)
    assert not np.shares_memory(other._array, seed._array)


def test_accumulation_leaves_a_handed_out_gradient_alone() -> None:
    """The gradient from grad(), and a retained one, are not the array that a leaf accumulates into."""
    x = leaf(pellucid, B)
    y = x + 0
    y.retain_grad()
    (y + 0).backward(pellucid.ones(3, dtype=pellucid.float64))
    x.grad.mul_(5)
    np.testing.assert_array_equal(y.grad.numpy(), 1)


# --- grad mode, by thread --------------------------------------------------------------------------------------------


def test_grad_mode_is_a_thread_s_own() -> None:
    seen: dict[str, bool] = {}
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        seen["starts"] = pellucid.is_grad_enabled()
        with pellucid.no_grad():
            inside.set()
            leave.wait(10)
        seen["ends"] = pellucid.is_grad_enabled()

    with pellucid.no_grad():
        thread = threading.Thread(target=other)
        thread.start()
        assert inside.wait(10)
    seen["main"] = pellucid.is_grad_enabled()
    leave.set()
    thread.join(10)
    assert seen == {"starts": True, "ends": True, "main": True}


def test_threads_differentiate_at_once() -> None:
    found: list[float] = []

    def work(factor: float) -> None:
        for _ in range(50):
            x = pellucid.full((4,), factor, requires_grad=True)
            (x * x).sum().backward()
            found.append(float((x.grad == 2 * factor).all()))

    threads = [threading.Thread(target=work, args=(float(i),)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert found == [1.0] * 200


# --- the graph, to look at -------------------------------------------------------------------------------------------


def test_the_graph_can_be_walked() -> None:
    x = leaf(pellucid, B)
    y = x.exp()
    z = y.sum(dim=0)
    assert repr(z.grad_fn) == "<SumBackward1>"
    assert z.grad_fn.name() == "SumBackward1"
    assert z.grad_fn.next_functions[0][0] is y.grad_fn
    assert y.grad_fn.next_functions[0][0] is x
    assert z.grad_fn.metadata == {"dim": 0}
    assert x.grad_fn is None
    assert y.output_nr == 0
    z = x * 1
    part = z[0]
    z.mul_(2)
    assert part.grad_fn.name() == "AsStridedBackward0"
    part.mul_(2)
    assert z.grad_fn.name() == "CopySlices"
    with pytest.raises(TypeError, match=r"tensor\.register_hook"):
        y.grad_fn.register_hook(print)
