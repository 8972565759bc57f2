"""What the doctor reads from the answers that a network gave for each row, in its training and in evaluations."""

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import pellucid as torch
from pellucid import nn, optim
from pellucid.doctor.observed.compare import better, better_held_out, recalls
from pellucid.doctor.observed.confirmation import confirms
from pellucid.doctor.observed.history import early
from pellucid.doctor.observed.matching import _is_known
from pellucid.doctor.observed.record import FinalRecord, HeldOutRecord, OptimizerRecord, ProgramRecord, StepRecord
from pellucid.doctor.observed.rules import data, gradients, held_out, loss, model, objective
from pellucid.doctor.observed.search import Search
from pellucid.nn import functional as F
from pellucid.utils.data import DataLoader, TensorDataset
from tests.watching import watched


def learns_by_heart(wrong: float, rows: int = 160, binary: bool = False) -> Callable[[], None]:
    """A wide network on few rows, of which a share is labelled wrongly; the rows of its evaluation are not."""

    def program() -> None:
        draw = np.random.default_rng(1)
        x = torch.tensor(draw.normal(size=(rows + 200, 8)).astype("float32"))
        y = (x[:, 0] + x[:, 1] > 0).long()
        shown, turned = y[:rows].clone(), torch.tensor(draw.permutation(rows)[: int(wrong * rows)]).long()
        shown[turned] = 1 - shown[turned]
        network = nn.Sequential(nn.Linear(8, 128), nn.ReLU(), nn.Linear(128, 1 if binary else 2))
        optimizer = optim.Adam(network.parameters(), lr=0.02)
        for _ in range(40):
            for idx in torch.randperm(rows).split(20):
                optimizer.zero_grad()
                out = network(x[:rows][idx])
                if binary:
                    loss = F.binary_cross_entropy_with_logits(out.squeeze(1), shown[idx].float())
                else:
                    loss = F.cross_entropy(out, shown[idx])
                loss.backward()
                optimizer.step()
            with torch.no_grad():
                out = network(x[rows:])
                said = (out.squeeze(1) > 0).long() if binary else out.argmax(1)
                said.eq(y[rows:]).float().mean().item()

    return program


@pytest.mark.parametrize("binary", [False, True])
def test_wrong_labels_that_are_learnt_by_heart(binary: bool) -> None:
    was = watched(learns_by_heart(0.3, binary=binary))
    (found,) = list(held_out.learnt_by_heart(was))
    assert (found.cause, found.certain, found.otherwise) == ("noisy-labels", False, "")
    now = watched(learns_by_heart(0.3, binary=binary), *found.treatments)
    assert confirms(found, was, now)
    known = early(was)
    assert known is not None and known.steps < len(was.steps) / 2 and 0.15 < known.share < 0.45


def test_right_labels_that_are_learnt_by_heart_are_not_called_wrong() -> None:
    was = watched(learns_by_heart(0.0, rows=30))
    for found in held_out.learnt_by_heart(was):
        assert not confirms(found, was, watched(learns_by_heart(0.0, rows=30), *found.treatments))


def test_answers_are_clearly_better_only_by_their_number() -> None:
    def run(loss: float, hits: float) -> ProgramRecord:
        record = ProgramRecord([StepRecord(1.0)] * 10)
        record.held_out = [HeldOutRecord(9, None, np.arange(200.0), frozenset({"x_val"}), loss, hits)]
        return record

    assert better_held_out(run(2.0, 0.6), run(1.0, 0.6))
    assert not better_held_out(run(2.0, 0.6), run(1.0, 0.6), strictly=True)
    assert better_held_out(run(2.0, 0.6), run(1.0, 0.63)) and not better_held_out(run(2.0, 0.6), run(1.0, 0.63), True)
    assert better_held_out(run(2.0, 0.6), run(2.0, 0.7), strictly=True)


