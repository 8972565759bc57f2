"""All benchmarks, one after the other, or those that are named.

    python -m benchmarks [NAME…]

Each is a command of its own, `python -m benchmarks.NAME --help`, and writes what it found to benchmarks/results.
`pip install ".[test,bench]"` has the peers. Let the machine do nothing else meanwhile; all of them take hours.
"""

import argparse
import subprocess
import sys

PARTS = {
    "steps": "whole training steps, beside PyTorch, torch.compile, JAX, NumPy by hand, autograd, MyGrad and tinygrad",
    "scaling": "time as depth, batch and the number of ops grow, beside PyTorch",
    "loader": "batches of a DataLoader, beside NumPy's indexing and PyTorch's",
    "door": "what the way in and out of an op costs",
    "scalar": "pellucid.scalar beside micrograd",
    "examples": "the example programs under PyTorch and under pellucid",
    "learner": "what the Learner costs over a bare loop",
    "import_time": "import pellucid, beside NumPy's",
    "lr_find": "the rates that the finder of learning rates marks, and how they train",
    "playground": "frames and states a second of the playground's page",
    "distributed": "messages and steps of several processes",
    "torch_tables": "PyTorch's own tables of ops, modules, optimisers and schedules",
    "handwritten": "the doctor, on programs written by hand",
    "doctor": "the doctor, on programs of a framework",
}


def main() -> None:
    names = "\n".join(f"    {name:14}{what}" for name, what in PARTS.items())
    parser = argparse.ArgumentParser(
        description=f"{__doc__}\n{names}", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="all by default")
    asked = parser.parse_args()
    if wrong := [name for name in asked.names if name not in PARTS]:
        parser.error(f"no benchmark is named {', '.join(wrong)}; there are:\n{names}")
    failed = []
    for name in asked.names or PARTS:
        print(f"# {name}: {PARTS[name]}", flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode:
            failed.append(name)
    if failed:
        raise SystemExit(f"not measured: {', '.join(failed)}")


if __name__ == "__main__":
    main()
