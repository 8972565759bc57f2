"""Text from the command line: names and running text, each model, what is written, the report, the resumed run."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from pellucid import from_numpy, manual_seed
from pellucid.cli.program import app
from pellucid.datasets import DataError, passages
from pellucid.experiments.language import language_model
from pellucid.experiments.sampling import Writer
from pellucid.nn import ReLU
from pellucid.serialize import load

NAMES = "emma olivia ava isabella sophia charlotte mia amelia harper evelyn abigail emily ella".split()
SPEECH = (
    "Shall I compare thee to a summer's day?\nThou art more lovely and more temperate:\n\n"
    "Rough winds do shake the darling buds of May,\nAnd summer's lease hath all too short a date.\n"
)
KINDS = ["bigram", "mlp:16", "lstm:16", "transformer:16,1"]


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("names.txt").write_text("\n".join(NAMES * 4) + "\n", encoding="utf-8")
    Path("speech.txt").write_text(SPEECH * 3, encoding="utf-8")


def pellucid(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def trained(*arguments: object) -> Any:
    result = pellucid("train", *arguments)
    assert result.exit_code == 0, result.output
    return result


# The data


def test_each_line_of_a_list_is_a_sample_and_targets_end_with_its_line() -> None:
    data = passages("names.txt", seed=3)
    assert data.facts["lines"] and len(data.x_train) + len(data.x_val) == len(NAMES) * 4  # type: ignore[arg-type]
    read = {"".join(data.class_names[i] for i in y[y >= 0]) for y in data.y_train}
    assert read <= {f"{name}\n" for name in NAMES}
    assert all(data.class_names[row[0]] == "\n" for row in data.x_train)
    ends = (data.y_train >= 0).sum(axis=1)
    for x, y, n in zip(data.x_train, data.y_train, ends, strict=True):
        np.testing.assert_array_equal(x[1:n], y[: n - 1])


def test_running_text_is_cut_into_pieces_that_lose_nothing() -> None:
    data = passages("speech.txt", context=10)
    assert not data.facts["lines"] and data.sample_shape == (10,)
    parts = ((data.x_train, data.y_train), (data.x_val, data.y_val))
    texts = ["".join(data.class_names[i] for i in [x[0, 0], *y[y >= 0]]) for x, y in parts]  # type: ignore[index]
    assert "".join(texts) == SPEECH * 3


@pytest.mark.parametrize(
    ("content", "problem"),
    [("", "is empty"), ("\n \n", "is empty"), ("ab", "too few")],
)
def test_too_little_text_is_refused(content: str, problem: str) -> None:
    Path("short.txt").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=problem):
        passages("short.txt")


# The networks


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_read_before_its_place(kind: str) -> None:
    manual_seed(0)
    model = language_model(kind, 7, 6, ReLU).eval()
    x = np.random.default_rng(0).integers(0, 7, (3, 6))
    other = x.copy()
    other[:, 4:] = (other[:, 4:] + 1) % 7
    scores, changed = (model(from_numpy(each)).detach().numpy() for each in (x, other))
    assert scores.shape == (3, 7, 6)
    np.testing.assert_allclose(scores[:, :, :4], changed[:, :, :4], rtol=1e-5, atol=1e-6)
    assert np.abs(scores[:, :, 4] - changed[:, :, 4]).max() > 1e-4


# Runs


@pytest.mark.parametrize("kind", ["bigram", *(pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS[1:])])
def test_names_are_learned_and_written(kind: str) -> None:
    result = trained(
        "names.txt", "--model", kind, "--epochs", 8, "--lr", 0.05, "--batch-size", 8, "--out", "run", "--no-report"
    )
    summary = json.loads(Path("run/summary.json").read_text())
    assert summary["val_loss"] < summary["chance_loss"] - 0.3
    assert summary["val_bits_per_character"] == pytest.approx(summary["val_loss"] / np.log(2))
    written = json.loads(Path("run/written.json").read_text(encoding="utf-8"))
    assert [epoch for epoch, _ in written] == list(range(1, 9)) and written[-1][1] in result.output
    first = pellucid("sample", "run", "--prompt", "am", "--count", 3).output
    assert first == pellucid("sample", "run", "--prompt", "am", "--count", 3).output
    lines = first.splitlines()
    assert len(lines) == 3 and all(line.startswith("am") for line in lines)
    hot = ("sample", "run", "--temperature", 4)
    assert pellucid(*hot, "--seed", 0).output != pellucid(*hot, "--seed", 1).output
    likeliest = pellucid("sample", "run", "--temperature", 0, "--count", 2).output.splitlines()
    assert likeliest[0] == likeliest[1]


@pytest.mark.slow
def test_a_resumed_run_has_the_bits_of_an_uninterrupted_one() -> None:
    how = ("speech.txt", "--model", "lstm:8", "--schedule", "constant", "--context", 16, "--no-report")
    trained(*how, "--epochs", 4, "--out", "whole")
    trained(*how, "--epochs", 2, "--out", "run")
    trained("--resume", "run", "--epochs", 4, "--no-report")
    whole, run = load("whole/model.safetensors"), load("run/model.safetensors")
    assert all(bool((whole[name] == run[name]).all()) for name in whole)
    assert Path("whole/written.json").read_bytes() == Path("run/written.json").read_bytes()
    text = pellucid("sample", "run", "--length", 30).output
    assert len(text) == 31 and text == pellucid("sample", "whole", "--length", 30).output


@pytest.mark.slow
def test_the_report_shows_what_was_written_and_how_it_reads() -> None:
    trained("names.txt", "--model", "bigram", "--epochs", 2, "--out", "run")
    page = Path("run/report.html").read_text(encoding="utf-8")
    written = json.loads(Path("run/written.json").read_text(encoding="utf-8"))
    assert written[0][1] in page and 'bits" style=' in page
    assert "pellucid sample run" in re.sub("<[^>]*>", "", page)  # whose words are elements each
    assert "Confusion" not in page


def test_the_validation_loss_is_that_of_every_character() -> None:
    """Lines have unequal lengths: the mean is over characters, not over lines or batches."""
    trained("names.txt", "--model", "bigram", "--epochs", 1, "--out", "run", "--no-report")
    data = passages("names.txt")
    assert data.x_val is not None and data.y_val is not None
    scores = load("run/model.safetensors")["scores.weight"].numpy().astype(np.float64)
    logs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    kept = data.y_val >= 0
    expected = -logs[data.x_val[kept], data.y_val[kept]].mean()
    assert json.loads(Path("run/summary.json").read_text())["val_loss"] == pytest.approx(expected, rel=1e-5)


# What cannot be


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["train", "absent.txt"], "there is no file"),
        (["train", "names.txt", "--model", "cnn"], "--model cnn is not for a text. There are: mlp:128,64, bigram"),
        (["train", "digits", "--model", "lstm"], "--model lstm is not for the data set digits"),
        (["train", "names.txt", "--model", "transformer:20,1"], "a multiple of 16"),
        (["train", "names.txt", "--model", "transformer:16"], "--model transformer:64,2"),
        (["train", "names.txt", "--header"], "--header belongs to a CSV file, not to the text names.txt"),
        (["train", "digits", "--context", 8], "--context belongs to a text"),
        (["train", "names.txt", "--loss", "mse"], "--loss cross-entropy"),
        (["sample", "absent"], "There is no run folder absent"),
    ],
)
def test_what_cannot_be_is_refused_with_a_way_out(arguments: list[object], problem: str) -> None:
    result = pellucid(*arguments)
    assert result.exit_code == 2 and problem in result.stderr, result.output


def test_sampling_refuses_what_it_cannot_write() -> None:
    trained("names.txt", "--model", "bigram", "--epochs", 1, "--out", "run", "--no-report")
    for arguments, problem in (
        (["--prompt", "Ä"], "'Ä' at position 0"),
        (["--temperature", -1], "--temperature is -1"),
        (["--length", 0], "--length is 0"),
    ):
        result = pellucid("sample", "run", *arguments)
        assert result.exit_code == 2 and problem in result.stderr
    result = pellucid("predict", "run", "names.txt")
    assert result.exit_code == 2 and "pellucid sample" in result.stderr


def test_probabilities_are_those_of_the_temperature() -> None:
    """Of two characters with scores 0 and 1 at temperature 0.5, the second is drawn e² times as often."""

    def fixed(x: Any) -> Any:
        scores = np.zeros((len(x), 3, x.shape[1]), np.float32)
        scores[:, 0], scores[:, 2] = -1e9, 1.0
        return from_numpy(scores)

    (text,) = Writer(["\n", "a", "b"], 4, lines=False).write(fixed, 0, length=4000, temperature=0.5)
    assert text.count("b") / len(text) == pytest.approx(np.exp(2) / (1 + np.exp(2)), abs=0.02)
