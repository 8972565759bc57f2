"""The tracer: a recorded step, replayed on new inputs, gives bit for bit what eager gives. No op knows of it."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid import nn, optim
from pellucid.compile import Program, TraceError, trace
from pellucid.core import Domain
from pellucid.declare import TABLE
from tests import op_samples
from tests.op_samples import SAMPLES
from tests.switches import REVERSED

op_samples.load()


def bits(value: Any) -> Any:
    """What must be equal: dtype, shape and bytes."""
    if isinstance(value, pellucid.Tensor):
        array = value.detach().numpy()
        return array.dtype, array.shape, array.tobytes()
    if isinstance(value, np.ndarray):
        return value.tobytes()
    if isinstance(value, tuple | list):
        return [bits(entry) for entry in value]
    if isinstance(value, dict):
        return {name: bits(entry) for name, entry in value.items()}
    return value


def same_but_for_rounding(got: Any, expected: Any) -> None:
    for entry, other in zip(got, expected, strict=True) if isinstance(got, tuple | list) else [(got, expected)]:
        if isinstance(entry, tuple | list):
            same_but_for_rounding(entry, other)
        elif isinstance(entry, pellucid.Tensor):
            np.testing.assert_allclose(entry.detach().numpy(), other.detach().numpy(), rtol=1e-4, atol=1e-5)
        else:
            assert entry == other


# --- whole training steps --------------------------------------------------------------------------------------------


def mlp() -> Any:
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(0.25), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 3))


def cnn() -> Any:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.5), nn.Flatten(),
        nn.Linear(4 * 3 * 3, 3),
    )  # fmt: skip


MODELS: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {"mlp": (mlp, (6,)), "cnn": (cnn, (1, 6, 6))}
OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "SGD": lambda params: optim.SGD(params, lr=0.1),
    "SGD with momentum": lambda params: optim.SGD(params, lr=0.1, momentum=0.9, weight_decay=1e-3, nesterov=True),
    "Adam": lambda params: optim.Adam(params, lr=0.01, weight_decay=1e-3),
    "AdamW with amsgrad": lambda params: optim.AdamW(params, lr=0.01, amsgrad=True),
    "RMSprop": lambda params: optim.RMSprop(params, lr=0.01, momentum=0.5, centered=True),
    "Adagrad": lambda params: optim.Adagrad(params, lr=0.01),
}


def step_of(model: Any, optimizer: Any, to_none: bool = True) -> Callable[[Any, Any], Any]:
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad(set_to_none=to_none)
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def batches(shape: tuple[int, ...], count: int) -> list[tuple[Any, Any]]:
    rng = np.random.default_rng(3)
    return [
        (
            pellucid.from_numpy(rng.normal(size=(5, *shape)).astype(np.float32)),
            pellucid.from_numpy(rng.integers(0, 3, 5)),
        )
        for _ in range(count)
    ]


def everything(model: Any, optimizer: Any, losses: list[Any]) -> Any:
    return bits([
        losses, model.state_dict(), [parameter.grad for parameter in model.parameters()],
        [dict(optimizer.state[parameter]) for parameter in model.parameters()],
        pellucid.default_generator.get_state(),
    ])  # fmt: skip


def train(model: str, optimizer: str, traced: bool, to_none: bool = True, warm_up: int = 2) -> Any:
    """A few steps to warm up, then as many as make six, of which none, or all but the first, are replays."""
    build, shape = MODELS[model]
    pellucid.manual_seed(7)
    net = build()
    descent = OPTIMIZERS[optimizer](net.parameters())
    step = step_of(net, descent, to_none)
    data = batches(shape, 6)
    losses = [step(*batch) for batch in data[:warm_up]]
    if traced:
        program = trace(step, *data[warm_up])  # this step is done, too
        losses.append(None)
        losses += [program(*batch) for batch in data[warm_up + 1 :]]
        assert len(program) > 20
    else:
        losses += [step(*batch) for batch in data[warm_up:]]
    losses[warm_up] = None
    return everything(net, descent, losses)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("model", MODELS)
def test_a_training_step(model: str, optimizer: str) -> None:
    """Losses, parameters, buffers, gradients, the optimiser's state and the random stream: equal bits."""
    assert train(model, optimizer, traced=True) == train(model, optimizer, traced=False)


