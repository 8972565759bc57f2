"""Programs that are modules of packages, or that are not written in UTF-8: they are read and run as they are meant."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pellucid.doctor.sources import encoded, home_of, text_of

ROOT = Path(__file__).parent.parent
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are not there on Windows")


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"}


HOMES = {
    "a script": ("import model\nfrom data import load", ["work/net/model.py", "work/net/data.py"], ["work/net"], ""),
    "a module of a package": ("from .model import Net", ["work/net/__init__.py", "work/net/model.py"], ["work"], "net"),
    "one without __init__.py": ("from . import model", ["work/net/model.py"], ["work"], "net"),
    "two packages up": (
        "from ..data import load",
        ["work/__init__.py", "work/net/__init__.py", "work/data.py"],
        ["."],
        "work.net",
    ),
    "by the name of its package": (
        "from net.model import Net\nfrom . import data",
        ["work/net/__init__.py", "work/net/model.py"],
        ["work"],
        "net",
    ),
    "by the name of its folder": ("from net.model import Net", ["work/net/model.py"], ["work/net", "work"], ""),
    "by the name of one above": ("import work.data as data", ["work/data.py"], ["work/net", "."], ""),
    "another of that name": ("from net import model", ["work/net/net/model.py"], ["work/net"], ""),
    "nothing of that name": ("from net import model", ["work/other.py"], ["work/net"], ""),
    "no Python": ("from . import (", [], ["work/net"], ""),
}


@pytest.mark.parametrize("name", HOMES)
def test_where_a_program_imports_from(name: str, tmp_path: Path) -> None:
    source, files, folders, package = HOMES[name]
    for file in [*files, "work/net/train.py"]:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("")
    (tmp_path / "work/net/train.py").write_text(source)
    home = home_of(tmp_path / "work/net/train.py")
    assert home.folders == tuple((tmp_path / folder).resolve() for folder in folders)
    assert home.package == package


TEXT = "größe = 1\nprint(größe)\n"
WRITTEN = {
    "UTF-8": TEXT.encode(),
    "a mark at its beginning": b"\xef\xbb\xbf" + TEXT.encode(),
    "lines of Windows": TEXT.replace("\n", "\r\n").encode(),
    "Latin-1": ("# -*- coding: latin-1 -*-\n" + TEXT).encode("latin-1"),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_a_text_is_read_as_it_is_encoded_and_written_so_again(name: str, tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_bytes(WRITTEN[name])
    assert text_of(path).endswith(TEXT) and "\ufeff" not in text_of(path)
    assert encoded(text_of(path), path) == WRITTEN[name]


NETWORK = """import torch
from torch import nn
{imports}
torch.manual_seed(0)
größe = {size}
x = torch.randn(größe, 2)
y = ((x**2).sum(1) < 1.4).long()
net = nn.Sequential(nn.Linear(2, 24), nn.ReLU(), nn.Linear(24, 2))
optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
for epoch in range(20):
    for i in range(0, größe, 40):
        loss = nn.functional.cross_entropy(net(x[i : i + 40]), y[i : i + 40])
        loss.backward()
        optimizer.step()
"""
BY_HAND = """import numpy as np
{imports}
rng = np.random.default_rng(0)
größe = {size}
x = rng.normal(size=(größe, 2))
y = ((x**2).sum(1) < 1.4).astype(float).reshape(-1, 1)
w1, b1 = rng.normal(size=(2, 16)) * 0.7, np.zeros((1, 16))
w2, b2 = rng.normal(size=(16, 1)) * 0.3, np.zeros((1, 1))
for epoch in range(400):
    h = np.tanh(x @ w1 + b1)
    p = 1 / (1 + np.exp(-(h @ w2 + b2)))
    loss = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
    dz = (p - y) / größe
    dh = dz @ w2.T * (1 + h**2)
    w1, b1 = w1 - 0.5 * x.T @ dh, b1 - 0.5 * dh.sum(0, keepdims=True)
    w2, b2 = w2 - 0.5 * h.T @ dz, b2 - 0.5 * dz.sum(0, keepdims=True)
"""
FOUND = {NETWORK: ("missing-zero-grad", 13), BY_HAND: ("wrong-backward", 14)}


@pytest.mark.slow
@forks
@pytest.mark.parametrize("source", [NETWORK, BY_HAND], ids=["PyTorch's names", "by hand"])
@pytest.mark.parametrize("kind", ["a package", "Latin-1"])
def test_what_is_wrong_is_found_and_mended(source: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "net" / "train.py"
    path.parent.mkdir()
    if kind == "a package":
        (tmp_path / "net" / "__init__.py").write_text("")
        (tmp_path / "net" / "sizes.py").write_text("rows = 400\n")
        path.write_text(source.format(imports="from .sizes import rows", size="rows"), encoding="utf-8")
    else:
        text = "# -*- coding: latin-1 -*-\r\n" + source.format(imports="", size="400").replace("\n", "\r\n", 1)
        path.write_bytes(text.replace("\r\n", "\n").replace("\n", "\r\n").encode("latin-1"))
    command = [sys.executable, "-m", "pellucid", "doctor", "net/train.py", "--fix", "--json", "said.json"]
    subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, check=False)
    report = json.loads((tmp_path / "said.json").read_text())
    cause, line = FOUND[source]
    first = report["findings"][0] if report["findings"] else report
    assert (first.get("cause"), abs(first.get("line", 0) - line) <= 1) == (cause, True), report
    if cause == "missing-zero-grad":
        fixed = (tmp_path / "net" / "train.fixed.py").read_bytes()
        assert (b"\r\n" in fixed) == (kind == "Latin-1")
        assert "größe".encode("latin-1" if kind == "Latin-1" else "utf-8") in fixed


def book(*cells: str) -> str:
    made = [{"cell_type": "code", "source": cell.splitlines(True), "metadata": {}, "outputs": []} for cell in cells]
    return json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def test_what_only_a_notebook_understands_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "train.ipynb"
    path.write_text(
        book('print("%d"\n      % 3)', "files = !ls\nfiles?\n%time w = 1\n!pip install x\n%matplotlib inline")
    )
    assert text_of(path).splitlines() == [
        'print("%d"',
        "      % 3)",
        "files = []  # !ls",
        "pass  # files?",
        "w = 1",
        "pass  # !pip install x",
        "pass  # %matplotlib inline",
    ]


SHELL = (
    "files = !ls\nfor file in files:\n    display(file)\nget_ipython().run_line_magic('matplotlib', 'inline')\n%time 1"
)


@pytest.mark.slow
@forks
@pytest.mark.parametrize("source", [NETWORK, BY_HAND], ids=["PyTorch's names", "by hand"])
def test_a_notebook_with_magics_is_examined(source: str, tmp_path: Path) -> None:
    text = source.format(imports="", size="400")
    before, loop, inside = text.partition("for epoch in")
    (tmp_path / "train.ipynb").write_text(book(before, SHELL, "%%time\n" + loop + inside, "display(loss)\nloss?"))
    command = [sys.executable, "-m", "pellucid", "doctor", "train.ipynb", "--json", "said.json"]
    subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, check=False)
    report = json.loads((tmp_path / "said.json").read_text())
    first = report["findings"][0] if report["findings"] else report
    assert first.get("cause") == FOUND[source][0], report
