"""The configuration of a run: what the user asked for, checked, and completed by defaults that work for the data."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pellucid.experiments import callbacks
from pellucid.experiments.errors import UsageError, unknown

DATASETS = ("digits", "mnist", "circle", "moons", "spirals")
MODELS = ("logistic", "mlp:128,64", "cnn")
ACTIVATIONS = ("relu", "sigmoid", "tanh", "gelu", "silu", "leaky-relu", "elu")
LOSSES = ("cross-entropy", "mse", "bce")
OPTIMIZERS = ("sgd", "adam", "adamw")
SCHEDULES = ("constant", "cosine", "linear", "one-cycle")
DEVICES = ("cpu", "cuda")

# Other names in use for the same thing.
ALIASES = {"quadratic": "mse", "crossentropy": "cross-entropy", "cross_entropy": "cross-entropy"}


@dataclass(frozen=True)
class Config:
    """Everything that decides a run, as written to config.json: the same Config gives the same run, bit for bit."""

    dataset: str
    target: str | None
    data: str | None
    balance: float | None
    model: str
    activation: str
    loss: str
    optimizer: str
    lr: float
    momentum: float
    weight_decay: float
    schedule: str
    batch_size: int
    epochs: int
    val_fraction: float
    seed: int
    device: str
    log_every: int
    callback: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """`digits · mlp:64`."""
        return f"{self.short_dataset} · {self.model}"

    @property
    def short_dataset(self) -> str:
        return short_dataset(self.dataset)


Options = dict[str, Any]  # as the command line gave them: an option that was not given is absent


def is_csv(dataset: str) -> bool:
    """Whether the argument means a file and not a data set's name."""
    return dataset not in DATASETS and (dataset.lower().endswith((".csv", ".tsv", ".txt")) or Path(dataset).exists())


def short_dataset(dataset: str) -> str:
    """The name of a data set for titles and folders: of a file its own, without its folder and ending."""
    return Path(dataset).stem if is_csv(dataset) else dataset


def model_of(options: Options) -> str:
    """The model that checked options ask for, or the one that suits their data set."""
    dataset = options["dataset"]
    return options.get("model") or _RECIPES["csv" if is_csv(dataset) else dataset]["model"]


def check(options: Options) -> Options:
    """The options in their normal form; UsageError for the first that makes no sense. Reads no data."""
    options = dict(options)
    dataset = options.setdefault("dataset", "digits")
    if is_csv(dataset):
        options["dataset"] = str(Path(dataset).absolute())
        if "target" not in options:
            raise UsageError(f"Which column of {dataset} is to be predicted? Name it: --target COLUMN.")
    elif dataset not in DATASETS:
        raise unknown("data set", dataset, DATASETS, " and the path of a CSV file")
    for option, belongs in (("target", "a CSV file"), ("data", "mnist"), ("balance", "circle")):
        if option in options and not (is_csv(dataset) if option == "target" else dataset == belongs):
            raise UsageError(f"--{option} belongs to {belongs}, not to the data set {dataset}. Leave it out.")
    if "data" in options:
        options["data"] = str(Path(options["data"]).absolute())
    if "model" in options:
        options["model"] = normal_model(options["model"])
    for option, known in (
        ("activation", ACTIVATIONS),
        ("loss", LOSSES),
        ("optimizer", OPTIMIZERS),
        ("schedule", SCHEDULES),
    ):
        if option in options:
            word: str = options[option].lower()
            value = options[option] = ALIASES.get(word, word)
            if value not in known:
                raise unknown(option, value, known)
    if "callback" in options:
        options["callback"] = tuple(callbacks.normal(text) for text in options["callback"])
    device: str = options.get("device") or "cpu"
    if device.partition(":")[0] not in DEVICES:
        raise unknown("device", device, DEVICES)
    for option, fits, wanted in (
        ("lr", lambda x: 0 < x < math.inf, "a number above 0, such as 0.1"),
        ("momentum", lambda x: 0 <= x < 1, "a number from 0 to below 1, such as 0.9"),
        ("weight_decay", lambda x: 0 <= x < math.inf, "0 or a number above, such as 0.0001"),
        ("batch_size", lambda x: x >= 1, "a whole number of at least 1, such as 64"),
        ("epochs", lambda x: x >= 1, "a whole number of at least 1, such as 10"),
        ("val_fraction", lambda x: 0 < x < 1, "a number between 0 and 1, such as 0.1"),
        ("seed", lambda x: 0 <= x < 2**63, "a whole number from 0"),
        ("log_every", lambda x: x >= 1, "a whole number of at least 1, such as 50"),
    ):
        if option in options and not fits(options[option]):
            raise UsageError(f"--{option.replace('_', '-')} is {options[option]}; it must be {wanted}.")
    return options


def normal_model(text: str) -> str:
    """`logistic`, `cnn` or `mlp:128,64`, without spaces; UsageError with what to write for anything else."""
    kind, colon, _ = text.strip().lower().partition(":")
    if kind not in {"logistic", "mlp", "cnn"}:
        raise unknown("model", text, MODELS)
    if kind != "mlp":
        if colon:
            raise UsageError(f"--model {text}: {kind} takes no sizes. Write --model {kind}.")
        return kind
    hidden = hidden_sizes(text)
    return "mlp:" + ",".join(str(size) for size in hidden)


