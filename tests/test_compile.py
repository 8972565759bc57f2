"""`pellucid.compile`: whole training steps equal eager's; what a record cannot hold runs as it is, with a message."""

import copy
import inspect
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid import nn, optim
from pellucid.compile.cost import Peak, cost, roofline
from pellucid.compile.graph import verify
from pellucid.compile.passes import PASSES
from pellucid.declare import TABLE
from pellucid.experiments import session as runs
from pellucid.train import ActivationStats, Callback, GradientStats, Learner, NaNGuard
from tests.sampled import sampled
from tests.test_trace import TRACED, arrays_in, calls_of, filled, fresh

functional = nn.functional
compiling: Any = pellucid.compile  # a module that can be called


def quietly(function: Callable[..., Any]) -> Any:
    """Compiled, where falling back would be an error."""
    return compiling(function, fullgraph=True)


class Letters(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.letters, self.past = nn.Embedding(7, 6), nn.LSTM(6, 8, batch_first=True)
        self.head = nn.Linear(8, 7)

    def forward(self, x: Any) -> Any:
        return self.head(self.past(self.letters(x))[0]).reshape(-1, 7)


class Translator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.letters = nn.Embedding(7, 16)
        self.layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, activation="gelu")
        self.head = nn.Linear(16, 7)

    def forward(self, x: Any) -> Any:
        return self.head(self.layer(self.letters(x))).reshape(-1, 7)


def mlp() -> Any:
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(0.25), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 3))


def cnn() -> Any:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.5), nn.Flatten(),
        nn.Linear(4 * 3 * 3, 3),
    )  # fmt: skip


def numbers(*shape: int) -> Callable[[Any], Any]:
    return lambda rng: (
        pellucid.from_numpy(rng.normal(size=(5, *shape)).astype(np.float32)), pellucid.from_numpy(rng.integers(0, 3, 5))
    )  # fmt: skip


def words(rng: Any) -> Any:
    return pellucid.from_numpy(rng.integers(0, 7, (4, 5))), pellucid.from_numpy(rng.integers(0, 7, 20))


MODELS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "MLP": (mlp, numbers(6)), "CNN": (cnn, numbers(1, 6, 6)), "LSTM": (Letters, words),
    "transformer": (Translator, words),
}  # fmt: skip
OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "SGD": lambda params: optim.SGD(params, lr=0.05),
    "SGD with momentum": lambda params: optim.SGD(params, lr=0.02, momentum=0.9, weight_decay=1e-3, nesterov=True),
    "AdamW": lambda params: optim.AdamW(params, lr=0.003),
    "RMSprop": lambda params: optim.RMSprop(params, lr=0.003, momentum=0.5, centered=True),
}


def train(model: str, optimizer: str, compiled: bool, steps: int = 20) -> Any:
    """Losses, weights, buffers, gradients and the random stream after some steps."""
    build, batch = MODELS[model]
    pellucid.manual_seed(7)
    net = build()
    descent = OPTIMIZERS[optimizer](net.parameters())

    def step(x: Any, y: Any) -> Any:
        descent.zero_grad()
        loss = functional.cross_entropy(net(x), y)
        loss.backward()
        descent.step()
        return loss

    run = quietly(step) if compiled else step
    rng = np.random.default_rng(3)
    losses = [run(*batch(rng)).item() for _ in range(steps)]
    if compiled:
        assert run.runs == steps - 2
    grads = [parameter.grad.numpy() for parameter in net.parameters()]
    return losses, [each.numpy() for each in net.state_dict().values()], grads, pellucid.default_generator.get_state()


@pytest.mark.parametrize(
    ("model", "optimizer"),
    sampled(
        [("MLP", name) for name in OPTIMIZERS]
        + [("CNN", "SGD with momentum"), ("LSTM", "AdamW"), ("transformer", "SGD with momentum")],
        4,
    ),
)
def test_a_training_step_of_twenty(model: str, optimizer: str) -> None:
    """Within 2e-4 of eager after twenty steps; the random stream is where eager's is."""
    got, expected = train(model, optimizer, True), train(model, optimizer, False)
    np.testing.assert_allclose(got[0], expected[0], rtol=2e-4)
    for entry, other in zip([*got[1], *got[2]], [*expected[1], *expected[2]], strict=True):
        np.testing.assert_allclose(entry, other, rtol=2e-4, atol=2e-5)
    assert np.array_equal(got[3], expected[3])


