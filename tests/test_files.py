"""Files that are whole or not there, and the lock on the folder of a run."""

import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pellucid import files
from pellucid.train.files import RunFolderError, run_lock

SRC = Path(files.__file__).parent


def test_only_one_module_writes_to_temporary_names() -> None:
    words = re.compile(r"os\.replace|os\.rename|mkstemp|mktemp|NamedTemporaryFile|\.rename\(")
    found = [path for path in SRC.rglob("*.py") if words.search(path.read_text(encoding="utf-8"))]
    assert found == [SRC / "files.py"]


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
@pytest.mark.parametrize(
    "write", [files.write_atomically, lambda path, text: files.copy_atomically(_source(path), path)]
)
def test_a_planted_link_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Any) -> None:
    """Even where the name was guessed."""
    victim, path = tmp_path / "victim", tmp_path / "a.json"
    victim.write_text("mine")
    monkeypatch.setattr(os, "urandom", lambda count: b"\0" * count)
    (tmp_path / f".a.{'00' * 8}.partial.json").symlink_to(victim)
    (tmp_path / ".a.json.partial").symlink_to(victim)
    with contextlib.suppress(FileExistsError):
        write(path, "new")
    assert victim.read_text() == "mine"
    assert not victim.is_symlink()


def _source(path: Path) -> Path:
    source = path.with_name("source")
    source.write_text("new")
    return source


def test_names_cannot_be_guessed_and_keep_their_ending(tmp_path: Path) -> None:
    names: list[Path] = []
    for _ in range(3):
        with files.beside(tmp_path / "film.mp4") as partial:
            names.append(partial)
            assert files.is_partial(partial) and partial.suffix == ".mp4"
    assert len(set(names)) == 3
    assert not files.is_partial(tmp_path / "film.mp4") and not files.is_partial(tmp_path / ".a.partial")


@pytest.mark.skipif(os.name == "nt", reason="there are no such modes")
def test_the_mode_is_that_of_any_new_file(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        files.write_atomically(tmp_path / "a", "x")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    files.write_atomically(path, "old")
    with pytest.raises(TypeError), files.open_atomically(path) as file:
        file.write("no bytes")  # type: ignore[arg-type]
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


# The lock


def test_a_folder_is_locked_once(tmp_path: Path) -> None:
    twice = pytest.raises(RunFolderError, match=f"in use by process {os.getpid()}")
    with run_lock(tmp_path), twice, run_lock(tmp_path):
        pass
    with run_lock(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


HOLD = """
import sys, time
from pellucid.train.files import run_lock
with run_lock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_killed_process_leaves_no_lock(tmp_path: Path) -> None:
    partial = tmp_path / f".model.{'ab' * 8}.partial.safetensors"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(RunFolderError, match=f"in use by process {process.pid}"), run_lock(tmp_path):
            pass
        partial.write_text("unfinished")
        process.kill()
        process.wait()
    assert (tmp_path / ".lock").exists() or os.name == "nt"
    with run_lock(tmp_path):
        assert not partial.exists()


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_a_lock_that_is_a_link_is_refused(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".lock").symlink_to(victim)
    with pytest.raises(RunFolderError, match="Cannot write to"), run_lock(tmp_path / "run"):
        pass
    assert victim.read_text() == "mine"


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="Cannot write to .*missing"), run_lock(tmp_path / "missing"):
        pass
