"""What is said of a program that does not come to its training: its line, and what to do about it."""

from pathlib import Path

import pytest

from pellucid.doctor import examine_script
from pellucid.doctor.text import as_text

PARSER = "import argparse\np = argparse.ArgumentParser()\np.add_argument('--data', required=True)\n"
OF_TORCH = "import torch\n"
UNCALLED = "def fit(w, x):\n    for i in range(9):\n        w -= x\n"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("w = 1\nprint 'loss', w\n", "line 2: print 'loss', w): Missing parentheses"),
        ("for i in xrange(9):\n    pass\n", "line 1: for i in xrange(9):). It seems to be written for Python 2"),
        ("import cPickle\n", "import pickle for cPickle"),
        ("import no_such_package_here\n", "Install it where pellucid is installed"),
        ("import sys\nn = int(sys.argv[1])\n", "pellucid doctor SCRIPT -- ARGS"),
        ("open('rows.csv')\n", "line 1: open('rows.csv')). Files are looked for from"),
        ("import numpy as np\nnp.ones((2, 3)) @ np.ones((2, 3))\n", "line 2: np.ones((2, 3)) @ np.ones((2, 3)))"),
        ("import os\nos.environ['ROWS_ARE_IN']\n", "ROWS_ARE_IN=… pellucid doctor SCRIPT"),
        (PARSER + "p.parse_args()\n", "It says: the following arguments are required: --data. Give it the arguments"),
        (OF_TORCH + "open('rows.csv')\n", "line 2: open('rows.csv')). Files are looked for from"),
        (OF_TORCH + "import pandas\npandas.read_csv('rows.csv')\n", "line 3: pandas.read_csv('rows.csv'))"),
    ],
    ids=["print", "xrange", "cPickle", "module", "argv", "file", "shapes", "environ", "parser", "torch", "library"],
)
def test_what_ends_a_program_is_said_with_its_line(source: str, said: str, tmp_path: Path) -> None:
    program = tmp_path / "train.py"
    program.write_text(source)
    report = examine_script(program)
    assert report.exit_code == 2
    assert said in report.reason
    assert as_text(report).startswith("It could not be run.")


@pytest.mark.parametrize(
    ("source", "said"),
    [("print(1 + 1)\n", "there is no loop in it"), (UNCALLED, "that in fit, line 2: what trains is not called")],
    ids=["none", "uncalled"],
)
def test_a_program_in_which_no_loop_runs(source: str, said: str, tmp_path: Path) -> None:
    program = tmp_path / "train.py"
    program.write_text(source)
    report = examine_script(program)
    assert report.exit_code == 3
    assert said in report.reason


AFTER_TWO = """
import random
theta, last, {name} = random.random(), -90, 0
while {condition}:
    last = {name}
    slope = sum((theta * x - 2 * x - 9) * x for x in range(1, 9)) / 8
    theta = theta - 0.001 * slope
    {name} = sum((theta * x - 2 * x - 9) ** 2 for x in range(1, 9)) / 16
"""


@pytest.mark.parametrize(
    ("condition", "name", "status", "said"),
    [
        ("cost - last > 0.001", "cost", "faults", "`cost - last > 0.001` holds as long as cost rises"),
        ("0.001 < cost - last", "cost", "faults", "`0.001 < cost - last` holds as long as cost rises"),
        ("likelihood - last > 0.001", "likelihood", "inconclusive", "line 4, while likelihood - last > 0.001, ended"),
        ("abs(cost - last) > 50", "cost", "inconclusive", "ended after 2 passes, too few to be compared"),
    ],
)
def test_a_loop_that_ends_as_soon_as_it_learns(
    condition: str, name: str, status: str, said: str, tmp_path: Path
) -> None:
    program = tmp_path / "train.py"
    program.write_text(AFTER_TWO.format(condition=condition, name=name))
    report = examine_script(program)
    assert report.status == status
    assert said in (report.findings[0].explanation if report.findings else report.reason)
    assert not report.findings or (report.findings[0].cause, report.findings[0].line) == ("too-few-updates", 4)


BEHIND = """
w, b, rows = 0.1, 0.1, [(1.0, 0), (2.0, 0), (5.0, 1), (6.0, 1)]
for epoch in range(20):
    dw = db = 0.0
    for x, y in rows:
        d = w * x + b - y
        dw, db = dw + d * x{turn}, db + d
{update}
"""


