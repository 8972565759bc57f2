"""How well `pellucid doctor` reads programs that train with a framework: PyTorch's names, or pellucid's.

    python -m benchmarks.doctor [--only GLOB] [--sample K] [--seed S] [--jobs N] [--budget SECONDS] [--append]

As `python -m benchmarks.handwritten`, with the programs of this folder; the results go to
`benchmarks/results/doctor.json` and `doctor.md`.
"""

from pathlib import Path

from benchmarks.handwritten.__main__ import main

HERE = Path(__file__).parent

if __name__ == "__main__":
    main(__doc__ or "", HERE, HERE.parent / "results" / "doctor.json")
