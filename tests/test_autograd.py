"""Reverse mode: `backward` and `autograd.grad`, against PyTorch, program by program."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

import pellucid
from tests.leaves import A, B, leaf
from tests.twins import same

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
