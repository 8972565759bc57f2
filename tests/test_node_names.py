"""`grad_fn` has PyTorch's name, in every sample of PyTorch's table of ops that has a gradient."""

import warnings

import pytest
import torch

import pellucid
from tests.opinfo.compare import CannotConvert, Comparison, Refused, leaves, one_thread, samples_of
from tests.opinfo.ops import function_of, shared_ops

OPS = {
    op.full_name: op
    for op in shared_ops(pellucid)
    if op.supports_autograd and op.full_name != "chalf" and torch.float64 in op.supported_backward_dtypes("cpu")
}
# PyTorch composes these otherwise, and the last node of the composition is another one.
OTHERWISE = {
    "nn.functional.linear_cross_entropy": "the loss of the scores at once, a view last in PyTorch",
    "nn.functional.max_pool2d": "PyTorch pools a picture without a batch at once, pellucid as a batch of one",
    "svd": "V is a transpose of its own in PyTorch",
    "double": "for a layout of memory PyTorch copies; pellucid has one, and returns the tensor itself",
    "to": "a copy, whose dtype stays: pellucid clones",
    "nn.functional.batch_norm": "of an empty batch, PyTorch clones",
    "__rsub__": "a tensor on both sides: Python subtracts the first from the second",
}
# A sample of those without the marker `slow`: every sixth.
QUICK = set(list(OPS)[::6])


def differing(name: str) -> set[tuple[str, str]]:
    """The pairs of names, PyTorch's and ours, that are not the same."""
    op, found = OPS[name], set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _, sample, _ in samples_of(op, "float64", "grad"):
            try:
                compare = Comparison(op, pellucid, sample, op.op, function_of(op, pellucid))
                expected, got = compare.call_torch(), compare.call_other()
            except (CannotConvert, Refused):
                continue
            for theirs, ours in zip(leaves(expected), leaves(got), strict=True):
                if isinstance(theirs, torch.Tensor) and theirs.grad_fn is not None:
                    names = type(theirs.grad_fn).__name__, ours.grad_fn.name() if ours.grad_fn is not None else "none"
                    if names[0] != names[1]:
                        found.add(names)
    return found


@pytest.mark.parametrize("name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in OPS])
def test_the_node_is_called_as_in_pytorch(name: str) -> None:
    with one_thread():
        found = differing(name)
    if name in OTHERWISE:
        assert found, f"{name} agrees now: take its line away"
    else:
        assert not found


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 5)])
def test_of_smoothed_labels(shape: tuple[int, ...], smoothing: float) -> None:
    names = []
    for library in (pellucid, torch):
        scores = library.ones(*shape, requires_grad=True)
        target = library.zeros(shape[0], *shape[2:]).long()
        names.append(library.nn.functional.cross_entropy(scores, target, label_smoothing=smoothing).grad_fn.name())
    assert names[0] == names[1]