def linear_step(model: Any, descent: Any) -> Callable[[Any, Any], Any]:
    def step(x: Any, y: Any) -> Any:
        descent.zero_grad()
        loss = functional.mse_loss(model(x), y)
        loss.backward()
        descent.step()
        return loss

    return step


def test_the_graph_is_right_between_the_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    from pellucid.compile import recording

    seen = []

    def checked(name: str, run: Callable[[Any], None]) -> Callable[[Any], None]:
        def both(graph: Any) -> None:
            run(graph)
            verify(graph)
            seen.append(name)

        return both

    monkeypatch.setattr(recording, "PASSES", tuple((name, checked(name, run)) for name, run in PASSES))
    train("CNN", "AdamW", True, steps=3)
    assert seen == [name for name, _ in PASSES]


def test_a_graph_that_is_none_is_refused() -> None:
    run = quietly(lambda x: (x * 2).sum())
    for _ in range(2):
        run(pellucid.ones(3))
    (graph,) = (recording.graph for known in run._recordings.values() for recording in known)
    graph.nodes.reverse()
    with pytest.raises(ValueError, match="is read before it is made"):
        verify(graph)


def test_a_learning_rate_that_changes_is_read_at_each_run() -> None:
    def run(compiled: bool) -> Any:
        pellucid.manual_seed(0)
        model: Any = nn.Linear(3, 1)
        descent = optim.AdamW(model.parameters(), lr=0.1)
        step = linear_step(model, descent)
        step = quietly(step) if compiled else step
        for i in range(6):
            descent.param_groups[0]["lr"] = 0.1 / (i + 1)
            step(pellucid.ones(2, 3), pellucid.zeros(2, 1))
        assert not compiled or step.runs == 4
        return model.weight.tolist()

    np.testing.assert_allclose(run(True), run(False), rtol=1e-5)


def test_what_is_handed_out_is_not_written_to_again() -> None:
    model: Any = nn.Linear(3, 1)
    step = quietly(linear_step(model, optim.SGD(model.parameters(), lr=0.1)))
    x, y = pellucid.ones(2, 3), pellucid.zeros(2, 1)
    for _ in range(2):
        step(x, y)
    loss, grad = step(x, y), model.weight.grad
    kept = loss.item(), grad.tolist()
    step(x, y)
    assert (loss.item(), grad.tolist()) == kept
    with pytest.raises(RuntimeError, match="a second time"):
        loss.backward()


def test_gradients_that_are_not_reset_add_up() -> None:
    def run(compiled: bool) -> Any:
        pellucid.manual_seed(0)
        model: Any = nn.Linear(3, 1)

        def step(x: Any) -> Any:
            loss = model(x).square().sum()
            loss.backward()
            return loss

        step = quietly(step) if compiled else step
        for i in range(7):
            step(pellucid.ones(2, 3) * i)
            if i == 4:
                model.zero_grad()
        return model.weight.grad.tolist()

    np.testing.assert_allclose(run(True), run(False), rtol=1e-5)


def test_other_shapes_modes_and_parameters_are_recorded_anew() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 1))
    other = copy.deepcopy(model)

    def forward(x: Any) -> Any:
        with pellucid.no_grad():
            return model(x)

    run = quietly(forward)
    for rows in (2, 2, 2, 5, 5, 5):
        model.eval()
        x = pellucid.randn(rows, 3)
        np.testing.assert_allclose(run(x).numpy(), forward(x).numpy(), rtol=1e-5)
    model.train()
    assert any(not np.array_equal(run(x).numpy(), run(x).numpy()) for _ in range(8))
    model.eval()
    model[0] = other[0]
    for _ in range(3):
        np.testing.assert_allclose(run(x).numpy(), forward(x).numpy(), rtol=1e-5)
    with pellucid.no_grad():
        model[0].weight.mul_(2)
    np.testing.assert_allclose(run(x).numpy(), forward(x).numpy(), rtol=1e-5)
    model.load_state_dict(nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 1)).state_dict())
    np.testing.assert_allclose(run(x).numpy(), forward(x).numpy(), rtol=1e-5)


