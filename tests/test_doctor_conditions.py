"""What the conditions of a hand-written program are judged by, each part by itself."""

import time
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from pellucid.doctor import examination, examine_script
from pellucid.doctor.conditions import learning, start
from pellucid.doctor.conditions.causes import class_numbers, coverage, decay, imbalance, order, softmax
from pellucid.doctor.probes import roles, tables, trials
from pellucid.doctor.probes.data import Batch, Keys, SeenData, keys_of
from pellucid.doctor.probes.losses import Candidate
from pellucid.doctor.probes.passes import StudiedPass
from pellucid.doctor.probes.trials import Trial
from pellucid.doctor.process import culprits, orders, origins, parameters, settings
from pellucid.doctor.process.clock import OutOfTime
from pellucid.doctor.process.instrument import Loops, of_list
from pellucid.doctor.process.paths import Scope, groups, leaves
from pellucid.doctor.repairs import repairs
from pellucid.doctor.report import Finding


@pytest.mark.parametrize(
    ("tensors", "alike"),
    [
        ({"W1": np.zeros((4, 3)), "W2": np.zeros((3, 1))}, ["W1", "W2"]),
        ({"filters": np.zeros((3, 3, 3)), "weights": np.zeros((108, 2)), "bias": np.zeros(2)}, ["filters", "weights"]),
        ({"filters": np.ones((2, 1, 3, 3)), "w": np.eye(2)}, ["filters"]),
        ({"W1": np.zeros((4, 3)), "b1": np.zeros((1, 3)), "W2": np.eye(3)}, ["W1"]),  # a bias may begin at 0
        ({"p['W1']": np.zeros((4, 3)), "p['b1']": np.zeros((3, 1)), "p['W2']": np.eye(3)}, ["p['W1']"]),
        ({"w": np.zeros((4, 1)), "b": np.zeros((1, 1))}, []),  # one layer
        ({"p['W1']": np.zeros((2, 2)), "p['W2']": np.zeros((1, 2))}, ["p['W1']", "p['W2']"]),  # what one dict holds
        ({"w[0]": np.zeros((3, 2)), "w[1]": np.eye(3), "w[2]": np.ones((1, 3))}, ["w[0]", "w[2]"]),
        ({"l[0]": np.zeros((4, 3)), "l[1]": np.zeros((1, 3))}, []),  # a matrix and its bias
    ],
)
def test_layers_whose_units_begin_alike(tensors, alike):
    assert start.symmetric(tensors) == alike


@pytest.mark.parametrize(
    ("source", "name", "line"),
    [
        ('p = {}\nfor l in range(1, 3):\n    p["W" + str(l)] = np.zeros((2, 2))\n', "p['W1']", 3),
        ('p = {}\nfor l in range(1, 3):\n    p[f"W{l}"] = np.zeros((2, 2))\n    p[f"b{l}"] = 0\n', "p['b2']", 4),
        ('p["W" + str(l)] = p["W" + str(l)] - a * g\np["W" + str(l)] = rand()\n', "p['W1']", 2),  # not the update
    ],
)
def test_where_the_row_of_a_dict_is_made_in_a_loop(source, name, line):
    place = origins.first_values({"a.py": source}, name)
    assert place is not None
    assert place.line == line


@pytest.mark.parametrize(
    ("old", "new", "shuffled"),
    [
        (np.arange(20.0), np.arange(20.0)[::-1], True),
        (np.arange(20.0), np.arange(20.0) * 0.9, False),
        (np.zeros(20), np.zeros(20), False),
        (np.arange(4.0), np.arange(4.0)[::-1], False),  # so few numbers may be parameters
    ],
)
def test_data_that_is_shuffled_in_place_is_no_parameter(old, new, shuffled):
    assert parameters._is_shuffled(old, new) is shuffled


def run(source, **names):
    """Run a source with hooks that let every pass through; how many passes of how many loops there were."""
    import builtins

    loops, passes = Loops(), []
    code = loops.compile(source, "a.py")
    hooks = {"head": passes.append, "tail": lambda n: False, "leave": lambda n: False, "left": lambda n: False}
    hooks |= {"enter": lambda n: None, "value": lambda n, value: value, "order": lambda n, items: items}
    for name, hook in hooks.items():
        setattr(builtins, f"__pellucid_{name}__", hook)
    try:
        exec(code, names)  # noqa: S102 (a program of this table)
    finally:
        for name in hooks:
            delattr(builtins, f"__pellucid_{name}__")
    return names, len(passes), len(loops.loops)


