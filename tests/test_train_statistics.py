"""Hooks, statistics of activations and gradients, and `watch`: each number against one computed in another way."""

import gc
import json
import math
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import pellucid
from pellucid import Tensor, from_numpy, manual_seed, nn, no_grad, ones, optim, tensor, zeros
from pellucid.core import state
from pellucid.train import ActivationStats, Callback, GradientStats, Hooks, Learner, SkipBatch, watch
from pellucid.train.records import histogram
from pellucid.utils.data import DataLoader, TensorDataset

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 3)).astype(np.float32)
Y = RNG.integers(0, 2, 12)
STEPS = 4  # per epoch


def network() -> Any:
    manual_seed(0)
    return nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 5), nn.Tanh(), nn.Dropout(0.3), nn.Linear(5, 2))


def learner(*callbacks: Callback, model: Any = None, lr: float = 0.1) -> Learner:
    model = model or network()
    data = TensorDataset(from_numpy(X), from_numpy(Y))
    batches = (DataLoader(data, batch_size=3, shuffle=True), DataLoader(data, batch_size=5))
    return Learner(model, batches, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=lr), callbacks=callbacks)


def hooks_of(model: Any) -> int:
    tables = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return sum(len(getattr(module, table)) for module in model.modules() for table in tables)


def same(first: Any, other: Any) -> None:
    """Two records, or states, are equal to the bit."""
    assert first.keys() == other.keys()
    for key, value in first.items():
        if isinstance(value, dict):
            same(value, other[key])
        else:
            np.testing.assert_array_equal(value, other[key], strict=True)


class Failure(Exception):
    pass


# Hooks


def test_hooks_see_each_layer_forward_and_backward_and_are_gone_afterwards() -> None:
    model, seen = network(), []
    x = from_numpy(X).requires_grad_()
    with Hooks(
        model,
        forward=lambda name, layer, inputs, output: seen.append((name, type(layer).__name__, tuple(output.shape))),
        backward=lambda name, layer, grad_input, grad_output: seen.append((name, tuple(grad_output[0].shape))),
    ) as hooks:
        assert list(hooks.layers) == list("012345")
        model(x).sum().backward()
    assert seen[:3] == [("0", "Linear", (12, 6)), ("1", "ReLU", (12, 6)), ("2", "Linear", (12, 5))]
    assert seen[6:] == [("5", (12, 2)), ("4", (12, 5)), ("3", (12, 5)), ("2", (12, 5)), ("1", (12, 6)), ("0", (12, 6))]
    assert hooks_of(model) == 0


def test_the_gradients_that_hooks_see_are_those_of_pytorch() -> None:
    found: dict[str, dict[str, list[np.ndarray]]] = {}
    weights = [RNG.normal(size=(4, 3)).astype(np.float32), RNG.normal(size=(2, 4)).astype(np.float32)]
    for lib in (pellucid, torch):
        model = lib.nn.Sequential(lib.nn.Linear(3, 4, bias=False), lib.nn.Sigmoid(), lib.nn.Linear(4, 2, bias=False))
        x = lib.from_numpy(X.copy()).requires_grad_()
        with lib.no_grad():
            model[0].weight.copy_(lib.from_numpy(weights[0].copy()))
            model[2].weight.copy_(lib.from_numpy(weights[1].copy()))
        mine = found[lib.__name__] = {}

        def keep(name: str, layer: Any, ins: Any, outs: Any, mine: dict[str, Any] = mine) -> None:
            mine[name] = [gradient.detach().numpy().copy() for gradient in (*ins, *outs)]

        with Hooks(model, backward=keep):
            (model(x) ** 2).sum().backward()
    assert list(found["pellucid"]) == list(found["torch"]) == ["2", "1", "0"]
    for name, arrays in found["torch"].items():
        for array, other in zip(found["pellucid"][name], arrays, strict=True):
            np.testing.assert_allclose(array, other, rtol=1e-5, atol=1e-6)


