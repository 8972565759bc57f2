"""Where a mistake stands: the line that has to be changed, or beside which a statement is missing."""

from types import SimpleNamespace

import numpy as np
import pytest

from pellucid.doctor.conditions.causes.class_numbers import of_crash
from pellucid.doctor.process import rates, settings
from pellucid.doctor.process.clearing import to_clear
from pellucid.doctor.process.origins import first_values
from pellucid.doctor.process.paths import Group
from pellucid.doctor.process.placing import climbing, credible, in_helper, summed_last, thrown_away
from pellucid.doctor.process.source import Assignments, handed_on, suspect
from pellucid.doctor.process.unmoved import beside, should_move, unread
from pellucid.doctor.rules.in_place_of import taken_at

FILE = "train.py"


def group(name: str) -> Group:
    return Group(name, ((("local", name),),), (1,), ())


def keyed(name: str) -> Group:
    return Group(f"params['{name}']", ((("local", "params"), ("item", name)),), (1,), ())


def lines(source: str) -> list[str]:
    return [line.strip() for line in source.splitlines()]


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("    loss = net(x)\n    loss.backward()\n    for p in net.parameters():\n        p.data -= 0.1 * p.grad\n", 3),
        ("    optimizer.zero_gradients()\n    loss = net(x)\n    backprop(loss)\n", 4),
        ("    for x, y in rows:\n        g = backprop(x, y)\n        dW += g\n    W -= 0.1 * dW\n", 4),
        ("    d = f(x)\n    if d:\n        net.accumulate_gradients(d)\n", 3),
        ("    step(x)\n", None),
    ],
)
def test_gradients_are_cleared_before_the_backward_pass(body: str, line: int | None) -> None:
    source = f"for x in data:\n{body}"
    loop = SimpleNamespace(file=FILE, line=1, last_line=source.count("\n"))
    assert to_clear({FILE: source}, loop, [group("W")]) == (None if line is None else (FILE, line))


UPDATE = "def step(x):\n    v = A[i]\n    dv = g(x)\n{}    B -= 0.1 * dB\n"


@pytest.mark.parametrize(
    ("moved", "line"),
    [
        ("    v = v - 0.1 * dv\n", 4),  # a copy of a row of A
        ("    A = A\n", 4),
        ("    new_A = A - 0.1 * dA\n", 4),
        ("    c = A - 0.1 * dA\n", 4),  # nothing reads c
        ("    A = 1.0\n", None),
        ("    v -= 0.1 * dv\n", None),  # changes A itself
    ],
)
def test_a_step_that_a_parameter_does_not_get(moved: str, line: int | None) -> None:
    at, _ = should_move({FILE: UPDATE.format(moved)}, [group("A")], [group("B")], {})
    assert at == (None if line is None else (FILE, line))


def test_a_step_that_nothing_reads() -> None:
    assert unread({FILE: "c = A - 0.1 * dA\n"}, {"A"}) == (FILE, 1)
    for source in ("c = A - 0.1 * dA\nprint(c)\n", "A = A - 0.1 * dA\n", "c = A - 1\n", "self.c = A - 0.1 * dA\n"):
        assert unread({FILE: source}, {"A"}) is None


def test_an_update_that_is_missing_belongs_beside_its_like() -> None:
    source = Assignments.of({FILE: "h -= lr * dh\nw1 += x.T @ d1 * lr\n"})
    assert beside(source, [group("w2")], [group("h"), group("w1")]) == (FILE, 2)
    assert beside(source, [group("w1")], [group("h")]) is None  # it has its own
    assert beside(source, [group("w2")], []) is None


def test_an_update_that_is_missing_belongs_beside_what_is_used_with_it() -> None:
    source = "out = h * w5 + g * w6 + b3\nb2 -= lr * d\nw5 -= lr * d * h\nw6 -= lr * d * g\n"
    right = [group(name) for name in ("b2", "w5", "w6")]
    assert beside(Assignments.of({FILE: source}), [group("b3")], right) == (FILE, 4)


