"""The page of the doctor in the documentation, and the README's first screen, show what the program prints."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pages import ROOT, blocks

PAGE, README = ROOT / "docs" / "doctor.md", ROOT / "README.md"


def steady(text: str) -> list[str]:
    """The lines without what differs from machine to machine: curves, how far they came, seconds."""
    lines = [re.sub(r"[▁▂▃▄▅▆▇█✕]+ .*→.*", "…", line).rstrip() for line in text.splitlines()]
    return [line for line in lines if line and not re.fullmatch(r"[\d.]+ s", line)]


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], cwd=folder, capture_output=True, text=True, timeout=120)


@pytest.mark.slow
def test_the_walk_from_a_loss_that_does_not_move_to_the_proof(tmp_path: Path) -> None:
    program, before, said, after = blocks(PAGE, "python")[0], *blocks(PAGE, "text")
    script = tmp_path / "train.py"
    script.write_text(program)
    assert run(tmp_path, "train.py").stdout == before
    done = run(tmp_path, "-m", "pellucid", "doctor", "train.py", "--fix", "--html", "report.html")
    assert done.returncode == 1, done.stderr
    assert steady(done.stdout) == steady(said)
    assert run(tmp_path, "train.fixed.py").stdout == after
    assert script.read_text() == program
    assert "W1 += lr * X.T @ d1" in (tmp_path / "report.html").read_text()
    shown = next(block for block in blocks(README, "text") if "This program has a fault." in block)
    assert set(steady(shown)) <= set(steady(done.stdout))
