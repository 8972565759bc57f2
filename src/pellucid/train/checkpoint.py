"""Checkpoints: everything that decides a run, in one file that is whole or refused, and that executes nothing.

A checkpoint is a safetensors file. The arrays are its tensors; everything else is one JSON text in its header, together
with a SHA-256 over both, so that a file cut short or damaged on the disk is told from a whole one.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.core import Tensor, from_data
from pellucid.train.background import Background
from pellucid.train.callback import Callback
from pellucid.train.extras import need
from pellucid.train.files import copy_atomically, write_atomically

if TYPE_CHECKING:
    from pellucid.train.learner import Learner

FORMAT = 1
BEST = "best.safetensors"
_KEY = "pellucid"
_NAME = re.compile(r"epoch-(\d+)-step-(\d+)\.safetensors")


class CheckpointError(ValueError):
    """A checkpoint that cannot be used: torn, damaged, of another format or of another model."""


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write `state` (nested dicts, lists and tuples of Tensors, arrays, numbers, texts, None) to `path`, atomically."""
    _write(path, *_take(state))


def _take(state: dict[str, Any]) -> tuple[str, dict[str, np.ndarray]]:
    """What `state` is now, copied."""
    need("safetensors.numpy", "standard", "A checkpoint")
    arrays: dict[str, np.ndarray] = {}
    return json.dumps(_split(state, "", arrays)), arrays