def test_where_a_gradient_takes_another_weight() -> None:
    source = "o = f(v1 * h1 + v2 * h2)\nd = o - y\ns1 = d * v2 * g(h1)\nv2 -= r * d * h2\nw -= r * s1 * x\n"
    groups = {name: group(name) for name in ("v1", "v2", "w")}
    assert taken_at({"w": ("v2", "v1")}, Assignments.of({FILE: source}), groups) == (FILE, 3)


def test_a_comprehension_that_hands_on_some_parameters_alone() -> None:
    source = (
        "def step(ps):\n    for p in ps:\n        p.value -= p.grad\n"
        "step([p for k, p in net.params.items() if k[0] == 'w'])\n"
    )
    wrong, right = [group("net.params['b0'].value")], [group("net.params['w0'].value")]
    assert should_move({FILE: source}, wrong, right, {})[0] == (FILE, 4)
    assert should_move({FILE: source.replace(" if k[0] == 'w'", "")}, wrong, right, {})[0] is None


@pytest.mark.parametrize(
    ("keys", "line"), [("('W2', 'b2')", 1), ("('W1', 'W2', 'b2')", None), ("('W2', 'b2', 'mean')", None)]
)
def test_the_names_of_the_parameters_that_are_moved(keys: str, line: int | None) -> None:
    source = f"for key in {keys}:\n    params[key] -= 0.1 * grads[key]\n"
    at, _ = should_move({FILE: source}, [keyed("W1")], [keyed("W2"), keyed("b2")], {})
    assert at == (None if line is None else (FILE, line))


def test_what_is_zero_in_every_pass_is_where_a_gradient_is_cut_off() -> None:
    source = "dA = d * m\nB -= 0.1 * dB\nA -= 0.1 * dA\n"
    at, fix = should_move({FILE: source}, [group("A")], [group("B")], {("", "dA"): [np.zeros(2)]})
    assert at == (FILE, 1) and "dA is zero in every pass" in fix


@pytest.mark.parametrize(
    ("statement", "line"),
    [
        ("rate = rate0 * 1.01 ** t", 2),
        ("lr *= 1.05", 2),
        ("lr = lr * 1.1", 2),
        ("lr /= 0.9", 2),
        ("lr += 0.01", 2),
        ("rate = rate0 / 1.01 ** t", None),
        ("lr = 0.1 * 0.99 ** t", None),
        ("lr *= 0.9", None),
        ("lr = lr0 / (1 + 0.1 * t)", None),
        ("w = w * 1.1", None),
    ],
)
def test_where_the_rate_grows(statement: str, line: int | None) -> None:
    place = rates.growing({FILE: f"for t in range(9):\n    {statement}\n"}, FILE, 1, 2)
    assert (place and place.line) == line


def test_loops_over_batches() -> None:
    source = "for e in range(9):\n    for i in range(0, n, n):\n        pass\nfor j in range(0, 9, 3):\n    pass\n"
    assert settings.in_steps({FILE: source}, FILE, 1, 3) == [2]


def test_the_first_values_of_a_layer_are_those_of_its_item() -> None:
    source = "layers = [\n    Layer(randn(2, 3), zeros(3)),\n    Layer(randn(3, 1), zeros(1)),\n]\n"
    found = [first_values({FILE: source}, f"layers[{i}].b") for i in (0, 1)]
    assert [place and place.line for place in found] == [2, 3]


VELOCITIES = "va = m * va - rate * ga\nvb = m * vb {} rate * gb\na = a + va\nb {}= vb\n"


@pytest.mark.parametrize(("kept", "taken", "line"), [("+", "+", 2), ("-", "-", 4), ("-", "+", None), ("+", "-", None)])
def test_a_velocity_that_goes_the_other_way(kept: str, taken: str, line: int | None) -> None:
    source = Assignments.of({FILE: VELOCITIES.format(kept, taken)})
    assert source.other_way([group("b")], [group("a")]) == (None if line is None else (FILE, line))


