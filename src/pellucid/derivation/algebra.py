"""Vector-Jacobian products in matrix form, for the ops that have one of their own; and in a sentence.

A form is given an application, the position of an argument and the gradient of the result, and returns the right hand
side of the equation, as `rule.Rule` has it; or None where the general one serves better.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .application import Application
from .letters import Matrix, over, result_letter, stretched
from .words import figure

Terms = list[Matrix | str]
Form = Callable[[Application, int, np.ndarray], Terms | None]


def _d(app: Application, g: np.ndarray) -> Matrix:
    return Matrix("d" + result_letter(app), g)


def _matmul(app: Application, position: int, g: np.ndarray) -> Terms | None:
    a, b = app.array(0), app.array(1)
    if a.ndim == 1 and b.ndim == 1:  # a number from two vectors
        return [Matrix("dC", g), "·", Matrix("B", b) if position == 0 else Matrix("A", a)]
    if a.ndim == 1 or b.ndim == 1:
        if a.ndim + b.ndim > 3:
            return None
        if b.ndim == 1:  # (n, k) @ (k,)
            return [Matrix("dC", g[:, None]), "@", Matrix("Bᵀ", b[None])] if position == 0 else [
                Matrix("Aᵀ", a.T), "@", Matrix("dC", g)
            ]  # fmt: skip
        return [Matrix("B", b), "@", Matrix("dC", g)] if position == 0 else [
            Matrix("Aᵀ", a[:, None]), "@", Matrix("dC", g[None])
        ]  # fmt: skip
    own = app.array(position).shape[:-2]
    axes = stretched(own, g.shape[:-2])
    product: Terms = (
        [Matrix("dC", g), "@", Matrix("Bᵀ", np.swapaxes(b, -1, -2))]
        if position == 0
        else [Matrix("Aᵀ", np.swapaxes(a, -1, -2)), "@", Matrix("dC", g)]
    )
    return [over(axes), "of (", *product, ")"] if axes else product


def _linear(app: Application, position: int, g: np.ndarray) -> Terms | None:
    x, weight = app.array(0), app.array(1)
    if weight.ndim != 2:
        return None
    rows = g.reshape(-1, g.shape[-1])  # however many dimensions lead, they are rows
    if position == 0:
        return [Matrix("dY", g), "@", Matrix("W", weight)]
    if position == 1:
        return [Matrix("dYᵀ", rows.T), "@", Matrix("X", x.reshape(-1, x.shape[-1]))]
    return ["Σ over the rows of", Matrix("dY", rows)]


def _transposed(app: Application, position: int, g: np.ndarray) -> Terms | None:
    if g.ndim != 2:
        return None
    return [_d(app, g), "transposed"]


def _laid_out(app: Application, position: int, g: np.ndarray) -> Terms | None:
    return [_d(app, g), "laid out as", f"{app.array(position).shape}"]


def _sum(app: Application, position: int, g: np.ndarray) -> Terms | None:
    return [_d(app, g), "for each summand"]


def _mean(app: Application, position: int, g: np.ndarray) -> Terms | None:
    count = app.array(position).size // max(g.size, 1)
    return [_d(app, g), f"/ {count}", "for each of the", f"{count}"]


def _expand(app: Application, position: int, g: np.ndarray) -> Terms | None:
    axes = stretched(app.array(position).shape, g.shape)
    return [over(axes), "of", _d(app, g)] if axes else None


def _softmax(app: Application, position: int, g: np.ndarray) -> Terms | None:
    inner = (g * app.out).sum(app.kwargs["dim"] if g.ndim else None, keepdims=g.ndim > 0)
    return [
        Matrix("p", app.out), "⊙ (", _d(app, g), "−", Matrix(f"Σ dout⊙p over axis {app.kwargs['dim']}", inner), ")",
    ]  # fmt: skip


def _log_softmax(app: Application, position: int, g: np.ndarray) -> Terms | None:
    inner = g.sum(app.kwargs["dim"] if g.ndim else None, keepdims=g.ndim > 0)
    return [
        _d(app, g), "−", Matrix("p", np.exp(app.out)), "⊙", Matrix(f"Σ dout over axis {app.kwargs['dim']}", inner),
    ]  # fmt: skip


def _cross_entropy(app: Application, position: int, g: np.ndarray) -> Terms | None:
    values = app.values()
    probs, target = values["probs"], values["target"]
    if (
        probs.ndim != 2
        or target.ndim != 1
        or values["weight"] is not None
        or values["label_smoothing"]
        or (target == values["ignore_index"]).any()
    ):
        return None
    onehot = np.eye(probs.shape[1])[target]
    difference: Terms = ["(", Matrix("p", probs), "−", Matrix("onehot", onehot), ")"]
    if values["reduction"] == "none":
        return [*difference, "⊙", Matrix("dout", g[:, None])]
    if values["reduction"] == "mean":
        return [*difference, "·", Matrix("dout", g), f"/ {len(target)}"]
    return [*difference, "·", Matrix("dout", g)]


def _nll(app: Application, position: int, g: np.ndarray) -> Terms | None:
    values = app.values()
    if values["input"].ndim != 2 or values["weight"] is not None or values["reduction"] == "none":
        return None
    onehot = np.eye(values["input"].shape[1])[values["target"]]
    share = f"/ {len(onehot)}" if values["reduction"] == "mean" else ""
    return ["−", Matrix("onehot", onehot), "·", Matrix("dout", g), *([share] if share else [])]


def _piece(app: Application, position: int, g: np.ndarray) -> Terms | None:
    return ["its part of", _d(app, g)]


FORMS: dict[str, Form] = {
    "matmul": _matmul, "linear": _linear, "matrix_transpose": _transposed, "transpose": _transposed,
    "reshape": _laid_out, "view": _laid_out, "squeeze": _laid_out, "unsqueeze": _laid_out, "sum": _sum, "mean": _mean,
    "expand": _expand, "softmax": _softmax, "log_softmax": _log_softmax, "cross_entropy": _cross_entropy,
    "nll_loss": _nll, "cat": _piece, "stack": _piece,
}  # fmt: skip


def _cross_entropy_entry(app: Application, position: int, g: np.ndarray, at: tuple[int, ...]) -> str:
    terms = _cross_entropy(app, position, g)
    if terms is None or app.values()["reduction"] == "none":
        return ""
    values = app.values()
    p, right = values["probs"][at], float(at[1] == values["target"][at[0]])
    share = f" / {len(values['target'])}" if values["reduction"] == "mean" else ""
    return f"({figure(float(p))} − {figure(right)})·{figure(float(g))}{share}"


ENTRIES: dict[str, Callable[[Application, int, np.ndarray, tuple[int, ...]], str]] = {
    "cross_entropy": _cross_entropy_entry,
}

WHY: dict[str, str] = {
    "matmul": "Each entry of A meets a whole row of B, so its gradient is that row against a row of dC; the shapes "
              "leave only one way to multiply.",
    "linear": "The input's gradient goes back through the same weights; the weight's gradient pairs each output's "
              "gradient with each input, summed over the samples; the bias is added to every sample and gets the sum.",
    "add": "A sum hands the gradient on unchanged to both; what was broadcast gets the sum over its copies.",
    "sub": "A difference hands the gradient on: unchanged to the first, with the sign turned to the second.",
    "mul": "Each factor gets the gradient times the other factor.",
    "true_divide": "The numerator gets the gradient over the denominator; the denominator -out/denominator of it.",
    "neg": "The sign turns.",
    "exp": "eˣ is its own derivative: the result is used once more.",
    "log": "The derivative of log x is 1/x: small inputs get large gradients.",
    "sqrt": "1 / (2·√x): it grows without bound towards 0.",
    "square": "2x: the gradient is proportional to how far x is from 0.",
    "pow": "x to the n has the derivative n·x^(n-1).",
    "abs": "Only the sign of x decides; at 0 there is a kink, and the gradient is taken as 0.",
    "relu": "What was positive passes unchanged; where x was below 0 the gradient stops.",
    "leaky_relu": "What was positive passes unchanged; below 0 a small share of it does.",
    "tanh": "1 - tanh²: 1 at the middle, towards 0 where tanh saturates, and there the gradient vanishes.",
    "sigmoid": "σ(1 - σ): at most 1/4, so each sigmoid takes at least three quarters of the gradient away.",
    "sum": "Every element is counted once, so every element gets the whole gradient.",
    "mean": "Every element counts 1/n, so every element gets that share of the gradient.",
    "max": "Only the largest decides, so it alone gets the gradient.",
    "amax": "Only the largest decides, so it alone gets the gradient; among equals it is shared.",
    "amin": "Only the smallest decides, so it alone gets the gradient; among equals it is shared.",
    "max_along": "Only the largest of each row decides, so it alone gets the gradient.",
    "max_pool": "Only the largest of each window decides, so it alone gets the gradient.",
    "maximum": "The larger of the two gets the gradient; where they are equal each gets half.",
    "softmax": "Raising one score raises its own probability and lowers all others: what matters of a gradient is by "
               "how much it exceeds the mean of all, weighted by p.",
    "log_softmax": "A log-probability rises with its own score and falls with each by its probability.",
    "cross_entropy": "Probabilities minus the truth: the score of the right class is pushed up by what it lacks to 1, "
                     "each other down by its probability. The rows sum to 0.",
    "nll_loss": "Only the log-probability of the right class counts.",
    "reshape": "The same numbers in another layout.", "view": "The same numbers in another layout.",
    "squeeze": "The same numbers in another layout.", "unsqueeze": "The same numbers in another layout.",
    "transpose": "Rows and columns were exchanged; the gradient is exchanged back.",
    "matrix_transpose": "Rows and columns were exchanged; the gradient is exchanged back.",
    "permute": "The axes were exchanged; the gradient's are exchanged back.",
    "expand": "Each copy has a gradient; the original gets their sum.",
    "cat": "Each part gets back the piece of the gradient that stands where it stood.",
    "stack": "Each part gets back the piece of the gradient that stands where it stood.",
    "part": "What was picked gets its gradient; what was left out gets 0.",
    "index": "What was picked gets its gradient, as often as it was picked; what was left out gets 0.",
    "embedding": "A row of the table gets the sum of the gradients of the places where it was looked up, others 0.",
    "where": "The one that was chosen gets the gradient, the other 0.",
    "masked_fill": "What was overwritten gets 0; everything else passes.",
    "clamp": "What was inside the bounds passes; what was cut off gets 0.",
    "cumsum": "x[i] is a part of out[i] and of all later ones: it gets the sum of their gradients.",
    "layer_norm": "Shifting or scaling a whole row changes nothing, so of the gradient its mean and its part along the "
                  "normalised row are taken away.",
    "batch_norm": "Shifting or scaling a whole column changes nothing, so of the gradient its mean and its part along "
                  "the normalised column are taken away.",
    "convolution": "The gradient is slid back over the input with the same weights; the weight's gradient is the input "
                   "slid over the gradient.",
    "cast": "The same numbers in another dtype.",
}  # fmt: skip


def why(name: str) -> str:
    """A sentence on why an op's gradient is what it is; empty where there is none."""
    return WHY.get(name) or WHY.get(name.removesuffix("_"), "")
