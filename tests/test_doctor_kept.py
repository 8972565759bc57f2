"""What a fork of the doctor writes: it finds it again, and on the disk nothing changes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BEGIN = """import bz2, glob, gzip, os, shutil, tarfile, tempfile
from pathlib import Path
import numpy as np
from pellucid.doctor.process.kept import keep
keep()
"""
DONE = """
os.write(1, b"done")
"""
PROGRAMS = {
    "texts": """
with open("a.txt", "w") as file:
    file.write("one\\n")
with open("a.txt", "a") as file:
    file.write("zwö\\n")
assert open("a.txt").read() == "one\\nzwö\\n" and Path("a.txt").read_bytes() == "one\\nzwö\\n".encode()
assert os.path.getsize("a.txt") == 9 and os.path.isfile("a.txt") and not os.path.isdir("a.txt")
""",
    "what was there": """
with open("there.txt", "a") as file:
    file.write("more")
assert open("there.txt").read() == "as it was, more"
with open("there.txt", "r+") as file:
    file.write("AS")
assert open("there.txt").read() == "AS it was, more"
try:
    open("there.txt", "x")
    raise SystemExit("it is there")
except FileExistsError:
    pass
""",
    "folders": """
os.makedirs("runs/1")
os.makedirs("runs/1", exist_ok=True)
Path("runs/2").mkdir()
np.save("runs/1/w.npy", np.arange(6))
np.savetxt("runs/1/w.csv", np.arange(3.0))
np.savez("runs/1/both.npz", a=np.ones(2), b=np.zeros(3))
assert np.load("runs/1/w.npy").sum() == 15 and np.loadtxt("runs/1/w.csv").sum() == 3
assert np.load("runs/1/both.npz")["a"].sum() == 2
assert sorted(os.listdir("runs/1")) == ["both.npz", "w.csv", "w.npy"] and sorted(os.listdir("runs")) == ["1", "2"]
assert glob.glob("runs/*/*.npy") == ["runs/1/w.npy"] and list(Path("runs").rglob("*.csv")) == [Path("runs/1/w.csv")]
assert sorted(os.listdir(".")) == ["old", "runs", "there.txt", "train.py"]
shutil.rmtree("runs")
assert not os.path.exists("runs") and glob.glob("runs/*") == []
""",
    "packed ones": """
for kind in (gzip, bz2):
    with kind.open("t.z", "wt") as file:
        file.write("text")
    assert kind.open("t.z", "rt").read() == "text"
with tarfile.open("all.tar", "w") as file:
    file.add("there.txt")
assert tarfile.open("all.tar").getnames() == ["there.txt"]
""",
    "emptied": """
assert open("old/1/a.txt").read() == "a"
shutil.rmtree("old")
assert not os.path.exists("old") and not os.path.exists("old/1/a.txt") and "old" not in os.listdir(".")
os.makedirs("old/1")
assert os.listdir("old/1") == [] and not os.path.exists("old/1/a.txt") and os.path.isdir("old")
Path("old/1/a.txt").write_text("b")
assert open("old/1/a.txt").read() == "b" and os.listdir("old") == ["1"]
""",
    "within a folder that is open": """
Path("a.txt").write_text("longer than one letter")
within = os.open("old/1", os.O_RDONLY)
assert os.stat("a.txt", dir_fd=within).st_size == 1 and os.stat("a.txt").st_size == 22
os.mkdir("made", dir_fd=within)
""",
    "moved and removed": """
with open("new.txt", "w") as file:
    file.write("new")
os.replace("new.txt", "there.txt")
assert open("there.txt").read() == "new" and not os.path.exists("new.txt")
shutil.copy("there.txt", "copy.txt")
assert open("copy.txt").read() == "new"
os.remove("there.txt")
assert not os.path.exists("there.txt") and "there.txt" not in os.listdir(".")
for read in (lambda: open("there.txt"), lambda: os.stat("there.txt"), lambda: os.remove("there.txt")):
    try:
        read()
        raise SystemExit("it is gone")
    except FileNotFoundError:
        pass
""",
    "descriptors": """
def sync(file):
    os.fsync(file.fileno())
