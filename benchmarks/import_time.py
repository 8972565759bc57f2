"""CPU seconds of `import pellucid`, beside those of `import numpy`, each in fresh interpreters, in turns.

python benchmarks/import_time.py [--rounds 15]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
CODE = "import time; start = time.process_time(); import {module}; print(time.process_time() - start)"


def cpu_seconds(module: str) -> float:
    """CPU time of one import in a fresh interpreter."""
    # As installed: with its bytecode on disk, which the first round writes where it may.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(module=module)], capture_output=True, text=True, check=True, env=environment
    )
    return float(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    taken: dict[str, list[float]] = {"numpy": [], "pellucid": []}
    for _ in range(rounds + 1):
        for module, seconds in taken.items():
            seconds.append(cpu_seconds(module))
    # The first round writes the bytecode and fills the disk cache.
    result = {module: round(statistics.median(seconds[1:]), 4) for module, seconds in taken.items()}
    for module, seconds in result.items():
        print(f"import {module:<10} {seconds:.3f} s of CPU (median of {rounds})")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "import_time.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
