"""From the options that were given to a configuration: checked, in their normal form, completed by defaults that work
for the data; and back, to a command.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, get_type_hints

from pellucid import shell
from pellucid.datasets.sheet import read_table
from pellucid.experiments import choices
from pellucid.experiments.config import SETTINGS, Config, Options
from pellucid.experiments.errors import UsageError, listed
from pellucid.experiments.models import KINDS, OF_MODELS, for_source
from pellucid.experiments.recipes import BELONGS, DATASETS, recipe_of
from pellucid.experiments.setting import UNSET, Setting
from pellucid.experiments.sources import source_of
from pellucid.experiments.stored import check as check_shape

EARLY = "early-stopping:patience=10,restore_best=true"  # how such an optimiser ends
LARGE_BATCH = 10_000  # samples of which an optimiser that needs the curvature of them all has one step


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
        table = read_table(Path(dataset), options.get("header"), options.get("encoding"))
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
            raise UsageError(f"--{option_of(option)} belongs to {listed(models)}, not to {model}. Leave it out.")
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
    return shell.join([*words, *more])


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
    for name in choices.OF_OPTIMIZERS:
        if name in options and name not in own:
            raise UsageError(
                f"--{option_of(name)} belongs to {listed(choices.defaults_of(name))}; {optimizer.partition(':')[0]} "
                "has none to set. Leave it out."
            )
    if optimizer != recipe.get("optimizer"):  # a rate belongs to an optimiser
        recipe = {name: value for name, value in recipe.items() if name not in choices.OF_OPTIMIZERS}
    if choices.OPTIMIZERS.kind(optimizer).needs_closure:  # the curvature is that of all samples, not of a few
        recipe |= {"batch_size": LARGE_BATCH, "log_every": 1}
        own_end = any(text.startswith("early-stopping") for text in options.get("callback", ()))
        if not own_end:  # it fits a small table to the last digit, and far beyond what new rows gain by
            options = {**options, "callback": (EARLY, *options.get("callback", ()))}
    defaults = {name: known.default for name, known in SETTINGS.items() if known.default is not UNSET}
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
    lists = {name: tuple(stored.get(name, ())) for name in ("callback", "categorical", "numeric", "ignore")}
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
