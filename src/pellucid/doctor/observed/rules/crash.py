"""What an error that ended the program says of its training."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..record import ProgramRecord
from ..suspicion import Suspicion
from ..treatments import FromZero


def crashed(record: ProgramRecord) -> Iterator[Suspicion]:
    said = record.error
    if re.search(r"does not require grad|no grad_fn|requires no grad", said):
        yield Suspicion(
            "detached-gradient",
            said.splitlines()[0],
            "The loss was computed without a record: under no_grad(), from detached tensors, numbers or arrays.",
            "compute the loss from the output of the network, outside of no_grad(), without detach() and numpy()",
            record.cut or record.error_place,
            certain=True,
        )
    elif re.search(r"[Tt]arget.*(out of bounds|out of range)|[Cc]lass.*out of|Expected.*floating point.*Long", said):
        shape, low, high = record.refused or ((), 0.0, 0.0)
        next_to = len(shape) > 1 and low >= 1 and high == shape[1]
        yield Suspicion(
            "labels-off-by-one" if next_to else "labels-out-of-range",
            said.splitlines()[0],
            "Class ids go from 0 to one less than the number of outputs.",
            "y - 1" if next_to else "class ids from 0, or as many outputs as there are classes",
            record.error_place,
            [FromZero()] if next_to else [],
            certain=True,
        )
