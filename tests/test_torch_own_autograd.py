"""What PyTorch's own tests ask of duals, edges and hooks: each is run with both libraries and the texts compared."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import pytest
import torch

import pellucid
from tests.test_torch_own import Made, text


def dual(lib: Any, then: Made) -> Any:
    """What is done with a dual, its value and its direction, and the tangents of all three afterwards."""
    ad = importlib.import_module(f"{lib.__name__}.autograd.forward_ad")
    value, way = lib.tensor([0.5, 2.0]), lib.tensor([1.0, 3.0])
    with ad.dual_level():
        x = ad.make_dual(value, way)
        made = then((lib, ad, x, value, way))
        return [
            tuple(None if part is None else part.detach().tolist() for part in ad.unpack_dual(each))
            for each in (x, value, made)
        ]


def written(lib: Any, x: Any) -> Any:
    y = lib.zeros(2)
    y[0] = x[1] * x[0]
    return y


def half(x: Any) -> Any:
    x.narrow(0, 0, 1).mul_(2)
    return x


def into_a_part(lib: Any, x: Any) -> Any:
    """What is written into a view is in the tangent of its base, and in other views of that."""
    y = lib.zeros(2, 2)
    row, other = y[1], y.t()
    row.copy_(x)
    other.mul_(2)
    return lib.cat([y, other, row[None]])


def quietly(lib: Any, x: Any) -> Any:
    with lib.no_grad():
        return x * 3


def left(x: Any) -> Any:
    y = x.clone()
    y.detach_()
    return y * 2


def in_a_row(lib: Any, ad: Any) -> Any:
    """A direction that lies in other memory than its value is copied: it does not change with the dual."""
    way = lib.ones(4)
    x = ad.make_dual(lib.arange(5.0)[:4], way)
    ad.unpack_dual(x).tangent.mul_(2)
    return lib.cat([x.as_strided((3,), (1,), 1), way])


def of_a_gradient(lib: Any, ad: Any, x: Any) -> Any:
    """The gradient of a backward within the level has a tangent: forward over reverse."""
    w = lib.tensor([0.5, 0.25], requires_grad=True)
    return lib.autograd.grad(lib.logsumexp(w.exp() * x, 0), w)[0].round(decimals=4)


DUALS: dict[str, Made] = {
    "in place": lambda given: given[2].mul_(2) ** 2, "a part in place": lambda given: half(given[2]),
    "written": lambda given: written(given[0], given[2]), "left": lambda given: given[2].detach() * 2,
    "of the same level": lambda given: given[1].make_dual(given[3], given[2] * 2),
    "compared": lambda given: given[2] == given[3], "printed": lambda given: given[0].tensor(len(repr(given[2])) > 0),
    "in a part of another": lambda given: into_a_part(given[0], given[2]),
    "without a graph": lambda given: quietly(given[0], given[2]), "left in place": lambda given: left(given[2]),
    "of other memory": lambda given: in_a_row(*given[:2]), "of a backward": lambda given: of_a_gradient(*given[:3]),
    "the value alone": lambda given: given[1].unpack_dual(given[2] * 3).primal * 2,
    "stored": lambda given: given[0].add(given[2], 1, out=given[0].zeros(2)),
    "no derivative": lambda given: given[0].igamma(given[2], given[2]),
    "counts": lambda given: given[0].tensor(float(given[2].add_(1)._version == given[3]._version == 1)),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("name", DUALS)
def test_duals(name: str) -> None:
    assert text(pellucid, lambda lib: dual(lib, DUALS[name])) == text(torch, lambda lib: dual(lib, DUALS[name]))


def test_a_dual_is_printed_with_its_tangent() -> None:
    from pellucid.autograd import forward_ad

    with forward_ad.dual_level():
        assert "tangent=tensor([2.])" in repr(forward_ad.make_dual(pellucid.ones(1), pellucid.ones(1) * 2))


# --- edges, hooks, words ----------------------------------------------------------------------------------------------


def edge(lib: Any, reduced: bool = True) -> Any:
    """A graph in two steps: its end, an edge in the middle of it, and where it begins."""
    x = lib.tensor([1.0, 2.0], requires_grad=True)
    middle = x.sin().sum() if reduced else x.sin()
    return middle.exp().sum(), lib.autograd.graph.get_gradient_edge(middle), x


def begun(lib: Any) -> Any:
    _, middle, x = edge(lib)
    (first,) = lib.autograd.grad(middle, x, retain_graph=True)
    lib.autograd.backward((middle,))
    return first, x.grad


def of_several(lib: Any) -> Any:
    out, middle, x = edge(lib)
    return lib.autograd.grad((middle, out), x)


def counted(lib: Any) -> Any:
    """How often hooks of tensors, and those before and after nodes, are called."""
    a = lib.tensor(1.0, requires_grad=True)
    b = a * 2
    c, calls = b * 2, [0, 0, 0]

    def count(at: int) -> Any:
        def called(*grads: Any) -> None:
            calls[at] += 1

        return called

    for node in (b.grad_fn, b.grad_fn.next_functions[0][0]):
        node.register_prehook(count(1))
        node.register_hook(count(2))
    for tensor in (a, b):
        tensor.register_hook(count(0))
    found = []
    for inputs in (None, (a, b), (b,), (a,)):
        c.backward(inputs=inputs, retain_graph=True)
        found.append(list(calls))
    lib.autograd.grad(c, b, retain_graph=True)
    return [*found, calls, a.grad, b.grad]


def returned(lib: Any) -> Any:
    x = lib.ones(2, requires_grad=True)
    x.register_post_accumulate_grad_hook(lambda tensor: tensor.grad)
    x.sum().backward()


def zeros_of(lib: Any) -> Any:
    x = lib.tensor(0.5, requires_grad=True)
    (first,) = lib.autograd.grad(x * 2, x, create_graph=True)
    (second,) = lib.autograd.grad(first + x * 0, lib.ones(1, requires_grad=True), None, None, True, True, None, False,
                                  materialize_grads=True)  # fmt: skip
    return second.requires_grad, lib.autograd.grad(second, x, materialize_grads=True)


def unused_edge(lib: Any) -> Any:
    out, _, _ = edge(lib)
    other = lib.ones(1, requires_grad=True) * 2
    return lib.autograd.grad(out, lib.autograd.graph.get_gradient_edge(other), materialize_grads=True)


def decorated(lib: Any) -> Any:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        lib.no_grad()(type("Plain", (), {}))
    return [(message.category.__name__, str(message.message)[:33]) for message in said]


def legacy(lib: Any) -> Any:
    return type("Old", (lib.autograd.Function,), {"forward": lambda self, x: x})()(lib.ones(1))


def switched(lib: Any) -> Any:
    asked = lib.autograd
    with asked.set_multithreading_enabled(False):
        found = [asked.is_multithreading_enabled()]
    return [*found, asked.is_multithreading_enabled(), asked.Function.generate_vmap_rule]


def overwritten_part(lib: Any) -> Any:
    """A Function that changes a view in place: what it hands back has its backward, and so has the base."""

    def forward(ctx: Any, x: Any) -> Any:
        ctx.mark_dirty(x)
        return x.mul_(2)

    doubled = type("Doubled", (lib.autograd.Function,), {
        "forward": staticmethod(forward), "backward": staticmethod(lambda ctx, g: g * 2),
    })  # fmt: skip
    found = []
    for of_base in (False, True):
        a = lib.tensor([1.0, 3.0], requires_grad=True)
        base = a.clone()
        part = doubled.apply(base[:1])
        (base if of_base else part).sum().backward()
        found.append(a.grad)
    return found


def halves(lib: Any, **how: Any) -> Any:
    """A Function of two outputs, the second without gradient, and a default that `setup_context` sees."""
    seen: list[Any] = []

    def setup(ctx: Any, inputs: Any, output: Any) -> None:
        seen.append(len(inputs))
        ctx.mark_non_differentiable(output[1])
        for name, value in how.items():
            setattr(ctx, name, value)

    def backward(ctx: Any, g: Any, none: Any) -> Any:
        seen.append(none)
        return g * 3, None

    split = type("Split", (lib.autograd.Function,), {
        "forward": staticmethod(lambda x, times=3: (x * times, x * 2)), "setup_context": staticmethod(setup),
        "backward": staticmethod(backward),
    })  # fmt: skip
    x = lib.tensor(1.0, requires_grad=True)
    out, _ = split.apply(x)
    out.backward()
    return seen, x.grad, out.output_nr


def at_the_end(lib: Any) -> Any:
    """What a backward calls when it is done, also where one asks for another; none runs afterwards."""
    said: list[str] = []
    queue = lib.autograd.Variable._execution_engine.queue_callback
    x = lib.tensor(2.0, requires_grad=True)
    y = x * x
    y.register_hook(lambda g: queue(lambda: (said.append(f"grad {x.grad}"), queue(lambda: said.append("last")))))
    y.backward()
    queue(print)


def in_inference(lib: Any) -> Any:
    """Tensors of inference mode: parts of them, changes of their shape, inside and outside."""
    found: list[Any] = []
    with lib.inference_mode():
        made = lib.ones(1, 2, 3, requires_grad=True)
        found += [made.view(-1).requires_grad, made.transpose_(0, 1).requires_grad, made._is_view()]
    part = made.view(-1)
    found += [part.requires_grad, part.is_inference(), part.is_leaf, part._is_view(), made[0].is_inference()]
    plain = lib.ones(2, 2, requires_grad=True).clone()
    with lib.inference_mode():
        plain.transpose_(0, 1)
        found += [plain.requires_grad, plain.is_inference()]
    return found


def refused(program: Made) -> Made:
    def run(lib: Any) -> Any:
        x = lib.ones(2, requires_grad=True)
        return program((lib, x))

    return run


def deleted(name: str) -> Made:
    return lambda lib: delattr(lib.ones(2, requires_grad=True), name)


def nested(lib: Any) -> Any:
    allow = lib.autograd.graph.allow_mutation_on_saved_tensors
    with allow(), allow():
        pass


def of_inference(lib: Any) -> Any:
    with lib.inference_mode():
        made = lib.ones(1, 2)
    return made.transpose_(0, 1)


def hung(lib: Any) -> Any:
    """Hooks on one value that a node keeps: of an argument, of a result, of what a Function saved."""
    x = lib.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    y.grad_fn._raw_saved_self.register_hooks(lambda kept: kept * 2, lambda kept: kept)
    y.sum().backward()
    found = [x.grad.clone()]
    z = x.exp()
    z.grad_fn._raw_saved_result.register_hooks(lambda kept: kept, lambda kept: kept * 0)
    (first,) = lib.autograd.grad(z.sum(), x)

    def forward(ctx: Any, given: Any) -> Any:
        ctx.save_for_backward(given, None)
        return given * 3

    def backward(ctx: Any, g: Any) -> Any:
        return g * ctx.saved_tensors[0]

    cls = type("Kept", (lib.autograd.Function,), {"forward": staticmethod(forward), "backward": staticmethod(backward)})
    w = cls.apply(x)
    w.grad_fn._raw_saved_tensors[0].register_hooks(lambda kept: kept.sum(), lambda kept: lib.stack([kept, kept]))
    return [*found, first, lib.autograd.grad(w.sum(), x)]


def hung_wrongly(program: Made) -> Made:
    def run(lib: Any) -> Any:
        y = lib.tensor(1.0, requires_grad=True).exp()
        return program((y, y.grad_fn._raw_saved_result.register_hooks))

    return run


def twice(given: Any) -> None:
    for _ in range(2):
        given[1](lambda kept: kept, lambda kept: kept)


def after_freeing(given: Any) -> None:
    given[0].backward()
    given[1](lambda kept: kept, lambda kept: kept)


def parts_in_forward(lib: Any) -> Any:
    """A view that a forward made, and changed: it has the Function's backward, and is not to be changed outside."""

    def forward(ctx: Any, x: Any) -> Any:
        part = x.clone()[:2]
        part += 2
        return part

    def backward(ctx: Any, g: Any) -> Any:
        return lib.cat([g, g[:1]])

    cls = type("Part", (lib.autograd.Function,), {"forward": staticmethod(forward), "backward": staticmethod(backward)})
    x = lib.ones(3, requires_grad=True)
    out = cls.apply(x)
    (out * lib.tensor([1.0, 5.0])).sum().backward()
    same = {"forward": staticmethod(lambda ctx, x: x.view_as(x)), "backward": staticmethod(lambda ctx, g: g)}
    refusals = [
        text(lib, lambda _, cls=cls: cls.apply(lib.ones(3)).add_(x.sum()))
        for cls in (cls, type("Same", (lib.autograd.Function,), same))
    ]
    return out.grad_fn.name(), x.grad, refusals