@pytest.mark.parametrize("optimizer", ["SGD with momentum", "Adam"])
def test_the_very_first_step(optimizer: str) -> None:
    """The optimiser makes its state while it is recorded: to the program it is memory that was there before."""
    assert train("mlp", optimizer, True, warm_up=0) == train("mlp", optimizer, False, warm_up=0)


def test_gradients_zeroed_in_place() -> None:
    assert train("mlp", "SGD", True, to_none=False) == train("mlp", "SGD", False, to_none=False)


def test_gradients_that_accumulate() -> None:
    """A step that starts with gradients, and adds to them, adds in each replay."""

    def run(traced: bool) -> Any:
        pellucid.manual_seed(7)
        net = mlp().eval()
        data = batches((6,), 4)

        def add(x: Any, y: Any) -> Any:
            loss = nn.functional.cross_entropy(net(x), y)
            loss.backward()
            return loss.detach()

        add(*data[0])
        if traced:
            program = trace(add, *data[1])
            for batch in data[2:]:
                program(*batch)
        else:
            for batch in data[1:]:
                add(*batch)
        return bits([parameter.grad for parameter in net.parameters()])

    assert run(True) == run(False)


def test_clipped_gradients() -> None:
    """What lies between backward and step is recorded as well."""

    def run(traced: bool) -> Any:
        pellucid.manual_seed(7)
        net = mlp()
        descent = optim.SGD(net.parameters(), lr=0.5)

        def step(x: Any, y: Any) -> Any:
            descent.zero_grad()
            loss = nn.functional.cross_entropy(net(x), y)
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 0.1)
            descent.step()
            return loss

        data = batches((6,), 4)
        step(*data[0])
        run_one: Any = trace(step, *data[1]) if traced else step
        if not traced:
            step(*data[1])
        for batch in data[2:]:
            run_one(*batch)
        return bits(net.state_dict())

    assert run(True) == run(False)


def test_a_gradient_penalty() -> None:
    """create_graph within a trace."""

    def run(traced: bool) -> Any:
        pellucid.manual_seed(7)
        net = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 1))
        descent = optim.SGD(net.parameters(), lr=0.1)

        def step(x: Any) -> Any:
            descent.zero_grad()
            x = x.detach().requires_grad_()
            out = net(x).sum()
            (slope,) = pellucid.autograd.grad(out, x, create_graph=True)
            loss = ((slope.norm(dim=1) - 1) ** 2).mean() + out**2
            loss.backward()
            descent.step()
            return loss.detach(), slope.detach()

        data = [x for x, _ in batches((6,), 4)]
        step(data[0])
        if not traced:
            step(data[1])
            found = [step(x) for x in data[2:]]
        else:
            program = trace(step, data[1])
            found = [program(x) for x in data[2:]]
        return bits([found, net.state_dict()])

    assert run(True) == run(False)


# --- every op of the table -------------------------------------------------------------------------------------------


def numbers(domain: Domain, shape: tuple[int, ...], rng: np.random.Generator, kind: Any) -> np.ndarray:
    if domain.integers:
        return rng.integers(0, 6, shape)
    low, high = max(domain.low, -3.0) + domain.margin, min(domain.high, 3.0) - domain.margin
    return rng.uniform(low, high, shape).astype(kind)


def calls_of(name: str) -> list[tuple[list[Any], dict[str, Any], bool]]:
    """(arguments, attributes, whether there is a gradient) to try: the sample rows, else numbers from the domain."""
    op = TABLE[name]
    rows = SAMPLES.get(name) or SAMPLES.get(name.removesuffix("_"), [])
    if rows:
        return [(list(row.args), row.attributes, row.gradient) for row in rows]
    if op.domain is None:
        return []
    rng = np.random.default_rng(5)
    shapes = [(3, 1, 4), (2, 1), (4,)] if not op.mutates else [(3, 4)] * 3
    return [
        ([numbers(op.domain, shapes[i % 3], rng, kind) for i in range(op.required)], {}, True)
        for kind in ("float64", "float32")
    ]


def fresh(value: Any) -> Any:
    """Other numbers of the same kind, within the same domain and in the same order; indices and masks stay."""
    if isinstance(value, list):
        return [fresh(entry) for entry in value]
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return np.asarray(value * 0.75, value.dtype)
    return value


