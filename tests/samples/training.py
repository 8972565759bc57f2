"""Ops that train: what they do is a method of training, and is tested as that."""

# They join the table when their rooms are imported.
import pellucid.nn as _nn  # noqa: F401
import pellucid.optim as _optim

ELSEWHERE = {
    **{kind.formula.name: "tests/test_optim.py" for kind in _optim.OPTIMIZERS.values() if kind.formula},
    "embedding_renorm_": "tests/test_nn_layers.py",
}
