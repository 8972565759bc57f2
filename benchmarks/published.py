"""Programs of a folder under PyTorch and under `pellucid run`: whether they print the same, and the CPU time of each.

    python -m benchmarks.published FOLDER [NAME…] [--rounds 3] [--out benchmarks/results/programs.md]

Needs torch. Each `FOLDER/NAME.py` is a program, run as it is, in a process of its own, on one thread, in `FOLDER/run`,
with what lies in `FOLDER/lib` to be imported, and under PyTorch also what lies in `FOLDER/torchlib` (a torchvision,
which pellucid answers by itself). Comments at the head of a program say with which arguments, and where it is from:

    # args: --epochs 1
    # from: owner/repository, path

Rounds are interleaved. All printed numbers are compared but those of seconds; where both were rounded to different last
digits, that alone is no difference. The times are medians over the rounds, the ratio is the median of the rounds'
ratios; "without imports" takes off the time of a process that does no more than the program's imports.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import resource
import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
NUMBER = re.compile(
    r"(?<![\w.])[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.]*\d)(?!\s*(?:s\b|sec|ms\b|min\b|it/s))"
)
LIBRARIES = ("torch", "pellucid")


@dataclass
class Program:
    """One file, and what its runs gave: a list for each library."""

    path: Path
    args: list[str]
    source: str
    printed: list[str] = field(default_factory=lambda: ["", ""])
    whole: list[list[float]] = field(default_factory=lambda: [[], []])
    imports: list[list[float]] = field(default_factory=lambda: [[], []])


def read(path: Path) -> Program:
    """A program, with what the comments at its head say."""
    head = {"args": "", "from": ""}
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        found = re.match(r"#\s*(args|from):\s*(.*)", line)
        if found:
            head[found[1]] = found[2]
    return Program(path, shlex.split(head["args"]), head["from"])


def run(folder: Path, script: Path, args: list[str], pellucid: bool) -> tuple[str, float]:
    """What a program prints, and the CPU seconds that it took. RuntimeError where it fails."""
    start = ["-c", "from pellucid_command import main; main()", "run"] if pellucid else []
    paths = [folder / "lib"] + ([] if pellucid else [folder / "torchlib"]) + [ROOT / "src"]
    environment = {
        **os.environ, **{f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")},
        "PYTHONPATH": os.pathsep.join(map(str, paths)), "MPLBACKEND": "Agg", "PYTHONHASHSEED": "0",
    }  # fmt: skip
    (folder / "run").mkdir(exist_ok=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, *start, str(script), *args],
        capture_output=True, text=True, env=environment, cwd=folder / "run", check=False,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError("\n".join(done.stderr.strip().splitlines()[-4:]))
    return done.stdout, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def only_imports(path: Path) -> str:
    """The imports at the top level of a program."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return "\n".join(ast.unparse(each) for each in tree.body if isinstance(each, ast.Import | ast.ImportFrom))


def numbers(text: str) -> list[str]:
    """The numbers of a text, as they are written, but for seconds."""
    return NUMBER.findall(text)


def _unit(number: str) -> float:
    """The value of one in a number's last digit."""
    digits, _, power = number.lower().partition("e")
    return 10.0 ** (int(power or 0) - len(digits.partition(".")[2]))


def apart(ours: str, theirs: str) -> tuple[float | None, int]:
    """The largest relative difference of two texts' numbers (None where they do not pair), and how many there are."""
    pairs = list(zip(numbers(ours), numbers(theirs), strict=False))
    worst = 0.0
    for a, b in pairs:
        x, y = float(a), float(b)
        beyond = abs(x - y) - 1.01 * max(_unit(a), _unit(b)) if "." in b or "e" in b.lower() else abs(x - y)
        if beyond > 0:
            worst = max(worst, beyond / max(abs(y), 1e-12))
    if len(numbers(ours)) != len(numbers(theirs)):
        return None, len(pairs)
    return worst, len(pairs)


def ratio(program: Program, without_imports: bool) -> float:
    """The median over the rounds of pellucid's time to PyTorch's."""
    found = []
    for at in range(len(program.whole[0])):
        theirs, ours = (
            whole[at] - (imports[at] if without_imports else 0.0)
            for whole, imports in zip(program.whole, program.imports, strict=True)
        )
        found.append(max(ours, 1e-3) / max(theirs, 1e-3))
    return median(found)


def row(program: Program) -> str:
    """The line of the table."""
    difference, compared = apart(program.printed[1], program.printed[0])
    said = "other numbers" if difference is None else f"{difference:.0e}" if difference else "0"
    theirs, ours = (median(times) for times in program.whole)
    return (
        f"| {program.source or program.path.name} | {' '.join(program.args)} | {said} of {compared} | {theirs:.1f} | "
        f"{ours:.1f} | {ratio(program, False):.2f} | {ratio(program, True):.2f} |"
    )


def measure(folder: Path, program: Program, rounds: int) -> None:
    """Run a program under both, as often as asked."""
    with tempfile.TemporaryDirectory() as place:
        start = Path(place) / "imports.py"
        start.write_text(only_imports(program.path) + "\n", encoding="utf-8")
        for _ in range(rounds):
            for at in range(len(LIBRARIES)):
                program.printed[at], seconds = run(folder, program.path, program.args, bool(at))
                program.whole[at].append(seconds)
                program.imports[at].append(run(folder, start, [], bool(at))[1])


HEAD = [
    "| program | arguments | printed numbers apart | torch s | pellucid s | ratio | without imports |",
    "|---|---|---|---|---|---|---|",
]


def main() -> None:
    """Run the programs, and print a line for each and the median."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", help="programs of the folder, all by default")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="also write the table here, as Markdown")
    asked = parser.parse_args()
    folder = asked.folder.resolve()
    programs = [read(path) for path in sorted(folder.glob("*.py")) if not asked.names or path.stem in asked.names]
    if missing := sorted({*asked.names} - {program.path.stem for program in programs}):
        parser.error(f"{folder} has no program {', '.join(missing)}")
    if not programs:
        parser.error(f"there is no program (NAME.py) in {folder}")
    rows = list(HEAD)
    print(*rows, sep="\n", flush=True)
    measured = []
    for program in programs:
        try:
            measure(folder, program, asked.rounds)
        except RuntimeError as failure:
            rows.append(f"| {program.source or program.path.name} | {' '.join(program.args)} | not run | | | | |")
            print(rows[-1], f"\n{program.path.name}: {failure}", flush=True)
            continue
        measured.append(program)
        rows.append(row(program))
        print(rows[-1], flush=True)
    if measured:
        whole, without = (median(ratio(program, way) for program in measured) for way in (False, True))
        rows.append(f"| median of {len(measured)} | | | | | {whole:.2f} | {without:.2f} |")
        print(rows[-1])
    if asked.out:
        begin = (
            "# Published programs, one after the other\n\nBy `python -m benchmarks.published`; CPU seconds, one thread,"
            f" {asked.rounds} rounds.\n\n"
        )
        asked.out.write_text(begin + "\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
