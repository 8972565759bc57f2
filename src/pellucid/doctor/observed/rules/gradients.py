"""Whether gradients reach the parameters, and optimisers move them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from ..compare import does_well, outcome, stands
from ..record import ParameterRecord, ProgramRecord
from ..suspicion import Suspicion
from ..treatments import (
    Attached,
    ByForward,
    KeptGradients,
    OptimizeAll,
    StepEach,
    TrainStrangers,
    Treatment,
    ZeroGradients,
)

HALF_WAY = 0.5  # from chance, or the loss at first, to what could be reached
ROUNDING = 1e-6  # of the size of outputs, by which those of other inputs differ where they are the same
WASTED = 0.6  # of all backwards
ALWAYS = 0.9  # of all updates
LEFT = 10  # updates that find no gradient, at least
ALIKE = 0.5  # for the correlation of what a network is given with what it is to give back


def listed(parameters: list[ParameterRecord], most: int = 4) -> str:
    """Names of parameters, as many as are read."""
    names = [p.name for p in parameters]
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def no_history(record: ProgramRecord) -> Iterator[Suspicion]:
    """backward() on a tensor that nothing was computed from, and parameters that no backward reaches."""
    if record.leaf_loss:
        yield Suspicion(
            "detached-gradient",
            "backward() was called on a tensor that no op has made: nothing else gets a gradient from it.",
            "The loss was made anew, by torch.tensor(…) or requires_grad_(), and has no connection to the network.",
            "call backward() on the loss as it was computed",
            record.lines.get("backward"),
            certain=True,
        )
        return
    yield from _without_grad(record)
    known = [p for p in record.parameters.values() if p.known and not p.frozen and not p.elsewhere]
    lost = [p for p in known if p.used and not p.reached]
    if len(record.optimizers) > 1:  # passes that train the other network may be all that was looked at
        lost = [p for p in lost if not p.moved]
    whole = next((at for at, own in record.left_out.items() if own and set(own) <= {p.name for p in lost}), None)
    if record.ignored is not None and record.ignored < ROUNDING and whole is None:
        return  # what is computed from the input is not cut off but left out
    left_out = record.lines.get("left out") if record.cut is None else None
    if lost and len(record.steps) >= 4 and left_out is not None:
        most = len(lost) > HALF_WAY * sum(p.known and p.used for p in record.parameters.values())
        yield Suspicion(
            "detached-gradient",
            f"{listed(lost)} {'takes' if len(lost) == 1 else 'take'} part in the forward pass, and no backward reaches "
            "them: nothing on the way to the loss takes what they give.",
            "A result that is not handed on, or that the next round of a loop writes over, trains nothing.",
            "hand each result to the next layer, as in x = layer(x), or leave the layers out",
            whole or left_out,
            certain=whole is not None and stands(record),
            otherwise="error" if most and stands(record) else "info",
            confidence=0.85 if whole else 0.6,
        )
        return
    if lost and len(record.steps) >= 4:
        yield Suspicion(
            "detached-gradient",
            f"{listed(lost)} {'takes' if len(lost) == 1 else 'take'} part in the forward pass, and no backward "
            "reaches them.",
            "Between them and the loss the graph is cut: by detach(), .data, .item(), numpy(), or a new tensor.",
            "compute on tensors all the way, without detach(), .data, numpy() and torch.tensor(…)",
            record.cut or lost[-1].place,
            certain=True,
        )


def idle(record: ProgramRecord) -> Iterator[Suspicion]:
    """An optimiser that has nothing to train, whatever else the program trains."""
    for optimizer in record.optimizers:
        if 2 < optimizer.idle == optimizer.steps:
            yield Suspicion(
                "parameter-not-optimized",
                f"This {optimizer.name} makes {optimizer.steps} steps, and requires_grad of each parameter that it has "
                "is False.",
                "Nothing is trained here: a head that was put onto a network is frozen with it.",
                "freeze a network before its new head is made, or leave requires_grad at True for the head",
                record.lines.get("frozen") or optimizer.place,
                certain=True,
                confidence=0.95,
            )
            return


def _without_grad(record: ProgramRecord) -> Iterator[Suspicion]:
    """What is computed under no_grad(), where an optimiser is to train it: most of a network that learns nothing, or
    what a fork shows to be wanted."""
    known = [p for p in record.parameters.values() if p.known and not p.frozen and not p.loaded]
    lost = [p for p in known if p.ungraded and not p.reached and not p.moved]
    at_work = [p for p in known if p.ungraded or p.used or p.reached]
    if len(record.steps) < 4 or not lost:
        return
    yield Suspicion(
        "detached-gradient",
        f"{listed(lost)} {'is' if len(lost) == 1 else 'are'} known to the optimiser and used in each pass, under "
        "no_grad(), so that no backward reaches them.",
        "What is computed under no_grad() has no gradient: it stays as it was at first.",
        "leave no_grad() out of what is trained: it is for evaluations, and for targets",
        record.lines.get("no grad") or lost[0].place,
        [Attached()],
        certain=len(lost) > HALF_WAY * len(at_work) and stands(record),
    )


def cut_within(record: ProgramRecord) -> Iterator[Suspicion]:
    """A network that detaches a state at each step of a sequence."""
    for at in [place for place, times in record.detached.items() if times > 1][:1]:
        yield Suspicion(
            "detached-gradient",
            f"In one pass, the network calls detach() {record.detached[at]} times here.",
            "The graph is cut at each step, so that what comes early is not trained for what it does later.",
            "leave detach() out: it is meant for what is not to be trained, or for the state between two batches",
            at,
            [Attached()],
        )


def unknown(record: ProgramRecord) -> Iterator[Suspicion]:
    """Parameters that no optimiser knows, and optimisers that make no step."""
    if not record.optimizers:
        return
    steps = sum(optimizer.steps for optimizer in record.optimizers)
    moved = any(p.moved > 0 for p in record.parameters.values())
    if steps == 0:
        if len(record.steps) >= 3 and not moved:
            yield Suspicion(
                "parameter-not-optimized",
                f"In {len(record.steps)} backwards the optimiser made no step.",
                "Gradients are computed, and nothing is done with them.",
                "optimizer.step() after loss.backward()",
                record.lines.get("backward"),
                certain=True,
            )
        return
    listed_all = all(p.listed for p in record.parameters.values() if p.reached)
    by_half = autoencodes(record)
    strangers = [p for p in record.parameters.values() if p.reached and not p.known and not p.frozen]
    strangers = [p for p in strangers if p.listed or not p.moved]  # what the program moves by itself is none
    if _seeks_input(record):
        strangers = []
    reached = [p for p in record.parameters.values() if p.reached]
    if strangers:
        half_way = outcome(record).progress >= HALF_WAY
        by_chance = not half_way and not any(p.loaded for p in reached) and record.together
        twice = next((o for o in record.optimizers if o.shared), None)  # made of what another one has
        replaced = _are_replaced(record, strangers)
        tried: list[list[Treatment]] = [[OptimizeAll()], *([[TrainStrangers()]] if listed_all and by_chance else [])]
        for treatments in tried:
            yield Suspicion(
                "parameter-not-optimized",
                f"{listed(strangers)} {'gets a gradient and is' if len(strangers) == 1 else 'get gradients and are'} "
                "known to no optimiser.",
                "They stay as they were at first. The optimiser was given the parameters of something else, or layers "
                "are kept in a plain list, where parameters() does not find them.",
                "make the optimiser with the parameters of the network that is trained; keep layers in nn.ModuleList",
                (twice or record.optimizers[0]).place
                if strangers[0].listed
                else record.lines.get("unlisted") or strangers[0].place,
                treatments,
                certain=twice is not None or not listed_all or not any(p.known for p in reached) or replaced,
                # a head that is trained alone, on features as they are, may well be meant, where it does well
                strictly=listed_all and not by_half and (half_way or treatments is not tried[0]),
                slightly=by_half and treatments is tried[0],
                otherwise="" if any(p.loaded for p in reached) or treatments is not tried[0] else "info",
            )
    frozen = [p for p in record.parameters.values() if p.frozen and p.used and not p.elsewhere]
    if frozen:
        half = _half_frozen(record, frozen)
        yield Suspicion(
            "parameter-not-optimized",
            f"requires_grad of {listed(half or frozen)} is False"
            + (f", and {half[0].name} was never trained, while the bias beside it is." if half else "."),
            "They stay as they were at first.",
            "leave requires_grad at True for the layers that are to be trained",
            record.lines.get("frozen") or frozen[0].place,
            [OptimizeAll()],
            strictly=True,
            certain=bool(half) and not does_well(record),
        )


def left_behind(record: ProgramRecord) -> Iterator[Suspicion]:
    """A network that takes the place of the one that the optimiser has, in the midst of a training."""
    made = [optimizer for optimizer in record.optimizers if optimizer.steps]
    strangers = [
        p for p in record.parameters.values() if p.reached and p.listed and not (p.known or p.frozen or p.moved)
    ]
    if len(made) != 1 or not strangers or made[0].without < max(LEFT, 0.1 * made[0].steps):
        return
    if made[0].without == made[0].steps or any(p.known and p.elsewhere for p in record.parameters.values()):
        return  # it never had another
    yield Suspicion(
        "parameter-not-optimized",
        f"In the last {made[0].without} of {made[0].steps} updates the optimiser finds no gradient: they go to "
        f"{listed(strangers)}, which it does not know.",
        "The network was made anew, or copied, behind the optimiser, which goes on with the one that was there before.",
        "make the optimiser behind the network that it trains; load a state into the network that is there",
        made[0].place,
        certain=True,
        confidence=0.95,
    )


def _seeks_input(record: ProgramRecord) -> bool:
    """Whether the one thing that is trained is what the network is given, as a picture that is to look like another: no
    rows come in beside it."""
    trained = [p for p in record.parameters.values() if p.known and p.reached]
    return len(trained) == 1 and not trained[0].listed and not any(len(rows) for rows in record.rows)


def _are_replaced(record: ProgramRecord, strangers: list[ParameterRecord]) -> bool:
    """Whether the optimiser has, for each of these, another parameter that takes the same and is used nowhere: layers
    that were replaced after it was made."""
    left = Counter(
        p.shape[1:] for p in record.parameters.values() if p.known and not (p.used or p.reached or p.ungraded)
    )
    return not Counter(p.shape[1:] for p in strangers) - left


def _half_frozen(record: ProgramRecord, frozen: list[ParameterRecord]) -> list[ParameterRecord]:
    """Weights as they were drawn, that nothing ever trained and nobody loaded, of layers whose biases are trained."""
    trained = {p.name for p in record.parameters.values() if p.known and p.reached and not p.frozen}
    drawn = [p for p in frozen if not p.loaded and p.moved == 0 and p.std > 0]
    return [p for p in drawn if "weight" in p.name and p.name.replace("weight", "bias") in trained]


def autoencodes(record: ProgramRecord) -> bool:
    """Whether a program learns to give back what it was given, clean or not: its halves make sense together only."""
    x, y = record.inputs[:1], [t.reshape(len(t), -1) for t in record.targets[:1] if t.ndim]
    if not x or not y or x[0].shape != y[0].shape or record.whole_numbers:
        return False
    given, asked = x[0].astype(float).ravel(), y[0].astype(float).ravel()
    return given.std() > 0 < asked.std() and float(np.corrcoef(given, asked)[0, 1]) > ALIKE


def forgotten(record: ProgramRecord) -> Iterator[Suspicion]:
    """Gradients that are there after a backward, and no longer when the optimiser makes its step."""
    known = [p for p in record.parameters.values() if p.known and p.reached and not p.frozen]
    norms = [step.norm for step in record.steps if step.norm is not None]
    made = sum(optimizer.steps for optimizer in record.optimizers)
    if made < 3 or not known or any(p.gradient for p in known) or not norms or not max(norms) > 0:
        return
    yield Suspicion(
        "parameter-not-optimized",
        f"backward() gives gradients, and at each of {made} steps the optimiser finds none.",
        "They are cleared between backward() and step(), so no step changes anything.",
        "optimizer.zero_grad() before loss.backward(), or after optimizer.step()",
        record.lines.get("zero_grad") or record.lines.get("step"),
        [KeptGradients()],
        certain=True,
        confidence=0.95,
    )


def cleared(record: ProgramRecord) -> Iterator[Suspicion]:
    """Gradients of most batches that are cleared before an update is made of them."""
    made = sum(optimizer.steps for optimizer in record.optimizers)
    if not record.together or not made or record.wasted <= WASTED * len(record.steps):
        return
    yield Suspicion(
        "too-few-updates",
        f"Of {len(record.steps)} backwards, the gradients of {record.wasted} are cleared before an update is made of "
        f"them: there are {made} updates in all.",
        "The optimiser makes its step outside of the loop over the batches, so what most of them say is lost.",
        "optimizer.step() after each loss.backward(), within the loop over the batches",
        record.lines.get("step"),
        [StepEach()],
    )


def no_backward(record: ProgramRecord) -> Iterator[Suspicion]:
    """Updates without a gradient. For a program in which backward() is never called."""
    steps = sum(optimizer.steps for optimizer in record.optimizers)
    given = any(p.gradient or p.moved for p in record.parameters.values() if p.known)  # by the program itself
    if steps >= 3 and not record.steps and not given:
        yield Suspicion(
            "parameter-not-optimized",
            f"The optimiser made {steps} steps, and backward() was never called.",
            "No parameter ever gets a gradient, so no step changes anything.",
            "loss.backward() before optimizer.step()",
            record.lines.get("step"),
            certain=True,
        )


def stale(record: ProgramRecord) -> Iterator[Suspicion]:
    """Gradients of the update before are still in when the next backward adds to them."""
    if len(record.optimizers) > 1 and "zero_grad" in record.lines:
        yield from _one_of_several(record)
        return
    later = [step for step in record.steps[1:] if step.told]
    stale = sum(step.stale for step in later)
    updates = sum(optimizer.steps for optimizer in record.optimizers) or len(later)  # fewer, where gradients add up
    after = min(len(later), updates)
    if after < 3 or stale < 3 or stale < 0.45 * after:
        return
    always = record.together and stale >= ALWAYS * after and not does_well(record)
    yield Suspicion(
        "missing-zero-grad",
        f"In {stale} of {after} backwards that follow an update its gradients were still in.",
        "Gradients add up over all steps, so each update is made of old ones, too.",
        "optimizer.zero_grad() before loss.backward()",
        record.lines.get("backward"),
        [ZeroGradients()],
        otherwise="error"
        if always or ("zero_grad" not in record.lines and outcome(record).progress <= 0.6)
        else "info",
    )


def _one_of_several(record: ProgramRecord) -> Iterator[Suspicion]:
    """An optimiser whose gradients nobody clears, beside others."""
    for optimizer in record.optimizers:
        if optimizer.uncleared < max(3, ALWAYS * (optimizer.steps - 1)):
            continue
        yield Suspicion(
            "missing-zero-grad",
            f"In {optimizer.uncleared} of {optimizer.steps} updates of this {optimizer.name} its gradients are "
            "those of the update before, with what was added to them since; those of "
            f"{'another optimiser are' if len(record.optimizers) == 2 else 'others are'} cleared.",
            "Its gradients add up over all steps, so each update is made of old ones, too.",
            "zero_grad() of this optimiser before the backward(), not of another one",
            optimizer.backward,
            [ZeroGradients()],
            otherwise="info" if does_well(record) else "error",
        )
        return


def functions(record: ProgramRecord) -> Iterator[Suspicion]:
    """Custom Functions whose backward disagrees with differences."""
    meant = {function.name for function in record.functions if function.meant}
    for function in record.functions:
        if function.name in meant:
            continue
        size = max(abs(function.said), abs(function.true))
        if size > 1e-6 and abs(function.said - function.true) > 0.02 * size:
            ratio = f", {function.said / function.true:.3g} times as much" if abs(function.true) > 1e-9 else ""
            yield Suspicion(
                "wrong-backward",
                f"Along a random direction the backward of {function.name} says {function.said:.4g}, and differences "
                f"say {function.true:.4g}{ratio}.",
                "A backward that is written by hand disagrees with what the forward computes.",
                f"correct {function.name}.backward; pellucid.autograd.gradcheck({function.name}.apply, …) tells",
                function.place,
                [ByForward(function.name)],
                certain=True,
            )
            return


CONDITIONS = (cut_within,)
RULES = (no_history, left_behind, unknown, forgotten, cleared, stale, functions)