@pytest.mark.parametrize(
    ("turn", "update", "said"),
    [
        ("", "w = w - 0.01 * dw\nb = b - 0.01 * db\n", "too-few-updates"),
        ("", "    w = w - 0.01 * dw\n    b = b - 0.01 * db\n", None),
        (" * epoch", "w = w - 0.01 * dw\n", None),  # no pass is like another
    ],
    ids=["behind", "in", "another"],
)
def test_updates_behind_the_loop(turn: str, update: str, said: str | None, tmp_path: Path) -> None:
    """Each pass computes the same gradient, and one update is made when the loop is over."""
    program = tmp_path / "train.py"
    program.write_text(BEHIND.format(turn=turn, update=update))
    report = examine_script(program)
    causes = [(finding.cause, finding.line, finding.fix) for finding in report.findings]
    fix = "indent `w = w - 0.01 * dw` and those below it, so that every pass ends with an update"
    assert causes == ([(said, 8, fix)] if said else [])


CAUGHT = """
import numpy as np
x, w = np.ones((8, 3)), np.ones(4)
for step in range(20):
    try:
        w -= 0.1 * x.T @ (x @ w - 1)
    except {which}:
        continue
"""
OF_A_NETWORK = """
import torch
x, net = torch.ones(8, 3), torch.nn.Linear(4, 1)
for step in range(20):
    try:
        net(x).mean().backward()
    except {which} as error:
        print(error)
"""
ELSEWHERE = """
from multiprocessing import Process
def train():
    w = 1.0
    for step in range(100):
        w -= 0.1 * w
if __name__ == "__main__":
    process = Process(target=train)
    process.start()
    process.join()
"""


@pytest.mark.parametrize(
    ("source", "line"),
    [(CAUGHT.format(which=""), 6), (CAUGHT.format(which="Exception"), 6), (OF_A_NETWORK.format(which="Exception"), 6)],
    ids=["bare", "by hand", "network"],
)
def test_an_error_that_is_caught_in_each_pass_is_told(source: str, line: int, tmp_path: Path) -> None:
    program = tmp_path / "train.py"
    program.write_text(source.replace("except :", "except:"))
    report = examine_script(program)
    assert report.exit_code == 2
    assert "an error was caught 20 times and passed over: " in report.reason
    assert f"(train.py, line {line}: {source.splitlines()[line - 1].strip()})" in report.reason


def test_an_error_that_is_caught_now_and_then_is_not_told(tmp_path: Path) -> None:
    program = tmp_path / "train.py"
    program.write_text(
        "for word in 'one', '2', '3', 'four':\n    try:\n        int(word)\n    except ValueError:\n        pass\n"
    )
    report = examine_script(program)
    assert report.exit_code == 3 and "caught" not in report.reason


def test_a_program_that_trains_in_a_process_of_its_own(tmp_path: Path) -> None:
    program = tmp_path / "train.py"
    program.write_text(ELSEWHERE)
    report = examine_script(program)
    assert report.exit_code == 3 and "Process(target=train" in report.reason


LATER = """
import torch
torch.manual_seed(0)
x = torch.randn(200, 2)
y = (x[:, :1] > 0).float()
net = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
for step in range(100):
    loss = torch.nn.functional.binary_cross_entropy_with_logits(net(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step == 79:
        print(accuracy)
"""


@pytest.mark.slow
def test_an_error_behind_the_training_is_told_beside_the_verdict(tmp_path: Path) -> None:
    program = tmp_path / "train.py"
    program.write_text(LATER)
    report = examine_script(program)
    assert report.status == "healthy"
    assert "After 80 steps the program ended with NameError" in report.reason and "line 14" in report.reason


FED = """
import queue, threading
import numpy as np
rows, w = queue.Queue(2), np.zeros(3)
def feed():
    random = np.random.default_rng(0)
    while True:
        x = random.normal(size=(20, 3))
        rows.put((x, x @ [1, 2, 3]))
threading.Thread(target=feed, daemon=True).start()
for step in range(200):
    x, y = rows.get()
    error = x @ w - y
    loss = (error**2).mean()
    w -= 0.1 * 2 * x.T @ error / len(x)
"""


@pytest.mark.slow
def test_a_loop_that_waits_for_a_thread_is_told(tmp_path: Path) -> None:
    program = tmp_path / "train.py"
    program.write_text(FED)
    report = examine_script(program)
    assert report.exit_code == 3 and "the program has another thread" in report.reason


LATER_BY_HAND = """
import random
random.seed(0)
theta, rows = random.random(), [(x, 2 * x + 9) for x in range(1, 9)]
for step in range(400):
    slope = sum((theta * x - y) * x for x, y in rows) / 8
    loss = sum((theta * x - y) ** 2 for x, y in rows) / 16
    theta = theta - 0.01 * slope
    if step == 60:
        print(accuracy)
"""


@pytest.mark.slow
def test_an_error_behind_the_first_passes_of_a_loop_is_told_beside_the_verdict(tmp_path: Path) -> None:
    program = tmp_path / "train.py"
    program.write_text(LATER_BY_HAND)
    report = examine_script(program)
    assert "passes: The program ended with NameError" in report.reason and "line 10" in report.reason
