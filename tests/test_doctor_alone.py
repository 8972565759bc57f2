"""Programs that work by pools, threads and other processes, or end without a word: they are seen all the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are not there on Windows")


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"}


POOLS = """import os, sys
from pellucid.doctor.process.sandbox import by_itself, quiet
from concurrent.futures import ThreadPoolExecutor as before
import concurrent.futures, multiprocessing, multiprocessing.pool, asyncio
quiet()
by_itself()
here = os.getpid()

def who(value, more=0):
    value[0] += 1
    return value[0] + more, os.getpid() == here

def fails(value):
    raise ValueError(value)

told, rows = [], [[1], [2]]
with multiprocessing.Pool(2, initializer=told.append, initargs=(1,)) as pool:
    assert pool.map(who, rows) == [(2, True), (3, True)] and rows == [[1], [2]] and told == [1]
    assert [*pool.imap(who, rows, chunksize=2)] == [*pool.imap_unordered(who, rows)] == pool.map_async(who, rows).get()
    assert pool.starmap(who, [([1], 5)]) == [(7, True)] and pool.apply(who, ([1],), {"more": 1}) == (3, True)
    assert pool.starmap_async(who, [([1], 5)]).get(3) == [(7, True)]
    failed = pool.apply_async(fails, (3,), error_callback=lambda error: told.append(str(error)))
    assert failed.ready() and not failed.successful() and told == [1, "3"]
    assert pool.apply_async(who, ([1],), callback=told.append).wait() is None and told[2] == (2, True)
    try:
        failed.get()
        raise SystemExit("it has failed")
    except ValueError:
        pass
multiprocessing.pool.ThreadPool(2).close()
multiprocessing.get_context("spawn").Pool(2).terminate()
for kind, changed in ((concurrent.futures.ProcessPoolExecutor, 1), (concurrent.futures.ThreadPoolExecutor, 2)):
    with kind(2) as pool:
        value = [1]
        assert pool.submit(who, value).result() == (2, True) and value == [changed]
        assert isinstance(pool.submit(fails, 3).exception(), ValueError)
        assert [*pool.map(who, [[1], [2]])] == [(2, True), (3, True)]
async def main():
    return await asyncio.get_running_loop().run_in_executor(None, who, [1])
assert asyncio.run(main()) == (2, True)
"""
JOBS = """
joblib = __import__("joblib")
assert joblib.Parallel(n_jobs=2)(joblib.delayed(who)([i]) for i in range(2)) == [(1, True), (2, True)]
"""
DONE = """
print("done")
"""


@forks
def test_pools_answer_in_the_process_itself() -> None:
    command = [sys.executable, "-c", POOLS + DONE]
    ran = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert ran.stdout == "done\n", ran.stderr


@forks
def test_jobs_of_joblib_are_done_in_the_process_itself() -> None:
    pytest.importorskip("joblib")
    command = [sys.executable, "-c", POOLS + JOBS + DONE]
    ran = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert ran.stdout == "done\n", ran.stderr


ENDS = """import os, sys
from pellucid.doctor.process.endings import own
own()
if not os.fork():
    os._exit(3)
assert os.waitstatus_to_exitcode(os.wait()[1]) == 3
try:
    os._exit(5)
except SystemExit as error:
    print("done", error.code)
"""


@forks
def test_a_program_that_ends_its_process_ends_the_program_alone() -> None:
    command = [sys.executable, "-c", ENDS]
    ran = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert ran.stdout == "done 5\n", ran.stderr


NETWORK = """import os, threading
import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(400, 2)
y = ((x**2).sum(1) < 1.4).long()
net = nn.Sequential(nn.Linear(2, 24), nn.ReLU(), nn.Linear(24, 2))
optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)


def train(rank=0):
    for epoch in range(20):
        for i in range(0, 400, 40):
            loss = nn.functional.cross_entropy(net(x[i : i + 40]), y[i : i + 40])
            loss.backward()
            optimizer.step()


"""
BY_HAND = """import numpy as np

rng = np.random.default_rng(0)
x = rng.normal(size=(400, 2))
y = ((x**2).sum(1) < 1.4).astype(float).reshape(-1, 1)
w1, b1 = rng.normal(size=(2, 16)) * 0.7, np.zeros((1, 16))
w2, b2 = rng.normal(size=(16, 1)) * 0.3, np.zeros((1, 1))


def gradients(w1, b1, w2, b2):
    h = np.tanh(x @ w1 + b1)
    p = 1 / (1 + np.exp(-(h @ w2 + b2)))
    loss = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
    dz = (p - y) / len(x)
    dh = dz @ w2.T * (1 + h**2)
    return loss, x.T @ dh, dh.sum(0, keepdims=True), h.T @ dz, dz.sum(0, keepdims=True)