def test_many_wrong_labels_are_a_fault_even_where_a_network_bears_them() -> None:
    def record(train: float) -> ProgramRecord:
        found = ProgramRecord([StepRecord(1 - i / 60, accuracy=0.3 + i / 100, count=20) for i in range(30)])
        found.targets, found.rows = [np.arange(60) % 3], [np.arange(20.0)] * 5
        found.final = FinalRecord(train, doubted=np.arange(7.0))
        found.held_out = [HeldOutRecord(29, None, np.arange(100.0, 200.0), frozenset({"x_val"}), 0.5, 0.92)]
        found.held_out[0].target = np.zeros(100)
        return found

    assert [s.otherwise for train in (0.6, 0.75) for s in held_out.mislabelled(record(train))] == ["error", "info"]


def test_what_was_once_said_of_other_rows_is_no_guess() -> None:
    record = ProgramRecord([StepRecord(1.0, accuracy=0.2 + 0.01 * i, count=20) for i in range(60)])
    draw = np.random.default_rng(0)
    record.targets, record.rows = [np.arange(20) % 5] * 3, [draw.normal(size=20) for _ in range(3)]
    record.loss.prediction = np.zeros((20, 5))
    last = HeldOutRecord(60, None, draw.normal(size=300), frozenset({"x_val"}))
    last.outputs, last.target = draw.normal(size=(300, 5)), draw.integers(0, 5, 300)
    for hits, causes in ((0.22, ["labels-misaligned"]), (0.5, [])):
        record.held_out = [HeldOutRecord(20, None, last.rows, frozenset({"x_val"}), None, hits), last]
        assert [s.cause for s in held_out.by_chance(record)] == causes


def test_a_rare_class_of_a_network_of_bare_tensors() -> None:
    def program() -> None:
        x = torch.randn(400, 3)
        y = (x[:, 0] + 0.3 * torch.randn(400) > 1.9).float()
        w, b = torch.zeros(3, requires_grad=True), torch.zeros(1, requires_grad=True)
        optimizer = optim.SGD([w, b], lr=0.05)
        for _ in range(60):
            optimizer.zero_grad()
            F.binary_cross_entropy_with_logits(x @ w + b, y).backward()
            optimizer.step()

    was = watched(program)
    assert was.final is None and set(recalls(was)) == {0, 1} and recalls(was)[1] < 0.2 < recalls(was)[0]
    found, *_ = model.failed_classes(was)  # at a higher rate as well, where none of the rare ones is recognised
    assert confirms(found, was, watched(program, *found.treatments))


@pytest.mark.parametrize(
    ("numbers", "counted", "cause"),
    [
        ([0, 1, 2, 3], 0, ""),
        ([1, 2, 3, 4], 0, "labels-off-by-one"),
        ([1, 2, 3, 4], 1, ""),  # what is said is brought to the numbers of the evaluation
        ([2, 0, 3, 1], 0, "train-val-preprocessing-mismatch"),
    ],
)
def test_classes_that_an_evaluation_numbers_in_another_way(numbers: list[int], counted: int, cause: str) -> None:
    def program() -> None:
        x = torch.randn(400, 4)
        x[:, 0] *= 3
        y = x.argmax(1)
        network, shown = nn.Linear(4, 5), torch.tensor(numbers)[y]
        optimizer = optim.Adam(network.parameters(), lr=0.1)
        for _ in range(40):
            optimizer.zero_grad()
            F.cross_entropy(network(x[:200]), shown[:200]).backward()
            optimizer.step()
            with torch.no_grad():
                (network(x[200:]).argmax(1) - counted).eq(y[200:]).float().mean().item()

    record = watched(program)
    assert [s.cause for s in held_out.renumbered(record)] == ([cause] if cause else [])
    assert not cause or list(held_out.prepared(record)) == []


@pytest.mark.parametrize(("goes_on", "meant"), [(True, False), (False, True)])
def test_one_batch_is_meant_unless_a_loop_over_batches_drops_all_of_them(goes_on: bool, meant: bool) -> None:
    def program() -> None:
        x = torch.randn(400, 3)
        y = (x[:, 0] > 0).long()
        network = nn.Linear(3, 2)
        optimizer = optim.SGD(network.parameters(), lr=0.1)
        for _ in range(4 if goes_on else 40):
            for _ in DataLoader(TensorDataset(x, y), batch_size=40):
                optimizer.zero_grad()
                F.cross_entropy(network(x[:40]), y[:40]).backward()
                optimizer.step()
                if not goes_on:
                    break

    (found,) = data.same_rows(watched(program))
    assert (found.certain, found.otherwise) == ((False, "info") if meant else (True, ""))


