"""`autograd.graph`, `forward_ad` and the profiler, against PyTorch: what programs hang on a graph, and see of it."""

import importlib
import warnings
from typing import Any

import pytest

import pellucid
from tests.twins import both_raise, same

with warnings.catch_warnings():  # PyTorch imports it at the first dual, and it calls what is deprecated
    warnings.simplefilter("ignore")
    importlib.import_module("torch._decomp.decompositions_for_jvp")

A, B = [0.5, -1.5, 2.0], [1.0, 3.0, -0.25]


def leaf(t: Any, data: Any) -> Any:
    return t.tensor(data, dtype=t.float64, requires_grad=True)


def module(t: Any, name: str) -> Any:
    return importlib.import_module(f"{t.__name__}.autograd.{name}")


def nodes(t: Any) -> list[Any]:
    """Hooks of nodes and of the arrivals at leaves, in their order, and what they replace."""
    x, w = leaf(t, A), leaf(t, 3.0)
    y = x * w
    log: list[Any] = []
    y.register_hook(lambda g: log.append(("tensor", g)))
    y.grad_fn.register_prehook(lambda grads: (grads[0] * 2,))
    y.grad_fn.register_hook(lambda inputs, outputs: log.append(("node", *inputs, *outputs)))
    y.grad_fn.register_hook(lambda inputs, outputs: (inputs[0] + 1, inputs[1]))
    arrival = y.grad_fn.next_functions[0][0]
    arrival.register_hook(lambda inputs, outputs: log.append(("arrival", t.clone(outputs[0]), x.grad.clone())))
    handle = arrival.register_prehook(lambda grads: (grads[0] * 10,))
    y.exp().sum().backward(retain_graph=True)
    handle.remove()
    (x * x).sum().backward()
    return [*log, x.grad, w.grad]


def twice_the_same(t: Any) -> list[Any]:
    x = leaf(t, A)
    y = x * x
    log: list[Any] = []
    y.grad_fn.register_hook(lambda inputs, outputs: log.extend((*inputs, *outputs)))
    (g,) = t.autograd.grad(y.sum(), x, create_graph=True)
    g.sum().backward()
    return [*log, g, x.grad]


def of_a_function(t: Any) -> list[Any]:
    class Both(t.autograd.Function):
        @staticmethod
        def forward(ctx: Any, a: Any, b: Any) -> Any:
            ctx.save_for_backward(a)
            ctx.k = 5
            return a * 2, b * 3

        @staticmethod
        def backward(ctx: Any, g: Any, h: Any) -> Any:
            return g * 2, h * 3

    a, b = leaf(t, A), leaf(t, B)
    p, q = Both.apply(a, b)
    log: list[Any] = [p.grad_fn.next_functions[0][0].variable is a, p.grad_fn.k, *p.grad_fn.saved_tensors]
    p.grad_fn.register_prehook(lambda grads: log.extend(grads))
    p.grad_fn.register_hook(lambda inputs, outputs: log.extend((*inputs, *outputs)))
    (p * q).sum().backward()
    return [*log, a.grad, b.grad]


def packed(t: Any) -> list[Any]:
    """What is saved goes through the hooks, of nested ones the inner; a second derivative through what was unpacked."""
    graph = module(t, "graph")
    x = leaf(t, A)
    with graph.saved_tensors_hooks(lambda saved: saved, lambda saved: saved * 2):
        with graph.saved_tensors_hooks(lambda saved: saved.numpy().copy(), lambda saved: t.as_tensor(saved * 3)):
            y = (x * x).sum()
        z = x.exp()
    outside = x.sin()
    (y + z.sum() + outside.sum()).backward()
    first = x.grad.clone()
    x.grad = None
    with graph.save_on_cpu():
        cube = (x * x * x).sum()
    (slope,) = t.autograd.grad(cube, x, create_graph=True)
    slope.sum().backward()
    return [first, slope, x.grad]


def entered_and_left_within(t: Any) -> list[Any]:
    """Hooks that a backward enters or leaves stand as before when it is done; an error of theirs comes out as it is."""
    graph = module(t, "graph")
    x, calls = leaf(t, A), []
    outer = graph.saved_tensors_hooks(
        lambda saved: saved, lambda saved: calls.append("out") or outer.__exit__() or saved
    )
    with outer:
        x.sin().sum().backward()
    late = graph.saved_tensors_hooks(lambda saved: calls.append("late") or saved, lambda saved: saved)
    with graph.saved_tensors_hooks(lambda saved: saved, lambda saved: late.__enter__() or saved):
        x.cos().sum().backward()
    x.exp().sum().backward()
    with graph.saved_tensors_hooks(lambda saved: saved, lambda saved: saved.nothing):
        y = x.exp().sum()
    with pytest.raises(AttributeError, match="nothing"):
        y.backward()
    return [len(calls), x.grad]


