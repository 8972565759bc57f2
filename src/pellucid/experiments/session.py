"""A run: its parts built from a configuration, trained, and kept in a folder from which it can go on."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from pellucid.experiments import baseline, build, choices, folds, overfitting, report
from pellucid.experiments import data as source
from pellucid.experiments import options as settings
from pellucid.experiments.config import Config, Options
from pellucid.experiments.errors import UsageError
from pellucid.experiments.parts import PARTS
from pellucid.experiments.sampling import WRITTEN, Writer, Written
from pellucid.experiments.sources import short_dataset
from pellucid.experiments.stored import check_data, readable
from pellucid.train import (
    Checkpoint,
    EarlyStopping,
    NaNGuard,
    NonFiniteError,
    Recorder,
    RunFolder,
    RunFolderError,
    TimeLimit,
    write_atomically,
)
from pellucid.train.files import run_lock
from pellucid.train.files.environment import environment
from pellucid.train.records.tracker import RemoteTracker


def start(given: Options, out: Path | None = None, quiet: bool = True) -> RunSession:
    """A new run in the folder `out`: everything that can be wrong is found before the folder is made."""
    options = settings.check(given)
    folder = RunFolder(out if out is not None else default_folder(options))
    folder.check_free(besides=[folds.UNFINISHED])
    data = source.load({**options, "quiet": quiet})
    session = RunSession(settings.complete(options, source.classes_of(data)), data, folder)
    with _locked(folder) as session.lock:
        if folder.config.exists():  # another program was faster
            folder.check_free(besides=[folds.UNFINISHED])
        folder.create(session.record())
        folder.write_environment(environment(), step=0)
    return session


def resume(path: Path, given: Options | None = None, quiet: bool = True) -> RunSession:
    """The run in the folder `path`, from its last whole checkpoint; `given` may ask for more epochs."""
    folder = RunFolder(path)
    folder.read_config()  # before a lock is left where there is no run
    with _locked(folder) as lock:
        with readable(path):
            session = _take_up(folder, given or {}, quiet)
        session.lock = lock
    return session


def retrain(path: Path) -> None:
    """Train the network of the run in the folder `path` once more, from its beginning, and write nothing of it."""
    folder = RunFolder(path)
    config = settings.from_json(folder.read_config().get("config", {}))
    data = source.load({**{k: v for k, v in dataclasses.asdict(config).items() if v is not None}, "quiet": True})
    loaders = source.loaders(data, config.batch_size, config.seed, config.device)
    build.learner(config, data, loaders, [], folder=path).fit(config.epochs)


def _take_up(folder: RunFolder, given: Options, quiet: bool) -> RunSession:
    path, stored = folder.path, folder.read_config()
    config = settings.from_json(stored.get("config", {}))
    check_data(stored.get("data", {}), f"{folder.config}, data")
    own = {"dataset": config.dataset} | ({"target": config.target} if config.target else {})
    given = settings.check({**own, **given})
    if "callback" in given:
        config = dataclasses.replace(config, callback=choices.with_observers(config.callback, given.pop("callback")))
    settings.check_same(given, config, path)
    config = dataclasses.replace(config, **{name: given[name] for name in settings.RESUMABLE if name in given})
    data = source.load({**{k: v for k, v in dataclasses.asdict(config).items() if v is not None}, "quiet": quiet})
    if source.fingerprint(data) != stored.get("data", {}).get("fingerprint"):
        raise UsageError(f"The data are not those that the run in {path} was made with: their checksum differs.")
    session = RunSession(config, data, folder)
    session.restore()
    folder.summary.unlink(missing_ok=True)  # it is of the shorter run
    folder.failure.unlink(missing_ok=True)
    folder.create(session.record())
    folder.write_environment(environment(), step=session.learner.step)
    return session


@contextmanager
def _locked(folder: RunFolder) -> Iterator[ExitStack]:
    """The lock of a run's folder, for a session to keep until its run ends; given back at once where that fails."""
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(f"Cannot write to {folder.path}: {error.strerror}. Give --out another folder.") from error
    lock = ExitStack()
    lock.enter_context(run_lock(folder.path))
    try:
        yield lock
    except BaseException:
        lock.close()
        raise


def default_folder(options: Options) -> Path:
    """`runs/<dataset>-<model>-<timestamp>`, with a number behind it where two runs begin in the same second."""
    dataset, model = short_dataset(options["dataset"]), settings.model_of(options)
    model = model.replace(":", "-").replace(",", "-")
    base = Path("runs") / f"{dataset}-{model}-{time.strftime('%Y%m%d-%H%M%S')}"
    path, count = base, 1
    while path.exists():
        count += 1
        path = base.with_name(f"{base.name}-{count}")
    return path


