"""check.backward: right programs pass, planted mistakes are named, and odd functions get an answer, not a crash."""

from __future__ import annotations

import ast
import copy
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from pellucid import check
from pellucid.check import mistakes as named_mistakes
from tests.check_programs.planting import NAMES, examine, run_case, source

X = np.linspace(-1, 1, 12).reshape(6, 2)
T = np.array([0.5, -1.0, 2.0, 0.0, 1.0, -0.5])
MISTAKES = {
    *("constant-factor", "batch-factor", "sign", "transpose", "missing-broadcast-sum", "missing-activation-derivative"),
    *("derivative-at-wrong-point", "wrong-mask", "softmax-wrong-axis", "zero-gradient", "stale-value", "accumulated"),
    *("swapped-tensors", "missing-step", "dropped-term", "clipped", "updated-too-early", "outer-product", "wrong-loss"),
}


def loss(p):
    return np.mean((X @ p["w"] + p["b"] - T) ** 2)


def grads(p):
    error = 2 * (X @ p["w"] + p["b"] - T) / len(T)
    return {"w": X.T @ error, "b": error.sum()}


PARAMS = {"w": np.array([0.3, -0.2]), "b": np.array(0.1)}


def mistakes(report):
    return {name: diagnosis.mistake for name, diagnosis in report.diagnoses.items()}


# The table of mistakes ------------------------------------------------------------------------------------------------


def test_the_documentation_has_the_table_of_mistakes():
    text = (Path(__file__).parent.parent / "docs" / "checks.md").read_text(encoding="utf-8")
    assert named_mistakes.markdown() in text


def test_a_mistake_is_its_name_and_can_be_copied():
    sign = named_mistakes.named("sign")
    assert sign == "sign" == pickle.loads(pickle.dumps(sign))
    assert copy.deepcopy(sign).sentence == sign.sentence == "opposite sign"
    assert json.dumps({"mistake": sign}) == '{"mistake": "sign"}'
    with pytest.raises(ValueError, match="'sine'.*constant-factor, batch-factor"):
        named_mistakes.named("sine")


def test_every_name_in_the_check_room_is_in_the_table():
    """A name that is written out in the code, and not taken from the table, would be a second place to change."""
    folder = Path(check.__file__).parent
    for path in folder.rglob("*.py"):
        words = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}
        if path.parent.name == "record":  # these are functions of NumPy too
            words -= {"sign", "transpose"}
        assert path.name == "mistakes.py" or not words & named_mistakes.TABLE.keys(), path


# The programs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("program", NAMES)
@pytest.mark.parametrize("scale", [0.3, 1.0, 2.0])
def test_a_right_program_is_right(program, scale):
    report = examine(program, seed=int(10 * scale), scale=scale)
    assert report.status == "right", report
    assert "recorded" not in str(report.notes)


def test_every_mistake_is_planted_in_several_programs():
    where: dict[str, set[str]] = {}
    for program in NAMES:
        for planted, *_ in source(program)[1]:
            for mistake in planted.split("|"):
                where.setdefault(mistake, set()).add(program)
    assert where.keys() == MISTAKES
    assert {name for name, programs in where.items() if len(programs) < 5} == set()


QUICK = ("mlp_classes", "batch_norm")


def one_of_each():
    """Of each program, for each mistake, one case; the programs of many loops are left to the full table."""
    for program in NAMES:
        if program in ("conv_loops", "lstm", "scalar_loops"):
            continue
        seen: set[str] = set()
        for index, (planted, *_) in enumerate(source(program)[1]):
            if planted not in seen:
                seen.add(planted)
                marks = () if program in QUICK else pytest.mark.slow
                yield pytest.param(program, index, id=f"{program}-{index}-{planted}", marks=marks)


# Those that the autopsy does not name. It says "unknown", and must not say something else.
UNNAMED: set[tuple[str, int]] = {("embedding", 13), ("softmax_regression", 16)}


@pytest.mark.parametrize(("program", "index"), list(one_of_each()))
def test_a_planted_mistake_is_named(program, index):
    case = run_case(program, index)
    if (program, index) in UNNAMED:
        assert set(case.named.values()) == {"unknown"}
    else:
        assert case.status == "wrong"
        assert case.strict, case


