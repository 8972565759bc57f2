"""All modules of PyTorch's table, or those named, in training and evaluation, float32 and float64.

PYTHONPATH=src python -m tests.moduleinfo.report [nn.LSTM …] [--out benchmarks/results/moduleinfo.json]
"""

import argparse
import importlib
import json
import sys
from pathlib import Path

from tests.moduleinfo.compare import MODULES, cases, run
from tests.opinfo.compare import one_thread
from tests.opinfo.report import write

OUT = Path(__file__).parent.parent.parent / "benchmarks" / "results" / "moduleinfo.json"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.moduleinfo.report", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("names", nargs="*", help="modules: nn.LSTM; all, if none is named")
    parser.add_argument("--out", type=Path, help="where to write the table; not written if modules are named")
    parser.add_argument("--limit", type=int, default=3, help="failures shown of each module (3)")
    parser.add_argument("--subject", default="pellucid", help="the library to compare (`torch` tests the harness)")
    asked = parser.parse_args()
    module = importlib.import_module(asked.subject)
    unknown = [name for name in asked.names if name not in MODULES]
    if unknown:
        parser.error(f"not in PyTorch's table: {', '.join(unknown)}")

    table: dict[str, dict[str, int]] = {}
    for name in asked.names or MODULES:
        info = MODULES[name]
        compared = 0
        failures: list[str] = []
        for dtype, training in cases(info):
            with one_thread():
                outcome = run(info, dtype, training, module)
            compared += outcome.compared
            mode = "train" if training else "eval"
            failures += [f"{dtype} {mode}: {text}" for text in outcome.failures]
        table[name] = {"agree": compared, "differ": len(failures)}
        if failures or asked.names:
            print(f"{name}: {compared} agree, {len(failures)} differ")
            for text in failures[: asked.limit]:
                print("  " + text[:600])
    right = [name for name, counts in table.items() if not counts["differ"]]
    print(f"{len(right)} of {len(table)} modules agree in all their inputs")
    if not asked.names:
        result = {"modules_in_table": len(table), "modules_right": len(right), "by_module": table}
        write(asked.out or OUT, json.dumps(result, indent=1) + "\n")
    return 0 if len(right) == len(table) else 1


if __name__ == "__main__":
    sys.exit(main())
