"""Subscripts against PyTorch: reading, assignment and both gradients for each key, and the keys that are refused."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import pellucid

SHAPE = (3, 4, 5)


def ints(lib: Any, *numbers: Any) -> Any:
    return lib.tensor(list(numbers), dtype=lib.int64)


def mask(lib: Any, *shape: int) -> Any:
    return lib.tensor((np.arange(np.prod(shape)).reshape(shape) % 3 == 1).tolist())


# Each makes a key for a tensor of shape (3, 4, 5).
KEYS: dict[str, Callable[[Any], Any]] = {
    "integer": lambda lib: 1,
    "negative integer": lambda lib: -1,
    "NumPy integer": lambda lib: np.int64(2),
    "0-d tensor": lambda lib: lib.tensor(1),
    "0-d tensors in a slice": lambda lib: slice(lib.tensor(1), lib.tensor(3)),
    "all integers": lambda lib: (1, 2, 3),
    "slice": lambda lib: slice(1, 3),
    "slice beyond the end": lambda lib: slice(2, 100),
    "empty slice": lambda lib: slice(2, 1),
    "negative bounds": lambda lib: slice(-2, -1),
    "stepped": lambda lib: (slice(None, None, 2), slice(1, None, 2)),
    "None": lambda lib: None,
    "ellipsis": lambda lib: ...,
    "ellipsis and integer": lambda lib: (..., 1),
    "two ellipses": lambda lib: (..., 1, ...),
    "everything of Python": lambda lib: (None, 1, ..., slice(0, 4, 3), None),
    "empty tuple": lambda lib: (),
    "True": lambda lib: True,
    "False": lambda lib: False,
    "True and integer": lambda lib: (True, 1),
    "0-d mask": lambda lib: lib.tensor(True),
    "0-d mask in the middle": lambda lib: (slice(None), lib.tensor(False)),
    "vector": lambda lib: ints(lib, 2, 0, 2),
    "negative numbers": lambda lib: ints(lib, -1, 0, -3),
    "matrix": lambda lib: ints(lib, [0, 1], [2, 2]),
    "empty vector": lambda lib: ints(lib),
    "int32": lambda lib: lib.tensor([0, 1], dtype=lib.int32),
    "list": lambda lib: [0, 2],
    "empty list": lambda lib: [],
    "nested list": lambda lib: ([[0, 1], [1, 2]],),
    "list of tensors": lambda lib: [lib.tensor([0, 1]), lib.tensor([1, 3])],
    "list of a slice and an integer": lambda lib: [slice(1, 2), 0],
    "range": lambda lib: range(2),
    "list of bools": lambda lib: [True, False, True],
    "NumPy array": lambda lib: np.array([1, 1, 0]),
    "NumPy mask": lambda lib: np.array([True, False, True]),
    "two vectors": lambda lib: (ints(lib, 0, 2), ints(lib, 3, 1)),
    "vectors that broadcast": lambda lib: (ints(lib, [0], [2]), ints(lib, 3, 1, 1)),
    "three vectors": lambda lib: (ints(lib, 0, 2), ints(lib, 3, 1), ints(lib, 4, 4)),
    "vector behind a slice": lambda lib: (slice(None), ints(lib, 3, 1)),
    "vector behind a stepped slice": lambda lib: (slice(1, None), ints(lib, 3, 1)),
    "vector at the end": lambda lib: (..., ints(lib, 3, 1, 3)),
    "two vectors at the end": lambda lib: (..., ints(lib, 3, 1), ints(lib, 0, 0)),
    "vectors around a slice": lambda lib: (ints(lib, 0, 2), slice(1, 3), ints(lib, 4, 0)),
    "vectors around None": lambda lib: (ints(lib, 0, 2), None, ints(lib, 1, 0)),
    "vectors around a slice, behind one": lambda lib: (None, ints(lib, 0, 2), slice(1, 3), ints(lib, 4, 0)),
    "integer beside a vector": lambda lib: (1, ints(lib, 0, 2)),
    "integer, slice, vector": lambda lib: (1, slice(None), ints(lib, 0, 2)),
    "vector, slice, integer": lambda lib: (ints(lib, 0, 2), slice(None), 1),
    "vector, integer, vector": lambda lib: (ints(lib, 0, 2), 1, ints(lib, 0, 2)),
    "0-d tensor and vector": lambda lib: (lib.tensor(2), ints(lib, 0, 2)),
    "None before a vector": lambda lib: (None, ints(lib, 0, 2)),
    "matrix behind a slice": lambda lib: (slice(None), ints(lib, [0, 1], [2, 2]), slice(2)),
    "mask": lambda lib: mask(lib, 3, 4, 5),
    "mask of the first dimensions": lambda lib: mask(lib, 3, 4),
    "mask of one dimension": lambda lib: mask(lib, 3),
    "mask behind a slice": lambda lib: (slice(None), mask(lib, 4, 5)),
    "mask behind an integer": lambda lib: (1, mask(lib, 4)),
    "mask and vector": lambda lib: (mask(lib, 3, 4), ints(lib, 0, 1, 2, 3)),
    "mask and integer vector around a slice": lambda lib: (mask(lib, 3), slice(None), ints(lib, 3)),
    "mask at the end": lambda lib: (..., mask(lib, 5)),
    "mask with nothing": lambda lib: mask(lib, 3, 4) & ~mask(lib, 3, 4),
}


def base(lib: Any) -> Any:
    return lib.tensor((np.arange(60.0).reshape(SHAPE) / 7 - 3).tolist(), dtype=lib.float64, requires_grad=True)


def numbers_like(lib: Any, like: Any) -> Any:
    count = int(np.prod(like.shape))
    made = (np.arange(count, dtype=np.float64) * 0.3 - 1).reshape(tuple(like.shape))
    return lib.tensor(made.tolist(), dtype=lib.float64).reshape(tuple(like.shape))


def repeats(key: Any) -> bool:
    """Whether a place may be named twice, where assignment is not defined."""
    x = torch.arange(60).reshape(SHAPE)[key]
    return x.numel() != x.unique().numel()


def read(lib: Any, key: Any) -> tuple[Any, ...]:
    x = base(lib)
    got = x[key]
    (first,) = lib.autograd.grad((got * got * numbers_like(lib, got)).sum(), x, create_graph=True)
    (second,) = lib.autograd.grad((first * first).sum(), x)
    return got, first, second


def assign(lib: Any, key: Any) -> tuple[Any, ...]:
    x = base(lib)
    whole = x * 2
    value = numbers_like(lib, whole.detach()[key]).requires_grad_()
    whole[key] = value * value
    (whole * whole).sum().backward()
    return whole, x.grad, lib.zeros(0) if 0 in value.shape else value.grad


def assign_number(lib: Any, key: Any) -> tuple[Any, ...]:
    whole = base(lib) * 2
    whole[key] = -7
    return (whole,)


def accumulate(lib: Any, key: Any) -> tuple[Any, ...]:
    x = base(lib)
    whole = x * 2
    whole[key] += 1.5
    (whole * whole).sum().backward()
    return whole, x.grad


def equal(ours: tuple[Any, ...], theirs: tuple[Any, ...]) -> None:
    for a, b in zip(ours, theirs, strict=True):
        assert tuple(a.shape) == tuple(b.shape)
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("what", [read, assign, assign_number, accumulate])
@pytest.mark.parametrize("name", KEYS)
@pytest.mark.filterwarnings("ignore:Using a non-tuple sequence")
def test_key(name: str, what: Callable[..., Any]) -> None:
    key = KEYS[name]
    if what in (assign, accumulate) and repeats(key(torch)):
        return
    equal(what(pellucid, key(pellucid)), what(torch, key(torch)))


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.filterwarnings("ignore:Using a non-tuple sequence")
def test_which_are_views(name: str) -> None:
    ours, theirs = base(pellucid), base(torch)
    assert (ours[KEYS[name](pellucid)]._base is None) == (theirs[KEYS[name](torch)]._base is None)


REFUSED: dict[str, tuple[Any, str]] = {
    "integer out of range": (3, "index 3 is out of bounds for dimension 0 with size 3"),
    "negative integer out of range": ((0, -5), "index -5 is out of bounds for dimension"),
    "number of a vector out of range": (
        lambda lib: ints(lib, 0, 10),
        "index 10 is out of bounds for dimension 0 with size 3",
    ),
    "too many": ((0, 0, 0, 0), "too many indices for tensor of dimension 3"),
    "too many vectors": (lambda lib: (ints(lib, 0),) * 4, "too many indices for tensor of dimension 3"),
    "float": (1.0, "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices"),
    "floats": (lambda lib: lib.tensor([1.0]), "tensors used as indices must be long, int, byte or bool tensors"),
    "vectors that do not broadcast": (lambda lib: (ints(lib, 0, 1), ints(lib, 0, 1, 2)), "shape mismatch: indexing"),
    "mask of another shape": (
        lambda lib: mask(lib, 4),
        "The shape of the mask [4] at index 0 does not match the shape",
    ),
    "negative step": (slice(None, None, -1), "step must be greater than zero"),
    "step of zero": (slice(None, None, 0), "slice step cannot be zero"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_keys(name: str) -> None:
    key, words = REFUSED[name]
    made = key if callable(key) else lambda lib: key
    for change in (False, True):
        with pytest.raises(Exception, match=".") as theirs:
            use(base(torch).detach(), made(torch), change)
        with pytest.raises(type(theirs.value)) as ours:
            use(base(pellucid).detach(), made(pellucid), change)
        assert words in str(ours.value)
        if not change:
            assert words in str(theirs.value)


def use(x: Any, key: Any, change: bool) -> None:
    if change:
        x[key] = 1.0
    else:
        x[key]


def test_an_index_of_a_0d_tensor_is_refused() -> None:
    with pytest.raises(IndexError, match=r"invalid index of a 0-dim tensor. Use `tensor.item\(\)`"):
        pellucid.tensor(1.0)[0]


@pytest.mark.parametrize("value", [np.array([1.0, 2.0]), np.array([1, 2]), np.array([[1], [2]]), np.float64(3.0)])
def test_values_that_are_no_tensors(value: Any) -> None:
    x = pellucid.zeros(2, 2)
    x[:] = value
    assert x.tolist() == np.broadcast_to(np.asarray(value, np.float32), (2, 2)).tolist()


@pytest.mark.parametrize("key", [(slice(None), [1, 0]), (slice(None), slice(None), [3, 1]), [2, 0]])
def test_what_indices_give_lies_in_one_piece(key: Any) -> None:
    ours, theirs = (lib.zeros(3, 4, 5)[key] for lib in (pellucid, torch))
    assert ours.stride() == theirs.stride() and ours.view(-1).shape == theirs.view(-1).shape


def test_a_value_that_is_no_number_is_refused() -> None:
    with pytest.raises(TypeError, match="can't assign a str to a torch.float32 Tensor"):
        pellucid.zeros(2)[0] = "1"
    for value in ([1.0, 2.0], (1.0, 2.0)):
        with pytest.raises(TypeError, match=rf"can't assign a {type(value).__name__} to a torch.float32 Tensor"):
            pellucid.zeros(2)[:] = value


def test_iteration_and_membership() -> None:
    x = pellucid.arange(6).reshape(2, 3).clone()
    assert [row.tolist() for row in x] == [[0, 1, 2], [3, 4, 5]]
    assert [row._base is x for row in x] == [True, True]
    assert 4 in x
    assert pellucid.tensor([9, 9, 5]) in x
    assert 7 not in x
    with pytest.raises(TypeError, match="iteration over a 0-d tensor"):
        iter(pellucid.tensor(1))
    with pytest.raises(RuntimeError, match="only supports Tensor or scalar"):
        "a" in x  # noqa: B015


entry = st.one_of(
    st.integers(-3, 2),
    st.builds(slice, st.none() | st.integers(-4, 4), st.none() | st.integers(-4, 4), st.none() | st.integers(1, 3)),
    st.none(),
    st.lists(st.integers(-3, 2), min_size=2, max_size=2),
    st.booleans(),
)


@given(st.lists(entry, max_size=3), st.booleans())
def test_random_keys(parts: list[Any], open_end: bool) -> None:
    """Any mixture of integers, slices, None, lists and bools, with or without `...` in front."""
    key = (*([...] if open_end else []), *parts)
    x = np.arange(27.0).reshape(3, 3, 3)
    theirs, ours = torch.tensor(x, requires_grad=True), pellucid.tensor(x, requires_grad=True)
    try:
        expected = theirs[key]
    except IndexError:  # [0, 1] beside False: two indices and none do not broadcast
        with pytest.raises(IndexError, match="shape mismatch"):
            ours[key]
        return
    got = ours[key]
    assert tuple(got.shape) == tuple(expected.shape)
    assert got.tolist() == expected.tolist()
    (expected**2).sum().backward()
    (got**2).sum().backward()
    assert ours.grad.tolist() == theirs.grad.tolist()
