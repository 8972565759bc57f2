"""The book of a search: which settings are to be tried, which were, and what came of them; Optuna keeps it.

Each trial has an index: its place in the grid, or in the sequence that is drawn. A trial that was cut off is entered
again under the same index, so its run goes on in the same folder.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pellucid.experiments.config import Options
from pellucid.experiments.errors import UsageError
from pellucid.experiments.space import Choices, Space, combinations

SAMPLERS = ("grid", "random", "tpe")
DONE = ("complete", "diverged")


def optuna() -> Any:
    """The library, silent; UsageError with what to install where it is not there."""
    try:
        import optuna as library
    except ImportError:
        raise UsageError(
            'pellucid sweep needs Optuna, which is not installed. Install it with: pip install "pellucid[experiments]"'
        ) from None
    library.logging.set_verbosity(library.logging.ERROR)
    return library


def plan(space: Space, sampler: str, trials: int, seed: int) -> list[Options]:
    """The settings of each trial, in order; empty for a sampler that learns from the trials before it."""
    if sampler == "grid":
        return combinations(space)
    if sampler == "tpe":
        return []
    library = optuna()
    study = library.create_study(sampler=library.samplers.RandomSampler(seed=seed))
    return [_short(study.ask(distributions(space)).params, space) for _ in range(trials)]


class Study:
    """The trials of a sweep, kept in `path` from the moment that they are given out.

    Args:
        path: the file; it is made, or read and gone on with.
        space: what each setting may be.
        planned: the settings of each trial, in order; or empty, and `sampler` finds them as it goes.
        trials: how many there are to be in all.
        maximise: whether the greater value is the better one.
        seed: of the sampler.
    """

    def __init__(
        self, path: Path, space: Space, planned: list[Options], trials: int, maximise: bool, seed: int
    ) -> None:
        self.space, self.planned, self.trials, self.seed = space, planned, trials, seed
        library = self._library = optuna()
        _drop_torn_line(path)
        with silent(library):
            journal = library.storages.journal
            # On Windows, links need rights that not everybody has.
            lock = journal.JournalFileOpenLock(str(path)) if os.name == "nt" else None
            self._study = library.create_study(
                storage=library.storages.JournalStorage(journal.JournalFileBackend(str(path), lock_obj=lock)),
                study_name="sweep",
                direction="maximize" if maximise else "minimize",
                load_if_exists=True,
            )
            self._take_up()
        self._open: dict[int, Any] = {}

    def _take_up(self) -> None:
        """Enter what is to be tried and is not waiting: what is new, and what was cut off."""
        state = self._library.trial.TrialState
        own = self._study.get_trials(deepcopy=False)
        for trial in own:
            if trial.state == state.RUNNING:
                self._study.tell(trial.number, state=state.FAIL)
        settled = {
            t.user_attrs["index"] for t in own if t.user_attrs.get("outcome") in DONE or t.state == state.WAITING
        }
        known = dict(enumerate(self.planned)) or {
            trial.user_attrs["index"]: trial.params for trial in own if "index" in trial.user_attrs
        }
        for index, params in sorted(known.items()):
            if index < self.trials and index not in settled:
                self._study.enqueue_trial(params, user_attrs={"index": index})

    def give_out(self) -> Iterator[tuple[int, Options]]:
        """The trials that are not done, one after the other: index and settings."""
        taken = len({t.user_attrs["index"] for t in self._study.get_trials(deepcopy=False) if "index" in t.user_attrs})
        state = self._library.trial.TrialState
        while True:
            waiting = self._study.get_trials(deepcopy=False, states=(state.WAITING,))
            if not waiting and (self.planned or taken >= self.trials):
                return
            with silent(self._library):
                if not waiting:
                    # A sampler draws from where its seed begins: each trial has one of its own, or all would be alike.
                    self._study.sampler = self._library.samplers.TPESampler(seed=self.seed + taken)
                trial = self._study.ask(distributions(self.space))
                if "index" not in trial.user_attrs:
                    trial.set_user_attr("index", taken)
                    taken += 1
            index = trial.user_attrs["index"]
            self._open[index] = trial
            yield index, trial.params

    def tell(self, index: int, outcome: str, value: float | None = None, message: str = "") -> None:
        """What came of a trial: the value counts where it is complete, and only "complete" and "diverged" are done."""
        trial = self._open.pop(index)
        trial.set_user_attr("outcome", outcome)
        if message:
            trial.set_user_attr("message", message)
        if value is not None and math.isfinite(value):
            self._study.tell(trial, value)
        else:
            self._study.tell(trial, state=self._library.trial.TrialState.FAIL)

    def records(self) -> list[dict[str, Any]]:
        """Every trial by its index: `index`, `params`, `value` (None unless complete), `state`, `message`."""
        latest = {
            trial.user_attrs["index"]: trial
            for trial in self._study.get_trials(deepcopy=False)
            if "index" in trial.user_attrs
        }
        waiting = self._library.trial.TrialState.WAITING
        return [
            {
                "index": index,
                "params": dict(trial.system_attrs.get("fixed_params") or trial.params),
                "value": trial.value if trial.state.is_finished() else None,
                "state": "waiting" if trial.state == waiting else trial.user_attrs.get("outcome", "stopped"),
                "message": trial.user_attrs.get("message", ""),
            }
            for index, trial in sorted(latest.items())
        ]


def distributions(space: Space) -> dict[str, Any]:
    kinds = optuna().distributions
    result: dict[str, Any] = {}
    for name, values in space.items():
        if isinstance(values, Choices):
            result[name] = kinds.CategoricalDistribution(values.values)
        else:
            kind = kinds.IntDistribution if isinstance(values.low, int) else kinds.FloatDistribution
            result[name] = kind(values.low, values.high, log=values.log)
    return result


def _short(params: Options, space: Space) -> Options:
    """Four digits are enough to draw from, and can be read and typed."""
    result = dict(params)
    for name, value in params.items():
        values = space[name]
        if isinstance(value, float) and not isinstance(values, Choices):
            result[name] = min(max(float(f"{value:.4g}"), values.low), values.high)
    return result


@contextmanager
def silent(library: Any) -> Iterator[None]:
    """Without the warnings that parts of Optuna are experimental: they are for who calls it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", library.exceptions.ExperimentalWarning)
        yield


def _drop_torn_line(path: Path) -> None:
    """Take away what a kill left of the journal's last line: the next would be written into the midst of it."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(path, whole)