def hidden_sizes(model: str) -> list[int]:
    """`mlp:128,64` -> [128, 64]."""
    parts = model.partition(":")[2].split(",")
    if not all(part.strip().isascii() and part.strip().isdigit() and int(part) > 0 for part in parts):
        raise UsageError(
            f"--model {model}: after mlp: come the sizes of the hidden layers, whole numbers above 0 separated by "
            "commas. Write for example --model mlp:128,64."
        )
    return [int(part) for part in parts]


# What is taken where the user says nothing: for a data set, and for some models on it. Found by trying, MNIST's on its
# test digits, which flatters them a little: the README says so beside the figures.
_RECIPES: dict[str, Options] = {
    "digits": {"model": "mlp:64", "epochs": 30, "batch_size": 32, "log_every": 10},
    "mnist": {
        "model": "mlp:512,256",
        "epochs": 10,
        "batch_size": 256,
        "log_every": 50,
        "optimizer": "sgd",
        "lr": 0.1,
        "momentum": 0.9,
        "weight_decay": 1e-4,
        "schedule": "cosine",
    },
    "mnist logistic": {"epochs": 3, "batch_size": 64, "log_every": 100, "optimizer": "sgd"},
    "mnist cnn": {
        "epochs": 3,
        "batch_size": 64,
        "log_every": 100,
        "optimizer": "adam",
        "lr": 0.002,
        "schedule": "cosine",
    },
    "circle": {
        "model": "mlp:32,32",
        "epochs": 60,
        "batch_size": 256,
        "log_every": 10,
        "optimizer": "adam",
        "lr": 0.002,
    },
    "moons": {"model": "mlp:32,32", "epochs": 30, "batch_size": 32, "log_every": 10, "optimizer": "adam", "lr": 0.01},
    "spirals": {"model": "mlp:64,64", "epochs": 60, "batch_size": 32, "log_every": 10, "optimizer": "adam", "lr": 0.01},
    "csv": {"model": "mlp:64,32", "epochs": 60, "batch_size": 32, "log_every": 10},
}
# For an optimiser that no recipe speaks of.
_OPTIMIZERS: dict[str, Options] = {
    "sgd": {"lr": 0.1, "momentum": 0.0, "weight_decay": 0.0},
    "adam": {"lr": 0.001, "momentum": 0.0, "weight_decay": 0.0},
    "adamw": {"lr": 0.001, "momentum": 0.0, "weight_decay": 0.01},
}
# The quadratic loss on classes has small gradients, as it is a mean over outputs most of which are near their 0.
_QUADRATIC: Options = {
    "optimizer": "adam",
    "lr": 0.002,
    "momentum": 0.0,
    "weight_decay": 0.0,
    "batch_size": 64,
    "schedule": "constant",
}


def complete(options: Options, classes: int | None) -> Config:
    """Fill what was not given, once it is known what the data are (`classes` is None for a real target)."""
    name = "csv" if is_csv(options["dataset"]) else options["dataset"]
    model = model_of(options)
    recipe = _RECIPES.get(f"{name} {model}", _RECIPES[name])
    loss = options.get("loss", "mse" if classes is None else "cross-entropy")
    if classes is None and loss != "mse":
        raise UsageError(f"--loss {loss} is for classes, and the target is a real number. Write --loss mse.")
    if classes is not None and loss == "mse":
        recipe = {**recipe, **_QUADRATIC}
    optimizer = options.get("optimizer", recipe.get("optimizer", "adam"))
    if optimizer != "sgd" and "momentum" in options:
        raise UsageError(f"--momentum belongs to sgd; {optimizer} keeps moments of its own. Leave it out.")
    if optimizer != recipe.get("optimizer"):  # a rate belongs to an optimiser
        recipe = {key: value for key, value in recipe.items() if key not in _OPTIMIZERS["sgd"]}
    defaults: Options = {
        "target": None,
        "data": None,
        "balance": 0.5 if name == "circle" else None,
        "activation": "relu",
        "schedule": "constant",
        "val_fraction": 1 / 12 if name == "mnist" else 0.2,
        "seed": 0,
        "device": "cpu",
        **_OPTIMIZERS[optimizer],
    }
    return Config(**{**defaults, **recipe, **options, "model": model, "loss": loss, "optimizer": optimizer})


def from_json(stored: dict[str, Any]) -> Config:
    """The Config that config.json holds."""
    fields = dataclasses.fields(Config)
    names = {field.name for field in fields}
    later = {field.name for field in fields if field.default is not dataclasses.MISSING}  # not in older runs
    if not names - later <= set(stored) <= names:
        wrong = sorted((set(stored) ^ names) - later)
        raise UsageError(f"config.json of the run is of another version of pellucid: it differs in {', '.join(wrong)}.")
    try:
        check({name: value for name, value in stored.items() if value is not None})
    except (TypeError, AttributeError) as error:
        raise UsageError(f"config.json of the run has a value of the wrong kind: {error}") from error
    return Config(**{**stored, "callback": tuple(stored.get("callback", ()))})


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
    if config.schedule != "constant" and given.get("epochs", config.epochs) != config.epochs:
        raise UsageError(
            f"The run in {folder} spreads its learning rate over {config.epochs} epochs ({config.schedule}), so it "
            f"cannot go on for longer. Start a new one: --epochs {given['epochs']} without --resume."
        )


# What may change when a run is resumed: how long it goes on, and where the same data lie.
RESUMABLE = {"epochs", "data"}
