"""Rows that are looked up and then multiplied: compiled, the table is multiplied, with the results of eager mode."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid import nn, optim

ROWS, WIDTH = 7, 24


class Words(nn.Module):
    """An embedding, and what is done with its rows."""

    def __init__(self, then: Any, after: Callable[[Any, Any], Any], **options: Any) -> None:
        super().__init__()
        self.words, self.then, self.after = nn.Embedding(ROWS, WIDTH, **options), then, after

    def forward(self, x: Any) -> Any:
        return self.after(self.words(x), self.then).square().mean()


def recurrent(rows: Any, then: Any) -> Any:
    return then(rows)[0]


def applied(rows: Any, then: Any) -> Any:
    return then(rows)


def beside(rows: Any, then: Any) -> Any:
    return then(rows) + rows.sum(-1, keepdim=True)


def turned(rows: Any, then: Any) -> Any:
    return then(rows.transpose(0, 1).reshape(-1, WIDTH)).view(6, 8, -1)


def multiplied(rows: Any, then: Any) -> Any:
    return rows.reshape(-1, WIDTH) @ then.weight.T


def frozen(module: Any) -> Any:
    return module.requires_grad_(False)


# what is built, and how many products are left whose rows are those that were looked up (48), or are summed over them
CASES: dict[str, tuple[Callable[[], Any], int]] = {
    "linear": (lambda: Words(nn.Linear(WIDTH, 5), applied), 0),
    "linear without bias": (lambda: Words(nn.Linear(WIDTH, 5, bias=False), applied), 0),
    "linear in another order": (lambda: Words(nn.Linear(WIDTH, 5), turned), 0),
    "matmul": (lambda: Words(nn.Linear(WIDTH, 5), multiplied), 0),
    "a frozen layer": (lambda: Words(frozen(nn.Linear(WIDTH, 5)), applied), 0),
    "LSTM, the batch first": (lambda: Words(nn.LSTM(WIDTH, 5, batch_first=True), recurrent), 1),  # of its own states
    "LSTM": (lambda: Words(nn.LSTM(WIDTH, 5), recurrent), 1),
    "LSTM both ways": (
        lambda: Words(nn.LSTM(WIDTH, 5, bidirectional=True), recurrent),
        4,
    ),  # a sum of two gradients
    "GRU": (lambda: Words(nn.GRU(WIDTH, 5, batch_first=True), recurrent), 1),
    "padding": (lambda: Words(nn.Linear(WIDTH, 5), applied, padding_idx=2), 1),  # whose gradient is masked in between
    "by frequency": (lambda: Words(nn.Linear(WIDTH, 5), applied, scale_grad_by_freq=True), 1),
    "rows that are used twice": (lambda: Words(nn.Linear(WIDTH, 5), beside), 1),  # their gradient comes from both
}


def trained(build: Callable[[], Any], compiled: bool, dtype: Any, updates: int = 1) -> tuple[list[Any], Any]:
    """Losses, weights and gradients after four calls of a step of `updates` updates; and the step."""
    pellucid.manual_seed(3)
    model = build().to(dtype)
    descent = optim.SGD(model.parameters(), lr=0.1, momentum=0.5)

    def step(x: Any) -> Any:
        for _ in range(updates):
            descent.zero_grad()
            loss = model(x)
            loss.backward()
            descent.step()
        return loss

    compile: Any = pellucid.compile
    run = compile(step, fullgraph=True) if compiled else step
    rng = np.random.default_rng(5)
    losses = [run(pellucid.from_numpy(rng.integers(0, ROWS, (8, 6)))).item() for _ in range(4)]
    grads = [parameter.grad.numpy() for parameter in model.parameters() if parameter.grad is not None]
    return [np.array(losses), *grads, *(each.numpy() for each in model.state_dict().values())], run


def same(got: list[Any], expected: list[Any], dtype: Any) -> None:
    rtol = 1e-10 if dtype == pellucid.float64 else 2e-5
    for entry, other in zip(got, expected, strict=True):
        np.testing.assert_allclose(entry, other, rtol=rtol, atol=rtol / 10)


def long_products(run: Any) -> int:
    """How many products go over as many rows as were looked up."""
    (graph,) = (recording.graph for known in run._recordings.values() for recording in known)
    shapes = [[each.shape for each in node.args[:2]] for node in graph.nodes if node.name in ("matmul", "linear")]
    return sum(any(48 in shape for shape in both) for both in shapes)


@pytest.mark.parametrize("dtype", [pellucid.float32, pellucid.float64], ids=str)
@pytest.mark.parametrize("name", CASES)
def test_a_table_is_multiplied_in_the_place_of_its_rows(name: str, dtype: Any) -> None:
    build, left = CASES[name]
    got, run = trained(build, True, dtype)
    same(got, trained(build, False, dtype)[0], dtype)
    assert long_products(run) == left


def test_a_table_that_is_written_to_in_between() -> None:
    """The second forward pass of a step is that of the updated table."""
    build, _ = CASES["linear"]
    got, run = trained(build, True, pellucid.float64, updates=3)
    same(got, trained(build, False, pellucid.float64, updates=3)[0], pellucid.float64)
    assert long_products(run) == 0


def test_a_table_that_changes_between_its_rows_and_their_product() -> None:
    """Then what was looked up is not in the table any longer."""
    table, other = pellucid.rand(ROWS, WIDTH), pellucid.rand(WIDTH, 5)

    def step(x: Any) -> Any:
        rows = nn.functional.embedding(x, table)
        table.mul_(0.5)
        return rows @ other

    compile: Any = pellucid.compile
    run, x = compile(step, fullgraph=True), pellucid.arange(48) % ROWS
    for _ in range(3):
        expected = nn.functional.embedding(x, table.clone()) @ other
        pellucid.testing.assert_close(run(x), expected)
    assert long_products(run) == 1


def test_a_table_of_more_rows_than_are_looked_up_stays_as_it_is() -> None:
    model = Words(nn.Linear(WIDTH, 5), applied)
    compile: Any = pellucid.compile
    run, x = compile(pellucid.no_grad()(lambda x: model(x)), fullgraph=True), pellucid.arange(6) % ROWS
    for _ in range(3):
        run(x)
    (graph,) = (recording.graph for known in run._recordings.values() for recording in known)
    products = [node for node in graph.nodes if node.name in ("matmul", "linear")]
    assert [node.args[0].shape for node in products] == [(6, WIDTH)]


def test_a_number_outside_of_the_table_is_refused_as_in_eager_mode() -> None:
    model = Words(nn.Linear(WIDTH, 5), applied)
    compile: Any = pellucid.compile
    run = compile(lambda x: model(x), fullgraph=True)
    for _ in range(3):
        run(pellucid.arange(48) % ROWS)
    with pytest.raises(IndexError, match="7"):
        run(pellucid.arange(48) % (ROWS + 1))
