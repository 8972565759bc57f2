"""`benchmarks.published`: programs of a folder under both libraries."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import published

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = """# args: --steps 3
# from: nobody/nothing, descent.py
import argparse
import torch

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int)
torch.manual_seed(0)
w = torch.randn(3, requires_grad=True)
for step in range(parser.parse_args().steps):
    loss = (w**2).sum()
    (g,) = torch.autograd.grad(loss, w)
    w = (w - 0.1 * g).detach().requires_grad_()
    print(f"step {step} loss {loss.item():.6f} in {step} s")
"""


@pytest.mark.parametrize(
    ("ours", "theirs", "found"),
    [
        ("loss 1.00 at 3", "loss 1.01 at 3", (0.0, 2)),
        ("loss 1.10", "loss 1.00", (0.0899, 1)),
        ("loss 1", "loss 2", (0.5, 1)),
        ("took 3.2 s", "took 5.1 s", (0.0, 0)),
        ("1 2", "1", (None, 1)),
        ("lr 1e-3 x1.5", "lr 1e-3 x2.5", (0.0, 1)),
    ],
)
def test_numbers_are_compared(ours: str, theirs: str, found: tuple[float | None, int]) -> None:
    difference, compared = published.apart(ours, theirs)
    assert (difference if difference is None else round(difference, 6), compared) == found


def test_imports_alone() -> None:
    assert published.only_imports(ROOT / "benchmarks" / "__main__.py").splitlines() == [
        "import argparse", "import subprocess", "import sys",
    ]  # fmt: skip


@pytest.mark.slow
def test_a_folder(tmp_path: Path) -> None:
    (tmp_path / "descent.py").write_text(PROGRAM, encoding="utf-8")
    (tmp_path / "fails.py").write_text("raise SystemExit('no')\n", encoding="utf-8")
    table = tmp_path / "table.md"
    command = [sys.executable, "-m", "benchmarks.published", str(tmp_path), "--rounds", "1", "--out", str(table)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    lines = table.read_text(encoding="utf-8").splitlines()
    assert any(line.startswith("| nobody/nothing, descent.py | --steps 3 | 0 of 6 |") for line in lines)
    assert any("| fails.py |  | not run |" in line for line in lines)


@pytest.mark.parametrize(("names", "said"), [([], "there is no program"), (["train"], "has no program train")])
def test_a_folder_without_the_programs(
    names: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["published", str(tmp_path), *names])
    with pytest.raises(SystemExit):
        published.main()
    assert said in capsys.readouterr().err
