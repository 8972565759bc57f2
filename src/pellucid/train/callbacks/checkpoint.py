"""The whole state of a run on disk after every epoch, and the best one beside it."""

from __future__ import annotations

import math
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.files import copy_atomically
from pellucid.train.callbacks.monitor import check_spelling
from pellucid.train.files.background import Background
from pellucid.train.files.checkpoint import checkpoint_files, load_checkpoint, steps_of, take, write
from pellucid.train.files.lock import run_lock
from pellucid.train.loop import Callback, Loop

BEST = "best.safetensors"


class Checkpoint(Callback):
    """Saves the whole state of the run: before the first step, after every epoch, and where the run is interrupted.

    Each is a file `epoch-0003-step-00000150.safetensors` in `folder`; `last` is the newest. The epoch with the best
    value of `monitor` so far is also there as `best.safetensors`, whichever of the others are kept. A value that is
    not finite is never the best; of equal ones the first is. To go on from one: `learner.load(checkpoint.last)`.

    What is saved is copied at once, and written while the next steps are computed: a file is there when the next epoch
    is over, and when the fit is. A failure to write ends the fit then.

    Args:
        folder: where the files go; made when the fit begins.
        monitor: "val_loss", "val_<metric>" (or "<metric>") or "train_loss"; None keeps no best. By default the
            validation loss, where there are validation data.
        mode: "min" or "max": which values of `monitor` are good.
        keep: how many of the newest files stay; None keeps all. (Two, rather than one, still have a whole one when a
            disk damages the other.)
        keep_first: whether the state before the first step stays, too: what the parameters were can then be shown.

    Attributes:
        keep_epoch: an epoch whose file stays, too, if it is set; None for none.

    Raises:
        ValueError: `mode` or `keep` is not one of these, or (when the fit begins) nothing is called `monitor`.
    """

    observes = True
    order = 90  # after every callback whose state it saves

    def __init__(
        self,
        folder: str | Path,
        monitor: str | None = "val_loss",
        mode: str = "min",
        keep: int | None = None,
        keep_first: bool = False,
    ) -> None:
        if mode not in ("min", "max"):
            raise ValueError(f"Checkpoint was given mode={mode!r}: write 'min' or 'max'.")
        if keep is not None and keep < 1:
            raise ValueError(f"Checkpoint was given keep={keep}: at least 1 file stays; None keeps all.")
        self.folder, self.monitor, self.mode, self.keep = Path(folder), monitor, mode, keep
        self.keep_first = keep_first
        self.keep_epoch: int | None = None
        self.best_value: float | None = None
        self.best_epoch: int | None = None
        self._background = Background()

    @property
    def last(self) -> Path | None:
        """The file with the most steps; None where there is none yet."""
        return next(iter(checkpoint_files(self.folder)), None)

    @property
    def best(self) -> Path | None:
        """The file of the best epoch; None where there is none yet.

        It is `best.safetensors`, but for a run that was killed between writing the file of its best epoch and giving it
        that name too: then it is the file of the epoch, which the newest checkpoint names.
        """
        path = self.folder / BEST
        for newest in checkpoint_files(self.folder):
            try:
                epoch = load_checkpoint(newest)["callbacks"]["Checkpoint"]["best_epoch"]
            except (ValueError, LookupError, TypeError):
                continue  # damaged, or saved without this callback: the one before it says
            file = None if epoch is None else self.file_of(epoch)
            return path if path.exists() and (file is None or _equal(path, file)) else file
        return path if path.exists() else None

    def file_of(self, epoch: int) -> Path | None:
        """The file of the end of an epoch, None where it is gone; of several, others are of the midst of the next."""
        files = [file for file in checkpoint_files(self.folder) if file.name.startswith(f"epoch-{epoch:04d}-")]
        return files[-1] if files else None

    def before_fit(self, learner: Loop) -> None:
        self._check_monitor(learner)
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = ExitStack()
        lock.enter_context(run_lock(self.folder))
        learner.at_end(lock.close)
        self._mend_best()
        self._prune(self._path(learner))
        if learner.step == 0:
            self.best_value = self.best_epoch = None
            self.save(learner)

    def _mend_best(self) -> None:
        """Have as the best what the state that the run goes on from says: the run may have been killed further on."""
        if self.best_epoch is None:
            return
        file, best = self.file_of(self.best_epoch), self.folder / BEST
        if file is not None and not (best.exists() and _equal(best, file)):
            copy_atomically(file, best)

    def after_epoch(self, learner: Loop) -> None:
        value = self._value(learner)
        better = value is not None and (
            self.best_value is None or (value < self.best_value if self.mode == "min" else value > self.best_value)
        )
        if better:
            self.best_value, self.best_epoch = value, learner.epoch
        # Only when the other callbacks have seen the end of the epoch is what they remember whole.
        learner.at_rest(
            lambda: self._background.do(self._save, self._path(learner), *take(learner.state_dict()), better)
        )

    def after_fit(self, learner: Loop) -> None:
        self._background.wait()
        if learner.batch:
            self.save(learner)

    def save(self, learner: Loop) -> Path:
        """Save the state now; returns the file."""
        path = self._path(learner)
        self._save(path, *take(learner.state_dict()))
        return path

    def _path(self, learner: Loop) -> Path:
        return self.folder / f"epoch-{learner.epoch:04d}-step-{learner.step:08d}.safetensors"

    def _save(self, path: Path, text: str, arrays: dict[str, np.ndarray], best: bool = False) -> None:
        write(path, text, arrays)
        if best:
            copy_atomically(path, self.folder / BEST)
        self._prune(path)

    def _prune(self, path: Path) -> None:
        """Remove files but for the newest ones up to `path`."""
        if self.keep is not None:
            # A file with more steps is of a run that went further than this one has: not ours to remove.
            earlier = [file for file in checkpoint_files(self.folder) if steps_of(file) <= steps_of(path)]
            for old in earlier[self.keep :]:
                first = self.keep_first and not steps_of(old)
                if not first and (self.keep_epoch is None or old != self.file_of(self.keep_epoch)):
                    old.unlink(missing_ok=True)

    def state_dict(self) -> dict[str, Any]:
        return {"best_value": self.best_value, "best_epoch": self.best_epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best_value, self.best_epoch = state["best_value"], state["best_epoch"]

    def _value(self, learner: Loop) -> float | None:
        """What `monitor` is after this epoch, or None where it has no finite value."""
        if self.monitor is None:
            return None
        name = self.monitor.removeprefix("val_")
        value = learner.train_loss if self.monitor == "train_loss" else learner.evaluation.get(name)
        if value is None:  # no validation data, or an epoch that was skipped
            return None
        if np.ndim(value):
            raise ValueError(f"Checkpoint can only monitor single numbers, and {self.monitor} is {np.shape(value)}.")
        return float(value) if math.isfinite(value) else None

    def _check_monitor(self, learner: Loop) -> None:
        known = ["train_loss"]
        if learner.valid is not None:
            known = ["val_loss", *(f"val_{name}" for name in learner.metrics), *known]
        if self.monitor in (None, "val_loss", *known) or f"val_{self.monitor}" in known:
            return
        check_spelling(str(self.monitor))
        reason = (
            "" if learner.valid is not None else " There are no validation data: Learner(model, (train, valid), …)."
        )
        raise ValueError(f"Checkpoint cannot monitor {self.monitor!r}; there is {', '.join(known)}.{reason}")


def _equal(path: Path, other: Path) -> bool:
    return path.samefile(other) or path.read_bytes() == other.read_bytes()
