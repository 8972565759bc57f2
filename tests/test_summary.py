"""The summary of a model: its numbers against those counted by hand."""

from typing import Any

import pytest

import pellucid as torch
from pellucid import nn, viz


def only(table: Any, path: str) -> Any:
    (row,) = [row for row in table.rows if row.path == path]
    return row


@pytest.mark.parametrize(
    ("layer", "shape", "parameters", "multiply_adds", "output", "activation_bytes"),
    [
        (nn.Linear(7, 5), (3, 7), 7 * 5 + 5, 3 * 7 * 5, (3, 5), 3 * 5 * 4),
        (nn.Linear(7, 5, bias=False), (2, 3, 7), 7 * 5, 2 * 3 * 7 * 5, (2, 3, 5), 2 * 3 * 5 * 4),
        (nn.Conv2d(3, 8, 3, padding=1), (2, 3, 6, 5), 8 * 3 * 9 + 8, 2 * 8 * 6 * 5 * 3 * 9, (2, 8, 6, 5), 1920),
        (nn.Conv2d(4, 8, (3, 2), stride=2, groups=2), (1, 4, 9, 9), 8 * 2 * 6 + 8, 128 * 2 * 6, (1, 8, 4, 4), 512),
        (nn.Conv1d(2, 3, 4), (5, 2, 10), 2 * 3 * 4 + 3, 5 * 3 * 7 * 2 * 4, (5, 3, 7), 5 * 3 * 7 * 4),
        (nn.BatchNorm2d(3), (4, 3, 2, 2), 6, 4 * 3 * 2 * 2, (4, 3, 2, 2), 192),
        (nn.LayerNorm(6), (4, 6), 12, 24, (4, 6), 96),
        (nn.Embedding(10, 4), (), 40, 0, (3, 4), 48),
        (nn.ReLU(), (3, 4), 0, 0, (3, 4), 48),
        (nn.Flatten(), (3, 4, 5), 0, 0, (3, 20), 0),
    ],
    ids=["linear", "linear3d", "conv2d", "grouped", "conv1d", "batchnorm", "layernorm", "embedding", "relu", "flatten"],
)  # fmt: skip
def test_a_layer(
    layer: Any, shape: Any, parameters: int, multiply_adds: int, output: Any, activation_bytes: int
) -> None:
    x = torch.tensor([1, 2, 3]) if isinstance(layer, nn.Embedding) else torch.randn(*shape)
    table = viz.summary(layer, x)
    row = only(table, "")
    assert row.trainable == parameters == sum(parameter.numel() for parameter in layer.parameters())
    assert row.multiply_adds == multiply_adds
    assert row.outputs == [output]
    assert row.parameter_bytes == parameters * 4
    assert row.activation_bytes == activation_bytes


