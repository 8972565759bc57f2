"""A search that several machines do together: its book is in a storage of Optuna's that all of them reach.

Workers come and go. Each takes the next trial that is waiting, which the storage gives to a single one, and writes a
sign of life on it now and then. A trial whose signs stay away is entered again, by whoever has nothing else to do.
"""

from __future__ import annotations

import json
import math
import re
import threading
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

from pellucid.experiments.config import Options
from pellucid.experiments.errors import UsageError
from pellucid.experiments.space import Space
from pellucid.experiments.study import DONE, distributions, optuna, silent

__all__ = ["SharedStudy", "open_storage", "without_password"]


def open_storage(where: str) -> Any:
    """The storage that a text names: a database by its URL, or the path of a journal that all machines see.

    Raises UsageError where it cannot be opened.
    """
    library = optuna()
    if "://" not in where:
        journal = library.storages.journal
        return library.storages.JournalStorage(journal.JournalFileBackend(where.removeprefix("journal:")))
    url = where
    if re.match(r"postgres(ql)?://", url) and find_spec("psycopg2") is None:
        if find_spec("psycopg") is None:
            raise UsageError("--storage names a PostgreSQL server, which needs a package: pip install psycopg")
        url = re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", url)
    try:
        from sqlalchemy.pool import NullPool  # which Optuna needs: a connection is closed when it was used

        return library.storages.RDBStorage(url, engine_kwargs={"poolclass": NullPool})
    except Exception as error:  # of SQLAlchemy, of the driver, of Optuna
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UsageError(f"--storage {without_password(where)} cannot be opened: {reason}") from error


def without_password(url: str) -> str:
    """A URL that may be shown and stored.

    >>> without_password("postgresql://me:secret@host/sweeps")
    'postgresql://me@host/sweeps'
    """
    return re.sub(r"(://[^:/@]*):[^@]*@", r"\1@", url)


