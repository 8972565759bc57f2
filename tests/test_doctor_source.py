"""Lines read from the source: what hands a gradient on, adds to one, sets a parameter to another, and what does not."""

import numpy as np
import pytest

from pellucid.doctor.process import orders, rates
from pellucid.doctor.process.paths import Group
from pellucid.doctor.process.places import residuals
from pellucid.doctor.process.source import Assignments, handed_on, suspect

FILE = "train.py"


def group(name: str) -> Group:
    return Group(name, ((("global", (0, name)),),), (4,), (4,))


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("da = d @ W.T\ndz = da\ndW = x.T @ dz\n", 2),
        ("def back(d):\n    da = d @ W.T\n    dz = da.copy()\n    return x.T @ dz\n", 3),
        ("da = d @ W.T\ndz = da * (1 - a * a)\n", None),
        ("da = d @ W.T\nfirst = da\nlast = da\n", None),  # two names: neither is told
    ],
)
def test_where_a_gradient_gets_another_name_unchanged(source: str, line: int | None) -> None:
    made = next(number for number, row in enumerate(source.splitlines(), 1) if "W.T" in row)
    assert handed_on({FILE: source}, (FILE, made)) == (None if line is None else (FILE, line))


def test_the_line_that_adds_to_what_a_parameter_is_moved_by() -> None:
    source = "total = 0\nfor x in data:\n    total += f(x)\n    dW += x * d\n    W -= 0.1 * dW\n"
    assert Assignments.of({FILE: source}).adding([group("W")]) == (FILE, 4)
    velocity = "for p, d in pairs:\n    v = v + d\n    p -= lr * v\n"
    assert Assignments.of({FILE: velocity}).adding([group("W")]) == (FILE, 2)


def test_zeros_are_no_line_of_a_gradient_and_sums_are() -> None:
    source = "dW, db = np.zeros_like(W), np.zeros_like(b)\nfor t in steps:\n    dW += d @ x\nW -= 0.1 * dW\n"
    assert Assignments.of({FILE: source}).slice(group("W")) == [(FILE, 3)]


def test_the_update_of_another_parameter_is_no_line_of_a_gradient() -> None:
    source = Assignments.of({FILE: "w -= rate * x * (w * x + b - y)\nb -= rate * (w * x + b - y)\n"})
    assert source.slice(group("w")) == [(FILE, 1)]
    assert source.slice(group("b")) == [(FILE, 2)]


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("w = w - lr * dw\nb = w - lr * db\n", 2),
        ("w = w - lr * dw\nb = b - lr * db\n", None),
        ("b = w0\n", None),
    ],
)
def test_the_line_that_starts_from_another_parameter(source: str, line: int | None) -> None:
    assert Assignments.of({FILE: source}).replaced("b") == (None if line is None else (FILE, line))


def test_labels_that_are_changed_where_they_are_keep_their_order() -> None:
    drawn = "X, y = load()\nflipped = rng.choice(150, 15)\n"
    assert orders.torn({FILE: drawn + "y[flipped] = 1 - y[flipped]\n"}) is None
    assert orders.torn({FILE: drawn + "y[flipped] += noise\n"}) is None
    torn = orders.torn({FILE: drawn + "y = y[flipped]\n"})
    assert torn is not None
    assert torn.place.line == 3


@pytest.mark.parametrize(
    ("labels", "is_torn"), [("[number[c] for c in text[at + 1 : at + 9]]", False), ("np.roll(numbers, 1)", True)]
)
def test_labels_that_are_made_of_the_same_place_of_a_text(labels: str, is_torn: bool) -> None:
    drawn = "at = rng.integers(len(text))\n"
    source = f"{drawn}X = text[at : at + 8]\ninputs = [number[c] for c in X]\ntargets = {labels}\n"
    assert (orders.torn({FILE: source.replace("text[at : at + 8]", "data[at : at + 8]")}) is not None) == is_torn


@pytest.mark.parametrize("order", ["np.random.shuffle(data)\n", "order = rng.permutation(9)\ndata = data[order]\n"])
@pytest.mark.parametrize(
    ("labels", "torn"),
    [
        ("rows = data[:300].T\nX_train, Y_train = rows[1:], rows[0]\n", False),
        ("Y_train = data[:, 0].astype(int)\nX_train = data[:, 1:]\n", False),
        ("Y_train = load()\nX_train = data[:, 1:]\n", True),
    ],
)
def test_labels_that_are_cut_out_of_what_is_put_in_order(order: str, labels: str, torn: bool) -> None:
    assert (orders.torn({FILE: f"data = table()\n{order}{labels}"}) is not None) == torn


def test_how_opaque_a_drawing_is_is_no_learning_rate() -> None:
    source = "step_size = 1.0\nplt.contourf(a, b, c, alpha=0.4)\nax[0].scatter(a, b, alpha=0.9)\n"
    found = rates.rate({FILE: source}, [])
    assert found is not None
    assert (found.line, found.value) == (1, 1.0)
    given = rates.rate({FILE: "train(X, y, alpha=0.4)\n"}, [])
    assert given is not None
    assert given.value == 0.4
    assert np.isclose(list(rates.rate_values({FILE: source})), [1.0]).all()