def test_hooks_are_removed_when_the_block_fails_and_when_a_hook_does() -> None:
    model = network()

    def fail(*_: Any) -> None:
        raise Failure

    hooks = Hooks(model, forward=fail, backward=fail)
    with pytest.raises(Failure), hooks:
        model(ones(hooks_of(model) // 12, 3))  # a batch of one, if each layer has its two hooks
    assert hooks_of(model) == 0
    with pytest.raises(TypeError, match="a hook is a function"):
        # The first layers have their hooks by the time that one of them refuses.
        model[2].register_forward_hook(3)
    model[2].register_forward_hook = fail
    with pytest.raises(Failure):
        Hooks(model, forward=print).attach()
    assert hooks_of(model) == 0


def test_hooks_where_they_are_asked_for() -> None:
    model = nn.Sequential(nn.Sequential(nn.Linear(2, 2), nn.ReLU()), nn.Linear(2, 2))
    assert list(Hooks(model).layers) == ["0.0", "0.1", "1"]
    assert list(Hooks(model, where="0").layers) == ["0"]
    assert list(Hooks(model, where=["1", "0.1"]).layers) == ["1", "0.1"]
    assert list(Hooks(model, where=lambda name, layer: isinstance(layer, nn.Linear)).layers) == ["0.0", "1"]
    assert list(Hooks(nn.ReLU()).layers) == ["ReLU"]
    shared = nn.ReLU()
    assert list(Hooks(nn.Sequential(shared, shared)).layers) == ["0"]
    with pytest.raises(ValueError, match="where names '2', and the model has no such layer. It has 'Sequential', '0'"):
        Hooks(model, where=["2"])
    with pytest.raises(ValueError, match="where chose none"):
        Hooks(model, where=lambda name, layer: False)


def test_what_a_hook_returns_takes_the_place_of_the_output() -> None:
    model = nn.Sequential(nn.Identity(), nn.Identity())
    hooks = Hooks(model, forward=lambda name, layer, inputs, output: output + 1, where=["1"])
    assert hooks.attach() is hooks.attach()
    assert model(zeros(1)).item() == 1.0  # once, though attached twice
    hooks.remove()
    hooks.remove()
    assert model(zeros(1)).item() == 0.0


# Histograms


def numbers(width: Any) -> Any:
    return st.lists(st.floats(width=width), min_size=1, max_size=30).map(np.array)


@given(st.lists(numbers(64), min_size=1, max_size=4), st.integers(2, 20))
def test_histograms_of_the_largest_and_smallest_numbers(several: list[np.ndarray], bins: int) -> None:
    rows, edges = histogram.align([histogram.count(values, bins) for values in several], bins)
    assert rows.sum(1).tolist() == [np.isfinite(values).sum() for values in several]
    assert len(edges) == rows.shape[1] + 1 <= bins + 1


@given(st.lists(numbers(32), min_size=1, max_size=4), st.integers(2, 20))
def test_aligned_histograms_count_each_finite_number_once_in_its_bin(several: list[np.ndarray], bins: int) -> None:
    counted = [histogram.count(values, bins) for values in several]
    rows, edges = histogram.align(counted, bins)
    assert rows.shape == (len(several), len(edges) - 1)
    assert len(edges) - 1 <= bins
    finite = [values[np.isfinite(values)] for values in several]
    for row, values in zip(rows, finite, strict=True):
        assert row.sum() == len(values)
        places = np.searchsorted(edges, values, side="right") - 1
        np.testing.assert_array_equal(row, np.bincount(places, minlength=len(row)))
    same(histogram.pack(histogram.unpack(histogram.pack(counted))), histogram.pack(counted))


def test_a_histogram_is_as_narrow_as_its_bins_allow() -> None:
    values = RNG.normal(size=1000)
    rows, edges = histogram.align([histogram.count(values, 64)], 64)
    assert 32 < rows.shape[1] <= 64
    assert 0.0 in edges
    rows, edges = histogram.align([histogram.count(np.full(7, 3.7), 64)], 64)
    assert rows.tolist() == [[7]] and edges[0] <= 3.7 < edges[1] and edges[1] - edges[0] < 3.7 / 1000


def test_the_sum_of_histograms_is_that_of_all_numbers() -> None:
    first, other = RNG.normal(size=50), 10 * RNG.normal(size=30)
    rows, edges = histogram.align([histogram.count(first, 16), histogram.count(other, 16)], 16)
    summed, same_edges = histogram.align([histogram.total([histogram.count(v, 16) for v in (first, other)], 16)], 16)
    np.testing.assert_array_equal(rows.sum(0), summed[0])
    np.testing.assert_array_equal(edges, same_edges)


def test_histograms_of_nothing() -> None:
    assert histogram.count(np.array([]), 4) is None
    assert histogram.count(np.array([np.nan, np.inf, -np.inf], np.float32), 4) is None
    assert histogram.total([None, None], 4) is None
    rows, edges = histogram.align([None], 4)
    assert rows.tolist() == [[0]] and edges.tolist() == [0.0, 1.0]


# Activations


class Outputs(Callback):
    """Keeps the output of each layer in each training step, as a test would look at it by hand."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, int], np.ndarray] = {}

    def before_fit(self, learner: Learner) -> None:
        def keep(name: str, layer: Any, inputs: Any, output: Any) -> None:
            if learner.model.training:
                self.kept[name, learner.step + 1] = output.detach().numpy().copy()

        hooks = Hooks(learner.model, forward=keep).attach()
        learner.at_end(hooks.remove)


def test_activation_statistics_are_those_of_the_outputs() -> None:
    stats, outputs = ActivationStats(every=3, bins=16), Outputs()
    run = learner(stats, outputs)
    run.fit(2)
    assert hooks_of(run.model) == 0
    record = stats.record()
    assert list(record) == list("012345")
    assert [row["class"] for row in record.values()] == ["Linear", "ReLU", "Linear", "Tanh", "Dropout", "Linear"]
    for name, row in record.items():
        assert row["step"].tolist() == [1, 3, 6]
        for place, step in enumerate(row["step"]):
            out = torch.from_numpy(outputs.kept[name, step])
            assert row["mean"][place] == pytest.approx(out.double().mean().item(), rel=1e-12)
            assert row["std"][place] == pytest.approx(out.double().std(correction=0).item(), rel=1e-12)
            assert row["zeros"][place] == (out == 0).double().mean().item()
            assert row["dead"][place] == (out == 0).all(0).double().mean().item()
            assert row["nonfinite"][place] == 0.0
            counted = np.histogram(out.numpy(), row["edges"])[0]
            np.testing.assert_array_equal(row["histogram"][place], counted)
            if name == "1":
                assert row["saturated"][place] == row["zeros"][place] > 0
            elif name == "3":
                assert row["saturated"][place] == (out.abs() >= 0.95).double().mean().item()
            else:
                assert math.isnan(row["saturated"][place])


@pytest.mark.parametrize(
    ("layer", "edges"),
    [
        (nn.Sigmoid(), (-math.log(39), math.log(39))),
        (nn.Tanh(), (-math.atanh(0.95), math.atanh(0.95))),
        (nn.Softsign(), (-19.0, 19.0)),
        (nn.ReLU(), (0.0, math.inf)),
        (nn.ReLU6(), (0.0, 6.0)),
        (nn.Hardtanh(-2.0, 3.0), (-2.0, 3.0)),
        (nn.Hardsigmoid(), (-3.0, 3.0)),
        (nn.ELU(0.5), (math.log(0.05), math.inf)),
        (nn.CELU(1.0), (math.log(0.05), math.inf)),
        (nn.SELU(), (math.log(0.05), math.inf)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_saturation_begins_where_the_slope_ends(layer: Any, edges: tuple[float, float]) -> None:
    points = torch.arange(-200, 201, dtype=torch.float64) / 8
    x = from_numpy(points.numpy()).requires_grad_()
    y = layer(x)
    y.sum().backward()
    slope = x.grad.numpy() / x.grad.numpy().max()
    expected = (points.numpy() <= edges[0] + 1e-9) | (points.numpy() >= edges[1] - 1e-9)
    assert slope[expected].max(initial=0.0) < 0.1 and slope[~expected].min() > 0.0
    stats = recorded(layer, x.detach())
    assert stats["saturated"][0] == pytest.approx(expected.mean(), abs=2e-3)


def recorded(layer: Any, *batches: Tensor) -> dict[str, np.ndarray]:
    """The statistics of a layer that is given these batches in one step."""
    model = nn.Sequential(layer)
    model.w = nn.Parameter(ones(1))
    with watch(model, optim.SGD(model.parameters(), lr=0.0), every=1) as watcher:
        for batch in batches:
            model(batch)
        watcher.optimizer.step()
    return watcher.activations.record()["0"]


def test_dead_units_are_features_channels_and_counted_over_the_batch() -> None:
    alive = np.ones((4, 6), np.float32)
    alive[:, :2] = -1  # two units of six
    alive[0, 2] = -1  # one that is zero for one sample only
    assert recorded(nn.ReLU(), from_numpy(alive))["dead"][0] == pytest.approx(2 / 6)
    # The last axis is that of the features, of a sequence too …
    assert recorded(nn.ReLU(), from_numpy(np.stack([alive, alive], 1)))["dead"][0] == pytest.approx(2 / 6)
    # … but after a convolution the channels' is.
    convolution = nn.Conv1d(1, 2, 1)
    with no_grad():
        convolution.weight.copy_(tensor([[[1.0]], [[-1.0]]]))
        convolution.bias.zero_()
    model = nn.Sequential(convolution, nn.ReLU(), nn.Flatten(), nn.Linear(6, 3))
    with watch(model, optim.SGD(model.parameters(), lr=0.0)) as watcher:
        model(ones(5, 1, 3))
        watcher.optimizer.step()
    record = watcher.activations.record()
    assert list(record) == ["0", "1", "3"]  # Flatten hands on what came
    assert record["1"]["dead"][0] == 0.5


def test_a_layer_that_is_called_twice_has_the_statistics_of_both_outputs() -> None:
    first, other = RNG.normal(size=(3, 4)), 100 + RNG.normal(size=(5, 4))
    both = np.concatenate([first, other])
    row = recorded(nn.Identity(), from_numpy(first), from_numpy(other))
    assert row["mean"][0] == pytest.approx(both.mean(), rel=1e-13)
    assert row["std"][0] == pytest.approx(both.std(), rel=1e-13)
    np.testing.assert_array_equal(row["histogram"][0], np.histogram(both, row["edges"])[0])


def test_numbers_that_are_not_finite_are_counted_and_harm_nothing() -> None:
    row = recorded(nn.Identity(), tensor([[1.0, math.nan, 3.0, math.inf], [-math.inf, 1.0, 0.0, 1.0]]))
    assert row["nonfinite"][0] == 3 / 8
    assert row["mean"][0] == pytest.approx(6 / 5)
    assert row["zeros"][0] == 1 / 8
    assert row["histogram"].sum() == 5
    row = recorded(nn.Identity(), tensor([[math.nan, math.inf]]))
    assert row["nonfinite"][0] == 1.0 and math.isnan(row["mean"][0]) and row["histogram"].sum() == 0


def test_outputs_of_other_kinds_are_passed_over() -> None:
    class Pair(nn.Module):
        def forward(self, x: Any) -> Any:
            return {"none": None, "sum": (x + 1, x)}

    class Whole(nn.Module):
        def forward(self, x: Any) -> Any:
            return x.argmax(-1)

    model = nn.ModuleList([Pair(), Whole()])
    model.w = nn.Parameter(ones(1))
    with watch(model, optim.SGD(model.parameters(), lr=0.1)) as watcher:
        for layer in model:
            layer(ones(2, 2))
        watcher.optimizer.step()
    assert list(watcher.activations.record()) == ["0"]
    assert watcher.activations.record()["0"]["mean"][0] == 2.0


def test_steps_that_are_not_due_have_no_hooks() -> None:
    class Count(Callback):
        def __init__(self) -> None:
            self.hooks: list[int] = []

        def after_predict(self, learner: Learner) -> None:
            self.hooks.append(hooks_of(learner.model))

    count = Count()
    learner(ActivationStats(every=4), count).fit(2)
    assert count.hooks == [6, 0, 0, 6, 0, 0, 0, 6]


def test_recording_changes_nothing_in_the_training() -> None:
    plain, watched = learner(), learner(ActivationStats(every=1), GradientStats(every=1))
    for run in (plain, watched):
        manual_seed(3)
        run.fit(2)
    for parameter, other in zip(plain.model.parameters(), watched.model.parameters(), strict=True):
        assert parameter.detach().numpy().tobytes() == other.detach().numpy().tobytes()


def test_a_batch_that_is_skipped_or_fails_leaves_no_row_and_no_hook() -> None:
    class Skip(Callback):
        order = -10

        def before_batch(self, learner: Learner) -> None:
            if learner.step < 2:
                raise SkipBatch

    class Fail(Callback):
        def after_backward(self, learner: Learner) -> None:
            if learner.step == 5:
                raise Failure

    activations, gradients = ActivationStats(every=2), GradientStats(every=2)
    run = learner(Skip(), activations, gradients, Fail())
    with pytest.raises(Failure):
        run.fit(2)
    assert hooks_of(run.model) == 0
    # Step 1 was due and skipped, so 3 has its row: the first that was made.
    assert activations.record()["0"]["step"].tolist() == [3, 4]
    assert gradients.record()["0.weight"]["step"].tolist() == [3, 4]


@pytest.mark.parametrize("kind", [ActivationStats, GradientStats])
def test_a_resumed_run_has_the_record_of_one_that_was_not(kind: Any, tmp_path: Path) -> None:
    def run(*callbacks: Callback) -> Learner:
        manual_seed(5)
        return learner(*callbacks)

    whole, first, second = kind(every=3), kind(every=3), kind(every=3)
    run(whole).fit(3)
    interrupted = run(first)
    interrupted.fit(2)
    interrupted.save(tmp_path / "checkpoint.safetensors")
    resumed = run(second)
    resumed.load(tmp_path / "checkpoint.safetensors")
    resumed.fit(until=3)
    assert first.record().keys() == whole.record().keys()
    same(second.record(), whole.record())


# Gradients


class Clip(Callback):
    def after_backward(self, learner: Learner) -> None:
        nn.utils.clip_grad_norm_(learner.model.parameters(), 0.01)


@pytest.mark.parametrize("clip", [False, True])
def test_gradient_statistics_are_those_of_the_step(clip: bool) -> None:
    class Look(Callback):
        order = 30

        def __init__(self) -> None:
            self.seen: dict[tuple[int, str], tuple[np.ndarray, np.ndarray]] = {}

        def after_backward(self, learner: Learner) -> None:
            for name, parameter in learner.model.named_parameters():
                pair = parameter.grad.numpy().copy(), parameter.detach().numpy().copy()
                self.seen[learner.step + 1, name] = pair

    stats, look = GradientStats(every=2, bins=8), Look()
    learner(stats, look, *([Clip()] if clip else []), lr=0.25).fit(1)
    record = stats.record()
    assert list(record) == ["0.weight", "0.bias", "2.weight", "2.bias", "5.weight", "5.bias"]
    for name, row in record.items():
        assert row["step"].tolist() == [1, 2, 4]
        for place, step in enumerate(row["step"]):
            gradient, weight = look.seen[step, name]
            assert row["gradient_norm"][place] == pytest.approx(np.linalg.norm(gradient), rel=1e-6)
            assert row["parameter_norm"][place] == pytest.approx(np.linalg.norm(weight), rel=1e-6)
            ratio = 0.25 * np.linalg.norm(gradient) / np.linalg.norm(weight)  # what SGD does
            assert row["update_ratio"][place] == pytest.approx(ratio, rel=1e-3)
            np.testing.assert_array_equal(row["histogram"][place], np.histogram(gradient, row["edges"])[0])
            np.testing.assert_array_equal(
                row["parameter_histogram"][place], np.histogram(weight, row["parameter_edges"])[0]
            )
    total = math.sqrt(sum(row["gradient_norm"][0] ** 2 for row in record.values()))
    assert (total <= 0.0101) == clip


def test_parameters_that_are_zero_frozen_or_broken() -> None:
    model = nn.Linear(2, 1)
    with no_grad():
        model.bias.zero_()
    model.weight.requires_grad_(False)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    with watch(model, optimizer, every=1) as watcher:
        model(ones(1, 2)).sum().backward()
        optimizer.step()
        model.bias.grad = tensor([math.inf])
        optimizer.step()
    record = watcher.gradients.record()
    assert list(record) == ["bias"]
    assert math.isnan(record["bias"]["update_ratio"][0])
    assert record["bias"]["gradient_norm"].tolist() == [1.0, math.inf]
    assert record["bias"]["nonfinite"].tolist() == [0.0, 1.0]
    assert record["bias"]["histogram"].sum(1).tolist() == [1, 0]
    assert watcher.rows[0]["train_loss"] == pytest.approx(model.weight.sum().item())


def test_where_the_optimiser_moves_every_few_batches_the_next_move_is_recorded() -> None:
    class Every3(Callback):
        order = 15

        def after_backward(self, learner: Learner) -> None:
            if (learner.step + 1) % 3:
                raise SkipBatch

    activations, gradients = ActivationStats(every=4), GradientStats(every=4)
    learner(Every3(), activations, gradients).fit(3)
    assert activations.record()["0"]["step"].tolist() == [1, 4, 8, 12]
    assert gradients.record()["0.weight"]["step"].tolist() == [3, 6, 9, 12]


# Files and tables


@pytest.mark.parametrize("kind", [ActivationStats, GradientStats])
def test_statistics_are_saved_and_loaded_and_shown_as_a_table(kind: Any, tmp_path: Path) -> None:
    stats = kind(every=2)
    learner(stats).fit(1)
    stats.save(tmp_path / "stats.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["stats.npz"]
    loaded = kind.load(tmp_path / "stats.npz")
    same(loaded.record(), stats.record())
    assert (loaded.every, loaded.due(5), loaded.due(6)) == (2, False, True)
    table = loaded.to_pandas()
    assert list(table.columns) == [kind.label, "step", *kind.numbers]
    assert len(table) == 3 * len(stats.record())
    name = next(iter(stats.record()))
    np.testing.assert_array_equal(
        table[table[kind.label] == name][kind.numbers[0]], stats.record()[name][kind.numbers[0]]
    )
    empty = kind()
    empty.save(tmp_path / "empty.npz")
    assert kind.load(tmp_path / "empty.npz").record() == {}
    assert list(empty.to_pandas().columns) == list(table.columns)


def test_files_that_are_no_statistics_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "stats.npz"
    with pytest.raises(FileNotFoundError):
        GradientStats.load(path)
    stats = GradientStats()
    learner(stats).fit(1)
    stats.save(path)
    with pytest.raises(ValueError, match="no whole file of activations statistics.* it holds gradients in format 1"):
        ActivationStats.load(path)
    whole = path.read_bytes()
    for content in (b"", b"nothing", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="no whole file of gradients statistics"):
            GradientStats.load(path)
    about = {"format": 1, "kind": "gradients", "every": 1, "bins": 2, "next": 1, "names": ["w"]}
    np.savez(path, about=np.array(json.dumps(about)), **{"0.step": np.array([{}], object)})
    with pytest.raises(ValueError, match="Object arrays cannot be loaded when allow_pickle=False"):
        GradientStats.load(path)


@pytest.mark.parametrize("kind", [ActivationStats, GradientStats])
@pytest.mark.parametrize(("name", "least"), [("every", 1), ("bins", 2)])
@pytest.mark.parametrize("value", [0, -1, 2.5, True, "3"])
def test_numbers_that_make_no_sense_are_refused(kind: Any, name: str, least: int, value: Any) -> None:
    with pytest.raises(ValueError, match=f"was given {name}={value!r}: a whole number from {least} on"):
        kind(**{name: value})


# A loop of one's own


def own_loop(model: Any, optimizer: Any, batches: Any, around: Callable[[], Any] = lambda: None) -> list[float]:
    losses = []
    for x, y in batches:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        around()
        losses.append(loss.item())
    return losses


def test_watch_records_what_a_learner_does() -> None:
    batches = [(from_numpy(X[i : i + 3]), from_numpy(Y[i : i + 3])) for i in range(0, 12, 3)]
    model = network()
    activations, gradients = ActivationStats(every=2), GradientStats(every=2)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    taught = Learner(model, batches, nn.CrossEntropyLoss(), optimizer, callbacks=[activations, gradients])
    manual_seed(1)
    taught.fit(1)

    model = network()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    manual_seed(1)
    with pellucid.watch(model, optimizer, every=2) as watcher:
        losses = own_loop(model, optimizer, batches)
        with no_grad():
            model(from_numpy(X))  # a validation is no step
        model.eval()
        model(from_numpy(X))
        model.train()
    record = watcher.record()
    same(record["activations"], activations.record())
    same(record["gradients"], gradients.record())
    timeless = [
        [{k: v for k, v in row.items() if k != "seconds"} for row in rows]
        for rows in (record["rows"], taught.recorder.steps)
    ]
    assert timeless[0] == timeless[1]
    assert [row["train_loss"] for row in record["rows"]] == losses
    assert hooks_of(model) == 0
    assert not optimizer._step_pre_hooks and not optimizer._step_post_hooks and not state.watchers


def test_watch_records_the_learning_rate_of_each_step_and_validations() -> None:
    model = network()
    optimizer = optim.SGD(model.parameters(), lr=0.8)
    schedule = optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    watcher = watch(model, optimizer)
    batches = [(from_numpy(X), from_numpy(Y))] * 3
    losses = own_loop(model, optimizer, batches, schedule.step)
    watcher.log(val_loss=tensor(0.5), val_accuracy=0.75)
    losses += own_loop(model, optimizer, batches, schedule.step)
    watcher.log(val_loss=0.25)
    watcher.close()
    watcher.close()
    steps = [row for row in watcher.rows if row["kind"] == "step"]
    assert [row["lr"] for row in steps] == [0.8, 0.4, 0.2, 0.1, 0.05, 0.025]
    assert [row["epoch"] for row in steps] == [1, 1, 1, 2, 2, 2]
    epochs = [row for row in watcher.rows if row["kind"] == "epoch"]
    assert [(row["epoch"], row["step"], row["val_loss"]) for row in epochs] == [(1, 3, 0.5), (2, 6, 0.25)]
    assert epochs[0]["val_accuracy"] == 0.75
    assert [row["train_loss"] for row in epochs] == [
        pytest.approx(np.mean(losses[:3])),
        pytest.approx(np.mean(losses[3:])),
    ]


def test_watch_notices_several_backwards_in_a_step_and_takes_the_loss_it_is_told() -> None:
    w = nn.Parameter(tensor([1.0]))
    model = nn.ParameterList([w])
    optimizer = optim.SGD([w], lr=0.0)
    with watch(model, optimizer) as watcher:
        for scale in (1.0, 2.0):
            (w * scale).sum().backward()
        optimizer.step()  # two backwards
        (w * 5).sum().backward()
        watcher.log(loss=7.0)
        optimizer.step()  # told before the step
        (w * 5).sum().backward()
        optimizer.step()
        watcher.log(loss=tensor(8.0))  # told after it
        optimizer.step()  # nothing known
        watcher.log(loss=9.0)
        optimizer.step()
        with pytest.raises(TypeError, match="log was given nothing"):
            watcher.log()
    assert [(row["step"], row["train_loss"]) for row in watcher.rows] == [(1, 1.5), (2, 7.0), (3, 8.0), (5, 9.0)]


def test_watch_sees_the_gradients_that_come_about_in_a_closure() -> None:
    w = nn.Parameter(tensor([2.0]))
    model = nn.ParameterList([w])

    class Twice(optim.SGD):
        def step(self, closure: Any = None) -> Any:
            super().step(closure)
            return super().step(closure)

    optimizer = Twice([w], lr=0.25)

    def closure() -> Any:
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    with watch(model, optimizer) as watcher:
        assert optimizer.step(closure).item() == 1.0
        optimizer.step(closure=closure)
    row = watcher.gradients.record()["0"]
    assert row["gradient_norm"].tolist() == [4.0]
    assert row["parameter_norm"].tolist() == [2.0]
    assert row["update_ratio"].tolist() == [0.75]  # of the whole step: 2 -> 1 -> 0.5
    assert [row["train_loss"] for row in watcher.rows] == [4.0, 0.25]


def test_watch_goes_when_its_optimiser_does() -> None:
    model = nn.Linear(2, 1)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    watcher = weakref.ref(watch(model, optimizer))
    assert watcher() is not None and len(state.watchers) == 1
    del optimizer, model
    gc.collect()
    assert watcher() is None and not state.watchers


def test_a_watched_training_is_taken_up_again() -> None:
    def begin() -> tuple[Any, Any, Any]:
        model = network().eval().train()
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        return model, optimizer, watch(model, optimizer, every=2)

    batches = [(from_numpy(X), from_numpy(Y))] * 3
    manual_seed(1)
    model, optimizer, whole = begin()
    own_loop(model, optimizer, batches + batches)
    manual_seed(1)
    first_model, optimizer, first = begin()
    own_loop(first_model, optimizer, batches)
    random = pellucid.get_rng_state()
    model, optimizer, second = begin()
    model.load_state_dict(first_model.state_dict())
    second.load_state_dict(first.state_dict())
    pellucid.set_rng_state(random)
    own_loop(model, optimizer, batches)
    same(second.activations.record(), whole.activations.record())
    same(second.gradients.record(), whole.gradients.record())
    assert [row["train_loss"] for row in second.rows] == [row["train_loss"] for row in whole.rows]
    for watcher in (whole, first, second):
        watcher.close()


def test_watch_takes_a_model_of_pytorch() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    with watch(model, optimizer, every=1) as watcher:
        for _ in range(2):
            optimizer.zero_grad()
            loss = model(torch.from_numpy(X)).square().mean()
            loss.backward()
            watcher.log(loss=loss)
            optimizer.step()
    record = watcher.record()
    assert list(record["activations"]) == ["0", "1"] and list(record["gradients"]) == ["0.weight", "0.bias"]
    assert record["gradients"]["0.weight"]["step"].tolist() == [1, 2]
    assert [row["train_loss"] for row in record["rows"]][1] == loss.item()


@pytest.mark.slow
def test_what_was_watched_is_drawn_and_reported(tmp_path: Path) -> None:
    model = nn.Linear(3, 2)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    with watch(model, optimizer, every=1) as watcher:
        own_loop(model, optimizer, [(from_numpy(X), from_numpy(Y))] * 2)
    labels = {
        show: {panel.get_ylabel() for panel in watcher.plot(show).axes}
        for show in ("curves", "activations", "gradients")
    }
    assert watcher.plot("activations").axes[0].get_title("left") == "Linear"
    assert "loss" in labels["curves"] and "mean ± std" in labels["activations"]
    assert "gradient norm" in labels["gradients"]
    with pytest.raises(ValueError, match="asked to show 'loss': write one of 'curves', 'activations', 'gradients'"):
        watcher.plot("loss")
    page = watcher.report(tmp_path / "report.html", title="My loop").read_text(encoding="utf-8")
    assert "My loop" in page and "Inside the network" in page and "data:image" in page


def test_watch_refuses_what_it_cannot_hang_on() -> None:
    model = nn.Linear(1, 1)
    with pytest.raises(TypeError, match="was given a list as model, which has no named_modules"):
        watch([], optim.SGD(model.parameters(), lr=0.1))
    with pytest.raises(TypeError, match="was given a function as optimizer, which has no param_groups"):
        watch(model, own_loop)
    with pytest.raises(ValueError, match="where names 'x'"):
        watch(model, optim.SGD(model.parameters(), lr=0.1), where="x")
    assert not state.watchers