def _write(path: Path, text: str, arrays: dict[str, np.ndarray]) -> None:
    from safetensors.numpy import save

    header = json.dumps({"format": FORMAT, "sha256": _digest(text, arrays), "state": text})
    write_atomically(path, save(arrays, metadata={_KEY: header}))


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read what `save_checkpoint` wrote: the same structure, the same bits.

    Raises:
        CheckpointError: the file is missing, cut short, damaged, or not a checkpoint of pellucid.
    """
    safetensors = need("safetensors", "standard", "A checkpoint")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {})[_KEY])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        text = header["state"]
        if header["format"] != FORMAT:
            raise CheckpointError(f"{path} has checkpoint format {header['format']}; this pellucid reads {FORMAT}.")
        whole = header["sha256"] == _digest(text, arrays)
    except (OSError, safetensors.SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise CheckpointError(f"{path} is no whole checkpoint of pellucid: {error}") from error
    if not whole:
        raise CheckpointError(f"{path} is damaged: its contents do not match the checksum written with them.")
    return _join(json.loads(text), arrays)


def checkpoint_files(folder: Path) -> list[Path]:
    """The checkpoints in `folder`, the one with the most steps first."""
    found = [(int(match[2]), path) for path in folder.glob("*.safetensors") if (match := _NAME.fullmatch(path.name))]
    return [path for _, path in sorted(found, reverse=True)]


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

    Raises:
        ValueError: `mode` or `keep` is not one of these, or (when the fit begins) nothing is called `monitor`.
    """

    order = 90  # after every callback whose state it saves

    def __init__(
        self, folder: str | Path, monitor: str | None = "val_loss", mode: str = "min", keep: int | None = None
    ) -> None:
        if mode not in ("min", "max"):
            raise ValueError(f"Checkpoint was given mode={mode!r}: write 'min' or 'max'.")
        if keep is not None and keep < 1:
            raise ValueError(f"Checkpoint was given keep={keep}: at least 1 file stays; None keeps all.")
        self.folder, self.monitor, self.mode, self.keep = Path(folder), monitor, mode, keep
        self.best_value: float | None = None
        self.best_epoch: int | None = None
        self._background = Background()

    @property
    def last(self) -> Path | None:
        """The file with the most steps; None where there is none yet."""
        return next(iter(checkpoint_files(self.folder)), None)

    @property
    def best(self) -> Path | None:
        """The file of the best epoch; None where there is none yet."""
        path = self.folder / BEST
        return path if path.exists() else None

    def before_fit(self, learner: Learner) -> None:
        self._check_monitor(learner)
        self.folder.mkdir(parents=True, exist_ok=True)
        if learner.step == 0:
            self.best_value = self.best_epoch = None
            self.save(learner)

    def after_epoch(self, learner: Learner) -> None:
        value = self._value(learner)
        better = value is not None and (
            self.best_value is None or (value < self.best_value if self.mode == "min" else value > self.best_value)
        )
        if better:
            self.best_value, self.best_epoch = value, learner.epoch
        self._background.do(self._save, self._path(learner), *_take(learner.state_dict()), better)

    def after_fit(self, learner: Learner) -> None:
        self._background.wait()
        if learner.batch:
            self.save(learner)

    def save(self, learner: Learner) -> Path:
        """Save the state now; returns the file."""
        path = self._path(learner)
        self._save(path, *_take(learner.state_dict()))
        return path

    def _path(self, learner: Learner) -> Path:
        return self.folder / f"epoch-{learner.epoch:04d}-step-{learner.step:08d}.safetensors"

    def _save(self, path: Path, text: str, arrays: dict[str, np.ndarray], best: bool = False) -> None:
        _write(path, text, arrays)
        if best:
            copy_atomically(path, self.folder / BEST)
        if self.keep is not None:
            # A file with more steps is of a run that went further than this one has: not ours to remove.
            earlier = [one for one in checkpoint_files(self.folder) if _steps(one) <= _steps(path)]
            for old in earlier[self.keep :]:
                old.unlink(missing_ok=True)

    def state_dict(self) -> dict[str, Any]:
        return {"best_value": self.best_value, "best_epoch": self.best_epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best_value, self.best_epoch = state["best_value"], state["best_epoch"]

    def _value(self, learner: Learner) -> float | None:
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

    def _check_monitor(self, learner: Learner) -> None:
        known = ["train_loss"]
        if learner.valid is not None:
            known = ["val_loss", *(f"val_{name}" for name in learner.metrics), *known]
        if self.monitor in (None, "val_loss", *known) or f"val_{self.monitor}" in known:
            return
        reason = (
            "" if learner.valid is not None else " There are no validation data: Learner(model, (train, valid), …)."
        )
        raise ValueError(f"Checkpoint cannot monitor {self.monitor!r}; there is {', '.join(known)}.{reason}")


def _steps(path: Path) -> int:
    match = _NAME.fullmatch(path.name)
    return int(match[2]) if match else -1


# The structure goes into JSON, with a note where an array, a tuple or a dict with keys that are not texts has been.


def _split(value: Any, path: str, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, Tensor | np.ndarray):
        name = path.lstrip(".")
        array = np.asarray(value.detach().cpu().numpy() if isinstance(value, Tensor) else value)
        # A view saves as what it shows; a copy, because the state goes on changing.
        arrays[name] = np.array(array, order="C")
        return {"$": "tensor" if isinstance(value, Tensor) else "array", "name": name}
    if isinstance(value, dict):
        if all(isinstance(key, str) for key in value) and "$" not in value:
            return {key: _split(item, f"{path}.{key}", arrays) for key, item in value.items()}
        return {"$": "dict", "items": [[key, _split(item, f"{path}.{key}", arrays)] for key, item in value.items()]}
    if isinstance(value, tuple):
        return {"$": "tuple", "items": [_split(item, f"{path}.{i}", arrays) for i, item in enumerate(value)]}
    if isinstance(value, list):
        return [_split(item, f"{path}.{i}", arrays) for i, item in enumerate(value)]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"A checkpoint cannot hold a {type(value).__name__} (at {path.lstrip('.')!r}).")


def _join(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, list):
        return [_join(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    match value.get("$"):
        case None:
            return {key: _join(item, arrays) for key, item in value.items()}
        case "tensor":
            return from_data(arrays[value["name"]], copy=False)
        case "array":
            return arrays[value["name"]]
        case "dict":
            return {key: _join(item, arrays) for key, item in value["items"]}
        case "tuple":
            return tuple(_join(item, arrays) for item in value["items"])
        case other:
            raise CheckpointError(f"A checkpoint with an entry of unknown kind {other!r}.")


def _digest(text: str, arrays: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
