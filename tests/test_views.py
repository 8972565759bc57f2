"""Views and changes in place, against PyTorch: each program runs on both libraries and must leave the same numbers.

A program takes the library and returns what is to be compared: tensors (value, requires_grad), shapes, numbers. A
program that PyTorch refuses must be refused here with the same class of error and, where given, the same words.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import pellucid

PROGRAMS: list[Callable[[Any], Any]] = []
REFUSED: list[tuple[Callable[[Any], Any], str]] = []


def program(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    PROGRAMS.append(function)
    return function


def refused(words: str) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
    def add(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        REFUSED.append((function, words))
        return function

    return add


def leaf(lib: Any, *shape: int, start: float = 1.0) -> Any:
    count = int(np.prod(shape))
    numbers = (np.arange(count, dtype=np.float64) * 0.5 + start).reshape(shape)
    return lib.tensor(numbers.tolist(), dtype=lib.float64, requires_grad=True)


def weights(lib: Any, *shape: int) -> Any:
    return leaf(lib, *shape, start=-2.0).detach() * 1.5


def plain(result: Any) -> Any:
    """What is compared: nested tuples of arrays, flags and numbers."""
    if isinstance(result, torch.Tensor | pellucid.Tensor):
        return result.detach().numpy().copy(), result.requires_grad
    if isinstance(result, tuple | list):
        return tuple(plain(entry) for entry in result)
    return result


def same(a: Any, b: Any) -> None:
    if isinstance(a, np.ndarray):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        np.testing.assert_allclose(b, a, rtol=1e-12, atol=1e-12)
    elif isinstance(a, tuple):
        assert len(a) == len(b)
        for mine, other in zip(a, b, strict=True):
            same(mine, other)
    else:
        assert a == b


# --- a base is changed, a view is read --------------------------------------------------------------------------------


@program
def base_scaled_then_view_read(lib: Any) -> Any:
    x = leaf(lib, 3, 4)
    base = x * 1
    view = base[1]
    base.mul_(2)
    (view * view * weights(lib, 4)).sum().backward()
    return base, view, x.grad


@program
def view_scaled_then_base_read(lib: Any) -> Any:
    x = leaf(lib, 3, 4)
    base = x * 1
    base[1].mul_(3)
    (base * base).sum().backward()
    return base, x.grad


@program
def view_of_a_view(lib: Any) -> Any:
    x = leaf(lib, 3, 4)
    base = x * 1
    view = base.t()[1:3].reshape(2, 3)
    view[0].add_(x[0, :3] * 5)
    (base * base * weights(lib, 3, 4)).sum().backward()
    return base, view, x.grad


@program
def two_views_that_overlap(lib: Any) -> Any:
    x = leaf(lib, 6)
    base = x * 1
    head, other = base[:4], base[2:]
    head.mul_(2)
    other.mul_(x[:4])
    head.add_(1)
    (base**2).sum().backward()
    return base, head, other, x.grad


@program
def view_made_before_the_base_had_history(lib: Any) -> Any:
    base = lib.zeros(3, 3, dtype=lib.float64)
    view = base[1]
    x = leaf(lib, 3)
    base[1] = x * 2
    before = view.requires_grad
    (view * view).sum().backward()
    return before, base, view, x.grad


@program
def view_gets_history_of_its_own(lib: Any) -> Any:
    base = lib.zeros(3, 3, dtype=lib.float64)
    view = base[:, 1]
    x = leaf(lib, 3)
    view.copy_(x**2)
    (base * weights(lib, 3, 3)).sum().backward()
    return base.requires_grad, base.is_leaf, base, view, x.grad


@program
def sibling_view_sees_the_change(lib: Any) -> Any:
    base = lib.ones(2, 3, dtype=lib.float64)
    flat, other = base.view(6), base.t()
    x = leaf(lib, 2)
    flat[2:4] = x
    (other * other * weights(lib, 3, 2)).sum().backward()
    return other, x.grad


@program
def operations_between_changes(lib: Any) -> Any:
    x = leaf(lib, 4)
    base = x * 2
    first = (base[1:3] * weights(lib, 2)).sum()
    base[1:3] = base[:2] + 1
    second = (base.clone() ** 2).sum()
    base.add_(first)
    (second + base.sum()).backward()
    return base, x.grad


@program
def value_used_before_it_was_overwritten(lib: Any) -> Any:
    x = leaf(lib, 4)
    base = x * 2
    kept = base + 0
    base[2] = 0.0
    (kept * base.detach()).sum().backward()
    return x.grad


# --- setitem ----------------------------------------------------------------------------------------------------------


@program
def chain_of_assignments(lib: Any) -> Any:
    x, y = leaf(lib, 3), leaf(lib, 3, start=-1.0)
    out = lib.zeros(3, 3, dtype=lib.float64)
    out[0] = x
    out[1] = out[0].clone() * y
    out[:, 2] = out[1] + out[0]
    (out * out * weights(lib, 3, 3)).sum().backward()
    return out, x.grad, y.grad


@program
def assignment_in_a_loop(lib: Any) -> Any:
    x = leaf(lib, 1)
    state = lib.zeros(6, dtype=lib.float64)
    state[0] = x[0]
    for i in range(1, 6):
        state[i] = state[i - 1].clone() * x[0] + i
    state.sum().backward()
    return state, x.grad


@program
def assignment_by_mask(lib: Any) -> Any:
    x = leaf(lib, 3, 4)
    y = leaf(lib, 12, start=-3.0)
    base = x * 1
    mask = x.detach() > 3
    base[mask] = y[: int(mask.sum())]
    (base * base).sum().backward()
    return base, x.grad, y.grad


@program
def assignment_by_integers(lib: Any) -> Any:
    x, y = leaf(lib, 4, 3), leaf(lib, 2, 3, start=7.0)
    base = x * 1
    base[lib.tensor([3, 1])] = y
    (base * base).sum().backward()
    return base, x.grad, y.grad


@program
def assignment_by_integers_and_slices(lib: Any) -> Any:
    x, y = leaf(lib, 2, 4, 3), leaf(lib, 2, start=7.0)
    base = x * 1
    base[1, lib.tensor([3, 1]), 1:] = y.reshape(2, 1)
    base[:, [0, 2], lib.tensor([1, 0])] = y
    (base * base).sum().backward()
    return base, x.grad, y.grad


@program
def assignment_broadcasts_the_value(lib: Any) -> Any:
    x, y = leaf(lib, 3, 4), leaf(lib, 1, 4)
    base = x * 1
    base[1:] = y
    base[..., 0] = y[0, 1]
    (base * base).sum().backward()
    return base, x.grad, y.grad


@program
def assignment_casts_the_value(lib: Any) -> Any:
    y = lib.tensor([1.5, 2.5], requires_grad=True)
    base = lib.zeros(2, 2, dtype=lib.float64)
    base[0] = y
    numbers = lib.zeros(3, dtype=lib.int64)
    numbers[1:] = y.detach()
    (base * base).sum().backward()
    return base, numbers, y.grad


@program
def assignment_drops_leading_ones_of_the_value(lib: Any) -> Any:
    y = leaf(lib, 1, 1, 3)
    base = lib.zeros(2, 3, dtype=lib.float64)
    base[0] = y
    base.sum().backward()
    return base, y.grad


@program
def assignment_of_a_number(lib: Any) -> Any:
    x = leaf(lib, 3, 3)
    base = x * 1
    base[base.detach() > 3] = 0.0
    base[0, 0] = -1
    base[:, 1] = True
    (base * base).sum().backward()
    return base, x.grad


@program
def augmented_assignment_of_a_part(lib: Any) -> Any:
    x = leaf(lib, 3, 3)
    base = x * 1
    base[1] += x[0]
    base[:, 1] *= 2
    base[lib.tensor([0, 0])] -= 1
    (base * base).sum().backward()
    return base, x.grad


@program
def assignment_to_a_true_scalar_key(lib: Any) -> Any:
    x = leaf(lib, 2)
    base = x * 1
    base[True] = 5.0
    base[False] = 6.0
    (base * x).sum().backward()
    return base, x.grad


@program
def assignment_of_a_part_of_itself(lib: Any) -> Any:
    x = leaf(lib, 5)
    base = x * 1
    base[1:4] = base[:3].clone() * 2
    (base * base).sum().backward()
    return base, x.grad


@program
def accumulating_index_put(lib: Any) -> Any:
    x, y = leaf(lib, 3), leaf(lib, 4)
    base = x * 1
    base.index_put_((lib.tensor([0, 2, 0, -1]),), y, accumulate=True)
    (base * base).sum().backward()
    return base, x.grad, y.grad


# --- kinds of views ---------------------------------------------------------------------------------------------------


@program
def change_through_a_diagonal(lib: Any) -> Any:
    x = leaf(lib, 3, 4)
    base = x * 1
    base.diagonal(1).mul_(4)
    lib.diagonal(base, 0).copy_(x[0, :3])
    (base * base).sum().backward()
    return base, x.grad


@program
def change_through_split_parts(lib: Any) -> Any:
    x = leaf(lib, 4, 2)
    base = x * 1
    part = base.narrow(0, 1, 2)
    part.mul_(3)
    base.select(1, 0).add_(x[:, 1])
    (base * base).sum().backward()
    return base, part, x.grad


@program
def change_through_unsqueezed_and_permuted(lib: Any) -> Any:
    x = leaf(lib, 2, 3, 4)
    base = x * 1
    base.permute(2, 0, 1).unsqueeze(0)[0, 1].mul_(2)
    base.movedim(0, 2).flatten(1)[0].detach().mul_(1)
    base.swapaxes(0, 1)[2].squeeze().sub_(1)
    (base * base).sum().backward()
    return base, x.grad


@program
def change_through_a_stepped_slice(lib: Any) -> Any:
    x = leaf(lib, 7)
    base = x * 1
    base[1::2].mul_(base[:6:2].clone())
    (base * base).sum().backward()
    return base, x.grad


@program
def change_through_an_unfolded_window(lib: Any) -> Any:
    x = leaf(lib, 6)
    base = x * 1
    base.unfold(0, 2, 2)[1].mul_(3)
    (base * base).sum().backward()
    return base, x.grad


@program
def change_of_one_row_of_an_expanded_tensor(lib: Any) -> Any:
    x = leaf(lib, 3)
    base = x * 1
    base.expand(4, 3)[2].mul_(2)
    (base * base).sum().backward()
    return base, x.grad


@program
def gradient_through_an_expanded_view(lib: Any) -> Any:
    x = leaf(lib, 3, 1)
    wide = x.expand(2, 3, 4)
    base = x * 2
    seen = base.expand(3, 4)
    base.mul_(x)
    (wide.sum(0) * seen * weights(lib, 3, 4)).sum().backward()
    return wide, seen, x.grad


@program
def reshape_that_copies_is_no_view(lib: Any) -> Any:
    x = leaf(lib, 2, 3)
    base = x * 1
    copy = base.t().reshape(6)
    copy.mul_(2)
    (base.sum() + (copy * copy).sum()).backward()
    return base, copy, x.grad


@program
def contiguous_of_a_contiguous_tensor_is_itself(lib: Any) -> Any:
    x = leaf(lib, 2, 3)
    base = x * 1
    base.contiguous().mul_(2)
    base.t().contiguous().mul_(3)
    (base * base).sum().backward()
    return base, x.grad


@program
def in_place_result_is_the_tensor(lib: Any) -> Any:
    x = leaf(lib, 3) * 1
    return x.mul_(2) is x, x.zero_() is x, x.fill_(3) is x, x.squeeze_() is x, x


@program
def fill_with_a_tensor(lib: Any) -> Any:
    x, y = leaf(lib, 3), leaf(lib, 1)
    base = x * 1
    base[1:].fill_(y[0] * 2)
    (base * base).sum().backward()
    return base, x.grad, y.grad


@program
def zeroed_part_has_no_gradient(lib: Any) -> Any:
    x = leaf(lib, 3)
    base = x * 1
    base[1].zero_()
    (base * base).sum().backward()
    return base, x.grad


@program
def masked_fill_in_place_on_a_view(lib: Any) -> Any:
    x = leaf(lib, 3, 3)
    base = x * 1
    base[1:].masked_fill_(lib.tensor([True, False, True]), 0.0)
    (base * base).sum().backward()
    return base, x.grad


@program
def scatter_and_index_add_in_place_on_a_view(lib: Any) -> Any:
    x = leaf(lib, 3, 3)
    base = x * 1
    base.t().index_add_(0, lib.tensor([0, 0, 2]), x, alpha=2)
    base[0].scatter_(0, lib.tensor([1]), x[2, :1])
    (base * base).sum().backward()
    return base, x.grad


@program
def shape_changed_in_place(lib: Any) -> Any:
    x = leaf(lib, 1, 3)
    base = x * 1
    base.squeeze_(0).unsqueeze_(1).mul_(2)
    other = leaf(lib, 2, 3) * 1
    other.t_()
    other[0] = 5.0
    (base * other).sum().backward()
    return base.shape == (3, 1), tuple(other.shape), base, other, x.grad


# --- higher orders ----------------------------------------------------------------------------------------------------


@program
def second_derivative_through_assignment(lib: Any) -> Any:
    x = leaf(lib, 4)
    base = x**2
    base[1:3] = base[:2].clone() * x[2:]
    base[0].mul_(x[3])
    (first,) = lib.autograd.grad((base**3).sum(), x, create_graph=True)
    (second,) = lib.autograd.grad((first * weights(lib, 4)).sum(), x)
    return first, second


@program
def second_derivative_through_index_put(lib: Any) -> Any:
    x, y = leaf(lib, 4), leaf(lib, 3)
    base = x**2
    base[lib.tensor([0, 3, 1])] = y**2
    base.index_put_((lib.tensor([1, 1]),), (y * x[:3])[:2], accumulate=True)
    (first,) = lib.autograd.grad((base**2).sum(), y, create_graph=True)
    return first, *lib.autograd.grad((first**2).sum(), (x, y))


# --- detach, no_grad, versions ----------------------------------------------------------------------------------------


@program
def detached_tensors_share_the_version(lib: Any) -> Any:
    x = leaf(lib, 3)
    base = x * 1
    other = base.detach()
    view = base[0]
    versions = [base._version]
    other.add_(1)
    versions += [base._version, other._version, view._version]
    view.detach().mul_(2)
    versions += [base._version]
    base[1] = 3.0
    return [*versions, base._version, other._version], base, other


@program
def change_under_no_grad_keeps_the_history(lib: Any) -> Any:
    x = leaf(lib, 3)
    with lib.no_grad():
        x.mul_(2)
        x[1] = 7.0
        x[x > 6] += 1
    (x * x).sum().backward()
    return x, x.is_leaf, x.grad


@program
def view_of_a_leaf_is_no_leaf(lib: Any) -> Any:
    x = leaf(lib, 3)
    view = x[1:]
    return view.is_leaf, view.requires_grad, view._base is x, x.detach()._base is None, (x * 1)._base is None


@program
def view_and_change_under_no_grad(lib: Any) -> Any:
    x = leaf(lib, 3)
    base = x * 1
    with lib.no_grad():
        view = base[1:]
        view.mul_(2)
    (base + 1).sum().backward()
    return view._base is base, base, x.grad


@program
def unused_change_leaves_the_gradient_alone(lib: Any) -> Any:
    x = leaf(lib, 3)
    y = x * 2
    loss = (y + 1).sum()
    y.mul_(5)  # an addition does not need its inputs
    loss.backward()
    return y, x.grad


@program
def changed_after_backward(lib: Any) -> Any:
    x = leaf(lib, 3)
    y = x * 1
    loss = (y * y).sum()
    loss.backward()
    y.detach().zero_()
    return y, x.grad


@program
def hook_on_a_view_and_on_the_base(lib: Any) -> Any:
    x = leaf(lib, 3)
    seen: list[Any] = []
    base = x * 1
    base.mul_(2)
    base.register_hook(lambda g: seen.append(g.clone()))
    view = base[1:]
    view.register_hook(lambda g: seen.append(g.clone()))
    (view * view).sum().backward()
    return sorted((plain(array) for array in seen), key=lambda array: array[0].size), x.grad


@program
def retained_gradient_of_a_changed_base(lib: Any) -> Any:
    x = leaf(lib, 3)
    base = x * 1
    base[0] = 4.0
    base.retain_grad()
    (base * base).sum().backward()
    return base.grad, x.grad


# --- refused ----------------------------------------------------------------------------------------------------------


@refused("a leaf Variable that requires grad")
def leaf_in_place(lib: Any) -> Any:
    leaf(lib, 3).mul_(2)


@refused("a view of a leaf Variable that requires grad")
def view_of_a_leaf_in_place(lib: Any) -> Any:
    leaf(lib, 3)[0].mul_(2)


@refused("a view of a leaf Variable that requires grad")
def assignment_into_a_leaf(lib: Any) -> Any:
    leaf(lib, 3)[0] = 1.0


@refused("leaf Variable that requires grad")
def assignment_into_a_leaf_by_index(lib: Any) -> Any:
    leaf(lib, 3)[lib.tensor([0])] = 1.0


@refused("a leaf Variable that requires grad")
def squeezed_leaf_in_place(lib: Any) -> Any:
    leaf(lib, 1, 3).squeeze_()


@refused("A view was created in no_grad mode")
def untracked_view_in_place(lib: Any) -> Any:
    base = leaf(lib, 3) * 1
    with lib.no_grad():
        view = base[1:]
    view.mul_(2)


@refused("single memory location")
def expanded_in_place(lib: Any) -> Any:
    lib.ones(3).expand(2, 3).mul_(2)


@refused("single memory location")
def expanded_in_place_without_gradients(lib: Any) -> Any:
    with lib.no_grad():
        lib.ones(3, 1).expand(3, 2).add_(1)


@refused("modified by an inplace operation")
def saved_input_changed(lib: Any) -> Any:
    y = leaf(lib, 3) * 1
    loss = (y * y).sum()
    y.add_(1)
    loss.backward()


@refused("modified by an inplace operation")
def saved_result_changed(lib: Any) -> Any:
    y = leaf(lib, 3).exp()
    loss = y.sum()
    y.mul_(2)
    loss.backward()


@refused("modified by an inplace operation")
def saved_input_changed_through_a_view(lib: Any) -> Any:
    y = leaf(lib, 3) * 1
    loss = (y * y).sum()
    y[1] = 0.0
    loss.backward()


@refused("modified by an inplace operation")
def saved_input_changed_through_detach(lib: Any) -> Any:
    y = leaf(lib, 3) * 1
    loss = (y * y).sum()
    y.detach().mul_(2)
    loss.backward()


@refused("modified by an inplace operation")
def saved_view_changed_through_the_base(lib: Any) -> Any:
    y = leaf(lib, 3) * 1
    loss = (y[1:] ** 2).sum()
    y.mul_(2)
    loss.backward()


@refused("modified by an inplace operation")
def saved_indices_changed(lib: Any) -> Any:
    index = lib.tensor([0, 1])
    loss = leaf(lib, 3)[index].sum()
    index.add_(1)
    loss.backward()


@refused("modified by an inplace operation")
def saved_leaf_changed_under_no_grad(lib: Any) -> Any:
    x = leaf(lib, 3)
    loss = (x * x).sum()
    with lib.no_grad():
        x.mul_(2)
    loss.backward()


@refused("can't be cast to the desired output type")
def float_into_integers(lib: Any) -> Any:
    lib.tensor([1, 2]).add_(lib.tensor([0.5, 0.5]))


@refused("")
def value_too_large(lib: Any) -> Any:
    lib.zeros(3)[:2] = lib.ones(3)


@refused("shape mismatch: value tensor of shape [3]")
def value_too_large_for_indices(lib: Any) -> Any:
    lib.zeros(3, 4)[lib.tensor([0, 1])] = lib.ones(3)


@refused("")
def result_larger_than_the_target(lib: Any) -> Any:
    lib.zeros(3).add_(lib.zeros(2, 3))


@refused("view size is not compatible")
def view_that_needs_a_copy(lib: Any) -> Any:
    lib.zeros(2, 3).t().view(6)


@refused("step must be greater than zero")
def negative_step(lib: Any) -> Any:
    lib.zeros(3)[::-1]


@pytest.mark.parametrize("run", PROGRAMS, ids=lambda run: run.__name__)
def test_program(run: Callable[[Any], Any]) -> None:
    same(plain(run(torch)), plain(run(pellucid)))


@pytest.mark.parametrize(("run", "words"), REFUSED, ids=lambda run: getattr(run, "__name__", ""))
def test_refused(run: Callable[[Any], Any], words: str) -> None:
    with pytest.raises(Exception, match=".") as theirs:
        run(torch)
    assert words in str(theirs.value)
    with pytest.raises(type(theirs.value)) as ours:
        run(pellucid)
    assert words in str(ours.value)
