"""What `backward` and `autograd.grad` refuse, as PyTorch does, and that the error names the line."""

import copy
from typing import Any

import pytest

import pellucid
from tests.leaves import A, B, leaf
from tests.twins import both_raise


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
    (wrong_seed_shape, ["Mismatch in shape", "torch.Size([3, 2])", "torch.Size([2, 3])"]),
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
        assert "test_autograd_errors.py:" in message
        assert f"in {program.__name__}: " in message


def test_asking_a_nonleaf_for_its_gradient_warns() -> None:
    x = leaf(pellucid, B)
    y = x * 2
    with pytest.warns(UserWarning, match=r"not a leaf Tensor is being accessed.*retain_grad\(\)"):
        assert y.grad is None
    y.retain_grad()
    assert y.grad is None
