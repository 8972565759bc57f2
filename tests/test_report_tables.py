"""What the report says of a classifier's probabilities and of a table's columns, and its program for PyTorch."""

import html
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from pellucid import from_numpy, manual_seed, nn
from pellucid.cli.program import app
from pellucid.experiments import layers
from pellucid.experiments.importance import importance
from pellucid.experiments.in_torch import in_torch
from pellucid.experiments.language import language_model
from pellucid.serialize import save
from pellucid.viz.calibration import calibration_error


def test_a_column_that_decides_is_worth_most_and_one_that_says_nothing_is_worth_nothing() -> None:
    x = np.random.default_rng(0).normal(size=(400, 3))
    y = (x[:, 1] > 0).astype(np.int64)

    def answers(x: np.ndarray) -> np.ndarray:
        return np.stack([-x[:, 1], x[:, 1]], axis=1)

    found = importance(answers, x, y, {"noise": [0], "decides": [1], "more": [2]}, 0)
    assert found[0][0] == "decides" and found[0][1] == pytest.approx(0.5, abs=0.06)
    assert [(mean, spread) for _, mean, spread in found[1:]] == [(0.0, 0.0), (0.0, 0.0)]


def test_columns_of_categories_are_shuffled_as_a_whole() -> None:
    """x is one-hot: were its two columns shuffled apart, rows of no category or of both would be met."""
    kind = np.random.default_rng(0).integers(0, 2, 200)
    x = np.stack([kind == 0, kind == 1], axis=1).astype(np.float64)

    def answers(x: np.ndarray) -> np.ndarray:
        assert (x.sum(axis=1) == 1).all()
        return 2.0 * x[:, 1]

    ((_, lost, _),) = importance(answers, x, 2.0 * kind, {"kind": [0, 1]}, 0)
    assert lost == pytest.approx(2.0, abs=0.3)  # R² of an independent answer with the target's spread is −1


def test_calibration_of_probabilities_that_are_true_and_of_some_that_are_not() -> None:
    rng = np.random.default_rng(0)
    sure = rng.uniform(0.5, 1, 20_000)
    shares = np.stack([sure, 1 - sure], axis=1)
    target = (rng.random(20_000) > sure).astype(np.int64)
    assert calibration_error(target, shares) < 0.02
    assert calibration_error(target, np.stack([np.ones(20_000), np.zeros(20_000)], axis=1)) == pytest.approx(
        0.25, abs=0.02
    )


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: layers.mlp((5,), [4, 4], 3, nn.GELU, 0.1, batch_norm=True), (5,)),
        (lambda: layers.mlp((5,), [4, 4], 3, nn.LeakyReLU, residual=True), (5,)),
        (lambda: layers.cnn((1, 8, 8), 3, nn.ELU, batch_norm=True), (1, 8, 8)),
        (lambda: layers.resnet((3, 8, 8), 3, nn.ReLU, 0.1), (3, 8, 8)),
    ],
    ids=["mlp", "residual", "cnn", "resnet"],
)
def test_the_program_for_pytorch_gives_the_same_outputs(make: object, shape: tuple[int, ...], tmp_path: Path) -> None:
    manual_seed(0)
    model = nn.Sequential(*make()).eval()  # type: ignore[operator]
    path = tmp_path / "it's a model.safetensors"
    save(model.state_dict(), path)
    program = in_torch(model, path, shape)
    scope: dict[str, object] = {"print": lambda output: None}
    exec(program, scope)  # noqa: S102
    x = np.random.default_rng(0).normal(size=(4, *shape)).astype(np.float32)
    theirs = scope["model"](torch.from_numpy(x)).detach().numpy()  # type: ignore[operator]
    np.testing.assert_allclose(model(from_numpy(x)).detach().numpy(), theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["bigram", "mlp:8", "lstm:8,6", "transformer:16,2"])
def test_the_program_for_pytorch_reads_and_writes_text_as_the_network_does(kind: str, tmp_path: Path) -> None:
    manual_seed(0)
    model = language_model(kind, 5, 4, nn.GELU, 0.1).eval()
    save(model.state_dict(), tmp_path / "model.safetensors")
    program = in_torch(model, tmp_path / "model.safetensors", (4,), list("\n'abc"), lines=True)
    written: list[str] = []
    scope: dict[str, object] = {"print": written.append}
    exec(program, scope)  # noqa: S102
    x = np.random.default_rng(0).integers(0, 5, (3, 4))
    theirs = scope["model"](torch.from_numpy(x)).detach().numpy()  # type: ignore[operator]
    np.testing.assert_allclose(model(from_numpy(x)).detach().numpy(), theirs, rtol=1e-4, atol=1e-5)
    assert len(written[0]) == 200 and set(written[0]) <= set("\n'abc")