@pytest.mark.parametrize(
    ("source", "loops"),
    [
        ("i = 7\nfound = [f(i) for i in range(3)]\nlast = i", 1),
        ("i = 7\nfound = [f(i + len(a)) for a, i in zip(['', ''], [1, 2])]\nlast = i", 1),
        ("i = 7\nfound = [f(i) for i in range(4) if i % 2]\nlast = i", 0),
        ("i = 7\nfound = [i * i for i in range(3)]\nlast = i", 0),
        ("i = 7\nfound = [4, 5]\nfound = [f(x) for x in found]\nlast = i", 0),
    ],
)
def test_a_comprehension_that_calls_something_is_a_loop_and_gives_the_same(source, loops):
    def f(x):
        return 10 * x

    expected = {"f": f}
    exec(source, expected)  # noqa: S102 (as above)
    names, _, count = run(source, f=f)
    assert names["found"] == expected["found"]
    assert names["last"] == 7  # the variables of a comprehension are its own
    assert count == loops


def test_a_sample_that_is_seen_often_in_one_pass_was_drawn_once():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(45, 1, 6))
    data = SeenData(Keys(None, None, None), [Batch(inputs=np.repeat(row, 100, axis=0)) for row in rows])
    assert coverage.repeated_rows(data, 120) is None
    again = SeenData(Keys(None, None, None), [Batch(inputs=rows[i % 5]) for i in range(90)])
    assert coverage.repeated_rows(again, 120) is not None


@pytest.mark.parametrize(
    ("kept", "held", "causes"), [(0, 90, ["low-coverage"]), (60, 90, []), (40, 150, ["low-coverage"])]
)
def test_rows_that_another_array_holds_alone_are_kept_back(kept: int, held: int, causes: list[str]) -> None:
    table = np.random.default_rng(0).normal(size=(held, 3))
    names = {"X": table, "Xtr": table[:30], "Xva": table[held - kept :]}
    loops = SimpleNamespace(loops=[SimpleNamespace(file="train.py", line=1, last_line=2)])
    session = SimpleNamespace(
        found=SimpleNamespace(groups={}),
        scope=Scope(None, {"__main__": names}),
        number=0,
        program=SimpleNamespace(loops=loops),
    )
    data = SeenData(Keys(("", "Xtr"), None, None), [Batch(inputs=table[:30])] * 50)
    found = coverage._of_holders(cast("Any", SimpleNamespace(session=session, sources={})), data)
    assert [finding.cause for finding in (found,) if finding is not None] == causes
    tried = cast("Any", SimpleNamespace(session=SimpleNamespace(left=lambda: 0.0)))
    few = SeenData(data.keys, data.batches[:24])
    if found is not None:  # a function may be called again, with other rows
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(coverage, "together", lambda *_, **__: None)
            assert coverage._tried(tried, data, found) is found
            assert coverage._tried(tried, few, found) is None


def test_all_rows_are_no_batch_of_as_many_as_they_have_columns():
    rng = np.random.default_rng(0)
    seen = {
        ("", "X"): [rng.normal(size=(300, 64))],
        ("", "yb"): [np.eye(10)[rng.integers(0, 10, 64)]],
        ("", "out"): [rng.uniform(size=(64, 10))],
    }
    pair = Candidate("cross", ("", "out"), ("", "yb"))
    assert keys_of(seen, {("", "out")}, pair, frozenset()).inputs is None
    seen["", "xb"] = [rng.normal(size=(64, 64))]
    assert keys_of(seen, {("", "out")}, pair, frozenset()).inputs == ("", "xb")


def test_numbers_of_classes_stay_whole_numbers_in_another_order():
    labels = np.arange(6)
    scope = Scope(None, {"__main__": {"y": labels}})
    group = groups(leaves(scope))["y"]
    group.write(scope, labels[::-1].astype(float))
    assert scope.modules["__main__"]["y"] is labels
    assert labels.tolist() == [5, 4, 3, 2, 1, 0]
    assert labels.dtype.kind == "i"


def test_where_a_batch_is_cut_out_is_not_where_its_size_is_set():
    source = "size = 32\nfor i in range(9):\n    xb = X[:size]\n"
    place = orders.batch({"a.py": source}, {"X"}, 2, 3)
    assert place is not None
    assert place.line == 3


