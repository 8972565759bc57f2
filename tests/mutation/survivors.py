"""Mutants that are no mistake, or that show at a tie alone, though the rule's answers do not say so: which, and why."""

AT_INFINITY = "it decides the second derivative at ±inf alone, which tests/test_engine_promises.py compares"
SHORTCUT = "a shortcut: without it the result is the same, and later"
SAME_SHAPE = "a reshape to the shape that it has already, or to one that broadcasts alike"
NEGATIVE = "NumPy takes every negative length for the one that is to be found"
OTHER_BRANCH = "the difference is in the branch that is not taken there"
CAST = "the engine casts a gradient to the dtype of its input"
ONE_NUMBER = "one number was spread over all elements: the engine sums its gradient, in whatever order"
NOTHING = "where g is 0, its logarithm is -inf, and nothing is added"
AT_ZERO = "as for a tensor of exponents: it differs at a base of 0 alone, in a second derivative that is not there"
CANCELLED = "a number in place of a 0 that is divided by; any will do, it is cancelled or multiplied by 0"
NEVER_ZERO = "no element is reduced from nothing, but where it is NaN"
TIE = "shows at a tie alone, which check.gradients takes for one"

# (op, where, how the change begins; "*" is any) -> why
NO_MISTAKE: dict[tuple[str, str, str], str] = {
    ("add", "other", "g if alpha == 1 else g * alpha → g * alpha"): SHORTCUT,
    ("sub", "other", "-g if alpha == 1 else g * -alpha → g * -alpha"): SHORTCUT,
    ("rsub", "input", "-g if alpha == 1 else g * -alpha → g * -alpha"): SHORTCUT,
    ("addcmul", "*", "tensor2 if value == 1 else tensor2 * value → tensor2 * value"): SHORTCUT,
    ("addcmul", "*", "tensor1 if value == 1 else tensor1 * value → tensor1 * value"): SHORTCUT,
    ("softplus", "input", "input if beta == 1 else input * beta → input * beta"): SHORTCUT,
    ("repeat", "input", "_sum_repeats: if not repeats → if False"): SHORTCUT,
    ("pow", "input", "if isinstance(exponent, int | float) → if False"): AT_ZERO,
    ("pow", "input", "int | float →"): AT_ZERO,
    ("pow", "exponent", "int | float →"): SHORTCUT,
    ("pow", "input", "g * (exponent * input) if exponent == 2"): SHORTCUT,
    ("*", "src", "_at_source: got if got.shape == shape else"): SHORTCUT,
    ("p_norm", "input", "_p_norm_rule: if p =="): SHORTCUT,
    ("p_norm", "input", "_p_norm_rule: m.sign(x) * abs(x) ** (p - 1) if p < 2 else"): SHORTCUT,
    ("p_norm", "input", "_p_norm_rule: p < 2 → p"): SHORTCUT,
    ("logcumsumexp", "input", "_logcumsumexp_rule: 3e+38 →"): "e to the power of either is 0",
    ("logcumsumexp", "input", "_logcumsumexp_rule: g > 0 → g >= 0"): NOTHING,
    ("logcumsumexp", "input", "_logcumsumexp_rule: g < 0 → g <= 0"): NOTHING,
    ("*", "input", "(input != input) & (out != out) → input != input"): (
        "where an element is NaN, so is the result; the second half serves nanmedian, where it is noticed"
    ),
    ("embedding", "weight", "_embedding_grad: padding is not None and padding >= 0 → padding is not None"): (
        "no index is negative, so none is equal to a negative padding"
    ),
    ("embedding", "weight", "_embedding_grad: 1 → 2 (place 3)"): NEGATIVE,
    ("masked_scatter", "source", "_chosen: m.expand(mask, size=g.shape) if mask"): SHORTCUT,
    ("masked_scatter", "source", "_chosen: if not g.shape → if False"): SAME_SHAPE,
    ("masked_scatter", "source", "_chosen: m.reshape(wide, shape=(1,)) → wide"): SAME_SHAPE,
    ("repeat", "input", "_sum_repeats: if 0 in repeats → if False"): SHORTCUT,
    ("repeat", "input", "_sum_repeats: True → False"): "the lists are of one length, which the op itself has seen to",
    ("quantile_of_sorted", "q", "_rank_rule: m.where(slope == 0, 0.0, step * slope) → step"): (
        "it differs between elements that are infinite, where PyTorch has no gradient by q to compare with"
    ),
    ("p_norm", "input", "_p_norm_rule: x * 0 * g → x * 0"): "it is 0 either way",
    ("hardswish", "input", "m.where((input <= -3) | (input >= 3), 0, input) → input"): AT_INFINITY,
    ("hardswish", "input", "(input <= -3) | (input >= 3) → input"): AT_INFINITY,
    ("hardswish", "input", "0 → 1"): OTHER_BRANCH,
    ("hardswish", "input", "input <= -3 → input < -3"): OTHER_BRANCH,
    ("hardswish", "input", "input >= 3 → input > 3"): OTHER_BRANCH,
    ("prelu", "weight", "input > 0 → input >= 0"): "it is 0 either way",
    ("p_norm", "input", "_p_norm_rule: 2 → 1"): SHORTCUT,
    ("p_norm", "input", "_p_norm_rule: m.cast_like("): CAST,
    ("p_norm", "input", "_p_norm_rule: (size != size) & (out != out) → size != size"): (
        "where an element is NaN, so is the result"
    ),
    ("p_norm", "input", "_p_norm_rule: p < 1 → p <= 1"): "a norm with p = 1 has been dealt with before",
    ("p_norm", "input", "_p_norm_rule: 0.0 → 1 (place 3)"): "it is multiplied by the 0 of an element of a norm of 0",
    ("std", "input", "_deviation_rule: 0.0 → 1"): "it is multiplied by the distance from the mean, which is 0 too",
    ("scatter_reduce", "*", "_reduce_grads: src if src.shape == index.shape else"): SHORTCUT,
    ("nanmedian", "input", "(input != input) & (out != out) → out != out"): (
        "the result is NaN only where every element is; for median, whose rule it is too, it is noticed"
    ),
    ("scatter_reduce", "*", "_reduce_grads: if to_src.shape != src_shape → if True"): SHORTCUT,
    ("scatter_reduce", "*", "_reduce_grads: 1 → 2 (place 3)"): CANCELLED,
    ("scatter_reduce", "*", "_reduce_grads: 1 → 2 (place 6)"): CANCELLED,
    ("scatter_reduce", "*", "_reduce_grads: 1 → 2 (place 7)"): CANCELLED,
    ("scatter_reduce", "*", "_reduce_grads: 0 → 1 (place 9)"): NEVER_ZERO,
    ("scatter_reduce", "*", "_reduce_grads: m.masked_fill(count, count == 0, 1) → count (place 2)"): NEVER_ZERO,
    ("scatter_reduce", "*", "_reduce_grads: mine if include_self else"): TIE,
    ("scatter_reduce", "*", "_reduce_grads: m.scatter(mine, index, 0, dim=dim) → mine"): TIE,
    ("contract", "operands", "_rule: True → False"): "the lists are of one length, which the op itself has seen to",
    ("contract", "operands", "_rule: set(output).union("): SHORTCUT,
    ("*", "*", "keep: g if keepdim or not shape else"): SAME_SHAPE,
    ("*", "*", "keep: keepdim or not shape →"): SAME_SHAPE,
    ("nll_loss", "input", "_nll_back: m.reshape(g, shape="): SAME_SHAPE,
    ("cross_entropy_backward", "probs", "_backward_of_probs: m.reshape(grad, shape="): SAME_SHAPE,
    ("matmul", "input", "_grad_left: g * b if rank_a == 1"): SAME_SHAPE,
    ("matmul", "input", "_grad_left: m.reshape(product, shape="): SAME_SHAPE,
    ("matmul", "input", "_grad_left: 2 → 1"): SAME_SHAPE,
    ("matmul", "input", "_grad_left: if rank_a > 1 and rank_b == 2 → if False"): SHORTCUT,
    ("matmul", "input", "_grad_left: rank_a > 1"): SHORTCUT,
    ("matmul", "input", "_grad_left: 1 → 2 (place 4)"): SHORTCUT,
    ("matmul", "other", "_grad_right: if rank_b == 2 and rank_a > 2 → if False"): SHORTCUT,
    ("matmul", "other", "_grad_right: rank_b == 2 and rank_a > 2 → rank_b == 2"): SHORTCUT,
    ("matmul", "other", "_grad_right: rank_a > 2"): SHORTCUT,
    ("matmul", "other", "_grad_right: 2 → 1"): SHORTCUT,
    ("*", "*", "_rows: if len(shape) == 2 → if False"): SAME_SHAPE,
    ("*", "*", "sum_to: length == 1 and gradient.shape[i + extra] != 1 → length == 1"): SAME_SHAPE,
    ("*", "*", "sum_to: m.reshape(gradient, shape=shape) if extra else gradient → m.reshape"): SAME_SHAPE,
    ("batch_norm", "input", "_along_channels:"): SAME_SHAPE,
    ("prod", "input", "_prod_back: 1 → 2"): NEGATIVE,
    ("atan2", "*", "_over_radius: 0 → 1"): "it is multiplied by the 0 that it stands for",
    ("elu", "input", "0 → 1"): OTHER_BRANCH,
    ("masked_fill", "value", "transposed"): ONE_NUMBER,
    ("masked_fill", "value", "shifted"): ONE_NUMBER,
    ("*", "*", "m.cast_like("): CAST,
    ("to_device", "input", "m.to_device("): "there is one device on the machine that runs the tests",
}


def explained(op: str, where: str, what: str) -> str | None:
    """The reason that the table has for a mutant."""
    for (own, input, start), reason in NO_MISTAKE.items():
        if own in ("*", op) and input in ("*", where) and what.startswith(start):
            return reason
    return None
