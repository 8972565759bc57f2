"""`pellucid train --config FILE.toml`, and how many checkpoints a run keeps."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pellucid.cli.program import app
from pellucid.experiments.config import SETTINGS
from pellucid.experiments.errors import UsageError
from pellucid.experiments.settings_file import read_settings

SMALL = 'dataset = "moons"\nmodel = "mlp:4"\nepochs = 4\nbatch-size = 256\n'


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def train(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["train", *map(str, arguments), "--no-report"])


def write(text: str) -> Path:
    Path("settings.toml").write_text(text, encoding="utf-8")
    return Path("settings.toml")


def test_the_command_line_wins_and_the_run_keeps_what_was_used() -> None:
    file = write(SMALL + 'callback = "ema:decay=0.9"\nlr = 1\n')
    result = train("--config", file, "--lr", 0.02, "--epochs", 1, "--out", "run")
    assert result.exit_code == 0, result.output
    used = json.loads(Path("run/config.json").read_text())["config"]
    assert {name: used[name] for name in ("dataset", "model", "epochs", "batch_size", "lr", "callback")} == {
        "dataset": "moons", "model": "mlp:4", "epochs": 1, "batch_size": 256, "lr": 0.02,
        "callback": ["ema:decay=0.9"],
    }  # fmt: skip
    again = train("--resume", "run", "--config", write("epochs = 2\n"))
    assert again.exit_code == 0, again.output
    assert json.loads(Path("run/summary.json").read_text())["epochs"] == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('modle = "cnn"', "Unknown key in settings.toml 'modle'. Did you mean model?"),
        ("batch_sise = 3", "Did you mean batch-size?"),
        ("lr = ", "is not TOML"),
        ('lr = "fast"', "lr is 'fast', where a number was expected"),
        ("epochs = 2.5", "epochs is 2.5, where a whole number was expected"),
        ("epochs = true", "epochs is True"),
        ("model = 3", "where a text was expected"),
        ("[train]\nlr = 1", "settings.toml: [train] is a section, where none is known"),
        ("callback = [1]", "callback is [1], where a list of texts was expected"),
        ("batch-size = 1\nbatch_size = 2", "twice"),
        ("lr = -1", "--lr is -1.0; it must be a number above 0"),
    ],
)
def test_what_a_file_cannot_say(text: str, says: str) -> None:
    result = train("moons", "--config", write(text))
    assert result.exit_code == 2
    assert says in result.stderr
    assert not Path("runs").exists()


def test_a_file_that_cannot_be_read() -> None:
    assert "settings.toml: it cannot be read" in train("--config", "settings.toml").stderr
    Path("settings.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="not UTF-8"):
        read_settings(Path("settings.toml"))


def test_each_option_of_a_run_can_be_in_a_file() -> None:
    values = {"callback": '["ema"]', "categorical": '["a"]', "numeric": '["c"]', "ignore": '["b"]'}
    for name in SETTINGS:
        for value in (values.get(name), '"x"', '"cp1252"', "1", "true"):
            try:
                options = read_settings(write(f"{name.replace('_', '-')} = {value}\n"))
            except UsageError:
                continue
            assert list(options) == [name]
            break
        else:
            pytest.fail(f"no value of {name} can be given")


@pytest.mark.parametrize(
    ("keep", "stay"),
    [("2", [0, 3, 4]), ("0", [0, 1, 2, 3, 4]), ("20", [0, 1, 2, 3, 4]), ("1", [0, 4])],
)
def test_the_first_the_newest_and_the_best_checkpoint_stay(keep: str, stay: list[int]) -> None:
    result = train("--config", write(SMALL), "--keep", keep, "--out", "run")
    assert result.exit_code == 0, result.output
    files = sorted(path.name for path in Path("run/checkpoints").glob("*.safetensors"))
    assert files[0] == "best.safetensors"
    assert [int(name[6:10]) for name in files[1:]] == stay


def test_what_a_run_keeps_may_change_when_it_goes_on() -> None:
    train("--config", write(SMALL), "--out", "run")
    assert train("--resume", "run", "--epochs", 5, "--keep", 1).exit_code == 0
    assert sorted(path.name[6:10] for path in Path("run/checkpoints").glob("epoch-*")) == ["0000", "0005"]


def test_keeping_less_than_nothing_is_refused() -> None:
    assert "--keep is -1; it must be a whole number from 0" in train("moons", "--keep", -1).stderr