def arrays_in(value: Any) -> list[np.ndarray]:
    if isinstance(value, list):
        return [entry for item in value for entry in arrays_in(item)]
    return [value] if isinstance(value, np.ndarray) else []


def filled(template: Any, tensors: Any) -> Any:
    if isinstance(template, list):
        return [filled(entry, tensors) for entry in template]
    return next(tensors) if isinstance(template, np.ndarray) else template


TRACED = [name for name in TABLE if calls_of(name)]


@pytest.mark.parametrize("name", TRACED)
def test_op(name: str) -> None:
    """Forward and backward, recorded on one set of numbers and replayed on another."""
    op = TABLE[name]
    for args, attributes, differentiable in calls_of(name):
        if op.mutates and not isinstance(args[0], np.ndarray):
            continue  # a row of the op that is not in place

        def run(*tensors: Any, args: Any = args, attributes: Any = attributes, differ: bool = differentiable) -> Any:
            differ = differ and bool(op.rules)
            leaves = [leaf.detach().requires_grad_(differ and leaf.is_floating_point()) for leaf in tensors]
            copied = [leaf.clone() for leaf in leaves] if op.mutates else leaves
            result = op(*filled(args, iter(copied)), **attributes)
            out = result[0] if isinstance(result, tuple | list) else result
            if not out.requires_grad:
                return result, []
            wanted = [leaf for leaf in leaves if leaf.requires_grad]
            return result, pellucid.autograd.grad((out * out.detach()).sum(), wanted, materialize_grads=True)

        first = [pellucid.tensor(array) for array in arrays_in(args)]
        again = [pellucid.tensor(array) for array in arrays_in(fresh(args))]
        pellucid.manual_seed(1)
        program = trace(run, *first)
        pellucid.manual_seed(2)
        replayed = program(*[tensor.clone() for tensor in again])
        pellucid.manual_seed(2)
        expected = run(*[tensor.clone() for tensor in again])
        if REVERSED:  # a rule may take a product by an operator, which the switch does not reach
            same_but_for_rounding(replayed, expected)
        else:
            assert bits(replayed) == bits(expected)


# --- effects and captures --------------------------------------------------------------------------------------------


def test_captured_tensors_are_read_anew() -> None:
    w = pellucid.tensor([1.0, 2.0])
    program = trace(lambda x: x * w, pellucid.ones(2))
    w.mul_(10)
    assert program(pellucid.ones(2)).tolist() == [10.0, 20.0]


def test_captured_tensors_are_changed() -> None:
    total = pellucid.zeros(2)
    program = trace(lambda x: total.add_(x) * 2, pellucid.ones(2))
    assert total.tolist() == [1.0, 1.0]
    version = total._version
    assert program(pellucid.tensor([5.0, 6.0])).tolist() == [12.0, 14.0]
    assert total.tolist() == [6.0, 7.0]
    assert total._version == version + 1


def test_a_replay_after_an_earlier_forward_is_noticed() -> None:
    """A replay that changes a captured tensor counts as a change for a graph that saved it."""
    w = pellucid.ones(2)
    x = pellucid.ones(2, requires_grad=True)
    program = trace(lambda y: w.add_(y), pellucid.ones(2))
    out = (x * w).sum()
    program(pellucid.ones(2))
    with pytest.raises(RuntimeError, match="inplace operation"):
        out.backward()


def test_a_new_array_behind_a_captured_tensor() -> None:
    """load_state_dict and .data may put another array there; the replay reads what is there now."""
    w = pellucid.ones(2)
    program = trace(lambda x: x * w, pellucid.ones(2))
    w.data = pellucid.tensor([3.0, 4.0])
    assert program(pellucid.ones(2)).tolist() == [3.0, 4.0]


def test_gradients_of_leaves() -> None:
    w = pellucid.ones(2, requires_grad=True)

    def run(x: Any) -> None:
        w.grad = None
        (w * x).sum().backward()

    program = trace(run, pellucid.ones(2))
    assert program(pellucid.tensor([5.0, 6.0])) is None
    assert w.grad.tolist() == [5.0, 6.0]
    first = w.grad
    program(pellucid.tensor([7.0, 8.0]))
    assert first.tolist() == [5.0, 6.0], "a replay makes a gradient of its own"


