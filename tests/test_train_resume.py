"""A checkpoint goes on with the same bits, or is refused with what differs."""

import functools
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid as torch
from pellucid import nn, optim, train
from pellucid.nn import functional as F
from pellucid.random import streams
from pellucid.random.streams import find_streams, set_stream_state, stream_state
from pellucid.train import Callback, CheckpointError, Learner
from pellucid.utils.data import DataLoader, Dataset, RandomSampler, TensorDataset
from tests.test_train import arrays, same

STEPS = 4


def data(count: int = 40) -> TensorDataset:
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.normal(size=(count, 4)).astype(np.float32))
    return TensorDataset(x, torch.from_numpy(rng.integers(0, 3, count)))


def learner(*callbacks: Callback, **parts: Any) -> Learner:
    torch.manual_seed(0)
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    model = parts.get("model", lambda: nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Dropout(0.5), nn.Linear(6, 3)))()
    loader = parts.get("loader", lambda: DataLoader(data(), batch_size=10, shuffle=True))()
    optimizer = parts.get("optimizer", lambda p: optim.SGD(p, lr=0.1, momentum=0.9))
    loss = parts.get("loss", nn.CrossEntropyLoss)()
    return Learner(model, loader, loss, optimizer(model.parameters()), callbacks=callbacks, defaults=())


# Random streams


class Noisy(Dataset[Any]):
    """Each sample with noise from wherever `draw` takes it."""

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)
        self.plain = data()

    def __len__(self) -> int:
        return len(self.plain)

    def __getitem__(self, index: int) -> Any:
        x, y = self.plain[index]
        return x + 0.1 * float(self.draw(self)), y


class Slotted:
    __slots__ = ("rng",)

    def __init__(self) -> None:
        self.rng = random.Random(3)


def noisy(**attributes: Any) -> Callable[[], Any]:
    """A loader over `Noisy`; an attribute that is a function without arguments is made anew for each."""
    return lambda: DataLoader(
        Noisy(**{name: value if name == "draw" else value() for name, value in attributes.items()}),
        batch_size=10,
        shuffle=True,
    )


def closure() -> Any:
    rng = np.random.default_rng(4)
    return DataLoader(Noisy(draw=lambda own: rng.normal()), batch_size=10)


def sampled() -> Any:
    own = RandomSampler(data(), generator=torch.Generator().manual_seed(3))
    return DataLoader(data(), batch_size=10, sampler=own)


SOURCES: dict[str, Callable[[], Any]] = {
    "sampler": sampled,
    "numpy": noisy(draw=lambda own: np.random.normal()),  # noqa: NPY002
    "python": noisy(draw=lambda own: random.random()),
    "default": noisy(draw=lambda own: torch.randn(()).item()),
    "attribute": noisy(rng=lambda: np.random.default_rng(1), draw=lambda own: own.rng.normal()),
    "RandomState": noisy(rng=lambda: np.random.RandomState(1), draw=lambda own: own.rng.normal()),
    "Philox": noisy(rng=lambda: np.random.Generator(np.random.Philox(1)), draw=lambda own: own.rng.normal()),
    "Generator": noisy(rng=lambda: torch.Generator().manual_seed(1), draw=lambda own: own.rng.uniform((1,)).item()),
    "list in dict": noisy(
        transforms=lambda: {"noise": [Slotted(), (random.Random(2),)]},
        draw=lambda own: own.transforms["noise"][1][0].gauss(0, 1),
    ),
    "slots": noisy(transforms=lambda: [Slotted()], draw=lambda own: own.transforms[0].rng.random()),
    "method": noisy(normal=lambda: np.random.default_rng(5).normal, draw=lambda own: own.normal()),
    "partial": noisy(
        normal=lambda: functools.partial(np.random.default_rng(5).normal, 0.0), draw=lambda own: own.normal()
    ),
    "closure": closure,
}


