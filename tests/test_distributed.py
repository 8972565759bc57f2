"""`pellucid.distributed`: programs of several ranks, started by `pellucid launch`.

One launched program of two ranks makes all quick checks (`tests/distributed/checks.py`); the same with 1 and 3
ranks, and each way to end, are slow.
"""

import ast
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

FOLDER = Path(__file__).parent / "distributed"
SRC = Path(__file__).parent.parent / "src"
SECONDS = 500  # the last guard: nothing here waits for time to pass


def names(file: str) -> list[str]:
    """The names in the list CHECKS of a program, which cannot be imported here: it is for several ranks."""
    tree = ast.parse((FOLDER / file).read_text(encoding="utf-8"))
    lists = [
        node.value for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "CHECKS"
    ]
    return [ast.unparse(name) for name in lists[0].elts]  # type: ignore[attr-defined]


def launch(ranks: int, script: Path | str, *args: str, how: tuple[str, ...] = ("launch",)) -> Any:
    pytest.importorskip("mpi4py", reason="training by several processes needs mpi4py")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"PYTHONPATH": os.pathsep.join([str(SRC), str(SRC.parent)]), "PYTHONWARNINGS": "error"}
    environment |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    command = [sys.executable, "-m", "pellucid", *how, "-n", str(ranks), str(script), *args]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS)


def outcomes(ranks: int, path: Path, file: str = "checks.py") -> dict[str, str]:
    done = launch(ranks, FOLDER / file, str(path))
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def of_two(tmp_path_factory: Any) -> dict[str, str]:
    return outcomes(2, tmp_path_factory.mktemp("ranks") / "of_two.json")


@pytest.mark.parametrize("name", names("checks.py"))
def test_two_ranks(name: str, of_two: dict[str, str]) -> None:
    assert not of_two[name], of_two[name]


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [1, 3])
def test_other_numbers_of_ranks(ranks: int, tmp_path: Path) -> None:
    found = outcomes(ranks, tmp_path / "found.json")
    assert not any(found.values()), "\n".join(found.values())
    assert [*found] == names("checks.py")


@pytest.mark.slow
def test_a_checkpoint_of_four_ranks_goes_on_with_two(tmp_path: Path) -> None:
    """And with a single process; each as the run that was never interrupted, to rounding."""

    def run(ranks: int, folder: str, until: int) -> dict[str, Any]:
        done = launch(ranks, FOLDER / "resumed.py", str(tmp_path / folder), str(until), str(tmp_path / "result.json"))
        assert done.returncode == 0, done.stderr
        assert done.stdout == "written\n"  # rank 0 alone
        return json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))

    whole = run(1, "whole", 4)
    run(4, "parts", 2)
    shutil.copytree(tmp_path / "parts", tmp_path / "more")
    for ranks, folder in ((2, "parts"), (1, "more")):
        found = run(ranks, folder, 4)
        assert (found["began"], found["step"]) == (2, whole["step"])
        np.testing.assert_allclose(found["loss"], whole["loss"], rtol=1e-3)
        for name, value in found["evaluation"].items():
            np.testing.assert_allclose(value, whole["evaluation"][name], rtol=1e-3)
        for ours, theirs in zip(found["weights"], whole["weights"], strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-2, atol=1e-3)  # Adam enlarges what is rounding


# How programs end -----------------------------------------------------------------------------------------------------

