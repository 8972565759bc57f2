"""Rules of published tools, written anew over what the doctor's observer records of one run of a program.

Each gives the symptoms that its tool would report, with the causes of our vocabulary that such a message points to. The
thresholds are those of the papers, or of their code where it says more. What a tool measures that a record does not
hold is left out, as is said below; what was made for Keras is read in the sense of the rule.

UMLAUT: E. Schoop, F. Huang, B. Hartmann, "UMLAUT: Debugging Deep Learning Programs using Program Structure and Model
Behavior", CHI 2021.
AutoTrainer: X. Zhang, J. Zhai, S. Ma, C. Shen, "AUTOTRAINER: An Automatic DNN Training Problem Detection and Repair
System", ICSE 2021.
DeepLocalize: M. Wardat, W. Le, H. Rajan, "DeepLocalize: Fault Localization for Deep Neural Networks", ICSE 2021.
TheDeepChecker: H. Ben Braiek, F. Khomh, "Testing Feedforward Neural Networks Training Programs", TOSEM 2023.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator

import numpy as np

from pellucid.doctor.observed.compare import chance, outcome
from pellucid.doctor.observed.criterion import LINEAR, WEIGHTED
from pellucid.doctor.observed.matching import held_out
from pellucid.doctor.observed.record import ParameterRecord, ProgramRecord

Symptom = tuple[str, tuple[str, ...]]  # what is reported, and the causes that it points to
EPOCHS = 10  # parts into which a run is cut, where a rule asks for epochs

DIVERGES = ("lr-too-high", "exploding-gradients", "log-of-zero", "non-finite-data", "init-too-large")
STUCK = ("lr-too-low", "vanishing-gradients", "init-too-small", "too-few-updates")


def epochs(values: list[float | None]) -> list[float]:
    """The means of the parts of a run."""
    known = np.array([math.nan if value is None else value for value in values])
    return [float(part.mean()) for part in np.array_split(known, min(EPOCHS, len(known) or 1)) if len(part)]


def weights(record: ProgramRecord) -> list[ParameterRecord]:
    return [p for p in record.parameters.values() if len(p.shape) >= 2 and p.reached]


def umlaut(record: ProgramRecord) -> Iterator[Symptom]:
    """Left out: shapes of pictures, and inputs that are no floats, which is an error in these programs."""
    if record.inputs and not record.whole_numbers:
        x = np.concatenate([batch.ravel() for batch in record.inputs]).astype(float)
        if not np.isfinite(x).all():
            yield "NaN in the input", ("non-finite-data",)
        elif x.min() < -1 or x.max() > 1:
            yield "input not normalised to [-1, 1]", ("input-not-scaled", "feature-scale-mismatch")
    if any(math.isnan(loss) for loss in record.losses):
        yield "NaN in the loss", DIVERGES
    chain = [op.key[0] for op in record.loss.chain]
    if record.loss.kind == "nll_loss" and "log_softmax" not in chain and "log" not in chain:
        yield "no softmax before the loss", ("wrong-loss-for-task", "double-softmax")
    if record.loss.kind == "cross_entropy" and "softmax" in chain:
        yield "softmax before a loss from logits", ("double-softmax",)
    body = record.loss.body
    if sum(op.key[0] in WEIGHTED for op in body) > 1 and all(op.key[0] in LINEAR for op in body):
        yield "no activation between layers", ("no-nonlinearity",)
    rate = float(record.optimizers[0].options.get("lr", 1e-3)) if record.optimizers else 1e-3
    if rate > 0.01:
        yield "learning rate above 0.01", ("lr-too-high", "late-instability")
    if rate < 1e-7:
        yield "learning rate below 1e-7", ("lr-too-low",)
    if record.dropout > 0.5:
        yield "dropout above 0.5", ("excessive-dropout",)
    losses = [h.loss for h in held_out(record) if h.loss is not None]
    if len(losses) > 1 and any(b > a for a, b in itertools.pairwise(losses)):
        yield "validation loss rose", ("overfitting",)
    hits = [h.accuracy for h in held_out(record) if h.accuracy is not None]
    if len(hits) > 3 and (max(hits[3:]) > 0.95 or max(hits[3:]) > (outcome(record).accuracy or 1.0)):
        yield "validation accuracy above 95 % or that of the training", ("train-val-leak", "noisy-labels")


def autotrainer(record: ProgramRecord) -> Iterator[Symptom]:
    """β₁ = 1e-3, β₂ = 1e-4, β₃ = 70, γ = 0.7, ζ = 0.03, η = 0.2, δ = 0.01, Θ = 0.7; gradients as they are at first.

    The share of gradients that are 0 is taken from the rectifiers that are off. For a regression, Θ is a share of the
    first loss, as it has no accuracy.
    """
    norms = [step.norm for step in record.steps if step.norm is not None]
    if not np.isfinite(record.losses).all() or not np.isfinite(norms).all():
        yield "explode", DIVERGES
        return
    rises = epochs([step.accuracy for step in record.steps])
    if not record.classes:
        first = abs(record.losses[0]) or 1.0
        rises = [1 - loss / first for loss in epochs([*record.losses])]
    slow = max((b - a for a, b in itertools.pairwise(rises)), default=0.0) < 0.01
    layers = weights(record)
    if max(rises, default=0.0) < 0.7 or slow:
        ends = (layers[0].gradient, layers[-1].gradient) if layers else (1.0, 1.0)
        ratio = ends[0] / ends[1] if ends[1] else math.inf
        off = [op.zero for op in record.loss.body if op.key[0] in ("relu", "relu6", "threshold")]
        if off and max(off) >= 0.7:
            yield "dying ReLU", ("dead-units",)
        elif ratio > 70:
            yield "explode", ("exploding-gradients", "lr-too-high", "init-too-large")
        elif ratio < 1e-3 and ends[0] < 1e-4:
            yield "vanish", ("vanishing-gradients", "init-too-small")
        elif slow:
            yield "not converge", STUCK
    else:
        turns = list(zip(rises, rises[1:], rises[2:], strict=False))
        high = [b for a, b, c in turns if b >= a and b >= c]
        low = [b for a, b, c in turns if b <= a and b <= c]
        if sum(a - b >= 0.03 for a, b in zip(high, low, strict=False)) >= 0.2 * len(rises):
            yield "unstable", ("lr-too-high", "late-instability")


def deeplocalize(record: ProgramRecord) -> Iterator[Symptom]:
    """Numbers that are not finite in a layer, the loss or a gradient, gradients that are all 0, and a loss or an
    accuracy that does not get better from one epoch to the next ("model does not learn")."""
    if record.bad_inputs or record.first_bad:
        yield f"numerical error in {record.first_bad or 'the input'}", DIVERGES
        return
    norms = [step.norm for step in record.steps if step.norm is not None]
    if norms and max(norms) == 0:
        yield "error in the backward: gradients of 0", ("dead-units", "softmax-single-unit", "detached-gradient")
        return
    losses, hits = epochs([*record.losses]), epochs([step.accuracy for step in record.steps])
    better = losses[-1] < losses[0] if losses else False
    if record.classes and not math.isnan(hits[-1]):
        better = (better and hits[-1] > hits[0]) or hits[0] > 0.9
    if not better:
        yield "model does not learn", (*STUCK, "lr-too-high", "loss-sign-flipped")


def deepchecker(record: ProgramRecord) -> Iterator[Symptom]:
    """Left out: fitting a single batch, regularisation, and all that compares runs, of which a record holds one.

    A loss has to fall by 5 % within five epochs and may not double; 95 % of the units of a layer may be off or at
    a limit; the first loss may be off by its own size.
    """
    if record.inputs and not record.whole_numbers:
        x = np.concatenate([batch.ravel() for batch in record.inputs]).astype(float)
        if not np.isfinite(x).all():
            yield "input not finite", ("non-finite-data",)
        elif abs(x.mean()) > 1 or x.std() > 3:
            yield "input not scaled", ("input-not-scaled", "feature-scale-mismatch")
    if record.classes and chance(record) > 0.8:
        yield "unbalanced labels", ("class-imbalance",)
    same = [p for p in weights(record) if p.std == 0]
    if same:
        yield "weights without variance", ("symmetric-init",)
    for parameter in weights(record):
        ratio = parameter.std * math.sqrt(parameter.fan_in)
        if parameter.std and not 0.25 < ratio < 4 and "emb" not in parameter.name:
            yield "unusual first weights", ("init-too-large" if ratio > 1 else "init-too-small",)
            break
    if any(p.known and p.moved == 0 for p in record.parameters.values()):
        yield "untrained parameters", ("parameter-not-optimized", "detached-gradient", "lr-too-low")
    target = record.loss.target
    if record.loss.kind == "cross_entropy" and record.loss.prediction is not None and target is not None:
        expected = math.log(max(record.loss.prediction.shape[1:2] or (2,)))
        if expected and abs(record.losses[0] - expected) > expected:
            yield "first loss far from ln C", ("init-too-large", "input-not-scaled", "loss-reduction-scale")
    losses = epochs([*record.losses])
    if not np.isfinite(record.losses).all():
        yield "loss not finite", DIVERGES
    elif losses:
        if losses[-1] > 2 * min(losses) > 0:
            yield "diverging loss", ("lr-too-high", "late-instability", "loss-sign-flipped")
        if min(losses[-5:]) > 0.95 * losses[0]:
            yield "loss does not fall", STUCK
    for op in record.loss.body:
        if op.key[0] in ("relu", "relu6") and op.zero > 0.95:
            yield "dead layer", ("dead-units",)
            break
        if op.key[0] in ("sigmoid", "tanh") and op.limit > 0.95:
            yield "saturated layer", ("dead-units", "input-not-scaled", "init-too-large")
            break
    layers = [p.gradient / math.sqrt(math.prod(p.shape)) for p in weights(record)]
    if len(layers) > 2 and 0 < layers[0] < 1e-3 * layers[-1]:
        yield "vanishing gradient", ("vanishing-gradients",)
    if len(layers) > 2 and layers[0] > 1e3 * layers[-1] > 0:
        yield "exploding gradient", ("exploding-gradients",)


TOOLS: dict[str, Callable[[ProgramRecord], Iterator[Symptom]]] = {
    "UMLAUT": umlaut,
    "AutoTrainer": autotrainer,
    "DeepLocalize": deeplocalize,
    "TheDeepChecker": deepchecker,
}


def verdicts(record: ProgramRecord | None) -> dict[str, list[Symptom]]:
    """What each tool reports, the first first; nothing of a program that ended before its first backward."""
    if record is None or not record.steps:
        return {name: [] for name in TOOLS}
    return {name: list(rules(record)) for name, rules in TOOLS.items()}