@pytest.mark.parametrize("steps", [STEPS, STEPS + 2])
@pytest.mark.parametrize("source", SOURCES)
def test_random_streams_are_in_the_checkpoint(source: str, steps: int, tmp_path: Path) -> None:
    whole = learner(loader=SOURCES[source])
    whole.fit(3)
    part = learner(_SaveAt(steps, tmp_path / "x.safetensors"), loader=SOURCES[source])
    part.fit(3)
    rest = learner(loader=SOURCES[source])
    random.seed(9)
    np.random.seed(9)  # noqa: NPY002
    rest.load(tmp_path / "x.safetensors")
    rest.fit(until=3)
    assert same(whole.model.state_dict(), rest.model.state_dict())


class _SaveAt(Callback):
    """Saves in a hook, at a step."""

    observes = True

    def __init__(self, step: int, path: Path, hook: str = "after_batch", order: int = 0) -> None:
        self.step, self.path, self.order = step, path, order
        setattr(self, hook, self.save)

    def save(self, learner: Any) -> None:
        counted = learner.step + (learner._busy == "a batch")
        if counted == self.step and not self.path.exists():
            learner.save(self.path)


def test_a_stream_without_a_state_is_refused(tmp_path: Path) -> None:
    run = learner(loader=noisy(rng=random.SystemRandom, draw=lambda own: own.rng.random()))
    with pytest.raises(CheckpointError, match=r"loader\.dataset\.rng cannot be in a checkpoint. A SystemRandom has no"):
        run.save(tmp_path / "x.safetensors")


def test_another_stream_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    learner(loader=SOURCES["attribute"]).save(path)
    with pytest.raises(CheckpointError, match=r"random stream loader\.dataset\.rng is another one.*MT19937"):
        learner(loader=SOURCES["RandomState"]).load(path)
    with pytest.raises(CheckpointError, match=r"random stream loader\.dataset\.rng is missing"):
        learner(loader=SOURCES["numpy"]).load(path)


@pytest.mark.parametrize(
    "make",
    [
        lambda: random.Random(1),
        lambda: np.random.default_rng(1),
        lambda: np.random.Generator(np.random.MT19937(1)),
        lambda: np.random.Generator(np.random.SFC64(1)),
        lambda: np.random.RandomState(1),
    ],
)
def test_a_stream_goes_back_through_a_file(make: Callable[[], Any], tmp_path: Path) -> None:
    stream = make()
    [stream.gauss(0, 1) if isinstance(stream, random.Random) else stream.normal() for _ in range(3)]
    train.save_checkpoint(tmp_path / "x.safetensors", stream_state(stream))
    first = [stream.random() for _ in range(5)]
    other = make()
    set_stream_state(other, train.load_checkpoint(tmp_path / "x.safetensors"))
    assert [other.random() for _ in range(5)] == first
    assert list(find_streams({"a": {"b": (stream,)}, "c": stream})) == ["a['b'][0]"]


def _structured(stream: Any) -> Any:
    return np.array([(1, stream)], dtype=[("number", int), ("stream", object)])


@pytest.mark.parametrize(
    ("within", "path"),
    [
        (lambda stream: [(0, 1.0), (1, stream)], "a[1][1]"),
        (lambda stream: [(np.zeros(3), 0), (np.array([None, stream]), 1)], "a[1][0][1]"),
        (lambda stream: [[[[[[[[[stream]]]]]]]]], "a[0][0][0][0][0][0][0][0][0]"),
        (lambda stream: {"x": np.zeros(3), "y": {"z": stream}}, "a['y']['z']"),
        (lambda stream: (1, "text", None, {stream}), "a[3][0]"),
        (_structured, "a[0][1]"),
    ],
)
def test_a_stream_is_found_among_plain_values(within: Callable[[Any], Any], path: str) -> None:
    stream = random.Random(1)
    assert find_streams({"a": within(stream)}) == {path: stream}


