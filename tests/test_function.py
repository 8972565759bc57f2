"""`autograd.Function`: ops that a user writes, against PyTorch."""

import gc
import warnings
import weakref
from typing import Any

import numpy as np
import pytest

import pellucid
from tests.twins import both_raise, same

B = [0.3, 0.7, -1.1]


def leaf(library: Any, data: Any, kind: str = "float64") -> Any:
    return library.tensor(data, dtype=getattr(library, kind), requires_grad=True)


def square(library: Any) -> Any:
    class Square(library.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (x,) = ctx.saved_tensors
            return g * 2 * x

    return Square


def exponential(library: Any) -> Any:
    """Saves its own output."""

    class Exponential(library.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            out = x.exp()
            ctx.save_for_backward(out)
            return out

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * ctx.saved_tensors[0]

    return Exponential


def once(library: Any) -> Any:
    x = leaf(library, B)
    y = square(library).apply(x)
    y.sum().backward()
    return y, x.grad, y.is_leaf


def twice(library: Any) -> Any:
    """Double backward, to third order: the backward is made of ops, so it is differentiable itself."""
    x = leaf(library, B)
    found = []
    for function in (square(library), exponential(library)):
        y = function.apply(x).exp().sum()
        for _ in range(3):
            (slope,) = library.autograd.grad(y, x, create_graph=True)
            found.append(slope.detach())
            y = slope.sum()
    return found


def several_outputs(library: Any) -> Any:
    class SumAndDifference(library.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, y: Any) -> Any:
            return x + y, x - y

        @staticmethod
        def backward(ctx: Any, g: Any, h: Any) -> Any:
            return g + h, g - h

    x, y = leaf(library, B), leaf(library, B)
    total, difference = SumAndDifference.apply(x, y)
    (total * 3 + difference * difference + total).sum().backward()
    first, other = x.grad, y.grad
    x.grad = y.grad = None
    total, difference = SumAndDifference.apply(x, y)
    difference.sum().backward()  # the gradient of the other output arrives as zeros
    return first, other, x.grad, y.grad, type(SumAndDifference.apply(x, y)) is tuple


def materialized(library: Any) -> Any:
    seen = []

    class Two(library.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, flag: bool) -> Any:
            ctx.set_materialize_grads(flag)
            return x * 1, x / 0

        @staticmethod
        def backward(ctx: Any, g: Any, h: Any) -> Any:
            seen.append(h)
            return g, None

    x = leaf(library, B)
    for flag in (True, False):
        Two.apply(x, flag)[0].sum().backward()
    return seen, x.grad


def arguments_of_all_kinds(library: Any) -> Any:
    seen = []

    class Scale(library.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, factor: float, other: Any, names: dict[str, int], n: Any) -> Any:
            ctx.factor = factor
            ctx.names = names
            seen.append(ctx.needs_input_grad)
            return x * factor + other + n

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            seen.append(ctx.needs_input_grad)
            return g * ctx.factor * ctx.names["a"], None, None, None, None

    x, other, n = leaf(library, B), library.ones(3, dtype=library.float64), library.tensor([1, 2, 3])
    y = Scale.apply(x, 2.5, other, {"a": 4}, n)
    y.sum().backward()
    return y, x.grad, other.grad, seen


def more_nones_than_arguments(library: Any) -> Any:
    class Same(library.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 1

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g, None, None

    x = leaf(library, B)
    Same.apply(x).sum().backward()
    return x.grad


def none_for_a_tensor(library: Any) -> Any:
    class First(library.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, y: Any) -> Any:
            return x * y

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g, None

    x, y = leaf(library, B), leaf(library, B)
    First.apply(x, y).sum().backward()
    return x.grad, y.grad


def set_up_apart(library: Any) -> Any:
    class Product(library.autograd.Function):
        @staticmethod
        def forward(x: Any, y: Any, power: int) -> Any:
            return (x * y) ** power

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            x, y, ctx.power = inputs
            ctx.save_for_backward(x, y, output)

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            x, y, out = ctx.saved_tensors
            common = g * ctx.power * out / (x * y)
            return common * y, common * x, None

    x, y = leaf(library, B), leaf(library, B)
    z = Product.apply(x, y, 2)
    slopes = library.autograd.grad(z.sum(), [x, y], create_graph=True)
    return z.detach(), [each.detach() for each in slopes], library.autograd.grad(slopes[0].sum(), [x, y])


def dirty(library: Any) -> Any:
    class Double(library.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            x.mul_(2)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2

    x = leaf(library, B)
    y = x * 1
    z = Double.apply(y)
    (z * z).sum().backward()
    return z is y, y.detach(), x.grad, y._version


def dirty_after_saving(library: Any) -> Any:
    """A value that is overwritten by the function is missed where it had been saved."""

    class Zero(library.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.mark_dirty(x)
            return x.zero_()

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 0

    x = leaf(library, B)
    y = x.exp()
    Zero.apply(y)
    try:
        y.sum().backward()
    except RuntimeError as refused:
        return "inplace operation" in str(refused)


def not_differentiable(library: Any) -> Any:
    seen = []

    class Sorted(library.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            rounded = x.round()
            places = x.argmax()
            ctx.mark_non_differentiable(rounded, places)
            return x * 2, rounded, places

        @staticmethod
        def backward(ctx: Any, g: Any, h: Any, i: Any) -> Any:
            seen.append((h, i))
            return g * 2

    x = leaf(library, B)
    y, rounded, places = Sorted.apply(x)
    y.sum().backward()
    return x.grad, rounded, places, seen


def integers_out(library: Any) -> Any:
    class Both(library.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2, x.long()

        @staticmethod
        def backward(ctx: Any, g: Any, h: Any) -> Any:
            return g * 2

    x = leaf(library, B)
    y, whole = Both.apply(x)
    y.sum().backward()
    return y, whole, x.grad


def identity(library: Any) -> Any:
    """An input that is handed back becomes another tensor, with a history."""

    class Reversed(library.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x.view_as(x)

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return -g

    class Handed(Reversed):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x

    x = leaf(library, B)
    y, z = Reversed.apply(x), Handed.apply(x)
    (y + z * 10).sum().backward()
    return x.grad, x.is_leaf, y is x, z is x


def nothing_to_differentiate(library: Any) -> Any:
    x = library.tensor(B)
    y = square(library).apply(x)
    with library.no_grad():
        z = square(library).apply(leaf(library, B))
    return y, z, y.grad_fn is None, z.grad_fn is None


def forward_is_not_recorded(library: Any) -> Any:
    seen = []

    class Looks(library.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            seen.append((library.is_grad_enabled(), (x * 2).requires_grad))
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            seen.append(library.is_grad_enabled())
            return g * 2

    x = leaf(library, B)
    Looks.apply(x).sum().backward()
    library.autograd.grad(Looks.apply(x).sum(), x, create_graph=True)
    return seen


def in_a_dtype_of_its_own(library: Any) -> Any:
    """The gradient is cast back to the input's dtype."""

    class Wide(library.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x.double() * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2

    x = leaf(library, B, "float32")
    y = Wide.apply(x)
    y.sum().backward()
    return y, x.grad


def with_numpy(library: Any) -> Any:
    class Sine(library.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.x = x.detach().numpy()
            return library.from_numpy(np.sin(ctx.x))

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * library.from_numpy(np.cos(ctx.x))

    x = leaf(library, B)
    y = Sine.apply(x)
    y.sum().backward()
    return y, x.grad


def straight_through(library: Any) -> Any:
    class Sign(library.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x.sign()

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (x,) = ctx.saved_tensors
            return g * (x.abs() <= 1)

    x = leaf(library, B)
    (Sign.apply(x) * library.tensor(B)).sum().backward()
    return x.grad


def differentiating_inside(library: Any) -> Any:
    """A checkpoint: backward runs forward anew, and a backward of its own."""

    class Checkpoint(library.autograd.Function):
        @staticmethod
        def forward(ctx: Any, run: Any, x: Any) -> Any:
            ctx.run = run
            ctx.save_for_backward(x)
            return run(x)

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            x = ctx.saved_tensors[0].detach().requires_grad_()
            with library.enable_grad():
                y = ctx.run(x)
            library.autograd.backward(y, g)
            return None, x.grad

    x = leaf(library, B)
    y = Checkpoint.apply(lambda t: (t.exp() * t).sin(), x * 2)
    y.sum().backward()
    return y, x.grad


def twice_with_retain_graph(library: Any) -> Any:
    x = leaf(library, B)
    y = square(library).apply(x).sum()
    y.backward(retain_graph=True)
    y.backward()
    return x.grad


def nothing_saved_twice(library: Any) -> Any:
    x = leaf(library, B)

    class Same(library.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 1

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2

    y = Same.apply(x)
    for _ in range(2):
        y.backward(library.ones(3, dtype=library.float64))
    return x.grad


def saves_none(library: Any) -> Any:
    class Maybe(library.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, y: Any) -> Any:
            ctx.save_for_backward(x, y)
            return x * x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            x, y = ctx.saved_tensors
            return g * 2 * x if y is None else g, None

    x = leaf(library, B)
    Maybe.apply(x, None).sum().backward()
    return x.grad


def hook_on_an_output(library: Any) -> Any:
    x = leaf(library, B)
    y = square(library).apply(x)
    y.register_hook(lambda g: g * 10)
    y.retain_grad()
    y.sum().backward()
    return x.grad, y.grad


def number_used_twice(library: Any) -> Any:
    x = leaf(library, 3.0)
    y = square(library).apply(x)
    (y + y * y).backward()
    return x.grad


def gradient_of_an_output(library: Any) -> Any:
    x = leaf(library, B)
    y = square(library).apply(x)
    return library.autograd.grad((y * y).sum(), [y, x])


def a_list_comes_back(library: Any) -> Any:
    class Listed(library.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2, 5, None

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            return grads[0] * 2

    x = leaf(library, B)
    y, five, nothing = Listed.apply(x)
    y.sum().backward()
    return five, nothing, x.grad


@pytest.mark.parametrize("program", [
    once, twice, several_outputs, materialized, arguments_of_all_kinds, more_nones_than_arguments, none_for_a_tensor,
    set_up_apart, dirty, dirty_after_saving, not_differentiable, integers_out, identity, nothing_to_differentiate,
    forward_is_not_recorded, in_a_dtype_of_its_own, with_numpy, straight_through, differentiating_inside,
    twice_with_retain_graph, nothing_saved_twice, saves_none, hook_on_an_output, number_used_twice,
    gradient_of_an_output,
    a_list_comes_back,
])  # fmt: skip
def test_program(program: Any) -> None:
    same(program, rtol=1e-9)


# --- errors ----------------------------------------------------------------------------------------------------------


def with_backward(library: Any, backward: Any) -> Any:
    class Custom(library.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, y: Any) -> Any:
            ctx.save_for_backward(x)
            return x * y

    Custom.backward = staticmethod(backward)
    x, y = leaf(library, B), leaf(library, B)
    return Custom.apply(x, y)


def too_few(library: Any) -> None:
    with_backward(library, lambda ctx, g: g).sum().backward()


def too_many(library: Any) -> None:
    with_backward(library, lambda ctx, g: (g, g, g)).sum().backward()


def wrong_shape(library: Any) -> None:
    with_backward(library, lambda ctx, g: (g, g.reshape(3, 1))).sum().backward()


def no_tensor(library: Any) -> None:
    with_backward(library, lambda ctx, g: (g, 1.0)).sum().backward()


def freed(library: Any) -> None:
    y = with_backward(library, lambda ctx, g: (g * ctx.saved_tensors[0], g)).sum()
    y.backward()
    y.backward()


def changed(library: Any) -> None:
    x = leaf(library, B)
    h = x * 1
    y = square(library).apply(h)
    h.add_(1)
    y.sum().backward()


def output_changed(library: Any) -> None:
    y = exponential(library).apply(leaf(library, B))
    y.add_(1)
    y.sum().backward()


def no_forward(library: Any) -> None:
    class Empty(library.autograd.Function):
        pass

    Empty.apply(library.ones(2))


def no_backward(library: Any) -> None:
    class Half(library.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 1

    Half.apply(leaf(library, B)).sum().backward()


def saves_a_number(library: Any) -> None:
    class Wrong(library.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(3.0)
            return x * 1

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g

    Wrong.apply(leaf(library, B))


def dirty_and_lost(library: Any) -> None:
    class Lost(library.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.mark_dirty(x)
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g

    Lost.apply(leaf(library, B) * 1)


def dirty_leaf(library: Any) -> None:
    class Double(library.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.mark_dirty(x)
            return x.mul_(2)

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2

    Double.apply(leaf(library, B))


def once_only(library: Any) -> None:
    from importlib import import_module

    marked = import_module(f"{library.__name__}.autograd.function").once_differentiable

    class Once(library.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 1

        @staticmethod
        @marked
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2

    x = leaf(library, B)
    Once.apply(x).sum().backward()
    (slope,) = library.autograd.grad(Once.apply(x).exp().sum(), x, create_graph=True)
    slope.sum().backward()


@pytest.mark.parametrize(("program", "words"), [
    (too_few, ["CustomBackward", "incorrect number of gradients", "expected 2, got 1", "None"]),
    (too_many, ["incorrect number of gradients", "expected 2, got 3"]),
    (wrong_shape, ["CustomBackward", "invalid gradient at index 1", "[3, 1]", "[3]", "broadcasts"]),
    (no_tensor, ["CustomBackward", "float", "gradient 1"]),
    (freed, ["second time", "retain_graph=True"]),
    (changed, ["inplace operation", "SquareBackward", "version 1; expected version 0"]),
    (output_changed, ["inplace operation", "ExponentialBackward", "version 1; expected version 0"]),
    (no_forward, ["forward"]),
    (no_backward, ["backward"]),
    (saves_a_number, ["save_for_backward", "float"]),
    (dirty_and_lost, ["dirty"]),
    (dirty_leaf, ["leaf Variable that requires grad", "clone()"]),
    (once_only, ["differentiate twice", "once_differentiable"]),
], ids=lambda program: getattr(program, "__name__", ""))  # fmt: skip
def test_error(program: Any, words: list[str]) -> None:
    both_raise(program, *words)


def test_once_differentiable() -> None:
    """The gradient itself is right, and says what it is."""

    class Once(pellucid.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 1, x * 2

        @staticmethod
        @pellucid.autograd.function.once_differentiable
        def backward(ctx: Any, g: Any, h: Any) -> Any:
            assert not pellucid.is_grad_enabled()
            return g + 2 * h

    x = leaf(pellucid, B)
    squared, other = Once.apply(x)
    slope: Any = pellucid.autograd.grad((squared * squared + other).sum(), x, create_graph=True)[0]
    np.testing.assert_allclose(slope.detach().numpy(), 2 * np.array(B) + 2)
    assert slope.grad_fn.name() == "Error"


def test_the_history_of_a_gradient_that_is_kept() -> None:
    def named(node: Any) -> Any:
        return node and (type(node).__name__, [named(other) for other, _ in node.next_functions])

    def histories(T: Any) -> Any:
        class Once(T.autograd.Function):
            @staticmethod
            def forward(ctx: Any, x: Any, factor: Any, y: Any) -> Any:
                return x * factor + y

            @staticmethod
            @T.autograd.function.once_differentiable
            def backward(ctx: Any, g: Any) -> Any:
                return g * 2, None, g

        x, y = T.ones(2, requires_grad=True), T.ones(2, requires_grad=True)
        Once.apply(x, 2, y).sum().backward(T.ones((), requires_grad=True), create_graph=True)
        return named(x.grad.grad_fn), named(y.grad.grad_fn)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's own, of create_graph
        assert histories(pellucid) == histories(pytest.importorskip("torch"))


def test_an_application_dies_with_its_result() -> None:
    """No cycle between the node and its context: no garbage to collect."""
    x = leaf(pellucid, B)
    gc.disable()
    try:
        y = square(pellucid).apply(x)
        node = weakref.ref(y.grad_fn.edges[0])
        y.sum().backward()
        del y
        assert node() is None
    finally:
        gc.enable()


def test_its_name() -> None:
    y = square(pellucid).apply(leaf(pellucid, B))
    assert repr(y.grad_fn).startswith("<torch.autograd.function.SquareBackward object at 0x")
    assert y.grad_fn.edges[0].name() == "SquareBackward"
    assert y.grad_fn.next_functions == y.grad_fn.edges[0].next_functions


def with_jvp(library: Any, wrong: str = "") -> Any:
    """A function of two tensors and a number that says itself how it changes."""

    class Scaled(library.autograd.Function):
        @staticmethod
        def forward(x: Any, y: Any, k: float) -> Any:
            return x * y * k, y + 1

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.save_for_forward(*inputs[:2])
            ctx.k = inputs[2]

        @staticmethod
        def jvp(ctx: Any, dx: Any, dy: Any, dk: Any) -> Any:
            assert dk is None
            x, y = ctx.saved_tensors
            if wrong == "count":
                return (dx,)
            return (dx * y + x * dy) * ctx.k, dy.sum() if wrong == "shape" else dy

    return Scaled


def forward_mode(library: Any) -> Any:
    """PyTorch's answer comes from `jvp`: there is no backward at all."""
    forward_ad = library.autograd.forward_ad
    x, y = (library.tensor(data, dtype=library.float64) for data in (B, [2.0, 3.0, 4.0]))
    apply = with_jvp(library).apply
    with forward_ad.dual_level():
        one, two = apply(forward_ad.make_dual(x * 1, x + 1), y, 0.5)
        both, rest = apply(forward_ad.make_dual(x * 1, x + 1), forward_ad.make_dual(y * 1, y), 0.5)
        found = [
            *forward_ad.unpack_dual(one.sin()),
            forward_ad.unpack_dual(two).primal,
            *forward_ad.unpack_dual(both),
            *forward_ad.unpack_dual(rest),
        ]
    along = library.func.jvp(lambda a, b: apply(a * b, b, 3.0)[0] ** 2, (x, y), (x + 1, y - 1))
    return [tensor.detach() for tensor in (*found, *along)]


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")
def test_forward_mode_of_a_function_that_says_how_it_changes() -> None:
    same(forward_mode)


@pytest.mark.parametrize("wrong", ["count", "shape"])
@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")
def test_a_wrong_jvp_is_refused(wrong: str) -> None:
    def program(library: Any) -> None:
        forward_ad = library.autograd.forward_ad
        with forward_ad.dual_level():
            dual = forward_ad.make_dual(library.ones(2), library.ones(2))
            forward_ad.unpack_dual(with_jvp(library, wrong).apply(dual, library.ones(2), 1.0)[0])

    both_raise(program)