# What learners write around it ----------------------------------------------------------------------------------------


def test_the_parameters_are_left_as_they_were():
    params = {"w": np.array([0.3, -0.2]), "b": np.array(0.1)}

    def careless(p):
        result = grads(p)
        for name in p:
            p[name] *= 0.0
            params[name] *= 0.5
        return result

    assert check.backward(loss, careless, params).ok
    assert params["w"].tolist() == [0.3, -0.2]
    assert params["b"] == 0.1


@pytest.mark.parametrize("dtype", [np.float32, np.float64, int])
def test_parameters_of_any_type_of_number(dtype):
    params = {"w": np.array([1, 2], dtype), "b": np.array(1, dtype)}
    assert check.backward(loss, grads, params).ok


def test_gradients_in_float32_are_compared_as_such():
    report = check.backward(loss, lambda p: {k: v.astype(np.float32) for k, v in grads(p).items()}, PARAMS)
    assert report.ok
    assert "float32" in report.notes[0]
    wrong = check.backward(
        loss, lambda p: {k: np.float32(2) * v.astype(np.float32) for k, v in grads(p).items()}, PARAMS
    )
    assert set(mistakes(wrong).values()) == {"constant-factor"}


def test_an_empty_parameter_is_no_trouble():
    params = {**PARAMS, "none": np.zeros((0, 3))}
    assert check.backward(loss, lambda p: {**grads(p), "none": np.zeros((0, 3))}, params).ok


def test_a_gradient_that_is_missing_is_a_zero_gradient():
    report = check.backward(loss, lambda p: {"w": grads(p)["w"]}, PARAMS)
    assert mistakes(report) == {"b": "zero-gradient"}


@pytest.mark.parametrize("name", ["d{}", "d_{}", "grad_{}", "{}_grad"])
def test_gradients_by_other_names(name):
    assert check.backward(loss, lambda p: {name.format(k): v for k, v in grads(p).items()}, PARAMS).ok


def test_grads_that_returns_the_loss_as_well():
    assert check.backward(loss, lambda p: (loss(p), grads(p)), PARAMS).ok
    assert check.backward(lambda p: (loss(p), "a cache"), grads, PARAMS).ok


@pytest.mark.parametrize("result", [None, 3.0, [np.zeros(2)], (1, 2, 3)])
def test_grads_that_returns_no_dict(result):
    report = check.backward(loss, lambda p: result, PARAMS)
    assert report.status == "inconclusive"
    assert "dict" in report.notes[0]


def test_gradients_that_are_not_numbers_or_not_finite():
    report = check.backward(loss, lambda p: {**grads(p), "w": np.array([np.nan, 1.0])}, PARAMS)
    assert report.status == "wrong"
    assert mistakes(report) == {"w": "unknown"}
    assert "finite" in str(report)
    json.dumps(report.to_dict(), allow_nan=False)
    text = check.backward(loss, lambda p: {**grads(p), "w": "none"}, PARAMS)
    assert text.status == "wrong"


def test_a_gradient_of_another_shape():
    report = check.backward(loss, lambda p: {**grads(p), "w": np.ones((3, 5))}, PARAMS)
    assert report.status == "wrong"
    assert "(3, 5)" in str(report)
    assert mistakes(report) == {"w": "unknown"}


def test_a_loss_that_is_random_cannot_be_checked():
    generator = [np.random.default_rng(0)]

    def drops(p):
        generator[0] = np.random.default_rng()
        return loss(p) + generator[0].normal()

    assert check.backward(drops, grads, PARAMS).status == "inconclusive"


def test_a_seeded_dropout_can_be_checked():
    rng = np.random.default_rng(0)

    def dropped(p):
        return np.sum(p["w"] * (rng.random(2) < 0.5)) + np.sum(p["b"] ** 2)

    def its_grads(p):
        return {"w": (rng.random(2) < 0.5) * 1.0, "b": 2 * p["b"]}

    assert check.backward(dropped, its_grads, PARAMS).ok