def test_gradients_of_a_leaf_known_by_another_name() -> None:
    """The parameter's memory is seen first through .data or detach()."""
    w = pellucid.ones(2, requires_grad=True)

    def run(x: Any) -> Any:
        w.grad = None
        decay = (w.detach() * x).sum()
        (w * x).sum().backward()
        return decay

    program = trace(run, pellucid.ones(2))
    program(pellucid.tensor([5.0, 6.0]))
    assert w.grad.tolist() == [5.0, 6.0]


def test_gradients_of_an_input() -> None:
    x = pellucid.ones(2, requires_grad=True)

    def run(x: Any) -> None:
        (x * x).sum().backward()

    program = trace(run, x)
    other = pellucid.tensor([5.0, 6.0], requires_grad=True)
    program(other)
    assert other.grad.tolist() == [10.0, 12.0]
    assert x.grad.tolist() == [2.0, 2.0]


def test_random_ops_draw_anew() -> None:
    def run(x: Any) -> Any:
        return x + pellucid.rand(3), pellucid.randn(3), nn.functional.dropout(x, 0.5), pellucid.randperm(5)

    x = pellucid.ones(3)
    program = trace(run, x)
    pellucid.manual_seed(4)
    replayed = [program(x), program(x)]
    pellucid.manual_seed(4)
    eager = [run(x), run(x)]
    assert bits(replayed) == bits(eager)
    assert bits(replayed[0]) != bits(replayed[1])


def test_views_and_changes_in_place() -> None:
    def run(x: Any) -> Any:
        y = x * 1
        y[0] = 5
        part = y[1:]
        part.mul_(2)
        y.reshape(-1)[-1] += 1
        y.T.add_(x.T)
        return y, part, y.sum()

    x = pellucid.tensor([[1.0, 2.0], [3.0, 4.0]])
    program = trace(run, x)
    for _ in range(2):
        x = x * 3
        assert bits(program(x)) == bits(run(x))


def test_views_differentiated() -> None:
    def run(x: Any) -> Any:
        x = x.detach().requires_grad_()
        y = x * 2
        y[:, 0] = x[:, 1] * x[:, 0]
        y[0].mul_(x[1])
        (y * y).sum().backward()
        return x.grad

    x = pellucid.tensor([[1.0, 2.0], [3.0, 4.0]])
    program = trace(run, x)
    x = x - 5
    assert bits(program(x)) == bits(run(x))


def test_an_input_changed_in_place() -> None:
    program = trace(lambda x: x.add_(1), pellucid.zeros(2))
    given = pellucid.zeros(2)
    program(given)
    assert given.tolist() == [1.0, 1.0]


