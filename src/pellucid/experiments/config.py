"""The configuration of a run: each thing that decides it, with the words of its help, its check and its default.

`Config` is where an option is added: the command line, the search space of a sweep, the report and config.json take it
from there. What the user asked for becomes a `Config` in `options`.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from pellucid.datasets.column import WAYS
from pellucid.experiments import choices
from pellucid.experiments.errors import listed
from pellucid.experiments.models import MODELS, normal_model
from pellucid.experiments.recipes import DATASETS
from pellucid.experiments.setting import (
    WHOLE,
    Setting,
    normal_device,
    normal_encoding,
    normal_schedule,
    one_of,
    setting,
)
from pellucid.experiments.sources import short_dataset, source_of

Options = dict[str, Any]  # as the command line gave them: an option that was not given is absent


@dataclass(frozen=True)
class Config:
    """Everything that decides a run, as written to config.json: the same Config gives the same run, bit for bit."""

    dataset: str = setting(
        f"{', '.join(DATASETS)}, or the path of a CSV or Parquet file, of a text, TEXT.txt, or "
        "of a folder of pictures with a folder for each class.",
        shown="digits",
        offers=lambda: DATASETS,
    )
    target: str | None = setting("The column of the CSV file to predict.", None)
    data: str | None = setting("The folder with MNIST's four files; without it, the cache or a download.", None)
    balance: float | None = setting("circle: the share of points inside.", None, shown="0.5")
    model: str = setting(
        "logistic, mlp:SIZES (such as mlp:128,64); of pictures cnn or resnet, too; of text bigram, mlp, lstm:SIZES or "
        "transformer:WIDTH,BLOCKS.",
        shown="by data set",
        normal=normal_model,
        offers=lambda: MODELS,
    )
    activation: str = setting(
        f"{', '.join(choices.ACTIVATIONS)}.", "relu", **one_of("activation", lambda: choices.ACTIVATIONS)
    )
    loss: str = setting(
        "cross-entropy, mse (the quadratic loss) or bce.",
        shown="cross-entropy; mse for a real target",
        **one_of("loss", lambda: choices.LOSSES, choices.LOSS_ALIASES),
    )
    optimizer: str = setting(
        f"{', '.join(choices.OPTIMIZERS)}; with arguments such as rmsprop:alpha=0.9. "
        "Of muon, what is no matrix of a hidden layer goes to AdamW.",
        shown="by data set",
        normal=choices.OPTIMIZERS.normal,
        offers=lambda: choices.OPTIMIZERS,
    )
    lr: float = setting(
        "Learning rate.", shown="by optimizer", fits=lambda x: 0 < x < math.inf, wanted="a number above 0, such as 0.1"
    )
    momentum: float = setting(
        f"Momentum of {listed(choices.defaults_of('momentum'))}.",
        shown=choices.spoken_defaults("momentum"),
        fits=lambda x: 0 <= x < 1,
        wanted="a number from 0 to below 1, such as 0.9",
    )
    weight_decay: float = setting(
        "Weight decay.",
        shown=choices.spoken_defaults("weight_decay"),
        fits=lambda x: 0 <= x < math.inf,
        wanted="0 or a number above, such as 0.0001",
    )
    schedule: str = setting(
        "Learning rate over the run: constant; cosine or linear, down to 0; one-cycle, up to --lr and down; or a "
        "scheduler of pellucid.optim.lr_scheduler, such as exponential-lr:gamma=0.9.",
        "constant",
        shown="by data set",
        normal=normal_schedule,
        offers=choices.schedules,
    )
    batch_size: int = setting("Samples per step.", shown="by data set", **WHOLE)
    epochs: int = setting("Passes over the data.", shown="by data set", **WHOLE)
    val_fraction: float = setting(
        "Part of the samples kept for validation.",
        0.2,
        shown="0.2; mnist 1/12",
        fits=lambda x: 0 < x < 1,
        wanted="a number between 0 and 1, such as 0.1",
    )
    seed: int = setting(
        "Decides weights, split, order and dropout.", 0, fits=lambda x: 0 <= x < 2**63, wanted="a whole number from 0"
    )
    device: str = setting(
        "cpu or cuda (which needs CuPy).", "cpu", normal=normal_device, offers=lambda: choices.DEVICES
    )
    log_every: int = setting("Steps between two rows of history.csv.", shown="by data set", **WHOLE)
    callback: tuple[str, ...] = setting(
        "A callback of pellucid.train, such as early-stopping:patience=5 or ema:decay=0.99. May be repeated.",
        (),
        normal=choices.CALLBACKS.normal,
        offers=lambda: choices.CALLBACKS,
        field_default=(),
    )
    keep: int = setting(
        "Checkpoints that stay: the newest ones, beside the first and the best; 0 keeps all.",
        20,
        fits=lambda x: x >= 0,
        wanted="a whole number from 0, such as 5",
        field_default=0,  # runs of earlier versions keep all that they have
    )
    categorical: tuple[str, ...] = setting(
        "A column of the CSV file whose cells are categories, though they look like numbers or names. May be repeated.",
        (),
        field_default=(),
    )
    numeric: tuple[str, ...] = setting(
        "A column of the CSV file whose cells are numbers, though they look like codes (007). May be repeated.",
        (),
        field_default=(),
    )
    ignore: tuple[str, ...] = setting("A column of the CSV file to leave out. May be repeated.", (), field_default=())
    decimal: str | None = setting(
        "The decimal mark of the CSV file, . or , where its cells leave it open (1,234).",
        None,
        **one_of("decimal mark", lambda: (".", ",")),
        field_default=None,
    )
    missing: str | None = setting(
        "An empty cell of the CSV file, NA, nan or ?: error; drop its row; among texts, a category; the mean of its "
        "column (among texts, a category); or indicator: the mean, and a column that says where.",
        None,
        shown="error",
        **one_of("way with missing values", lambda: WAYS),
        field_default=None,
    )
    class_weights: str | None = setting(
        "balanced: a sample of a rare class counts as much more as its class is rarer; none.",
        None,
        shown="none",
        **one_of("way to weigh classes", lambda: ("balanced", "none")),
        field_default=None,
    )
    header: bool | None = setting(
        "Whether the first row of the CSV file names its columns; else they are called c1, c2, …",
        None,
        shown="header",
        field_default=None,
    )
    encoding: str | None = setting(
        "The encoding of the CSV file or the text, such as cp1252.",
        None,
        shown="utf-8",
        normal=normal_encoding,
        field_default=None,
    )
    stratify: bool | None = setting(
        "Whether both parts of a CSV file have the same share of each class.",
        None,
        shown="stratify",
        field_default=None,
    )
    folds: int | None = setting(
        "Cross-validation: deal the rows of the CSV file into this number of parts, train once for each, which the "
        "network is then judged by, and keep the best of these runs.",
        None,
        shown="none",
        field_default=None,
        fits=lambda x: x >= 2,
        wanted="a whole number from 2, such as 5",
    )
    fold: int | None = setting(
        "The one fold, from 1, to train and keep, without the others.",
        None,
        shown="the best",
        field_default=None,
        **WHOLE,
    )
    lines: bool | None = setting(
        "Whether each line of the text is a sample of its own, as in a list of names.",
        None,
        shown="as the text looks",
        field_default=None,
    )
    context: int | None = setting(
        "Characters of a text that are read at once.", None, shown="64", field_default=None, **WHOLE
    )
    size: int | None = setting(
        "Pixels along a side to which the pictures of a folder are brought.",
        None,
        shown="32",
        field_default=None,
        fits=lambda x: 4 <= x <= 1024,
        wanted="a whole number from 4 to 1024, such as 64",
    )
    augment: bool | None = setting(
        "Whether pictures are shifted a little, and those of a folder mirrored, anew each time.",
        None,
        shown="no-augment",
        field_default=None,
    )
    dropout: float | None = setting(
        "The share of each hidden layer that is left out at random.",
        None,
        shown="0; cnn 0.25",
        field_default=None,
        fits=lambda x: 0 <= x < 1,
        wanted="a number from 0 to below 1, such as 0.2",
    )
    batch_norm: bool | None = setting(
        "Whether each hidden layer of mlp and cnn has batch norm; resnet has it always.",
        None,
        shown="no-batch-norm",
        field_default=None,
    )
    residual: bool | None = setting(
        "Whether what goes into a hidden layer of mlp is added to what comes out.",
        None,
        shown="no-residual",
        field_default=None,
    )
    compile: bool | None = setting(
        "Whether the steps are compiled: the same numbers but for roundings, in less time.",
        None,
        shown="no-compile",
        field_default=None,
    )

    @property
    def title(self) -> str:
        """`digits · mlp:64`."""
        return f"{self.short_dataset} · {self.model}"

    @property
    def options(self) -> Options:
        """What `pellucid train` would be given for this run, with every setting that it has."""
        takes = choices.optimizer_settings(self.optimizer)
        idle = {name for name in choices.OF_OPTIMIZERS if name not in takes}
        given = {name: getattr(self, name) for name in SETTINGS if name not in idle}
        return {name: value for name, value in given.items() if value is not None}

    @property
    def short_dataset(self) -> str:
        return short_dataset(self.dataset)

    @property
    def source(self) -> str:
        """The kind of the data, see `source_of`."""
        return source_of(self.dataset, self.target)


SETTINGS: dict[str, Setting] = {field.name: field.metadata["setting"] for field in dataclasses.fields(Config)}