@pytest.mark.parametrize(
    ("kind", "labels", "output", "guess"),
    [
        ("cross", np.eye(2)[[0, 1, 1, 1]], np.full((4, 2), 0.5), 4 * 0.5623),
        ("cross-logits", np.array([0.0, 1, 1, 1]), np.zeros((4, 2)), 4 * 0.5623),
        ("log", np.array([0.0, 1, 1, 1]), np.full(4, 0.9), 4 * 0.5623),
        ("log-logits", np.array([0.0, 1, 1, 1]), np.zeros(4), 4 * 0.5623),
    ],
)
def test_the_loss_of_saying_the_same_of_every_row(kind, labels, output, guess):
    candidate = Candidate(kind, ("", "p"), ("", "y"))
    found = learning.guessed(candidate, labels.reshape(len(labels), -1), [labels], [output])
    assert found == pytest.approx(guess, rel=1e-3)
    if labels.ndim == 2:  # a sample a column
        lying = np.tile(labels, (2, 1)).T, np.tile(output, (2, 1)).T
        found = learning.guessed(candidate, np.tile(labels, (2, 1)), [lying[0]], [lying[1]])
        assert found == pytest.approx(2 * guess, rel=1e-3)
        one_by_one = [*labels], [*output]  # a sample a pass, with a vector of labels
        found = learning.guessed(candidate, labels, *one_by_one)
        assert found == pytest.approx(guess / 4, rel=1e-3)
    if labels.ndim == 1:  # a row at a time: the loss of a pass is that of all its turns
        turns = [np.array([y]) for y in labels], [np.array([o]) for o in output]
        found = learning.guessed(candidate, labels.reshape(-1, 1), *(2 * series for series in turns), turns=4)
        assert found == pytest.approx(guess, rel=1e-3)


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("X, y = load()\norder = np.argsort(y)\nfor i in range(9):\n    xb = X[order[i]]\n", 2),
        ("X, y = load()\nfor i in range(9):\n    xb, yb = X[i:i+3], y[i:i+3]\n", 3),
        ("pairs = load()\nfor a, b in pairs:\n    train(a, b)\n", 2),
    ],
)
def test_where_rows_come_in_the_order_of_their_classes(source, line):
    loop = source.split("\n").index(next(text for text in source.split("\n") if text.startswith("for"))) + 1
    place = orders.sorted_rows({"a.py": source}, set(), "a.py", loop)
    assert place is not None
    assert place.line == line


def trained(*losses):
    return Trial(at=list(range(len(losses))), losses=list(losses), passes=len(losses))


@pytest.mark.parametrize(
    ("ends", "other", "shares", "fault"),
    [
        (0.30, 0.05, (None, None), True),  # of what it could gain, a good part is left
        (0.15, 0.05, (None, None), False),  # it has gone most of the way by itself
        (0.30, 0.25, (None, None), False),
        (0.30, 0.05, (0.9, 0.9), False),  # as many rows are right
        (0.30, 0.05, (0.7, 0.9), True),
        (0.30, float("nan"), (None, None), False),
        (float("inf"), 0.2, (None, None), True),
    ],
)
def test_what_a_program_that_learns_leaves(ends, other, shares, fault):
    first, then = (None if share is None else learning.Hits(share, 400) for share in shares)
    was = trained(*np.linspace(0.7, ends, 200)) if ends < 1 else trained(0.7, 0.6, ends)
    assert learning.worthwhile(0.7, was, trained(*[other] * 200), (first, then)) is fault


def test_a_list_of_pairs_and_one_of_rows_that_end_in_their_label_are_tables():
    rng = np.random.default_rng(0)
    pairs = [(rng.normal(size=(3, 1)), int(i % 2)) for i in range(12)]
    rows = [[*map(float, rng.normal(size=2)), i % 3] for i in range(10)]
    names = {"pairs": pairs, "rows": rows, "xs": [[0.5, 1.5]] * 9}
    scope = Scope(None, {}, dict(names))
    found = {part.name: part for part in tables.parts(scope)}
    assert {name: part.shape for name, part in found.items()} == {
        "pairs[*][0]": (12, 3),
        "pairs[*][1]": (12, 1),
        "rows[*][:-1]": (10, 2),
        "rows[*][-1]": (10, 1),
    }
    old = found["pairs[*][1]"].read(scope)
    found["pairs[*][1]"].write(scope, old[::-1])
    found["rows[*][:-1]"].write(scope, np.zeros(20))
    assert [type(label) for _, label in pairs] == [int] * 12
    assert [label for _, label in pairs] == list(old[::-1])
    assert all(row[:2] == [0.0, 0.0] for row in rows)
    assert [row[-1] for row in rows] == [i % 3 for i in range(10)]


