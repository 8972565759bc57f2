"""The Tensor itself: what it is made from, what it says of itself, how it meets Python and NumPy; against PyTorch."""

import copy
import math
import pickle
from typing import Any

import numpy as np
import pytest
import torch

import pellucid
from tests.twins import both_raise, same

# --- made from -------------------------------------------------------------------------------------------------------

DATA: dict[str, Any] = {
    "float": 1.5, "int": 3, "bool": True, "floats": [1.0, 2.5], "ints": [1, 2], "bools": [True, False],
    "mixed": [1, 2.5, True], "ints and bools": [1, True], "nested": [[1.0, 2.0], [3.0, 4.0]], "tuple": (1, 2, 3),
    "tuples in a list": [(1, 2), (3, 4)], "empty": [], "empty rows": [[], []], "deep": [[[1], [2]], [[3], [4]]],
    "numpy": np.arange(6.0).reshape(2, 3), "numpy float32": np.ones(2, np.float32),
    "numpy int32": np.arange(3, dtype=np.int32), "list of float32 scalars": [np.float32(1.0)],
    "numpy scalar": np.float32(2.5), "numpy int scalar": np.int64(3), "numpy bool": np.array([True, False]),
    "numpy 0-d": np.array(2.0), "list of numpy scalars": [np.float64(1.0), np.float64(2.0)],
    "strided": np.arange(6.0).reshape(2, 3)[:, ::2], "reversed": np.arange(4.0)[::-1].copy(), "huge int": 2**62,
    "infinities": [float("inf"), float("-inf"), float("nan")], "range": range(4), "uint8": np.array([1, 255], np.uint8),
    "half": np.array([1.5], np.float16),
}  # fmt: skip


@pytest.mark.parametrize("name", DATA)
@pytest.mark.filterwarnings("ignore:Creating a tensor from a list of numpy:UserWarning")
def test_made_from(name: str) -> None:
    same(lambda library: library.tensor(DATA[name]))


@pytest.mark.parametrize("kind", ["float64", "float16", "int64", "uint8", "bool"])
@pytest.mark.parametrize("name", ["floats", "ints", "mixed", "nested", "empty", "numpy", "numpy int32", "bools"])
def test_made_with_dtype(name: str, kind: str) -> None:
    same(lambda library: library.tensor(DATA[name], dtype=getattr(library, kind)))
    same(lambda library: library.as_tensor(DATA[name], dtype=getattr(library, kind)))


def test_doubles_are_not_rounded_on_the_way() -> None:
    same(lambda library: library.tensor([1 / 3, [0.1][0]], dtype=library.float64), rtol=0, atol=0)


def test_made_from_tensors() -> None:
    same(lambda library: library.tensor([library.tensor(1.0), library.tensor(2.0)]))
    same(lambda library: library.tensor([[library.tensor(1), 2], [3, library.tensor(4)]]))
    same(lambda library: library.as_tensor(library.ones(2), dtype=library.int64))


@pytest.mark.filterwarnings("ignore:To copy construct from a tensor:UserWarning")
def test_a_tensor_of_a_tensor_is_a_copy() -> None:
    def program(library: Any) -> Any:
        x = library.ones(2, requires_grad=True)
        y = library.tensor(x)
        y[0] = 5
        return x, y, library.as_tensor(x) is x

    same(program)


def test_constructor() -> None:
    same(lambda library: library.Tensor([1, 2]))
    same(lambda library: library.Tensor([[1.5, 2.0]]))
    same(lambda library: library.Tensor())
    same(lambda library: tuple(library.Tensor(2, 3).shape))
    same(lambda library: tuple(library.Tensor(4).shape))