BEGIN = "import os, sys, torch, torch.distributed as dist\ndist.init_process_group('mpi')\nr = dist.get_rank()\n"
ENDS = {
    "an error": ("if r == 1: raise ValueError('no')\ndist.barrier()", 1, ["rank 1 of 3 failed", "ValueError: no"]),
    "an error before the group": (
        ("import os, torch.distributed as dist\nif os.environ['RANK'] == '2': raise KeyError('early')"
         "\ndist.init_process_group()"), 1, ["rank 2 of 3 failed", "KeyError: 'early'"],
    ),
    "an exit code": ("if r == 1: sys.exit(7)\ndist.barrier()", 7, ["rank 1 of 3 failed"]),
    "an exit without an end": ("if r == 1: os._exit(3)\ndist.barrier()", 3, ["rank 1 of 3 called os._exit(3)"]),
    "an end without an end": (
        "if r == 1: os._exit(0)\ndist.barrier()", 1, ["rank 1: the end of the program", "ranks 0, 2: barrier"],
    ),
    "a signal": ("if r == 1: os.kill(os.getpid(), 9)\ndist.barrier()", 137, [" of 3 on ", "was ended by SIGKILL"]),
    "the end of a rank": (
        "for batch in range(3 - r): dist.all_reduce(torch.ones(2))", 1,
        ["rank 2: the end of the program", "all_reduce(SUM) of float32 (2,)", "fewer batches"],
    ),
    "the end before the group": (
        "import os, torch.distributed as dist\nif os.environ['RANK'] != '0': dist.init_process_group()", 1,
        ["rank 0: the end of the program", "ranks 1, 2: init_process_group"],
    ),
    "a message that cannot come": ("if r == 1: dist.recv(torch.ones(3), 0)", 1, ["from rank 0, but rank 0 has ended"]),
    "a rank that does not follow": (
        ("import time, datetime, torch, torch.distributed as dist\ndist.init_process_group(timeout="
         "datetime.timedelta(seconds=60))\nif dist.get_rank() == 1: time.sleep(1000)\n"
         "dist.monitored_barrier(timeout=datetime.timedelta(seconds=1))"), 1,
        ["of 3 failed", "has waited for 1 seconds in monitored_barrier, and rank 1 did not come to it"],
    ),
    "a rank that never begins": (
        ("import os, time, datetime, torch.distributed as dist\nif os.environ['RANK'] == '2': time.sleep(1000)\n"
         "dist.init_process_group(timeout=datetime.timedelta(seconds=1))"), 1,
        ["in init_process_group, and rank 2 did not come to it"],
    ),
    "nothing bad": ("print('rank', r)", 0, []),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("end", ENDS)
def test_how_it_ends(end: str, tmp_path: Path) -> None:
    program, code, said = ENDS[end]
    script = tmp_path / "train.py"
    script.write_text(program if program.startswith("import") else BEGIN + program, encoding="utf-8")
    done = launch(3, script)
    assert done.returncode == code, done.stderr
    for part in said:
        assert part in done.stderr
    assert done.stderr.count("Traceback") == ("failed" in done.stderr and "Error" in done.stderr)
    assert "BAD TERMINATION" not in done.stdout + done.stderr and "Abort(" not in done.stderr
    if code == 0:
        assert sorted(done.stdout.split("\n")) == ["", "rank 0", "rank 1", "rank 2"]
        assert not done.stderr


@pytest.mark.slow
def test_a_rank_that_has_ended_says_for_whom_it_waits(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        "import sys, time, datetime, torch.distributed as dist\n"
        "sys.modules['pellucid.distributed.group'].LONG = 1\n"
        "dist.init_process_group(timeout=datetime.timedelta(hours=1))\n"
        "if dist.get_rank() == 1: time.sleep(4)\n",
        encoding="utf-8",
    )
    done = launch(3, script)
    assert done.returncode == 0 and done.stderr.count("\n") == 1
    assert "rank 0 of 3 has come to the end of the program and waits for rank 1, for up to 60 minutes" in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with that which started it")
@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGKILL])
def test_the_end_of_the_launcher_ends_the_ranks(by: signal.Signals, tmp_path: Path) -> None:
    pytest.importorskip("mpi4py", reason="training by several processes needs mpi4py")
    script = tmp_path / "train.py"
    script.write_text(BEGIN + "import time\nprint(os.getpid())\ntime.sleep(1000)\n", encoding="utf-8")
    command = [sys.executable, "-m", "pellucid", "launch", "-n", "2", str(script)]
    process = subprocess.Popen(
        command, env=dict(os.environ, PYTHONPATH=str(SRC)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    ranks: list[int] = []
    try:
        assert process.stdout is not None
        ranks += [int(process.stdout.readline()) for _ in range(2)]
        process.send_signal(by)
        _, said = process.communicate(timeout=SECONDS)
        deadline = time.monotonic() + SECONDS
        while any(Path(f"/proc/{rank}/cmdline").exists() for rank in ranks):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        if by is not signal.SIGKILL:
            assert process.returncode == 128 + by
            assert f"pellucid launch: {by.name} came, and all were ended." in said
    finally:
        process.kill()
        process.communicate()
        for rank in ranks:
            with suppress(ProcessLookupError):
                os.kill(rank, signal.SIGKILL)


@pytest.mark.parametrize(
    ("code", "ends", "result", "said"),
    [
        (9, "=   PID 7 RUNNING AT vm\n=   EXIT CODE: 9\n… Killed (signal 9)", 137, "on vm was ended by SIGKILL"),
        (3, "=   PID 7 RUNNING AT vm\n=   EXIT CODE: 3\n", 3, "on vm ended with exit code 3"),
        (255, "=   RANK 0 PID 7 RUNNING AT vm\n=   KILLED BY SIGNAL: 11 (Segm", 139, "on vm was ended by SIGSEGV"),
        (137, "process rank 1 with PID 4 on node vm exited on\nsignal 9 (Killed).", 137, "on vm was ended by SIGKILL"),
        (5, "", 5, "ended with exit code 5"),
        (0, "", 0, None),
    ],
)  # fmt: skip
def test_the_words_of_each_mpiexec(code: int, ends: str, result: int, said: Any, tmp_path: Path, capsys: Any) -> None:
    from pellucid.distributed import launch as module

    assert module._verdict(code, ends.encode(), tmp_path, 3, "rank 1 of 3") == result
    expected = f"pellucid launch: rank 1 of 3 {said}, and all were ended.\n" if said else ""
    assert capsys.readouterr().err == expected


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("[proxy:1@b] launch_procs (pmip_cb.c:884): ", "on b nothing could be started in "),
        (
            "[proxy:0@a] HYDU_create_process (create.c:73): execvp error on file /x/python (No such",
            "a has no /x/python: ",
        ),
        ("[mpiexec@a] ui_cmd_cb (pmiserv_pmci.c:51): Launch proxy failed.\n", "a machine of --hosts was not reached"),
    ],
)
def test_what_a_machine_lacks_is_said(line: str, said: str, tmp_path: Path, capsys: Any) -> None:
    from pellucid.distributed import launch as module

    assert module._verdict(255, line.encode(), tmp_path, 2, "a process of 2") == 255
    assert capsys.readouterr().err.startswith(f"pellucid launch: {said}")


