"""What is read off measured passes: the gradient behind an update, memories, and losses that updates do not follow."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid.doctor import examine_script
from pellucid.doctor.conditions.causes.softmax import softmax_axis
from pellucid.doctor.naming import sure
from pellucid.doctor.probes.data import Batch, distributions
from pellucid.doctor.probes.losses import NO_OUTPUT, Candidate, Seen, candidates, of_classes
from pellucid.doctor.probes.passes import SlopeStudy, StudiedPass, descent
from pellucid.doctor.probes.recorded import DISAGREES
from pellucid.doctor.probes.roles import pair_of
from pellucid.doctor.process.lab import PassOutcome
from pellucid.doctor.process.moving import Parameters, classify
from pellucid.doctor.process.paths import Scope, groups, leaves
from pellucid.doctor.report import Finding
from pellucid.doctor.rules.backward import _tensor
from pellucid.doctor.rules.cells import TensorCell
from pellucid.doctor.rules.gradient import (
    Judgement,
    accuses,
    at_odds,
    by_its_loss,
    explains_some,
    is_chance,
    judge,
    passes_by,
    strays,
    turned_over,
)

LOSS = Candidate("seen", ("", "loss"))


def outcome(before: dict[str, Any], after: dict[str, Any]) -> PassOutcome:
    return PassOutcome(before=before, after=after, seen={})


@pytest.mark.parametrize("size", [1e-6, 1e-4, 1.0])
def test_adagrad_gives_its_gradient_whatever_is_added_below_the_root(size: float) -> None:
    rng = np.random.default_rng(0)
    gradient = size * rng.normal(size=50)
    old = (size * rng.normal(size=50)) ** 2
    squares = old + gradient**2
    w = rng.normal(size=50)
    plain = outcome({"w": w, "m": old}, {"w": w - 0.01 * gradient / np.sqrt(squares + 1e-8), "m": squares})
    found = Parameters({}, ["w"], {"m": "w"}, {"m": 1.0}, {"m": 0.0})
    given = descent("w", plain, found)
    ratio = (given @ gradient) / (gradient @ gradient)
    assert np.abs(given - ratio * gradient).max() < 1e-4 * np.abs(given).max()


def test_with_one_memory_for_all_the_gradient_is_what_the_engine_keeps() -> None:
    gradient = np.array([0.5, -1.0, 2.0])
    w = np.zeros(3)
    after = {"net.w.data": w - 0.01 * np.sign(gradient), "net.w.grad": gradient}
    plain = outcome({"net.w.data": w, "net.w.grad": w}, after)
    alone = Parameters({}, ["net.w.data"], {})
    assert np.array_equal(descent("net.w.data", plain, alone), 0.01 * np.sign(gradient))
    shared = Parameters({}, ["net.w.data"], {}, shared=["v"])
    assert np.array_equal(descent("net.w.data", plain, shared), gradient)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_mean_and_its_square_in_one_list_are_told_apart(order: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    w, gradient, mean, square = (rng.normal(size=9) for _ in range(4))
    new = 0.9 * mean + 0.1 * gradient, 0.999 * square**2 + 0.001 * gradient**2
    before = {"net.W": w, "state['W'][0]": mean, "state['W'][1]": square**2}
    after = {"net.W": w - 0.02 * new[0] / np.sqrt(new[1]), "state['W'][0]": new[0], "state['W'][1]": new[1]}
    names = [f"state['W'][{i}]" for i in order]
    found = Parameters({}, ["net.W"], dict.fromkeys(names, "net.W"))
    found.response, found.signs = {"state['W'][0]": 0.9, "state['W'][1]": 0.999}, dict.fromkeys(names, -1.0)
    assert np.allclose(descent("net.W", outcome(before, after), found), 0.1 * gradient)


def test_two_arrays_of_one_shape_in_a_list_of_lists_are_two_tensors() -> None:
    slots = [[np.zeros((2, 3)), np.ones((2, 3))], [np.zeros(3), np.ones(3)]]
    found = groups(leaves(Scope(None, {}, {"slots": slots})))
    assert {*found} == {"slots[0][0]", "slots[0][1]", "slots[1][0]", "slots[1][1]"}


def response(function: Any, values: dict[str, np.ndarray]) -> Parameters:
    """`classify` of a pass that is a function of its values; half of each tensor is changed."""
    after = function(values)
    shifts = {name: np.where(np.arange(v.size) % 2 == 0, 1e-4, 0.0) for name, v in values.items()}
    shifts = {name: np.full(1, 1e-4) if step.size == 1 else step for name, step in shifts.items()}
    answers: dict[str, dict[str, np.ndarray]] = {}
    for name, step in shifts.items():
        moved = function({**values, name: values[name] + step})
        answers[name] = {other: moved[other] - after[other] for other in values}
    known: dict[str, Any] = dict.fromkeys(values)
    return classify(known, [*values], values, after, shifts, answers, True)


def test_a_list_that_remembers_for_several_parameters_is_none() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(4, 3)), rng.normal(size=(2, 4))

    def step(v: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        hidden = np.tanh(a @ v["w1"])
        out = b @ (hidden * v["w2"])
        d2, d1 = (b.T @ out) * hidden, a.T @ ((b.T @ out) * v["w2"] * (1 - hidden**2))
        memory = 0.9 * v["ms"] + 0.1 * np.concatenate([d1, d2])
        return {"w1": v["w1"] - 0.1 * memory[:3], "w2": v["w2"] - 0.1 * memory[3:], "ms": memory}

    found = response(step, {"w1": rng.normal(size=3), "w2": rng.normal(size=4), "ms": rng.normal(size=7)})
    assert (found.parameters, found.shared) == (["w1", "w2"], ["ms"])


@pytest.mark.parametrize(("start", "crossed"), [("w", {"b": "w"}), ("b", {})])
def test_a_parameter_that_starts_from_another_one(start: str, crossed: dict[str, str]) -> None:
    x, y = np.array([0.5, 1.0, 2.0]), np.array([1.0, 3.0, 2.0])

    def step(v: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        error = v["w"] * x + v["b"] - y
        return {"w": v["w"] - 0.01 * (error @ x), "b": v[start] - 0.01 * error.sum()}

    assert response(step, {"w": np.array([0.3]), "b": np.array([0.1])}).crossed == crossed


def test_a_rate_that_decays_is_no_parameter() -> None:
    x, y = np.array([0.5, 1.0, 2.0]), np.array([1.0, 3.0, 2.0])

    def step(v: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        error = v["w"][0] * x + v["w"][1] - y
        return {"w": v["w"] - v["speed"] * np.array([error @ x, error.sum()]), "speed": 0.9 * v["speed"]}

    assert response(step, {"w": np.array([0.3, 0.1]), "speed": np.array([0.02])}).parameters == ["w"]


def passes(ratios: list[float], losses: list[float]) -> list[StudiedPass]:
    return [StudiedPass(i, losses={LOSS: loss}) for i, loss in enumerate(losses[: len(ratios)])]


@pytest.mark.parametrize(
    ("ratios", "found"),
    [
        ([0.01, 0.2, 0.04, 0.5], True),  # a hundredth of each loss
        ([0.1, 0.1, 0.1, 0.1], False),
        ([0.5, 0.4, 0.3, 0.2], False),  # a schedule
    ],
)
def test_a_rate_that_is_a_multiple_of_the_loss(ratios: list[float], found: bool) -> None:
    losses = [1.0, 20.0, 4.0, 50.0]
    assert by_its_loss(passes(ratios, losses), Judgement(LOSS, 1.0, 0.1, ratios)) is found


def of_numbers(slopes: dict[str, list[float]], moves: list[float]) -> SlopeStudy:
    """Passes that move the number w, and not the number b, which has no slope; by the slopes of each kind of loss."""
    guesses = {kind: Candidate(kind, ("", "o"), ("", "y")) for kind in slopes}
    study = SlopeStudy(candidates=[*guesses.values()])
    rest, each = np.zeros(1), np.ones((1, 1))
    for i, move in enumerate(moves):
        entry = StudiedPass(i)
        for name, given in (("w", np.array([move])), ("b", rest)):
            entry.given[name], entry.gradient[name], entry.update[name] = given, given, -given
            entry.directions[name], entry.values[name] = each, np.ones(1)
        for kind, guess in guesses.items():
            entry.slopes[guess] = {"w": np.array([slopes[kind][i]]), "b": rest}
        study.passes.append(entry)
    return study


@pytest.mark.parametrize(
    ("moves", "kind", "chance"),
    [
        ([0.1, 0.2, 0.3, 0.4], "log", False),  # of the one it is a tenth, of the other a tenth or so
        ([0.11, 0.23, 0.36, 0.5], "squared", True),
        ([0.1001, 0.2004, 0.3009, 0.4016], "squared", False),
    ],
)
def test_one_number_that_moves_speaks_for_a_loss_that_it_follows_at_one_rate(
    moves: list[float], kind: str, chance: bool
) -> None:
    slopes = {"squared": [1.001, 2.004, 3.009, 4.016], "log": [1.0, 2.0, 3.0, 4.0]}
    taken = judge(of_numbers(slopes, moves))
    assert taken is not None and taken.candidate.kind == kind and is_chance(taken) is chance


def of_classes_turned(moves: list[float], kinds: tuple[str, ...]) -> SlopeStudy:
    """Passes of two weights, which are moved so many times as far as the slope of the first of these losses."""
    guesses = [Candidate(kind, ("", "o"), ("", "y")) if kind != "seen" else LOSS for kind in kinds]
    study = SlopeStudy(candidates=guesses)
    for i, move in enumerate(moves):
        slope = np.array([1.0 + i, 0.5 - 0.2 * i])
        entry = StudiedPass(i, directions={"w": np.eye(2)}, values={"w": np.ones(2)})
        entry.given, entry.gradient, entry.update = {"w": move * slope}, {"w": move * slope}, {"w": -move * slope}
        # what explains one row alone has another rate in each pass
        entry.slopes = {guess: {"w": slope * (1 + 0.3 * i * at)} for at, guess in enumerate(guesses)}
        study.passes.append(entry)
    return study


@pytest.mark.parametrize(
    ("kinds", "moves", "over"),
    [
        (("log", "squared"), [0.1, 0.1, -0.1, 0.1, -0.1], [2, 4]),
        (("seen", "squared"), [0.1, 0.1, -0.05, 0.1, -0.02], [2, 4]),  # a loss of its own has to be gone down
        (("log", "squared"), [0.1, 0.1, -0.05, 0.1, -0.02], []),
        (("squared", "absolute"), [0.1, 0.1, -0.1, 0.1, -0.1], []),  # a pattern is drawn near, another pushed away
        (("log", "squared"), [0.1, 0.1, 0.3, 0.1, 0.3], []),  # classes have weights
    ],
)
def test_a_sign_that_is_wrong_for_some_labels(kinds: tuple[str, ...], moves: list[float], over: list[int]) -> None:
    taken = judge(of_classes_turned(moves, kinds))
    assert taken is not None
    assert turned_over(taken) == over
    assert not over or (taken.candidate.kind == kinds[0] and taken.wrong == ["w"])


def test_a_single_number_speaks_for_a_loss_by_one_ratio_in_many_passes() -> None:
    def judged(ratios: list[float]) -> bool:
        cells = {"b": [TensorCell("along", ratio) for ratio in ratios]}
        return explains_some(Judgement(LOSS, 1.0, 0.1, ratios, cells=cells, single=frozenset(["b"])))

    assert judged([0.1, 0.1, 0.1, 0.1])
    assert not judged([0.1, 0.1])
    assert not judged([0.1, 0.3, -0.2, 0.1])


def test_updates_that_go_along_with_a_slope_are_not_at_odds_with_it() -> None:
    rng = np.random.default_rng(0)
    slopes = rng.normal(size=8)
    judgement = Judgement(LOSS, 0.0, np.nan, [])

    def rate(given: np.ndarray) -> float:
        entries = [StudiedPass(i, given={"w": given}, slopes={LOSS: {"w": slopes}}) for i in range(3)]
        return at_odds(entries, judgement)

    assert rate(0.1 * np.sign(slopes)) == 0.0
    assert rate(-0.2 * slopes) == pytest.approx(0.2)


def test_probabilities_of_classes_and_class_numbers_mean_the_cross_entropy() -> None:
    p = np.full((4, 3), 1 / 3)
    seen = {("", "probs"): [p], ("", "y"): [np.array([0, 2, 1, 1])], ("", "scores"): [3 * p]}
    assert of_classes(Candidate("cross", ("", "probs"), ("", "y")), seen)
    assert not of_classes(Candidate("cross", ("", "scores"), ("", "y")), seen)
    assert not of_classes(Candidate("squared", ("", "probs"), ("", "y")), seen)


def test_a_softmax_over_everything_is_told_and_one_over_the_classes_is_not() -> None:
    e = np.exp(np.random.default_rng(0).normal(size=(6, 3)))
    labels = np.array([0, 1, 2, 0, 1, 2])
    found = softmax_axis(Batch(outputs=e / e.sum(), labels=labels))
    assert found is not None
    assert found.cause == "softmax-wrong-axis"
    assert softmax_axis(Batch(outputs=e / e.sum(1, keepdims=True), labels=labels)) is None


@pytest.mark.parametrize(
    ("name", "says"), [("loss", True), ("sum_loss", True), ("batch_sum", True), ("sum_h1", False), ("z2", False)]
)
def test_a_number_that_is_not_called_a_loss_accuses_nobody(name: str, says: bool) -> None:
    assert accuses(Candidate("seen", ("", name))) is says
    assert accuses(Candidate("squared", ("", name), ("", "y")))


def judged(states: dict[str, str], score: float, candidate: Candidate) -> Judgement:
    verdicts = {name: "right" if state == "along" else "unknown" for name, state in states.items()}
    return Judgement(
        candidate, score, 0.1, [0.1], verdicts, cells={name: [TensorCell(state, 0.1)] for name, state in states.items()}
    )


def test_what_is_moved_where_a_guessed_loss_has_no_slope_is_beyond_its_output() -> None:
    guess = Candidate("squared", ("", "h1"), ("", "y"))
    hidden = judged({"w1": "along", "b1": "along", "w2": "drift", "b2": "drift"}, 0.3, guess)
    assert passes_by(hidden)
    assert strays(hidden)
    assert not passes_by(judged({"w1": "along", "b1": "along", "w2": "drift", "b2": "drift"}, 0.3, LOSS))
    whole = judged({"w1": "along", "b1": "along", "w2": "along", "count": "drift"}, 0.9, guess)
    assert not passes_by(whole)
    assert not strays(whole)


def test_a_loss_that_the_recording_does_not_agree_with_and_factors_of_single_numbers_are_not_sure() -> None:
    guess = Candidate("squared", ("", "out"), ("", "y"))
    wrong = Judgement(guess, 0.3, 0.1, [0.1], {"w": "factor"}, {"w": 3.0}, {"w": [TensorCell("along", 0.3)]})
    named = [{"tensor": "w", "mistake": "constant-factor"}]

    def finding(**more: Any) -> Finding:
        return Finding("wrong-backward", "error", 0.9, "", "", "", details=named, **more)

    assert sure(finding(), wrong, False)
    assert not sure(finding(notes=[DISAGREES]), wrong, False)
    wrong.single = frozenset({"w"})
    assert not sure(finding(), wrong, False)


@pytest.mark.parametrize(
    ("states", "mistake", "certain"),
    [
        (("drift", "silent"), "unknown", False),
        (("drift", "silent"), "swapped-tensors", True),
        (("drift", "across"), "unknown", True),
    ],
)
def test_what_is_moved_where_a_loss_has_no_slope_is_an_error_if_its_mistake_is_known(
    states: tuple[str, ...], mistake: str, certain: bool
) -> None:
    rows = {"w": [TensorCell("along", 0.1)] * 3, "h": [TensorCell(state) for state in states]}
    wrong = Judgement(LOSS, 0.5, 0.1, [0.1] * 3, {"w": "right", "h": "across"}, cells=rows)
    assert sure(Finding("wrong-backward", "error", 0.9, "", "", "", mistake=mistake), wrong, False) is certain


def test_derivatives_by_their_names_are_no_outputs() -> None:
    assert NO_OUTPUT.search("dh1_db1")
    assert NO_OUTPUT.search("dypred_dw5")
    assert NO_OUTPUT.search("dscores") and NO_OUTPUT.search("dlogits")
    assert not NO_OUTPUT.search("decoded")
    assert not NO_OUTPUT.search("out_d1")


def test_an_error_that_is_below_zero_is_no_loss() -> None:
    seen = {("", "error"): [np.array(0.4)], ("loop", "error"): [np.array(-0.1), np.array(0.4)]}
    moved = {("", "error"): [np.array(0.5)], ("loop", "error"): [np.array(-0.2), np.array(0.5)]}
    assert candidates(seen, moved) == []
    over = {key: [np.abs(value) for value in series] for key, series in seen.items()}
    assert candidates(over, {key: [np.abs(v) for v in series] for key, series in moved.items()})
    called = [{("", name): series for (place, name), series in one.items() if not place} for one in (seen, moved)]
    assert candidates(*called)


ADAGRAD = """import numpy as np

