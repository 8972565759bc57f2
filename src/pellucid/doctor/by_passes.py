"""What one recorded pass says of a mistake, by all the passes that were studied."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from pellucid.doctor.probes.passes import StudiedPass
from pellucid.doctor.probes.recorded import Named
from pellucid.doctor.process.paths import Group
from pellucid.doctor.process.source import Assignments, suspect
from pellucid.doctor.rules import gradient
from pellucid.doctor.rules.shares import of_output_derivative

TURN = "turn its sign around"
IN_SOME = "the derivative of the output's sigmoid stands in some gradients and is missing in others."
LOGARITHM = re.compile(r"\blog(1p|2|10)?\(|logaddexp|log_loss|cross_?entropy", re.IGNORECASE)


def of_all_passes(item: Named, judgement: gradient.Judgement, passes: Sequence[StudiedPass] = ()) -> Named:
    """What was named by one pass; not a constant factor where another pass has another one."""
    of_size = item.mistake in ("constant-factor", "batch-factor")
    if of_size and judgement.verdicts.get(item.tensor) == "sign":  # with a decay beside it, or a rate of its own
        return replace(item, mistake="sign", text=f"The gradient of {item.tensor} has the opposite sign.", fix=TURN)
    if item.mistake != "constant-factor" or judgement.verdicts.get(item.tensor) != "across":
        return item
    rows = [(i, c) for i, c in enumerate(judgement.cells[item.tensor]) if c.state == "along"]
    shares = [c.ratio / judgement.ratio for _, c in rows] if judgement.ratio else []
    if len(shares) < 2 or max(shares) - min(shares) < 0.05 * max(map(abs, shares)):
        return item
    losses = [passes[i].losses.get(judgement.candidate, 0.0) for i, _ in rows] if passes else []
    if losses and judgement.candidate.kind == "log" and of_output_derivative(shares, losses):
        text = (
            f"The gradient of {item.tensor} is that of the log loss times o * (1 - o), with o the output, and others "
            f"are not: {IN_SOME}"
        )
        fix = f"leave it out of the gradient of {item.tensor}, for the log loss, or put it into all, for squared errors"
        return replace(item, mistake="missing-activation-derivative", text=text, fix=fix)
    text = (
        f"The gradient of {item.tensor} is {min(shares):.3g} to {max(shares):.3g} times the true one: a factor that "
        "changes with the sample stands in it, or is missing in the others, such as the derivative of an activation."
    )
    fix = f"compare the factors of the gradient of {item.tensor} with those of the others"
    return replace(item, mistake="unknown", text=text, fix=fix)


def where_it_belongs(
    item: Named, judgement: gradient.Judgement, sources: Mapping[str, str], groups: Mapping[str, Group]
) -> Named:
    """A derivative that some gradients have is missing in the others, by the squared error, where the program has no
    logarithm anywhere: it is to be put there, not left out where it stands."""
    if not item.text.endswith(IN_SOME) or any(LOGARITHM.search(text) for text in sources.values()):
        return item
    without = [name for name, verdict in judgement.verdicts.items() if verdict == "right"]
    source = Assignments.of(dict(sources))
    line = suspect(source, [groups[name] for name in without], [groups[name] for name in judgement.wrong])
    if not without or line is None:
        return item
    them = ", ".join(without)
    text = (
        f"The gradient of {them} is that of the squared error but for o * (1 - o), with o the output, which that of "
        f"{item.tensor} has: {IN_SOME}"
    )
    return replace(item, text=text, fix=f"multiply the gradient of {them} by o * (1 - o)", backward=line)
