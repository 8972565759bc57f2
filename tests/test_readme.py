"""The README does what it says: its Python runs, its output comes out, its commands parse, its test line is CI's."""

import doctest
import linecache
import re
from pathlib import Path
from typing import Any

import pytest

from tests.pages import ROOT, blocks, check, commands

README = ROOT / "README.md"
TEXT = README.read_text(encoding="utf-8")


def programs() -> list[tuple[str, str | None]]:
    """Each block of Python, with the message that it ends in where a block of text follows it at once."""
    found = re.findall(r"^```python\n(.*?)^```$(?:\n\n```text\n(.*?)^```$)?", TEXT, flags=re.MULTILINE | re.DOTALL)
    return [(program, message or None) for program, message in found]


@pytest.mark.learns
def test_the_programs_run_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks with a prompt are compared with the output they show, those with a message under them with that message.

    The others share their names, as the cells of a notebook do.
    """
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "readme"}
    kinds: list[str] = []
    for program, message in programs():
        if ">>>" in program:
            kinds.append("session")
            output: list[str] = []
            test = doctest.DocTestParser().get_doctest(program, {}, "README", str(README), 0)
            assert doctest.DocTestRunner().run(test, out=output.append).failed == 0, "".join(output)
            continue
        Path("example.py").write_text(program)  # the error shows the line, so it must be there to read
        linecache.checkcache()
        code = compile(program, str(tmp_path / "example.py"), "exec")
        if message is None:
            kinds.append("program")
            exec(code, names)  # noqa: S102 (our own README)
            if kinds == ["program"]:
                assert names["loss"].item() < 0.2
        else:
            kinds.append("error")
            with pytest.raises(RuntimeError) as caught:
                exec(code, names)  # noqa: S102 (our own README)
            assert str(caught.value).strip() == message.strip()
    assert kinds == ["program", "session", "error", "error", "program", "program", "program", "program"]
    # A run may well be stopped early: what counts is that it learned.
    assert names["learner"].evaluate()["accuracy"] > 0.9


def test_the_check_says_what_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for the digits of an error that is rounding, which depend on the processor."""
    from typer.testing import CliRunner

    from pellucid.cli.program import app

    monkeypatch.chdir(tmp_path)
    (program,) = (block for block in blocks(README, "python") if "def grads" in block)
    Path("backward.py").write_text(program)
    result = CliRunner().invoke(app, ["check", "backward.py"])
    assert result.exit_code == 1
    (shown,) = (block for block in blocks(README, "text") if "The gradients are wrong" in block)
    rounding = re.compile(r"[\d.]+e-1\d")
    assert rounding.sub("ε", result.output).strip() == rounding.sub("ε", shown).strip()


@pytest.mark.parametrize("line", commands(README))
def test_the_commands_parse(line: str) -> None:
    check(line)


def test_the_first_screen_has_the_two_lines() -> None:
    first, second = blocks(README, "sh")[:2]
    assert first.strip().endswith('pip install ".[standard]" && pellucid train digits')
    assert second.strip() == 'pip install ".[test]" && python -m pytest -n 2'
    assert TEXT.index(second) < 2000


def test_ci_calls_the_same_test_command() -> None:
    ci = (README.parent / ".ci" / "run").read_text(encoding="utf-8")
    install, _, test = blocks(README, "sh")[1].strip().partition(" && ")
    assert install.removeprefix("pip ") in ci.replace("--quiet ", "")
    assert test in ci
