"""The type stubs: they are those of the op table, and a type checker tells right calls from wrong ones by them."""

import ast
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import pellucid
from tools import stubs

SOURCE = stubs.PACKAGE.parent

RIGHT = """
import pellucid
import pellucid as torch
from pellucid import Tensor

x = torch.rand(2, 3, requires_grad=True)
total: Tensor = x.sum(dim=0) + 1
also: Tensor = x.sum(0, True)
bent: Tensor = pellucid.tanh(x)
first: Tensor = x[0, :]
for row in x:
    one: Tensor = row.exp()
less: Tensor = 1 - x.T @ x.mT.T < 2
x.detach().add_(1, alpha=2).clamp_(min=0.0).fill_(0)
joined: Tensor = torch.cat([x, torch.zeros(2, 3, dtype=torch.float32)], dim=1)
chosen: Tensor = torch.where(x > 0, torch.norm(x), 0.0)
apart: tuple[Tensor, ...] = x.split(1)
length: int = x.shape[0]
seen: bool = 2.0 in x
kind: torch.dtype = torch.int64
torch.manual_seed(0)
with torch.no_grad():
    torch.nn.Linear(3, 2)(x).backward()
"""

WRONG = """
import pellucid as torch

x = torch.ones(2, 3)
x.sum(dimm=0)
torch.tanh()
torch.tanh("x")
x + "1"
x.no_such_method()
torch.no_such_function(x)
length: int = torch.exp(x)
"""


def test_the_stubs_are_those_of_the_op_table():
    # In a process of its own: another test may have put a method on Tensor.
    path = os.pathsep.join(entry for entry in sys.path if entry)
    run = subprocess.run(
        [sys.executable, stubs.__file__, "--check"],
        env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr


def test_stale_stubs_are_found_and_written(tmp_path, monkeypatch, capsys):
    path = tmp_path / "some.pyi"
    monkeypatch.setattr(stubs, "stubs", lambda: {path: "def f() -> None: ...\n"})
    assert stubs.main(["--check"]) == 1
    assert "+def f() -> None: ..." in capsys.readouterr().err
    assert not path.exists()
    assert stubs.main([]) == 0
    assert path.read_text() == "def f() -> None: ...\n"
    assert [path.name for path in tmp_path.iterdir()] == ["some.pyi"]
    assert stubs.main(["--check"]) == 0


@pytest.mark.skipif(importlib.util.find_spec("pyright") is None, reason="pyright is not installed")
def test_a_type_checker_tells_right_from_wrong(tmp_path):
    (tmp_path / "right.py").write_text(RIGHT)
    (tmp_path / "wrong.py").write_text(WRONG)
    settings = {"extraPaths": [str(SOURCE)], "typeCheckingMode": "basic", "reportMissingModuleSource": False}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    run = subprocess.run(
        [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, "--project", str(tmp_path)],
        capture_output=True, text=True,
    )  # fmt: skip
    found = json.loads(run.stdout)["generalDiagnostics"]
    refused = {name: [] for name in ("right.py", "wrong.py")}
    for finding in found:
        refused[Path(finding["file"]).name].append((finding["range"]["start"]["line"], finding["message"]))
    assert refused["right.py"] == []
    assert sorted({line for line, _ in refused["wrong.py"]}) == list(range(4, 11)), refused["wrong.py"]


def test_the_private_names_that_the_package_uses_are_those_that_a_tensor_has():
    tree = ast.parse((stubs.PACKAGE / "core" / "tensor_fields.pyi").read_text(encoding="utf-8"))
    declared = {node.target.id for node in ast.walk(tree) if isinstance(node, ast.AnnAssign)}
    defaults = {
        name
        for name, value in vars(pellucid.Tensor).items()
        if name.startswith("_")
        and not name.startswith("__")
        and not callable(value)
        and not isinstance(value, property)
    }
    assert declared == defaults | {"_array"}
