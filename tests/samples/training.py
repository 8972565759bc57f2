"""Ops that train: what they do is a method of training, and is tested as that."""

# They join the table when their rooms are imported.
import pellucid.nn as _nn  # noqa: F401
import pellucid.optim as _optim  # noqa: F401

ELSEWHERE = {
    **dict.fromkeys(["adagrad_", "adam_", "rmsprop_", "sgd_"], "tests/test_optim.py"),
    "embedding_renorm_": "tests/test_nn_layers.py",
}