@pytest.mark.parametrize("summed", [False, True])
def test_the_output_and_the_label_that_a_loss_is_computed_from(summed):
    rng, series, total = np.random.default_rng(0), [], 0.0
    for _ in range(5):
        p, y = rng.uniform(size=(8, 1)), rng.integers(0, 2, (8, 1)).astype(float)
        loss = -float(np.mean(y * np.log(p + 1e-12) + (1 - y) * np.log(1 - p + 1e-12)))
        total += loss
        seen = {
            ("f", "p"): [p],
            ("f", "y"): [y],
            ("", "z"): [p * 2],
            ("", "loss"): [np.array(total if summed else loss)],
        }
        series.append(seen)
    find = roles.pair_of_sum if summed else roles.pair_of
    pair = find(series, {("f", "p"), ("", "z"), ("", "loss")}, frozenset(), Candidate("seen", ("", "loss")))
    assert pair is not None
    assert (pair.loss.output, pair.loss.label) == (("f", "p"), ("f", "y"))
    assert pair.factor == pytest.approx(1 / 8)


def test_the_mean_over_a_last_batch_that_is_smaller_is_the_same_loss():
    rng = np.random.default_rng(0)
    series = []
    for rows in (8, 8, 8, 3, 8):
        X, said = rng.normal(size=(rows, 4)), rng.normal(size=(rows, 4))
        loss = np.mean((said - X) ** 2)
        series.append({("", "said"): [said], ("", "X"): [X], ("", "loss"): [np.array(loss)]})
    depends, pairs = {("", "said"), ("", "loss")}, {("said", "X")}
    pair = roles.pair_of(series, depends, frozenset(), Candidate("seen", ("", "loss")), pairs)
    assert pair is not None
    assert (pair.loss.kind, pair.factor) == ("squared", pytest.approx(2 / 32))


@pytest.mark.parametrize("subtracted", [False, True])
def test_zeros_are_labels_only_of_what_they_are_subtracted_from(subtracted):
    """The square of a residual is the squared error of it and 0, by whatever name: the last number of a loop, say."""
    rng = np.random.default_rng(0)
    series = []
    for residual in rng.normal(size=5):
        seen = {("f", "dby"): [np.array([[residual]])], ("f", "t"): [np.zeros(())]}
        series.append({**seen, ("", "loss"): [np.array(0.5 * residual**2)]})
    pairs = {("dby", "t")} if subtracted else set()
    pair = roles.pair_of(series, {("f", "dby"), ("", "loss")}, frozenset(), Candidate("seen", ("", "loss")), pairs)
    assert (pair is not None) is subtracted


A_CLASS = """class A:
    def __init__(self, n):
        self.n = n
    def run(self):
        for e in range(self.n): pass
A(7).run()
"""


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("def fit(x, epochs=30):\n    for e in range(epochs):\n        pass\nfit(1)\n", 1),
        ("def fit(x, epochs=30):\n    for e in range(epochs):\n        pass\nfit(1, epochs=5)\n", 4),
        ("def fit(x, epochs=30):\n    for e in range(epochs):\n        pass\nfit(1, 5)\n", 4),
        ("n = 3\nfor e in range(n):\n    pass\n", 1),
        (A_CLASS, 6),
        ("for e in range(3):\n    pass\n", None),
    ],
)  # fmt: skip
def test_where_the_number_of_turns_is_written(source, line):
    loop = 1 + next(i for i, text in enumerate(source.splitlines()) if "for e" in text)
    place = settings.count({"a.py": source}, "a.py", loop)
    assert (place.line if place is not None else None) == line


def test_what_counts_the_passes_is_no_label():
    source = "for epoch in range(9):\n    for i, x in enumerate(X):\n        self.step += 1\n        b += 1.5\n"
    assert settings.counters({"a.py": source}) == {"epoch", "i", "step"}
    lists = "h = [tanh(w[i] * x) for i in range(4)]\nxs = [x / 9 for x in numbers]\n"
    assert settings.counters({"a.py": lists}) == {of_list("i")}


