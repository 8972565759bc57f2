"""PyTorch's own module tests: every input of every module of its table (see tests/moduleinfo)."""

import pytest

import pellucid
from tests.moduleinfo.compare import MODULES, cases, counterpart, run
from tests.opinfo.compare import one_thread

# What pellucid lacks; a module that is there must not be named.
LACKING: set[str] = set()
HEAVY = {"nn.LinearCrossEntropyLoss", "nn.TransformerEncoder", "nn.Transformer", "nn.TransformerDecoderLayer"}
CASES = [
    pytest.param(
        name,
        dtype,
        training,
        marks=[pytest.mark.slow] if dtype != "float32" or not training or name in HEAVY else [],
        id=f"{name}-{dtype}-{'train' if training else 'eval'}",
    )
    for name, info in MODULES.items()
    if name not in LACKING
    for dtype, training in cases(info)
]


@pytest.mark.parametrize(("name", "dtype", "training"), CASES)
def test_module(name: str, dtype: str, training: bool) -> None:
    with one_thread():
        outcome = run(MODULES[name], dtype, training, pellucid)
    assert not outcome.failures, f"repeat with: python -m tests.moduleinfo.report {name}\n" + "\n".join(
        outcome.failures[:5]
    )
    assert outcome.compared


def test_what_is_lacking_is_not_there() -> None:
    assert {name for name, info in MODULES.items() if counterpart(info, pellucid) is None} == LACKING