def test_a_loss_without_parameters_is_inconclusive():
    report = check.backward(lambda p: float(T.sum()), grads, PARAMS)
    assert report.status == "inconclusive"
    assert "change" in report.notes[0]


def test_a_loss_that_is_not_finite_is_inconclusive():
    report = check.backward(lambda p: np.log(np.sum(-np.abs(p["w"])) - 1), grads, PARAMS)
    assert report.status == "inconclusive"


def test_a_kink_at_a_tie_is_no_mistake():
    params = {"w": np.zeros(4)}
    relu = check.backward(
        lambda p: np.sum(np.maximum(p["w"], 0) * np.arange(4)), lambda p: {"w": (p["w"] > 0) * np.arange(4.0)}, params
    )
    assert relu.ok
    other = check.backward(
        lambda p: np.sum(np.maximum(p["w"], 0) * np.arange(4)), lambda p: {"w": (p["w"] >= 0) * np.arange(4.0)}, params
    )
    assert other.ok  # at exactly 0 either is a subgradient


def test_large_parameters_take_no_long_time():
    params = {"w": np.random.default_rng(0).normal(size=(400, 300))}
    data = np.random.default_rng(1).normal(size=(20, 400))
    report = check.backward(
        lambda p: np.mean(np.tanh(data @ p["w"])), lambda p: {"w": data.T @ np.ones((20, 300)) / 6000}, params
    )
    assert mistakes(report) == {"w": "missing-activation-derivative"}


def test_what_cannot_be_recorded_is_judged_by_numbers():
    def determinant(p):
        return float(f"{np.linalg.det(p['m']):.17g}")

    params = {"m": np.array([[2.0, 1.0], [0.5, 3.0]])}
    right = check.backward(determinant, lambda p: {"m": np.linalg.det(p["m"]) * np.linalg.inv(p["m"]).T}, params)
    assert right.ok
    assert "could not be recorded" in right.notes[0]
    turned = check.backward(determinant, lambda p: {"m": np.linalg.det(p["m"]) * np.linalg.inv(p["m"])}, params)
    assert mistakes(turned) == {"m": "transpose"}


@pytest.mark.parametrize("params", [None, [], ["text"], {}, {"w": "text"}, {"w": np.array([1j])}])
def test_params_that_are_no_dict_of_arrays(params):
    with pytest.raises(TypeError, match="params"):
        check.backward(loss, grads, params)


def test_a_loss_that_is_no_number():
    with pytest.raises(TypeError, match="one number"):
        check.backward(lambda p: X @ p["w"], grads, PARAMS)


def test_the_record_has_the_fields_that_were_promised(tmp_path):
    report = check.backward(loss, lambda p: {k: -v for k, v in grads(p).items()}, PARAMS)
    report.save(tmp_path / "report.json")
    record = json.loads((tmp_path / "report.json").read_text())
    assert record["status"] == "wrong"
    wanted = {"name", "relative_error", "ratio", "cosine", "mistake", "confidence", "explanation", "fix"}
    for row in record["tensors"]:
        assert wanted <= row.keys()
        assert row["mistake"] == "sign"
        assert row["ratio"] == pytest.approx(-1)
        assert 0 < row["confidence"] <= 1


def test_what_is_imported_by_name_is_recorded_too():
    names: dict = {}
    source = """
from math import exp
from numpy import array, dot, exp as e, mean, zeros
x = array([[1.0, 2.0], [3.0, -1.0]])
params = {"w": array([0.1, 0.4])}
def loss(p):
    out = zeros(2)
    for i in range(2):
        out[i] = 1 / (1 + exp(-x[i].dot(p["w"])))
    return mean(out)
def grads(p):
    s = 1 / (1 + e(-dot(x, p["w"])))
    return {"w": x.T.dot(s) / 2}
"""
    exec(compile(source, "by_name.py", "exec"), names)  # noqa: S102 (a program of ours)
    report = check.backward(names["loss"], names["grads"], names["params"])
    assert not report.notes
    half = ("derivative-at-wrong-point", "missing-activation-derivative", "dropped-term", "unknown")
    assert report.diagnoses["w"].mistake in half
    from math import exp

    assert names["exp"] is exp  # and set back