@pytest.mark.slow
def test_the_program_on_the_page_of_a_text_runs_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("n.txt").write_text("ada\nbo\nanna\neve\nal\n" * 20)
    run = ["train", "n.txt", "--model", "lstm:8", "--epochs", "1", "--out", "run"]
    result = CliRunner().invoke(app, run)
    assert result.exit_code == 0, result.output
    assert "To have it write: pellucid sample run" in result.output
    page = html.unescape(Path("run/report.html").read_text(encoding="utf-8"))
    program = page[page.index("import torch\nfrom safetensors") :]
    Path("program.py").write_text(program[: program.index("print(written)")] + "print(written)\n", encoding="utf-8")
    done = subprocess.run([sys.executable, "program.py"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout) <= set("\nadboenvl") and len(done.stdout) == 201


@pytest.mark.slow
def test_the_report_of_a_table_has_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    rows = [(size, rng.choice(["a", "b"]), "big" if size > 0 else "small") for size in rng.normal(size=300)]
    lines = (f"{i},{s:.4f},{f},{k}\n" for i, (s, f, k) in enumerate(rows))
    Path("t.csv").write_text("id,size,fur,kind\n" + "".join(lines))
    run = ["train", "t.csv", "--target", "kind", "--epochs", "5", "--out", "run"]
    result = CliRunner().invoke(app, run)
    page = Path("run/report.html").read_text(encoding="utf-8")
    assert result.exit_code == 0 and "expected calibration error" in page and "accuracy lost" in page
    assert page.index(">size<", page.index("accuracy lost")) < page.index(">fur<", page.index("accuracy lost"))
    assert "from safetensors.torch import load_file" in page
    assert ">numbers the rows: an identifier<" in page


@pytest.mark.parametrize("target", ["stays", "spend"])
def test_rows_are_shown_as_they_are_in_the_file(target: str, tmp_path: Path) -> None:
    """With the number of the row and what names it, dates as dates, categories in one column, gaps marked."""
    rng = np.random.default_rng(0)
    days = [f"2024-{1 + i % 12:02d}-{1 + i % 28:02d}" for i in range(90)]
    towns = [("Ulm", "Bonn", "Kiel")[i % 3] for i in range(90)]
    lines = [
        f"{100 + 7 * i},{days[i]},{towns[i]},{'' if i % 4 == 0 else i},{rng.gamma(2, 30):.2f},{rng.choice(['y', 'n'])}"
        for i in range(90)
    ]
    (tmp_path / "t.csv").write_text("id,day,town,age,spend,stays\n" + "\n".join(lines) + "\n")
    words = ["train", "t.csv", "--target", target, "--missing", "indicator", "--epochs", "2", "--out", "run", "--quiet"]
    made = CliRunner().invoke(app, [str(tmp_path / word) if word in ("t.csv", "run") else word for word in words])
    assert made.exit_code == 0, made.output
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    tables = re.findall(r"<table.*?</table>", page, flags=re.DOTALL)
    (table,) = [table for table in tables if ">row<" in table]
    cells = [
        re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall(r"<tr>.*?</tr>", table, flags=re.DOTALL)
    ]
    heads, rows = cells[0], [dict(zip(cells[0], row, strict=True)) for row in cells[1:]]
    assert heads[:3] == ["row", "true", "predicted"] and {"id", "day", "town", "age"} <= set(heads)
    assert not any("=" in head or head.endswith("missing") for head in heads)
    for row in rows:
        number = int(row["row"]) - 2  # the header is row 1
        assert (row["id"], row["day"], row["town"]) == (str(100 + 7 * number), days[number], towns[number])
        assert row["age"].startswith("(the mean, ") if number % 4 == 0 else row["age"] == str(number)
    assert any(row["age"].startswith("(the mean, ") for row in rows)
    told = html.unescape(re.sub("<[^>]*>", " ", page))
    assert "How the data were made ready" in told and "cells without a value" in told
