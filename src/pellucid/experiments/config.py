"""The configuration of a run: what the user asked for, checked, and completed by defaults that work for the data.

`Config` is where an option is added: its field has the words of its help, its check and its default, and the command
line, the search space of a sweep, the report and config.json take them from there.
"""

from __future__ import annotations

import dataclasses
import math
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

from pellucid.datasets.characters import check_encoding
from pellucid.datasets.column import WAYS
from pellucid.datasets.columnar import ENDINGS
from pellucid.datasets.sheet import read_table
from pellucid.experiments import choices
from pellucid.experiments.errors import UsageError, unknown
from pellucid.experiments.models import KINDS, MODELS, OF_MODELS, for_source, normal_model
from pellucid.experiments.recipes import BELONGS, DATASETS, recipe_of
from pellucid.experiments.stored import check as check_shape

Options = dict[str, Any]  # as the command line gave them: an option that was not given is absent

_MISSING: Any = object()


@dataclass(frozen=True)
class Setting:
    """What is known of a setting beside its name and type.

    Attributes:
        help: its line in `--help`.
        default: where the user says nothing and neither the data set's recipe nor the optimiser gives one.
        shown: the default in words, for `--help`.
        normal: brings a text into its normal form; UsageError where it makes no sense.
        fits, wanted: whether a number makes sense, and what would, in words.
        offers: the values that the Tab key offers.
    """

    help: str
    default: Any = _MISSING
    shown: str = ""
    normal: Callable[[str], str] | None = None
    fits: Callable[[Any], bool] | None = None
    wanted: str = ""
    offers: Callable[[], Iterable[str]] | None = None


def setting(help: str, default: Any = _MISSING, **more: Any) -> Any:
    """A field of `Config`. A field that was added later gives `field_default`, which older runs are read with."""
    later = {"default": more.pop("field_default")} if "field_default" in more else {}
    return dataclasses.field(metadata={"setting": Setting(help, default, **more)}, **later)


def _one_of(what: str, known: Callable[[], Iterable[str]], aliases: dict[str, str] | None = None) -> dict[str, Any]:
    """The check of a setting that is one of some names, and what the Tab key offers for it."""

    def normal(text: str) -> str:
        word = (aliases or {}).get(text.lower(), text.lower())
        if word not in known():
            raise unknown(what, word, list(known()))
        return word

    return {"normal": normal, "offers": known}


def _schedule(text: str) -> str:
    plain = text.lower()
    if plain == "constant" or plain in choices.SPREAD:
        return plain
    if plain.partition(":")[0] not in choices.SCHEDULERS.kinds and ":" not in plain:
        raise unknown("schedule", plain, choices.schedules())
    return choices.SCHEDULERS.normal(text)


def _encoding(text: str) -> str:
    check_encoding(text)
    return text


def _device(text: str) -> str:
    if text.partition(":")[0] not in choices.DEVICES:
        raise unknown("device", text, choices.DEVICES)
    return text