@pytest.mark.parametrize(("cut", "added"), [(True, 0), (False, 1)])
def test_labels_from_one_on_that_answers_are_compared_with(cut: bool, added: int) -> None:
    """Cut to the classes that there are; or less one, and one is added to the answers."""

    def program() -> None:
        x = torch.randn(400, 4)
        x[:, 0] *= 2
        kinds = x.argmax(1) + 1
        network, shown = nn.Linear(4, 4), kinds.clamp(max=3) if cut else kinds - 1
        optimizer = optim.Adam(network.parameters(), lr=0.1)
        for _ in range(40):
            optimizer.zero_grad()
            F.cross_entropy(network(x[:200]), shown[:200]).backward()
            optimizer.step()
        with torch.no_grad():
            said = network(x[200:]).argmax(1)
            (said + added if added else said).eq(kinds[200:]).float().mean().item()

    assert [s.cause for s in held_out.renumbered(watched(program))] == (["labels-off-by-one"] if cut else [])


@pytest.mark.parametrize(
    ("less", "cut", "cause"), [(0, False, ""), (1, False, "labels-off-by-one"), (0, True, ""), (1, True, "")]
)
def test_labels_in_lists_that_an_evaluation_counts_in_another_way(less: int, cut: bool, cause: str) -> None:
    """Of the steps of sequences, less one, which leaves the first class out. Where they are counted from 1 on, nothing
    shows that none is added to the answers."""

    def asked(network: Any, rows: list[Any], kinds: list[list[int]]) -> int:
        hits = 0
        for row, kind in zip(rows, kinds, strict=True):
            said = network(row[None])[0].argmax(-1).tolist()
            hits += sum(a == b for a, b in zip(said, kind, strict=True))
        return hits

    def program() -> None:
        x = torch.randn(120, 6, 4)
        x[..., 0] *= 2
        kinds = x.argmax(-1) + int(cut)
        network, shown = nn.Linear(4, 4), (kinds[:60] - less).clamp(max=3)
        optimizer = optim.Adam(network.parameters(), lr=0.1)
        for _ in range(40):
            optimizer.zero_grad()
            F.cross_entropy(network(x[:60]).reshape(-1, 4), shown.reshape(-1), ignore_index=-1).backward()
            optimizer.step()
        with torch.no_grad():
            asked(network, list(x[60:]), kinds[60:].tolist())

    lines, first = inspect.getsourcelines(program)
    at = first + next(i for i, line in enumerate(lines) if "network, shown" in line)
    found = list(held_out.renumbered(watched(program)))
    assert [s.cause for s in found] == ([cause] if cause else [])
    assert all(s.place == (__file__, at) for s in found)


@pytest.mark.parametrize(("by", "causes"), [(1, ["low-coverage"]), (10, [])])
def test_the_rows_of_bare_tensors_at_each_step(by: int, causes: list[str]) -> None:
    """A slice that goes on by one row where it has ten."""

    def program() -> None:
        x = torch.randn(400, 3)
        y = (x[:, 0] > 0).long()
        w = torch.zeros(3, 2, requires_grad=True)
        optimizer = optim.SGD([w], lr=0.1)
        for _ in range(8):
            for i in range(40):
                optimizer.zero_grad()
                rows = x[i * by : i * by + 10]
                F.cross_entropy(rows @ w, y[i * by : i * by + 10]).backward()
                optimizer.step()
            (x[:50] @ w).argmax(1).eq(y[:50]).float().mean().item()  # with a graph, before the next step

    record = watched(program)
    assert len(record.rows) == len(record.steps) and all(len(rows) == 10 for rows in record.rows)
    assert [s.cause for s in data.same_rows(record)] == causes


