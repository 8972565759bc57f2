"""Read the programs, plant the mistakes, ask the autopsy."""

from __future__ import annotations

import ast
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pellucid import check

FOLDER = Path(__file__).parent
MACHINERY = {"__init__", "__main__", "planting"}
HELD_OUT = ("conv_im2col", "transformer_block")  # mistakes were planted in these once the autopsy was written
NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in MACHINERY)


@dataclass
class Case:
    """A mistake planted in a program, and what the autopsy made of it.

    Attributes:
        planted: the id of the mistake; two, with a | between them, where the numbers or the words fit both.
        named: the mistake that the report names, for each tensor that is wrong.
        most: the tensor with the largest error relative to all gradients.
    """

    program: str
    index: int
    planted: str
    patch: str
    status: str = ""
    seconds: float = 0.0
    named: dict[str, str] = field(default_factory=dict)
    where: dict[str, str] = field(default_factory=dict)
    most: str = ""

    @property
    def strict(self) -> bool:
        """Every wrong tensor has the right name."""
        return bool(self.named) and set(self.named.values()) <= set(self.planted.split("|"))

    @property
    def first(self) -> str:
        """The one name that the report gives first: the most frequent, the most affected tensor's among equals."""
        counts = Counter(self.named.values())
        if not counts:
            return self.status
        top = max(counts.values())
        best = [name for name, count in counts.items() if count == top]
        return self.named[self.most] if self.named.get(self.most) in best else best[0]

    @property
    def named_right(self) -> bool:
        return self.first in self.planted.split("|")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"strict": self.strict, "named_right": self.named_right}


def source(program: str) -> tuple[str, list[tuple[str, ...]]]:
    """The text of a program, and the mistakes to plant in it."""
    text = (FOLDER / f"{program}.py").read_text()
    body, _, table = text.partition("\nPLANTED = ")
    return body, ast.literal_eval(table) if table else []


def load(program: str, patches: tuple[str, ...] = ()) -> dict[str, Any]:
    """Run a program, with the patches planted in it."""
    text, _ = source(program)
    for old, new in zip(patches[::2], patches[1::2], strict=True):
        if text.count(old) != 1:
            raise ValueError(f"{program}: {old!r} stands {text.count(old)} times in the source; once is expected.")
        text = text.replace(old, new)
    names: dict[str, Any] = {"__name__": program}
    exec(compile(text, f"{program}.py", "exec"), names)  # noqa: S102 (a program of ours)
    return names


def examine(program: str, patches: tuple[str, ...] = (), seed: int = 0, scale: float = 1.0) -> check.Report:
    names = load(program, patches)
    for value in names["params"].values():
        value *= scale
    return check.backward(names["loss"], names["grads"], names["params"], seed=seed)


def run_case(program: str, index: int, seed: int = 0) -> Case:
    planted, *patches = source(program)[1][index]
    case = Case(program, index, planted, " | ".join(patches[1::2]))
    start = time.perf_counter()
    report = examine(program, tuple(patches), seed)
    case.seconds = round(time.perf_counter() - start, 2)
    case.status = report.status
    case.named = {name: diagnosis.mistake for name, diagnosis in report.diagnoses.items()}
    case.where = {name: diagnosis.where for name, diagnosis in report.diagnoses.items()}
    wrong = [tensor for tensor in report.tensors.values() if tensor.wrong]
    if wrong:
        case.most = max(wrong, key=lambda tensor: float(abs(_difference(tensor)).max(initial=0))).name
    return case


def _difference(evidence: Any) -> Any:
    same = evidence.given is not None and evidence.given.shape == evidence.true.shape
    return evidence.given - evidence.true if same else evidence.true


def cases() -> list[tuple[str, int]]:
    return [(name, index) for name in NAMES for index in range(len(source(name)[1]))]
