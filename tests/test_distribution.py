"""The wheel and the source distribution: what is in them, and that the wheel works where nothing else of ours is."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=300)
    return folder


def tracked(*folders: str) -> set[str]:
    listed = subprocess.run(["git", "ls-files", *folders], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return set(listed.splitlines())


def test_the_wheel_holds_the_whole_package(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name.removeprefix("src/") for name in tracked("src")} <= names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"pellucid", "pellucid_command.py"}


def test_the_source_holds_what_the_wheel_is_built_from_and_the_tests(built: Path) -> None:
    (source,) = built.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert tracked("src", "tests") | {"pyproject.toml", "README.md", "LICENSE"} <= names


def test_the_wheel_works_by_itself(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    place = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(place)
    elsewhere = {**os.environ, "PYTHONPATH": str(place)}
    program = "import pellucid, pellucid_command; print(pellucid.__file__); pellucid_command.main()"
    how = ["train", "circle", "--epochs", "1", "--no-report", "--out", "run"]
    said = subprocess.run(
        [sys.executable, "-c", program, *how], cwd=tmp_path, env=elsewhere, capture_output=True, text=True, timeout=300
    )
    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith(str(place)) and (tmp_path / "run" / "summary.json").exists()
