"""What a sweep searches: asked for on the command line, kept in sweep.json, and the same when it is gone on with."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

from pellucid import shell
from pellucid.experiments import build, space
from pellucid.experiments import data as source
from pellucid.experiments import options as settings
from pellucid.experiments.config import Options
from pellucid.experiments.errors import UsageError, unknown
from pellucid.experiments.shared import without_password
from pellucid.experiments.stored import check as check_shape
from pellucid.experiments.study import SAMPLERS, optuna, plan
from pellucid.train import write_json


@dataclasses.dataclass
class Search:
    """What is searched, as sweep.json in its folder says it: the same Search gives the same trials."""

    path: Path
    fixed: Options
    space: space.Space
    sampler: str
    trials: int
    metric: str
    threads: int
    fingerprint: str
    records: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    storage: str = ""  # of Optuna's, where several machines search together
    study: str = "sweep"

    @classmethod
    def new(
        cls,
        fixed: Options,
        grid: list[str],
        random: list[str],
        trials: int | None,
        sampler: str | None,
        metric: str | None,
        threads: int | None,
        out: Path | None,
        storage: str | None = None,
        study: str | None = None,
    ) -> Search:
        """What the command line asks for, checked before anything is written."""
        fixed = settings.check(fixed)
        wanted = space.parse(grid, random, fixed)
        if grid:
            for option, value in (("--trials", trials), ("--sampler", sampler)):
                if value is not None:
                    raise UsageError(f"{option} belongs to --random: a grid has as many trials as combinations.")
            sampler = "grid"
        sampler = (sampler or "random").lower()
        if sampler not in SAMPLERS or (sampler == "grid") != bool(grid):
            raise unknown("sampler", sampler, SAMPLERS[1:])
        for option, value in (("--trials", trials), ("--threads", threads)):
            if value is not None and value < 1:
                raise UsageError(f"{option} is {value}; it must be a whole number of at least 1.")
        optuna()
        data = source.load({**fixed, "quiet": True})
        classes = source.classes_of(data)
        balanced = fixed.get("class_weights") == "balanced"
        known = [f"val_{name}" for name in build.metrics(classes, balanced=balanced)] + ["val_loss", "train_loss"]
        metric = (metric or known[0]).replace("-", "_")
        if metric not in known:
            raise unknown("metric", metric, known, "" if data.x_test is None else "; the test data decide nothing")
        count = len(space.combinations(wanted)) if grid else trials or 20
        if out is None:
            out = Path("runs") / f"sweep-{Path(fixed['dataset']).stem}-{time.strftime('%Y%m%d-%H%M%S')}"
        search = cls(out, fixed, wanted, sampler, count, metric, threads or 1, source.fingerprint(data))
        search.storage, search.study = storage or "", study or search.study
        for params in search.planned():  # what only a combination shows: momentum belongs to sgd
            try:
                settings.complete(settings.check({**fixed, **params}), classes)
            except UsageError as error:
                raise UsageError(f"The trial with {search.words(params)} cannot be: {error}") from None
        if (out / "sweep.json").exists():
            search.check_same(cls.read(out, None))
        elif out.exists() and (not out.is_dir() or any(out.iterdir())):
            what = "is not empty and holds no sweep" if out.is_dir() else "is a file, not a folder"
            raise UsageError(f"{out} {what}. Give --out a new or empty folder.")
        return search

    @classmethod
    def read(cls, path: Path, trials: int | None) -> Search:
        """The sweep that a folder holds, perhaps with more trials than it had."""
        try:
            read = json.loads((path / "sweep.json").read_text(encoding="utf-8"))
            stored = check_shape(read, _STORED, str(path / "sweep.json"))
            values = {name: stored[name] for name in _STORED}
            search = cls(path, **{**values, "space": space.from_json(stored["space"])})
            search.storage, search.study = read.get("storage", ""), read.get("study", search.study)
            if search.sampler not in SAMPLERS or search.trials < 1:
                raise ValueError(f"sampler {search.sampler!r}, trials {search.trials}")
        except FileNotFoundError:
            raise UsageError(f"{path} holds no sweep: it has no sweep.json.") from None
        except UsageError:
            raise
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise UsageError(f"{path / 'sweep.json'} cannot be read: {error!r}. Was the file changed?") from error
        for name, value in search.fixed.items():
            if isinstance(value, list):  # JSON has no tuples
                search.fixed[name] = tuple(value)
        if trials is not None and search.sampler == "grid":
            raise UsageError("--trials belongs to --random: a grid has as many trials as combinations.")
        if trials is not None and trials < search.trials:
            raise UsageError(f"--trials is {trials}, but the sweep in {path} has {search.trials}. Ask for more.")
        search.trials = trials or search.trials
        return search

    def check_same(self, stored: Search) -> None:
        """Refuse a folder that holds another sweep; more trials of the same are welcome."""
        for name in ("fixed", "space", "sampler", "metric", "threads", "fingerprint"):
            ours, theirs = getattr(self, name), getattr(stored, name)
            if ours != theirs:
                if isinstance(ours, dict):
                    keys = [key for key in {**theirs, **ours} if ours.get(key) != theirs.get(key)]
                    pairs = [(theirs.get(key, "not given"), ours.get(key, "not given")) for key in keys]
                    what = ", ".join(
                        f"{k.replace('_', '-')} ({a} / {b})" for k, (a, b) in zip(keys, pairs, strict=True)
                    )
                elif name == "fingerprint":
                    what = "the data"
                else:
                    what = f"{name} ({theirs} / {ours})"
                raise UsageError(
                    f"{self.path} holds another sweep, which differs in {what}. Write to another folder with --out, "
                    f"or go on with that one: --resume {shell.quote(self.path)}."
                )
        self.trials = max(self.trials, stored.trials)

    def write(self) -> None:
        values = {name: getattr(self, name) for name in ("sampler", "trials", "metric", "threads", "fingerprint")}
        if self.storage:
            values |= {"storage": without_password(self.storage), "study": self.study}
        write_json(self.path / "sweep.json", {"fixed": self.fixed, "space": space.as_json(self.space), **values})

    def definition(self) -> dict[str, Any]:
        """What makes it the same search as that of another machine."""
        fixed = {name: value for name, value in self.fixed.items() if name != "dataset"}
        values = {name: getattr(self, name) for name in ("sampler", "metric", "fingerprint")}
        return {"options": fixed, "space": space.as_json(self.space), **values}

    @property
    def maximise(self) -> bool:
        return not self.metric.endswith(("loss", "mae"))

    def planned(self) -> list[Options]:
        return plan(self.space, self.sampler, self.trials, self.fixed.get("seed", 0))

    def folder(self, index: int) -> Path:
        return self.path / "trials" / f"{index:04d}"

    def is_here(self, record: dict[str, Any]) -> bool:
        """Whether the run of a trial lies in this folder: of a shared search it may lie in that of another machine."""
        return self.folder(record["index"]).is_dir()

    def ranked(self) -> list[dict[str, Any]]:
        """The trials, the best first, those without a value last; of equal ones that with the least validation loss."""

        def key(record: dict[str, Any]) -> tuple[Any, ...]:
            value, summary = record["value"], record.get("summary", {})
            if value is None:
                return (True, record["index"])
            return (False, -value if self.maximise else value, summary.get("val_loss") or 0.0, record["index"])

        return sorted(self.records, key=key)

    def best(self) -> dict[str, Any] | None:
        return next((record for record in self.ranked() if record["value"] is not None), None)

    def words(self, params: Options) -> str:
        return ", ".join(f"{name.replace('_', '-')} {text(value)}" for name, value in params.items())

    def command(self, record: dict[str, Any]) -> str:
        """What repeats the run of a trial."""
        return settings.command({**self.fixed, **record["params"]})


# What sweep.json holds.
_STORED: dict[str, Any] = {
    "fixed": dict[str, Any],
    "space": dict[str, Any],
    "sampler": str,
    "trials": int,
    "metric": str,
    "threads": int,
    "fingerprint": str,
}


def text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
