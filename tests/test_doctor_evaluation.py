"""What is wrong with a program that says its classes as sizes, drops its units, or evaluates as it trains."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from pellucid.doctor import uncleared
from pellucid.doctor.conditions.case import Case
from pellucid.doctor.conditions.causes import class_numbers, dropped, held_out, modes, numbered, rate
from pellucid.doctor.probes.data import Batch, Keys, SeenData, keys_of, rows_of
from pellucid.doctor.probes.losses import Candidate
from pellucid.doctor.probes.passes import SlopeStudy, StudiedPass
from pellucid.doctor.probes.trials import Trial
from pellucid.doctor.rules import gradient

RNG = np.random.default_rng(0)
KEYS = Keys(None, ("", "y"), ("", "p"))


def case_of(source: str, depends: set[str], seen: dict[str, np.ndarray], **more: Any) -> Case:
    study = SimpleNamespace(
        seen={("", name): [value] for name, value in seen.items()}, depends={("", name) for name in depends}
    )
    return cast("Case", SimpleNamespace(sources={"a.py": source}, study=study, **more))


@pytest.mark.parametrize(("rows", "spread"), [((30, 1), True), ((30,), False)])
def test_outputs_of_classes_that_are_compared_with_the_number_of_the_class(rows: tuple[int, ...], spread: bool) -> None:
    label, output = np.tile(np.arange(3.0), 10).reshape(rows), RNG.normal(size=(30, 3))
    error = output - (label if spread else np.eye(3)[label.astype(int)])
    case = case_of("error = output - y\n", {"output", "error"}, {"y": label, "output": output, "error": error})
    found = numbered.find(case)
    assert (found and (found.cause, found.line)) == (("wrong-loss-for-task", 1) if spread else None)


@pytest.mark.parametrize(
    ("classes", "source", "told"),
    [
        ((3, 1, 0, 2), "hits = np.round(p) == y\n", True),
        ((3, 1, 0, 2), "hits = np.abs(p - y) < 1\n", False),  # a size: nobody asks whether it is exactly that
        ((0, 1, 2, 3), "hits = np.round(p) == y\n", False),  # classes in order, of which numbers say as much
    ],
)
def test_one_output_that_says_the_number_of_the_class(classes: tuple[int, ...], source: str, told: bool) -> None:
    order = np.tile(np.arange(4), 50)
    x, y = np.eye(4)[order] + 0.01 * RNG.normal(size=(200, 4)), np.array(classes)[order].astype(float)
    p = np.full(200, 1.6) if told or "round" not in source else y + 0.1
    data = SeenData(KEYS, [Batch(x, y, p)])
    case = case_of(source, {"p"}, {}, last=Batch(x, y, p), data=data, as_is=Trial(passes=9))
    found = numbered.find_rounded(case)
    assert (found and (found.cause, found.line)) == (("wrong-loss-for-task", 1) if told else None)


def test_the_rest_of_an_epoch_is_left_out_of_the_rows() -> None:
    batch = rows_of(
        {("", "y"): [np.zeros(4), np.ones(4), np.ones(2)], ("", "p"): [np.zeros(4)] * 2 + [np.ones(2)]}, KEYS
    )
    assert batch.labels is not None and batch.outputs is not None
    assert len(batch.labels) == len(batch.outputs) == 8


def test_labels_of_another_function_are_no_inputs() -> None:
    wanted, loss = [np.eye(3)], Candidate("squared", ("", "out"), ("", "wanted"))
    seen = {("", "out"): [np.ones((3, 3))], ("", "wanted"): wanted, ("backward", "wanted"): wanted}
    assert keys_of(seen, {("", "out")}, loss, frozenset()).inputs is None
    assert keys_of({**seen, ("", "x"): [np.ones((3, 2))]}, {("", "out")}, loss, frozenset()).inputs == ("", "x")


def test_rows_of_a_one_for_classes_from_one_on() -> None:
    y = np.tile([1, 2, 3], 4)
    frame = SimpleNamespace(f_globals={}, f_locals={"y": y, "rows": (y[:, None] == np.arange(3)).astype(float)})
    source = "rows = (y[:, None] == np.arange(3)).astype(float)\n"
    case = case_of(source, {"p"}, {"p": np.ones((12, 3))}, session=SimpleNamespace(frame=frame))
    found = class_numbers.find(case)
    assert found is not None and (found.cause, found.line) == ("labels-off-by-one", 1)
    frame.f_locals["y"] = y % 3  # the zero rows of a padding are of no class
    assert class_numbers.find(case) is None


DROPOUT = """
class Drop:
    def forward(self, x, training=True):
        return x * (np.random.rand(*x.shape) < 0.5) if training else x
class Net:
    def forward(self, x, training=True):
        return self.drop.forward(x @ self.w, training)
    def step(self, x):
        return self.forward(x)
    def predict(self, x):
        return self.forward(x{}).argmax(1)
