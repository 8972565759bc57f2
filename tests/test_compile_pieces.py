"""What is put together of parts in a compiled function, and the ops whose kernels a plan calls itself."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid import kernels, nn
from pellucid.kernels import packing, pieces

functional = nn.functional


def compiled(function: Any) -> Any:
    compile: Any = pellucid.compile
    return compile(function, fullgraph=True)


def graph_of(run: Any) -> Any:
    (graph,) = (recording.graph for known in run._recordings.values() for recording in known)
    return graph


def plan_of(run: Any) -> Any:
    (plan,) = (recording.plan for known in run._recordings.values() for recording in known)
    return plan


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "whole": lambda room: room[:6, :7, :40],
    "part of the rows": lambda room: room[:6, :7, 10:30],
    "part of the columns": lambda room: room[:6, 2:5],
    "one row": lambda room: room[2:3, 3:4, 5:25],
    "heads": lambda room: room.reshape(6, 7, 4, 10).swapaxes(1, 2),
    "turned": lambda room: room.T,
    "backwards": lambda room: room[::-1],
    "every other": lambda room: room[..., ::2],
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("out", LAYOUTS)
@pytest.mark.parametrize("given", LAYOUTS)
def test_numbers_are_copied_where_both_arrays_lie_in_rows(given: str, out: str, dtype: str) -> None:
    pytest.importorskip("llvmlite", reason="kernels are compiled by llvmlite")
    room = np.random.default_rng(0).normal(size=(6, 7, 40)).astype(dtype)
    to = LAYOUTS[out](np.full((6, 7, 40), np.nan, dtype))
    source = LAYOUTS[given](room)
    if source.size != to.size:
        assert pieces.copying(source, to) is None
        return
    if source.shape != to.shape:
        source = source.reshape(to.shape)
    expected = source.copy()
    run = pieces.copying(source, to)
    if given == out:
        assert (run is not None) == (given not in ("backwards", "every other"))
    if run is not None:
        run()
        np.testing.assert_array_equal(to, expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [5, 32, 40, 48])  # the last panel whole, and not
def test_weights_lie_in_panels_of_units_and_of_columns(size: int, dtype: str) -> None:
    pytest.importorskip("llvmlite", reason="kernels are compiled by llvmlite")
    weight = np.random.default_rng(0).normal(size=(3 * size, size)).astype(dtype)
    target = kernels.compiler.target()
    assert target is not None
    wide = target.lanes * 4 // weight.itemsize
    padded = np.zeros((3, -(-size // wide) * wide, size), dtype)
    padded[:, :size] = weight.reshape(3, size, size)
    panels = packing.panels(weight, 3, wide)
    for panel, state, gate, unit in np.ndindex(panels.shape):
        assert panels[panel, state, gate, unit] == padded[gate, panel * wide + unit, state]
    columns = packing.columns(weight, 2 * wide)
    whole = np.zeros((3 * size, len(columns) * 2 * wide), dtype)
    whole[:, :size] = weight
    np.testing.assert_array_equal(np.concatenate(list(columns), axis=1), whole)
    assert [len(found[1]) for found in (packing.in_panels(weight, 3, wide), packing.in_columns(weight, wide))] == [
        int(size % wide == 0)
    ] * 2


class Reading(nn.Module):
    """Letters that are read by a recurrence."""

    def __init__(self, units: int, **options: Any) -> None:
        super().__init__()
        self.letters, self.past = nn.Embedding(50, 20), nn.LSTM(20, units, **options)

    def forward(self, x: Any) -> Any:
        return self.past(self.letters(x))[0]


@pytest.mark.parametrize("options", [{}, {"batch_first": True}, {"num_layers": 2, "bidirectional": True}], ids=str)
@pytest.mark.parametrize("dtype", [pellucid.float32, pellucid.float64], ids=str)
@pytest.mark.parametrize("units", [32, 33])
def test_a_recurrence_is_called_by_the_plan(units: int, dtype: Any, options: dict[str, Any]) -> None:
    """Loss and gradients are eager's; where panels are whole, no op of the recurrence runs in Python."""
    pytest.importorskip("llvmlite", reason="kernels are compiled by llvmlite")
    pellucid.manual_seed(0)
    model, x = Reading(units, **options).to(dtype), pellucid.randint(0, 50, (17, 16))

    def step(x: Any) -> Any:
        model.zero_grad()
        loss = model(x).sin().square().mean()
        loss.backward()
        return loss

    found: list[Any] = []
    run = compiled(step)
    for each in (step, run, run, run):
        loss = each(x)
        found.append([loss.item(), *(leaf.grad.numpy().copy() for leaf in model.parameters())])
    tolerance = 2e-4 if dtype is pellucid.float32 else 1e-10
    for one, other in zip(found[0], found[-1], strict=True):
        np.testing.assert_allclose(other, one, rtol=tolerance, atol=tolerance * np.abs(one).max())
    lines = plan_of(run).source.splitlines()
    scans = [line for line in lines if "#" not in line and ("= lstm_scan" in line or "= lstm_delta" in line)]
    assert bool(scans) == (units == 33)