@pytest.mark.parametrize(
    ("update", "line"),
    [
        ("b1 -= lr * 0 * db1\n", 3),  # its own update
        ("", 4),  # that of its like
        ("b1 -= lr * extra\n", None),  # of something else
    ],
)
def test_where_a_parameter_with_a_gradient_should_be_moved(update: str, line: int | None) -> None:
    source = f"db1 = d.sum(0)\nW2 -= lr * dW2\n{update or 'pass' + chr(10)}W1 -= lr * dW1\n"
    found = Assignments.of({FILE: source}).unmoved([group("b1")], [group("W2"), group("W1")], {"db1", "dW1"})
    assert found == (None if line is None else (FILE, line))


@pytest.mark.parametrize("call", ["np.random.default_rng(3).permutation(y)", "random.sample(y, len(y))"])
def test_labels_that_are_replaced_by_themselves_in_another_order(call: str) -> None:
    before, after = "X, y = load()\n", "for i in range(9):\n    p = X @ w\n"
    torn = orders.torn({FILE: before + f"y = {call}\n" + after})
    assert torn is not None and torn.place.line == 2 and torn.before_training
    for right in (
        "rng.seed(1)\nX = rng.permutation(X)\nrng.seed(1)\ny = rng.permutation(y)\n",
        "order = rng.permutation(len(y))\nX, y = X[order], y[order]\n",
        "shuffled = rng.permutation(y)\n",
        "y = random.sample(y, 20)\n",
        "X = rng.permutation(X)\n",
    ):
        assert orders.torn({FILE: before + right + after}) is None


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("db1 = b1 - lr * db1", True),
        ("new_b1 = b1 - lr * db1", True),
        ("b1 = b1 - lr * db1", False),
        ("b1 -= lr * db1", False),
        ("c = b1 - lr", False),
    ],
)
def test_an_update_that_is_put_elsewhere(line: str, found: bool) -> None:
    lost = Assignments.of({FILE: f"W1 = W1 - lr * dW1\n{line}\n"}).misdirected([group("b1")])
    assert (lost is not None) is found
    assert lost is None or (lost[0], lost[1].line) == ("b1", 2)


@pytest.mark.parametrize(
    ("function", "sign"),
    [
        ("def gradient(w, g):\n    return w - 0.1 * g\n", -1),
        ("class Net:\n    def gradient(self, w, g):\n        w -= self.lr * g\n        return w\n", -1),
        ("def gradient(w, g):\n    w = w + 0.1 * g\n    return w\n", 1),
        ("def gradient(w, g):\n    return np.dot(w, g)\n", 0),
        ("def gradient(g, w):\n    return 1 - w * g\n", 0),
    ],
)
def test_a_parameter_that_a_function_returns_with_its_step(function: str, sign: int) -> None:
    """The line of its gradient is not the one of the function, which all parameters come by."""
    source = f"{function}deV = e * h\ndeW = e * s * x\nv[0] = gradient(v[0], deV)\nw[0] = gradient(w[0], g=deW)\n"
    made = next(number for number, row in enumerate(source.splitlines(), 1) if row.startswith("deW"))
    found = Assignments.of({FILE: source})
    assert [update.sign for update in found.updates(group("w"))[-1:]] == [sign] * (sign != 0)
    if sign:
        assert suspect(found, [group("w")], [group("v")]) == (FILE, made)


@pytest.mark.parametrize(
    ("update", "sign"),
    [
        ("self.w = [w - (eta / n) * g for w, g in zip(self.w, nabla)]", -1),
        ("self.w = [v + eta * g for v, g in zip(self.w, nabla)]", 1),
        ("self.w = [a - b for a, b in zip(first, nabla)]", 0),
    ],
)
def test_parameters_that_a_list_is_made_of_anew(update: str, sign: int) -> None:
    found = Assignments.of({FILE: f"nabla = back(x)\n{update}\n"}).updates(group("w"))
    assert [(a.line, a.sign) for a in found] == [(2, sign)] * (sign != 0)
    assert all("nabla" in a.sources and not {"w", "g", "v"} & a.sources for a in found)


@pytest.mark.parametrize(
    ("returned", "names"),
    [("label - out", {"error"}), ("abs(label - out)", set()), ("((label - out) ** 2).sum()", set())],
)
def test_an_error_that_a_function_returns_is_a_difference_if_it_is_one_there(returned: str, names: set[str]) -> None:
    source = f"def step(x, label):\n    out = net(x)\n    error = {returned}\n    return error\nerror = step(x, y)\n"
    assert residuals({FILE: source}) == names
    assert residuals({FILE: source.replace(f"error = {returned}\n    return error", f"return {returned}")}) == names