REFUSED: dict[str, tuple[Any, list[str]]] = {
    "ragged": (lambda L: L.tensor([[1, 2], [3]]), ["length"]),
    "text": (lambda L: L.tensor("abc"), ["str"]),
    "texts": (lambda L: L.tensor(["a", "b"]), ["str"]),
    "object": (lambda L: L.tensor(object()), ["object"]),
    "none": (lambda L: L.tensor([1, None]), ["NoneType"]),
    "object array": (lambda L: L.tensor(np.array([object()])), ["object", "float32"]),
    "dates": (lambda L: L.tensor(np.array(["2020-01-01"], "datetime64[D]")), ["datetime64", "float32"]),
    "numpy text": (lambda L: L.from_numpy(np.array(["a"])), ["<U1"]),
    "from_numpy of a list": (lambda L: L.from_numpy([1.0]), ["np.ndarray", "list"]),
    "from_numpy of a tensor": (lambda L: L.from_numpy(L.ones(2)), ["np.ndarray", "Tensor"]),
}


KINDS = {"ragged": ValueError, "object": RuntimeError, "none": RuntimeError}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    program, words = REFUSED[name]
    both_raise(program, *words, kind=KINDS.get(name, TypeError))


# --- what it says of itself ------------------------------------------------------------------------------------------

