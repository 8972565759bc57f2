"""Usual wrong answers for which `pellucid.check` has no name: edits of the solution, and what to say of them."""

from __future__ import annotations

# For each exercise: what is written in place of what, and what is said of an answer that gives the same numbers.
USUAL: dict[str, list[tuple[str, str, str]]] = {
    "batch-norm": [
        (
            " - n * (dn * n).mean(axis=0)",
            "",
            "The variance depends on x, too, and its part is missing: the deviation was taken for a constant.",
        ),
        ("dn - dn.mean(axis=0) - n", "dn - n", "The mean depends on x, too, and its part is missing."),
        (
            "(dn - dn.mean(axis=0) - n * (dn * n).mean(axis=0))",
            "dn",
            "The mean and the variance depend on x, too, and their parts are missing: they were taken for constants.",
        ),
    ],
    "layer-norm": [
        (
            " - n * (dn * n).mean(axis=1, keepdims=True)",
            "",
            "The variance depends on x, too, and its part is missing: the deviation was taken for a constant.",
        ),
        ("dn - dn.mean(axis=1, keepdims=True) - n", "dn - n", "The mean depends on x, too, and its part is missing."),
        (
            "axis=1, keepdims=True",
            "axis=0",
            "The means are taken over the batch: layer normalisation is within each row.",
        ),
    ],
    "rnn-cell": [
        ("(dy[t] + after)", "dy[t]", "h[t] also goes to step t + 1, and what comes back from there is left out."),
        (
            "y[t - 1] if t > 0 else np.zeros_like(y[0])",
            "y[t]",
            "u acts on the state before the step, not on that after.",
        ),
        (
            "y[t - 1] if t > 0 else np.zeros_like(y[0])",
            "y[t - 1]",
            "At t = 0 the state before is 0; y[-1] is the last.",
        ),
    ],
    "lstm-cell": [
        ("dnew + dh * o * (1 - a**2)", "dnew", "c' also goes into h' = o tanh(c'), and that way is left out."),
        (
            "dnew + dh * o * (1 - a**2)",
            "dh * o * (1 - a**2)",
            "c' is an output itself, and its own part of dy is left out.",
        ),
        ("dg * (1 - g**2)", "dg", "g is a tanh, whose derivative is missing."),
    ],
    "max-pool": [
        (
            "(x == stretched) * ",
            "",
            "The gradient of a window goes to its maximum alone, not to all four of its elements.",
        ),
    ],
    "embedding": [
        (
            "np.add.at(dtable, x, dy)",
            "dtable[x] += dy",
            "A row that is looked up twice gets both gradients: += with an array of indices adds only one of them.",
        ),
    ],
}
