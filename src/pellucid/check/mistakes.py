"""The mistakes that the autopsy names: one row each, with what is wrong, an example of it, and the repair.

A name is a `Mistake`, which is a string, so `report.diagnoses["w"].mistake == "sign"` holds. To add one: a row here,
and a hypothesis in `autopsy` that makes it on purpose. The table in `docs/checks.md` is `markdown()`; a test compares
them.
"""

from __future__ import annotations

from typing import Any


class Mistake(str):
    """The name of a mistake, with what is to be said of it.

    Attributes:
        sentence: what is wrong in the backward pass.
        example: a line that is wrong.
        fix: the same line, right.
    """

    sentence: str
    example: str
    fix: str

    def __new__(cls, name: str, sentence: str, example: str, fix: str) -> Mistake:
        self = super().__new__(cls, name)
        self.sentence, self.example, self.fix = sentence, example, fix
        return self

    def __reduce__(self) -> Any:
        return named, (str(self),)


CONSTANT_FACTOR = Mistake(
    "constant-factor",
    "off by a constant that is no batch size (2, ½, …): the factor of a quadratic loss, for example",
    "dy = y - t  # of (y - t)**2",
    "dy = 2 * (y - t)",
)
BATCH_FACTOR = Mistake(
    "batch-factor",
    "off by N or 1/N: a sum taken for a mean, a mean taken twice, or one tensor averaged and another not",
    "dz = p - y  # of a mean over N samples",
    "dz = (p - y) / N",
)
SIGN = Mistake(
    "sign",
    "opposite sign",
    "dy = 2 * (t - y)",
    "dy = 2 * (y - t)",
)
TRANSPOSE = Mistake(
    "transpose",
    "a factor of a matrix product transposed where the shapes allow it, or the result transposed",
    "dh = dz @ W  # of z = h @ W, with W square",
    "dh = dz @ W.T",
)
MISSING_BROADCAST_SUM = Mistake(
    "missing-broadcast-sum",
    "not summed (or summed over the wrong axis, or averaged) where the forward pass broadcast",
    "db = dz",
    "db = dz.sum(axis=0)",
)
MISSING_ACTIVATION_DERIVATIVE = Mistake(
    "missing-activation-derivative",
    "the upstream gradient passed an activation unchanged",
    "dz = da  # of a = np.tanh(z)",
    "dz = da * (1 - a**2)",
)
DERIVATIVE_AT_WRONG_POINT = Mistake(
    "derivative-at-wrong-point",
    "an activation's derivative taken at its output instead of its input, the reverse, or at the error or another "
    "value",
    "dz = da * (1 - np.tanh(a) ** 2)  # of a = np.tanh(z)",
    "dz = da * (1 - np.tanh(z) ** 2)",
)
WRONG_MASK = Mistake(
    "wrong-mask",
    "the mask (ReLU, dropout, pooling) of another layer or of the wrong sign",
    "dz1 = da1 * (z2 > 0)",
    "dz1 = da1 * (z1 > 0)",
)
SOFTMAX_WRONG_AXIS = Mistake(
    "softmax-wrong-axis",
    "softmax normalised over the batch, or over everything, in the backward or in the forward pass",
    "p = e / e.sum(axis=0)",
    "p = e / e.sum(axis=1, keepdims=True)",
)
ZERO_GRADIENT = Mistake(
    "zero-gradient",
    "zero or missing where it should not be",
    "grads = {'W': dW}  # and b?",
    "grads = {'W': dW, 'b': db}",
)
STALE_VALUE = Mistake(
    "stale-value",
    "computed from a cached value of an earlier state or another layer",
    "dW2 = x.T @ dz2  # of z2 = h1 @ W2",
    "dW2 = h1.T @ dz2",
)
ACCUMULATED = Mistake(
    "accumulated",
    "an earlier gradient is still in",
    "dW += x.T @ dz  # and dW is never set to zero",
    "dW = x.T @ dz",
)
SWAPPED_TENSORS = Mistake(
    "swapped-tensors",
    "the gradient of another tensor of the same shape",
    "b1 -= lr * db2",
    "b1 -= lr * db1",
)
MISSING_STEP = Mistake(
    "missing-step",
    "a time step, window position or slice is left out, or shifted by one",
    "for t in range(T - 1, 0, -1):",
    "for t in range(T - 1, -1, -1):",
)
DROPPED_TERM = Mistake(
    "dropped-term",
    "one path of a sum of paths is missing (batch norm's mean or variance, softmax's coupling, attention's scale)",
    "dx = dxhat / std  # of xhat = (x - mean) / std",
    "dx = (dxhat - dxhat.mean(0) - xhat * (dxhat * xhat).mean(0)) / std",
)
CLIPPED = Mistake(
    "clipped",
    "right before it was clipped, by value or by norm",
    "dW = np.clip(dW, -0.1, 0.1)",
    "dW = x.T @ dz  # and clip only what explodes",
)
UPDATED_TOO_EARLY = Mistake(
    "updated-too-early",
    "computed with weights that were updated already",
    "W2 -= lr * dW2; dh = dz @ W2.T",
    "dh = dz @ W2.T; W2 -= lr * dW2",
)
OUTER_PRODUCT = Mistake(
    "outer-product",
    "a dot product (or a sum of products) where an outer product belongs, or the reverse",
    "dW = np.dot(x, dz)  # of z = x @ W, with x and z of one axis",
    "dW = np.outer(x, dz)",
)
WRONG_LOSS = Mistake(
    "wrong-loss",
    "exactly the gradient of another usual loss, or of the loss with another sign: the loss and its gradient do not "
    "belong together",
    "loss = np.mean((p - y) ** 2); dz = p - y  # of the cross entropy",
    "loss = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)); dz = (p - y) / N",
)
UNKNOWN = Mistake(
    "unknown",
    "wrong, and none of the above fits",
    "",
    "compare it with the true gradient, entry by entry, in the picture",
)

TABLE: dict[str, Mistake] = {str(row): row for row in list(globals().values()) if isinstance(row, Mistake)}


def named(name: str) -> Mistake:
    """The row of a name.

    Raises:
        ValueError: there is no mistake of this name.
    """
    if name not in TABLE:
        raise ValueError(f"there is no mistake called {name!r}; the names are {', '.join(TABLE)}")
    return TABLE[name]


def markdown() -> str:
    """The table as it is printed in the documentation."""
    rows = ["| mistake | what is wrong in the backward pass | for example | right |", "|---|---|---|---|"]
    for row in TABLE.values():
        example = f"`{row.example}`" if row.example else ""
        rows.append(f"| `{row}` | {row.sentence} | {example} | {f'`{row.fix}`' if example else row.fix} |")
    return "\n".join(rows)
