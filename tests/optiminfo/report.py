"""All optimisers and schedules in all cases, as a table, with what differs.

PYTHONPATH=src python -m tests.optiminfo.report [--only NAME] [--all]
"""

import argparse
import sys
import time
from collections import Counter

import torch

import pellucid
from tests.optiminfo import optimizers, schedules
from tests.optiminfo.compare import run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.optiminfo.report", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--only", help="cases whose name contains this")
    parser.add_argument("--all", action="store_true", help="show every difference, not the first three of each")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    differing = 0
    for title, cases in (("optimisers", optimizers.cases(pellucid)), ("schedules", schedules.cases())):
        begin = time.perf_counter()
        right, total, failures = Counter[str](), Counter[str](), dict[str, list[str]]()
        for case in cases:
            if asked.only and asked.only not in case.id:
                continue
            found = run(case)
            total[case.subject] += 1
            right[case.subject] += found is None
            if found is not None:
                failures.setdefault(case.subject, []).append(f"{case.id}: {found}")
        for subject, count in total.items():
            print(f"{subject:<28}{right[subject]:>5} of {count:>4}")
            shown = failures.get(subject, [])
            for line in shown if asked.all else shown[:3]:
                print(f"    {' '.join(line.split())[:300]}")
        print(f"{title}: {right.total()} of {total.total()} cases right, in {time.perf_counter() - begin:.0f} s\n")
        differing += total.total() - right.total()
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