@pytest.mark.parametrize(
    "written",
    [
        lambda p, t: -(t * torch.log(p) + (1 - t) * torch.log(1 - p)).mean(),
        lambda p, t: (-t * torch.log(p) - (1 - t) * torch.log(1 - p)).mean(),
    ],
)
@pytest.mark.parametrize(("low", "causes"), [(0, []), (1, ["labels-out-of-range"])])
def test_labels_of_a_likelihood_that_is_written_out(
    written: Callable[..., torch.Tensor], low: int, causes: list[str]
) -> None:
    def program() -> None:
        x = torch.randn(50, 2)
        y = (x[:, :1] > 0).float() + low
        network = nn.Sequential(nn.Linear(2, 1), nn.Sigmoid())
        optimizer = optim.SGD(network.parameters(), lr=0.01)
        for _ in range(6):
            optimizer.zero_grad()
            written(network(x), y).backward()
            optimizer.step()

    record = watched(program)
    assert record.loss.kind == "binary_cross_entropy"
    assert [s.cause for s in loss.real_targets(record)] == causes


class Mask(torch.autograd.Function):
    """A rectifier whose backward lets through what is below 0."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return g * (x < 0)


def test_a_backward_of_many_numbers_some_of_which_lie_near_a_kink() -> None:
    for seed in range(5):
        torch.manual_seed(seed)
        (found,) = watched(
            lambda: Mask.apply(torch.randn(60, 100, requires_grad=True) * torch.rand(1)).sum().backward()
        ).functions
        assert abs(found.said - found.true) > 0.1 * abs(found.true)


def test_many_more_right_answers_count_where_the_loss_is_still_high() -> None:
    def run(accuracy: float, loss: float) -> ProgramRecord:
        record = ProgramRecord([StepRecord(loss, accuracy=accuracy, count=50) for _ in range(30)])
        record.targets = [np.arange(50) % 5]
        return record

    assert better(run(0.2, 1.6), run(0.8, 1.5)) and not better(run(0.2, 1.6), run(0.35, 1.5))


@pytest.mark.parametrize(("apart", "causes"), [(True, ["labels-misaligned"]), (False, [])])
def test_rows_learnt_by_heart_whose_labels_are_those_of_others(apart: bool, causes: list[str]) -> None:
    """One of three classes has few rows, and is all that the evaluation has."""

    def program() -> None:
        y = torch.tensor([0] * 60 + [1] * 50 + [2] * 45)
        x = torch.randn(155, 6) + 3 * F.one_hot(y, 6)
        if apart:
            x = x[torch.randperm(155)]
        network = nn.Sequential(nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 3))
        optimizer = optim.Adam(network.parameters(), lr=0.02)
        for _ in range(80):
            optimizer.zero_grad()
            F.cross_entropy(network(x[:120]), y[:120]).backward()
            optimizer.step()
        with torch.no_grad():
            print(network(x[120:]).argmax(1).eq(y[120:]).float().mean().item())

    record = watched(program)
    assert held_out.fails(record) is apart
    assert [s.cause for s in data.unrelated(record, data.FEWER)] == causes
    assert list(data.unrelated(record)) == [], "too few rows where the evaluation says nothing"


def test_a_pixel_that_few_rows_show() -> None:
    rows = np.random.default_rng(0).normal(size=(400, 3))
    rows[:, 1] *= np.arange(400) < 3
    assert _is_known(rows).tolist() == [True, False, True]
    assert not _is_known(np.concatenate([rows[:8]] * 50)).any(), "the same rows again and again say no more"


def test_layers_that_are_written_out_with_nothing_between_them() -> None:
    def program() -> None:
        x = torch.linspace(-3, 3, 200).unsqueeze(1)
        y = torch.cos(2 * x)
        layers = [
            ((torch.randn(i, o) / i**0.5).requires_grad_(), torch.zeros(o, requires_grad=True))
            for i, o in ((1, 32), (32, 32), (32, 1))
        ]
        optimizer = optim.Adam([p for layer in layers for p in layer], lr=0.02)
        for _ in range(150):
            optimizer.zero_grad()
            h = x
            for w, b in layers:
                h = h @ w + b
            ((h - y) ** 2).mean().backward()
            optimizer.step()

    was = watched(program)
    assert was.start is not None and [op.key[0] for op in was.start.body] == [
        "matmul",
        "add",
        "matmul",
        "add",
        "matmul",
    ]
    (found,) = list(model.linear(was))
    assert found.certain and confirms(found, was, watched(program, *found.treatments))


@pytest.mark.parametrize(("options", "reduction"), [({}, "mean"), ({"size_average": False}, "sum")])
@pytest.mark.filterwarnings("ignore:size_average")
def test_a_loss_that_is_summed_by_an_option_of_old(options: dict[str, bool], reduction: str) -> None:
    def program() -> None:
        network = nn.Linear(3, 1)
        F.mse_loss(network(torch.randn(20, 3)), torch.randn(20, 1), **options).backward()

    assert watched(program).loss.reduction == reduction


class OneForAll(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last, self.relu = nn.Linear(3, 8), nn.Linear(8, 2), nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.first(x))
        return self.relu(self.last(x))


def test_the_line_of_an_activation_that_is_used_twice() -> None:
    def program() -> None:
        F.cross_entropy(OneForAll()(torch.randn(20, 3)), torch.zeros(20).long()).backward()

    (found,) = list(loss.cut_logits(watched(program)))
    lines, first = inspect.getsourcelines(OneForAll)
    assert found.place is not None and lines[found.place[1] - first].strip() == "return self.relu(self.last(x))"


class Trying:
    """A laboratory in which whatever is tried comes to the same, but lower rates, which do badly."""

    pace: Any = ()

    def __init__(self, losses: list[float], accuracy: float | None = None) -> None:
        self.losses, self.accuracy = losses, accuracy

    def several(self, each: Any, steps: int, seconds: float) -> list[ProgramRecord]:
        lower = [any(getattr(treatment, "factor", 1.0) < 1 for treatment in treatments) for treatments in each]
        return [run_of([1.0] * 60, 0.5) if less else run_of(self.losses, self.accuracy) for less in lower]


def run_of(losses: list[float], accuracy: float | None = None) -> ProgramRecord:
    record = ProgramRecord([StepRecord(loss, accuracy=accuracy, count=20) for loss in losses])
    record.loss.kind = "cross_entropy"
    record.optimizers = [OptimizerRecord("Adam", {"lr": 1e-3}, ("train.py", 3), len(losses))]
    record.lines, record.targets = {"step": ("train.py", 5)}, [np.arange(20) % 2]
    return record


@pytest.mark.parametrize(
    ("falls", "ended", "found"), [(True, True, True), (True, False, False), (False, False, True), (False, True, True)]
)
def test_a_rate_is_not_too_low_where_only_the_beginning_was_seen(falls: bool, ended: bool, found: bool) -> None:
    base = run_of([1.0 - 0.005 * falls * i for i in range(60)], 0.5)
    base.ended = ended
    laboratory: Any = Trying([0.01] * 60, 0.99)
    search = Search(laboratory, base)
    search._conditions()
    assert bool(search.found) is found


@pytest.mark.parametrize(("accuracy", "severity"), [(0.99, "error"), (0.5, "warning")])
def test_what_a_fork_refutes_is_no_error(accuracy: float, severity: str) -> None:
    base = run_of([0.3] * 60, 0.8)
    laboratory: Any = Trying([0.1] * 60 if accuracy > 0.9 else [2.0] * 60, accuracy)
    search = Search(laboratory, base)
    base.steps = [replace(step, mode=i % 2 == 0) for i, step in enumerate(base.steps)]
    base.layers = ["BatchNorm1d"]
    search._stated()
    assert [(f.cause, f.severity, f.verified) for f in search.found] == [
        ("train-eval-mode", severity, severity == "error")
    ]


class Asked(torch.autograd.Function):
    """A tanh whose backward takes what it was given for what it gave: right near 0 only."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return torch.tanh(x)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return g * (1 - x * x)