def test_plain_values_are_not_looked_into_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_into: list[str] = []
    parts = streams._parts
    monkeypatch.setattr(streams, "_parts", lambda path, value: looked_into.append(path) or parts(path, value))
    round_and_round: list[Any] = [1]
    round_and_round.append(round_and_round)
    data = [(np.zeros(3), i, {"weight": 1.0}) for i in range(1000)]
    assert find_streams({"data": data, "columns": {"x": [*range(1000)]}, "tensor": torch.zeros(3)}) == {}
    assert looked_into == []
    assert find_streams({"round": round_and_round}) == {}


def test_what_shows_things_is_not_searched() -> None:
    """A console of rich leads to tens of thousands of objects, and each epoch would look at them all."""
    console = pytest.importorskip("rich.console").Console()
    seen: dict[int, object] = {}
    assert find_streams({"console": console}, seen=seen) == {}
    assert len(seen) < 20


def test_the_search_does_not_go_through_the_library() -> None:
    seen: dict[int, Any] = {}
    find_streams({"loader": DataLoader(data(), batch_size=10, shuffle=True)}, seen=seen)
    assert len(seen) < 30


@pytest.mark.parametrize("source", SOURCES)
def test_a_mock_training_leaves_every_stream_as_it_was(source: str) -> None:
    run = learner(loader=SOURCES[source])
    before = run.random_state()
    run.lr_find(steps=10)
    assert same(before, run.random_state())
    train.loss_landscape(run.model, run.loader, run.loss_function, points=2)
    assert same(before, run.random_state())


# Saving in any hook


@pytest.mark.parametrize("order", [-1000, 0, 1000])
@pytest.mark.parametrize("hook", train.HOOKS)
def test_saving_in_a_hook(hook: str, order: int, tmp_path: Path) -> None:
    """The step, the callbacks that come later, an average in the place of the model: all as after the batch."""
    path = tmp_path / "x.safetensors"

    def make(*more: Callback) -> Learner:
        torch.manual_seed(0)
        random.seed(0)
        np.random.seed(0)  # noqa: NPY002
        model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(0.5), nn.Linear(6, 3))
        loaders = DataLoader(data(), batch_size=10, shuffle=True), DataLoader(data(12), batch_size=5, shuffle=True)
        own = (train.EMA(0.5), train.Recorder(), train.ParamScheduler("lr", train.schedule.cosine(0.1, 0.01)))
        optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        return Learner(model, loaders, nn.CrossEntropyLoss(), optimizer, callbacks=[*own, *more], defaults=())

    whole = make()
    whole.fit(2)
    step = 0 if hook == "before_fit" else 2 * STEPS if hook == "after_fit" else STEPS
    make(_SaveAt(step, path, hook, order)).fit(2)
    rest = make()
    rest.load(path)
    rest.fit(until=2)
    assert same(whole.state_dict(), rest.state_dict())
    assert [row["step"] for row in rest.recorder.rows] == [row["step"] for row in whole.recorder.rows]


def test_a_step_that_was_made_counts_where_a_hook_fails(tmp_path: Path) -> None:
    class Fails(Callback):
        def after_step(self, learner: Any) -> None:
            if learner.step == 5:
                raise ZeroDivisionError

    whole = learner()
    whole.fit(2)
    run = learner(Fails())
    with pytest.raises(ZeroDivisionError):
        run.fit(2)
    run.callbacks.clear()
    run.save(tmp_path / "x.safetensors")
    rest = learner()
    rest.load(tmp_path / "x.safetensors")
    assert rest.step == 6
    rest.fit(until=2)
    assert same(whole.model.state_dict(), rest.model.state_dict())


# One cycle


@pytest.mark.parametrize("options", [{}, {"anneal": train.schedule.linear, "pct_start": 0.2}])
def test_one_cycle_goes_on(options: dict[str, Any], tmp_path: Path) -> None:
    whole = learner(train.Checkpoint(tmp_path, monitor=None))
    whole.fit_one_cycle(3, max_lr=0.5, **options)
    rest = learner()
    rest.load(tmp_path / f"epoch-0001-step-{STEPS:08d}.safetensors")
    with pytest.raises(ValueError, match=r"goes up to epoch 3: write fit\(until=3\)"):
        rest.fit(until=4)
    rest.fit(until=3)
    assert same(whole.model.state_dict(), rest.model.state_dict())
    rest.fit(until=4)  # the cycle is complete, so this is a fit like any other
    assert rest.optimizer.param_groups[0]["lr"] == 0.1


