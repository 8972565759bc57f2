"""Recurrent layers against PyTorch's: weights of a seed, results, gradients of both orders, packing, refusals."""

import itertools
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid import nn
from pellucid.compile.tracer import trace

torch = pytest.importorskip("torch")

OPTIONS: dict[str, list[dict[str, Any]]] = {
    "RNN": [{}, {"nonlinearity": "relu", "bidirectional": True}, {"num_layers": 2, "dropout": 0.3}],
    "GRU": [{}, {"batch_first": True, "bias": False}, {"num_layers": 2, "bidirectional": True, "dropout": 0.3}],
    "LSTM": [
        {},
        {"batch_first": True, "bias": False},
        {"num_layers": 2, "bidirectional": True, "dropout": 0.3},
        {"proj_size": 3, "num_layers": 2, "bidirectional": True},
    ],
}
LAYERS = [(kind, options) for kind, several in OPTIONS.items() for options in several]


def tensors(answer: Any) -> Iterator[Any]:
    if isinstance(answer, tuple):
        for part in answer:
            yield from tensors(part)
    elif answer is not None and answer.is_floating_point():
        yield answer


def close(expected: Any, got: Any, tolerance: float = 1e-5) -> None:
    np.testing.assert_allclose(got.detach().numpy(), expected.detach().numpy(), rtol=tolerance, atol=tolerance)


def trained(library: Any, kind: str, options: dict[str, Any], packed: bool) -> tuple[Any, Any, list[Any]]:
    """The layer of seed 0 after a backward, its input and its results."""
    library.manual_seed(0)
    layer = getattr(library.nn, kind)(4, 5, **options)
    x = library.randn(6, 3, 4).requires_grad_()
    given: Any = x
    if packed:
        first = options.get("batch_first", False)
        lengths = [3, 1, 2, 3, 1, 1] if first else [4, 6, 1]
        given = library.nn.utils.rnn.pack_padded_sequence(x, lengths, first, enforce_sorted=False)
    library.manual_seed(1)
    results = list(tensors(layer(given)))
    library.manual_seed(2)
    sum((result * library.randn(*result.shape)).sum() for result in results).backward()
    return layer, x, results