class RunSession:
    """A run: its parts built from the configuration, always in the same order from the same seed."""

    def __init__(self, config: Config, data: Any, folder: RunFolder) -> None:
        self.lock = ExitStack()  # of the folder, until the run ends
        self.config, self.data, self.folder = config, data, folder
        self.classes = source.classes_of(data)
        self.metric = "accuracy" if self.classes is not None else "r2"
        self.loaders = source.loaders(data, config.batch_size, config.seed, config.device)
        every = statistics_every(config.epochs * len(self.loaders.train))
        self.history = Recorder(config.log_every, folder.history)
        self.parts = [(part, part.callback(every)) for part in PARTS]
        self.checkpoint = Checkpoint(folder.checkpoints, keep=config.keep or None, keep_first=True)
        own = [self.history, NaNGuard(), self.checkpoint, *(callback for _, callback in self.parts)]
        self.written: Written | None = None  # by a network that learns from text
        if config.source == "text":
            writer = Writer(data.class_names, data.sample_shape[0], data.facts["lines"])
            self.written = Written(writer, config.seed, folder.path / WRITTEN)
            own.append(self.written)
        self.learner = build.learner(config, data, self.loaders, own, folder=folder.path)
        self.model = self.learner.model
        known = {name: value for name, value in dataclasses.asdict(config).items() if value not in (None, ())}
        for tracker in self.learner.callbacks:
            if isinstance(tracker, RemoteTracker):
                tracker.describe(folder.path.name, known)
        self.stopped = False
        self._kept_epoch: int | None = None  # where it is not the last one
        self.notes: list[str] = []

    @property
    def parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.model.parameters())

    def record(self) -> dict[str, Any]:
        """What config.json holds."""
        data = self.data
        return {
            "command": "train",
            "config": dataclasses.asdict(self.config),
            "data": {
                "description": data.description,
                "train": len(data.x_train),
                "val": len(data.x_val),
                "test": 0 if data.x_test is None else len(data.x_test),
                "classes": list(data.class_names),
                "features": list(data.feature_names),
                "sample_shape": list(data.sample_shape),
                "facts": dict(data.facts),
                "fingerprint": source.fingerprint(data),
            },
        }

    def restore(self) -> None:
        """Take up the last whole checkpoint."""
        last = self.folder.last_checkpoint()
        if last is None:
            return  # the run ended before it saved for the first time: from the same seed it begins the same
        path, state, passed = last
        self.notes += [f"{message} It was passed over." for message in passed]
        own = {name: tuple(tensor.shape) for name, tensor in self.model.state_dict().items()}
        saved = {name: tuple(tensor.shape) for name, tensor in state["model"].items()}
        if own != saved:
            raise UsageError(
                f"{path} is of another model than the one in {self.folder.config}, {self.config.model}: it holds "
                f"{_shapes(saved)}, and the model has {_shapes(own)}."
            )
        self.learner.load_state_dict(state)
        if self.learner.epoch > self.config.epochs:
            raise UsageError(
                f"--epochs is {self.config.epochs}, but the run in {self.folder.path} has done {self.learner.epoch} "
                "epochs already. Ask for more, or leave it out."
            )

    def run(self) -> str:
        """Train, and leave everything in the folder: "complete", or "stopped" where it can be gone on with.

        Raises Diverged where the numbers are no longer numbers; what there is then has been written. When it ends, the
        folder is free for others.
        """
        with self.lock:
            return self._run()

    def _run(self) -> str:
        self.checkpoint.keep_epoch = folds.judged_after(folds.read(self.folder), self.config.epochs)
        try:
            if self.learner.epoch < self.config.epochs:
                self.learner.fit(until=self.config.epochs)
        except NonFiniteError as error:
            diverged = Diverged(error, self)
            write_atomically(self.folder.failure, f"{diverged}\n")
            self.write_results()
            raise diverged from error
        unfinished = self.learner.epoch < self.config.epochs and (self.stopped or not self.history.epochs)
        if not unfinished:
            self._take_back()
        self.write_results()
        if unfinished:
            return "stopped"
        self.folder.write_summary(self.summary())
        return "complete"

    def _take_back(self) -> None:
        """Have the weights from before it overfitted, where it did: the last ones are in its last checkpoint.

        A run that was chosen by folds has those of the epoch after which all of them were judged, and not of its own
        best: what they got is said of such a network.
        """
        judged = self.checkpoint.keep_epoch
        turn = overfitting.turning(self.history.epochs, self._chance.get("chance_loss", 1.0))
        epoch = judged if judged is not None else None if turn is None else turn["epoch"]
        if epoch in (None, self.learner.epoch) or not overfitting.has_its_last_weights(self.learner):
            return
        file = self.checkpoint.best if judged is None else self.checkpoint.file_of(epoch)
        weights = overfitting.weights_of_best(file, epoch)
        if weights is not None:
            self.model.load_state_dict(weights)
            self._kept_epoch = epoch

    def stop(self) -> None:
        """End the run after the step that is under way; `run` then writes what there is."""
        self.stopped = True
        self.learner.stop()

    @property
    def verdict(self) -> str:
        """Why a callback ended the run early; empty where none did."""
        early = [callback for callback in self.learner.callbacks if isinstance(callback, EarlyStopping)]
        return next((callback.verdict for callback in early if callback.stopped_epoch is not None), "")

    @property
    def time_limit(self) -> TimeLimit | None:
        """The limit whose time is over, if it is."""
        limits = (callback for callback in self.learner.callbacks if isinstance(callback, TimeLimit))
        return next((limit for limit in limits if limit.spent >= limit.limit), None)

    @property
    def unlearned(self) -> str:
        """Why what came of it is no better than chance; empty where it is."""
        return baseline.unlearned(self.summary(), len(self.data.x_val))

    @property
    def overfitted(self) -> str:
        """What is said of a run that learned its samples by heart; empty where it did not, or was ended in time."""
        return "" if self._kept_epoch is None else overfitting.told(self.summary(), self.history.epochs)

    def headline(self) -> str:
        data, config = self.data, self.config
        parts = {"train": data.x_train, "validation": data.x_val, "test": data.x_test}
        counts = ", ".join(f"{len(x):,} {name}" for name, x in parts.items() if x is not None)
        falling = {"one-cycle": " at the top of one cycle", "cosine": " falling to 0", "linear": " falling to 0"}
        course = falling.get(config.schedule, "" if config.schedule == "constant" else f" by {config.schedule}")
        how = f"{config.optimizer} lr {config.lr:g}{course}, batch {config.batch_size}, {config.loss}"
        how += "".join(f", {name}" for name in config.callback)
        what = f"{config.title} ({self.parameters:,} parameters)"
        return f"{data.description}\n{what} · {counts} · {how}, seed {config.seed}"

    def write_results(self) -> None:
        """What there is when the training ends, in whatever way: the model, the statistics."""
        self.folder.write_model(self.model.state_dict())
        for part, callback in self.parts:
            callback.save(part.path(self.folder))

    def write_report(self) -> None:
        """The curves and the page about the run. What draws takes longer to load than a short run to train."""
        record = report.gather(self.folder, self.data)
        report.write_curves(record, self.folder.curves)
        report.write(record, self.folder.report)

    @cached_property
    def _chance(self) -> dict[str, float]:
        return baseline.chance(self.data, self.config.loss, self.config.class_weights == "balanced")

    @cached_property
    def _begun(self) -> dict[str, float]:
        """What the network gets on the validation part with its first weights, which the seed gives once more."""
        config = dataclasses.replace(self.config, callback=(), compile=False)
        found = build.learner(config, self.data, self.loaders, scheduled=False).evaluate()
        return {f"first_val_{name}": found[name] for name in ("loss", self.metric)}

    @property
    def kept_epoch(self) -> int:
        """The epoch whose network is kept."""
        return self._of_the_kept["epoch"]

    @property
    def _of_the_kept(self) -> dict[str, Any]:
        """What was measured of the network that is kept: that of the last epoch, or of the best that was restored."""
        early = [callback for callback in self.learner.callbacks if isinstance(callback, EarlyStopping)]
        epochs = {self._kept_epoch, *(callback.kept_epoch for callback in early)} - {None}
        return next((row for row in self.history.epochs if row["epoch"] in epochs), self.history.epochs[-1])

    def summary(self) -> dict[str, Any]:
        """The figures of the run. For a real target there are R² and mean absolute error in place of accuracy."""
        last = self._of_the_kept
        names = list(build.metrics(self.classes, balanced=self.config.class_weights == "balanced"))
        summary = {"train_loss": last["train_loss"], "val_loss": last["val_loss"]}
        summary |= {f"val_{name}": last[f"val_{name}"] for name in names}
        if self.written is not None:
            summary["val_bits_per_character"] = last["val_loss"] / math.log(2)
        summary |= self._chance
        if self.loaders.test is not None:
            test = self.learner.evaluate(self.loaders.test)
            summary |= {f"test_{name}": test[name] for name in names}
        if last is not self.history.epochs[-1]:
            summary["kept_epoch"] = last["epoch"]
        return summary | {
            **self._begun,
            "epochs": self.learner.epoch,
            "steps": self.learner.step,
            "seconds": round(self.history.epochs[-1]["seconds"], 3),
            "seed": self.config.seed,
            "parameters": self.parameters,
        }


class Diverged(Exception):
    """The run stopped because its numbers were no longer numbers."""

    def __init__(self, error: NonFiniteError, session: RunSession) -> None:
        # The line "at …" is that of the caller outside of pellucid, which here is only the command line's machinery.
        what = "\n".join(line for line in str(error).splitlines() if not line.startswith("  at "))
        super().__init__(
            f"{what}\nWhat there is was saved in {session.folder.path}, as it was before that step. A smaller "
            f"learning rate often helps: --lr {min(session.config.lr / 10, 0.1):g}."
        )


def statistics_every(steps: int) -> int:
    """Steps from one record of the statistics to the next, in a run of `steps`.

    A record takes about as long as two steps. So 200 steps apart it costs 1 % of the run; a run that is too short for
    that has some 20 records, as one cannot see a course in fewer.
    """
    return max(1, min(200, steps // 20))


def _shapes(shapes: dict[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in shapes.items())