def test_one_cycle_of_a_shape_of_ones_own(tmp_path: Path) -> None:
    def half(start: float, end: float) -> Callable[[float], float]:
        return lambda part: start + (end - start) * part**0.5

    whole = learner(train.Checkpoint(tmp_path, monitor=None))
    whole.fit_one_cycle(3, max_lr=0.5, anneal=half)
    rest = learner()
    rest.load(tmp_path / f"epoch-0001-step-{STEPS:08d}.safetensors")
    with pytest.raises(ValueError, match=r"shaped by half.*Write fit_one_cycle\(until=3, max_lr=0\.5, anneal=half\)"):
        rest.fit(until=3)
    rest.fit_one_cycle(until=3, max_lr=0.5, anneal=half)
    assert same(whole.model.state_dict(), rest.model.state_dict())


# What is of another Learner


def with_weights() -> Any:
    return nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 3.0]))


SCHEDULE = train.schedule.cosine(0.1, 0.0)
OTHERS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "optimizer": (
        {"optimizer": lambda p: optim.Adam(p, lr=0.01)},
        {"optimizer": lambda p: optim.RMSprop(p, lr=0.01)},
        "the optimizer: class was Adam and is RMSprop",
    ),
    "groups": (
        {"optimizer": lambda p: optim.SGD([{"params": [q]} for q in p], lr=0.1)},
        {},
        "the optimizer: parameters of group 0 was 0.weight and is 0.weight, 0.bias",
    ),
    "order": ({"optimizer": lambda p: optim.SGD(list(p)[::-1], lr=0.1)}, {}, "parameters of group 0 was 3.bias, 3.we"),
    "activation": (
        {"model": lambda: nn.Sequential(nn.Linear(4, 3), nn.ReLU())},
        {"model": lambda: nn.Sequential(nn.Linear(4, 3), nn.Tanh())},
        r"the model: layer 1 was ReLU\(inplace=False\) and is Tanh\(\)",
    ),
    "dropout": (
        {"model": lambda: nn.Sequential(nn.Dropout(0.1), nn.Linear(4, 3))},
        {"model": lambda: nn.Sequential(nn.Dropout(0.2), nn.Linear(4, 3))},
        r"layer 0 was Dropout\(p=0.1, inplace=False\) and is Dropout\(p=0.2",
    ),
    "size": ({"model": lambda: nn.Linear(4, 3)}, {"model": lambda: nn.Linear(4, 3).double()}, "float32 and is .*64"),
    "loss": ({}, {"loss": nn.MultiMarginLoss}, "the loss: function was CrossEntropyLoss.* and is MultiMarginLoss"),
    "loss option": ({}, {"loss": lambda: nn.CrossEntropyLoss(label_smoothing=0.1)}, r"label_smoothing=0\.0\) and is"),
    "loss function": (
        {"loss": lambda: F.cross_entropy},
        {"loss": lambda: F.multi_margin_loss},
        "was cross_entropy and",
    ),
    "loss weight": (
        {"loss": with_weights},
        {},
        r"function was CrossEntropyLoss\(weight=tensor\(3,\).* and is CrossEntropyLoss\(weight=None",
    ),
    "batch size": (
        {},
        {"loader": lambda: DataLoader(data(), batch_size=5, shuffle=True)},
        "the data: batch_size was 10 and is 5",
    ),
    "number of samples": ({}, {"loader": lambda: DataLoader(data(50), batch_size=10, shuffle=True)}, "samples was 40"),
    "shuffle": (
        {},
        {"loader": lambda: DataLoader(data(), batch_size=10)},
        r"was RandomSampler\(.*is SequentialSampler",
    ),
    "callback": ({"callbacks": [train.EMA(0.9)]}, {}, r"the callbacks: EMA \(EMA\(decay=0\.9\)\) is missing"),
    "clip": ({"callbacks": [train.GradientClip(norm=1.0)]}, {}, "GradientClip.* is missing"),
    "schedule": ({"callbacks": [train.ParamScheduler("lr", SCHEDULE)]}, {}, "ParamScheduler.* is missing"),
    "setting": (
        {"callbacks": [train.Accumulate(2)]},
        {"callbacks": [train.Accumulate(4)]},
        r"Accumulate was Accumulate\(batches=2\) and is Accumulate\(batches=4\)",
    ),
}


