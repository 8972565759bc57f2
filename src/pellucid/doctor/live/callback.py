"""The doctor as a callback of the Learner."""

from __future__ import annotations

import sys

from pellucid.doctor.report import Report
from pellucid.train import Callback
from pellucid.train.loop import Loop

from .watch import Watch


class Doctor(Callback):
    """Watches a fit, and says at its end what is wrong with it, as `pellucid.doctor.watch` does.

    Args:
        budget: seconds that it may take when the fit is over; see `watch`.
        quiet: print nothing; the report is in `report`.

        doctor = Doctor()
        learner = Learner(model, data, loss, optimizer, callbacks=[doctor])
        learner.fit(5)
        doctor.report
    """

    order = -1000  # before what others set up, so that the forks begin where the fit did
    observes = True

    def __init__(self, budget: float = 60.0, quiet: bool = False) -> None:
        self.budget, self.quiet = budget, quiet
        self.report: Report | None = None
        self._watch: Watch | None = None

    def before_fit(self, learner: Loop) -> None:
        self._watch = Watch(self.budget)
        self.report = self._watch.__enter__()

    def after_fit(self, learner: Loop) -> None:
        watch, self._watch = self._watch, None
        if watch is None or self.report is None:
            return
        error = learner.failure
        watch.__exit__(None if error is None else type(error), error, None if error is None else error.__traceback__)
        if not self.quiet and error is None:
            sys.stdout.write(f"{self.report}\n")