"""
PROGRAMS = {
    "a thread that trains": (NETWORK + "thread = threading.Thread(target=train)\nthread.start()\nthread.join()\n", 17),
    "a process that is started for it": (
        NETWORK + 'if __name__ == "__main__":\n    torch.multiprocessing.spawn(train, nprocs=1)\n',
        17,
    ),
    "the end of the process": (NETWORK + "train()\nos._exit(0)\n", 17),
    "a pool that was there before the loop": (
        BY_HAND
        + """if __name__ == "__main__":
    from multiprocessing import Pool

    pool = Pool(2)
    for epoch in range(400):
        loss, dw1, db1, dw2, db2 = pool.starmap(gradients, [(w1, b1, w2, b2)])[0]
        w1, b1, w2, b2 = w1 - 0.5 * dw1, b1 - 0.5 * db1, w2 - 0.5 * dw2, b2 - 0.5 * db2
""",
        15,
    ),
    "a pool of threads that trains": (
        BY_HAND
        + """from concurrent.futures import ThreadPoolExecutor


def train():
    global w1, b1, w2, b2
    for epoch in range(400):
        loss, dw1, db1, dw2, db2 = gradients(w1, b1, w2, b2)
        w1, b1, w2, b2 = w1 - 0.5 * dw1, b1 - 0.5 * db1, w2 - 0.5 * dw2, b2 - 0.5 * db2


with ThreadPoolExecutor(1) as pool:
    pool.submit(train).result()
""",
        15,
    ),
}


@pytest.mark.slow
@forks
@pytest.mark.parametrize("name", PROGRAMS)
def test_what_trains_is_found(name: str, tmp_path: Path) -> None:
    source, line = PROGRAMS[name]
    (tmp_path / "train.py").write_text(source)
    command = [sys.executable, "-m", "pellucid", "doctor", "train.py", "--json", "said.json"]
    subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, check=False)
    report = json.loads((tmp_path / "said.json").read_text())
    found = [(finding["cause"], finding["line"]) for finding in report["findings"]]
    cause = "missing-zero-grad" if source.startswith(NETWORK) else "wrong-backward"
    assert found and found[0][0] == cause and abs(found[0][1] - line) <= 1, report


TIMED = BY_HAND.replace("(1 + h**2)", "(1 - h**2)") + (
    """import time
end = time.time() + 1.5
while time.time() < end:
    loss, dw1, db1, dw2, db2 = gradients(w1, b1, w2, b2)
    w1, b1, w2, b2 = w1 - 400 * dw1, b1 - 400 * db1, w2 - 400 * dw2, b2 - 400 * db2
    time.sleep(0.001)
"""
)
CLOCK = """import time
from pellucid.doctor.process import own_time
from pellucid.doctor.process.sandbox import by_itself
before, real = time.time(), time.monotonic
by_itself()
own_time.stand_still()
stood = time.time()
until = real() + 0.3
while real() < until:
    pass
assert time.time() == stood and abs(stood - before) < 1 and abs(time.time_ns() - 1e9 * stood) < 1e6
own_time.go_on()
time.sleep(7)
assert 7 <= time.time() - stood < 7.2
print("done")
"""


@forks
def test_the_clock_of_a_program_stands_still_while_the_doctor_works() -> None:
    command = [sys.executable, "-c", CLOCK]
    ran = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert ran.stdout == "done\n", ran.stderr


BY_ANOTHER_WAY = """import importlib, sys
sys.path.append("lib")
importlib.import_module("trainer").train()
"""


@pytest.mark.slow
@forks
def test_a_training_by_the_clock_is_seen_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(TIMED)
    command = [sys.executable, "-m", "pellucid", "doctor", "train.py", "--json", "said.json"]
    subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, check=False)
    report = json.loads((tmp_path / "said.json").read_text())
    assert [finding["cause"] for finding in report["findings"]][:1] == ["lr-too-high"], report


@pytest.mark.slow
@forks
def test_a_framework_that_is_met_on_the_way_is_examined_as_one(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "trainer.py").write_text(NETWORK)
    (tmp_path / "train.py").write_text(BY_ANOTHER_WAY)
    command = [sys.executable, "-m", "pellucid", "doctor", "train.py", "--json", "said.json"]
    subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, check=False)
    report = json.loads((tmp_path / "said.json").read_text())
    assert [finding["cause"] for finding in report["findings"]][:1] == ["missing-zero-grad"], report
