"""What is wrong with the network: its weights at first, its activations, what surrounds them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from .. import fits
from ..compare import chance, does_well, outcome, reached, recalls, stands
from ..criterion import LINEAR, SCANS, WEIGHTED
from ..places import called_by_hand
from ..record import LossRecord, OpRecord, Place, ProgramRecord, TermRecord
from ..suspicion import Suspicion
from ..treatments import (
    FreshWeights,
    LearningRate,
    LessDropout,
    NoWeightDecay,
    Orthogonal,
    Rectify,
    Remember,
    Replace,
    Scale,
    TrainMode,
    Treatment,
    WeighClasses,
)
from .data import MIXED
from .gradients import HALF_WAY, ROUNDING
from .rate import far_above_usual
from .scale import LEARNT, scale
from .weights import FADING, RECURRENT, first_weights, is_table

RECTIFIERS = ("relu", "relu6", "threshold")

ATTENTION = ("attention", "softmax")
TAKING = ("part", "index", "index_select", "select", "narrow")  # ops that take a part of what they are given
APART = ("AdamW", "SGDW", "Lion", "NAdamW", "Adafactor")  # whose weight decay is
USUAL_DECAY = 0.1  # at most, for weights that are decayed apart from the gradient
HEAVY = 0.1  # a weight decay that costs even what is learnt something
LEAST = 0.1  # of the weights, that such a decay has to take off in the whole run to be looked at
LONG_TIME = 15  # steps of a recurrence
LONG = 5  # sigmoids in a row
SAME = 1e-6  # of its mean, for the spread of numbers that are one number, by rounding
NO_LINE = 0.1  # of the variance of targets, which a linear function explains


def modes(record: ProgramRecord) -> Iterator[Suspicion]:
    """Training in eval(), evaluation in train()."""
    known = [step.mode for step in record.steps if step.mode is not None]
    kinds = [name for name in ("BatchNorm", "Dropout") if any(layer.startswith(name) for layer in record.layers)]
    if known and kinds and known.count(False) > 0.3 * len(known):
        yield Suspicion(
            "train-eval-mode",
            f"In {known.count(False)} of {len(known)} steps the network was trained in eval(), with {kinds[0]} in it.",
            "In eval() BatchNorm uses its running means, which are then never updated, and Dropout does nothing.",
            "model.train() at the beginning of each epoch, as model.eval() before an evaluation holds until then",
            record.lines.get("eval") or record.lines.get("backward"),
            [TrainMode()],
            certain=True in known,
            otherwise="warning",
        )
    for mode in record.evaluated[:1]:
        if mode.differs > 0.05 and mode.called:
            yield Suspicion(
                "train-eval-mode",
                "In eval(), dropout is at work all the same: from one evaluation of the same rows to the next, outputs "
                f"differ by {mode.differs:.0%} of their spread.",
                "dropout() as a function leaves units out unless training=False is given; model.eval() is not asked.",
                "F.dropout(x, p, training=self.training), or nn.Dropout(p) as a layer",
                mode.place,
                certain=True,
                confidence=0.8,
            )
        elif mode.differs > 0.05:
            yield Suspicion(
                "train-eval-mode",
                f"The network was evaluated in train(), where {', '.join(mode.layers)} changes its outputs by "
                f"{mode.differs:.0%} of their spread.",
                "Dropout is at work in the evaluation, or BatchNorm uses the batch at hand and learns from it.",
                "model.eval() before the evaluation, and model.train() after it",
                mode.place,
                certain=not mode.looked_at,
                otherwise="info",
                confidence=0.7,
            )


def ignored(record: ProgramRecord) -> Iterator[Suspicion]:
    """Outputs that are the same whatever comes in."""
    still = record.ignored is not None and record.ignored < ROUNDING
    if not still or (record.optimizers and not record.together) or not _targets_vary(record) or not stands(record):
        return  # or it learns more than a mean, so that some other output depends on its inputs
    loss = record.loss
    if any(op.key[0] in RECTIFIERS and op.zero == 1.0 for op in loss.chain):
        return  # an output that is off: said of its range
    if any(op.key[0] in ("softmax", "log_softmax") and _over_one(op) for op in loss.chain):
        return  # always 1: said of the softmax
    off = next((op for op in loss.body if op.key[0] in RECTIFIERS and op.zero == 1.0), None)
    weights = [p for p in record.parameters.values() if len(p.shape) >= 2 and not is_table(p.name)]
    if any(p.mean == 0 and p.std == 0 for p in weights) or any(0 < p.std * np.sqrt(p.fan_in) < FADING for p in weights):
        return  # weights that are all 0, or so small that nothing gets through: said elsewhere
    if off is None and any(_saturated(op) for op in loss.body):
        return  # units at their limits: said elsewhere
    if off is not None:
        every = [op for op in loss.body if op.key[0] in RECTIFIERS and op.zero == 1.0]
        for treatment in _revived(every):
            yield Suspicion(
                "dead-units",
                f"Every unit of a {off.key[0]} is 0 on every row of a batch.",
                "A layer that is off gives the same for every input, and gets no gradient.",
                "initial weights and biases that are not negative on the whole, scaled inputs, or nn.LeakyReLU",
                _off_at(record, off, treatment),
                [treatment],
            )
        return
    scan = next((op for op in loss.body if op.key[0] in SCANS and op.varies and op.inputs[0][0] >= LONG_TIME), None)
    if scan is not None:
        yield Suspicion(
            "vanishing-gradients",
            f"What a recurrence is given differs from row to row, and after its {scan.inputs[0][0]} steps nothing is "
            "left of that: the network gives the same output for all.",
            "Each step keeps a part of the state only, and slopes fade with it. What comes after the last word, as a "
            "long tail of padding does, wipes out what was read before.",
            "pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False), or the state at the last word; "
            "shorter sequences, and nn.LSTM or nn.GRU for long ones",
            scan.place,
            certain=True,
            confidence=0.8,
        )
        return
    same = bool(record.rows) and all(len(r) > 1 and np.ptp(r) == 0 for r in record.rows[:5])
    yield Suspicion(
        "input-ignored",
        "All rows that the network is given are the same."
        if same
        else "The network gives the same output for inputs that differ.",
        "What it says cannot depend on its input: the best that it can learn is the mean of the targets.",
        "follow the input through forward(): each result has to be used by the next line",
        record.lines.get("forward") if same else _last_line(record),
        certain=True,
        confidence=0.95,
    )


def partly_ignored(record: ProgramRecord) -> Iterator[Suspicion]:
    """Outputs on which most of a row has no effect, of a network that learns nothing."""
    without, varied = record.unused or (0, 0)
    dead = any(op.key[0] in RECTIFIERS and op.zero > 0.6 for op in record.loss.body)
    steps = len(record.shape) > 1 or record.whole_numbers
    if not steps and any(p.fan_in in (varied, *record.shape) for p in record.parameters.values()):
        return  # all columns are given to a layer: that they have no effect has other reasons, such as their scale
    if record.mixing > MIXED or varied < 3 or not varied / 2 < without <= varied or dead or not _targets_vary(record):
        return
    if without == varied:
        yield from _only_filled(record, varied)
        return
    yield Suspicion(
        "input-ignored",
        f"Of the {varied} parts of a row along its first axis, {without} can be exchanged with those of another row, "
        "and nothing changes in the output, and it learns next to nothing.",
        "What it says depends on a small part of its input only: on few "
        + ("steps of a sequence." if steps else "columns."),
        "follow the input through forward(): "
        + (
            "out[:, -1] is the last step of a sequence, out[:, 0] the first"
            if steps
            else "what it takes of x, and what it leaves"
        ),
        next((op.place for op in record.loss.body if op.key[0] in TAKING), None) or _last_line(record),
        certain=True,
        confidence=0.7,
    )


def _only_filled(record: ProgramRecord, varied: int) -> Iterator[Suspicion]:
    """Of rows of whole numbers nothing has an effect but what fills them up at their ends."""
    same = record.ignored is not None and record.ignored < ROUNDING
    if same or not record.whole_numbers:
        return  # the same for all rows: said above
    attention = [op for op in record.loss.body if op.key[0] in ATTENTION]
    yield Suspicion(
        "input-ignored",
        f"Each of the {varied} places of a row can be exchanged with that of another row, and nothing changes in the "
        "output, which only differs by how long the rows are; and it learns next to nothing.",
        "What is said in a row is left out, and what fills it up at its end is read: as by a mask the wrong way round.",
        "key_padding_mask=(ids == PAD): it is True where attention looks away"
        if attention
        else "keep what is said, and leave out what fills up: the mask the other way round",
        next((op.called or op.place for op in attention), None) or _last_line(record),
        certain=True,
        confidence=0.8,
    )


def _over_one(op: OpRecord) -> bool:
    """Whether the axis of a softmax has the length 1."""
    dim = op.attributes.get("dim")
    return isinstance(dim, int) and bool(op.shape) and op.shape[dim] == 1


def _targets_vary(record: ProgramRecord) -> bool:
    kept = [t.reshape(len(t), -1) for t in record.targets if t.ndim]
    return bool(kept) and any(float(np.ptp(t.astype(float), axis=0).max()) > 0 for t in kept if len(t))


def _saturated(op: OpRecord) -> bool:
    return op.key[0] in ("sigmoid", "tanh") and op.limit > 0.99


def _last_line(record: ProgramRecord) -> tuple[str, int] | None:
    """The line of the network that lies furthest ahead of its output, of those that still count."""
    places = [at for op in record.loss.body if (at := op.called or op.place) is not None]
    return places[-1] if places else record.lines.get("forward")


def linear(record: ProgramRecord) -> Iterator[Suspicion]:
    """Layers with nothing between them."""
    loss = record.start or record.loss
    layers = [op for op in loss.body if op.key[0] in WEIGHTED and op.weight]
    if len(layers) < 2 or any(op.key[0] not in LINEAR for op in loss.body):
        return
    if not outcome(record).finite:
        return  # whatever is changed may keep it from running away, and says nothing of what it can compute
    unused = record.lines.get("unused activation")
    beyond = _beyond_a_line(record)
    yield Suspicion(
        "no-nonlinearity",
        f"{len(layers)} layers follow each other with no activation between them"
        + ("." if unused is None else f", as nothing takes the result of the one in line {unused[1]}.")
        + beyond,
        "Linear layers in a row are one linear layer, however many they are.",
        "an activation after each layer but the last: nn.ReLU()" if unused is None else "x = F.relu(x), not F.relu(x)",
        unused or called_by_hand(layers) or layers[-1].place,
        [Rectify(frozenset(_with_bias(op, loss.body).key for op in layers[1:]))],
        certain=bool(beyond),
    )


def _with_bias(layer: OpRecord, body: list[OpRecord]) -> OpRecord:
    """What ends a layer that is written out: the sum with its bias, where there is one."""
    at = body.index(layer)
    after = body[at - 1] if at else layer
    return after if after.key[0] == "add" and after.weight and after.shape == layer.shape else layer


def _beyond_a_line(record: ProgramRecord) -> str:
    """What proves that no linear function gives what a program is to learn; "" where nothing does."""
    if does_well(record) or not fits.is_told(record):
        return ""
    share = fits.by_a_line(record) if stands(record) else None
    if fits.is_parted(record) is False:
        return " No plane parts the rows whose target is 1 from those whose target is 0, as of an XOR."
    if share is not None and share < NO_LINE:
        return f" The best linear function of these rows explains {max(share, 0.0):.0%} of the targets."
    return ""


def symmetric(record: ProgramRecord) -> Iterator[Suspicion]:
    """Units that are the same at first and stay so."""
    tables = {op.weight for op in (record.start or record.loss).body if op.key[0] == "embedding"}
    alike = [p for p in record.parameters.values() if p.alike and not (p.name in tables and p.shape[1] == 1)]
    same = [p for p in alike if p.same_gradients]
    flat = [p for p in alike if len(p.shape) >= 2 and p.std <= SAME * abs(p.mean)]
    weights = [p for p in record.parameters.values() if len(p.shape) >= 2]
    if all(p.std == p.mean == 0 for p in weights):  # then a layer of one unit hands on no gradient either
        flat = weights
    if not same and len(flat) < 2:
        return
    names = ", ".join(p.name for p in (same or flat)[:3])
    yield Suspicion(
        "symmetric-init",
        f"All units of {names} begin with the same weights, and get the same gradients.",
        "Units that are equal stay equal: the layer has one unit in truth.",
        "random initial weights, as the layers of pellucid draw them by themselves",
        record.lines.get("init") or (same or flat)[0].place,
        [FreshWeights()],
    )


def dropout(record: ProgramRecord) -> Iterator[Suspicion]:
    if record.dropout >= 0.65:
        yield Suspicion(
            "excessive-dropout",
            f"Dropout leaves out {record.dropout:.0%} of the units.",
            "Too little gets through for the network to learn from.",
            "p=0.5 or less",
            record.lines.get("Dropout"),
            [LessDropout()],
            by_final=True,
        )


def decay(record: ProgramRecord) -> Iterator[Suspicion]:
    for optimizer in record.optimizers:
        share = float(optimizer.options.get("weight_decay") or 0)
        if optimizer.name in APART and far_above_usual(record) and share <= USUAL_DECAY:
            continue  # which takes so much off the weights by the rate
        apart = optimizer.name in APART  # of the gradient: each step takes lr times as much off the weights
        least = LEAST / max(float(optimizer.options.get("lr") or 1.0) * optimizer.steps, 1e-12) if apart else 5e-3
        if share >= max(least, 5e-3, HEAVY if does_well(record) else 0.0):
            yield Suspicion(
                "excessive-weight-decay",
                f"weight_decay is {optimizer.options['weight_decay']:g}.",
                "The weights are drawn to 0 harder than the data draws them away from it.",
                "weight_decay=1e-4, or none",
                optimizer.place,
                [NoWeightDecay()],
            )
            return


def penalty(record: ProgramRecord) -> Iterator[Suspicion]:
    """A penalty on the weights that the program adds to its loss."""
    passes = [record.terms[at] for at in sorted(record.terms)]
    if not passes or not record.loss.kind:
        return
    shares = [(_penalties(terms), sum(abs(term.value) for term in terms)) for terms in passes]
    size, whole = max(shares, key=lambda pair: pair[0] / max(pair[1], 1e-12))
    last = [term for term in passes[-1] if term.of_weights]  # in the first pass, ops are counted from the data on
    if not last or size <= LEAST * whole:
        return
    yield Suspicion(
        "excessive-weight-decay",
        f"A penalty on the weights makes up {size:.3g} of a loss of {whole:.3g}.",
        "The weights are drawn to 0 harder than the data draws them away from it.",
        "a hundredth of its factor, or none",
        last[0].place,
        [Scale(frozenset(term.key for term in last), 0.01)],
        strictly=reached(record) > HALF_WAY,  # a network that learns beside it may well be meant to have small weights
    )


def _penalties(terms: list[TermRecord]) -> float:
    return sum(term.value for term in terms if term.of_weights)


def _revived(off: list[OpRecord]) -> tuple[Treatment, ...]:
    """What may bring back units that are off: other weights at first, or a slope where there is none."""
    return FreshWeights(), Replace(frozenset(RECTIFIERS), frozenset(op.key for op in off))


def _off_at(record: ProgramRecord, off: OpRecord, treatment: Treatment) -> Place | None:
    """Where units are off that other first weights bring back: where the program sets these, or else at the layer."""
    begun = record.lines.get("init") if isinstance(treatment, FreshWeights) else None
    return begun or off.place


def dead(record: ProgramRecord) -> Iterator[Suspicion]:
    """Rectifiers that are off on a whole batch, from the first."""
    first = (record.start or record.loss).body
    off = [op for op in first if op.key[0] in RECTIFIERS and op.zero > 0.6]
    for treatment in _revived(off) if off else ():
        yield Suspicion(
            "dead-units",
            f"{off[0].zero:.0%} of the units of a {off[0].key[0]} are 0 on every row of a batch, from the first step.",
            "A unit that is always off gets no gradient, and stays off.",
            "initial weights and biases that are not negative on the whole, scaled inputs, or nn.LeakyReLU",
            _off_at(record, off[0], treatment),
            [treatment],
            strictly=True,
        )


def fading(record: ProgramRecord) -> Iterator[Suspicion]:
    """Many saturating activations in a row, and gradients that fade towards the input."""
    body = (record.start or record.loss).body
    bent = [op for op in body if op.key[0] in ("sigmoid", "tanh") and op.inputs]
    layers = [op for op in body if op.key[0] in LEARNT and op.weight in record.parameters]
    if len(bent) < 2 or len(layers) < 3:
        return
    sizes = [_gradient(record, op) for op in layers]
    last, first = sizes[0], sizes[-1]
    again = max(Counter(op.weight for op in layers).values())
    through_time = min(again, sum(op.key[0] == "sigmoid" for op in bent)) >= LONG
    if last <= 0 or (first > 0.02 * last and not through_time):
        return
    names, keys = frozenset(("sigmoid", "tanh")), frozenset(op.key for op in bent)
    tried: list[list[Treatment]] = [[Replace(names, keys, through_time)]]
    if not through_time and bent[0].key[0] == "sigmoid":  # what replaces it needs larger weights in a deep network
        tried.append([Replace(names, keys, True), FreshWeights()])
    for treatments in tried:
        yield Suspicion(
            "vanishing-gradients",
            f"From the last layer to the first the gradient goes from {last:.3g} to {first:.3g}, through {len(bent)} "
            f"{bent[0].key[0]}s.",
            f"The slope of {bent[0].key[0]} is {'at most 1/4' if bent[0].key[0] == 'sigmoid' else '1 only at 0'}, and "
            "slopes multiply through depth.",
            "torch.tanh for the state, or nn.LSTM"
            if through_time
            else "nn.ReLU() in the hidden layers, fewer layers, or batch norm",
            bent[-1].place,
            treatments,
            strictly=True,
        )


def forgetful(record: ProgramRecord) -> Iterator[Suspicion]:
    """A plain recurrence over many steps that learns nothing, and does with weights that keep the length of a state."""
    body = (record.start or record.loss).body
    scan = next((op for op in body if op.key[0] == "rnn_scan" and op.inputs[0][0] >= LONG_TIME), None)
    square = [
        p for p in record.parameters.values() if RECURRENT.search(p.name) and p.shape[0] == p.shape[1] and p.known
    ]
    kept = [p for p in square if "weight_hh" in p.name]
    if scan is None or not kept or not stands(record):
        return
    steps, share = scan.inputs[0][0], kept[0].std * np.sqrt(kept[0].fan_in)
    each = (
        f"The weights of its state, of {kept[0].std:.3g} each, leave about {share:.2g} of it from one step to the next"
    )
    scans = frozenset(op.key for op in body if op.key[0] == "rnn_scan")
    for treatment, what in (
        (Orthogonal(frozenset(p.name for p in kept)), "drawn as a turn, which leaves all of it, they learn"),
        (Remember(scans), "where each step also says the most that any step before it said, the network learns"),
    ):
        yield Suspicion(
            "vanishing-gradients",
            f"A plain RNN goes over {steps} steps. {each}; {what}.",
            "What comes early, and the slopes that lead back to it, fade with each step.",
            "nn.LSTM or nn.GRU in its place; or nn.init.orthogonal_(rnn.weight_hh_l0), and shorter sequences; or what "
            "all steps say together, such as output.max(1).values",
            scan.place,
            [treatment],
            strictly=True,
        )


def _gradient(record: ProgramRecord, op: OpRecord) -> float:
    parameter = record.parameters[op.weight]
    return parameter.gradient / max(np.sqrt(float(np.prod(parameter.shape))), 1.0)


def failed_classes(record: ProgramRecord) -> Iterator[Suspicion]:
    """A class so common that the network says nothing else."""
    share, known = chance(record), recalls(record)
    if share < 0.7 or len(known) < 2 or record.loss.kind not in WEIGHABLE:
        return
    labels = np.concatenate([(t.argmax(1) if t.ndim == 2 and t.shape[1] > 1 else t).ravel() for t in record.targets])
    counts = {int(c): int(n) for c, n in zip(*np.unique(labels, return_counts=True), strict=True)}
    common = max(counts, key=lambda c: counts[c])
    rare = [recall for c, recall in known.items() if c != common]
    if not rare or float(np.mean(rare)) > 0.5:
        return
    faster = [LearningRate(10.0)] if float(np.mean(rare)) == 0 else []
    tried: list[list[Treatment]] = [[WeighClasses(counts)], [WeighClasses(counts), *faster]]
    for treatments in tried[: 1 + len(faster)]:
        yield Suspicion(
            "class-imbalance",
            f"{share:.0%} of the rows are of class {common}. Of the other classes, {np.mean(rare):.0%} of the rows are "
            "recognised.",
            "Saying the common class is right nearly always, so the accuracy hides that the others are not learnt.",
            _weights_for(record.loss, counts)
            + ("" if len(treatments) == 1 else ", and ten times the learning rate, at which it comes to them"),
            record.loss.place,
            treatments,
            by_recall=True,
        )


def _weights_for(loss: LossRecord, counts: dict[int, int]) -> str:
    if loss.kind == "binary_cross_entropy_with_logits":
        return f"pos_weight=torch.tensor({counts.get(0, 1) / max(counts.get(1, 1), 1):.1f}), and recall beside accuracy"
    total = sum(counts.values())
    shape = () if loss.prediction is None else loss.prediction.shape
    named = range(shape[1] if len(shape) == 2 else 0)
    if not max(counts) < len(named) <= 20:
        return "weight= for the loss, each class by how rare it is, and recall beside accuracy"
    each = ", ".join(f"{total / (len(counts) * counts.get(c, total)):.3g}" for c in named)
    return f"weight=torch.tensor([{each}]) for the loss (or a WeightedRandomSampler), and recall beside accuracy"


WEIGHABLE = ("cross_entropy", "nll_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits")
STATED = (ignored, partly_ignored, modes, linear, symmetric)
CONDITIONS = (first_weights, scale, dropout, decay, penalty, dead, fading, forgetful)
ANYHOW = (failed_classes, decay)  # asked of what does well, too