def test_a_velocity_that_descends_climbs_by_its_gradient() -> None:
    source = "ga = f(a)\nva = m * va - rate * ga\na = a + va\n"
    assert Assignments.of({FILE: source}).climbing([group("a")]) != (FILE, 3)


def test_labels_that_end_a_program_are_made_elsewhere() -> None:
    y, scores = np.array([1, 2, 3, 3]), np.zeros((4, 3))
    with pytest.raises(IndexError) as raised:
        scores[range(4), y] += 1
    finding = of_crash(raised.value, {FILE: "y = load().target + 1\nX = load().data\n"})
    assert finding is not None and (finding.file, finding.line) == (FILE, 1)
    assert of_crash(raised.value).file == __file__  # type: ignore[union-attr]


def test_of_a_product_the_factor_that_no_right_tensor_has() -> None:
    source = "d_w = x * f(a)\nd_b = f(c)\nw -= rate * dl * dh * d_w\nb -= rate * dl * dh * d_b\n"
    assert suspect(Assignments.of({FILE: source}), [group("b")], [group("w")]) == (FILE, 2)


def test_the_last_term_of_what_is_appended() -> None:
    source = (
        "for j in units:\n    error = 0.0\n    for m in nxt:\n        error = m.w[j] * m.delta\n"
        "    errors.append(error)\ndelta = errors[0] * slope\nw -= rate * delta\n"
    )
    chain = Assignments.of({FILE: source}).slice(group("w"), 6)
    assert summed_last({FILE: source}, chain) == ((FILE, 4), "error += m.w[j] * m.delta")


def test_a_list_that_is_filled_is_no_line_of_a_gradient() -> None:
    source = "errors = list()\nerrors.append(t - o)\ndelta = errors[0] * slope\nw -= rate * delta\n"
    assert (FILE, 1) not in Assignments.of({FILE: source}).slice(group("w"), 6)


def test_a_bias_within_the_weights_goes_the_other_way() -> None:
    source = "w[j] -= rate * delta * x[j]\nw[-1] += rate * delta\n"
    assert Assignments.of({FILE: source}).other_way([group("w")], []) == (FILE, 2)
    assert Assignments.of({FILE: source.replace("+=", "-=")}).other_way([group("w")], []) is None


def test_a_gradient_that_a_function_begins_with_a_difference() -> None:
    source = "def grad(w):\n    r = y - X @ w\n    return X.T @ r\n\ng = grad(w)\nv = m * v - rate * g\nw = w + v\n"
    assert Assignments.of({FILE: source}).climbing([group("w")]) == (FILE, 2)


@pytest.mark.parametrize(("biases", "line"), [("eta * nb", 2), ("eta * nb / len(batch)", None)])
def test_an_update_that_divides_less_often(biases: str, line: int | None) -> None:
    source = (
        "w = [w - (eta / len(batch)) * nw for w, nw in zip(w, nabla_w)]\n"
        f"b = [b - {biases} for b, nb in zip(b, nabla_b)]\n"
    )
    found = Assignments.of({FILE: source}).undivided([group("b")], [group("w")])
    assert found == (None if line is None else (FILE, line))


@pytest.mark.parametrize(("after", "line"), [("dW = x.T @ db", 2), ("dW = x.T @ dz", None)])
def test_a_gradient_that_goes_on_by_its_old_name_is_not_handed_on(after: str, line: int | None) -> None:
    source = f"dz = W.T @ d\ndb = dz\n{after}\n"
    assert handed_on({FILE: source}, (FILE, 1)) == (None if line is None else (FILE, line))


