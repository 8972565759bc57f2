"""What a run was computed with, beside the run; and `pellucid info`."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from pellucid.cli import info
from pellucid.cli.program import app
from pellucid.train import RunFolder
from pellucid.train.files import environment as ask
from pellucid.version import __version__


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def test_versions_and_blas() -> None:
    found = ask.environment()
    assert (found["versions"]["pellucid"], found["versions"]["numpy"]) == (__version__, np.__version__)
    assert found["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert found["blas"]["name"] and found["blas"]["version"]
    assert found["processor"]["cores"] >= 1
    assert json.loads(json.dumps(found)) == found


def test_threads_are_those_of_numpys_library() -> None:
    threadpoolctl = pytest.importorskip("threadpoolctl")
    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        assert ask.blas()["threads"] == 1


def test_threads_without_threadpoolctl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert ask.blas()["threads"] == 3
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "many")
    assert ask.blas()["threads"] is None


def test_git_state(tmp_path: Path) -> None:
    assert ask.git_state(tmp_path) is None  # no repository
    git(tmp_path, "init", "-b", "trunk")
    assert ask.git_state(tmp_path) is None  # no commit
    (tmp_path / "kept.py").write_text("a = 1\n")
    git(tmp_path, "add", "kept.py")
    git(tmp_path, "commit", "-m", "first")
    (tmp_path / "notes.txt").write_text("git does not keep this, so it says nothing of the commit")
    state = ask.git_state(tmp_path)
    assert state is not None and len(state["commit"]) == 40
    assert (state["branch"], state["dirty"]) == ("trunk", False)
    (tmp_path / "kept.py").write_text("a = 2\n")
    git(tmp_path, "checkout", "--detach")
    assert ask.git_state(tmp_path) == {"commit": state["commit"], "branch": None, "dirty": True}


@pytest.mark.skipif(os.name == "nt", reason="the planted programs are shell scripts")
@pytest.mark.parametrize(
    "planted",
    ["core.fsmonitor", "filter.x.clean", "filter.x.process", "hook", "diff.external", "core.pager", "submodule"],
)
def test_a_repository_does_not_get_its_programs_run(tmp_path: Path, planted: str) -> None:
    folder, witness = tmp_path / "untrusted", tmp_path / "witness"
    folder.mkdir()
    program = tmp_path / "program.sh"
    program.write_text(f"#!/bin/sh\ntouch {witness}\ncat 2>/dev/null\n")
    program.chmod(0o755)
    git(folder, "init", "-b", "trunk")
    (folder / "kept.py").write_text("1")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "first")
    at = folder
    if planted == "submodule":
        git(folder, "-c", "protocol.file.allow=always", "submodule", "add", str(folder), "inner")
        git(folder, "commit", "-m", "second")
        at = folder / "inner"
        planted = "core.fsmonitor"
    if planted == "hook":
        (at / ".git" / "hooks").mkdir(exist_ok=True)
        program.replace(at / ".git" / "hooks" / "post-index-change")
    else:
        git(at, "config", planted, str(program))
    if planted.startswith("filter"):
        (at / ".git" / "info").mkdir(exist_ok=True)
        (at / ".git" / "info" / "attributes").write_text("* filter=x")
    (at / "kept.py").write_text("2")  # of the same length: git has to look into it
    found = ask.git_state(folder)
    assert found is not None and found["branch"] == "trunk"
    assert not witness.exists()
    if planted.startswith("filter"):
        assert found["dirty"] is None


def test_no_git_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ask.git_state(tmp_path) is None
    assert ask.git_state(tmp_path / "missing") is None
    assert info.graphviz() is None


def test_a_run_that_goes_on_elsewhere_says_from_where(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    here: dict[str, Any] = {"blas": "a"}
    assert folder.read_environment() == []
    folder.write_environment(here, step=0)
    folder.write_environment(here, step=10)  # the same: nothing new to say
    assert folder.read_environment() == [{"from_step": 0, "blas": "a"}]
    folder.write_environment({"blas": "b"}, step=20)
    assert [stretch["from_step"] for stretch in folder.read_environment()] == [0, 20]
    folder.write_environment({"blas": "c"}, step=15)  # resumed from before: what came after is gone
    assert [stretch["blas"] for stretch in folder.read_environment()] == ["a", "c"]
    folder.environment.write_text("[{")
    assert folder.read_environment() == []


def test_the_run_folder_holds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["train", "moons", "--epochs", "1", "--model", "logistic", "--out", "run"]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    (stretch,) = json.loads(Path("run/environment.json").read_text())
    assert stretch == {"from_step": 0, **ask.environment()}
    digest = json.loads(Path("run/config.json").read_text())["data"]["fingerprint"]
    assert digest.startswith("sha256:") and len(digest) == 71


def test_info() -> None:
    shown = CliRunner().invoke(app, ["info"])
    assert shown.exit_code == 0
    for words in (__version__, np.__version__, "BLAS", "cpu", "Graphviz", "mnist"):
        assert words in shown.output
    stored = json.loads(CliRunner().invoke(app, ["info", "--json"]).output)
    assert stored["versions"] == ask.versions()
    assert "cpu" in stored["devices"]


def test_info_says_why_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert "pellucid[gpu]" in info.devices()["cuda"]