class Counting:
    """What the functions below change."""

    def __init__(self) -> None:
        self.count = 0
        self.factor = 2.0
        self.kept: list[Any] = []
        self.table: dict[str, Any] = {}


about = Counting()
stream = np.random.default_rng(0)
batches = iter([pellucid.ones(2)] * 9)


def branches(x: Any) -> Any:
    return x * 2 if x.sum() > 0 else x


def reads(x: Any) -> Any:
    return x * x.max().item()


def prints(x: Any) -> Any:
    print(end="")
    return x * 2


def counts(x: Any) -> Any:
    about.count += 1
    return x * 2


def keeps(x: Any) -> Any:
    about.kept.append(x * 2)
    return x * 2


def notes(x: Any) -> Any:
    about.table["last"] = x * 2
    return x * 2


def draws(x: Any) -> Any:
    return x * float(stream.normal())


def takes(x: Any) -> Any:
    return x * next(batches)


def from_array(x: Any) -> Any:
    return x * pellucid.tensor(np.ones(2, np.float32))


def overwrites(x: Any) -> Any:
    return x.mul_(2)


REFUSED: dict[Callable[..., Any], str] = {
    branches: "a value was read while tracing", reads: "a value was read while tracing", prints: r"it calls print\(\)",
    counts: "it sets 'count'", keeps: "it changes a list", notes: "it sets 'last'", draws: "a generator of NumPy",
    takes: "an iterator", from_array: "it makes a tensor of an array", overwrites: "it overwrites an argument",
}  # fmt: skip


@pytest.mark.parametrize("function", REFUSED, ids=lambda function: function.__name__)
def test_what_a_record_cannot_hold_runs_as_it_is(function: Callable[..., Any]) -> None:
    """With a message, once; with the effects of each call; and with `fullgraph=True` it is an error."""
    global batches
    batches = iter([pellucid.ones(2)] * 9)
    about.__init__()
    run = compiling(function)
    run(pellucid.ones(2))
    with pytest.warns(UserWarning, match=REFUSED[function]):
        run(pellucid.ones(2))
    run(pellucid.ones(2))
    assert run.runs == 0
    assert about.count == (3 if function is counts else 0)
    assert len(about.kept) == (3 if function is keeps else 0)
    assert REFUSED[function].replace("\\", "")[:12] in run.explain()


def test_what_sets_something_is_named_by_its_line() -> None:
    about.__init__()
    for function, first in ((counts, "about.count += 1"), (notes, 'about.table["last"] = x * 2')):
        lines, start = inspect.getsourcelines(function)
        line = start + next(i for i, text in enumerate(lines) if first in text)
        with pytest.warns(UserWarning, match=rf"test_compile\.py, line {line}\)"):
            [run(pellucid.ones(2)) for run in [compiling(function)] * 2]


def test_a_number_from_outside_is_watched() -> None:
    about.factor = 2.0
    run = quietly(lambda x: x * about.factor)
    for factor in (2.0, 2.0, 2.0, 3.0, 3.0, 3.0):
        about.factor = factor
        assert run(pellucid.ones(2)).tolist() == [factor] * 2
    assert run.runs == 4


def test_a_compiled_module_has_what_the_module_has() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5))
    run = quietly(model)
    assert [*run.parameters()] == [*model.parameters()] and [*run.state_dict()] == [*model.state_dict()]
    run.eval()
    with pellucid.no_grad():
        x = pellucid.ones(2, 3)
        assert all(pellucid.equal(run(x), model(x)) for _ in range(3)) and run.runs == 2
    assert not model.training
    other = copy.deepcopy(run)
    assert other.function is not model and pellucid.equal(other(x), model(x))
    with pytest.raises(AttributeError, match="nowhere"):
        run.nowhere  # noqa: B018


def test_explain_shows_the_graphs_and_the_loops() -> None:
    run = quietly(lambda x: ((x * 2 + 1).relu()).exp())
    assert "has not been recorded yet" in run.explain()
    for _ in range(2):
        run(pellucid.ones(2, 3))
    text = run.explain()
    for part in ("recorded, 4 applications", "for each of (2, 3):", "(not stored)", "def run(x0):"):
        assert part in text


