"""What is noted of a program that trains with pellucid, while it runs: plain data, which rules read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Place = tuple[str, int]  # file and line of the user's
FLAT = 1e-7  # a slope that is none
EACH = 0.9  # of the backwards, behind which one of several optimisers makes an update
STEADY = 0.25  # of a factor, by which it may change where it is one


@dataclass
class OpRecord:
    """One application of an op within a forward pass that was looked at.

    Attributes:
        key: its name and which one of that name it is in the pass: the same op in each pass and each fork.
        place: the line of the user's that says it: where the layer was made, or where the function was called.
        called: the line that has it computed, as of a layer's call in forward().
        weight: the name of the parameter that it multiplies with; "" for ops without one.
        zero, limit: shares of its units that are 0, or at a limit of their range, on every row of the batch.
    """

    key: tuple[str, int]
    place: Place | None
    shape: tuple[int, ...]
    inputs: list[tuple[int, ...]]
    attributes: dict[str, Any]
    weight: str = ""
    zero: float = 0.0
    limit: float = 0.0
    low: float = 0.0
    high: float = 0.0
    called: Place | None = None
    varies: bool = False  # of a recurrence over a whole sequence, whether what goes in differs between the rows


@dataclass
class LossRecord:
    """How the loss was computed from a prediction and a target.

    Attributes:
        kind: "cross_entropy", "nll_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits", "mse_loss", …; ""
            where it is not one that is known.
        chain: the ops from the prediction back to the last one with weights, the last first.
        body: the ops behind that one, as far as the inputs.
    """

    kind: str = ""
    place: Place | None = None
    reduction: str = ""
    scale: float = 1.0  # times the mean of all numbers: see `LossCall.scale`
    prediction: np.ndarray | None = None
    target: np.ndarray | None = None
    subtraction: tuple[str, int] | None = None  # the op that subtracts the target, where their shapes differ
    chain: list[OpRecord] = field(default_factory=list)
    body: list[OpRecord] = field(default_factory=list)
    outermost: list[tuple[str, int]] = field(default_factory=list)  # the first of the chain, each time in the pass


@dataclass
class TermRecord:
    """One of the terms that a loss is a sum of, in one pass.

    Attributes:
        key: of the op that gave it.
        value: what it adds to the loss.
        of_weights: whether it is computed from parameters alone, as a penalty on them.
    """

    key: tuple[str, int]
    place: Place | None
    value: float
    of_weights: bool = False


@dataclass
class StepRecord:
    """A backward, and the update after it."""

    loss: float
    factor: float | None = None  # what backward was called on, over the loss that was computed; None: not known
    accuracy: float | None = None
    stale: bool = False  # gradients of the update before were still in
    told: bool = True  # whether that can be told: gradients that are 0, as of units that are off, say nothing
    mode: bool | None = None  # whether the network was in train()
    count: int = 0  # rows in the batch
    norm: float | None = None  # of all gradients, as the backward left them
    recognised: dict[int, tuple[int, int]] = field(default_factory=dict)  # by class: rows that are, and all of them


@dataclass
class ParameterRecord:
    """A parameter that is used, known to an optimiser, or reached by a backward."""

    name: str
    shape: tuple[int, ...]
    place: Place | None = None
    known: bool = False  # to an optimiser
    frozen: bool = False  # requires_grad is False
    used: bool = False  # in a pass that trains
    ungraded: bool = False  # in a pass that trains, under no_grad()
    reached: bool = False  # by a backward
    listed: bool = False  # by parameters() of a network that is trained
    loaded: bool = False  # its values were loaded, or trained by another optimiser
    elsewhere: bool = False  # of one of several phases, known to optimisers of the others alone
    std: float = 0.0  # at first
    mean: float = 0.0
    fan_in: int = 1
    alike: bool = False  # all its units are the same at first
    same_gradients: bool = False  # … and after some steps still
    gain: float = 0.0  # of a square weight, its largest singular value at first
    gradient: float = 0.0  # its norm, at first
    moved: float = 0.0  # how far it came, as a share of its size


@dataclass
class OptimizerRecord:
    """An optimiser and the hyperparameters of its first group."""

    name: str
    options: dict[str, Any]
    place: Place | None = None
    steps: int = 0
    rates: list[float] = field(default_factory=list)  # the learning rate at each step
    shared: bool = False  # whether all its parameters were in another one before
    anew: int = 0  # times that the same line made it once more, for the same parameters
    first: int = 0  # backwards before its first update
    last: int = 0  # … and after its last one
    idle: int = 0  # updates of parameters none of which is to be trained
    without: int = 0  # the last ones in a row that found no gradient
    held: frozenset[int] = frozenset()  # its parameters, each by a number
    uncleared: int = 0  # updates of gradients that were added to those of the one before
    backward: Place | None = None  # … and the backward ahead of the first of them


@dataclass
class LoaderRecord:
    """A DataLoader with which a network was trained."""

    rows: int
    batch: int
    shuffled: bool
    place: Place | None = None
    distinct: int = 0  # rows that differ; 0: not known
    held: int = 0  # rows of the tables that its data set keeps; 0: not known


@dataclass
class FunctionRecord:
    """A custom `autograd.Function`: its slope along a random direction, as its backward says and by differences.

    Attributes:
        given_back: its result is this argument as it is, so that it is there for its backward alone.
    """

    name: str
    argument: int
    said: float
    true: float
    place: Place | None = None
    given_back: bool = False

    @property
    def meant(self) -> bool:
        """Whether its backward is to be another than that of its forward: of a gradient that is turned or clipped on
        its way, or of a step, whose own slope is 0 wherever it has one."""
        return self.given_back or abs(self.true) < FLAT < abs(self.said)

    @property
    def turns(self) -> bool:
        """Whether it turns the gradient of what it hands on, so that one part of a network works against another."""
        return self.given_back and self.said * self.true < 0


@dataclass
class ModeRecord:
    """An evaluation in train(): how much its outputs differ from those in eval().

    Attributes:
        called: dropout is a function that does not ask for the mode, and at work in eval(), too: how much outputs
            differ from one call to the next.
        looked_at: nothing is compared with what the network said then, as of a picture that it is to draw.
    """

    place: Place | None
    layers: list[str]
    differs: float
    called: bool = False
    looked_at: bool = False


@dataclass
class HeldOutRecord:
    """A network called under `no_grad()`, with what the program compared its output to.

    Attributes:
        step: backwards before it.
        rows: a number for each row that tells it apart, as in `ProgramRecord.rows`.
        names: what the program calls these rows, or the loader that they come from.
        inputs, outputs, target: kept of the last evaluation only.
        sample: some of the inputs, of the first evaluation that a line makes.
        source: where the DataLoader was made that gave these rows as they are.
        ids: the columns of the rows, where these are a few whole numbers, as a user and an item.
        met: whether labels lie beside the rows, or the outputs met other numbers, one or more for each row.
    """

    step: int
    place: Place | None
    rows: np.ndarray
    names: frozenset[str]
    loss: float | None = None
    accuracy: float | None = None
    inputs: np.ndarray | None = None
    outputs: np.ndarray | None = None
    target: np.ndarray | None = None
    sample: np.ndarray | None = None
    source: Place | None = None
    ids: np.ndarray | None = None
    met: bool = False
    answers: tuple[np.ndarray, np.ndarray] | None = None  # see `beside.answers_beside`

    @property
    def measured(self) -> bool:
        """Whether what the network said was compared with something, as it is of an evaluation."""
        return self.loss is not None or self.accuracy is not None or self.target is not None


@dataclass
class MatchRecord:
    """The last evaluation as it was, and with its inputs brought to what those of the training are.

    Attributes:
        how: in words, such as "another mean and standard deviation".
        was, now: the share of right answers, or minus the loss.
        off: by how many standard deviations of the training its inputs are off, or the factor of their scale.
        won, lost: rows that are answered rightly only with that, and only without it.
        overall: whether that is of all columns together; single ones differ by noise that is added in the training.
        far: how they differ where they are far off, and spread as those of the training once brought to their scale.
    """

    how: str
    was: float | None
    now: float | None
    off: float
    said: str
    overall: bool = False
    won: int = 0
    lost: int = 0
    far: str = ""


@dataclass
class ClipRecord:
    """Gradients that are clipped: to what norm, and the norms that they had."""

    kind: str
    limit: float
    place: Place | None
    norms: list[float] = field(default_factory=list)


@dataclass
class FinalRecord:
    """The networks in eval() at the end, on the rows that were kept.

    Attributes:
        accuracy: the share of right answers.
        recalls: that share for each class that was seen, by class.
        loss: the mean square error, where the targets are no classes.
        doubted: rows of which the network says another class than their label, as numbers that tell them apart.
        alone: the share of right answers of rows that are given one by one, where something is normalised over rows.
    """

    accuracy: float | None = None
    recalls: dict[int, float] = field(default_factory=dict)
    loss: float | None = None
    doubted: np.ndarray = field(default_factory=lambda: np.empty(0))
    alone: float | None = None


@dataclass
class ProgramRecord:
    """The whole run.

    Attributes:
        ended: the program came to its end; otherwise it was stopped, at a number of steps or seconds.
        inputs, targets: rows of the batches that it was trained on, in their order.
        layers: the classes of the layers of the networks that were trained.
        events: in their order, the first "backward", "step", "zero_grad" with their lines.
        cut: where a result that had a gradient was used without it.
    """

    steps: list[StepRecord] = field(default_factory=list)
    loss: LossRecord = field(default_factory=LossRecord)  # as it was looked at last
    start: LossRecord | None = None  # and at first
    others: dict[Place, LossRecord] = field(default_factory=dict)  # losses of the same pass, by their lines
    parameters: dict[str, ParameterRecord] = field(default_factory=dict)
    optimizers: list[OptimizerRecord] = field(default_factory=list)
    loaders: list[LoaderRecord] = field(default_factory=list)
    passed: int = 0  # batches of loaders behind the first of each loop over one, where gradients are recorded
    functions: list[FunctionRecord] = field(default_factory=list)
    evaluated: list[ModeRecord] = field(default_factory=list)
    layers: list[str] = field(default_factory=list)
    dropout: float = 0.0
    norm_first: bool = False
    events: list[tuple[str, Place | None]] = field(default_factory=list)
    lines: dict[str, Place] = field(default_factory=dict)
    inputs: list[np.ndarray] = field(default_factory=list)
    targets: list[np.ndarray] = field(default_factory=list)
    rows: list[np.ndarray] = field(default_factory=list)  # of each batch, a number for each row that tells it apart
    answers: list[np.ndarray] = field(default_factory=list)  # of each batch in `rows`, which are answered rightly
    shape: tuple[int, ...] = ()  # of a row
    whole_numbers: bool = False  # whether inputs are no floats, as token ids
    available: int = 0  # rows of what the batches were taken from
    distinct: int = 0  # … that differ: a row may be there several times, as where rare ones are repeated
    mixing: float = 0.0  # how much the output of a row depends on the other rows
    foreseen: float = 0.0  # how much outputs change with a token that comes later: see `foresight.foresees`
    repeats: bool = False  # whether the target of each step is the token that goes in, which it reads, and no later one
    ignored: float | None = None  # how much outputs differ when the inputs do, as a share of their size; None: unknown
    rewarded: list[int] = field(default_factory=list)  # in passes that were looked at: see `policy.direction`
    tops: list[bool] = field(default_factory=list)  # in passes that were looked at: see `extrema.highest_at_target`
    overlaps: list[int] = field(default_factory=list)  # in passes that were looked at: see `overlaps.overlap_of`
    terms: dict[int, list[TermRecord]] = field(default_factory=dict)  # of the loss, by the step that was looked at
    behind: bool = False  # it was given up, as it came to less than the run that it is compared with
    continues: bool = False  # of one of several phases, whether some of its parameters were trained before
    builds_on: frozenset[int] = frozenset()  # … and by which optimisers those of the networks were that it calls
    wasted: int = 0  # backwards whose gradients were cleared before any update
    weighed: bool = False  # whether logarithms of probabilities are weighed with numbers, as by what an action brought
    over_rows: int = 0  # … and how many rows there are at most in the softmax over them that gives these
    unused: tuple[int, int] | None = None  # of a network that learns nothing: see `mixing.unused`
    final: FinalRecord | None = None
    held_out: list[HeldOutRecord] = field(default_factory=list)
    afterwards: np.ndarray = field(default_factory=lambda: np.empty(0))  # rows that a network is called with at the end
    matched: MatchRecord | None = None
    clips: list[ClipRecord] = field(default_factory=list)
    chosen: frozenset[float] = frozenset()  # the labels with which the place of the largest output was compared
    rounded: bool = False  # what the network gave was rounded to whole numbers under no_grad()
    without_grad: int = 0  # calls of networks under no_grad() since the first step
    asked: int = 0  # … and before the last one
    refused: tuple[tuple[int, ...], float, float] | None = None  # see `criterion.refused`
    several: bool = False  # whether losses were called several times for one backward
    every: list[np.ndarray] = field(default_factory=list)  # … then all targets of a pass, where one line calls them
    times: float = 1.0  # … and how often the mean of these losses the pass comes to
    leaf_loss: bool = False  # backward began at a tensor that nothing was computed from
    cut: Place | None = None
    # by the lines in which networks are called of which nothing leads to the loss, their parameters
    left_out: dict[Place, list[str]] = field(default_factory=dict)
    calls: int = 0  # of networks, in passes that train
    detached: Counter[Place | None] = field(
        default_factory=Counter
    )  # in the first pass: calls of detach() in a network
    bad_inputs: bool = False
    bad_targets: bool = False
    first_bad: str = ""  # the op that first gave what is not finite; "backward of …" where its gradient was
    bad_at: int | None = None  # the backward at which that was noticed
    own_seconds: float = 0.0  # of the observer's work
    ended: bool = False
    error: str = ""
    error_place: Place | None = None
    firsts: dict[str, Place] = field(default_factory=dict)  # of a run that was followed: see `firsts`
    misfit: str = ""  # which arrays do not fit there
    seconds: float = 0.0
    processor_seconds: float = 0.0
    named: int = 0  # backwards at which the loss that was named by the user was there
    numbers: list[str] = field(default_factory=list)  # what else could be named
    modules: list[str] = field(default_factory=list)  # third-party modules that it imported

    @property
    def losses(self) -> list[float]:
        return [step.loss for step in self.steps]

    @property
    def together(self) -> bool:
        """Whether one optimiser trains; or several, as one for each part of a network, all of which make an update
        behind each backward."""
        held = [number for optimizer in self.optimizers for number in optimizer.held]
        apart = len(held) == len(set(held)) and len({optimizer.steps for optimizer in self.optimizers}) == 1
        each = apart and self.optimizers[0].steps >= EACH * len(self.steps)
        return len(self.optimizers) == 1 or each

    @property
    def factor(self) -> float:
        """The median of what backward was called on, over the loss; 1 where it is not known."""
        known = self._factors
        return float(np.median(known)) if known else 1.0

    @property
    def is_multiple(self) -> bool:
        """Whether backward was called on a multiple of the loss, not on a sum of it and something else."""
        return sum(abs(f - self.factor) <= STEADY * abs(self.factor) for f in self._factors) >= 0.8 * len(self._factors)

    @property
    def _factors(self) -> list[float]:
        return [s.factor for s in self.steps if s.factor is not None and np.isfinite(s.factor)]

    @property
    def classes(self) -> bool:
        """Whether it is trained on class ids, or on 0 and 1."""
        return any(step.accuracy is not None for step in self.steps)