rng = np.random.default_rng(0)
X = rng.normal(size=(80, 3))
y = (X[:, :1] * X[:, 1:2] > 0).astype(float)
W1, W2 = rng.normal(size=(3, 12)), rng.normal(size=(12, 1)) * 0.3
s1, s2 = np.zeros_like(W1), np.zeros_like(W2)
for i in range(600):
    h = np.tanh(X @ W1)
    p = 1 / (1 + np.exp(-h @ W2))
    loss = -np.sum(y * np.log(p) + (1 - y) * np.log(1 - p))
    d = p - y
    dW2 = h.T @ d
    dW1 = X.T @ (d @ W2.T)
    s1 += dW1 * dW1
    s2 += dW2 * dW2
    W1 -= 0.1 * dW1 / np.sqrt(s1 + 1e-8)
    W2 -= 0.1 * dW2 / np.sqrt(s2 + 1e-8)
"""


@pytest.mark.slow
def test_the_right_gradient_is_tried_with_steps_as_long_as_the_program_s(tmp_path: Path) -> None:
    """The slope itself, at the rate of a rule that divides by its memory, climbs: the loss is a sum over the rows."""
    script = tmp_path / "train.py"
    script.write_text(ADAGRAD)
    report = examine_script(script, budget=200.0)
    assert report.facts["update"]["rule"] == "AdaGrad"
    assert [finding.title for finding in report.findings] == ["wrong-backward: missing-activation-derivative"]
    curve = report.findings[0].fork["with the right gradient"]
    assert curve[-1] < 0.8 * curve[0] and max(curve) < 1.1 * curve[0]


def test_a_weight_that_is_reached_by_a_function_is_no_label_of_its_own_step() -> None:
    """`setattr(net, name, getattr(net, name) - 0.5 * g)`: the output has a label that is one."""
    step, weight = ("main, inline", "0.5 * g"), ("main, inline", "getattr(net, name)")
    before, after = np.array([0.3, -0.2, 0.7]), np.array([0.4, -0.1, 0.6])
    labels = np.array([1.0, 0.0, 1.0])
    passes: list[Seen] = [
        {step: [0.1 * w], weight: [w], ("", "p"): [w * w], ("", "y"): [labels]} for w in (before, after)
    ]
    subtracted = [("0.5 * g", "getattr(net, name)"), ("p", "y")]
    taken = candidates(*passes, parameters=frozenset(before.tolist()), subtracted=subtracted)
    assert {c.label for c in taken if not c.frozen} == {("", "y")}


def test_the_loss_is_not_its_own_output() -> None:
    """Where a function returns it, it has a second name; with a label of 0 it is its own absolute error."""
    cost, again, b = ("fit", "cost"), ("propagate", "return[1]"), ("", "b")
    seen = [{cost: [np.array(v)], again: [np.array(v)], b: [np.zeros(1)]} for v in (0.7, 8.3, 3.6)]
    assert pair_of(seen, {cost, again}, frozenset(), Candidate("seen", cost)) is None


@pytest.mark.parametrize(
    ("cosine", "said"), [(1.0, "nearly along it"), (0.948, "another direction"), (-1.0, "another")]
)
def test_a_cosine_of_one_is_called_no_other_direction(cosine: float, said: str) -> None:
    cells = [TensorCell("across", ratio, 0.4, cosine) for ratio in (1.0, 3.0)]
    found = Judgement(LOSS, 0.3, 0.1, [0.1, 0.1], {"w": "across"}, {}, {"w": cells})
    assert said in _tensor(found, "w")["said"]


def test_the_labels_of_all_samples_say_along_which_axis_they_lie() -> None:
    """Ten names of classes beside the outputs (10, 30) of a program that holds a sample a column."""
    e = np.exp(np.random.default_rng(0).normal(size=(10, 30)))
    out, names, y = ("forward", "A2"), ("", "d['target_names']"), ("", "Y")
    numbers = np.arange(30) % 10
    seen: Seen = {out: [e / e.sum(0)], names: [np.arange(10)], y: [numbers]}
    assert list(distributions(seen, {out})) == []
    one_hot = ("", "one_hot_Y")
    lying: Seen = {**seen, one_hot: [np.eye(10)[numbers].T]}
    assert [pair.label for pair in distributions(lying, {out})] == [one_hot]
    upright: Seen = {out: [(e / e.sum(0)).T], names: [np.arange(10)], y: [numbers]}
    assert [pair.label for pair in distributions(upright, {out})] == [y]
