"""The Tab key: commands, options, and the values of those whose values are known."""

import os
import subprocess
import sys

import pytest


def run(*arguments: str, **environment: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "pellucid", *arguments],
        env={**os.environ, **environment}, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip


@pytest.mark.parametrize(
    ("shell", "marker"), [("bash", "complete_bash"), ("zsh", "complete_zsh"), ("fish", "complete_fish")]
)
def test_the_script_of_a_shell_asks_the_program(shell: str, marker: str) -> None:
    shown = run("--show-completion", shell, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert f"_PELLUCID_COMPLETE={marker}" in shown


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("tr", ["train"]),
        ("train ci", ["circle"]),
        ("train digits --activation t", ["tanh"]),
        ("train --schedule on", ["one-cycle", "one-cycle-lr"]),
        ("train --callback early", ["early-stopping"]),
        ("sweep moo", ["moons"]),
        ("find-lr --optimizer rms", ["rmsprop"]),
        ("graph --model l", ["logistic", "lstm:128"]),
        ("train --batch-s", ["--batch-size"]),
        ("train --epochs 1", []),
    ],
)
def test_a_shell_is_answered(line: str, offered: list[str]) -> None:
    from typer.testing import CliRunner

    from pellucid.cli.program import app

    asked = {"_PELLUCID_COMPLETE": "complete_bash", "COMP_WORDS": f"pellucid {line}"}
    answer = CliRunner().invoke(app, [], prog_name="pellucid", env=asked | {"COMP_CWORD": str(len(line.split()))})
    assert answer.stdout.split() == offered