class LSTM(nn.Module):
    """Gates i, f, g, o = W x + U h + b; c = f·c + i·g; h = o·tanh(c)."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.w, self.u = nn.Linear(inputs, 4 * hidden), nn.Linear(hidden, 4 * hidden, bias=False)

    def forward(self, x: Any) -> Any:
        h = c = torch.zeros(x.shape[0], self.hidden)
        for t in range(x.shape[1]):
            i, f, g, o = (self.w(x[:, t]) + self.u(h)).chunk(4, 1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
        return h


def test_a_layer_called_in_a_loop() -> None:
    batch, steps, inputs, hidden = 2, 7, 3, 5
    table = viz.summary(LSTM(inputs, hidden), torch.randn(batch, steps, inputs))
    assert (only(table, "w").calls, only(table, "u").calls) == (steps, steps)
    assert only(table, "w").multiply_adds == steps * batch * inputs * 4 * hidden
    assert only(table, "u").multiply_adds == steps * batch * hidden * 4 * hidden
    assert table.parameters == 4 * hidden * (inputs + hidden + 1)
    assert "w: Linear × 7" in str(table)


def test_products_that_no_layer_makes() -> None:
    class Attention(nn.Module):
        def forward(self, q: Any, k: Any, v: Any) -> Any:
            scores = (q @ k.mT).softmax(-1)  # (B, T, d) · (B, d, S) -> (B, T, S)
            return torch.einsum("bts,bsd->btd", scores, v)

    q, k, v = torch.randn(2, 3, 4), torch.randn(2, 5, 4), torch.randn(2, 5, 6)
    table = viz.summary(Attention(), q, k, v)
    assert table.multiply_adds == 2 * 3 * 4 * 5 + 2 * 3 * 5 * 6
    assert table.inputs == [("q", (2, 3, 4)), ("k", (2, 5, 4)), ("v", (2, 5, 6))]


class Odd(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4, bias=False)
        self.second.weight = self.first.weight
        self.frozen, self.spare = nn.Linear(4, 2).requires_grad_(False), nn.Linear(9, 9)
        self.again = self.first
        self.scale = nn.Parameter(torch.ones(1))
        self.norm = nn.BatchNorm1d(2)

    def forward(self, x: Any) -> Any:
        return self.norm(self.frozen(self.second(self.again(self.first(x)) * self.scale)))


def test_shared_frozen_and_unused_parameters() -> None:
    model = Odd()
    table = viz.summary(model, torch.ones(3, 4))
    assert table.trainable == 4 * 4 + 4 + 9 * 9 + 9 + 1 + 4
    assert table.frozen == 4 * 2 + 2
    assert table.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert only(table, "first").trainable == 20
    assert only(table, "first").calls == 2
    assert only(table, "second").parameters == 0
    assert only(table, "second").shared == ["second.weight"]
    assert only(table, "").trainable == 1
    assert only(table, "spare").outputs == []
    assert only(table, "norm").buffer_bytes == 2 * 4 * 2 + 8
    assert table.multiply_adds == 3 * (4 * 4 + 4 * 4 + 4 * 4 + 4 * 2 + 2)
    text = str(table)
    for line in ("spare: Linear", "not called", "10 (10 frozen)", "shared", "115 trained and 10 frozen"):
        assert line in text, text


def test_the_table_as_text_and_as_html() -> None:
    inner = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
    table = viz.summary(nn.Sequential(inner, nn.Linear(2, 1)), torch.ones(1, 2))
    assert [row[0] for row in table.cells()[1:-1]] == [
        "Sequential", "├─ 0: Sequential", "│  ├─ 0: Linear", "│  └─ 1: Tanh", "└─ 1: Linear",
    ]  # fmt: skip
    assert len({len(line) for line in str(table).splitlines()[1:7]}) == 1  # the columns are straight
    page = table._repr_html_()
    assert page.count("<tr>") == 1 + 5 + 1
    assert "<b>" not in viz.summary(nn.Sequential(), torch.ones(1))._repr_html_()
    assert torch.summary is viz.summary


def test_the_model_is_left_alone_and_other_things_are_refused() -> None:
    model = nn.Sequential(nn.BatchNorm1d(2), nn.Dropout())
    before = (model[0].running_mean.tolist(), torch.get_rng_state().tolist())
    viz.summary(model, torch.randn(8, 2, generator=torch.Generator()))
    assert (model[0].running_mean.tolist(), torch.get_rng_state().tolist()) == before
    with pytest.raises(TypeError, match=r"takes a Module and its inputs, received Tensor: viz\.summary\(model, x\)"):
        viz.summary(torch.ones(1))
    with pytest.raises(TypeError, match="received the class Linear"):
        viz.summary(nn.Linear, torch.ones(1))
    with pytest.raises(TypeError, match=r"Linear\.forward\(.*cannot be called with \(\)"):
        viz.summary(nn.Linear(1, 1))


def test_batch_normalisation_of_one_sample_is_shown_as_in_evaluation() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    before = {name: tensor.tolist() for name, tensor in model.state_dict().items()}
    single, many = (viz.summary(model, torch.randn(n, 3)) for n in (1, 5))
    assert [row.trainable for row in single.rows] == [row.trainable for row in many.rows]
    assert "evaluation mode" in model.__graph__(torch.randn(1, 3)).title
    assert "evaluation mode" not in model.__graph__(torch.randn(5, 3)).title
    assert all(module.training for module in model.modules())
    assert {name: tensor.tolist() for name, tensor in model.state_dict().items()} == before
    with pytest.raises(ValueError, match=r"one value has no variance; give a larger batch, or call model\.eval\(\)"):
        model(torch.randn(1, 3))