def profiled(lib: Any) -> Any:
    found = [lib.autograd._profiler_enabled()]
    with lib.autograd.profiler.profile(use_kineto=lib.autograd.kineto_available()) as measured:
        found.append(lib.autograd._profiler_enabled())
        with lib.autograd.profiler.record_function("mine"):
            lib.ones(2) * 2
    names = [event.name for event in measured.function_events]
    return [*found, lib.autograd._profiler_enabled(), "aten::mul" in names, names.count("mine")]


def begun_at_a_leaf(lib: Any) -> Any:
    x = lib.tensor([1.0, 0.0, 2.0], requires_grad=True)
    x.backward(lib.tensor([1.0, 2.0, 3.0]))
    double = x.detach().double().requires_grad_()
    return x.grad, lib.autograd.grad(x, x, lib.ones(3)), lib.autograd.gradcheck(lambda a: a, double)


def with_complex(lib: Any) -> Any:
    x = lib.zeros(3, dtype=lib.complex64)
    x[0], x[x.real == 0] = 1 + 2j, 3j
    return x


def resized(lib: Any) -> Any:
    """Counted as changes, but to the same size; a format is taken over."""
    x, found = lib.rand(1), []
    for size in ((1, 2), (3,), (3,)):
        found.append((x.resize_(size)._version, x.shape))
    laid = lib.rand(2, 3, 4, 5).contiguous(memory_format=lib.channels_last)
    x.resize_as_(laid, memory_format=lib.preserve_format)
    return [*found, x._version, x.stride(), lib.rand(2).resize_as_(laid.contiguous()).stride()]