"""


@pytest.mark.parametrize(
    ("given", "line"),
    [("", 11), (", training=True", None), (", training=False", None), (", False", None), (", m", None)],
)
def test_a_mode_that_nothing_turns_off(given: str, line: int | None) -> None:
    found = modes.never_off({"a.py": DROPOUT.format(given)})
    assert (found and found[0].line) == line


def test_a_mode_that_changes_nothing_is_none() -> None:
    assert modes.never_off({"a.py": DROPOUT.replace("if training else x", "").format("")}) is None


def test_a_mask_of_hardly_any_unit() -> None:
    mask = (RNG.random((50, 60)) < 0.02).astype(float)
    case = case_of("mask = draw()\n", {"h"}, {"h": np.ones((50, 60)), "mask": mask}, keys=KEYS, learns=False)
    case.session = cast("Any", SimpleNamespace(scope=SimpleNamespace(), left=lambda: 60.0))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(dropped, "leaves", lambda scope: {})
        found = dropped.find(case)
        assert found is not None and (found.cause, found.line) == ("excessive-dropout", 1)  # type: ignore[union-attr]
        case.study.seen["", "mask"] = [np.eye(60)[RNG.integers(0, 60, 50)]]  # rows of a 1 each
        assert dropped.find(case) is None


@pytest.mark.parametrize(
    ("beside", "width", "line"),
    [
        ("", 1.0, 1),
        ("x_val = (x_val - mean) / std\n", 1.0, None),  # what follows moved it there
        ("", 0.01, None),  # rows of one kind
    ],
)
def test_rows_that_are_held_out_and_not_scaled(beside: str, width: float, line: int | None) -> None:
    source = f"x_train = (x_train - mean) / std\n{beside}print(net(x_val))\n"
    rows = RNG.normal(size=(60, 3))
    frame = SimpleNamespace(f_globals={"x_train": rows, "x_val": 100 * width * rows}, f_locals={})
    found = held_out.find(case_of(source, set(), {}, session=SimpleNamespace(frame=frame)))
    frame.f_globals = {name.replace("x", "y"): rows for name, rows in frame.f_globals.items()}
    assert held_out.find(case_of(source.replace("x_", "y_"), set(), {}, session=SimpleNamespace(frame=frame))) is None
    assert (found and (found.cause, found.line)) == (line and ("train-val-preprocessing-mismatch", line))


@pytest.mark.parametrize(("frozen", "told"), [([2.0] * 6, True), ([2.0, 2.1, 1.9, 2.0], False)])
def test_a_pass_over_all_rows_that_ends_higher(frozen: list[float], told: bool) -> None:
    still, losses = Trial(at=list(range(len(frozen))), losses=frozen), [1.0, 2.0, 1.0, 3.0] * 10
    share = rate.rises(still, Trial(at=list(range(40)), losses=losses))
    assert (share > rate.OFTEN) is told
    assert rate.rises(still, Trial(at=list(range(40)), losses=[1.0 / (i + 1) for i in range(40)])) == 0.0


def test_of_a_smoothed_loss_what_is_new_in_it() -> None:
    smooth, new = Candidate("seen", ("", "smooth_loss")), Candidate("seen", ("", "loss"))
    entries: list[StudiedPass] = []
    for index in range(4):
        slopes = RNG.normal(size=5)
        entry = StudiedPass(index, {"w": np.eye(5)}, {"w": 0.1 * slopes}, values={"w": np.ones(5)})
        entry.slopes = {smooth: {"w": 0.001 * slopes}, new: {"w": slopes}}
        entry.losses, entry.update["w"] = {smooth: 4.0, new: 3.0}, -0.1 * slopes
        entry.gradient["w"] = 0.1 * slopes
        entries.append(entry)
    judged = [found for c in (smooth, new) if (found := gradient.by(entries, c)) is not None]
    assert gradient._afresh(entries, judged, judged[0]).candidate == new


@pytest.mark.parametrize(("factor", "told"), [(1.0, True), (-1.0, True), (0.5, False)])
def test_errors_of_all_passes_that_are_added_up(factor: float, told: bool) -> None:
    loss, entries = Candidate("squared", ("", "p"), ("", "y")), list[StudiedPass]()
    for index, error in enumerate([0.5, -1.5, 2.0, 0.1, -0.7]):
        entries.append(StudiedPass(index, update={"error": np.array([factor * error])}, losses={loss: 0.5 * error**2}))
    sources = {"a.py": "e = p - y\nerror += e\nw -= 0.1 * error\n"}
    loops = SimpleNamespace(sources=sources, line=lambda file, line: sources[file].splitlines()[line - 1])
    session = SimpleNamespace(found=SimpleNamespace(parameters=["error"]), program=SimpleNamespace(loops=loops))
    found = uncleared.of_errors(cast("Any", session), SlopeStudy(entries, [loss]))
    assert (found and (found.cause, found.line)) == (("missing-zero-grad", 2) if told else None)
