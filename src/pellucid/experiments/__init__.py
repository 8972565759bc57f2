"""Experiments as functions: what a run is, and how runs are made, gone on with, compared, searched and reported.

The command line calls these and prints; a notebook can do the same:

    from pellucid.experiments import start, resume, read, comparison
    session = start({"dataset": "digits", "epochs": 3}, out=Path("runs/a"))
    session.run()
"""

from pellucid.experiments.comparison import comparison
from pellucid.experiments.config import Config
from pellucid.experiments.errors import UsageError
from pellucid.experiments.replay import first_divergence
from pellucid.experiments.runs import Run, read
from pellucid.experiments.search import Search
from pellucid.experiments.session import Diverged, RunSession, resume, start

__all__ = [
    "Config", "Diverged", "Run", "Search", "RunSession", "UsageError", "comparison", "first_divergence", "read",
    "resume", "start",
]  # fmt: skip