def without_grad(lib: Any) -> Any:
    with lib.no_grad():
        return lib.ones(2, requires_grad=True).numpy().tolist()


def handed_over(lib: Any) -> Any:
    """Of two leaves with one gradient the second takes its memory, and a hook's new gradient is the leaf's."""
    where = []

    class Both(lib.autograd.Function):
        @staticmethod
        def forward(ctx: Any, a: Any, b: Any) -> Any:
            return a + b

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            where.append(grad.data_ptr())
            return grad, grad

    a, b, c = (lib.ones(3, 2, requires_grad=True) for _ in range(3))
    Both.apply(a, b)[1][0].backward()
    node = c.view_as(c).grad_fn.next_functions[0][0]
    node.register_prehook(lambda grads: (grads[0] / 5,))
    c.register_post_accumulate_grad_hook(lambda leaf: leaf.grad.add_(1))
    node.register_hook(lambda _, grads: where.append(grads[0].sum().item()))
    c.sum().backward()
    return sum(where[0] == leaf.grad.data_ptr() for leaf in (a, b)), round(where[1], 4)


def kept_by_a_hook(lib: Any) -> Any:
    """What somebody holds is not the leaf's: a later backward does not change it."""
    x, held = lib.ones(2, requires_grad=True), []
    node = x.view_as(x).grad_fn.next_functions[0][0]
    node.register_prehook(lambda grads: held.append(grads[0] * 2) or (held[-1],))
    for _ in range(2):
        (x * 3).sum().backward()
    return x.grad, held