class SharedStudy:
    """The trials of a sweep in a storage that several machines use at the same time.

    Args:
        where: the storage, see `open_storage`.
        name: of the study in it.
        definition: what makes two sweeps the same; UsageError where the study is another one's.
        space: what each setting may be.
        planned: the settings of each trial, in order; or empty, and a sampler finds them as it goes.
        trials: how many there are to be in all.
        maximise: whether the greater value is the better one.
        seed: of the sampler.
        grace: seconds without a sign of life after which a trial is taken from its worker.
        clock: what tells these seconds; no two machines need to have the same time.
    """

    def __init__(
        self, where: str, name: str, definition: dict[str, Any], space: Space, planned: list[Options], trials: int,
        maximise: bool, seed: int, grace: float = 60.0, clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.space, self.planned, self.trials, self.seed, self.grace = space, planned, trials, seed, grace
        self._library, self._clock = optuna(), clock
        self._seen: dict[int, tuple[Any, float]] = {}  # of trials of others: the last sign of life, and when it came
        self._open: dict[int, Any] = {}
        self._lock = threading.Lock()  # a database is asked by one thread at a time
        self._ended = threading.Event()
        self._beats = 0
        with silent(self._library):
            self._study = self._library.create_study(
                storage=open_storage(where),
                study_name=name,
                direction="maximize" if maximise else "minimize",
                load_if_exists=True,
            )
        text = json.dumps(definition, sort_keys=True, default=str)
        known = self._study.user_attrs.get("definition")
        if known is None:
            self._study.set_user_attr("definition", text)
        elif known != text:
            theirs, ours = json.loads(known), json.loads(text)
            differing = [key for key in {**theirs, **ours} if theirs.get(key) != ours.get(key)]
            raise UsageError(
                f"The study {name!r} in {without_password(where)} is another sweep, which differs in "
                f"{', '.join(differing)}. Give this one a name of its own: --study NAME."
            )
        self._enter()

    def __enter__(self) -> SharedStudy:
        threading.Thread(target=self._keep_alive, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()

    # What is to be done -----------------------------------------------------------------------------------------------

    def _indexed(self) -> dict[int, list[Any]]:
        """All trials by their index, in the order in which they were entered, without those that count for nothing."""
        found: dict[int, list[Any]] = {}
        for trial in self._study.get_trials(deepcopy=False):
            if "index" in trial.user_attrs and trial.user_attrs.get("outcome") != "double":
                found.setdefault(trial.user_attrs["index"], []).append(trial)
        return found

    def _pending(self, trial: Any) -> bool:
        state = self._library.trial.TrialState
        return trial.state in (state.WAITING, state.RUNNING)

    def _enter(self) -> None:
        """Enter what is to be tried and is neither done nor under way nor waiting."""
        found = self._indexed()
        known = dict(enumerate(self.planned)) or {
            index: trials[-1].system_attrs.get("fixed_params") or trials[-1].params for index, trials in found.items()
        }
        for index, params in sorted(known.items()):
            trials = found.get(index, [])
            done = any(trial.user_attrs.get("outcome") in DONE for trial in trials)
            if not done and not any(map(self._pending, trials)):
                if any(trial.user_attrs.get("outcome") == "failed" for trial in trials):
                    continue  # by itself, and not since its worker ended: it would fail again
                self._study.enqueue_trial(params, user_attrs={"index": index})

    def give_out(self) -> Iterator[tuple[int, Options]]:
        """The trials that nobody has, one after the other: index and settings; it ends where there is none now."""
        state = self._library.trial.TrialState
        while True:
            with self._lock, silent(self._library):
                waiting = self._study.get_trials(deepcopy=False, states=(state.WAITING,))
                if not waiting and (self.planned or len(self._indexed()) >= self.trials):
                    return
                if not waiting:
                    sampler = self._library.samplers.TPESampler(seed=self.seed + len(self._study.get_trials()))
                    self._study.sampler = sampler
                trial = self._study.ask(distributions(self.space))
                if "index" not in trial.user_attrs:
                    trial.set_user_attr("index", trial.number)
                index = trial.user_attrs["index"]
                if not self._is_wanted(index, trial.number):
                    trial.set_user_attr("outcome", "double")
                    self._study.tell(trial, state=state.FAIL)
                    continue
                self._open[index] = trial
                self._beat(trial)
            yield index, trial.params

    def _is_wanted(self, index: int, number: int) -> bool:
        """Whether a trial is not there twice, as when two workers entered it, nor beyond what was asked for."""
        found = self._indexed()
        others = [trial for trial in found.get(index, []) if trial.number != number]
        if any(trial.user_attrs.get("outcome") in DONE for trial in others):
            return False
        if any(self._pending(trial) and trial.number < number for trial in others):
            return False
        earlier = [trials for other, trials in found.items() if other != index and trials[0].number < number]
        return bool(others) or bool(self.planned) or len(earlier) < self.trials

    def tell(self, index: int, outcome: str, value: float | None = None, message: str = "") -> None:
        """What came of a trial. It is dropped where the trial was taken from this worker meanwhile."""
        with self._lock:
            trial = self._open.pop(index)
            try:
                if message:
                    trial.set_user_attr("message", message)
                trial.set_user_attr("outcome", outcome)
                if value is not None and math.isfinite(value):
                    self._study.tell(trial, value)
                else:
                    self._study.tell(trial, state=self._library.trial.TrialState.FAIL)
            except self._library.exceptions.UpdateFinishedTrialError:
                return
            if outcome == "stopped":
                self._enter()

    # Who is alive -----------------------------------------------------------------------------------------------------

    def _beat(self, trial: Any) -> None:
        self._beats += 1
        trial.set_user_attr("alive", self._beats)

    def _keep_alive(self) -> None:
        while not self._ended.wait(self.grace / 5):
            with self._lock:
                for trial in list(self._open.values()):
                    try:
                        self._beat(trial)
                    except self._library.exceptions.UpdateFinishedTrialError:
                        continue  # it was taken away

    def settled(self) -> bool:
        """Whether nothing is left to do. Takes trials from workers that have given no sign for `grace` seconds."""
        state = self._library.trial.TrialState
        now = self._clock()
        with self._lock:
            own = {trial.number for trial in self._open.values()}
            running = self._study.get_trials(deepcopy=False, states=(state.RUNNING,))
            for trial in running:
                sign = trial.user_attrs.get("alive")
                known, since = self._seen.get(trial.number, (None, now))
                if trial.number not in self._seen or known != sign:
                    self._seen[trial.number] = sign, now
                elif trial.number not in own and now - since > self.grace:
                    with silent(self._library):
                        self._lose(trial.number)
            self._enter()
            pending = self._study.get_trials(deepcopy=False, states=(state.RUNNING, state.WAITING))
            return not pending and (bool(self.planned) or len(self._indexed()) >= self.trials)

    def _lose(self, number: int) -> None:
        try:
            self._study.tell(number, state=self._library.trial.TrialState.FAIL)
        except (self._library.exceptions.UpdateFinishedTrialError, ValueError):
            return  # its worker, or another one, was faster

    def records(self) -> list[dict[str, Any]]:
        """Every trial by its index: `index`, `params`, `value` (None unless complete), `state`, `message`."""
        records: list[dict[str, Any]] = []
        for index, trials in sorted(self._indexed().items()):
            done = [trial for trial in trials if trial.user_attrs.get("outcome") in DONE]
            trial = (done or trials)[-1 if not done else 0]
            states = self._library.trial.TrialState
            state = {states.WAITING: "waiting", states.RUNNING: "running"}.get(trial.state)
            records.append(
                {
                    "index": index,
                    "params": dict(trial.system_attrs.get("fixed_params") or trial.params),
                    "value": trial.value if trial.state.is_finished() else None,
                    "state": state or trial.user_attrs.get("outcome", "stopped"),
                    "message": trial.user_attrs.get("message", ""),
                }
            )
        return records