sync.__code__ = sync.__code__.replace(co_filename=os.__file__)  # as a library does
import fcntl, mmap
with open("log.txt", "w") as file:
    file.write("a line")
    file.flush()
    sync(file)
    fcntl.flock(file, fcntl.LOCK_EX)
    assert os.fstat(file.fileno()).st_size == 6
Path("a.txt").write_text("")
assert max(glob.glob("*.txt"), key=os.path.getmtime) == "a.txt" and os.path.getctime("a.txt") > 1e9
try:
    from PIL import Image
except ImportError:
    os.write(1, b"done")
    os._exit(0)
Image.new("L", (4, 4), 7).save("a.png")
shutil.copyfile("a.png", "b.png")
assert Image.open("b.png").getpixel((1, 1)) == 7
with open("log.txt", "r+b") as file:
    with mmap.mmap(file.fileno(), 0) as memory:
        memory[:1] = b"A"
        assert memory[:] == b"A line" and Path("log.txt").read_text() == "A line"
""",
    "written past Python": """
import resource
limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
np.arange(4.0).tofile("w.bin")
with open("both.bin", "wb") as file:
    file.write(b"head")
    np.arange(2, dtype="u1").tofile(file)
    file.write(b"tail")
assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == 0
assert Path("both.bin").read_bytes() == b"head\\0\\1tail"
assert np.fromfile("w.bin").tolist() == [0, 1, 2, 3] and os.path.getsize("w.bin") == 32
with open("w.bin", "rb") as file:
    assert np.fromfile(file, count=2).tolist() == [0, 1] and file.tell() == 16
""",
    "mapped": """
new = np.memmap("w.dat", dtype="float32", mode="w+", shape=(2, 3))
new[1] = 7
new.flush()
assert np.memmap("w.dat", dtype="float32", mode="r").sum() == 21 and np.fromfile("w.dat", "float32")[3] == 7
again = np.memmap("w.dat", dtype="float32", mode="r+", shape=(3, 3))
again[2] = 1
assert np.memmap("w.dat", dtype="float32", mode="c", shape=(3, 3)).sum() == 24 and os.path.getsize("w.dat") == 36
saved = np.lib.format.open_memmap("w.npy", mode="w+", dtype="int64", shape=(4,))
saved[:] = 3
assert np.load("w.npy").sum() == 12 and np.load("w.npy", mmap_mode="r+")[0] == 3
there = np.memmap("there.txt", dtype="u1", mode="r+")
there[0] = ord("A")
assert open("there.txt").read() == "As it was, "
if not os.fork():
    new[:] = 0
    os._exit(0)
os.wait()
assert new[1, 0] == 7
""",
    "databases": """
import sqlite3, shelve
db = sqlite3.connect("runs.db")
db.execute("create table log (epoch integer, loss real)")
db.executemany("insert into log values (?, ?)", [(0, 2.0), (1, 1.0)])
db.commit()
assert os.path.exists("runs.db") and sqlite3.connect("runs.db").execute("select sum(loss) from log").fetchone() == (3,)
db.close()
assert sqlite3.connect("file:runs.db?mode=ro", uri=True).execute("select count(*) from log").fetchone() == (2,)
os.remove("runs.db")
assert sqlite3.connect("runs.db").execute("select count(*) from sqlite_master").fetchone() == (0,)
with shelve.open("store") as store:
    store["w"] = np.ones(3)
with shelve.open("store", "r") as store:
    assert store["w"].sum() == 3
""",
    "temporary ones": """
folder = tempfile.mkdtemp()
(Path(folder) / "x.txt").write_text("x")
assert os.listdir(folder) == ["x.txt"] and (Path(folder) / "x.txt").read_text() == "x"
with tempfile.NamedTemporaryFile("w", delete=False) as file:
    file.write("8")
assert open(file.name).read() == "8" and os.path.exists(file.name)
with tempfile.TemporaryDirectory() as other:
    Path(other, "y").write_text("y")