def the_same_object(lib: Any) -> Any:
    """What is saved and wants no gradient comes back as the object that it was, computed again or not."""
    checkpoint = importlib.import_module(f"{lib.__name__}.utils.checkpoint").checkpoint
    found = []

    class Saving(lib.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, y: Any) -> Any:
            ctx.save_for_backward(y)
            return x

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            found.append(ctx.saved_tensors[0] is y)
            return grad, None

    x, y = lib.ones(1, requires_grad=True), lib.ones(1)
    Saving.apply(x, y).backward()
    checkpoint(Saving.apply, x, y, use_reentrant=False).backward()
    return found


def one_within_another(lib: Any) -> Any:
    """Backwards 300 deep, each in the backward of a function; the modes are those of the outermost, errors come out."""
    found = []

    class Deeper(lib.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, fails: bool) -> Any:
            ctx.fails = fails
            with lib.enable_grad():
                ctx.inner = x.detach().requires_grad_() - 1
            return ctx.inner.detach()

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            if ctx.inner > 0:
                found.append(lib.is_grad_enabled())
                with lib.enable_grad():
                    out = Deeper.apply(ctx.inner, ctx.fails).sum()
                out.backward()
            elif ctx.fails:
                raise ValueError("at the end")
            return grad, None

    x = lib.tensor(300.0, requires_grad=True)
    Deeper.apply(x, False).sum().backward()
    said = text(lib, lambda lib: Deeper.apply(x, True).sum().backward())
    return len(found), any(found), x.grad, said