def test_rows_that_hide_a_class_and_rows_of_which_each_class_is_right():
    labels = np.r_[np.zeros(190), np.ones(10)].reshape(-1, 1)
    data = SeenData(Keys(None, None, None), [Batch(labels=labels)])
    assert imbalance.imbalance(data, Batch(labels=labels, outputs=np.full((200, 1), 0.1))) is not None
    assert imbalance.imbalance(data, Batch(labels=labels, outputs=0.1 + 0.8 * labels)) is None
    assert imbalance.by_class(Batch(labels=labels, outputs=np.full((200, 1), 0.1))) == 0.5


@pytest.mark.parametrize("way", ["W += v", "W -= lr * v"])
def test_without_its_decay_a_training_with_momentum_has_none_in_its_velocity_either(way):
    rng, lr, decay = np.random.default_rng(0), 0.1, 0.5
    slopes = rng.normal(size=(20, 4))

    def step(w, v, g):
        v[:] = 0.9 * v + (g if way == "W -= lr * v" else -lr * g)
        w += -lr * v if way == "W -= lr * v" else v

    w, v = np.ones(4), np.zeros(4)
    plain, velocity = np.ones(4), np.zeros(4)
    scope = Scope(None, {}, {"w": w, "v": v})
    found = parameters.Parameters(groups(leaves(scope)), ["w"], {"v": "w"})
    lab: Any = SimpleNamespace(groups=found.groups, before={})
    without = trials.scaled(lab, found, 1.0, {"w": lr * decay})
    for g in slopes:
        lab.before = {"w": w.copy()}
        step(w, v, g + decay * w)
        without(scope)
        step(plain, velocity, g)
    assert w == pytest.approx(plain)


@pytest.mark.parametrize("kind", [np.array, list])
def test_an_order_that_is_made_anew_is_mixed_and_one_that_is_mixed_is_left(kind):
    """Sorted by the labels in each epoch, the rows come sorted whatever order the data are in."""
    scope = Scope(None, {}, {"order": kind(range(30)), "few": kind(range(8)), "twice": kind([0] * 30)})
    taken = order.orders_taken(scope, {30})
    held, mix = scope.objects["order"], order.in_any_order(taken)
    mix(scope)
    first = list(held)
    assert sorted(first) == list(range(30)) != first and all(type(i) is type(held[0]) for i in held)
    mix(scope)
    assert list(held) == first
    held[:] = list(range(30))
    mix(scope)
    assert list(held) not in (first, list(range(30)))
    assert list(scope.objects["few"]) == list(range(8)) and not any(scope.objects["twice"])


@pytest.mark.parametrize(
    ("totals", "own"),
    [([1.0, 3.0, 6.0, 6.5], [2, 3, 0.5]), ([0.5, 0.75, 0.25, 0.5], [0.25, 0.25, 0.25])],  # an epoch ends
)
def test_what_each_pass_adds_to_a_running_sum(totals, own):
    np.testing.assert_allclose(roles.added(totals), own)


@pytest.mark.parametrize(("name", "inside"), [("xb", True), ("X_train", False), ("X", False)])
def test_a_batch_is_made_in_the_loop_and_the_training_rows_before_it(name, inside):
    source = "X_train = X[:80]\nfor epoch in range(9):\n    xb, yb = X[0:16], Y[0:16]\n    train(xb, yb)\n"
    assert orders.made_between({"a.py": source}, name, "a.py", 2, 4) is inside