def after_accumulating(t: Any) -> list[Any]:
    """Several hooks on one leaf, called one after the other."""
    x = leaf(t, A)
    x.register_post_accumulate_grad_hook(lambda tensor: (tensor.sub_(tensor.grad), None)[1])
    x.register_post_accumulate_grad_hook(lambda tensor: (tensor.mul_(4.0), None)[1])
    x.sum().backward()
    return [x]


def packed_function(t: Any) -> list[Any]:
    class Square(t.autograd.Function):
        @staticmethod
        def forward(ctx: Any, a: Any) -> Any:
            out = a * a
            ctx.save_for_backward(a, out)
            return out

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            a, out = ctx.saved_tensors
            return g * 2 * a + 0 * out

    x = leaf(t, A)
    seen: list[Any] = []
    with module(t, "graph").saved_tensors_hooks(lambda saved: seen.append(saved.shape) or saved, lambda saved: saved):
        y = Square.apply(x)
    (g,) = t.autograd.grad(y.sum(), x, create_graph=True)
    g.sum().backward()
    return [len(seen), g, x.grad]


def changed_in_place(t: Any) -> list[Any]:
    x = leaf(t, A)
    with module(t, "graph").allow_mutation_on_saved_tensors():
        y = x.clone()
        out = (y * y).sum() + y.exp().sum()
        y.zero_()
        out.backward()
    return [x.grad]


def several(t: Any) -> list[Any]:
    graph = module(t, "graph")
    a, b, c = leaf(t, A), leaf(t, B), leaf(t, A)
    log: list[Any] = []
    handle = graph.register_multi_grad_hook((a, b, c), lambda grads: log.append([*grads]))
    graph.register_multi_grad_hook((a, b), lambda g: log.append(g), mode="any")
    (a * b).sum().backward()
    (a * c).sum().backward(inputs=[a])
    handle.remove()
    (a * b * c).sum().backward()
    flat: list[Any] = []
    for entry in log:
        flat += entry if isinstance(entry, list) else [entry]
    return flat


def edges(t: Any) -> list[Any]:
    graph = module(t, "graph")
    x = leaf(t, A)
    y = x * 2
    at, middle = graph.get_gradient_edge(x), graph.get_gradient_edge(y)
    z = (y * y).sum()
    found = [*t.autograd.grad(z, [at, middle], retain_graph=True)]
    y.backward(gradient=t.ones_like(y), retain_graph=True)
    return [*found, *t.autograd.grad(middle, x, t.ones(3, dtype=t.float64)), middle.output_nr, at.node.variable is x]


def batched(t: Any) -> list[Any]:
    x = leaf(t, A)
    rows = t.autograd.grad(x.exp() * 2, x, t.eye(3, dtype=t.float64), is_grads_batched=True)
    return [*rows, rows[0].shape]


def duals(t: Any) -> list[Any]:
    fwd = module(t, "forward_ad")
    x, v, w = t.tensor(A), t.tensor(B), leaf(t, 3.0)
    with fwd.dual_level():
        dual = fwd.make_dual(x, v)
        out = fwd.unpack_dual(dual.exp() * dual)
        same_tangent = fwd.unpack_dual(dual).tangent is v
        none = fwd.unpack_dual(x * 2).tangent
        weighted = fwd.unpack_dual(fwd.make_dual(x.double() * w, v.double()) ** 3)
        weighted.tangent.sum().backward()
    after = fwd.unpack_dual(dual).tangent
    with t.no_grad(), fwd.dual_level():
        quiet = fwd.unpack_dual(fwd.make_dual(x, v).sin())
    layer = t.nn.Linear(3, 2)
    t.nn.init.constant_(layer.weight, 0.5)
    with fwd.dual_level():
        weight = layer.weight.detach()
        del layer.weight
        layer.weight = fwd.make_dual(weight, t.ones(2, 3))
        moved = fwd.unpack_dual(layer(x)).tangent.detach()
    return [
        *out,
        out.tangent.requires_grad,
        same_tangent,
        none,
        *weighted,
        w.grad,
        after,
        *quiet,
        moved,
        type(out)._fields,
    ]


PROGRAMS = [
    nodes, twice_the_same, of_a_function, packed, packed_function, changed_in_place,
    entered_and_left_within, after_accumulating, several, edges, batched, duals,
]  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_program(program: Any) -> None:
    same(program)


def forbidden(t: Any) -> None:
    graph = module(t, "graph")
    with graph.disable_saved_tensors_hooks("not here"), graph.saved_tensors_hooks(lambda s: s, lambda s: s):
        pass