@pytest.mark.parametrize("hosts", ["", "a:x", "a:0", "a:1,", ":4", "a:2,a:2"])
def test_machines_that_do_not_read_so(hosts: str) -> None:
    from pellucid.distributed.launch import LaunchError, machines

    with pytest.raises(LaunchError, match="each machine is named once"):
        machines(hosts)
    assert machines("a:4, b") == {"a": 4, "b": 1}


# Two machines, made of network namespaces: each has its own network, name and memory to share -------------------------


def _command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, timeout=SECONDS)


@pytest.fixture
def two_machines(tmp_path: Path) -> Iterator[tuple[list[str], dict[str, str]]]:
    """Their names, and the environment in which `mpiexec` on the first reaches both."""
    pytest.importorskip("mpi4py", reason="training by several processes needs mpi4py")
    if sys.platform != "linux" or shutil.which("ip") is None or os.geteuid() != 0:
        pytest.skip("machines made of network namespaces need Linux, the command ip, and root")
    mark = os.getpid() % 100000
    hosts, cable = [f"pa{mark}", f"pb{mark}"], [f"va{mark}", f"vb{mark}"]
    reach = tmp_path / "reach"  # which mpiexec calls as ssh: MACHINE COMMAND
    reach.write_text(
        '#!/bin/sh\nwhile [ "${1#-}" != "$1" ]; do shift; done\nhost=$1; shift\n'
        'exec ip netns exec "$host" unshare --uts --ipc sh -c "hostname $host; $*"\n',
        encoding="utf-8",
    )
    reach.chmod(0o755)
    try:
        made = [_command("ip", "netns", "add", name) for name in hosts]
        made.append(_command("ip", "link", "add", cable[0], "type", "veth", "peer", "name", cable[1]))
        if any(done.returncode for done in made):
            pytest.skip(f"network namespaces cannot be made here: {''.join(done.stderr for done in made)}")
        for at, (name, end) in enumerate(zip(hosts, cable, strict=True)):
            Path("/etc/netns", name).mkdir(parents=True)
            Path("/etc/netns", name, "hosts").write_text(
                f"127.0.0.1 localhost\n10.77.0.1 {hosts[0]}\n10.77.0.2 {hosts[1]}\n", encoding="utf-8"
            )
            _command("ip", "link", "set", end, "netns", name, "name", "eth0")
            _command("ip", "-n", name, "addr", "add", f"10.77.0.{at + 1}/24", "dev", "eth0")
            _command("ip", "-n", name, "link", "set", "eth0", "up")
            _command("ip", "-n", name, "link", "set", "lo", "up")
        # Messages go by the network alone: the memory of one machine is not the other's.
        yield hosts, {"HYDRA_LAUNCHER": "ssh", "HYDRA_LAUNCHER_EXEC": str(reach), "UCX_TLS": "tcp,self"}
    finally:
        for name in hosts:
            for left in _command("ip", "netns", "pids", name).stdout.split():  # which waits for the other machine
                with suppress(ProcessLookupError):
                    os.kill(int(left), signal.SIGKILL)
            _command("ip", "netns", "delete", name)
            shutil.rmtree(f"/etc/netns/{name}", ignore_errors=True)