assert not os.path.exists(os.path.join(other, "y"))
os.write(1, f"{folder} {file.name} ".encode())
""",
}


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are not there on Windows")
@pytest.mark.parametrize("name", PROGRAMS)
def test_what_is_written_is_found_again_and_the_disk_is_as_it_was(name: str, tmp_path: Path) -> None:
    (tmp_path / "there.txt").write_text("as it was, ")
    (tmp_path / "old" / "1").mkdir(parents=True)
    (tmp_path / "old" / "1" / "a.txt").write_text("a")
    (tmp_path / "train.py").write_text(BEGIN + PROGRAMS[name] + DONE, encoding="utf-8")
    command = [sys.executable, "-B", "train.py"]
    ran = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert ran.stdout.endswith("done"), ran.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old", "there.txt", "train.py"]
    assert (tmp_path / "old" / "1" / "a.txt").read_text() == "a"
    assert (tmp_path / "there.txt").read_text() == "as it was, "
    assert not any(Path(said).exists() for said in ran.stdout.split() if said != "done")


WORKERS = """import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.randn(400, 4)
y = (x[:, 0] > 0).long()
loader = DataLoader(TensorDataset(x, y), 40, shuffle=True, num_workers=2, persistent_workers=True)
net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
for epoch in range(10):
    for rows, labels in loader:
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(rows), labels).backward()
        optimizer.step()
"""
STARTS = """import subprocess, sys
from pellucid.doctor.process.sandbox import isolate
said = sys.stdout
isolate()
assert subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip() == ""
assert subprocess.check_output(["touch", "made"]) == b"" and subprocess.call("touch made", shell=True) == 0
with subprocess.Popen(["touch", "made"], stdout=subprocess.PIPE) as one:
    assert one.stdout.read() == b"" and one.wait(3) == one.poll() == 0
print("done", file=said)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are not there on Windows")
def test_a_program_that_a_fork_would_start_is_not_started_and_says_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STARTS]
    ran = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert ran.stdout == "done\n", ran.stderr
    assert list(tmp_path.iterdir()) == []


LOCKS = """import multiprocessing, threading
from pellucid.doctor.process.locks import within_the_process
within_the_process()
lock, again, count = multiprocessing.Lock(), multiprocessing.RLock(), multiprocessing.BoundedSemaphore(2)
with lock, again, again:
    assert not lock.acquire(block=False) and again.acquire()
    again.release()
assert lock.acquire(timeout=1)
lock.release()
for refused in (lock, again):
    try:
        refused.release()
        raise SystemExit("it is free")
    except (ValueError, AssertionError):
        pass
assert count.acquire() and count.acquire() and not count.acquire(timeout=0.01)
queue, event = multiprocessing.Queue(), multiprocessing.Event()
threading.Thread(target=lambda: (queue.put([1, 2]), event.set())).start()
assert queue.get(timeout=20) == [1, 2] and event.wait(20)
with multiprocessing.Value("i", 3) as value:
    pass
print("done")
"""


def test_locks_within_a_process() -> None:
    ran = subprocess.run([sys.executable, "-c", LOCKS], env=environment(), capture_output=True, text=True, check=False)
    assert ran.stdout == "done\n", ran.stderr


SAVES = """import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(400, 4)
y = (x[:, 0] > 0).long()
net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
best = float("inf")
for epoch in range(10):
    for i in range(0, 400, 40):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x[i : i + 40]), y[i : i + 40])
        loss.backward()
        optimizer.step()
    if loss.item() < best:
        best = loss.item()
        torch.save(net.state_dict(), "best.pt")
    net.load_state_dict(torch.load("best.pt"))
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are not there on Windows")
@pytest.mark.parametrize("source", [SAVES, WORKERS], ids=["saves its best weights", "loads by workers"])
def test_a_training_is_seen_to_its_end(source: str, tmp_path: Path) -> None:
    """Once, for the doctor, the first ended where it saved for the first time, and the second did not begin."""
    (tmp_path / "train.py").write_text(source)
    command = [sys.executable, "-m", "pellucid", "doctor", "train.py", "--json", "said.json"]
    subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, check=False)
    report = json.loads((tmp_path / "said.json").read_text())
    assert report["status"] == "healthy" and report["facts"]["run"]["steps"] == 100
    assert sorted(path.name for path in tmp_path.iterdir()) == ["said.json", "train.py"]