@pytest.mark.parametrize("given", [True, False], ids=["an argument", "held"])
def test_an_index_outside_of_the_table_ends_a_plan_as_it_ends_eager_mode(given: bool) -> None:
    table, held = pellucid.randn(40, 30, requires_grad=True), pellucid.arange(60) % 40

    def step(index: Any) -> Any:
        table.grad = None
        rows = functional.embedding(index if given else held, table)
        (rows.reshape(20, 90).sin() ** 2).sum().backward()
        return rows

    run, other = compiled(step), held.clone()
    for _ in range(3):
        np.testing.assert_array_equal(run(other).detach().numpy(), table.detach().numpy()[held.numpy()])
    expected = table.grad.numpy().copy()
    step(other)
    np.testing.assert_allclose(expected, table.grad.numpy(), rtol=1e-6)
    held[7] = other[7] = 40
    with pytest.raises(IndexError, match="40"):
        run(other)
    held[7] = other[7] = 3
    run(other)
    step(other)


def split(x: Any) -> Any:
    a, b, c = x.split(4, dim=-1)
    return a * 2 + b.sin() * c


def chunked(x: Any) -> Any:
    a, b = x.chunk(2, dim=0)
    return a.exp() * b


def in_part(x: Any) -> Any:
    return x[:2, 1:5].sin() * x[2:4, 5:9]


def overlapping(x: Any) -> Any:
    return x[:, :8].sin() * x[:, 2:10]


def with_a_sum(x: Any) -> Any:
    a, b, c = x.split(4, dim=-1)
    return a * b + c.exp() + x.sum(-1, keepdim=True)


def headed(x: Any) -> Any:
    parts = (part.view(2, 3, 2, 2).transpose(1, 2) for part in x.view(2, 3, 12).split(4, dim=-1))
    a, b, c = (part.reshape(2, 2, 6) for part in parts)
    return a * b + c


PARTS: dict[str, tuple[Any, int]] = {  # and how many arrays are put together
    "split": (split, 1), "chunks": (chunked, 1), "parts with zeros around": (in_part, 1),
    "overlapping": (overlapping, 0), "a part and the whole": (with_a_sum, 0), "heads": (headed, 1),
}  # fmt: skip


@pytest.mark.parametrize("native", [True, False], ids=["kernels", "lines"])
@pytest.mark.parametrize("dtype", [pellucid.float32, pellucid.float64], ids=str)
@pytest.mark.parametrize("name", PARTS)
def test_the_gradient_of_what_was_split(name: str, dtype: Any, native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not native:
        monkeypatch.setattr(kernels.table.Kernel, "function", lambda self, *key: None)
    function, count = PARTS[name]
    pellucid.manual_seed(1)
    x, weight = pellucid.randn(6, 5, dtype=dtype), pellucid.randn(5, 12, dtype=dtype, requires_grad=True)

    def step() -> Any:
        weight.grad = None
        (function(x @ weight) ** 2).sum().backward()

    step()
    assert weight.grad is not None
    expected = weight.grad.numpy().copy()
    run = compiled(step)
    for _ in range(3):
        run()
    single = dtype is pellucid.float32
    np.testing.assert_allclose(weight.grad.numpy(), expected, rtol=1e-5 if single else 1e-12, atol=1e-4 * single)
    assert [node.name for node in graph_of(run).nodes].count("pieces") == count


class Attending(nn.Module):
    """A layer of attention with what stands around it in a transformer."""

    def __init__(self, heads: int, width: int, causal: bool) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.before, self.norm = nn.Linear(width, 3 * width), nn.LayerNorm(width)
        self.past = nn.BatchNorm1d(70)

    def forward(self, x: Any) -> Any:
        batch, length, width = x.shape
        parts = self.before(self.norm(x * 2)).split(width, dim=2)
        q, k, v = (part.view(batch, length, self.heads, -1).transpose(1, 2) for part in parts)
        seen = functional.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        seen = seen.transpose(1, 2).reshape(batch, length, width)
        return functional.relu(self.past(seen + 1)) * 3


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", [pellucid.float32, pellucid.float64], ids=str)
@pytest.mark.parametrize("width", [32, 36])  # heads of whole vectors, and others
@pytest.mark.parametrize("causal", [True, False])
def test_norms_and_attention_are_called_by_the_plan(causal: bool, width: int, dtype: Any, threads: int) -> None:
    """Loss and gradients are eager's; no op of these runs in Python."""
    pytest.importorskip("llvmlite", reason="kernels are compiled by llvmlite")
    before = kernels.pool.get_num_threads()
    kernels.pool.set_num_threads(threads)
    try:
        pellucid.manual_seed(0)
        model, x = Attending(2, width, causal).to(dtype), pellucid.randn(3, 70, width, dtype=dtype, requires_grad=True)

        def step() -> Any:
            model.zero_grad()
            x.grad = None
            loss = (model(x) ** 2).mean()
            loss.backward()
            return loss

        leaves = [x, *model.parameters()]
        found: list[Any] = []
        run = compiled(step)
        for each in (step, run, run, run):
            loss = each()
            found.append([loss.item(), *(leaf.grad.numpy().copy() for leaf in leaves)])
        tolerance = 2e-4 if dtype is pellucid.float32 else 1e-10
        for one, other in zip(found[0], found[-1], strict=True):
            np.testing.assert_allclose(other, one, rtol=tolerance, atol=tolerance * np.abs(one).max())
        lines = plan_of(run).source.splitlines()
        ops = ("layer_norm", "batch_norm", "normalize_gradients", "attention", "attention_gradients", "pieces")
        named = [line for line in lines if "#" not in line and any(f"= {op}" in line for op in ops)]
        assert not named
    finally:
        kernels.pool.set_num_threads(before)