def without_a_derivative(lib: Any) -> Any:
    x = lib.tensor([3.0, 1.0, 3.0], requires_grad=True)
    flags = [lib.unique(x).requires_grad, lib.unique_consecutive(x, return_counts=True)[1].requires_grad]
    return flags, lib.unique(x).sum().backward()


def is_a_node(lib: Any) -> Any:
    """`Node` is no class that nodes derive from, and all are of it."""
    kind, found = importlib.import_module(f"{lib.__name__}.autograd.graph").Node, []

    class Same(lib.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            found.append(isinstance(ctx, kind))
            return x * 1

    out = Same.apply(lib.ones(1, requires_grad=True))
    for node in (out.grad_fn, out.exp().grad_fn, 1):
        found += [isinstance(node, kind), kind in type(node).mro()]
    return found, out.grad_fn.__class__ is Same._backward_cls, issubclass(kind, kind), isinstance(kind, kind)


def eigenpairs(lib: Any, largest: bool) -> Any:
    """A x = λ B x by `lobpcg`: the values, their gradient, and how far the vectors are from being solutions."""
    a = lib.arange(49.0, dtype=lib.float64).reshape(7, 7).sin()
    a = (a + a.T).requires_grad_()
    b = lib.eye(7, dtype=lib.float64) * lib.arange(1.0, 8.0, dtype=lib.float64)
    values, vectors = lib.lobpcg(a, 2, b, lib.eye(7, 2, dtype=lib.float64), largest=largest, niter=200, tol=1e-12)
    far = (a @ vectors - b @ vectors * values).abs().max() < 1e-4
    return values.detach().round(decimals=4), bool(far), lib.lobpcg(a, 2)[0].shape, lib.lobpcg(a, 3)


def older_names(lib: Any) -> Any:
    """Names of the compiled part; pellucid has them in the bridge."""
    torch_ = lib if lib is torch else importlib.import_module("pellucid.bridge.torch")
    c = torch._C if lib is torch else importlib.import_module("pellucid.bridge.torch._C")
    x = lib.tensor([3, 1, 3])
    c._set_cached_tensors_enabled(True)
    c._add_cached_tensor(x)
    known = c._is_cached_tensor(x)
    c._remove_cached_tensor(x)
    return (
        torch_._unique(x, return_inverse=True), torch_._unique2(x, return_counts=True),
        torch_._VF.unique_dim(x, 0, return_inverse=True), known, c._is_cached_tensor(x),
    )  # fmt: skip


EDGES: dict[str, Made] = {
    "one within another": one_within_another, "handed over": handed_over, "the same object": the_same_object,
    "kept by a hook": kept_by_a_hook, "without a derivative": without_a_derivative,
    "is a node": is_a_node, "the largest eigenvalues": lambda lib: eigenpairs(lib, True),
    "the smallest eigenvalues": lambda lib: eigenpairs(lib, False), "older names": older_names,
    "begun at an edge": begun, "of several": of_several, "hooks": counted, "a hook that returns": returned,
    "zeros": zeros_of, "zeros of an edge": unused_edge, "a class": decorated, "legacy": legacy, "switched": switched,
    "no scalar": lambda lib: lib.autograd.grad(edge(lib, False)[1], lib.ones(1, requires_grad=True)),
    "another shape": lambda lib: lib.autograd.grad((given := edge(lib))[1], given[2], lib.ones(4)),
    "complex": lambda lib: lib.autograd.grad((given := edge(lib))[1], given[2], lib.tensor(1j)),
    "both": lambda lib: lib.autograd.grad((x := lib.ones(1, requires_grad=True)) * 2, x, allow_unused=False,
                                          materialize_grads=True),
    "an index": lambda lib: [[1, 2, 3][lib.tensor([[1]])], "ab" * lib.tensor([2]), [1, 2][lib.tensor([0, 1])]],
    "a view, by a Function": overwritten_part, "defaults": halves, "at the end": at_the_end,
    "no zeros": lambda lib: halves(lib, _materialize_non_diff_grads=False), "inference": in_inference,
    "its own grad": refused(lambda given: setattr(given[1], "grad", given[1])),
    "data of integers": refused(lambda given: setattr(given[1], "data", given[0].tensor([1, 2]))),
    "data of nothing": refused(lambda given: setattr(given[1], "data", None)),
    "without data": deleted("data"), "nested": nested,
    "of inference": of_inference, "numpy": without_grad, "hung on": hung, "hung twice": hung_wrongly(twice),
    "hung late": hung_wrongly(after_freeing),
    "changing": hung_wrongly(lambda given: given[1](lambda kept: kept.add_(1), id)),
    "no tensor": lambda lib: lib.autograd.SavedTensor(),
    "resized": resized, "a leaf": begun_at_a_leaf, "complex numbers": with_complex,
    "complex, where it is not": lambda lib: lib.zeros(2).__setitem__(0, 1j), "parts": parts_in_forward,
    "profiled": profiled,
    "data of another layout": refused(lambda given: setattr(given[0].ones(2), "data", given[0].ones(2).to_sparse())),
    "rows": refused(lambda given: given[0].autograd.grad(given[1] * 2, given[1], given[0].ones(3),
                                                         is_grads_batched=True)),
    "in place": lambda lib: issubclass(lib.autograd.function.InplaceFunction, lib.autograd.Function),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
@pytest.mark.parametrize("name", EDGES)
def test_edges_and_hooks(name: str) -> None:
    assert text(pellucid, EDGES[name]) == text(torch, EDGES[name])


def test_a_size_whose_strides_are_no_numbers_of_64_bits() -> None:
    with pytest.raises(RuntimeError, match="Stride calculation overflowed"):
        pellucid.ones(1).resize_([0, 4, 2305843009213693952])


def pushed(lib: Any, kind: str) -> Any:
    """A function with a `jvp` of the given kind, in forward mode, and what it makes of the direction."""
    ad = importlib.import_module(f"{lib.__name__}.autograd.forward_ad")

    class Given(lib.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            if kind.startswith("in place"):
                ctx.mark_dirty(x)
                return x.mul_(2)
            marked = x.clone()
            if kind == "marked":
                ctx.mark_non_differentiable(marked)
            return x[:1] if kind.startswith("view") else x if kind.startswith("as it is") else marked

    def jvp(ctx: Any, t: Any) -> Any:
        return {
            "in place": lambda: t.mul_(2), "in place, not so": lambda: t * 2, "view": lambda: t[:1],
            "view of none": lambda: t[:1].clone(), "view of another": lambda: t.clone()[:1],
            "as it is": lambda: t.view_as(t), "as it is, not so": lambda: t, "marked": lambda: t * 1,
        }[kind]()  # fmt: skip

    if kind != "without":
        Given.jvp = staticmethod(jvp)
    with ad.dual_level():
        way = lib.tensor([1.0, 3.0])
        x = ad.make_dual(lib.tensor([0.5, 2.0]), way)
        out = ad.unpack_dual(Given.apply(x)).tangent
        return out.tolist(), out is way, out._base is way, way.tolist()


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("kind", [
    "in place", "in place, not so", "view", "view of none", "view of another", "as it is", "as it is, not so", "marked",
    "without",
])  # fmt: skip
def test_a_function_in_forward_mode(kind: str) -> None:
    assert text(pellucid, lambda lib: pushed(lib, kind)) == text(torch, lambda lib: pushed(lib, kind))


def test_the_switch_of_forward_mode() -> None:
    from pellucid.autograd import forward_ad
    from pellucid.bridge.torch import _C

    with forward_ad.dual_level():
        x = forward_ad.make_dual(pellucid.ones(1), pellucid.ones(1))
        with forward_ad._set_fwd_grad_enabled(False):
            assert not _C._is_fwd_grad_enabled()
            assert forward_ad.unpack_dual(x * 2).tangent is None
        assert forward_ad._is_fwd_grad_enabled()
        assert forward_ad.unpack_dual(x * 2).tangent == 2