LAYOUTS: dict[str, Any] = {
    "plain": lambda L: L.zeros(2, 3, 4), "0-d": lambda L: L.zeros(()), "empty": lambda L: L.zeros(0, 3),
    "transposed": lambda L: L.zeros(2, 3).permute(1, 0), "stepped": lambda L: L.zeros(6, 4)[::2, 1::2],
    "expanded": lambda L: L.zeros(1, 3).expand(4, 3), "float64": lambda L: L.zeros(2, 2, dtype=L.float64),
    "int16": lambda L: L.zeros(3, dtype=L.int16), "bool": lambda L: L.zeros(3, dtype=L.bool),
    "half": lambda L: L.zeros(3, dtype=L.float16), "one of each": lambda L: L.zeros(1, 1, 1),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_attributes(name: str) -> None:
    def program(library: Any) -> Any:
        x = LAYOUTS[name](library)
        return [
            x.dtype, tuple(x.shape), tuple(x.size()), x.ndim, x.dim(), x.ndimension(), x.numel(), x.nelement(),
            x.shape.numel(), x.itemsize, x.element_size(), x.nbytes, x.is_contiguous(), x.is_floating_point(),
            x.is_complex(), x.is_signed(), x.is_cuda, x.is_sparse, x.is_leaf, x.requires_grad, x.grad_fn, x.grad,
            str(x.device), x.device.type, x.device.index, x._version, x.retains_grad, x.is_quantized,
            [x.size(i) for i in range(-x.ndim, x.ndim)],
        ]  # fmt: skip

    same(program)
    if name not in ("empty", "one of each"):  # PyTorch keeps steps that nothing takes
        same(lambda library: (tuple(LAYOUTS[name](library).stride()), LAYOUTS[name](library).stride()))


def test_stride_of_one_dimension() -> None:
    same(lambda library: [library.zeros(2, 3, 4).stride(i) for i in range(-3, 3)])


def test_size_is_a_tuple() -> None:
    def program(library: Any) -> Any:
        shape = library.zeros(2, 3, 4).shape
        head, *tail = shape
        five = (5,)
        return [
            shape == (2, 3, 4), isinstance(shape, tuple), shape[0], shape[-1], tuple(shape[1:]), shape[1:].numel(),
            head, tail, tuple(shape + five), (shape + five).numel(), len(shape), hash(shape) == hash((2, 3, 4)),
            library.Size([2, 3]).numel(), repr(shape), shape.index(3), shape.count(4),
        ]  # fmt: skip

    same(program)


def test_device_objects() -> None:
    for make in (lambda L: L.device("cpu"), lambda L: L.device("cuda", 1), lambda L: L.device("cuda:2"),
                 lambda L: L.device(L.device("cuda:0"))):  # fmt: skip
        same(lambda L, make=make: (str(make(L)), repr(make(L)), make(L).type, make(L).index))
        assert make(pellucid) == make(pellucid)
        assert hash(make(pellucid)) == hash(make(pellucid))
    assert pellucid.device("cpu") != pellucid.device("cuda")
    assert pellucid.device("cpu") != "nothing like it"
    both_raise(lambda library: library.device("cuda:x"), "cuda:x", "cuda:0")
    assert pellucid.ones(2).device == pellucid.device("cpu")
    assert pellucid.ones(2, device="cpu").to("cpu").cpu().device.type == "cpu"


TEXTS: dict[str, Any] = {
    "0-d": lambda L: L.tensor(1.5), "0-d int": lambda L: L.tensor(3), "0-d bool": lambda L: L.tensor(True),
    "whole": lambda L: L.tensor([1.0, 2.0, -3.0]), "decimal": lambda L: L.tensor([1.0, 2.5, -3.25]),
    "ints": lambda L: L.tensor([1, 20, -300]), "bools": lambda L: L.tensor([True, False]),
    "wide": lambda L: L.tensor([1e-5, 1.0, 1e5]), "tiny": lambda L: L.tensor([1e-10, 2e-10]),
    "large": lambda L: L.tensor([1e10, 2.0]), "large whole": lambda L: L.tensor([123456.0, 2.0]),
    "nan and inf": lambda L: L.tensor([float("nan"), 1.0, float("inf"), -float("inf")]),
    "nan and a fraction": lambda L: L.tensor([float("nan"), 1.5]), "only nan": lambda L: L.tensor([float("nan")]),
    "zeros": lambda L: L.zeros(3), "negative zero": lambda L: L.tensor([-0.0, 1.0]),
    "small fraction": lambda L: L.tensor([0.0001, 0.5]), "smaller fraction": lambda L: L.tensor([0.00001, 0.5]),
    "matrix": lambda L: L.tensor([[1.0, 2.5], [-3.0, 100.0]]), "int matrix": lambda L: L.arange(12).reshape(3, 4),
    "cube": lambda L: L.arange(24.0).reshape(2, 3, 4),
    "bool matrix": lambda L: L.tensor([[True, False], [False, True]]),
    "long": lambda L: L.arange(40), "long floats": lambda L: L.arange(40) / 8, "a row": lambda L: L.zeros(1, 4),
    "summarised": lambda L: L.arange(2000), "summarised matrix": lambda L: L.arange(10000.0).reshape(100, 100),
    "summarised wide": lambda L: L.arange(4000.0).reshape(2, 2000), "exactly a thousand": lambda L: L.arange(1000),
    "empty": lambda L: L.tensor([]), "empty rows": lambda L: L.zeros(0, 3), "no columns": lambda L: L.zeros(3, 0),
    "double": lambda L: L.tensor([1.5], dtype=L.float64), "half": lambda L: L.tensor([1.5], dtype=L.float16),
    "int32": lambda L: L.tensor([1], dtype=L.int32), "uint8": lambda L: L.tensor([1], dtype=L.uint8),
    "empty ints": lambda L: L.tensor([], dtype=L.int64), "requires grad": lambda L: L.ones(2, requires_grad=True),
    "0-d requires grad": lambda L: L.tensor(2.0, requires_grad=True),
    "computed, whole": lambda L: L.tensor([3.0]) * 2, "million": lambda L: L.tensor([1000000.0, 1.0]),
    "hundred million": lambda L: L.tensor([123456789.0, 0.0]), "0-d tiny": lambda L: L.tensor(1e-7),
    "0-d large": lambda L: L.tensor(1e9), "many digits": lambda L: L.tensor([3.14159265, 2.71828]),
    "five dimensions": lambda L: L.arange(4.0).reshape(1, 2, 1, 2, 1),
    "long rows": lambda L: (L.arange(60.0) / 7).reshape(2, 30),
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_text(name: str) -> None:
    mine, theirs = TEXTS[name](pellucid), TEXTS[name](torch)
    assert repr(mine) == str(mine) == repr(theirs)


def test_text_of_a_result() -> None:
    x = pellucid.ones(2, requires_grad=True)
    assert repr(x * 2) == "tensor([2., 2.], grad_fn=<MulBackward0>)"
    assert repr((x * 2).sum()) == "tensor(4., grad_fn=<SumBackward0>)"
    assert repr(pellucid.nn.Parameter(pellucid.ones(1))) == "Parameter containing:\ntensor([1.], requires_grad=True)"
    long = repr(pellucid.arange(24.0).requires_grad_() * 1)
    assert max(map(len, long.splitlines())) <= 80


# --- to Python -------------------------------------------------------------------------------------------------------


def test_conversions() -> None:
    def program(library: Any) -> Any:
        x, n, b = library.tensor(2.75), library.tensor([[7]]), library.tensor(True)
        return [
            x.item(), n.item(), b.item(), float(x), int(x), float(n), int(n), bool(x), bool(b), bool(library.zeros(1)),
            x.tolist(), n.tolist(), library.ones(2, 0).tolist(), library.tensor([1.5, 2]).tolist(),
            f"{x:.1f}", f"{n}" == str(n), format(x, "8.3f"), f"{library.tensor(5):03d}",
            [10, 20, 30][library.tensor(1)],
            list(range(5))[library.tensor(1) : library.tensor(3)], math.sqrt(library.tensor(4.0)),
            "ab" * library.tensor(2), hash(x) == hash(x), round(float(x)),
        ]  # fmt: skip

    same(program)


def test_sequences() -> None:
    def program(library: Any) -> Any:
        x = library.arange(6).reshape(3, 2)
        first, *rest = x
        return [
            len(x), list(x), [row.tolist() for row in x], first, len(rest), 4 in x, 9 in x, list(reversed(x)),
            dict(zip("abc", x, strict=True)), max(x[:, 0]), sum(x[:, 0]), sorted(x[:, 0], reverse=True),
        ]  # fmt: skip

    same(program)


CONVERSION_ERRORS: dict[str, tuple[Any, list[str]]] = {
    "item of two": (lambda L: L.ones(2).item(), ["2 elements", "(2,)", ".tolist()", ".sum()"]),
    "item of none": (lambda L: L.ones(0).item(), ["0 elements"]),
    "float of two": (lambda L: float(L.ones(2)), ["2 elements"]),
    "bool of two": (lambda L: bool(L.ones(2)), ["ambiguous", "more than one value", ".all()", ".any()"]),
    "bool of none": (lambda L: bool(L.ones(0)), ["ambiguous"]),
    "if": (lambda L: 1 if L.ones(2) > 0 else 0, ["ambiguous", ".any()"]),
    "len of 0-d": (lambda L: len(L.tensor(1.0)), ["len() of a 0-d tensor"]),
    "iter of 0-d": (lambda L: list(L.tensor(1.0)), ["0-d tensor"]),
    "index of a float": (lambda L: [1, 2][L.tensor(1.0)], ["integer"]),
    "index of a vector": (lambda L: [1, 2][L.tensor([0, 1])], ["integer"]),
    "numpy with grad": (lambda L: L.ones(2, requires_grad=True).numpy(), ["requires grad", "detach().numpy()"]),
    "array with grad": (lambda L: np.asarray(L.ones(2, requires_grad=True)), ["requires grad", "detach().numpy()"]),
    "format of a vector": (lambda L: f"{L.ones(2):.2f}", ["format"]),
    "dlpack with grad": (lambda L: np.from_dlpack(L.ones(2, requires_grad=True)), ["requires grad", "detach()"]),
}


@pytest.mark.parametrize("name", CONVERSION_ERRORS)
def test_conversion_errors(name: str) -> None:
    program, words = CONVERSION_ERRORS[name]
    both_raise(program, *words)


# --- NumPy -----------------------------------------------------------------------------------------------------------


def test_from_numpy_shares_memory() -> None:
    def program(library: Any) -> Any:
        array = np.arange(6.0).reshape(2, 3)
        x = library.from_numpy(array[:, ::2])
        array[0, 0] = 7
        x[1, 1] = -1
        return x, array.tolist(), tuple(x.stride())

    same(program)


def test_numpy_shares_memory() -> None:
    def program(library: Any) -> Any:
        x = library.zeros(2, 2)
        array = x.numpy()
        array[0] = 5
        x[1, 1] = 3
        transposed = x.permute(1, 0).numpy()
        transposed[0, 1] = 8
        return x, array.tolist(), type(array).__name__

    same(program)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_array_protocol() -> None:
    def program(library: Any) -> Any:
        x = library.tensor([1.5, 2.5])
        shared = np.asarray(x)
        copied = np.array(x)
        shared[0] = 9
        return [
            x, copied.tolist(), np.asarray(x, np.float64).dtype.name, np.asarray(x).dtype.name,
            np.sum(np.asarray(x)).item(),
            np.stack([x, x]).shape, np.asarray(library.tensor([1, 2])).dtype.name, np.array(library.tensor(3.0)).shape,
        ]  # fmt: skip

    same(program)


def test_force() -> None:
    x = pellucid.ones(2, requires_grad=True)
    assert x.numpy(force=True).tolist() == [1.0, 1.0]
    assert (x * 2).numpy(force=True).tolist() == [2.0, 2.0]


@pytest.mark.parametrize("kind", ["float16", "float32", "float64", "int8", "int64", "uint8", "bool"])
def test_dlpack(kind: str) -> None:
    """Both ways with NumPy and PyTorch, without a copy."""
    ours = pellucid.tensor([[1, 0, 1], [0, 1, 1]], dtype=getattr(pellucid, kind)).T
    array = np.from_dlpack(ours)
    theirs = torch.from_dlpack(ours)
    assert array.dtype.name == kind
    assert array.shape == tuple(theirs.shape) == (3, 2)
    assert np.shares_memory(array, ours.numpy())
    theirs[0, 0] = 0
    assert ours[0, 0].item() == 0
    for source in (torch.tensor([[1, 0], [0, 1]], dtype=getattr(torch, kind)), np.array([[1, 0], [0, 1]], kind)):
        back = pellucid.from_dlpack(source)
        assert back.dtype.name == kind
        assert back.tolist() == source.tolist()
        source[0, 1] = 1
        assert back[0, 1].item() == 1
    assert ours.__dlpack_device__() == (1, 0)


OTHERS = {
    "numpy array": np.array([3.0, 4.0]), "numpy float32": np.array([3.0, 4.0], np.float32),
    "numpy ints": np.array([3, 4]), "numpy scalar": np.float64(3.0), "numpy float32 scalar": np.float32(3.0),
    "numpy int scalar": np.int64(3), "int": 3, "float": 3.5,
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("kind", ["float32", "float64", "int64"])
def test_operators_with_others(name: str, kind: str) -> None:
    """tensor ∘ other; with a NumPy scalar or array on the right it counts as PyTorch counts it."""
    other = OTHERS[name]

    def program(library: Any) -> Any:
        x = library.tensor([1, 2], dtype=getattr(library, kind))
        return [x + other, x - other, x * other, x / other, x // other, x % other, x**other, x < other, x == other,
                x >= other, x != other]  # fmt: skip

    if "array" in name or name in ("numpy float32", "numpy ints"):  # PyTorch takes no arrays here; ours become tensors
        x = pellucid.tensor([1, 2], dtype=getattr(pellucid, kind))
        assert (x + other).tolist() == [4.0, 6.0]
        assert (x * other).dtype is pellucid.result_type(x, pellucid.from_numpy(other))
        return
    same(program)


@pytest.mark.parametrize("name", OTHERS)
def test_reflected_operators(name: str) -> None:
    """other ∘ tensor gives a tensor, whatever is on the left."""
    other = OTHERS[name]
    x = pellucid.tensor([1.0, 2.0])
    for got, wanted in ((other + x, 1), (other - x, 2), (other * x, 3), (other / x, 4), (other**x, 5), (other // x, 6)):
        assert isinstance(got, pellucid.Tensor), wanted
    np.testing.assert_allclose((other - x).numpy(), np.asarray(other, np.float64) - np.array([1.0, 2.0]), rtol=1e-6)
    np.testing.assert_allclose((other**x).numpy(), np.asarray(other, np.float64) ** np.array([1.0, 2.0]), rtol=1e-6)
    assert isinstance(other == x, pellucid.Tensor)


def test_operators() -> None:
    def program(library: Any) -> Any:
        x, y = library.tensor([[5, 3], [2, 7]]), library.tensor([[2, 2], [3, 1]])
        f = x.double()
        b = x > 2
        found = [
            x + y, x - y, x * y, x / y, x // y, x % y, x**y, -x, +x, abs(-x), x @ y, f @ f, ~x, ~b, x & y, x | y, x ^ y,
            b & ~b, b | b, b ^ b, x << y, x >> y, 2 << y, 64 >> y, 7 & x, 8 | x, 1 ^ x, x == y, x != y, x < y, x <= y,
            x > y, x >= y, 2 - x, 7 // x, 7 % x, 2**x, 1 / f, divmod(7, 2), x.T, f.mT,
        ]  # fmt: skip
        z = f.clone()
        z += 1
        z *= y
        z -= 0.5
        z /= 2
        z **= 2
        z //= 1
        z %= 7
        n = x.clone()
        n &= 6
        n |= 1
        n ^= 3
        n <<= 1
        n >>= 1
        return [*found, z, n]

    same(program)


def test_operators_with_strangers() -> None:
    """What is no number is left to Python, which asks the other side and then refuses."""

    class Stranger:
        def __radd__(self, other: Any) -> str:
            return "stranger"

    assert pellucid.ones(2) + Stranger() == "stranger"
    for wrong in ("text", None, [1, 2], {}):
        with pytest.raises(TypeError):
            pellucid.ones(2) + wrong
        with pytest.raises(TypeError):
            wrong - pellucid.ones(2)
    assert (pellucid.ones(2) == None) is False  # noqa: E711
    assert (pellucid.ones(2) != "text") is True


# --- memory, copies, versions ----------------------------------------------------------------------------------------


def test_versions() -> None:
    def program(library: Any) -> Any:
        x = library.ones(3)
        seen = [x._version]
        x.add_(1)
        seen.append(x._version)
        view = x[1:]
        view.mul_(2)
        seen += [x._version, view._version]
        x[0] = 5
        seen += [x._version, view._version]
        x.detach().zero_()
        seen.append(x._version)
        with library.no_grad():
            x.add_(1)
        seen.append(x._version)
        x.data.add_(1)
        seen += [x.clone()._version, (x * 2)._version]
        return seen

    same(program)


def test_data() -> None:
    def program(library: Any) -> Any:
        x = library.ones(2, requires_grad=True)
        y = x * 2
        data = y.data
        data.mul_(5)
        x.data[0] = 7
        before = (x.data.requires_grad, x.data.is_leaf, x._version)
        x.data = library.tensor([8.0, 9.0])
        return before, x, y, data

    same(program)


def test_data_is_not_watched() -> None:
    """A change through .data is not seen by autograd (a change through detach() is): PyTorch's way out."""

    def program(library: Any) -> Any:
        x = library.ones(2, requires_grad=True)
        y = x.exp()
        y.data.zero_()
        y.sum().backward()
        return x.grad

    same(program)


def test_base() -> None:
    x = pellucid.ones(4)
    assert x._base is None
    assert x[1:]._base is x
    assert x[1:].reshape(3, 1)[0]._base is x


def test_data_ptr() -> None:
    def program(library: Any) -> Any:
        x = library.zeros(4, 3)
        return (
            x[1].data_ptr() - x.data_ptr(),
            x.detach().data_ptr() == x.data_ptr(),
            x.clone().data_ptr() == x.data_ptr(),
        )

    same(program)


def test_contiguous() -> None:
    def program(library: Any) -> Any:
        x = library.arange(6).reshape(2, 3)
        y = x.permute(1, 0)
        return x.contiguous() is x, y.is_contiguous(), y.contiguous(), y.contiguous().is_contiguous(), y.clone()

    same(program)


def test_to() -> None:
    def program(library: Any) -> Any:
        x = library.tensor([1.5, -2.5])
        d = x.double()
        return [
            x.to(library.float64), x.to(dtype=library.int64), x.to(d), x.to("cpu"), x.to("cpu", library.float16),
            x.to(device="cpu", dtype=library.int8), x.to(library.device("cpu")), x.float() is x,
            x.to(library.float32) is x,
            x.to("cpu") is x, x.to(library.float32, copy=True) is x, x.double(), x.half(), x.int(), x.long(), x.short(),
            x.char(), x.bool(), x.abs().byte(), x.type_as(d), x.type_as(x) is x, x.cpu() is x,
            x.to(library.float64, non_blocking=True), x.to(d, copy=True), x.to("cpu", non_blocking=False) is x,
            x.to(library.int64, False, True),
        ]  # fmt: skip

    same(program)


def test_to_refuses() -> None:
    both_raise(lambda library: library.ones(2).to(dtyp=library.float64), "dtyp")
    both_raise(lambda library: library.ones(2).to("nowhere"), "nowhere")
    assert pellucid.ones(2).to(np.dtype("float64")).dtype is pellucid.float64
    with pytest.raises(TypeError, match="takes a dtype, a device or a tensor, not int"):
        pellucid.ones(2).to(3)


def test_new_tensor() -> None:
    def program(library: Any) -> Any:
        x = library.ones(2, dtype=library.float64)
        return [x.new_tensor([1, 2]), x.new_tensor([1, 2], dtype=library.int32), x.new_tensor(5.0, requires_grad=True)]

    same(program)


def test_copies() -> None:
    def program(library: Any) -> Any:
        x = library.arange(6.0).reshape(2, 3).requires_grad_()
        x.grad = library.ones(2, 3)
        deep = copy.deepcopy(x)
        deep.data[0, 0] = 100
        memo = copy.deepcopy([x, x])
        turned = copy.deepcopy(library.arange(6.0).reshape(2, 3).permute(1, 0))
        return deep, deep.grad, x, memo[0] is memo[1], deep.is_leaf, turned

    same(program)


def test_a_copy_has_no_hooks() -> None:
    x = pellucid.ones(2, requires_grad=True)
    seen: list[Any] = []
    x.register_hook(seen.append)
    x.register_post_accumulate_grad_hook(seen.append)
    made = copy.deepcopy(x)
    made.sum().backward()
    assert seen == []


def test_pickle() -> None:
    """A leaf goes to another process and comes back; what was computed does not, as in PyTorch."""
    x = pellucid.arange(6.0).reshape(2, 3).requires_grad_()
    back = pickle.loads(pickle.dumps(x))
    assert back.requires_grad
    assert back.tolist() == x.tolist()
    both_raise(lambda library: copy.deepcopy(library.ones(2, requires_grad=True) * 2), "graph leaves")


def test_pickle_keeps_the_class() -> None:
    for made in (pellucid.nn.Parameter(pellucid.ones(2)), pellucid.nn.Buffer(pellucid.ones(2), persistent=False)):
        back = pickle.loads(pickle.dumps(made))
        assert type(back) is type(made)
        assert back.requires_grad == made.requires_grad
        assert getattr(back, "persistent", None) == getattr(made, "persistent", None)


def test_share_memory_does_nothing() -> None:
    x = pellucid.ones(2)
    assert x.share_memory_() is x


def test_identity() -> None:
    """Tensors are keys by identity, though == compares their values."""
    x, y = pellucid.ones(2), pellucid.ones(2)
    assert {x: 1, y: 2}[x] == 1
    assert len({x, y, x}) == 2