REGRESSION = """
import numpy as np
rng = np.random.default_rng(4)
X = np.column_stack([rng.uniform(50, 300, 120), rng.integers(1, 6, 120), rng.uniform(0, 60, 120)])
y = X @ np.array([3.0, {rooms}, -0.8]) + {constant} + rng.normal(0, {noise}, 120)
w, b = np.zeros(3), 0.0
for epoch in range(500):
    predicted = X @ w + b
    loss = np.mean((predicted - y) ** 2)
    w -= 2e-5 * X.T @ (predicted - y) / len(y)
    b -= 2e-5 * np.mean(predicted - y)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rooms", "constant", "noise", "expected"),
    [(30.0, 40.0, 4.0, ["input-not-scaled"]), (0.5, 0.0, 40.0, [])],  # what the second leaves is noise
)
def test_inputs_of_a_size_that_leaves_most_of_a_small_loss(rooms, constant, noise, expected, tmp_path):
    script = tmp_path / "train.py"
    script.write_text(REGRESSION.format(rooms=rooms, constant=constant, noise=noise), encoding="utf-8")
    assert [finding.cause for finding in examine_script(script).findings] == expected


def test_a_decay_of_few_numbers_is_told_by_all_passes():
    candidate, rng = Candidate("log", ("", "p"), ("", "y")), np.random.default_rng(0)
    entries = []
    for index in range(6):
        slopes, values = rng.normal(size=(2, 1))
        given = {"b": 0.5 * slopes + 0.05 * values}
        entries.append(StudiedPass(index, {"b": np.eye(1)}, given, {candidate: {"b": slopes}}, values={"b": values}))
    assert decay.decay(entries, candidate, "b") == pytest.approx(0.05)
    assert decay.decay(entries[:1], candidate, "b") is None


def case_of(source, loops=None, depends=frozenset(), **seen):
    study = SimpleNamespace(seen={("", name): [value] for name, value in seen.items()}, depends=depends)
    session = SimpleNamespace(program=SimpleNamespace(loops=loops), frame=SimpleNamespace(f_globals={}, f_locals={}))
    return cast("Any", SimpleNamespace(sources={"a.py": source}, study=study, session=session))


@pytest.mark.parametrize(
    ("lowest", "statement", "line"),
    [
        (0, "p[rows, y - 1] -= 1", 2),
        (0, "t = np.eye(3)[y - 1]", 2),
        (1, "p[rows, y - 1] -= 1", None),
        (0, "p[rows, y] -= 1", None),
        (0, "q = y - 1", None),
    ],
)
def test_labels_from_zero_are_no_indices_less_one(lowest, statement, line):
    case = case_of(f"n = 3\n{statement}\n", y=np.tile(np.arange(lowest, 3.0), 4))
    found = class_numbers.find(case)
    assert (found and (found.cause, found.line)) == (line and ("labels-off-by-one", line))


@pytest.mark.parametrize(("samples", "told"), [(8, True), (3, False)])
def test_a_softmax_over_as_many_samples_as_classes_may_be_over_either(samples, told):
    p = np.random.default_rng(0).random((samples, 3))
    found = softmax.softmax_axis(Batch(outputs=p / p.sum(0)))
    assert (found is not None) is told


@pytest.mark.parametrize("written", ["o", "self.o"])
@pytest.mark.parametrize("output", ["e / np.sum(e, axis=1)", "softmax(z)", "e"])
def test_a_softmax_of_one_unit_is_told_whatever_its_parts_are_called(output, written):
    loops = SimpleNamespace(pairs={(written, "y")})
    seen = {written.replace("self", "net"): np.ones((6, 1)), "y": np.eye(6)[0][:, None]}
    case = case_of(f"e = np.exp(z)\no = {output}\nd = o - y\n", loops, **seen)
    found = softmax.find(case)
    assert (found and (found.cause, found.line)) == (("softmax-single-unit", 2) if output != "e" else None)


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("z = np.exp(x)\ns = z.sum()\nout = z / s\n", 2),
        ("def f(x):\n    z = np.exp(x)\n    return z\ndef g(z):\n    s = z.sum()\nf(1), g(1)\n", None),
        ("z = np.exp(x)\nz /= z.sum()\n", 2),
    ],
)
def test_where_a_softmax_takes_its_sum(source, line):
    found = culprits.of_cause("softmax-wrong-axis", {"a.py": source}, SimpleNamespace(outputs=None))
    assert (found and found.line) == line
    if line is not None:
        finding = Finding("softmax-wrong-axis", "error", 0.9, "", "", "", "a.py", line)
        changed = [text.splitlines()[1] for text in repairs(finding, source)]
        assert any(text.endswith("= np.sum(z, axis=0, keepdims=True)") for text in changed)
        first = next(repairs(finding, source + "d = out - y.T\n"))
        assert "axis=0" in first  # samples in columns


def test_what_was_confirmed_is_told_where_the_time_is_up(monkeypatch):
    told = Finding("excessive-weight-decay", "warning", 0.9, "", "", "", verified=True)

    class LateExamination:
        def __init__(self, session, options, progress):
            self.session = session

        def report(self):
            self.session.told = [told, Finding("class-imbalance", "warning", 0.5, "", "", "")]
            raise OutOfTime

    monkeypatch.setattr(examination, "Examination", LateExamination)
    monkeypatch.setattr(examination, "facts_of", lambda session: {})
    session = SimpleNamespace(deadline=time.monotonic() + 60, told=[])
    report = examination.examine(cast("Any", session), examination.Options())
    assert (report.status, report.findings) == ("faults", [told])