_WHOLE = {"fits": lambda x: x >= 1, "wanted": "a whole number of at least 1, such as 10"}


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
        f"{', '.join(choices.ACTIVATIONS)}.", "relu", **_one_of("activation", lambda: choices.ACTIVATIONS)
    )
    loss: str = setting(
        "cross-entropy, mse (the quadratic loss) or bce.",
        shown="cross-entropy; mse for a real target",
        **_one_of("loss", lambda: choices.LOSSES, choices.LOSS_ALIASES),
    )
    optimizer: str = setting(
        f"{', '.join(choices.OPTIMIZERS)}; with arguments such as rmsprop:alpha=0.9.",
        shown="by data set",
        normal=choices.OPTIMIZERS.normal,
        offers=lambda: choices.OPTIMIZERS,
    )
    lr: float = setting(
        "Learning rate.", shown="by optimizer", fits=lambda x: 0 < x < math.inf, wanted="a number above 0, such as 0.1"
    )
    momentum: float = setting(
        f"Momentum of {' and '.join(choices.defaults_of('momentum'))}.",
        shown="0",
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
        normal=_schedule,
        offers=choices.schedules,
    )
    batch_size: int = setting("Samples per step.", shown="by data set", **_WHOLE)
    epochs: int = setting("Passes over the data.", shown="by data set", **_WHOLE)
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
    device: str = setting("cpu or cuda (which needs CuPy).", "cpu", normal=_device, offers=lambda: choices.DEVICES)
    log_every: int = setting("Steps between two rows of history.csv.", shown="by data set", **_WHOLE)
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
    ignore: tuple[str, ...] = setting("A column of the CSV file to leave out. May be repeated.", (), field_default=())
    decimal: str | None = setting(
        "The decimal mark of the CSV file, . or , where its cells leave it open (1,234).",
        None,
        **_one_of("decimal mark", lambda: (".", ",")),
        field_default=None,
    )
    missing: str | None = setting(
        "An empty cell of the CSV file, NA, nan or ?: error; drop its row; among texts, a category; the mean of its "
        "column (among texts, a category); or indicator: the mean, and a column that says where.",
        None,
        shown="error",
        **_one_of("way with missing values", lambda: WAYS),
        field_default=None,
    )
    class_weights: str | None = setting(
        "balanced: a sample of a rare class counts as much more as its class is rarer; none.",
        None,
        shown="none",
        **_one_of("way to weigh classes", lambda: ("balanced", "none")),
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
        normal=lambda text: _encoding(text),
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
        **_WHOLE,
    )
    lines: bool | None = setting(
        "Whether each line of the text is a sample of its own, as in a list of names.",
        None,
        shown="as the text looks",
        field_default=None,
    )
    context: int | None = setting(
        "Characters of a text that are read at once.", None, shown="64", field_default=None, **_WHOLE
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


def source_of(dataset: str, target: str | None = None) -> str:
    """What an argument means: the name of a data set, "csv" or "text" for a file, or "folder".

    A file that ends in .txt is a table where a column of it is to be predicted, else a text; an absolute path to
    nothing, or one that ends in a slash, is that of a folder which is not there now. Of what is neither a name nor a
    path, UsageError.
    """
    if dataset in DATASETS:
        return dataset
    path = Path(dataset)
    ending = path.suffix.lower()
    if target is None and path.is_dir():
        return "folder"
    if ending == ".txt":
        return "text" if target is None else "csv"
    if target is not None or ending in (".csv", ".tsv", *ENDINGS) or path.exists():
        return "csv"
    if path.is_absolute() or dataset.endswith("/"):
        return "folder"
    raise unknown(
        "data set", dataset, DATASETS, " and the path of a CSV file, a text that ends in .txt, or a folder of pictures"
    )


def short_dataset(dataset: str) -> str:
    """The name of a data set for titles and folders: of a file its own, without its folder and ending."""
    return dataset if dataset in DATASETS else Path(dataset).stem


def model_of(options: Options) -> str:
    """The model that checked options ask for, or the one that suits their data set."""
    return options.get("model") or recipe_of(_source(options))["model"]


def _source(options: Options) -> str:
    """The data set by the name that the recipes have for it."""
    return source_of(options["dataset"], options.get("target"))


def check(options: Options) -> Options:
    """The options in their normal form; UsageError for the first that makes no sense. Reads no data."""
    options = dict(options)
    dataset = options.setdefault("dataset", "digits")
    source = _source(options)
    if source not in DATASETS:
        options["dataset"] = str(Path(dataset).absolute())
    if source == "csv" and "target" not in options:
        if not Path(dataset).is_file():
            raise UsageError(f"There is no file {dataset} to train on.")
        table = read_table(Path(dataset), options.get("header", True), options.get("encoding"))
        names = ", ".join(table.columns)
        raise UsageError(f"Which column of {dataset} is to be predicted? Name it, --target COLUMN, of these: {names}.")
    for option, belongs in BELONGS.items():
        if options.get(option) not in (None, (), []) and source not in belongs:
            place = " or ".join(_PLACES.get(name, name) for name in belongs)
            what = {"csv": "CSV file", "text": "text", "folder": "folder"}.get(source, "data set")
            shown = option_of(option, options[option])
            raise UsageError(f"--{shown} belongs to {place}, not to the {what} {dataset}. Leave it out.")
    if options.get("fold") is not None and not 1 <= options["fold"] <= options.get("folds", 0):
        folds = options.get("folds")
        wanted = "needs --folds, such as --folds 5" if folds is None else f"must be from 1 to {folds}, as --folds says"
        raise UsageError(f"--fold is {options['fold']}; it {wanted}.")
    model = options.get("model", recipe_of(source)["model"]).partition(":")[0]
    for option, models in OF_MODELS.items():
        if options.get(option) and model in KINDS and model not in models:
            raise UsageError(f"--{option_of(option)} belongs to {' and '.join(models)}, not to {model}. Leave it out.")
    if "model" in options:
        options["model"] = for_source(options["model"], source, recipe_of(source)["model"])
    if "data" in options:
        options["data"] = str(Path(options["data"]).absolute())
    for name, known in SETTINGS.items():
        if name in options:
            options[name] = _checked(name, options[name], known)
    return options


_PLACES = {"csv": "a CSV file", "text": "a text", "folder": "a folder of pictures"}


def _checked(name: str, value: Any, known: Setting) -> Any:
    if known.normal is not None:
        return known.normal(value) if isinstance(value, str) else tuple(known.normal(text) for text in value)
    if known.fits is not None and not known.fits(value):
        raise UsageError(f"--{name.replace('_', '-')} is {value}; it must be {known.wanted}.")
    return tuple(value) if isinstance(value, list) else value


def option_of(name: str, value: Any = None) -> str:
    """An option without its dashes: `val-fraction`, or of one that is on or off `no-header`."""
    return ("no-" if value is False else "") + name.replace("_", "-")


def command(options: Options, *more: str) -> str:
    """The `pellucid train` that has these options, as a shell takes it."""
    words = ["pellucid", "train", *([options["dataset"]] if "dataset" in options else [])]
    for name, value in options.items():
        if isinstance(value, bool):
            words.append(f"--{option_of(name, value)}")
        elif name != "dataset":
            for item in value if isinstance(value, list | tuple) else [value]:
                words += [f"--{name.replace('_', '-')}", str(item)]
    return shlex.join([*words, *more])


def complete(options: Options, classes: int | None) -> Config:
    """Fill what was not given, once it is known what the data are (`classes` is None for a real target)."""
    model = model_of(options)
    loss = options.get("loss", "mse" if classes is None else "cross-entropy")
    if classes is None and loss != "mse":
        raise UsageError(f"--loss {loss} is for classes, and the target is a real number. Write --loss mse.")
    if _source(options) == "text" and loss != "cross-entropy":
        raise UsageError(f"--loss {loss} is not for text, whose characters are classes. Write --loss cross-entropy.")
    if options.get("class_weights") == "balanced" and loss != "cross-entropy":
        raise UsageError(
            f"--class-weights balanced is for classes and cross-entropy, and the loss is {loss}. Leave it out"
            + (", or write --loss cross-entropy." if classes is not None else ".")
        )
    recipe = recipe_of(_source(options), model, quadratic=classes is not None and loss == "mse")
    optimizer = options.get("optimizer", recipe.get("optimizer", "adam"))
    own = choices.optimizer_settings(optimizer)
    if "momentum" in options and "momentum" not in own:
        raise UsageError(
            f"--momentum belongs to {' and '.join(choices.defaults_of('momentum'))}; {optimizer.partition(':')[0]} "
            "has none to set. Leave it out."
        )
    if optimizer != recipe.get("optimizer"):  # a rate belongs to an optimiser
        recipe = {name: value for name, value in recipe.items() if name not in choices.OF_OPTIMIZERS}
    defaults = {name: known.default for name, known in SETTINGS.items() if known.default is not _MISSING}
    defaults |= dict.fromkeys(choices.OF_OPTIMIZERS, 0.0) | own
    return Config(**{**defaults, **recipe, **options, "model": model, "loss": loss, "optimizer": optimizer})


def from_json(stored: dict[str, Any]) -> Config:
    """The Config that config.json holds."""
    fields = dataclasses.fields(Config)
    names = {field.name for field in fields}
    later = {field.name for field in fields if field.default is not dataclasses.MISSING}  # not in older runs
    if not isinstance(stored, dict):
        raise UsageError("config.json of the run holds no configuration. Was the file changed?")
    if not names - later <= set(stored) <= names:
        wrong = sorted((set(stored) ^ names) - later)
        raise UsageError(f"config.json of the run is of another version of pellucid: it differs in {', '.join(wrong)}.")
    known = {name: value for name, value in stored.items() if name in names}
    check_shape(known, get_type_hints(Config), "config.json of the run")
    try:
        check({name: value for name, value in stored.items() if value is not None})
    except (TypeError, AttributeError) as error:
        raise UsageError(f"config.json of the run has a value of the wrong kind: {error}") from error
    lists = {name: tuple(stored.get(name, ())) for name in ("callback", "categorical", "ignore")}
    return Config(**{**stored, **lists})


def check_same(given: Options, config: Config, folder: Path) -> None:
    """Refuse options that ask for another run than the one in `folder`."""
    for name, value in given.items():
        own = getattr(config, name)
        if name not in RESUMABLE and value != own:
            option = "The data set" if name == "dataset" else f"--{name.replace('_', '-')}"
            raise UsageError(
                f"{option} is {value}, but the run in {folder} was made with {own}. Leave it out to go on with that "
                "run, or start a new one without --resume."
            )
    if choices.spread(config.schedule) and given.get("epochs", config.epochs) != config.epochs:
        raise UsageError(
            f"The run in {folder} spreads its learning rate over {config.epochs} epochs ({config.schedule}), so it "
            f"cannot go on for longer. Start a new one: --epochs {given['epochs']} without --resume."
        )


# What may change when a run is resumed: how long it goes on, what it keeps, and where the same data lie.
RESUMABLE = {"epochs", "keep", "data"}