def unpacked_to_a_number(t: Any) -> None:
    x = leaf(t, A)
    with module(t, "graph").saved_tensors_hooks(lambda saved: 1, lambda saved: saved):
        y = x.exp().sum()
    y.backward()


def changed_by_the_pack_hook(t: Any) -> None:
    with module(t, "graph").saved_tensors_hooks(lambda saved: saved.zero_(), lambda saved: saved):
        leaf(t, A).exp()


def no_level(t: Any) -> None:
    module(t, "forward_ad").make_dual(t.ones(2), t.ones(2))


def two_levels(t: Any) -> None:
    with module(t, "forward_ad").dual_level(), module(t, "forward_ad").dual_level():
        pass


def another_shape(t: Any) -> None:
    with module(t, "forward_ad").dual_level():
        module(t, "forward_ad").make_dual(t.ones(2), t.ones(3))


def whole_numbers(t: Any) -> None:
    with module(t, "forward_ad").dual_level():
        module(t, "forward_ad").make_dual(t.ones(2, dtype=t.int64), t.ones(2, dtype=t.int64))


def one_gradient_too_many(t: Any) -> None:
    y = leaf(t, A).exp()
    y.grad_fn.register_prehook(lambda grads: (grads[0], grads[0]))
    y.sum().backward()


def another_mode(t: Any) -> None:
    module(t, "graph").register_multi_grad_hook((leaf(t, A),), print, mode="some")


def no_edge(t: Any) -> None:
    module(t, "graph").get_gradient_edge(t.ones(2))


@pytest.mark.parametrize("refused", [
    forbidden, unpacked_to_a_number, changed_by_the_pack_hook, no_level, two_levels, another_shape, whole_numbers,
    one_gradient_too_many, another_mode, no_edge,
])  # fmt: skip
def test_refused(refused: Any) -> None:
    both_raise(refused)


def test_a_profile_counts_the_ops() -> None:
    """Not beside PyTorch's, which ends the process where tests have run in it before."""
    profiler = importlib.import_module("pellucid.bridge.torch.profiler")
    turns: list[Any] = []
    plan = profiler.schedule(wait=1, warmup=1, active=2, repeat=2)
    with profiler.profile(schedule=plan, on_trace_ready=lambda p: turns.append(p.key_averages())) as measured:
        for _ in range(10):
            with profiler.record_function("step"):
                pellucid.ones(3).exp()
            measured.step()
    counts = [{event.key: event.count for event in turn} for turn in turns]
    assert [(count["step"], count["aten::exp"]) for count in counts] == [(2, 2), (2, 2)]
    step = next(event for event in turns[0] if event.key == "step")
    assert 0 < step.self_cpu_time_total < step.cpu_time_total
    assert "Self CPU time total" in turns[0].table(sort_by="cpu_time_total", row_limit=3)


def test_events_are_made_and_gathered_by_hand() -> None:
    """Which call lies within which, by the times in each thread; sums of sums; a table of what lies within nothing."""
    util = importlib.import_module("pellucid.autograd.profiler_util")
    spans = [(1, 0, 1), (1, 1, 2), (0, 0, 2), (0, 1, 2), (0, 1, 3)]
    events = util.EventList(
        util.FunctionEvent(id=at, name="own", thread=thread, start_us=start, end_us=end)
        for at, (thread, start, end) in enumerate(spans)
    )
    events._populate_cpu_children()
    assert [[child.id for child in event.cpu_children] for event in events] == [[], [], [], [], [3]]
    total = util.FunctionEventAvg().add(events[0]).add(events[4])
    assert (total.add(total).count, total.key, total.cpu_time_total, total.self_cpu_time_total) == (4, "own", 6, 4)
    text = events.table(row_limit=-1, header="ALL", top_level_events_only=True)
    assert (text.count("own"), "ALL" in text, util._format_time(1500)) == (4, True, "1.500ms")


def test_an_event_of_an_op_has_the_number_of_its_node() -> None:
    x = pellucid.ones(2, requires_grad=True)
    with pellucid.autograd.profiler.profile() as measured:
        y = x / 3
        handle = importlib.import_module("pellucid.bridge.torch.ops").profiler._record_function_enter("range")
        pellucid.ones(2)
        importlib.import_module("pellucid.bridge.torch.ops").profiler._record_function_exit(handle)
    found = {event.name: event for event in measured.function_events}
    assert found["aten::div"].sequence_nr == y.grad_fn._sequence_nr()
    assert (found["aten::full"].sequence_nr, found["aten::full"].cpu_parent) == (-1, found["range"])
