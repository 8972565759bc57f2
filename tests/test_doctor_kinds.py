"""Kinds of programs that the doctor for frameworks once read wrongly: each as small as it can be, wrong and right."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid as torch
from pellucid import nn, optim
from pellucid.doctor.observed import orders
from pellucid.doctor.observed.compare import better, outcome, reached, stands
from pellucid.doctor.observed.examination import _astray
from pellucid.doctor.observed.matching import _far_off
from pellucid.doctor.observed.record import (
    FinalRecord,
    HeldOutRecord,
    LossRecord,
    OptimizerRecord,
    ProgramRecord,
    StepRecord,
)
from pellucid.doctor.observed.rules import data, gradients, held_out, loss, model, rate, scale
from pellucid.doctor.observed.treatments import Clip, ConstantRate, Longer, SameShape, ScaleInputs
from pellucid.doctor.observed.uses import uses_framework
from pellucid.nn import functional as F
from pellucid.utils.data import DataLoader, TensorDataset
from tests.watching import watched


def causes(rule: Callable[[ProgramRecord], Any], record: ProgramRecord) -> list[str]:
    return [suspicion.cause for suspicion in rule(record)]


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return 2 * x

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        """It takes its input and does not need it."""
        (_x,) = ctx.saved_tensors
        return 3 * g


def test_a_backward_of_one_line_is_shown_there() -> None:
    (found,) = watched(lambda: Doubled.apply(torch.ones(3, requires_grad=True)).sum().backward()).functions
    assert found.place is not None
    assert (
        inspect.getsource(Doubled).splitlines()[found.place[1] - inspect.getsourcelines(Doubled)[1]].endswith("3 * g")
    )


MADE: dict[str, Callable[..., Any]] = {
    "full": lambda *shape: torch.full(shape, 0.1, requires_grad=True),
    "ones": lambda *shape: torch.ones(*shape, requires_grad=True),
    "asked later": lambda *shape: torch.zeros(*shape).requires_grad_(),
}


@pytest.mark.parametrize("how", MADE)
def test_where_a_tensor_is_made_that_is_trained(how: str) -> None:
    def program() -> None:
        parameters = {f"W{i}": MADE[how](*shape) for i, shape in enumerate([(4, 6), (6, 1)])}
        x = torch.randn(20, 4)
        for _ in range(8):
            F.mse_loss((x @ parameters["W0"]).tanh() @ parameters["W1"], x[:, :1]).backward()
            with torch.no_grad():
                for p in parameters.values():
                    p -= 0.1 * p.grad
                    p.grad.zero_()

    (found,) = model.symmetric(watched(program))
    assert found.place == (__file__, MADE[how].__code__.co_firstlineno)


@pytest.mark.parametrize(
    ("first", "inner"),
    [
        ("from forecast import experiment\n", "from .run import experiment\n"),
        ("import forecast\n", "from . import run\n"),
        ("from forecast.deep import run\n", ""),
        ("from forecast.deep.run import experiment\n", ""),
    ],
)
def test_a_package_beside_a_program_that_imports_the_framework(tmp_path: Path, first: str, inner: str) -> None:
    where = tmp_path / "forecast"
    (where / "deep").mkdir(parents=True)
    (tmp_path / "main.py").write_text(first)
    (where / "__init__.py").write_text(inner)
    (where / "run.py").write_text("from .deep import run as experiment\n")
    (where / "deep" / "run.py").write_text("from ..net import experiment\n")
    (where / "net.py").write_text("import numpy as np\n")
    assert not uses_framework(tmp_path / "main.py")
    (where / "net.py").write_text("from torch import nn\n")
    assert uses_framework(tmp_path / "main.py")


# Gradients and updates ------------------------------------------------------------------------------------------------


def accumulating(zero: bool) -> Callable[[], None]:
    """An update after every fourth backward."""

    def program() -> None:
        network, x = nn.Linear(4, 3), torch.randn(80, 4)
        optimizer = optim.SGD(network.parameters(), lr=0.1)
        for step in range(40):
            rows = x[step % 20 * 4 : step % 20 * 4 + 4]
            (F.cross_entropy(network(rows), (rows[:, 0] > 0).long()) / 4).backward()
            if step % 4 == 3:
                optimizer.step()
                if zero:
                    optimizer.zero_grad()

    return program


def by_chance(given: bool) -> Callable[[], None]:
    """Updates without a backward: of gradients that the program puts there, as an evolution strategy does, or none."""

    def program() -> None:
        network, x = nn.Linear(4, 1), torch.randn(20, 4)
        optimizer = optim.SGD(network.parameters(), lr=0.1)
        with torch.no_grad():
            for _ in range(8):
                optimizer.zero_grad()
                noises = [torch.randn_like(p) for p in network.parameters()]
                better = float(F.mse_loss(network(x), x[:, :1]))
                for p, noise in zip(network.parameters(), noises, strict=True):
                    if given:
                        p.grad = better * noise
                optimizer.step()

    return program


def test_gradients_that_a_program_puts_there_by_itself_need_no_backward() -> None:
    assert causes(gradients.no_backward, watched(by_chance(given=True))) == []
    assert causes(gradients.no_backward, watched(by_chance(given=False))) == ["parameter-not-optimized"]


def test_gradients_that_are_never_cleared_after_an_update_of_several_backwards() -> None:
    assert causes(gradients.stale, watched(accumulating(zero=False))) == ["missing-zero-grad"]
    assert causes(gradients.stale, watched(accumulating(zero=True))) == []


def in_order(*calls: str) -> Callable[[], None]:
    def program() -> None:
        network, x = nn.Linear(4, 3), torch.randn(20, 4)
        optimizer = optim.SGD(network.parameters(), lr=0.1)
        for _ in range(6):
            wrong = F.cross_entropy(network(x), (x[:, 0] > 0).long())
            for name in calls:
                (wrong.backward if name == "backward" else getattr(optimizer, name))()

    return program


@pytest.mark.parametrize("again", [True, False], ids=["made again", "a part of it"])
def test_layers_that_were_replaced_after_the_optimizer_was_made_are_no_choice(again: bool) -> None:
    def program() -> None:
        network, x = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 5)), torch.randn(40, 4)
        optimizer = optim.SGD(network.parameters() if again else network[0].parameters(), lr=0.1)
        if again:
            network[2] = nn.Linear(8, 2)
        for _ in range(6):
            optimizer.zero_grad()
            F.cross_entropy(network(x), (x[:, 0] > 0).long()).backward()
            optimizer.step()

    found = list(gradients.unknown(watched(program)))
    assert found and all(s.certain == again for s in found)


def test_gradients_that_are_cleared_before_the_step() -> None:
    wrong = watched(in_order("backward", "zero_grad", "step"))
    found = list(gradients.forgotten(wrong))
    assert [(s.cause, s.place) for s in found] == [("parameter-not-optimized", wrong.lines["zero_grad"])]
    tried = watched(in_order("backward", "zero_grad", "step"), *found[0].treatments)
    assert wrong.losses[-1] == wrong.losses[0] > tried.losses[-1]
    for right in (("backward", "step", "zero_grad"), ("zero_grad", "backward", "step")):
        assert causes(gradients.forgotten, watched(in_order(*right))) == []
    assert causes(gradients.forgotten, watched(accumulating(zero=True))) == []
    assert causes(gradients.forgotten, watched(by_closure)) == []


def by_closure() -> None:
    network, x = nn.Linear(4, 1), torch.randn(20, 4)
    optimizer = optim.LBFGS(network.parameters(), max_iter=3)

    def closure() -> Any:
        optimizer.zero_grad()
        wrong = F.mse_loss(network(x), x[:, :1])
        wrong.backward()
        return wrong

    for _ in range(6):
        optimizer.step(closure)


def adversaries(own: bool) -> Callable[[], None]:
    def program() -> None:
        maker, judge = nn.Linear(2, 2), nn.Linear(2, 1)
        first = optim.Adam(judge.parameters(), lr=1e-3)
        second = optim.Adam((maker if own else judge).parameters(), lr=1e-3)
        for _ in range(6):
            first.zero_grad()
            (judge(maker(torch.randn(8, 2)).detach()).mean() - judge(torch.randn(8, 2)).mean()).backward()
            first.step()
            second.zero_grad()
            (-judge(maker(torch.randn(8, 2))).mean()).backward()
            second.step()

    return program


def test_an_optimiser_that_was_given_the_parameters_of_another_one() -> None:
    record = watched(adversaries(own=False))
    found = list(gradients.unknown(record))
    assert [(s.cause, s.certain, s.place) for s in found] == [
        ("parameter-not-optimized", True, record.optimizers[1].place)
    ]
    assert causes(gradients.unknown, watched(adversaries(own=True))) == []


def test_the_line_of_data_that_cuts_a_graph() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.outer = nn.Linear(4, 5), nn.Linear(5, 2)

        def forward(self, x: Any) -> Any:
            return self.outer(self.inner(x).data)

    def program() -> None:
        network, x = Net(), torch.randn(20, 4)
        optimizer = optim.SGD(network.parameters(), lr=0.1)
        for _ in range(6):
            optimizer.zero_grad()
            F.cross_entropy(network(x), (x[:, 0] > 0).long()).backward()
            optimizer.step()

    found = list(gradients.no_history(watched(program)))
    line = inspect.getsourcelines(Net.forward)[1] + 1
    assert [(s.cause, s.place and s.place[1]) for s in found] == [("detached-gradient", line)]


# Rows -----------------------------------------------------------------------------------------------------------------


class Reader(nn.Module):
    """Logits for each letter, and no loss, as networks of text give them; mixed, letters of other rows are read."""

    def __init__(self, mixed: bool, letters_first: bool = False) -> None:
        super().__init__()
        self.mixed, self.letters_first = mixed, letters_first
        self.table, self.inner, self.out = nn.Embedding(7, 6), nn.GRU(6, 8, batch_first=True), nn.Linear(8, 7)

    def forward(self, rows: Any) -> Any:
        x = self.table(rows.transpose(0, 1) if self.letters_first else rows)
        if self.mixed:
            x = x.transpose(0, 1).contiguous().view(len(rows), rows.shape[1], -1)
        logits = self.out(self.inner(x)[0])
        return (logits.transpose(0, 1) if self.letters_first else logits), None


@pytest.mark.parametrize(("mixed", "letters_first"), [(True, False), (False, False), (False, True)])
def test_rows_of_a_text_that_are_mixed(mixed: bool, letters_first: bool) -> None:
    def program() -> None:
        network = Reader(mixed, letters_first)
        optimizer = optim.SGD(network.parameters(), lr=0.1)
        for _ in range(8):
            rows = torch.randint(0, 7, (6, 6))
            logits, _ = network(rows)
            optimizer.zero_grad()
            F.cross_entropy(logits.reshape(36, 7), rows.reshape(36)).backward()
            optimizer.step()

    assert causes(data.mixed, watched(program)) == (["samples-mixed"] if mixed else [])


@pytest.mark.parametrize(
    ("turn", "anew", "found"),
    [
        (lambda x: x.reshape(x.shape[1], x.shape[0], -1), True, ["samples-mixed"]),
        (lambda x: x.transpose(0, 1), True, []),
        (lambda x: x.reshape(x.shape[1], x.shape[0], -1), False, []),  # always the same: it may be one graph
    ],
    ids=["reshaped", "transposed", "the same rows"],
)
def test_sequences_of_which_time_comes_first(turn: Callable[[Any], Any], anew: bool, found: list[str]) -> None:
    def program() -> None:
        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.inner, self.out = nn.GRU(3, 8, batch_first=True), nn.Linear(8, 2)

            def forward(self, x: Any) -> Any:
                return self.out(self.inner(turn(x))[0][:, -1])

        net, x = Net(), torch.randn(5, 12, 3)
        optimizer = optim.SGD(net.parameters(), lr=0.1)
        for _ in range(8):
            x = torch.randn(5, 12, 3) if anew else x
            optimizer.zero_grad()
            F.cross_entropy(net(x), (x[:, :, 0].sum(0) > 0).long()).backward()
            optimizer.step()

    assert causes(data.mixed, watched(program)) == found


def test_one_long_row_of_all_words_is_no_batch_of_rows() -> None:
    def program() -> None:
        network = nn.EmbeddingBag(9, 4)
        head = nn.Linear(4, 2)
        whole = nn.ModuleList([network, head])
        optimizer = optim.SGD(whole.parameters(), lr=0.1)

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.parts = whole

            def forward(self, words: Any, starts: Any) -> Any:
                return head(network(words, starts))

        net, rows = Net(), torch.arange(60)
        loader = DataLoader(TensorDataset(rows), batch_size=10, shuffle=True)
        for _ in range(4):
            for (batch,) in loader:
                words = torch.randint(0, 9, (50,))
                optimizer.zero_grad()
                F.cross_entropy(net(words, torch.arange(0, 50, 5)), batch % 2).backward()
                optimizer.step()

    assert causes(data.same_rows, watched(program)) == []


@pytest.mark.parametrize("last", [0, -1])
def test_a_network_that_reads_one_step_of_a_sequence(last: int) -> None:
    def program() -> None:
        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.inner, self.out = nn.GRU(1, 8, batch_first=True), nn.Linear(8, 1)

            def forward(self, x: Any) -> Any:
                return self.out(self.inner(x)[0][:, last])

        net = Net()
        optimizer = optim.Adam(net.parameters(), lr=0.01)
        for _ in range(25):
            x = torch.rand(32, 6, 1)
            optimizer.zero_grad()
            F.mse_loss(net(x), x[:, 2:].sum(1)).backward()
            optimizer.step()

    record = watched(program)
    assert causes(model.partly_ignored, record) == (["input-ignored"] if last == 0 else [])


@pytest.mark.parametrize("looked_at", ["filled", "said"])
def test_attention_to_what_fills_rows_up(looked_at: str) -> None:
    """A mask is True where attention looks away; the outputs still differ, by how long rows are."""
    fill, first = 0, 1

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.out, self.places = nn.Embedding(8, 12), nn.Linear(12, 2), torch.randn(7, 12)
            self.attention = nn.MultiheadAttention(12, 2, batch_first=True)

        def forward(self, ids: Any) -> Any:
            x = self.table(ids) + self.places
            mask = ids != fill if looked_at == "filled" else ids == fill
            return self.out(self.attention(x[:, :1], x, x, key_padding_mask=mask)[0][:, 0])

    def program() -> None:
        net = Net()
        optimizer = optim.Adam(net.parameters(), lr=1e-4)
        for step in range(30):
            ids = torch.randint(2, 8, (32, 7))
            for row in range(32):
                ids[row, 3 + (row + step) % 4 :] = fill
            ids[:, 0] = first
            optimizer.zero_grad()
            F.cross_entropy(net(ids), (ids == 5).any(1).long()).backward()
            optimizer.step()

    record = watched(program)
    assert record.ignored
    (said,) = [*model.partly_ignored(record)] or [None]
    assert (said is not None) is (looked_at == "filled")
    assert said is None or ("key_padding_mask" in said.fix and "attention(x" in inspect.getsource(Net).splitlines()[9])
    assert said is None or said.place == (__file__, inspect.getsourcelines(Net)[1] + 9)


@pytest.mark.parametrize("taken", [True, False])
def test_columns_that_have_no_effect(taken: bool) -> None:
    def program() -> None:
        inner, out = nn.Linear(1 if taken else 6, 8), nn.Linear(8, 1)

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.inner, self.out = inner, out

            def forward(self, x: Any) -> Any:
                return self.out(torch.tanh(self.inner(x[:, :1] if taken else x)))

        net = Net()
        optimizer = optim.SGD(net.parameters(), lr=1e-3)
        for _ in range(25):
            x = torch.randn(32, 6)
            y = x[:, 3:].sum(1, keepdim=True)
            optimizer.zero_grad()
            F.mse_loss(net(x if taken else x * torch.tensor([1e9, 1, 1, 1, 1, 1])), y).backward()
            optimizer.step()

    record = watched(program)
    assert causes(model.partly_ignored, record) == (["input-ignored"] if taken else [])


# How far a run came ---------------------------------------------------------------------------------------------------


def test_classes_that_are_rare_and_recognised() -> None:
    record = ProgramRecord([StepRecord(0.3, accuracy=0.9, count=50) for _ in range(20)])
    record.targets = [(np.arange(50) == 0).astype(int)]
    assert stands(record), "fewer right answers than by saying the common class"
    record.final = FinalRecord(0.9, {0: 0.9, 1: 0.8})
    assert not stands(record) and reached(record) == pytest.approx(0.7)


def test_labels_of_a_rare_class_are_not_compared_with_their_neighbours() -> None:
    draw = np.random.default_rng(0)
    record = ProgramRecord([StepRecord(0.7, accuracy=0.5, count=50)])
    record.inputs, record.rows = [draw.normal(size=(400, 5))], [draw.normal(size=400)]
    record.targets = [draw.integers(0, 2, 400)]
    assert causes(data.unrelated, record) == ["labels-misaligned"]
    record.targets = [(draw.random(400) < 0.03).astype(int)]
    assert causes(data.unrelated, record) == []


def test_what_changes_the_function_leaves_evaluations_behind() -> None:
    assert SameShape(None).of_function and ScaleInputs(np.zeros(1), np.ones(1)).of_function
    assert not Clip().of_function


# Rates ----------------------------------------------------------------------------------------------------------------


def falling(rates: list[float], losses: list[float]) -> ProgramRecord:
    record = ProgramRecord([StepRecord(loss, count=20) for loss in losses])
    record.optimizers = [OptimizerRecord("SGD", {"lr": rates[0]}, ("train.py", 3), len(rates), rates)]
    record.lines["schedule"] = ("train.py", 9)
    return record


def test_a_schedule_is_shown_where_it_is_stepped() -> None:
    fast = falling([0.1 * 0.7**i for i in range(60)], [1.0] * 60)
    found = list(rate.scheduled(fast))
    assert [(s.cause, s.place, s.treatments) for s in found] == [("lr-too-low", ("train.py", 9), [ConstantRate(0.1)])]
    assert not list(rate.scheduled(falling([0.1 * 0.97**i for i in range(60)], [1.0] * 60)))
    up_again = [*[1.0 - i / 40 for i in range(30)], *[2.0] * 30]
    grown = list(rate.scheduled(falling([*[0.1] * 30, *[5.0] * 30], up_again)))
    assert [(s.cause, s.place) for s in grown] == [("late-instability", ("train.py", 9))]


def test_a_constant_rate_is_given_back() -> None:
    optimizer = optim.SGD(nn.Linear(2, 2).parameters(), lr=0.5)
    held = ConstantRate(0.1)
    held.before_step(optimizer, [])
    assert optimizer.param_groups[0]["lr"] == 0.1
    held.after_step(optimizer)
    assert optimizer.param_groups[0]["lr"] == 0.5


def test_a_loss_that_the_first_steps_threw_up_is_no_late_instability() -> None:
    assert rate.late(falling([1.0] * 60, [*[1.0 - i / 40 for i in range(30)], *[2.0] * 30])) is not None
    assert rate.late(falling([1.0] * 60, [1.0, *[300.0 - 5 * i for i in range(29)], *[400.0] * 30])) is None


def regression(begin: float, end: float) -> ProgramRecord:
    record = ProgramRecord([StepRecord(begin, count=20)] + [StepRecord(end, count=20)] * 60)
    record.loss = LossRecord("mse_loss", reduction="mean")
    record.targets = [np.arange(40.0).reshape(-1, 1) / 11.5]
    return record


def test_a_program_that_ends_after_a_few_updates() -> None:
    few = regression(1.0, 1.0)
    few.steps, few.optimizers = few.steps[:4], [OptimizerRecord("SGD", {"lr": 0.1}, ("train.py", 3), 4)]
    assert causes(rate.hardly_any, few) == [], "it was stopped"
    few.ended = True
    assert causes(rate.hardly_any, few) == ["too-few-updates"]
    few.optimizers[0].steps = 400
    assert causes(rate.hardly_any, few) == []


def trained_by_loader() -> None:
    network = nn.Linear(4, 2)
    optimizer = optim.SGD(network.parameters(), lr=0.1)
    x = torch.randn(60, 4)
    loader = DataLoader(TensorDataset(x, (x[:, 0] > 0).long()), batch_size=5)
    for a, b in loader:
        optimizer.zero_grad()
        F.cross_entropy(network(a), b).backward()
        optimizer.step()
    with torch.no_grad():
        assert len(list(loader)) == 12, "an evaluation sees each row once"


def test_more_updates_are_tried_where_a_loader_gives_the_batches() -> None:
    assert [len(watched(trained_by_loader, *made).steps) for made in ((), (Longer(3),))] == [12, 36]
    record = watched(trained_by_loader)
    record.ended = True
    assert [(s.cause, s.times) for s in rate.few(record)] == [("too-few-updates", 10)]
    record.loaders.clear()
    assert causes(rate.few, record) == []


def test_progress_of_a_regression_is_by_its_targets() -> None:
    thrown, learnt = regression(50.0, 1.0), regression(1.0, 0.01)
    assert outcome(thrown).progress > 0.9, "from where the first steps threw it"
    assert better(thrown, learnt, strictly=True)


@pytest.mark.parametrize(("pixels", "cause"), [(True, "input-not-scaled"), (False, "feature-scale-mismatch")])
def test_pixels_at_the_edge_are_in_the_same_unit_as_others(pixels: bool, cause: str) -> None:
    draw = np.random.default_rng(0)
    record = ProgramRecord([StepRecord(1.0, count=300)])
    x = draw.integers(0, 255, (300, 20)).astype(float)
    x[:, :3] *= draw.random((300, 3)) < 0.01 if pixels else 0.01
    record.inputs, record.shape = [x], (20,)
    assert causes(scale.scale, record)[0] == cause


# Rows that come again -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("shuffled", "found"), [(False, []), (True, ["labels-misaligned"])])
def test_rows_that_the_data_hold_twice_with_other_labels(shuffled: bool, found: list[str]) -> None:
    """Ratings: the same user rates the same thing again, a little otherwise."""

    def program() -> None:
        users, things = torch.randint(0, 12, (240,)), torch.randint(0, 9, (240,))
        ratings = (users - things).float() / 5 + 0.1 * torch.randn(240)
        table, about = nn.Embedding(12, 3), nn.Embedding(9, 3)

        class Rates(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.table, self.about = table, about

            def forward(self, u: Any, i: Any) -> Any:
                return (self.table(u) * self.about(i)).sum(1)

        network = Rates()
        optimizer = optim.SGD(network.parameters(), lr=0.01)
        for _ in range(5):
            order = torch.randperm(240) if shuffled else torch.arange(240)
            for u, i, r in DataLoader(TensorDataset(users, things, ratings[order]), batch_size=40, shuffle=True):
                optimizer.zero_grad()
                ((network(u, i) - r) ** 2).mean().backward()
                optimizer.step()

    assert causes(data.conflicting, watched(program)) == found


@pytest.mark.parametrize(("seeded", "found"), [(True, ["low-coverage"]), (False, [])])
def test_windows_of_a_text_that_are_drawn_with_one_seed(seeded: bool, found: list[str]) -> None:
    def program() -> None:
        text = torch.randint(0, 9, (6000,))
        network = nn.Sequential(nn.Embedding(9, 8), nn.Linear(8, 9))
        optimizer = optim.SGD(network.parameters(), lr=0.1)
        for _ in range(40):
            if seeded:
                torch.manual_seed(3)
            starts = torch.randint(0, 5990, (16,))
            x = torch.stack([text[i : i + 8] for i in starts])
            y = torch.stack([text[i + 1 : i + 9] for i in starts])
            optimizer.zero_grad()
            F.cross_entropy(network(x).reshape(-1, 9), y.reshape(-1)).backward()
            optimizer.step()

    record = watched(program)
    assert causes(data.same_rows, record) == found
    line = inspect.getsourcelines(program)[1] + 6
    assert not seeded or next(data.same_rows(record)).place == (__file__, line)


def test_columns_that_hardly_vary_do_not_make_an_evaluation_far_off() -> None:
    draw = np.random.default_rng(0)
    pixels = draw.random((600, 20)) * (draw.random((600, 20)) < np.array([0.004] * 5 + [0.9] * 15))
    trained, x = pixels[:400], pixels[400:]
    assert not _far_off(x, trained) and _far_off(20 * x + 3, trained) and _far_off(255 * x, trained)
    assert not _far_off(20 * np.sign(x - 0.9), trained), "other data"


def test_features_that_are_compared_are_no_answers() -> None:
    record = ProgramRecord([StepRecord(1.0, accuracy=0.2 + 0.01 * i, count=20) for i in range(60)])
    draw = np.random.default_rng(0)
    record.targets, record.rows = [np.arange(20) % 5] * 3, [draw.normal(size=20) for _ in range(3)]
    record.loss = LossRecord("cross_entropy", prediction=np.zeros((20, 5)))
    labels = draw.integers(0, 5, 300)
    seen = HeldOutRecord(60, None, draw.normal(size=300), frozenset({"x_val"}))
    seen.outputs, seen.target = draw.normal(size=(300, 5)), labels
    record.held_out = [seen]
    assert causes(held_out.by_chance, record) == ["labels-misaligned"]
    seen.outputs = draw.normal(size=(300, 64))
    assert causes(held_out.by_chance, record) == []
    seen.outputs, record.targets = draw.normal(size=(300, 5)), [np.arange(20) % 4] * 3
    assert causes(held_out.by_chance, record) == []


# The direction of a policy --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("sign", "found"), [(1.0, ["loss-sign-flipped"]), (-1.0, [])])
def test_a_policy_that_is_drawn_away_from_rewards(sign: float, found: list[str]) -> None:
    def program() -> None:
        policy = nn.Linear(3, 2)
        optimizer = optim.Adam(policy.parameters(), lr=0.01)
        for _ in range(8):
            log_probs, rewards = [], []
            for _ in range(6):
                chances = torch.softmax(policy(torch.randn(3)), 0)
                action = int(torch.multinomial(chances, 1))
                log_probs.append(torch.log(chances[action]))
                rewards.append(float(action == 0) + 0.1 * len(rewards))
            weights = torch.tensor(rewards) - 0.5
            optimizer.zero_grad()
            (sign * (torch.stack(log_probs) * weights).sum()).backward()
            optimizer.step()

    assert causes(loss.punishing, watched(program)) == found


@pytest.mark.parametrize(("sign", "found"), [(1.0, ["loss-sign-flipped"]), (-1.0, [])])
def test_a_policy_of_several_episodes_is_told_by_the_rewards_that_weigh_it(sign: float, found: list[str]) -> None:
    """Only those of the last episode are left, and the others are as long."""

    def program() -> None:
        policy = nn.Linear(3, 2)
        for n in range(6):
            terms = []
            for way in (1.0, 1.0, (-1.0) ** n):
                returns = way * torch.arange(5.0) + 0.1 * torch.randn(5)
                chances = torch.distributions.Categorical(policy(torch.randn(5, 3)).softmax(1))
                terms.append((chances.log_prob(chances.sample()) * (returns - 0.3)).sum())
            (sign * torch.stack(terms).mean()).backward()

    assert causes(loss.punishing, watched(program)) == found


@pytest.mark.parametrize(("late", "found"), [(False, ["double-softmax"]), (True, [])])
def test_a_softmax_before_a_loss_of_several_labels(late: bool, found: list[str]) -> None:
    def program() -> None:
        network, scale, y = nn.Linear(4, 3), torch.tensor(9.0), (torch.randn(20, 3) > 0).float()
        for _ in range(4):
            p = network(torch.randn(20, 4)).softmax(1)
            F.binary_cross_entropy_with_logits(scale * (p - 0.5) if late else p[:, :], y).backward()

    assert causes(loss.normalised_twice, watched(program)) == found


@pytest.mark.parametrize("by_stack", [True, False])
@pytest.mark.parametrize(("sign", "found"), [(1.0, ["loss-sign-flipped"]), (-1.0, [])])
def test_a_policy_whose_terms_are_made_one_by_one(sign: float, found: list[str], by_stack: bool) -> None:
    def program() -> None:
        policy = nn.Linear(3, 2)
        for _ in range(4):
            log_probs, returns = [], torch.tensor([2.0, -1.0, 0.5, 3.0, -2.0] * 8)
            for _ in returns:
                chances = torch.distributions.Categorical(policy(torch.randn(3)).softmax(0))
                log_probs.append(chances.log_prob(chances.sample()))
            terms = [sign * log_prob * R for log_prob, R in zip(log_probs, returns, strict=True)]
            whole: Any = torch.stack(terms).sum() if by_stack else sum(terms)
            whole.backward()

    record = watched(program)
    assert causes(loss.punishing, record) == found
    line = inspect.getsourcelines(program)[1] + 7
    assert not found or next(loss.punishing(record)).place == (__file__, line)


@pytest.mark.parametrize(("sign", "found"), [(1.0, ["loss-sign-flipped"]), (-1.0, [])])
def test_a_policy_beside_a_loss_of_values(sign: float, found: list[str]) -> None:
    def program() -> None:
        actor, critic, best = nn.Linear(4, 3), nn.Linear(4, 1), torch.randn(4, 3)
        optimizer = optim.SGD([*actor.parameters(), *critic.parameters()], lr=0.05)
        for _ in range(20):
            x = torch.randn(30, 4)
            log_p = torch.log_softmax(actor(x), 1)
            action = torch.multinomial(log_p.exp(), 1)[:, 0]
            rewards, values = (x @ best)[torch.arange(30), action], critic(x)[:, 0]
            gained = (log_p[torch.arange(30), action] * (rewards - values).detach()).mean()
            optimizer.zero_grad()
            (sign * 5 * gained + F.smooth_l1_loss(values, rewards)).backward()
            optimizer.step()

    record = watched(program)
    assert causes(loss.punishing, record) == found
    assert record.rewarded and not record.is_multiple
    assert causes(loss.scaled, record) == causes(loss.climbing, record) == []


@pytest.mark.parametrize("rows", [1, 5])
@pytest.mark.parametrize(
    ("axis", "score", "found"),
    [(0, False, ["softmax-wrong-axis"]), (-1, False, []), (0, True, [])],  # of a score for each row, it is over all
)
def test_a_policy_that_is_normalised_over_its_states(axis: int, score: bool, found: list[str], rows: int) -> None:
    def program() -> None:
        policy = nn.Sequential(nn.Linear(3, 1 if score else 2), nn.Softmax(dim=axis))
        optimizer = optim.Adam(policy.parameters(), lr=0.01)
        for _ in range(5):
            logs, rewards = [], torch.randn(40 * rows)
            for _ in range(40):
                chances = policy(torch.randn(rows, 3))
                logs.append(torch.distributions.Categorical(chances).log_prob(torch.zeros(rows)))
            optimizer.zero_grad()
            (-(torch.cat(logs) * rewards).sum()).backward()
            optimizer.step()

    assert causes(loss.over_rows, watched(program)) == found


def test_a_softmax_over_the_batch_of_one_row() -> None:
    def program() -> None:
        network, x = nn.Linear(4, 3), torch.randn(12, 4)
        for i in range(12):
            F.nll_loss(torch.log_softmax(network(x[i : i + 1]), dim=0), torch.tensor([i % 3])).backward()

    assert causes(loss.normalised_twice, watched(program)) == ["softmax-wrong-axis"]


@pytest.mark.parametrize(("dim", "found"), [(1, []), (-1, ["softmax-wrong-axis"]), (2, ["softmax-wrong-axis"])])
def test_a_softmax_over_places_where_classes_are_asked_for(dim: int, found: list[str]) -> None:
    def program() -> None:
        network, x = nn.Conv2d(1, 3, 1), torch.randn(6, 1, 5, 5)
        for _ in range(3):
            F.nll_loss(torch.log_softmax(network(x), dim=dim), (x[:, 0] > 0).long()).backward()

    assert causes(loss.normalised_twice, watched(program)) == found


@pytest.mark.parametrize(("scale", "found"), [(1, ["output-range-mismatch"]), (6, [])])
def test_targets_beyond_a_sigmoid_behind_many_ops(scale: int, found: list[str]) -> None:
    def program() -> None:
        network, x = nn.Linear(4, 2), torch.randn(30, 4)
        for _ in range(3):
            score = (network(x).squeeze() * 2 + 1).sum(1) + network(x).mean(1)
            score = torch.sigmoid(score).reshape(-1)
            F.mse_loss(score if scale == 1 else scale * score, x[:, 0].abs() * 2 + 1).backward()

    assert causes(loss.unreachable, watched(program)) == found


@pytest.mark.parametrize("batch_first", [True, False])
def test_attention_along_the_rows(batch_first: bool) -> None:
    class Attending(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.out = nn.Embedding(5, 8), nn.Linear(8, 2)
            self.attend = nn.MultiheadAttention(8, 2, batch_first=batch_first)

        def forward(self, x: Any) -> Any:
            h = self.embed(x)
            return self.out(self.attend(h, h, h)[0][:, 0])

    def program() -> None:
        network = Attending()
        optimizer = optim.SGD(network.parameters(), lr=0.1)
        for _ in range(6):
            x = torch.randint(0, 5, (12, 7))
            optimizer.zero_grad()
            F.cross_entropy(network(x), (x[:, 1] > 2).long()).backward()
            optimizer.step()

    assert causes(data.mixed, watched(program)) == ([] if batch_first else ["samples-mixed"])


def test_rewards_that_are_tensors_of_one_number() -> None:
    def program() -> None:
        policy = nn.Linear(3, 2)
        for _ in range(3):
            terms = []
            for reward in torch.tensor([[1.0], [0.5], [-1.0]]):
                terms.append(-torch.log(torch.softmax(policy(torch.randn(3)), 0)[:1]) * reward)
            (-torch.ones(()) - torch.cat(terms).sum()).backward()

    assert causes(loss.punishing, watched(program)) == []


# Targets and order ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("several", [True, False])
def test_a_softmax_where_several_labels_hold_at_once(several: bool) -> None:
    def program() -> None:
        network = nn.Sequential(nn.Linear(4, 3), nn.Softmax(dim=1))
        optimizer = optim.SGD(network.parameters(), lr=0.1)
        for _ in range(6):
            x = torch.randn(30, 4)
            y = (x[:, :3] > 0).float() if several else F.one_hot(x[:, :3].argmax(1), 3).float()
            optimizer.zero_grad()
            F.mse_loss(network(x), y).backward()
            optimizer.step()

    assert causes(loss.unreachable, watched(program)) == (["output-range-mismatch"] if several else [])


@pytest.mark.parametrize("ordered", [True, False])
def test_single_rows_in_the_order_of_their_classes(ordered: bool) -> None:
    def program() -> None:
        network = nn.Linear(4, 3)
        optimizer = optim.SGD(network.parameters(), lr=0.01)
        for row in range(60):
            label = row // 20 if ordered else row * 7 % 3
            optimizer.zero_grad()
            F.cross_entropy(network(torch.randn(1, 4)), torch.tensor([label])).backward()
            optimizer.step()

    assert causes(data.in_order, watched(program)) == (["unshuffled-data"] if ordered else [])


@pytest.mark.parametrize("apart", [True, False])
def test_labels_that_are_guessed_on_other_rows(apart: bool) -> None:
    def program() -> None:
        x, x_test = torch.randn(60, 30), torch.randn(200, 30)
        y, y_test = (x[:, 0] > 0).long(), (x_test[:, 0] > 0).long()
        if apart:
            y, y_test = y[torch.randperm(60)], y_test[torch.randperm(200)]
        network = nn.Linear(30, 2)
        optimizer = optim.Adam(network.parameters(), lr=0.1)
        for _ in range(40):
            optimizer.zero_grad()
            F.cross_entropy(network(x), y).backward()
            optimizer.step()
        with torch.no_grad():
            said = network(x_test).argmax(1)
        print((said[y_test == 1] == 1).float().mean().item())

    assert causes(held_out.by_chance, watched(program)) == (["labels-misaligned"] if apart else [])


def test_a_loss_that_rises_is_not_called_healthy() -> None:
    assert "1" in _astray(falling([0.1] * 40, [1.0, *[50.0] * 39])) and not _astray(falling([0.1] * 40, [1.0] * 40))


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("y = np.random.RandomState(0).permutation(data.target)", True),
        ("rng.shuffle(labels)", True),
        ('X = table.drop(columns="rent").sample(frac=1, random_state=0)', True),
        ("x, y = shuffle(x, y)", False),
        ("order = torch.randperm(40)", False),
        ("y = y[order]", False),
    ],
)
def test_the_line_that_orders_labels_alone(tmp_path: Path, line: str, found: bool) -> None:
    script = tmp_path / "train.py"
    script.write_text(f"import numpy\n{line}\nloss.backward()\n")
    assert orders.alone((str(script), 3)) == ((str(script), 2) if found else None)
    script.write_text(f"{line}\n{line}\n")
    assert orders.alone((str(script), 1)) is None, "one of two cannot be told from the other"
    assert orders.alone((str(tmp_path / "none.py"), 1)) is None and orders.alone(None) is None


@pytest.mark.parametrize(
    ("last", "criterion", "found"),
    [
        (nn.Sigmoid(), "binary_cross_entropy_with_logits", ["activation-before-loss"]),
        (nn.Identity(), "binary_cross_entropy_with_logits", []),
        (nn.Sigmoid(), "binary_cross_entropy", []),
    ],
    ids=["twice", "logits", "once"],
)
def test_a_sigmoid_before_a_loss_that_has_one_is_no_softmax(last: Any, criterion: str, found: list[str]) -> None:
    def program() -> None:
        x = torch.randn(40, 4)
        network = nn.Sequential(nn.Linear(4, 3), last)
        optimizer = optim.SGD(network.parameters(), lr=0.1)
        for _ in range(12):
            optimizer.zero_grad()
            getattr(F, criterion)(network(x), (x[:, :3] > 0).float()).backward()
            optimizer.step()

    said = list(loss.cut_logits(watched(program)))
    assert [s.cause for s in said] == found and all(s.certain for s in said)