def build(parts: dict[str, Any]) -> Learner:
    return learner(*parts.get("callbacks", ()), **{k: v for k, v in parts.items() if k != "callbacks"})


@pytest.mark.parametrize("what", OTHERS)
def test_a_checkpoint_of_another_learner_is_refused(what: str, tmp_path: Path) -> None:
    before, now, message = OTHERS[what]
    path = tmp_path / "x.safetensors"
    build(before).save(path)
    other = build(now)
    own = arrays(other.state_dict())
    with pytest.raises(CheckpointError, match=message) as caught:
        other.load(path)
    assert "x.safetensors" in str(caught.value) and "the model alone" in str(caught.value)
    assert all((a == b).all() for a, b in zip(own, arrays(other.state_dict()), strict=True))
    build(before).load(path)


def test_what_only_looks_may_be_left_out_or_added(tmp_path: Path) -> None:
    learner(train.Recorder(), train.NaNGuard(), train.GradientStats()).save(tmp_path / "x.safetensors")
    learner(train.GradientClip(norm=1.0)).load(tmp_path / "x.safetensors")


def test_the_loss_is_in_the_checkpoint(tmp_path: Path) -> None:
    class Learned(nn.Module):
        """The loss on a scale that is trained along."""

        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, output: Any, target: Any) -> Any:
            self.calls += 1
            return F.cross_entropy(output, target) * self.scale**2 * (1 + 0.1 * self.calls)

    def make() -> Learner:
        torch.manual_seed(0)
        model, loss = nn.Linear(4, 3), Learned()
        optimizer = optim.SGD([*model.parameters(), *loss.parameters()], lr=0.1)
        return Learner(model, DataLoader(data(), batch_size=10), loss, optimizer, defaults=())

    whole = make()
    whole.fit(2)
    part = make()
    part.fit(1)
    part.save(tmp_path / "x.safetensors")
    rest = make()
    rest.load(tmp_path / "x.safetensors")
    rest.fit(until=2)
    assert same(whole.state_dict()["loss"], rest.state_dict()["loss"])
    assert same(whole.model.state_dict(), rest.model.state_dict())


# Weighted as the loss weighs

LOSSES: dict[str, Callable[[], Any]] = {
    "ignore_index": nn.CrossEntropyLoss,
    "weights": lambda: nn.CrossEntropyLoss(weight=torch.tensor([0.2, 1.0, 5.0])),
    "function": lambda: F.cross_entropy,
}


@pytest.mark.parametrize("loss", LOSSES)
def test_accumulation_and_evaluation_are_weighted_as_the_loss_weighs(loss: str) -> None:
    x, y = data(48).tensors
    if loss != "weights":
        y[:20] = -100
    results = []
    for size, count in ((48, 1), (12, 4), (8, 6), (20, 3)):
        torch.manual_seed(0)
        model = nn.Linear(4, 3)
        loader = DataLoader(TensorDataset(x, y), batch_size=size)
        metrics = {"accuracy": train.Accuracy} if loss != "function" else {}
        run = Learner(
            model, loader, LOSSES[loss](), optim.SGD(model.parameters(), lr=0.1), metrics,
            [train.Accumulate(count)], defaults=(),
        )  # fmt: skip
        figures = run.evaluate(loader)
        run.fit(1)
        results.append([*figures.values(), run.train_loss, *model.weight.reshape(-1).tolist()])
    for row in results[1:]:
        np.testing.assert_allclose(row, results[0], rtol=2e-6, atol=1e-7)