def test_a_backward_that_is_right_for_what_it_is_given_at_first() -> None:
    def program() -> None:
        w = torch.full((4, 4), 0.01, requires_grad=True)
        for step in range(24):
            Asked.apply(torch.ones(5, 4) @ w * (1 + step)).sum().backward()

    record = watched(program)
    assert len(record.functions) == 2 and [s.cause for s in gradients.functions(record)] == ["wrong-backward"]


@pytest.mark.parametrize(("reduction", "factor", "found_by"), [("mean", 0.5, 2), ("sum", 0.5, 0)])
def test_a_mean_beside_a_sum(reduction: str, factor: float, found_by: int) -> None:
    """An autoencoder whose code is drawn to 0."""

    def program() -> None:
        rows = torch.tensor(np.random.default_rng(0).normal(size=(200, 3)).astype("float32")) @ torch.ones(3, 40)
        into, out = nn.Linear(40, 3), nn.Linear(3, 40)
        optimizer = optim.Adam([*into.parameters(), *out.parameters()], lr=0.01)
        for _ in range(200):
            code = into(rows)
            optimizer.zero_grad()
            beside = factor * code.pow(2).sum()
            (F.mse_loss(out(code), rows, reduction=reduction) + beside).backward()
            optimizer.step()

    was = watched(program)
    found = list(objective.outweighed(was))
    assert [s.cause for s in found] == ["loss-reduction-scale"] * found_by
    assert all(confirms(s, was, watched(program, *s.treatments)) for s in found), "by as many, and to a hundredth"


