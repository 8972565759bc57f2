"""A sweep over several machines: Optuna's storages hold its book, workers come and go, and no trial is lost."""

import csv
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pellucid.experiments.errors import UsageError
from pellucid.experiments.shared import SharedStudy, without_password
from pellucid.experiments.space import Choices, Range, Space

SRC = Path(__file__).parent.parent / "src"
RATES = (0.1, 0.2, 0.3)


class Clock:
    """Time that passes when a test says so."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def study(where: Any, clock: Any = time.monotonic, tpe: bool = False, metric: str = "val_loss", trials: int = 3) -> Any:
    searched: Space = {"lr": Range(0.1, 1.0, False)} if tpe else {"lr": Choices(RATES)}
    planned = [] if tpe else [{"lr": lr} for lr in RATES]
    return SharedStudy(
        str(where), "sweep", {"metric": metric}, searched, planned, trials, True, 0, grace=60.0, clock=clock
    )


def workers_share_the_trials(where: Any) -> None:
    ours, theirs = study(where), study(where)  # the second enters nothing that the first has
    mine, others = ours.give_out(), theirs.give_out()
    assert [next(mine)[0], next(others)[0], next(mine)[0]] == [0, 1, 2]
    assert list(others) == [] and not theirs.settled()
    for worker, index in ((ours, 0), (theirs, 1), (ours, 2)):
        worker.tell(index, "complete", index / 2)
    assert ours.settled() and theirs.settled() and list(study(where).give_out()) == []
    assert [(r["index"], r["state"], r["value"]) for r in theirs.records()] == [
        (i, "complete", i / 2) for i in range(3)
    ]
    with pytest.raises(UsageError, match="another sweep, which differs in metric"):
        study(where, metric="val_accuracy")


def a_silent_worker_loses_its_trial(where: Any) -> None:
    clock = Clock()
    dead, slow, alive = study(where), study(where), study(where, clock)
    (index, params), (second, _) = next(dead.give_out()), next(slow.give_out())
    assert (index, second) == (0, 1)
    given = alive.give_out()
    assert next(given)[0] == 2
    alive.tell(2, "complete", 1.0)
    assert not alive.settled() and list(given) == []  # here it has seen the signs of both
    clock.now = 59.0
    assert not alive.settled() and list(alive.give_out()) == []
    slow._beat(slow._open[1])  # a sign of life
    clock.now = 61.0
    assert not alive.settled()
    assert list(alive.give_out()) == [(0, params)]
    dead.tell(0, "complete", 5.0)  # it was not dead, and comes too late
    alive.tell(0, "complete", 2.0)
    slow.tell(1, "complete", 3.0)
    assert alive.settled()
    assert [record["value"] for record in alive.records()] == [2.0, 3.0, 1.0]


def test_workers_share_a_journal(tmp_path: Path) -> None:
    workers_share_the_trials(tmp_path / "journal.log")
    a_silent_worker_loses_its_trial(tmp_path / "other.log")


def test_a_sampler_draws_no_more_than_asked_for(tmp_path: Path) -> None:
    ours, theirs = study(tmp_path / "journal.log", tpe=True), study(tmp_path / "journal.log", tpe=True)
    found = [next(ours.give_out()), next(theirs.give_out()), next(ours.give_out())]
    assert len({params["lr"] for _, params in found}) == 3
    assert list(ours.give_out()) == list(theirs.give_out()) == []
    ours.tell(found[0][0], "stopped")  # by Ctrl-C: it waits for whoever comes
    assert list(theirs.give_out()) == [found[0]]


def test_a_trial_that_two_entered_is_done_by_a_single_worker(tmp_path: Path) -> None:
    ours = study(tmp_path / "journal.log")
    for index, lr in enumerate(RATES):  # as another machine does that began at the same moment
        ours._study.enqueue_trial({"lr": lr}, user_attrs={"index": index})
    assert [index for index, _ in ours.give_out()] == [0, 1, 2]


def test_what_cannot_be_opened_is_said() -> None:
    with pytest.raises(UsageError, match=r"--storage nonsense://me@host/x cannot be opened"):
        study("nonsense://me:secret@host/x")
    assert without_password("postgresql://me:secret@host/x") == "postgresql://me@host/x"


# A real server --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of a PostgreSQL server in a folder of its own, which it ends with; it listens on no port."""
    pytest.importorskip("psycopg", reason="a PostgreSQL server is asked by the package psycopg")
    missing = [name for name in ("initdb", "pg_ctl", "postgres") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"there is no PostgreSQL server here: {', '.join(missing)} not found")
    user: dict[str, Any] = {}
    folder = tempfile.mkdtemp(prefix="pg-", dir="/tmp")  # the path of a socket must be short
    if os.geteuid() == 0:  # the server refuses to run as root
        other = next((entry for entry in pwd.getpwall() if entry.pw_name in ("postgres", "nobody")), None)
        if other is None:
            pytest.skip("a PostgreSQL server does not run as root, and there is no other user here")
        os.chown(folder, other.pw_uid, other.pw_gid)
        user = {"user": other.pw_uid, "group": other.pw_gid, "cwd": folder}

    def run(*command: str) -> None:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, **user)
        assert done.returncode == 0, done.stdout + done.stderr

    data = f"{folder}/data"
    try:
        run("initdb", "-D", data, "-U", "sweeper", "-A", "trust", "--no-sync")
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
        run("pg_ctl", "-D", data, "-o", options, "-l", f"{folder}/log", "-w", "-t", "240", "start")
        yield f"postgresql://sweeper@/postgres?host={folder}"
    finally:
        if Path(data, "postmaster.pid").exists():
            subprocess.run(["pg_ctl", "-D", data, "-m", "immediate", "stop"], capture_output=True, timeout=300, **user)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["journal", "postgresql"])
