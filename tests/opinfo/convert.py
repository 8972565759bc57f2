"""From a PyTorch sample to pellucid's own objects, and from both libraries' answers to a verdict."""

import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch


class CannotConvert(Exception):
    """The sample holds something that pellucid has no counterpart of, by design; its text is the reason."""


_AS_THEY_ARE = bool | int | float | complex | str | np.ndarray | np.generic


class Converter:
    """Turns the parts of one sample into those of `module`.

    The same tensor twice stays the same tensor, and tensors that share memory go on sharing it.
    """

    def __init__(self, module: types.ModuleType) -> None:
        self.module = module
        self.tensors: dict[int, tuple[torch.Tensor, Any]] = {}
        self.memories: dict[tuple[int, torch.dtype], tuple[torch.Tensor, np.ndarray]] = {}

    def __call__(self, part: Any) -> Any:
        if isinstance(part, torch.Tensor):
            return self.tensor(part)
        if isinstance(part, torch.dtype):
            return self.dtype(part)
        if (
            part is None
            or part is Ellipsis
            or isinstance(part, bool | int | float | complex | str | np.ndarray | np.generic)
        ):
            return part
        if isinstance(part, torch.Size):
            return self.module.Size(part)
        if isinstance(part, tuple | list):
            return type(part)(self(item) for item in part)
        if isinstance(part, dict):
            return {key: self(value) for key, value in part.items()}
        if isinstance(part, slice):
            return slice(self(part.start), self(part.stop), self(part.step))
        if isinstance(part, torch.device):
            return self.module.device(str(part))
        if isinstance(part, torch.Generator):
            return self.module.Generator().manual_seed(part.initial_seed())
        if isinstance(part, torch.memory_format | torch.layout):
            return self.named(part)
        if isinstance(part, types.FunctionType) and part.__module__.startswith("torch.testing"):
            return rebound(part, self.module)
        raise CannotConvert(f"an argument of type {type(part).__name__}")

    def named(self, part: Any) -> Any:
        name = str(part).split(".")[-1]
        if not hasattr(self.module, name) and name not in ("contiguous_format", "preserve_format", "strided"):
            raise CannotConvert(str(part))
        return getattr(self.module, name)

    def dtype(self, dtype: torch.dtype) -> Any:
        if dtype is torch.complex32:
            raise CannotConvert("torch.complex32")
        return self.named(dtype)

    def tensor(self, tensor: torch.Tensor) -> Any:
        """A tensor of the same values, strides and offset, on memory of its own."""
        if id(tensor) not in self.tensors:
            if tensor.layout is torch.sparse_coo and hasattr(self.module, "sparse_coo_tensor"):
                indices, values = self(tensor._indices()), self(tensor._values())
                return self.module.sparse_coo_tensor(indices, values, tuple(tensor.shape))
            if tensor.layout is not torch.strided:
                raise CannotConvert(f"the layout {tensor.layout}")
            if tensor.device.type != "cpu":
                raise CannotConvert(f"the device {tensor.device.type}")
            if tensor.ndim > 64:
                raise CannotConvert("more than 64 dimensions (NumPy's limit)")
            self.dtype(tensor.dtype)
            made = self.module.from_numpy(self.array(tensor))
            if tensor.dtype is torch.bfloat16:
                made = made.view(self.module.bfloat16).detach()
            if tensor.requires_grad:
                made.requires_grad_(True)
            self.tensors[id(tensor)] = tensor, made
        return self.tensors[id(tensor)][1]

    def array(self, tensor: torch.Tensor) -> np.ndarray:
        """A NumPy array over a copy of the tensor's whole storage, seen through the same offset and strides."""
        plain = tensor.detach().resolve_neg().resolve_conj()
        if plain.dtype is torch.bfloat16:  # its bits, which `tensor` reads as what they are
            plain = plain.view(torch.int16)
        size, memory = plain.element_size(), plain.untyped_storage()
        if plain.numel() == 0:
            return np.empty(tuple(plain.shape), dtype=plain.numpy().dtype)
        key = memory.data_ptr(), plain.dtype
        if key not in self.memories:
            whole = torch.as_strided(plain, (memory.nbytes() // size,), (1,), 0).numpy().copy()
            self.memories[key] = (
                plain,
                whole,
            )  # the tensor too: a conjugate is new memory, whose address would be reused
        start = self.memories[key][1][plain.storage_offset() :]
        return np.lib.stride_tricks.as_strided(start, tuple(plain.shape), [size * step for step in plain.stride()])


def rebound(function: types.FunctionType, module: types.ModuleType) -> Callable[..., Any]:
    """The same function, where the global name `torch` means `module`.

    Some OpInfos wrap their op in a small function: `lambda x, *args: x.repeat(*args)`,
    `lambda *args: wrapper_set_seed(torch.bernoulli, *args)`.
    """

    def wrapper_set_seed(op: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        module.manual_seed(42)
        return op(*args, **kwargs)

    names = {**function.__globals__, "torch": module, "wrapper_set_seed": wrapper_set_seed}
    made = types.FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)
    made.__kwdefaults__ = function.__kwdefaults__
    return made


def leaves(answer: Any) -> Iterator[Any]:
    """The single values of an answer that may be a tuple, a list or a dict, in order."""
    if isinstance(answer, tuple | list) and not isinstance(answer, torch.Size):
        for item in answer:
            yield from leaves(item)
    elif isinstance(answer, dict):
        for item in answer.values():
            yield from leaves(item)
    else:
        yield answer


# By dtype: relative and absolute tolerance. Those of torch.testing.assert_close, but for float16 (eps is 1e-3), where
# PyTorch's kernels round once, at their end, and a composition rounds at each of its steps.
TOLERANCE = {
    "complex64": (1.3e-6, 1e-5),
    "complex128": (1e-7, 1e-7),
    "float16": (4e-3, 1e-3),
    "bfloat16": (1.6e-2, 1e-5),
    "float32": (1.3e-6, 1e-5),
    "float64": (1e-7, 1e-7),
}


def difference(
    expected: Any, got: Any, module: types.ModuleType, slack: float = 1.0, values: bool = True
) -> str | None:
    """What differs between PyTorch's answer and the other's, in a line; None where nothing does.

    `slack` widens the tolerances by a factor; `values=False` compares shapes and dtypes alone.
    """
    if isinstance(expected, torch.Tensor):
        return tensor_difference(expected, got, module, slack, values)
    if isinstance(expected, torch.Size):
        return None if tuple(expected) == tuple(got) else f"expected {expected}, got {got}"
    if isinstance(expected, torch.dtype | torch.device):
        return None if str(expected).split(".")[-1] == str(got).split(".")[-1] else f"expected {expected}, got {got}"
    if isinstance(expected, tuple | list):
        if not isinstance(got, tuple | list):
            return f"expected a {type(expected).__name__} of {len(expected)}, got {describe(got)}"
        if len(expected) != len(got):
            return f"expected {len(expected)} results, got {len(got)}"
        for name in getattr(type(expected), "__match_args__", ()):
            if not hasattr(got, name):
                return f"the result has no field {name!r}"
        pairs = enumerate(zip(expected, got, strict=True))
        found = (
            (index, text) for index, (a, b) in pairs if (text := difference(a, b, module, slack, values)) is not None
        )
        first = next(found, None)
        return None if first is None else f"result {first[0]}: {first[1]}"
    if isinstance(expected, float):
        if not isinstance(got, float):
            return f"expected the number {expected}, got {describe(got)}"
        close = expected == got or abs(expected - got) <= 1e-6 * abs(expected) or (expected != expected and got != got)
        return None if close or not values else f"expected {expected}, got {got}"
    if type(expected) is not type(got) or (values and expected != got):
        return f"expected {describe(expected)}, got {describe(got)}"
    return None


def tensor_difference(
    expected: torch.Tensor, got: Any, module: types.ModuleType, slack: float, values: bool
) -> str | None:
    if not isinstance(got, module.Tensor):
        return f"expected a tensor, got {describe(got)}"
    wanted, found = str(expected.dtype).split(".")[-1], str(got.dtype).split(".")[-1]
    if wanted != found:
        return f"expected dtype {wanted}, got {found}"
    if tuple(expected.shape) != tuple(got.shape):
        return f"expected shape {tuple(expected.shape)}, got {tuple(got.shape)}"
    if not values:
        return None
    if wanted == "bfloat16":
        expected, got = expected.float(), got.float()
    a, b = as_array(expected), as_array(got)
    return array_difference(a, b, *(slack * tolerance for tolerance in TOLERANCE.get(wanted, (0.0, 0.0))))


def as_array(tensor: Any) -> np.ndarray:
    if str(tensor.dtype) == "torch.bfloat16":  # which NumPy lacks
        tensor = tensor.detach().float()
    # PyTorch represents some gradients by a tensor of no memory, which only `force` turns into numbers.
    array = tensor.numpy(force=True) if isinstance(tensor, torch.Tensor) else tensor.detach().numpy()
    return np.asarray(array)


def array_difference(expected: np.ndarray, got: np.ndarray, rtol: float, atol: float) -> str | None:
    if rtol:
        with np.errstate(all="ignore"):
            wide = np.complex128 if expected.dtype.kind == "c" else np.float64
            a, b = expected.astype(wide), got.astype(wide)
            same = (np.abs(a - b) <= atol + rtol * np.abs(a)) & np.isfinite(a)
            same |= (a == b) | (np.isnan(a) & np.isnan(b))
            if wide is np.complex128:  # infinite and NaN in any part: each library has its own way with the other part
                same |= ~np.isfinite(a) & ~np.isfinite(b)
    else:
        same = expected == got
    if np.all(same):
        return None
    wrong = np.argwhere(~same)
    first = tuple(int(index) for index in wrong[0])
    return (
        f"{len(wrong)} of {expected.size} values differ, the first at {first}: "
        f"expected {expected[first]!r}, got {got[first]!r}"
    )


def describe(value: Any) -> str:
    text = f"a {type(value).__module__.split('.')[0]} {type(value).__name__}: {value!r}"
    return " ".join(text.split())[:120]