def test_pictures_as_targets_are_no_labels() -> None:
    record = ProgramRecord()
    record.rows, record.targets = [np.arange(20.0)] * 10, [np.random.default_rng(0).random((20, 9))] * 10
    record.inputs = [np.random.default_rng(1).random((20, 9))] * 10
    assert list(data.unrelated(record, 2)) == [] and list(data.conflicting(record)) == []


def test_a_deep_network_of_sigmoids_needs_larger_weights_with_others() -> None:
    def program() -> None:
        x = torch.randn(120, 4)
        y = (x[:, 0] > 0).long()
        layers = [nn.Linear(4, 16), nn.Sigmoid()]
        for _ in range(7):
            layers += [nn.Linear(16, 16), nn.Sigmoid()]
        network = nn.Sequential(*layers, nn.Linear(16, 2))
        optimizer = optim.SGD(network.parameters(), lr=0.2)
        for _ in range(150):
            optimizer.zero_grad()
            F.cross_entropy(network(x), y).backward()
            optimizer.step()

    was = watched(program)
    found = list(model.fading(was))
    assert [s.cause for s in found] == ["vanishing-gradients"] * 2
    assert confirms(found[1], was, watched(program, *found[1].treatments))


@pytest.mark.parametrize(("parts", "causes"), [(1, ["constant-target"]), (3, [])])
def test_a_loss_of_several_parts_whose_last_target_is_always_the_same(parts: int, causes: list[str]) -> None:
    def program() -> None:
        x = torch.randn(4, 30, 2)
        network = nn.Linear(2, 1)
        optimizer = optim.SGD(network.parameters(), lr=0.01)
        for step in range(12):
            out = network(x[step % 4])
            optimizer.zero_grad()
            sum(F.mse_loss(out, torch.full((30, 1), float(part))) for part in range(parts)).backward()
            optimizer.step()

    assert [s.cause for s in data.constant(watched(program))] == causes


@pytest.mark.parametrize("by_product", [True, False])
def test_the_first_of_those_that_a_row_is_compared_with(by_product: bool) -> None:
    def program() -> None:
        network = nn.Linear(6, 4)
        optimizer = optim.SGD(network.parameters(), lr=0.1)
        for _ in range(8):
            a, b = (F.normalize(network(torch.randn(20, 6)), dim=1) for _ in range(2))
            if by_product:
                like = a @ b.T
            else:
                like = F.cosine_similarity(a.unsqueeze(1), b.unsqueeze(0), dim=2)
            first = torch.cat([like.diagonal().unsqueeze(1), like[:, :10]], dim=1)
            optimizer.zero_grad()
            F.cross_entropy(first / 0.5, torch.zeros(20).long()).backward()
            optimizer.step()

    assert list(data.constant(watched(program))) == []


def test_the_last_evaluation_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0
    given = held_out.held_out

    def counted(record: ProgramRecord) -> list[HeldOutRecord]:
        nonlocal calls
        calls += 1
        return given(record)

    monkeypatch.setattr(held_out, "held_out", counted)
    rows = np.arange(30.0)
    every = [HeldOutRecord(step, None, rows, frozenset({"x_val"}), 0.5, 0.9) for step in (1, 2, 2)]
    assert held_out._asked_last(ProgramRecord(held_out=every)) == 60
    assert calls == 1
