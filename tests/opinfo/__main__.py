"""Compare single ops from the command line.

PYTHONPATH=src python -m tests.opinfo tanh cat nn.functional.conv2d
PYTHONPATH=src python -m tests.opinfo cat --dtype float32 --kind forward --limit 20 --trace
PYTHONPATH=src python -m tests.opinfo --missing          what PyTorch's table has and pellucid lacks
PYTHONPATH=src python -m tests.opinfo --all              a line per op, failures only
"""

import argparse
import importlib
import sys
from collections import Counter

from tests.opinfo.compare import KINDS, cases, gist, one_thread, run
from tests.opinfo.ops import function_of, op_db, shared_ops


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.opinfo", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("names", nargs="*", help="op names: tanh, linalg.norm, nn.functional.relu")
    parser.add_argument("--dtype", action="append", help="only this dtype (may be given again)")
    parser.add_argument("--kind", action="append", choices=KINDS, help="only this kind (may be given again)")
    parser.add_argument("--limit", type=int, default=3, help="failures shown per dtype and kind, each sort once (3)")
    parser.add_argument("--trace", action="store_true", help="with the traceback of each exception")
    parser.add_argument("--all", action="store_true", help="every op that both have")
    parser.add_argument("--missing", action="store_true", help="list the ops that pellucid lacks")
    parser.add_argument("--subject", default="pellucid", help="the library to compare (`torch` tests the harness)")
    asked = parser.parse_args()
    module = importlib.import_module(asked.subject)

    if asked.missing:
        missing = dict.fromkeys(op.name for op in op_db() if function_of(op, module) is None)
        print(*missing, sep="\n")
        return 0
    ops = shared_ops(module) if asked.all else []
    for name in asked.names:
        named = [op for op in op_db() if name in (op.name, op.full_name, op.name.split(".")[-1])]
        named = named or [op for op in op_db() if name in [alias.name for alias in op.aliases]]
        have = [op for op in named if function_of(op, module) is not None]
        if not have:
            print(f"{name}: " + ("not in PyTorch's op_db" if not named else f"{asked.subject} has no such op"))
        ops += have

    failed = 0
    for op in ops:
        compared: Counter[str] = Counter()
        skipped: Counter[str] = Counter()
        lines: list[str] = []
        told: set[str] = set()
        for dtype, kind in cases(op):
            if (asked.dtype and dtype not in asked.dtype) or (asked.kind and kind not in asked.kind):
                continue
            with one_thread():
                outcome = run(op, dtype, kind, module, asked.trace)
            compared[kind] += outcome.compared
            skipped += outcome.skipped
            if outcome.failures:
                failed += 1
                lines.append(f"  {dtype} {kind}: {len(outcome.failures)} failed, {outcome.compared} agree")
                new = {gist(text): text for text in reversed(outcome.failures) if gist(text) not in told}
                lines += [f"    {text}" for text in list(new.values())[::-1][: asked.limit]]
                told |= new.keys()
        if lines or not asked.all:
            counts = ", ".join(f"{kind} {count}" for kind, count in compared.items())
            print(f"{op.full_name}: " + ("FAILED" if lines else "ok") + f" ({counts})", *lines, sep="\n")
            if skipped and not asked.all:
                print("  skipped: " + "; ".join(f"{count} × {reason}" for reason, count in skipped.items()))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