def test_explain_shows_what_each_kernel_costs() -> None:
    model = nn.Linear(100, 30)
    descent = optim.SGD(model.parameters(), lr=0.1)

    def step(x: Any) -> Any:
        descent.zero_grad()
        loss = model(x).relu().square().sum()
        loss.backward()
        descent.step()
        return loss

    run = quietly(step)
    for _ in range(3):
        run(pellucid.ones(20, 100))
    (recording,) = (recording for known in run._recordings.values() for recording in known)
    found = [cost(node) for node in recording.graph.nodes]
    costs = {each.name.split(" = ")[-1]: each for each in found if each is not None}
    assert costs["matmul"].operations == 2 * 20 * 100 * 30
    assert costs["matmul"].bytes == 4 * (20 * 100 + 100 * 30 + 20 * 30)
    assert costs["descend"].operations == 2 * 20 * 100 * 30
    text = roofline(recording.graph, Peak(1e9, 1e8))
    assert "a kernel below 10.0 operations a byte waits for memory" in text
    assert re.search(r" 22\.4 +120\.0 +5\.36 +224\.0  memory +%\d+ = matmul", text)
    assert "µs at the least" in run.explain(roofline=True) and "µs at the least" not in run.explain()


@pytest.mark.parametrize("last", ["pass", "optimizer.zero_grad()"])
@pytest.mark.parametrize("arguments", ["x, y", ""])
def test_a_script_whose_step_is_called_like_a_method_in_it(arguments: str, last: str) -> None:
    source = f"""
import pellucid as torch
from pellucid import nn, optim

model = nn.Linear(8, 3)
optimizer = optim.Adam(model.parameters(), lr=0.01)
x, y = torch.randn(32, 8), torch.randint(0, 3, (32,))

def step({arguments}):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    {last}
    return loss

step = torch.compile(step)
for _ in range(6):
    step({arguments})
"""
    names: dict[str, Any] = {}
    exec(source, names)  # noqa: S102
    assert names["step"].fallback is None
    assert names["step"].runs == 4


def test_options_of_pytorch_are_taken() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert compiling(mode="reduce-overhead", dynamic=True)(abs)(-1) == 1
        assert compiling(abs, disable=True) is abs
    with pytest.raises(TypeError, match="expects a function"):
        compiling(3)


@pytest.mark.parametrize("odd", [-100, 3, -1])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_classes_that_are_ignored_or_out_of_range(odd: int, reduction: str) -> None:
    """-100 is left out of the loss and of the gradient; others are the error that eager mode raises."""
    scores = pellucid.tensor([[1.0, 2.0, 3.0], [0.5, -1.0, 2.0]])

    def slope(target: Any) -> Any:
        leaf = scores.detach().requires_grad_()
        loss = functional.cross_entropy(leaf, target, reduction=reduction)
        return loss.detach(), pellucid.autograd.grad(loss, leaf)[0]

    run = quietly(slope)
    for _ in range(3):
        run(pellucid.tensor([0, 2]))
    target = pellucid.tensor([1, odd])
    if odd == -100:
        close(run(target), slope(target))
        return
    with pytest.raises(IndexError) as error:
        run(target)
    with pytest.raises(IndexError) as expected:
        slope(target)
    assert str(odd) in str(error.value) and str(odd) in str(expected.value)


# --- every op of the table -------------------------------------------------------------------------------------------


def flat(value: Any) -> list[Any]:
    return [entry for item in value for entry in flat(item)] if isinstance(value, tuple | list) else [value]


def close(got: Any, expected: Any) -> None:
    """float32 within 2e-5, float64 within 1e-10 (relative, or 1e-6 absolute); all else equal."""
    for entry, other in zip(flat(got), flat(expected), strict=True):
        if not isinstance(entry, pellucid.Tensor):
            assert entry == other
            continue
        assert (entry.dtype, entry.shape) == (other.dtype, other.shape)
        x, y = entry.detach().numpy(), other.detach().numpy()
        if x.dtype.kind in "fc":
            np.testing.assert_allclose(x, y, rtol=2e-5 if x.dtype.itemsize < 8 else 1e-10, atol=1e-6)
        else:
            np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("name", sampled(TRACED, 100))
