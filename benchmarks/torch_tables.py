"""PyTorch's own tables of tests, all of them, on pellucid: how many ops, modules, optimisers and schedules are right.

    python -m benchmarks.torch_tables [--out benchmarks/results/torch_tables.md]

Needs torch. Each table is run by its own report (`tests.opinfo.report`, `tests.moduleinfo.report`,
`tests.optiminfo.report`), which says what differs; here are the counts alone. About six minutes of CPU time.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def report(module: str, *options: str) -> str:
    """What a report prints."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-m", f"tests.{module}.report", *options]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False).stdout


def counted(pattern: str, text: str) -> tuple[int, int]:
    """The two numbers that a report ends with, by the words around them."""
    found = re.search(pattern, text)
    if found is None:
        raise RuntimeError(f"a report does not say {pattern!r}: {text[-500:]}")
    return int(found[1]), int(found[2])


def ops(jobs: int) -> tuple[dict[str, int], str]:
    """What the report on ops counted, and its lines."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "ops.json"
        said = report("opinfo", "--jobs", str(jobs), "--out", str(out))
        found = json.loads(out.read_text(encoding="utf-8"))
    return {name: found[name] for name in ("ops_in_table", "ops_compared", "samples_differing")}, said


def main() -> None:
    """Run the reports, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, help="also write the table here, as Markdown")
    asked = parser.parse_args()
    modules = counted(r"(\d+) of (\d+) modules", report("moduleinfo"))
    others = report("optiminfo")
    optimisers = counted(r"optimisers: (\d+) of (\d+)", others)
    schedules = counted(r"schedules: (\d+) of (\d+)", others)
    found, said = ops(asked.jobs)
    apart = found["samples_differing"]
    samples = re.findall(r"^  (\w+) +([\d,]+)   differing +([\d,]+)$", said, re.MULTILINE)
    rows = [
        "| PyTorch's table | entries | here |",
        "|---|---|---|",
        f"| `op_db`: ops that are here ({apart} samples differ) | {found['ops_in_table']} | {found['ops_compared']} |",
        f"| `module_db`: modules right in all their inputs | {modules[1]} | {modules[0]} |",
        f"| `optim_db`: cases | {optimisers[1]} | {optimisers[0]} |",
        f"| schedules: cases | {schedules[1]} | {schedules[0]} |",
        "",
        "| kind of sample of `op_db` | compared | differing |",
        "|---|---|---|",
        *(f"| {kind} | {count} | {differing} |" for kind, count, differing in samples),
    ]
    print(*rows, sep="\n")
    if asked.out:
        before = asked.out.read_text(encoding="utf-8") if asked.out.exists() else ""
        by_hand = before[before.find("\n## ") :] if "\n## " in before else ""  # measured otherwise, and kept
        begin = "# PyTorch's own tables\n\nBy `python -m benchmarks.torch_tables`.\n\n"
        asked.out.write_text(begin + "\n".join(rows) + "\n" + by_hand, encoding="utf-8")


if __name__ == "__main__":
    main()