def test_an_update_that_takes_a_gradient_is_no_line_of_a_mistake_in_it() -> None:
    source = Assignments.of(
        {FILE: "dw = x * d\nw -= rate * dw\nb -= rate * d.sum()\nW['w' + str(i)] -= rate * g['w' + str(i)]\n"}
    )
    moved = {"w": [(FILE, 2)], "b": [(FILE, 3)], "W": [(FILE, 4)]}
    assert credible((FILE, 1), moved, ["w"], source)
    assert credible((FILE, 3), moved, ["b"], source)  # computes it
    assert not credible((FILE, 2), moved, ["w"], source)
    assert not credible((FILE, 3), moved, ["w"], source)  # of another tensor
    assert not credible((FILE, 4), moved, ["W"], source)


@pytest.mark.parametrize(("test", "line"), [("z < 0", 5), ("z > 0", None), ("z >= 0", None)])
def test_the_mask_of_a_helper(test: str, line: int | None) -> None:
    source = (
        "def leaky(x):\n    return np.where(x > 0, x, 0.01 * x)\n\n"
        f"def leaky_grad(z):\n    return np.where({test}, 1, 0.01)\n\ndz = da * leaky_grad(z)\nh = leaky(z)\n"
    )
    assert in_helper({FILE: source}, (FILE, 2), (FILE, 7)) == (None if line is None else (FILE, line))


@pytest.mark.parametrize(("use", "line"), [("", 2), ("    ds = dprev_s\n", None)])
def test_the_gradient_of_a_state_that_nothing_reads(use: str, line: int | None) -> None:
    source = f"def back(ds):\n    dprev_s, dW = cell_backward(ds)\n{use}    return dW\n"
    assert thrown_away({FILE: source}) == (None if line is None else (FILE, line))


@pytest.mark.parametrize(
    ("error", "update", "line"),
    [
        ("errors.append(expected[j] - out)", "w -= rate * delta", 2),
        ("return y - out", "w -= rate * delta", 2),
        ("d = -(y - out)", "w -= rate * delta", 3),
        ("loss = (y - out) ** 2", "w -= rate * delta", 3),
        ("d = y - out", "w += rate * delta", 4),
        ("e = out - y", "w += rate * delta", 2),
        ("d_out = out - y", "w += rate * delta", 4),
        ("d = -2 * (y - out)", "w -= rate * delta", 3),
    ],
)
def test_an_error_that_is_the_label_less_the_output(error: str, update: str, line: int) -> None:
    source = f"def cost(out):\n    {error}\ndelta = cost(out)\n{update}\n"
    assert climbing(Assignments.of({FILE: source}), {FILE: source}, [group("w")]) == (FILE, line)


def test_a_difference_that_every_step_takes_is_the_error_whatever_it_is_called() -> None:
    source = "e = out - r\nb += rate * (e - reg * b)\nw += rate * (e * x - reg * w)\n"
    assert climbing(Assignments.of({FILE: source}), {FILE: source}, [group("b"), group("w")]) == (FILE, 1)


@pytest.mark.parametrize(("moved", "line"), [([(FILE, 4)], 4), ([(FILE, 2)], 1), ([], 1)])
def test_a_step_before_the_training_says_nothing_of_the_sign_of_its_own(
    moved: list[tuple[str, int]], line: int
) -> None:
    source = "grad = back(loss)\nw -= rate * grad\nfor k in range(20):\n    w += rate * grad\n"
    assert climbing(Assignments.of({FILE: source}), {FILE: source}, [group("w")], moved) == (FILE, line)


@pytest.mark.parametrize(
    ("given", "line"), [("net[1:]", 2), ("net[:1]", None), ("reversed(net[1:])", None), ("net[first:]", None)]
)
def test_a_part_of_the_layers_that_is_handed_to_what_moves_them(given: str, line: int | None) -> None:
    source = f"net = [Layer(2, 5), Layer(5, 1)]\nmover = Mover({given})\n"
    at, _ = should_move({FILE: source}, [group("net[0].weight")], [group("net[1].weight")], {})
    assert (at and at[1]) == line
