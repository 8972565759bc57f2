"""What to write in the place of a line that has the wrong sign, or sums over too much."""

import pytest

from pellucid.doctor.finding import Finding
from pellucid.doctor.instead import instead
from pellucid.doctor.odd import rank
from pellucid.doctor.process.minuses import odd_minus
from pellucid.doctor.process.paths import Group
from pellucid.doctor.process.source import Assignments
from pellucid.doctor.process.unmoved import kept

FILE = "train.py"
SUMMED = "sum over the samples only: np.sum(…, axis=0, keepdims=True)"


def group(name: str) -> Group:
    return Group(name, ((("global", ("__main__", name)),),), (1,), ())


@pytest.mark.parametrize(
    ("mistake", "fix", "line", "expected"),
    [
        ("sign", "", "w += lr * dw", "w -= lr * dw"),
        ("sign", "", "new_m = m_current - (lr * m_gradient)  # step", "new_m = m_current + lr * m_gradient"),
        ("sign", "", "d = np.array([y - p])", "d = np.array([p - y])"),
        ("sign", "", "d = 2 * (y - (m * x + b))", "d = 2 * (m * x + b - y)"),
        ("sign", "", "g = {'w': x.T @ d, 'b': -d.sum(0)}", "g = {'w': x.T @ d, 'b': d.sum(0)}"),
        ("sign", "", "dm += 2 * x * e", "dm += -2 * x * e"),
        ("sign", "", "g = a - b - c", ""),
        ("missing-broadcast-sum", SUMMED, "b += np.sum(d) * lr", "b += np.sum(d, axis=0, keepdims=True) * lr"),
        ("missing-broadcast-sum", SUMMED, "b += np.sum(d, 0) * lr", ""),
        ("dropped-term", "", "w += lr * dw", ""),
    ],
)
def test_the_line_as_it_should_be(mistake: str, fix: str, line: str, expected: str) -> None:
    finding = Finding("wrong-backward", "error", 0.9, "", "", fix, FILE, 2, mistake=mistake)
    assert instead(finding, f"lr = 0.1\n{line}\n") == expected


@pytest.mark.parametrize(
    ("gradients", "line"),
    [
        ("db += -2 * e\n    dm += 2 * x * e", 3),
        ("db += -2 * e\n    dm += -2 * x * e", None),
        ("db += 2 * e\n    dm += -2 / n * x * e", 3),
        ("db = e\n    dm = x * e", None),
    ],
)
def test_a_gradient_without_the_minus_of_the_others(gradients: str, line: int | None) -> None:
    source = f"def step(b, m):\n    {gradients}\n    return b - lr * db, m - lr * dm\n\nb, m = step(b, m)\n"
    found = odd_minus({FILE: source}, [group("m")], [group("b")])
    assert found == (None if line is None else (FILE, line))


def test_a_named_tuple_that_keeps_a_bias() -> None:
    source = "gb = d\nlayers[i] = layers[i]._replace(w=layers[i].w - lr * gw, b=layers[i].b)\n"
    assert kept(Assignments.of({FILE: source}), {"b"}) == (FILE, 2)


def test_a_number_that_never_moves_is_said_last_and_that_a_program_climbs_first() -> None:
    rows = [{"name": "b", "verdict": "zero"}, {"name": "w", "verdict": "right"}]
    rests = Finding("wrong-backward", "error", 0.9, "", "", "", mistake="zero-gradient", tensors=rows)
    step = Finding("wrong-backward", "error", 0.9, "", "", "", mistake="missing-activation-derivative")
    climbs = Finding("loss-sign-flipped", "error", 0.9, "", "", "")
    assert sorted([rests, step, climbs], key=lambda f: rank(f, ["b"])) == [climbs, step, rests]
    assert sorted([rests, step], key=lambda f: rank(f, [])) == [rests, step]