@pytest.mark.parametrize("packed", [False, True], ids=["padded", "packed"])
@pytest.mark.parametrize(("kind", "options"), LAYERS)
def test_layer(kind: str, options: dict[str, Any], packed: bool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's, that projections are slow
        expected, wanted, theirs = trained(torch, kind, options, packed)
    layer, x, ours = trained(pellucid, kind, options, packed)
    assert repr(layer) == repr(expected)
    for a, b in zip(theirs, ours, strict=True):
        close(a, b)
    close(wanted.grad, x.grad)
    for (name, a), (own, b) in zip(expected.named_parameters(), layer.named_parameters(), strict=True):
        assert name == own
        close(a, b, 0)
        close(a.grad, b.grad)


@pytest.mark.parametrize(("kind", "options"), [("RNN", {}), ("GRU", {}), ("LSTM", {}), ("LSTM", {"proj_size": 2})])
def test_second_derivatives(kind: str, options: dict[str, Any]) -> None:
    found = []
    for library in (torch, pellucid):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            library.manual_seed(0)
            layer = getattr(library.nn, kind)(3, 4, bidirectional=True, **options).double()
            x = library.randn(5, 2, 3, dtype=library.float64).requires_grad_()
            inputs = [x, *layer.parameters()]
            loss = sum((result * result).sum() for result in tensors(layer(x)))
        first = library.autograd.grad(loss, inputs, create_graph=True)
        found.append(library.autograd.grad(sum((g * g).sum() for g in first), inputs))
    for a, b in zip(*found, strict=True):
        close(a, b, 1e-8)


@pytest.mark.parametrize(("kind", "size", "options"), [
    *itertools.product(["RNN", "GRU", "LSTM"], [3, 70], [{}, {"bidirectional": True}, {"lengths": [4, 2] * 4}]),
    ("LSTM", 3, {"proj_size": 2}),
], ids=str)  # fmt: skip
def test_backward_in_one_op_is_what_it_consists_of(kind: str, size: int, options: dict[str, Any]) -> None:
    """rnn_delta, lstm_delta, gru_delta: as the ops that are differentiated in their place, one a scan in a trace."""
    given = dict(options)
    lengths = given.pop("lengths", None)
    pellucid.manual_seed(0)
    layer: Any = getattr(nn, kind)(5, size, **given)
    x = pellucid.randn(4, 8, 5, requires_grad=True)

    def loss(x: Any) -> Any:
        data = x if lengths is None else nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
        output, last = layer(data)
        output = output if lengths is None else output.data
        return (output * output).sum() + sum(state.sin().sum() for state in tensors(last))

    leaves = [x, *layer.parameters()]
    plain = pellucid.autograd.grad(loss(x), leaves)
    composed = pellucid.autograd.grad(loss(x), leaves, create_graph=True)
    for whole, parts in zip(plain, composed, strict=True):
        close(parts, whole, 1e-5)
    program = trace(lambda x: pellucid.autograd.grad(loss(x), leaves)[0], x)
    names = [step.op.name for step in program.steps]
    scans = 2 if "bidirectional" in options else 1
    assert names.count(f"{kind.lower()}_scan") == names.count(f"{kind.lower()}_delta") == scans


@pytest.mark.parametrize("kind", ["RNNCell", "LSTMCell", "GRUCell"])
def test_cell_step_by_step_is_the_layer(kind: str) -> None:
    pellucid.manual_seed(0)
    cell = getattr(nn, kind)(3, 4)
    layer = getattr(nn, kind.removesuffix("Cell"))(3, 4)
    for own, given in zip(layer.parameters(), cell.parameters(), strict=True):
        own.data = given.data
    x, state = pellucid.randn(5, 2, 3), None
    for step in x:
        state = cell(step, state)
    _, last = layer(x)
    for a, b in zip(tensors(state), tensors(last), strict=True):
        close(a, b[0])


def test_pickles_and_copies() -> None:
    import copy
    import pickle

    layer = nn.LSTM(3, 4, 2)
    x = pellucid.randn(5, 2, 3)
    for made in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert made._flat_weights[0] is made.weight_ih_l0
        close(layer(x)[0], made(x)[0], 0)


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("falls", [False, True])
def test_packing(first: bool, falls: bool) -> None:
    answers = []
    for library in (torch, pellucid):
        library.manual_seed(0)
        x = library.randn(4, 4, 2)
        lengths = [4, 3, 1, 1] if falls else [1, 4, 1, 3]
        rnn = library.nn.utils.rnn
        packed = rnn.pack_padded_sequence(x, lengths, first, enforce_sorted=falls)
        back = rnn.pad_packed_sequence(packed, first, -1.0, total_length=6)
        rows = rnn.unpack_sequence(packed)
        again = rnn.pack_sequence(rows, enforce_sorted=falls)
        left = rnn.pad_sequence(rows, first, 7.0, "left")
        answers.append([*packed, *back, *rows, *again, left, packed.double().data])
    for a, b in zip(*answers, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            close(a, b, 0)


REFUSED = [
    (lambda t: t.nn.LSTM(3, 4)(t.randn(5, 2, 4)), "Expected 3, got 4"),
    (lambda t: t.nn.LSTM(3, 4)(t.randn(5, 2, 3).double()), "does not match weight dtype"),
    (lambda t: t.nn.GRU(3, 4)(t.randn(5, 2, 3), t.randn(1, 3, 4)), "Expected hidden size"),
    (lambda t: t.nn.RNN(3, 4)(t.randn(5)), "2D or 3D"),
    (lambda t: t.nn.RNN(3, 4, nonlinearity="selu"), "Unknown nonlinearity"),
    (lambda t: t.nn.GRU(3, 4, proj_size=2), "proj_size"),
    (lambda t: t.nn.LSTM(3, 4, dropout=1.5), "dropout"),
    (lambda t: t.nn.LSTM(3, 4, batch_first=1), "batch_first"),
    (lambda t: t.nn.utils.rnn.pack_padded_sequence(t.randn(3, 2), [1, 2]), "decreasing"),
    (lambda t: t.nn.utils.rnn.pack_padded_sequence(t.randn(3, 2), [2, 0]), "greater than 0"),
]


@pytest.mark.parametrize(("call", "words"), REFUSED)
def test_refusals(call: Any, words: str) -> None:
    with pytest.raises(Exception, match=words) as theirs:
        call(torch)
    with pytest.raises(theirs.type, match=words):
        call(pellucid)