def test_a_function_of_the_user_s() -> None:
    class Cube(pellucid.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x**3, x * 2

        @staticmethod
        def backward(ctx: Any, g: Any, h: Any) -> Any:
            (x,) = ctx.saved_tensors
            return g * 3 * x**2 + h * 2

    w = pellucid.ones(2, requires_grad=True)

    def run(x: Any) -> Any:
        w.grad = None
        out, _ = Cube.apply(w * x)
        (out * out).sum().backward()
        return out.detach(), w.grad

    program = trace(run, pellucid.ones(2))
    x = pellucid.tensor([0.3, -0.7])
    assert bits(program(x)) == bits(run(x))


def test_an_input_overwritten_that_backward_needs() -> None:
    """The first input (slot 0) is kept by a copy, which is a step of its own."""

    def run(x: Any) -> Any:
        w = pellucid.ones(2).requires_grad_()
        y = w * 1
        x.mul_(y)
        (x * 3).sum().backward()
        return w.grad, x.detach()

    program = trace(run, pellucid.ones(2))
    x = pellucid.tensor([5.0, 6.0])
    assert bits(program(x.clone())) == bits(run(x.clone()))


def test_another_thread_is_not_recorded() -> None:
    import threading

    def aside() -> None:
        w = pellucid.ones(2, requires_grad=True)
        y = w * 2
        y.mul_(w).sum().backward()
        assert y.tolist() == [2.0, 2.0]

    failures: list[BaseException] = []

    def guarded() -> None:
        try:
            aside()
        except BaseException as failure:
            failures.append(failure)

    def run(x: Any) -> Any:
        thread = threading.Thread(target=guarded)
        thread.start()
        thread.join(10)
        return x * 2

    program = trace(run, pellucid.ones(2))
    assert failures == []
    assert len(program) == 1


def test_hooks_take_part() -> None:
    w = pellucid.ones(2, requires_grad=True)
    w.register_hook(lambda g: g * 3)

    def run(x: Any) -> Any:
        w.grad = None
        y = w * x
        y.register_hook(lambda g: g + 1)
        y.sum().backward()
        return w.grad

    program = trace(run, pellucid.ones(2))
    x = pellucid.tensor([5.0, 6.0])
    assert bits(program(x)) == bits(run(x))


def test_structures_come_back() -> None:
    """The result is the same nest; what is no tensor is a constant; an input may be handed back."""

    def run(x: Any, y: Any) -> Any:
        return {"sum": x + y, "both": (x, [y, 3, None]), "text": "t", "sorted": pellucid.sort(x)}

    program = trace(run, pellucid.ones(2), pellucid.ones(2))
    x, y = pellucid.tensor([2.0, 1.0]), pellucid.tensor([5.0, 6.0])
    found = program(x, y)
    assert bits(found["both"]) == bits((x, [y, 3, None]))
    assert found["sum"].tolist() == [7.0, 7.0]
    assert found["text"] == "t"
    assert found["sorted"].values.tolist() == [1.0, 2.0]


def test_a_captured_tensor_comes_back() -> None:
    w = pellucid.ones(2)
    program = trace(lambda x: (w, w * x), pellucid.ones(2))
    assert program(pellucid.ones(2))[0] is w


def test_mixed_dtypes_and_numbers() -> None:
    def run(x: Any, n: Any) -> Any:
        return x * n + 2, n / 2, x.double() * x, n.float().mean(), (x > n).sum()

    program = trace(run, pellucid.ones(3), pellucid.tensor([1, 2, 3]))
    given = pellucid.tensor([0.5, 2.5, -1.0]), pellucid.tensor([4, 5, -6])
    assert bits(program(*given)) == bits(run(*given))


def test_nothing_is_left_behind() -> None:
    """After a trace, and after one that failed, reading is allowed and ops are not recorded."""
    x = pellucid.ones(2)
    trace(lambda x: x + 1, x)
    assert x.tolist() == [1.0, 1.0]
    with pytest.raises(KeyError):
        trace(lambda x: {}["missing"], x)
    assert x.tolist() == [1.0, 1.0]
    assert pellucid.core.state.interpreters == ()


def test_within_anomaly_detection() -> None:
    with pellucid.autograd.detect_anomaly():
        program = trace(lambda x: x * 2 + 1, pellucid.ones(2))
    assert program(pellucid.tensor([3.0, 4.0])).tolist() == [7.0, 9.0]

    def inside(x: Any) -> Any:
        with pellucid.autograd.detect_anomaly():
            return x * 2 + 1

    assert trace(inside, pellucid.ones(2))(pellucid.tensor([3.0, 4.0])).tolist() == [7.0, 9.0]


def test_the_listing() -> None:
    w = pellucid.ones(2, 2)
    program = trace(lambda x: pellucid.sum(x @ w, dim=0), pellucid.ones(3, 2))
    assert str(program) == "%1 = matmul(%0, <float32 (2, 2)>)\n%2 = sum(%1, dim=0)"
    assert len(program) == 2
    assert isinstance(program, Program)
    assert [step.op.name for step in program.steps] == ["matmul", "sum"]


def test_a_program_keeps_no_more_than_it_needs() -> None:
    """Values are let go after their last use: a long chain needs the memory of a few values."""
    import tracemalloc

    def run(x: Any) -> Any:
        for _ in range(50):
            x = x * 1.01
        return x.sum()

    x = pellucid.ones(100_000)
    program = trace(run, x)
    tracemalloc.start()
    program(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * 400_000


# --- what a trace refuses --------------------------------------------------------------------------------------------

READS: dict[str, Callable[[Any], Any]] = {
    "item": lambda x: (x * 2).sum().item(),
    "if": lambda x: 1 if (x > 0).all() else 0,
    "tolist": lambda x: (x * 2).tolist(),
    "numpy": lambda x: (x * 2).numpy(),
    "array": lambda x: np.asarray(x * 2),
    "float": lambda x: float(x.sum()),
    "int": lambda x: int(x.sum()),
    "range": lambda x: range(x.sum().long()),
    "print": lambda x: str(x * 2),
    "format": lambda x: f"{x.sum():.2f}",
    "of the input": lambda x: x.tolist(),
    "dlpack": lambda x: np.from_dlpack(x * 2),
    "equal": lambda x: pellucid.equal(x, x * 2),
    "in": lambda x: 1.0 in x,
    "list": lambda x: [float(number) for number in x],
    "a captured tensor that is changed here": None,  # below
}


@pytest.mark.parametrize("name", [name for name, run in READS.items() if run])
def test_reading_is_refused(name: str) -> None:
    with pytest.raises(TraceError, match="a value was read while tracing") as refused:
        trace(READS[name], pellucid.ones(2))
    assert "Return the tensor from the traced function" in str(refused.value)
    assert "test_trace.py:" in str(refused.value)


def test_reading_what_the_step_changes_is_refused() -> None:
    total = pellucid.zeros(())

    def run(x: Any) -> Any:
        total.add_(x.sum())
        return total.item()

    with pytest.raises(TraceError, match="a value was read while tracing"):
        trace(run, pellucid.ones(2))


def test_reading_a_constant_is_allowed() -> None:
    """What the step does not change may be read: it is a constant of the program, like a learning rate."""
    rate = pellucid.tensor(0.5)
    program = trace(lambda x: x * rate.item(), pellucid.ones(2))
    assert program(pellucid.tensor([2.0, 4.0])).tolist() == [1.0, 2.0]


@pytest.mark.filterwarnings("ignore:To copy construct")
def test_copying_by_hand_is_refused() -> None:
    """tensor(t) takes the numbers of t; clone() and deepcopy() are recorded."""
    with pytest.raises(TraceError, match="a value was read while tracing"):
        trace(lambda x: pellucid.tensor(x * 2), pellucid.ones(2))
    program = trace(lambda x: (copy.deepcopy(x), x.detach().clone()), pellucid.ones(2))
    assert bits(program(pellucid.tensor([3.0, 4.0]))) == bits([pellucid.tensor([3.0, 4.0])] * 2)


def test_other_memory_behind_a_tensor_is_refused() -> None:
    w = pellucid.ones(2)

    def run(x: Any) -> None:
        y = w * x
        w.data = y

    with pytest.raises(TraceError, match=r"float32 \(2,\).*was replaced while tracing.*copy_"):
        trace(run, pellucid.ones(2))


def test_a_replay_that_fails_names_the_step() -> None:
    program = trace(lambda x, i: x[i] * 2, pellucid.ones(3), pellucid.tensor([0, 1]))
    with pytest.raises(IndexError) as failed:
        program(pellucid.ones(3), pellucid.tensor([0, 7]))
    assert "in the replay of %2 = index(%0, %1" in failed.value.__notes__[0]


def test_other_shapes_are_refused() -> None:
    program = trace(lambda x, y: x + y, pellucid.ones(2), pellucid.ones(2))
    for given in (
        (pellucid.ones(3), pellucid.ones(3)),
        (pellucid.ones(2), pellucid.ones(2, dtype=pellucid.float64)),
        (pellucid.ones(2),),
    ):
        with pytest.raises(TraceError, match=r"traced for inputs \(float32 \(2,\), float32 \(2,\)\), and got"):
            program(*given)


def test_only_tensors_go_in() -> None:
    with pytest.raises(TypeError, match="argument 1 is int"):
        trace(lambda x, n: x * n, pellucid.ones(2), 3)
    program = trace(lambda x: x * 2, pellucid.ones(2))
    with pytest.raises(TypeError, match="argument 0 is int"):
        program(3)


def test_a_copy_of_a_model_does_not_disturb() -> None:
    """Two programs over two models of one kind know their own parameters."""
    layer = nn.Linear(2, 2)
    other = copy.deepcopy(layer)
    first = trace(layer, pellucid.ones(1, 2))
    second = trace(other, pellucid.ones(1, 2))
    with pellucid.no_grad():
        other.weight.zero_()
        other.bias.zero_()
    x = pellucid.ones(1, 2)
    assert bits(first(x)) == bits(layer(x))
    assert second(x).tolist() == [[0.0, 0.0]]