def test_op(name: str) -> None:
    """Forward and backward of each op: compiled equals eager on numbers that it was not recorded with."""
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
            slopes = pellucid.autograd.grad((out * out.detach()).sum(), wanted, materialize_grads=True)
            return [entry.detach() for entry in flat(result) if isinstance(entry, pellucid.Tensor)], slopes

        def given(of: Any, args: Any = args) -> list[Any]:
            return [pellucid.tensor(array) for array in arrays_in(of(args))]

        compiled = compiling(run, quiet=True)
        pellucid.manual_seed(1)
        for _ in range(2):
            compiled(*given(lambda args: args))
        pellucid.manual_seed(2)
        got = compiled(*given(fresh))
        pellucid.manual_seed(2)
        close(got, run(*given(fresh)))


# --- the Learner -----------------------------------------------------------------------------------------------------


class Looks(Callback):
    """Looks at the gradients, so that the update is a step of its own."""

    def after_backward(self, learner: Any) -> None:
        assert all(parameter.grad is not None for parameter in learner.model.parameters())


class Halves(Callback):
    """Changes the loss, so that backward must not be done yet."""

    def after_loss(self, learner: Any) -> None:
        learner.loss = learner.loss / 2


@pytest.mark.parametrize(("callbacks", "compiled"), [([], [True]), ([Looks], [False]), ([Halves], [])])
def test_a_learner_that_compiles_learns_the_same(callbacks: list[Any], compiled: list[bool]) -> None:
    """The whole step, or up to the gradients, or nothing of it; the last batch is smaller than the others."""

    def fit(compile: bool) -> Any:
        pellucid.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 3))
        rng = np.random.default_rng(1)
        data = [
            (
                pellucid.from_numpy(rng.normal(size=(n, 4)).astype(np.float32)),
                pellucid.from_numpy(rng.integers(0, 3, n)),
            )
            for n in (6, 6, 6, 2)
        ]
        descent = optim.Adam(model.parameters(), lr=0.01)
        learner = Learner(
            model, data, nn.CrossEntropyLoss(), descent, callbacks=[kind() for kind in callbacks], defaults=(),
            compile=compile,
        )  # fmt: skip
        learner.fit(4)
        if compile:
            assert [*learner._steps] == compiled
            assert all(step.runs > 8 and step.fallback is None for step in learner._steps.values())
        return learner.train_loss, model[0].weight.tolist()

    got, expected = fit(True), fit(False)
    np.testing.assert_allclose(got[0], expected[0], rtol=1e-4)
    np.testing.assert_allclose(got[1], expected[1], rtol=1e-4, atol=1e-5)


def test_statistics_are_those_of_eager_steps() -> None:
    """Steps in which the layers are watched run as they are, the others compiled."""

    def fit(compile: bool) -> tuple[Any, Any]:
        pellucid.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
        data = [(pellucid.randn(6, 4), pellucid.randint(0, 3, (6,))) for _ in range(5)]
        watching: Any = [ActivationStats(every=4), GradientStats(every=4), NaNGuard()]
        descent = optim.Adam(model.parameters(), lr=0.01)
        learner = Learner(model, data, nn.CrossEntropyLoss(), descent, callbacks=watching, compile=compile)
        learner.fit(4)
        if compile:
            (step,) = learner._steps.values()
            assert step.fallback is None and step.runs >= 12
        return watching[0].record(), watching[1].record()

    for got, expected in zip(fit(True), fit(False), strict=True):
        assert [*got] == [*expected]
        for name, columns in expected.items():
            assert np.array_equal(got[name]["step"], columns["step"]) and len(columns["step"]) == 6
            for key in ("mean", "gradient_norm", "update_ratio"):
                if key in columns:
                    np.testing.assert_allclose(got[name][key], columns[key], rtol=1e-4, atol=1e-6)


def test_the_command_line_compiles_where_it_is_asked_to(tmp_path: Path) -> None:
    session = runs.start({"dataset": "circle", "model": "mlp:8", "epochs": 2, "compile": True}, tmp_path / "run")
    session.run()
    (step,) = session.learner._steps.values()
    assert step.fallback is None and step.runs > 3
    assert session.config.options["compile"] is True