def test_machines_share_a_sweep(kind: str, tmp_path: Path, request: Any) -> None:
    """One is killed in the midst of its trial; another, which comes later, does what is left, and that trial too."""
    server = "journal.log" if kind == "journal" else request.getfixturevalue("server")
    words = ["moons", "--model", "mlp:4", "--batch-size", "8", "--grid", "lr=0.01,0.02", "--epochs", "10"]
    words += ["--storage", server, "--study", "moons", "--grace", "2"]
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([str(SRC), *filter(None, sys.path)]))

    def start(out: str) -> Any:
        command = [sys.executable, "-m", "pellucid", "sweep", *words, "--out", out]
        return subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    first = start("first")
    second: Any = None
    try:
        deadline = time.monotonic() + 300
        while not list(tmp_path.glob("first/trials/0000/checkpoints/epoch-0001*")):
            assert first.poll() is None and time.monotonic() < deadline, first.communicate()[0]
            time.sleep(0.01)
        first.send_signal(signal.SIGKILL)
        second = start("second")
        said, _ = second.communicate(timeout=400)
    finally:
        for process in filter(None, (first, second)):
            process.kill()
            process.communicate()
    assert second.returncode == 0, said
    assert f"shared in {without_password(server).partition('?')[0]}" in said.replace("\n", " ")
    rows = list(csv.DictReader((tmp_path / "second/sweep.csv").read_text(encoding="utf-8").splitlines()))
    assert [(row["lr"], row["state"]) for row in rows] == [(lr, "complete") for lr in ("0.01", "0.02")]
    assert (tmp_path / "second/trials/0000/summary.json").exists()  # the trial of the one that was killed
    if kind == "journal":
        return
    third = start("third")  # comes when all is done, and finds the best
    try:
        said, _ = third.communicate(timeout=400)
    finally:
        third.kill()
    assert third.returncode == 0 and "2 of them done before" in said and "Best: pellucid train moons" in said


@pytest.mark.slow
@pytest.mark.parametrize("check", [workers_share_the_trials, a_silent_worker_loses_its_trial])
def test_workers_share_a_database(check: Any, server: str) -> None:
    import optuna

    from pellucid.experiments.shared import open_storage

    for known in optuna.get_all_study_names(open_storage(server)):
        optuna.delete_study(study_name=known, storage=open_storage(server))
    check(server)
