"""`pellucid exercise`: each solution passes, and the usual wrong answers fail with what they should hear."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pellucid.cli.program import app
from pellucid.exercises import EXERCISES, check, checking, skeleton, solution
from tests.pages import ROOT, blocks
from tests.sampled import sampled

UNCORRECTED = ' / (np.sqrt(state["v"]) + eps)'

# For each exercise: what is written in place of what in its solution, and what is said of it.
WRONG: dict[str, list[tuple[str, str, str]]] = {
    "relu": [
        ("dy * (x > 0)", "dy", "looks like missing-activation-derivative"),
        ("(x > 0)", "(x < 0)", "looks like wrong-mask"),
    ],
    "sigmoid": [
        ("dy * y * (1 - y)", "dy", "missing-activation-derivative"),
        ("dy * y * (1 - y)", "dy * (1 / (1 + np.exp(-y))) * (1 - 1 / (1 + np.exp(-y)))", "derivative-at-wrong-point"),
        ("(1 - y)", "(y - 1)", "looks like sign"),
    ],
    "tanh": [
        ("dy * (1 - np.tanh(x) ** 2)", "dy", "missing-activation-derivative"),
        ("np.tanh(x) ** 2", "x ** 2", "derivative-at-wrong-point"),
    ],
    "linear": [
        ("dy @ w.T", "dy @ w", "dx: it looks like transpose"),
        ("dy.sum(axis=0)", "dy.mean(axis=0)", "db: it looks like batch-factor"),
        ("dy.sum(axis=0)", "dy", "db has shape (4, 3), and (3,) is needed"),
    ],
    "mse": [
        ("dy * 2 *", "dy *", "looks like constant-factor"),
        ("/ x.size", "/ len(x)", "6 of 6 elements differ"),
        ("(x - target)", "(target - x)", "looks like sign"),
    ],
    "softmax-cross-entropy": [
        ("/ len(p)", "", "looks like batch-factor"),
        ("dx[np.arange(len(p)), labels] -= 1", "dx[np.arange(len(p)), labels] += 1", "dx is wrong"),
        ("return dy * dx", "return -dy * dx", "looks like sign"),
    ],
    "softmax": [
        ("y * (dy - (dy * y).sum(axis=1, keepdims=True))", "dy * y * (1 - y)", "looks like dropped-term"),
        ("axis=1, keepdims=True))\n", "axis=0, keepdims=True))\n", "dx is wrong"),
    ],
    "matmul": [
        ("np.swapaxes(w, 1, 2)", "w", "dx: it looks like transpose"),
        ("np.swapaxes(x, 1, 2) @ dy", "x @ dy", "dw: it looks like transpose"),
    ],
    "broadcast": [
        ("    return gradient.sum(axis=stretched, keepdims=True)", "    return gradient", "With x (2, 4, 3), b (4, 1)"),
        ("    gradient = gradient.sum(axis=tuple(range(gradient.ndim - len(shape))))\n", "", "db has shape (2, 4, 3)"),
    ],
    "embedding": [
        ("np.add.at(dtable, x, dy)", "dtable[x] += dy", "looked up twice gets both"),
        ("np.add.at(dtable, x, dy)", "dtable[x] = dy / len(x)", "elements differ"),
    ],
    "dropout": [
        ("dy * scale", "dy", "the same mask and factor"),
        (" / (1 - p)", "", "divide what is left by 1 - p"),
        (">= p", "< p", "p is the share that is dropped"),
    ],
    "max-pool": [
        ("(x == stretched) * ", "", "to its maximum alone"),
        ("dy.repeat(2, axis=2).repeat(2, axis=3)", "stretched", "dx is wrong"),
    ],
    "conv2d": [
        ("dx[:, :, k : k + H, l : l + W] +=", "dx[:, :, k : k + H, l : l + W] =", "dx is wrong"),
        ("dw[:, :, k, l] = ", "dw[:, :, k, l] = -", "looks like sign"),
        ("dy.sum(axis=(0, 2, 3))", "dy.mean(axis=(0, 2, 3))", "db is wrong"),
    ],
    "batch-norm": [
        (" - n * (dn * n).mean(axis=0)", "", "The variance depends on x, too"),
        ("dn - dn.mean(axis=0) - n", "dn - n", "The mean depends on x, too"),
    ],
    "layer-norm": [
        (" - n * (dn * n).mean(axis=1, keepdims=True)", "", "The variance depends on x, too"),
        ("(dy * n).sum(axis=0), dy.sum(axis=0)", "(dy * n).mean(axis=0), dy.mean(axis=0)", "dgamma is wrong"),
    ],
    "rnn-cell": [
        ("(dy[t] + after)", "dy[t]", "also goes to step t + 1"),
        ("y[t - 1] if t > 0 else np.zeros_like(y[0])", "y[t]", "the state before the step"),
        (" * (1 - y[t] ** 2)", "", "looks like missing-activation-derivative"),
    ],
    "lstm-cell": [
        ("dnew + dh * o * (1 - a**2)", "dnew", "that way is left out"),
        ("dg * (1 - g**2)", "dg", "g is a tanh"),
    ],
    "attention": [
        (" / np.sqrt(x.shape[1])\n    return ds", "\n    return ds", "dx is wrong"),
        ("(da - (da * a).sum(axis=1, keepdims=True))", "da", "looks like dropped-term"),
    ],
    "scalar-engine": [
        ("parent.grad += ", "parent.grad = ", "gets a share from each use"),
        ("for value in reversed(order):", "for value in order:", "the gradient of a is 0"),
        ("(other.data, self.data)", "(self.data, other.data)", "a * b: the gradient of a"),
        ("(1 - y * y,)", "(1.0,)", "tanh(a): the gradient of a"),
    ],
    "sgd-momentum": [
        ("+ g\n", "+ (1 - momentum) * g\n", "PyTorch's momentum has none"),
        ("lr * state[\"v\"]", "lr * g", "without momentum"),
        ("w - lr", "w + lr", "should be"),
    ],
    "adam": [
        (" / (1 - b1**t) / (np.sqrt(state[\"v\"] / (1 - b2**t)) + eps)", UNCORRECTED, "by 1 - b^t are missing"),
        ("np.sqrt(state[\"v\"] / (1 - b2**t)) + eps", "np.sqrt(state[\"v\"] / (1 - b2**t) + eps)", "eps is inside"),
        ("g**2", "abs(g)", "mean of squares"),
    ],
    "fault-loop": [
        ("    optimizer.zero_grad()\n", "", "What is left of the first?"),
        ("    optimizer.step()\n", "    optimizer.zero_grad()\n    optimizer.step()\n", "nothing may clear them"),
    ],
    "fault-loss": [
        ("nn.Linear(16, 3))", "nn.Linear(16, 3), nn.Softmax(dim=1))", "softmax is applied twice"),
        ("lr=0.3", "lr=0.0003", "not below 0.2"),
    ],
    "fault-optimiser": [
        ("model.parameters()", "model[1].parameters()", "0.0.weight, 0.0.bias: the optimiser does not know them"),
        ("model.parameters(), lr=0.02", "model.parameters(), lr=1e-6", "not below 0.01"),
    ],
    "fault-shapes": [
        ("predicted.squeeze(1) - target", "predicted - target", "and it should be 0"),
        (".mean()", ".sum()", "the mean of the squares is 0.3333"),
    ],
    "fault-data": [
        ("y[order]", "y", "belongs to another"),
        ("order = rng.permutation(len(x))", "order = np.arange(len(x))", "in the same order each time"),
        ("range(0, len(x), size)", "range(0, size, size)", "Of 24 rows the batches have 7"),
    ],
    "fault-backward": [
        ("dh * (1 - h**2)", "dh", "w1, b1: it looks like missing-activation-derivative"),
        ("dh * (1 - h**2)", "dh * (1 - np.tanh(h) ** 2)", "derivative-at-wrong-point"),
        ("range(1500)", "range(2)", "The gradients are right, but train() ends"),
    ],
    "fault-evaluation": [
        ("    model.eval()\n", "", "drawn at random while it is evaluated"),
        ("    model.train()\n", "", "dropout is off in the training"),
        ("nn.Dropout(0.4), ", "", "leave the network as it is"),
    ],
}  # fmt: skip


def answer(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.py"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", sampled(EXERCISES, 7))
def test_a_solution_passes_and_a_skeleton_does_not(name: str, tmp_path: Path) -> None:
    exercise = EXERCISES[name]
    right = check(answer(tmp_path, name, solution(exercise)))
    assert right.right, right.lines
    assert right.lines[-1] == "All of it is right."
    left = check(answer(tmp_path, name, skeleton(exercise)))
    assert not left.right
    if exercise.kind != "fault":
        assert left.lines[0].startswith("Not written yet") or name == "embedding", left.lines
    else:
        assert left.lines[0].startswith("Nothing is changed yet"), "who has not looked yet is not told the fault"
    assert "# solution" not in skeleton(exercise) + solution(exercise)
    assert "# fault" not in skeleton(exercise) + solution(exercise)


CASES = [(name, old, new, said) for name, rows in WRONG.items() for old, new, said in rows]


@pytest.mark.parametrize(("name", "old", "new", "said"), sampled(CASES, 12))
def test_a_usual_wrong_answer_hears_what_is_wrong(name: str, old: str, new: str, said: str, tmp_path: Path) -> None:
    text = solution(EXERCISES[name])
    assert old in text
    outcome = check(answer(tmp_path, name, text.replace(old, new)))
    assert not outcome.right
    assert said in "\n".join(outcome.lines), outcome.lines


def test_there_are_exercises_of_each_kind_with_wrong_answers_and_hints() -> None:
    kinds = [exercise.kind for exercise in EXERCISES.values()]
    assert len(kinds) >= 20 and kinds.count("fault") >= 6 and set(WRONG) == set(EXERCISES)
    assert all(len(rows) >= 2 for rows in WRONG.values())
    assert all(len(exercise.hints) >= 2 for exercise in EXERCISES.values())


def test_what_an_exercise_builds_on_comes_before_it() -> None:
    order = list(EXERCISES)
    for place, exercise in enumerate(EXERCISES.values()):
        assert set(exercise.after) <= set(order[:place]), exercise.name


# The command ----------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def pellucid(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["exercise", *words])
    return result.exit_code, result.output


def test_list_start_check() -> None:
    code, output = pellucid("list")
    assert code == 0 and all(f"  {name} " in output for name in EXERCISES)
    code, output = pellucid("start", "relu")
    assert code == 0 and "Written: relu.py" in output
    assert "·  1  relu " in pellucid("list")[1] and "(begun)" in pellucid("list")[1]
    before = Path("relu.py").read_text()
    code, output = pellucid("start", "relu")
    assert code == 2 and "not written over" in output and Path("relu.py").read_text() == before
    code, output = pellucid("check", "relu.py")
    assert code == 1 and "Not written yet: relu.py, line 16" in output and "--hint" in output
    mine = before.replace('raise NotImplementedError("write this")', "return dy")
    Path("mine.py").write_text(mine)  # another name: the first line says which exercise it is
    code, output = pellucid("check", "mine.py")
    assert code == 1 and "dx is wrong: at [" in output and "missing-activation-derivative" in output
    assert "Hint" not in output
    code, output = pellucid("check", "mine.py", "--hint")
    assert output.count("Hint ") == 1 and "--hint --hint" in output
    assert pellucid("check", "mine.py", "--hint", "2")[1].count("Hint ") == 2
    assert pellucid("check", "--hint", "2", "mine.py")[1].count("Hint ") == 2
    code, output = pellucid("check", "mine.py", "--hint", "--hint", "--hint")
    assert "Hint 3 of 3: Write: " in output and "--solution" in output
    code, output = pellucid("check", "mine.py", "--solution")
    assert code == 0 and "return dy * (x > 0)" in output
    Path("relu.py").write_text(output)
    assert pellucid("check", "relu") == pellucid("check", "relu.py")
    assert pellucid("check", "relu")[0] == 0 and "Next: pellucid exercise start sigmoid" in pellucid("check", "relu")[1]
    output = pellucid("list")[1]
    assert (
        "✓  1  relu " in output
        and "Right in this folder: 1 of 28." in output
        and "Next: pellucid exercise start sigmoid" in output
    )
    with Path("relu.py").open("a") as file:
        file.write("# mine\n")
    output = pellucid("list")[1]
    assert "(changed since it was right)" in output and "Next: pellucid exercise check relu.py" in output
    Path("tanh.py").write_text(skeleton(EXERCISES["tanh"]))
    code, output = pellucid("check")
    assert code == 1 and "relu.py: right" in output and "tanh.py: Not written yet" in output
    Path("tanh.py").write_text(
        skeleton(EXERCISES["tanh"]).replace('raise NotImplementedError("write this")', "return dy")
    )
    assert "tanh.py: dx is wrong: at [" in pellucid("check")[1]


def test_the_page_shows_what_is_said() -> None:
    page = ROOT / "docs" / "exercises.md"
    (written,) = blocks(page, "python")
    assert written == skeleton(EXERCISES["relu"])
    Path("relu.py").write_text(written.replace('raise NotImplementedError("write this")', "return dy"))
    assert pellucid("check", "relu.py")[1] == blocks(page, "text")[0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("start",), "Which one?"),
        (("start", "rellu"), "Did you mean relu?"),
        (("check",), "No answer is in this folder"),
        (("check", "linear.py"), "there is no file linear.py"),
        (("check", "--solution"), "there is no exercise"),
        (("check", "notes.py"), "there is no exercise 'notes'"),
        (("check", "."), "is a folder"),
        (("check", "notes.py", "2"), "what is '2'?"),
        (("start", "relu", "--hint"), "--hint goes with check"),
    ],
)
def test_what_cannot_be_done_is_said(words: tuple[str, ...], said: str) -> None:
    Path("notes.py").write_text("x = 1\n")
    code, output = pellucid(*words)
    assert code == 2 and said in " ".join(output.split())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def backward(dy, x):\n    return dy @ x\n", "There dy is (3, 4), x is (3, 4)."),
        ("def backward(dy, x:\n", "It is no Python yet: '(' was never closed\nrelu.py, line 1: def backward(dy, x:"),
        ("x = 1\n", "defines no function backward"),
        ("def backward(dy, x):\n    return None\n", "missing"),
        ("", "defines no function backward"),
        ("def backward(dy, x):\n    while True:\n        pass\n", "It does not end: it was interrupted after"),
        ("def backward(dy, x):\n    exit()\n", "It ends in an error: SystemExit"),
        ("def backward(dy, x):\n    return float(input())\n", "EOFError"),
        ("def backward(dy, x):\n    return dy.tolist()\n", "returns a list, and one array is asked for."),
        ("def backward(dy, x):\n    return dy * (x > 0), x\n", "returns 2 values, and one array is asked for."),
        ("def backward(dy, x):\n    return dy * x > 0\n", "a * (b > 0) has the product last"),
        ("def backward(dy, x):\n    return 1.0 * (x > 0)\n", "what comes from above is not used"),
        ("def backward(dy, x):\n    return x > 0\n", "what comes from above is not used"),
        ("def backward(dy, x):\n    return 'dx'\n", "backward returns 'dx', which is no array of numbers"),
        ("def backward(dy, x):\n    return (dy * (x > 0))[None]\n", "shape (1, 3, 4)"),
    ],
)
def test_an_answer_that_fails_is_shown_with_its_line(
    text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "while" in text:
        monkeypatch.setattr(checking, "SECONDS", 0.2)
    outcome = check(answer(tmp_path, "relu", text))
    assert "while" not in text or "relu.py, line " in outcome.lines[-1]
    assert not outcome.right and said in "\n".join(outcome.lines), outcome.lines


@pytest.mark.parametrize("name", ["relu", "sigmoid", "tanh"])
def test_what_is_not_known_is_not_said(name: str, tmp_path: Path) -> None:
    """No line says that it looks like something unknown, or that what is missing looks like zero."""
    for line in ("return None", "return dy * float('nan')", "return dy + 3.14159 * (dy > 0.1)"):
        outcome = check(answer(tmp_path, name, f"def backward(dy, cache):\n    {line}\n"))
        assert not outcome.right and not any("unknown" in one or "zero-gradient" in one for one in outcome.lines)


@pytest.mark.parametrize("name", EXERCISES)
def test_an_empty_file_is_not_written_yet(name: str, tmp_path: Path) -> None:
    assert check(answer(tmp_path, name, "")).lines[0].startswith("Not written yet: the file defines no ")


def test_what_a_function_gives_and_the_check_cannot_use_is_said(tmp_path: Path) -> None:
    outcome = check(answer(tmp_path, "dropout", "def dropout(x, p, rng):\n    return None\n"))
    assert outcome.lines[-1].startswith("What a function of the file gives cannot be used")
