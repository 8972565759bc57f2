"""The program as a process: how soon it answers, what it does on any terminal, in a pipe, and when it is ended."""

import io
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

import pellucid_command
from pellucid.cli.program import app
from pellucid.train.files.checkpoint import checkpoint_files
from tests.sampled import sampled

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals and pipes of POSIX")
PROGRAM = [sys.executable, "-c", "from pellucid_command import main; main()"]
SOURCES = Path(__file__).parent.parent / "src/pellucid"


def run(*words: object, environment: dict[str, str] | None = None, **how: Any) -> subprocess.CompletedProcess[str]:
    found = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path), **(environment or {})}
    command = [*PROGRAM, *map(str, words)]
    return subprocess.run(command, env=found, text=True, **({"capture_output": True, "timeout": 120} | how))


def test_the_list_of_commands_says_what_the_commands_say() -> None:
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        assert (command.help or "").split("\n")[0] == pellucid_command.COMMANDS[name]


def test_each_module_of_a_command_is_one() -> None:
    """A file that defines a function of its own name, decorated or not, is a command; the others serve them."""
    functions = {
        path.stem: re.search(rf"^def {path.stem}\(", path.read_text(encoding="utf-8"), re.MULTILINE)
        for path in (SOURCES / "cli").glob("*.py")
    }
    commands = {name.replace("_", "-") for name, found in functions.items() if found}
    assert commands == set(pellucid_command.COMMANDS)


def test_help_does_not_load_the_library() -> None:
    show = "import sys; print('numpy' in sys.modules, 'pellucid' in sys.modules, file=sys.stderr)"
    code = f"import atexit; atexit.register(lambda: exec({show!r})); from pellucid_command import main; main()"
    done = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "Train a network" in done.stdout
    assert done.stderr.strip() == "False False"


# Terminals ------------------------------------------------------------------------------------------------------------

ASCII = {"PYTHONIOENCODING": "ascii", "LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


# The quick ones first.
TYPED = [
    ["--help"],
    ["train", "moons", "--out", "Zürich-—-×"],
    ["explain", "softmax"],
    ["train", "moons", "--lr", "-1"],
    ["find-lr", "moons", "--steps", 20],
    ["explain", "Größe"],
    ["info"],
    ["compare", "run", "run"],
    ["report", "run"],
    ["predict", "run", "points.csv"],
]


@pytest.mark.parametrize(
    "words",
    [pytest.param(words, marks=pytest.mark.slow if index else ()) for index, words in enumerate(TYPED)],
    ids=lambda words: " ".join(map(str, words)),
)
def test_an_ascii_terminal(words: list[object], tmp_path: Path, moons: Path) -> None:
    (tmp_path / "run").symlink_to(moons)
    (tmp_path / "points.csv").write_text("x,y\n0.5,0.5\n1,0\n", encoding="utf-8")
    done = run(*words, environment=ASCII, cwd=tmp_path)
    assert done.returncode in (0, 2) and "Traceback" not in done.stderr, done.stderr
    said = done.stdout + done.stderr
    assert said.isascii()
    assert said.count("?") <= 2, said  # what is replaced can still be read


@pytest.fixture(scope="module")
def moons(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "moons"
    assert run("train", "moons", "--epochs", 1, "--out", folder).returncode == 0
    return folder


def test_every_character_that_the_package_writes_has_a_legible_replacement() -> None:
    used = {mark for path in SOURCES.rglob("*.py") for mark in path.read_text(encoding="utf-8") if not mark.isascii()}
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="legible")
    pellucid_command.codecs.register_error("legible", pellucid_command._legible)  # pyright: ignore[reportPrivateUsage]
    for mark in sorted(used):
        stream.write(mark)
    stream.flush()
    assert "?" not in stream.buffer.getvalue().decode()  # type: ignore[attr-defined]


# Pipes ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words", [["info"], ["--help"], ["explain", "softmax"], ["train", "moons", "--epochs", 1, "--no-report"]], ids=str
)
def test_who_reads_may_stop_reading(words: list[object], tmp_path: Path) -> None:
    """As in `pellucid info | head -1`: nothing is said, and the exit code is that of SIGPIPE."""
    reading, writing = os.pipe()
    os.close(reading)
    done = run(*words, capture_output=False, stdout=writing, stderr=subprocess.PIPE, cwd=tmp_path)
    os.close(writing)
    assert done.stderr == ""
    assert done.returncode == 128 + signal.SIGPIPE


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_a_sentence() -> None:
    with open("/dev/full", "w") as full:
        done = run("info", capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 2
    assert "No space left on device" in done.stderr and "Traceback" not in done.stderr


# Ctrl-C and its kin ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delay", [0.1, 0.4, 0.8])
def test_ctrl_c_while_it_loads_shows_no_trace(delay: float, tmp_path: Path) -> None:
    command = [*PROGRAM, "train", "digits", "--epochs", "1000", "--no-report", "--out", str(tmp_path / "run")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    time.sleep(0.03)  # Python itself is there
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode in (-signal.SIGINT, 130), err
    assert "Traceback" not in err or "site.py" in err


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("background", sampled([False, True], 2))
def test_a_signal_saves_and_the_run_goes_on_as_if_there_had_been_none(
    name: str, background: bool, tmp_path: Path
) -> None:
    which = getattr(signal, name)
    words = ["digits", "--epochs", "2000", "--no-report", "--model", "cnn", "--batch-size", "16"]
    command = [*PROGRAM, "train", *words, "--out", "it's a run"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
        start_new_session=background,
    )  # fmt: skip
    folder = tmp_path / "it's a run"
    deadline = time.monotonic() + 60
    while not checkpoint_files(folder / "checkpoints") and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.3)
    process.send_signal(which)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + which, (out, err)
    assert re.search(r"pellucid: finishing step \d+, then saving", err)
    again = re.search(r"To go on: pellucid (.*)", out)
    assert again is not None and again[1] == """train --resume 'it'"'"'s a run'"""
    assert (folder / "model.safetensors").exists() and not (folder / ".lock").exists()


@pytest.mark.slow
def test_two_programs_do_not_go_on_with_one_run(tmp_path: Path) -> None:
    from pellucid.experiments import resume, start
    from pellucid.train import RunFolderError

    folder = tmp_path / "run"
    assert start({"dataset": "moons", "epochs": 1}, folder).run() == "complete"
    first = resume(folder, {"epochs": 2})
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    second = run("train", "--resume", folder, "--epochs", 3)
    assert second.returncode == 2 and f"is in use by process {os.getpid()}" in second.stderr
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    with pytest.raises(RunFolderError, match="in use"):
        resume(folder)
    assert first.run() == "complete"
    assert resume(folder, {"epochs": 3}).run() == "complete"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("train moons --lr abc", "'--lr': 'abc' is not a number."),
        ("train moons --epochs 1.5", "'--epochs': '1.5' is not a whole number."),
        ("find-lr moons --steps many", "'--steps': 'many' is not a whole number."),
        ("watch --every 0", "'--every': '0' is too small: it must be at least 0.01."),
        ("exercise nothing", "'nothing' is not one of 'list', 'start', 'check'."),
    ],
)
def test_a_value_that_cannot_be_taken_is_named_in_plain_words(words: str, said: str) -> None:
    """Pydantic, which reads them, says that the input should be a valid number, unable to parse string as a number."""
    result = CliRunner().invoke(app, words.split())
    assert result.exit_code == 2
    assert said in re.sub(r"[\s│]+", " ", result.output)
    assert "nput should" not in result.output