ON_TWO_MACHINES = """
import datetime, socket, subprocess, sys, torch, torch.distributed as dist
dist.init_process_group(timeout=datetime.timedelta(seconds=5))
r, w = dist.get_rank(), dist.get_world_size()
torch.manual_seed(0)
model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(4, 1))
x = torch.randn(8, 4)
(model(x[r::w]) ** 2).mean().backward()
print(r, socket.gethostname(), model.module.weight.grad[0].tolist())
if sys.argv[1:] == ["cut"]:
    dist.barrier()
    if r == 1:
        subprocess.run(["ip", "link", "set", "eth0", "down"], check=True)
    dist.barrier()
"""


@pytest.mark.slow
def test_two_machines_and_a_cable_that_is_cut(two_machines: tuple[list[str], dict[str, str]], tmp_path: Path) -> None:
    hosts, variables = two_machines
    script = tmp_path / "train.py"
    script.write_text(ON_TWO_MACHINES, encoding="utf-8")
    at = [
        "ip",
        "netns",
        "exec",
        hosts[0],
        "unshare",
        "--uts",
        "--ipc",
        "sh",
        "-c",
        f'hostname {hosts[0]}; exec "$@"',
        "",
    ]
    start = [*at, sys.executable, "-m", "pellucid", "launch", "--hosts", f"{hosts[0]}:1,{hosts[1]}:1", str(script)]
    environment = dict(os.environ, PYTHONPATH=str(SRC), **variables)
    done, cut = (
        subprocess.run([*start, *words], env=environment, capture_output=True, text=True, timeout=SECONDS)
        for words in ([], ["cut"])
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    one = launch(1, script)  # the same batch in one process
    _, _, expected = one.stdout.split(" ", 2)
    for rank, line in enumerate(sorted(done.stdout.splitlines())):
        which, host, gradient = line.split(" ", 2)
        assert (which, host) == (str(rank), hosts[rank])
        np.testing.assert_allclose(ast.literal_eval(gradient), ast.literal_eval(expected), rtol=1e-5)
    assert cut.returncode == 1
    assert "has waited for 5 seconds in barrier" in cut.stderr
    assert "mpiexec@" not in cut.stderr


# One process ----------------------------------------------------------------------------------------------------------


def test_a_process_alone_needs_nothing(monkeypatch: Any) -> None:
    import pellucid
    import pellucid.distributed as dist

    monkeypatch.setitem(sys.modules, "mpi4py", None)
    for name in ("RANK", "WORLD_SIZE", "PMI_RANK", "PMI_SIZE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(RuntimeError, match="pellucid launch -n 4"):
        dist.init_process_group("gloo", world_size=4, rank=0)
    with pytest.raises(ValueError, match="rank=2 of world_size=1"):
        dist.init_process_group("gloo", world_size=1, rank=2)
    dist.init_process_group("gloo")
    try:
        assert (dist.get_rank(), dist.get_world_size(), dist.get_backend()) == (0, 1, "gloo")
        found = [pellucid.zeros(2)]
        dist.all_gather(found, pellucid.ones(2))
        assert found[0].tolist() == [1.0, 1.0]
    finally:
        dist.destroy_process_group()


def test_what_to_install_is_said(monkeypatch: Any) -> None:
    import pellucid.distributed as dist

    monkeypatch.setitem(sys.modules, "mpi4py", None)
    for name, value in {"PMI_RANK": "0", "PMI_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.setenv(name, "2" if name == "WORLD_SIZE" else "0")
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "pellucid\[mpi\]"'):
        dist.init_process_group()
    assert not dist.is_initialized()


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"PMI_RANK": "1", "PMI_SIZE": "4", "MPI_LOCALRANKID": "1", "MPI_LOCALNRANKS": "2"}, (1, 4, 1, 2, "mpiexec")),
        (
            {"OMPI_COMM_WORLD_RANK": "3", "OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_LOCAL_RANK": "0"},
            (3, 4, 0, 4, "mpirun of Open MPI"),
        ),
        (
            {
                "SLURM_PROCID": "5", "SLURM_STEP_NUM_TASKS": "6", "SLURM_LOCALID": "1",
                "SLURM_STEP_TASKS_PER_NODE": "2(x3)",
            },
            (5, 6, 1, 2, "srun"),
        ),
        (  # srun --mpi=pmi2, on the third of three machines
            {
                "PMI_RANK": "5", "PMI_SIZE": "7", "SLURM_PROCID": "5", "SLURM_LOCALID": "1", "SLURM_NODEID": "2",
                "SLURM_STEP_TASKS_PER_NODE": "2(x2),3",
            },
            (5, 7, 1, 3, "srun"),
        ),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "6"}, None),  # in a batch script, where no step was started
        ({}, None),
    ],
)  # fmt: skip
def test_launchers(variables: dict[str, str], expected: Any, monkeypatch: Any) -> None:
    from pellucid.distributed import environment

    monkeypatch.setattr(os, "environ", dict(variables))
    assert environment.place() == expected
    environment.complete()
    if expected is not None:
        assert (os.environ["RANK"], os.environ["WORLD_SIZE"]) == (str(expected[0]), str(expected[1]))
        assert os.environ["LOCAL_RANK"] == str(expected[2])
    else:
        assert os.environ == variables


@pytest.mark.parametrize(
    ("variables", "library", "said"),
    [
        ({"PMI_RANK": "0", "PMI_SIZE": "2"}, "Open MPI v5.0.11, package: x", "mpiexec started .* Open MPI v5.0.11. "),
        (
            {"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "2", "PMIX_NAMESPACE": "x"},
            "MPICH Version:      5.0.2\nMPICH Release date: x", "mpirun of Open MPI started .* MPICH 5.0.2. .*pmi2",
        ),
        ({"PMI_RANK": "0", "PMI_SIZE": "2"}, "MPICH Version: 5.0.2", None),
        ({"PMI_RANK": "0", "PMI_SIZE": "2"}, "Intel(R) MPI Library 2021.18", None),
        ({"SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "2"}, "Open MPI v5", None),  # --mpi=none: each is alone
        ({}, "Open MPI v5", None),
    ],
)  # fmt: skip
def test_the_launcher_of_another_library(variables: Any, library: str, said: Any, monkeypatch: Any) -> None:
    from pellucid.distributed import wire

    monkeypatch.setattr(os, "environ", dict(variables))
    if said is None:
        wire._check_launcher(library)
    else:
        with pytest.raises(RuntimeError, match=said):
            wire._check_launcher(library)


def test_the_banner_of_mpiexec_is_kept_from_the_output() -> None:
    from pellucid.distributed import launch as module

    line = b"=" * 83
    banner = (
        line + b"\n=   BAD TERMINATION OF ONE OF YOUR APPLICATION PROCESSES\n=   PID 7 RUNNING AT vm\n"
        b"=   EXIT CODE: 9\n" + line + b"\nYOUR APPLICATION TERMINATED WITH THE EXIT STRING: Killed (signal 9)\n"
        b"This typically refers to a problem.\nPlease see the FAQ page\n"
        b"[proxy:0@a] main (pmip.c:123): demux engine error\n[mpiexec@a] main (mpiexec.c:270): process manager error\n"
    )
    for size in (1, 7, 4096):  # however it is cut on its way
        read, write = os.pipe()
        out_read, out_write = os.pipe()
        text = b"an epoch ===\n[proxy: of the user]\n" + banner + b"the end ="
        for at in range(0, len(text), size):
            os.write(write, text[at : at + size])
        os.close(write)
        ends: list[bytes] = []
        module._forward(os.fdopen(read, "rb", buffering=0), out_write, ends)
        os.close(out_write)
        with os.fdopen(out_read, "rb") as file:
            assert file.read() == b"an epoch ===\n[proxy: of the user]\nthe end ="
        assert b"".join(ends) == banner
