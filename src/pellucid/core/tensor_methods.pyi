"""The methods and operators of Tensor that follow from the op table."""

# Written by python tools/stubs.py: do not edit.
from builtins import bool as _bool
from builtins import float as _float
from builtins import int as _int
from builtins import type as _type
from collections.abc import Callable
from collections.abc import Iterator
from pellucid.core.hooks import RemovableHandle
from pellucid.core.tensor import Tensor
from pellucid.ops.storage import TypedStorage
from pellucid.ops.storage import UntypedStorage
from pellucid.types.dtypes import dtype
from typing import Any
from typing import Any as Number
import builtins as _builtins
import typing as _typing


class TensorMethods:
    @property
    def H(self) -> Tensor:
        """The transpose of a matrix with its elements conjugated; of a real tensor a view."""

    @property
    def T(self) -> Tensor:
        """A view with the dimensions in the opposite order."""

    def __abs__(self) -> Tensor: ...

    def __add__(self, other: Tensor | _float) -> Tensor: ...

    def __and__(self, other: Tensor | _float) -> Tensor: ...

    def __array__(self, dtype: Any = None, copy: _bool | None = None) -> Any: ...

    def __bool__(self) -> _bool: ...

    def __complex__(self) -> complex: ...

    def __contains__(self, element: Any) -> _bool:
        """Whether an element equals `element` (a number or a tensor that broadcasts)."""

    def __deepcopy__(self, memo: dict[_int, Any]) -> Tensor:
        """A copy of a leaf, with its flag and its gradient. Tensors that share memory do so in the copy too."""

    def __dir__(self) -> list[_builtins.str]:
        """The names of what it has."""

    def __dlpack__(self, **how: Any) -> Any: ...

    def __dlpack_device__(self) -> Any: ...

    def __eq__(self, other: Tensor | _float) -> Tensor: ...  # pyright: ignore[reportIncompatibleMethodOverride]

    def __float__(self) -> _float: ...

    def __floordiv__(self, other: Tensor | _float) -> Tensor: ...

    def __format__(self, spec: str) -> str:
        """A 0-d tensor formats as its number; any other takes no format."""

    def __ge__(self, other: Tensor | _float) -> Tensor: ...

    def __getitem__(self, key: Any) -> Tensor:
        """`x[key]`: a view for integers, slices, None and `...`; a copy where tensors, lists or masks take part."""

    def __graph__(self, backward: _builtins.bool = False, limit: _builtins.int | None = None) -> _typing.Any:
        """What autograd recorded of how this tensor was computed, as a graph; see `record.tensor_graph`."""

    def __gt__(self, other: Tensor | _float) -> Tensor: ...

    def __iadd__(self, other: Tensor | _float) -> Tensor: ...

    def __iand__(self, other: Tensor | _float) -> Tensor: ...

    def __ifloordiv__(self, other: Tensor | _float) -> Tensor: ...

    def __ilshift__(self, other: Tensor | _float) -> Tensor: ...

    def __imod__(self, other: Tensor | _float) -> Tensor: ...

    def __imul__(self, other: Tensor | _float) -> Tensor: ...

    def __index__(self) -> _int: ...

    def __init__(self, *data: Any, dtype: dtype | None = None, **_: Any) -> None:
        """From data, or of the sizes that are given, as PyTorch's `Tensor(2, 3)` and `Tensor(x.shape)` (here of zeros)."""

    def __int__(self) -> _int: ...

    def __invert__(self) -> Tensor: ...

    def __ior__(self, other: Tensor | _float) -> Tensor: ...

    def __ipow__(self, other: Tensor | _float) -> Tensor: ...

    def __irshift__(self, other: Tensor | _float) -> Tensor: ...

    def __isub__(self, other: Tensor | _float) -> Tensor: ...

    def __iter__(self) -> Iterator[Tensor]:
        """The views at each index of the first dimension."""

    def __itruediv__(self, other: Tensor | _float) -> Tensor: ...

    def __ixor__(self, other: Tensor | _float) -> Tensor: ...

    def __le__(self, other: Tensor | _float) -> Tensor: ...

    def __lshift__(self, other: Tensor | _float) -> Tensor: ...

    def __lt__(self, other: Tensor | _float) -> Tensor: ...

    def __matmul__(self, other: Tensor | _float) -> Tensor: ...

    def __mod__(self, other: Tensor | _float) -> Tensor: ...

    def __mul__(self, other: Tensor | _float) -> Tensor: ...

    def __ne__(self, other: Tensor | _float) -> Tensor: ...  # pyright: ignore[reportIncompatibleMethodOverride]

    def __neg__(self) -> Tensor: ...

    def __or__(self, other: Tensor | _float) -> Tensor: ...

    def __pos__(self) -> Tensor:
        """The tensor itself, as PyTorch's `+input`. Raises for a bool tensor."""

    def __pow__(self, other: Tensor | _float) -> Tensor: ...

    def __radd__(self, other: Tensor | _float) -> Tensor: ...

    def __rand__(self, other: Tensor | _float) -> Tensor: ...

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Pickled as its numbers and its flag, to go to another process; history stays behind."""

    def __repr__(self) -> str: ...

    def __rfloordiv__(self, other: Tensor | _float) -> Tensor: ...

    def __rlshift__(self, other: Tensor | _float) -> Tensor: ...

    def __rmatmul__(self, other: Tensor | _float) -> Tensor: ...

    def __rmod__(self, other: Tensor | _float) -> Tensor: ...

    def __rmul__(self, other: Tensor | _float) -> Tensor: ...

    def __ror__(self, other: Tensor | _float) -> Tensor: ...

    def __rpow__(self, other: Tensor | _float) -> Tensor: ...

    def __rrshift__(self, other: Tensor | _float) -> Tensor: ...

    def __rshift__(self, other: Tensor | _float) -> Tensor: ...

    def __rsub__(self, other: Tensor | _float) -> Tensor: ...

    def __rtruediv__(self, other: Tensor | _float) -> Tensor: ...

    def __rxor__(self, other: Tensor | _float) -> Tensor: ...

    def __setitem__(self, key: Any, value: Any) -> None:
        """`x[key] = value` in place, broadcast; gradients flow to what was there and to `value`."""

    def __sub__(self, other: Tensor | _float) -> Tensor: ...

    def __truediv__(self, other: Tensor | _float) -> Tensor: ...

    def __xor__(self, other: Tensor | _float) -> Tensor: ...

    def abs(self) -> Tensor:
        """Absolute value of each element; its gradient at 0 is 0."""

    def abs_(self) -> Tensor:
        """In place: Absolute value of each element; its gradient at 0 is 0."""

    def absolute(self) -> Tensor:
        """Absolute value of each element; its gradient at 0 is 0."""

    def absolute_(self) -> Tensor:
        """In place: Absolute value of each element; its gradient at 0 is 0."""

    def acos(self) -> Tensor:
        """Inverse cosine of each element, in [0, π]; NaN out of [-1, 1]."""

    def acos_(self) -> Tensor:
        """In place: Inverse cosine of each element, in [0, π]; NaN out of [-1, 1]."""

    def acosh(self) -> Tensor:
        """Inverse hyperbolic cosine of each element; NaN below 1."""

    def acosh_(self) -> Tensor:
        """In place: Inverse hyperbolic cosine of each element; NaN below 1."""

    def add(self, other: Tensor | _float, alpha: Any = 1) -> Tensor:
        """Sum of each pair of elements: input + alpha · other. Bools: their disjunction."""

    def add_(self, other: Tensor | _float, alpha: Any = 1) -> Tensor:
        """In place: Sum of each pair of elements: input + alpha · other. Bools: their disjunction."""

    def addbmm(self, batch1: Tensor, batch2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
        """beta · input + alpha · the sum of bmm(batch1, batch2) over the batch."""

    def addbmm_(self, *args: Any, **kwargs: Any) -> Tensor:
        """`addbmm`, its result written into this tensor."""

    def addcdiv(self, tensor1: Tensor, tensor2: Tensor, value: Any = 1) -> Tensor:
        """input + value · tensor1 / tensor2, for each triple of elements. Raises RuntimeError for integers."""

    def addcdiv_(self, tensor1: Tensor, tensor2: Tensor, value: Any = 1) -> Tensor:
        """In place: input + value · tensor1 / tensor2, for each triple of elements. Raises RuntimeError for integers."""

    def addcmul(self, tensor1: Tensor, tensor2: Tensor, value: Any = 1) -> Tensor:
        """input + value · tensor1 · tensor2, for each triple of elements."""

    def addcmul_(self, tensor1: Tensor, tensor2: Tensor, value: Any = 1) -> Tensor:
        """In place: input + value · tensor1 · tensor2, for each triple of elements."""

    def addmm(self, mat1: Tensor, mat2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
        """beta · input + alpha · mat1 · mat2."""

    def addmm_(self, *args: Any, **kwargs: Any) -> Tensor:
        """`addmm`, its result written into this tensor."""

    def addmv(self, mat: Tensor, vec: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
        """beta · input + alpha · mat · vec."""

    def addmv_(self, *args: Any, **kwargs: Any) -> Tensor:
        """`addmv`, its result written into this tensor."""

    def addr(self, vec1: Tensor, vec2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
        """beta · input + alpha · outer(vec1, vec2)."""

    def addr_(self, *args: Any, **kwargs: Any) -> Tensor:
        """`addr`, its result written into this tensor."""

    def adjoint(self) -> Tensor:
        """The last two dimensions exchanged and the elements conjugated; of a real tensor a view."""

    def all(self, dim: Any = None, keepdim: _bool = False) -> Tensor:
        """Whether every element along `dim` is not 0 (True over nothing); uint8 gives uint8."""

    def allclose(self, other: Tensor, rtol: _float = 1e-05, atol: _float = 1e-08, equal_nan: _bool = False) -> _bool:
        """Whether `isclose` holds for all elements."""

    def amax(self, dim: Any = (), keepdim: _bool = False) -> Tensor:
        """The largest element over the dimensions `dim` (all, if empty)."""

    def amin(self, dim: Any = (), keepdim: _bool = False) -> Tensor:
        """The smallest element over the dimensions `dim` (all, if empty)."""

    def aminmax(self, *, dim: Any = None, keepdim: _bool = False) -> Any:
        """(min, max) along `dim`, or of all elements."""

    def angle(self) -> Tensor:
        """The angle of each complex number, between -π and π; of a real one 0 or π, NaN for NaN."""

    def any(self, dim: Any = None, keepdim: _bool = False) -> Tensor:
        """Whether at least one element along `dim` is not 0 (False over nothing); uint8 gives uint8."""

    def apply_(self, callable: Callable[[Any], Any]) -> Tensor:
        """Replace each number by `callable(number)`: slow, for tensors on the CPU."""

    def arccos(self) -> Tensor:
        """Inverse cosine of each element, in [0, π]; NaN out of [-1, 1]."""

    def arccos_(self) -> Tensor:
        """In place: Inverse cosine of each element, in [0, π]; NaN out of [-1, 1]."""

    def arccosh(self) -> Tensor:
        """Inverse hyperbolic cosine of each element; NaN below 1."""

    def arccosh_(self) -> Tensor:
        """In place: Inverse hyperbolic cosine of each element; NaN below 1."""

    def arcsin(self) -> Tensor:
        """Inverse sine of each element, in [-π/2, π/2]; NaN out of [-1, 1]."""

    def arcsin_(self) -> Tensor:
        """In place: Inverse sine of each element, in [-π/2, π/2]; NaN out of [-1, 1]."""

    def arcsinh(self) -> Tensor:
        """Inverse hyperbolic sine of each element."""

    def arcsinh_(self) -> Tensor:
        """In place: Inverse hyperbolic sine of each element."""

    def arctan(self) -> Tensor:
        """Inverse tangent of each element, in [-π/2, π/2]."""

    def arctan2(self, other: Tensor) -> Tensor:
        """Angle of the point (other, input), in [-π, π], for each pair of elements; its gradient at (0, 0) is 0."""

    def arctan2_(self, other: Tensor) -> Tensor:
        """In place: Angle of the point (other, input), in [-π, π], for each pair of elements; its gradient at (0, 0) is 0."""

    def arctan_(self) -> Tensor:
        """In place: Inverse tangent of each element, in [-π/2, π/2]."""

    def arctanh(self) -> Tensor:
        """Inverse hyperbolic tangent of each element; infinite at -1 and 1, NaN beyond."""

    def arctanh_(self) -> Tensor:
        """In place: Inverse hyperbolic tangent of each element; infinite at -1 and 1, NaN beyond."""

    def argmax(self, dim: Any = None, keepdim: _bool = False) -> Tensor:
        """Index (int64) of the largest element along `dim`; of the flattened tensor if `dim` is None."""

    def argmin(self, dim: Any = None, keepdim: _bool = False) -> Tensor:
        """Index (int64) of the smallest element along `dim`; of the flattened tensor if `dim` is None."""

    def argsort(self, dim: _int = -1, descending: _bool = False, stable: _bool = False) -> Tensor:
        """The indices that sort `input` along `dim`; equals keep their order, `stable` or not."""

    def argwhere(self) -> Tensor:
        """The indices of the elements that are not zero, a row each; the same as `nonzero`."""

    def as_strided(self, size: Any, stride: Any, storage_offset: _int | None = None) -> Tensor:
        """A view of the memory of `input` with the lengths `size` and `stride` elements from one index to the next."""

    def as_strided_(self, size: Any, stride: Any, storage_offset: _int | None = None) -> Tensor:
        """Make the tensor, in place, another part of the memory that it lies in: by sizes, strides and offset."""

    def as_strided_scatter(self, src: Tensor, size: Any, stride: Any, storage_offset: _int | None = None) -> Tensor:
        """A copy of `input` in which the elements that `as_strided` would show are those of `src`."""

    def as_subclass(self, cls: _type[Any]) -> Any:
        """The same memory and history as an object of a class derived from Tensor."""

    def asin(self) -> Tensor:
        """Inverse sine of each element, in [-π/2, π/2]; NaN out of [-1, 1]."""

    def asin_(self) -> Tensor:
        """In place: Inverse sine of each element, in [-π/2, π/2]; NaN out of [-1, 1]."""

    def asinh(self) -> Tensor:
        """Inverse hyperbolic sine of each element."""

    def asinh_(self) -> Tensor:
        """In place: Inverse hyperbolic sine of each element."""

    def atan(self) -> Tensor:
        """Inverse tangent of each element, in [-π/2, π/2]."""

    def atan2(self, other: Tensor) -> Tensor:
        """Angle of the point (other, input), in [-π, π], for each pair of elements; its gradient at (0, 0) is 0."""

    def atan2_(self, other: Tensor) -> Tensor:
        """In place: Angle of the point (other, input), in [-π, π], for each pair of elements; its gradient at (0, 0) is 0."""

    def atan_(self) -> Tensor:
        """In place: Inverse tangent of each element, in [-π/2, π/2]."""

    def atanh(self) -> Tensor:
        """Inverse hyperbolic tangent of each element; infinite at -1 and 1, NaN beyond."""

    def atanh_(self) -> Tensor:
        """In place: Inverse hyperbolic tangent of each element; infinite at -1 and 1, NaN beyond."""

    def backward(self, gradient: Any = None, retain_graph: _bool | None = None, create_graph: _bool = False, inputs: Any = None) -> None:
        """Add the gradients of this tensor to the `grad` of its leaves; see `pellucid.autograd.backward`."""

    def baddbmm(self, batch1: Tensor, batch2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
        """beta · input + alpha · bmm(batch1, batch2)."""

    def baddbmm_(self, *args: Any, **kwargs: Any) -> Tensor:
        """`baddbmm`, its result written into this tensor."""

    def bernoulli(self, p: _float | None = None, *, generator: Any = None) -> Tensor:
        """1 with the probability that each element of `input` (or the number `p`) is, else 0, in the dtype of `input`."""

    def bernoulli_(self, p: Tensor | _float = 0.5, generator: Any = None) -> Tensor:
        """Fill with 1 with probability `p` (a number, or a tensor that broadcasts), else 0."""

    def bfloat16(self, *, memory_format: str | None = None) -> Tensor:
        """This tensor as bfloat16."""

    def bincount(self, weights: Tensor | None = None, minlength: _int = 0) -> Tensor:
        """How often each number 0, 1, … occurs in a 1-d tensor of integers; or the sum of its `weights`."""

    def bitwise_and(self, other: Tensor | _float) -> Tensor:
        """The bits that both integers have; for bools, their conjunction."""

    def bitwise_and_(self, other: Tensor | _float) -> Tensor:
        """In place: The bits that both integers have; for bools, their conjunction."""

    def bitwise_left_shift(self, other: Tensor | _float) -> Tensor:
        """input · 2^other, the bits moved to the left; 0 where all are moved out."""

    def bitwise_left_shift_(self, other: Tensor | _float) -> Tensor:
        """In place: input · 2^other, the bits moved to the left; 0 where all are moved out."""

    def bitwise_not(self) -> Tensor:
        """All bits of each integer turned over; for bools, their negation."""

    def bitwise_not_(self) -> Tensor:
        """In place: All bits of each integer turned over; for bools, their negation."""

    def bitwise_or(self, other: Tensor | _float) -> Tensor:
        """The bits that one of both integers has; for bools, their disjunction."""

    def bitwise_or_(self, other: Tensor | _float) -> Tensor:
        """In place: The bits that one of both integers has; for bools, their disjunction."""

    def bitwise_right_shift(self, other: Tensor | _float) -> Tensor:
        """input / 2^other rounded down, the bits moved to the right."""

    def bitwise_right_shift_(self, other: Tensor | _float) -> Tensor:
        """In place: input / 2^other rounded down, the bits moved to the right."""

    def bitwise_xor(self, other: Tensor | _float) -> Tensor:
        """The bits that exactly one of both integers has; for bools, whether they differ."""

    def bitwise_xor_(self, other: Tensor | _float) -> Tensor:
        """In place: The bits that exactly one of both integers has; for bools, whether they differ."""

    def bmm(self, mat2: Tensor) -> Tensor:
        """Products of a batch of matrices: (b, n, k) · (b, k, m) -> (b, n, m); no broadcasting."""

    def bool(self, *, memory_format: str | None = None) -> Tensor:
        """This tensor as bool."""

    def broadcast_to(self, *size: Any, **given: Any) -> Tensor:
        """A view expanded to the shape `size`; the same as `expand`."""

    def byte(self, *, memory_format: str | None = None) -> Tensor:
        """This tensor as uint8."""

    def cauchy_(self, median: _float = 0.0, sigma: _float = 1.0, generator: Any = None) -> Tensor:
        """Fill with median + sigma·tan(π·(u - ½)) for uniform u."""

    def cdouble(self, *, memory_format: str | None = None) -> Tensor:
        """This tensor as complex128."""

    def ceil(self) -> Tensor:
        """Smallest integer that is not below each element; integers as they are."""

    def ceil_(self) -> Tensor:
        """In place: Smallest integer that is not below each element; integers as they are."""

    def cfloat(self, *, memory_format: str | None = None) -> Tensor:
        """This tensor as complex64."""

    def chalf(self, memory_format: Any = None) -> Tensor:
        """Refused: complex numbers of half precision are not among pellucid's types."""

    def char(self, *, memory_format: str | None = None) -> Tensor:
        """This tensor as int8."""

    def cholesky(self, upper: _bool = False) -> Tensor:
        """L, lower triangular, with A = L Lᴴ; or U = Lᴴ with `upper`: PyTorch's older name of `linalg.cholesky`."""

    def cholesky_inverse(self, upper: _bool = False) -> Tensor:
        """(L Lᴴ)⁻¹, or (Uᴴ U)⁻¹ with `upper`."""

    def cholesky_solve(self, L: Tensor, upper: _bool = False) -> Tensor:
        """X with A X = input, where A = L Lᴴ (or Uᴴ U with `upper`): (…, n, k) and (…, n, n) -> (…, n, k)."""

    def chunk(self, chunks: _int, dim: _int = 0) -> tuple[Tensor, ...]:
        """At most `chunks` views along `dim`, all of one length except perhaps the last."""

    def clamp(self, min: Tensor | _float | None = None, max: Tensor | _float | None = None) -> Tensor:
        """Each element brought between `min` and `max`: numbers or tensors, one of them may be None. NaN stays NaN."""

    def clamp_(self, min: Tensor | _float | None = None, max: Tensor | _float | None = None) -> Tensor:
        """In place: Each element brought between `min` and `max`: numbers or tensors, one of them may be None. NaN stays NaN."""

    def clamp_max(self, max: Tensor | _float) -> Tensor:
        """Each element, or `max` where that is smaller."""

    def clamp_max_(self, max: Tensor | _float) -> Tensor:
        """In place: Each element, or `max` where that is smaller."""

    def clamp_min(self, min: Tensor | _float) -> Tensor:
        """Each element, or `min` where that is larger."""

    def clamp_min_(self, min: Tensor | _float) -> Tensor:
        """In place: Each element, or `min` where that is larger."""

    def clip(self, min: Tensor | _float | None = None, max: Tensor | _float | None = None) -> Tensor:
        """Each element brought between `min` and `max`: numbers or tensors, one of them may be None. NaN stays NaN."""

    def clip_(self, min: Tensor | _float | None = None, max: Tensor | _float | None = None) -> Tensor:
        """In place: Each element brought between `min` and `max`: numbers or tensors, one of them may be None. NaN stays NaN."""

    def clone(self, memory_format: Any = None) -> Tensor:
        """A copy whose dimensions lie in memory in the order of the original's; gradients pass through to it."""

    def combinations(self, r: _int = 2, with_replacement: _bool = False) -> Tensor:
        """All choices of `r` elements of a vector, as rows, in the order of `itertools.combinations`."""

    def conj(self) -> Tensor:
        """The complex conjugate of each element: a - bi of a + bi. A real tensor is returned as it is."""

    def conj_physical(self) -> Tensor:
        """The complex conjugate of each element, in memory of its own; a real tensor is returned as it is."""

    def conj_physical_(self) -> Tensor:
        """In place: the complex conjugate of each element."""

    def contiguous(self, memory_format: Any = None) -> Tensor:
        """This tensor, or a copy in row-major order (or that of `memory_format`) if it is not in that order."""

    def copy_(self, src: Tensor, non_blocking: _bool = False) -> Tensor:
        """Store the values of `src`, broadcast and cast, in this tensor."""

    def copysign(self, other: Tensor | _float) -> Tensor:
        """The size of each element of `input` with the sign of `other` (that of -0.0 is negative)."""

    def copysign_(self, other: Tensor | _float) -> Tensor:
        """In place: The size of each element of `input` with the sign of `other` (that of -0.0 is negative)."""

    def corrcoef(self) -> Tensor:
        """Pearson's correlations of the variables in the rows of `input`: (d, n) -> (d, d), between -1 and 1."""

    def cos(self) -> Tensor:
        """Cosine of each element, in radians."""

    def cos_(self) -> Tensor:
        """In place: Cosine of each element, in radians."""

    def cosh(self) -> Tensor:
        """Hyperbolic cosine of each element: (e^x + e^-x) / 2."""

    def cosh_(self) -> Tensor:
        """In place: Hyperbolic cosine of each element: (e^x + e^-x) / 2."""

    def count_nonzero(self, dim: Any = None) -> Tensor:
        """How many elements along `dim` are not 0, as int64."""

    def cov(self, *, correction: _int = 1, fweights: Tensor | None = None, aweights: Tensor | None = None) -> Tensor:
        """Covariances of the variables in the rows of `input`, whose columns are observations: (d, n) -> (d, d)."""

    def cpu(self, memory_format: Any = None) -> Tensor:
        """This tensor in main memory."""

    def cross(self, other: Tensor, dim: _int | None = None) -> Tensor:
        """The vector product along `dim`, by default the first dimension of three elements; see `linalg.cross`."""

    def cuda(self, device: Any = None, non_blocking: _bool = False, memory_format: Any = None) -> Tensor:
        """This tensor on the GPU (needs CuPy)."""

    def cummax(self, dim: _int) -> Any:
        """(values, indices): the largest so far along `dim`, and where it last stood."""

    def cummin(self, dim: _int) -> Any:
        """(values, indices): the smallest so far along `dim`, and where it last stood."""

    def cumprod(self, dim: _int, dtype: Any = None) -> Tensor:
        """Running product along `dim`: out[i] = x[0] · … · x[i]. Integers and bools are multiplied as int64."""

    def cumprod_(self, *args: Any, **kwargs: Any) -> Tensor:
        """`cumprod`, its result written into this tensor."""

    def cumsum(self, dim: _int, dtype: Any = None) -> Tensor:
        """Running sum along `dim`: out[i] = x[0] + … + x[i]. Integers and bools are summed as int64."""

    def cumsum_(self, *args: Any, **kwargs: Any) -> Tensor:
        """`cumsum`, its result written into this tensor."""

    def data_ptr(self) -> _int:
        """Address of the first element; 0 where there is none."""

    def deg2rad(self) -> Tensor:
        """Degrees to radians: x · π / 180."""

    def deg2rad_(self) -> Tensor:
        """In place: Degrees to radians: x · π / 180."""

    def dense_dim(self) -> _int:
        """How many dimensions are not given by coordinates: all of a dense tensor."""

    def det(self) -> Tensor:
        """The determinant of each matrix: (…, n, n) -> (…)."""

    def detach(self) -> Tensor:
        """The same memory without history; in-place changes are still counted for both."""

    def detach_(self) -> Tensor:
        """Cut this tensor from its history, in place."""

    def diag(self, diagonal: _int = 0) -> Tensor:
        """The diagonal of a matrix as a vector (a copy), or the matrix with a vector on its diagonal."""

    def diag_embed(self, offset: _int = 0, dim1: _int = -2, dim2: _int = -1) -> Tensor:
        """A tensor with one more dimension whose diagonals in the plane (dim1, dim2) are the last dimension of `input`."""

    def diagflat(self, offset: _int = 0) -> Tensor:
        """A matrix with all elements of `input` on a diagonal."""

    def diagonal(self, offset: _int = 0, dim1: _int = 0, dim2: _int = 1) -> Tensor:
        """A view of the diagonal of the plane of two dimensions, which becomes the last dimension."""

    def diagonal_scatter(self, src: Tensor, offset: _int = 0, dim1: _int = 0, dim2: _int = 1) -> Tensor:
        """A copy of `input` with `src` on a diagonal."""

    def diff(self, n: _int = 1, dim: _int = -1, prepend: Tensor | None = None, append: Tensor | None = None) -> Tensor:
        """x[i + 1] - x[i] along `dim`, `n` times over, after joining `prepend` and `append`; of bools, whether they differ."""

    def digamma(self) -> Tensor:
        """Derivative of `lgamma` of each element; -inf at 0, NaN at -1, -2, …"""

    def digamma_(self) -> Tensor:
        """In place: Derivative of `lgamma` of each element; -inf at 0, NaN at -1, -2, …"""

    def dist(self, other: Any, p: _float = 2) -> Tensor:
        """The p-norm of input - other, over all elements."""

    def div(self, other: Tensor | _float, *, rounding_mode: str | None = None) -> Tensor:
        """Quotient of each pair of elements: as it is (None), rounded down ("floor") or towards 0 ("trunc")."""

    def div_(self, other: Tensor | _float, *, rounding_mode: str | None = None) -> Tensor:
        """Quotient of each pair of elements: as it is (None), rounded down ("floor") or towards 0 ("trunc")."""

    def divide(self, other: Tensor | _float, *, rounding_mode: str | None = None) -> Tensor:
        """Quotient of each pair of elements: as it is (None), rounded down ("floor") or towards 0 ("trunc")."""

    def divide_(self, other: Tensor | _float, *, rounding_mode: str | None = None) -> Tensor:
        """Quotient of each pair of elements: as it is (None), rounded down ("floor") or towards 0 ("trunc")."""

    def dot(self, tensor: Tensor) -> Tensor:
        """Scalar product of two vectors of equal length: Σ aᵢ bᵢ."""

    def double(self, *, memory_format: str | None = None) -> Tensor:
        """This tensor as float64."""

    def dsplit(self, indices_or_sections: Any) -> tuple[Tensor, ...]:
        """Views along the third dimension."""

    def element_size(self) -> _int:
        """Bytes of one element."""

    def eq(self, other: Tensor | _float) -> Tensor:
        """Whether each element of `input` equals that of `other`."""

    def eq_(self, other: Tensor | _float) -> Tensor:
        """In place: Whether each element of `input` equals that of `other`."""

    def equal(self, other: Tensor) -> _bool:
        """Whether two tensors have the same shape and the same elements."""

    def erf(self) -> Tensor:
        """Error function of each element: 2/sqrt(π) · ∫ e^(-t²) dt from 0 to x."""

    def erf_(self) -> Tensor:
        """In place: Error function of each element: 2/sqrt(π) · ∫ e^(-t²) dt from 0 to x."""

    def erfc(self) -> Tensor:
        """Complementary error function of each element: 1 - erf(x), exact where that is close to 0."""

    def erfc_(self) -> Tensor:
        """In place: Complementary error function of each element: 1 - erf(x), exact where that is close to 0."""

    def erfinv(self) -> Tensor:
        """Inverse of the error function of each element; infinite at -1 and 1, NaN beyond."""

    def erfinv_(self) -> Tensor:
        """In place: Inverse of the error function of each element; infinite at -1 and 1, NaN beyond."""

    def exp(self) -> Tensor:
        """Exponential of each element: e^x."""

    def exp2(self) -> Tensor:
        """2^x of each element."""

    def exp2_(self) -> Tensor:
        """In place: 2^x of each element."""

    def exp_(self) -> Tensor:
        """In place: Exponential of each element: e^x."""

    def expand(self, *size: Any, implicit: _bool = False, **given: Any) -> Tensor:
        """A view in which dimensions of length 1 are repeated, without a copy, until the shape is `size`."""

    def expand_as(self, other: Tensor) -> Tensor:
        """A view expanded to the shape of `other`."""

    def expm1(self) -> Tensor:
        """e^x - 1 of each element, exact where x is close to 0."""

    def expm1_(self) -> Tensor:
        """In place: e^x - 1 of each element, exact where x is close to 0."""

    def exponential_(self, lambd: _float = 1.0, generator: Any = None) -> Tensor:
        """Fill with numbers of density lambd·exp(-lambd·x)."""

    def fill(self, value: Tensor | _float) -> Tensor:
        """A tensor like `input` with `value`, a number or a 0-d tensor, everywhere."""

    def fill_(self, value: Tensor | _float) -> Tensor:
        """In place: every element becomes `value`, a number or a 0-d tensor."""

    def fill_diagonal_(self, fill_value: Any, wrap: _bool = False) -> Tensor:
        """Store a number on the main diagonal, in place; with `wrap`, on and on down a tall matrix."""

    def fix(self) -> Tensor:
        """Integer part of each element, rounded towards 0; integers as they are."""

    def fix_(self) -> Tensor:
        """In place: Integer part of each element, rounded towards 0; integers as they are."""

    def flatten(self, start_dim: _int = 0, end_dim: _int = -1) -> Tensor:
        """The dimensions from `start_dim` to `end_dim` made into one; the tensor itself if that is no change."""

    def flip(self, *dims: Any, **given: Any) -> Tensor:
        """A copy with the elements in the opposite order along `dims`."""

    def fliplr(self) -> Tensor:
        """A copy with the columns in the opposite order; needs two dimensions."""

    def flipud(self) -> Tensor:
        """A copy with the rows in the opposite order; needs one dimension."""

    def float(self, *, memory_format: str | None = None) -> Tensor:
        """This tensor as float32."""

    def float_power(self, exponent: Any) -> Tensor:
        """`input` to the power of `exponent`, computed in float64."""

    def float_power_(self, exponent: Any) -> Tensor:
        """In place: `input`, of float64, to the power of `exponent`."""

    def floor(self) -> Tensor:
        """Largest integer that is not above each element; integers as they are."""

    def floor_(self) -> Tensor:
        """In place: Largest integer that is not above each element; integers as they are."""

    def floor_divide(self, other: Tensor | _float) -> Tensor:
        """Quotient of each pair of elements rounded down. Raises RuntimeError for an integer divided by 0."""

    def floor_divide_(self, other: Tensor | _float) -> Tensor:
        """In place: Quotient of each pair of elements rounded down. Raises RuntimeError for an integer divided by 0."""

    def fmax(self, other: Tensor) -> Tensor:
        """The larger of each pair of elements, the one that is not NaN if one is. At a tie, input gets the gradient."""

    def fmin(self, other: Tensor) -> Tensor:
        """The smaller of each pair of elements, the one that is not NaN if one is. At a tie, input gets the gradient."""

    def fmod(self, other: Tensor | _float) -> Tensor:
        """What C's fmod gives for each pair of elements: input - other · trunc(input / other), with the sign of input."""

    def fmod_(self, other: Tensor | _float) -> Tensor:
        """In place: What C's fmod gives for each pair of elements: input - other · trunc(input / other), with the sign of input."""

    def frac(self) -> Tensor:
        """Fraction of each element, with its sign: x - trunc(x)."""

    def frac_(self) -> Tensor:
        """In place: Fraction of each element, with its sign: x - trunc(x)."""

    def frexp(self) -> Any:
        """(mantissa, exponent) of each element: input = mantissa · 2^exponent with ½ ≤ |mantissa| < 1, the exponent int32."""

    def gather(self, dim: _int, index: Any, *, sparse_grad: _bool = False) -> Tensor:
        """For each element of `index`, the element of `input` that it names along `dim`."""

    def gcd(self, other: Tensor) -> Tensor:
        """Greatest common divisor of each pair of integers."""

    def gcd_(self, other: Tensor) -> Tensor:
        """In place: Greatest common divisor of each pair of integers."""

    def ge(self, other: Tensor | _float) -> Tensor:
        """Whether each element of `input` is at least that of `other`."""

    def ge_(self, other: Tensor | _float) -> Tensor:
        """In place: Whether each element of `input` is at least that of `other`."""

    def geometric_(self, p: _float, generator: Any = None) -> Tensor:
        """Fill with the number of tries up to the first success, each of probability `p`."""

    def geqrf(self) -> Any:
        """(a, tau): R above the diagonal of `a`, below it the vectors of the reflections that make Q, and their factors."""

    def ger(self, vec2: Tensor) -> Tensor:
        """PyTorch's older name of `outer`."""

    def get_device(self) -> _int:
        """The number of the GPU that a tensor is on; -1 on the CPU."""

    def greater(self, other: Tensor | _float) -> Tensor:
        """Whether each element of `input` is greater than that of `other`."""

    def greater_(self, other: Tensor | _float) -> Tensor:
        """In place: Whether each element of `input` is greater than that of `other`."""

    def greater_equal(self, other: Tensor | _float) -> Tensor:
        """Whether each element of `input` is at least that of `other`."""

    def greater_equal_(self, other: Tensor | _float) -> Tensor:
        """In place: Whether each element of `input` is at least that of `other`."""

    def gt(self, other: Tensor | _float) -> Tensor:
        """Whether each element of `input` is greater than that of `other`."""

    def gt_(self, other: Tensor | _float) -> Tensor:
        """In place: Whether each element of `input` is greater than that of `other`."""

    def half(self, *, memory_format: str | None = None) -> Tensor:
        """This tensor as float16."""

    def heaviside(self, values: Tensor) -> Tensor:
        """The step: 0 where input is negative, 1 where positive, `values` where 0."""

    def heaviside_(self, values: Tensor) -> Tensor:
        """In place: The step: 0 where input is negative, 1 where positive, `values` where 0."""

    def histc(self, bins: _int = 100, min: _float = 0, max: _float = 0) -> Tensor:
        """How many elements fall into each of `bins` equal parts of [min, max]; of the elements' own range if these agree."""

    def histogram(self, bins: Any, *, range: Any = None, weight: Tensor | None = None, density: _bool = False) -> Any:
        """(hist, bin_edges): counts of the elements between edges, `bins` equal parts of `range` or a tensor of edges."""

    def hsplit(self, indices_or_sections: Any) -> tuple[Tensor, ...]:
        """Views along the columns (along the only dimension of a vector); a number of them must divide the length."""

    def hypot(self, other: Tensor) -> Tensor:
        """sqrt(input² + other²) of each pair of elements, without overflow on the way."""

    def hypot_(self, other: Tensor) -> Tensor:
        """In place: sqrt(input² + other²) of each pair of elements, without overflow on the way."""

    def i0(self) -> Tensor:
        """Modified Bessel function of the first kind, order 0: Σ (x² / 4)^k / k!² over k >= 0."""

    def i0_(self) -> Tensor:
        """In place: Modified Bessel function of the first kind, order 0: Σ (x² / 4)^k / k!² over k >= 0."""

    def igamma(self, other: Tensor) -> Tensor:
        """Regularised lower incomplete gamma function, ∫ t^(input-1) e^-t dt / Γ(input) from 0 to other."""

    def igamma_(self, other: Tensor) -> Tensor:
        """In place: Regularised lower incomplete gamma function, ∫ t^(input-1) e^-t dt / Γ(input) from 0 to other."""

    def igammac(self, other: Tensor) -> Tensor:
        """Regularised upper incomplete gamma function, 1 - `igamma`, with all its digits."""

    def igammac_(self, other: Tensor) -> Tensor:
        """In place: Regularised upper incomplete gamma function, 1 - `igamma`, with all its digits."""

    @property
    def imag(self) -> Tensor:
        """The imaginary parts, as a view. Raises RuntimeError for a real tensor."""

    def index_add(self, dim: _int, index: Any, source: Any, *, alpha: Any = 1) -> Tensor:
        """`input` with each slice of alpha · `source` along `dim` added where the vector `index` says."""

    def index_add_(self, dim: _int, index: Any, source: Any, *, alpha: Any = 1) -> Tensor:
        """In place: `input` with each slice of alpha · `source` along `dim` added where the vector `index` says."""

    def index_copy(self, dim: _int, index: Any, source: Any) -> Tensor:
        """`input` with each slice of `source` along `dim` stored where the vector `index` says."""

    def index_copy_(self, dim: _int, index: Any, source: Any) -> Tensor:
        """In place: `input` with each slice of `source` along `dim` stored where the vector `index` says."""

    def index_fill(self, dim: _int, index: Any, value: Any) -> Tensor:
        """`input` with `value` (a number or a 0-d tensor) in the slices along `dim` that the vector `index` names."""

    def index_fill_(self, dim: _int, index: Any, value: Any) -> Tensor:
        """In place: `input` with `value` (a number or a 0-d tensor) in the slices along `dim` that the vector `index` names."""

    def index_put(self, indices: Any, values: Tensor, accumulate: _bool = False) -> Tensor:
        """`input` with `values` stored at `indices` (a tuple of tensors), or added there with `accumulate`."""

    def index_put_(self, indices: Any, values: Tensor, accumulate: _bool = False) -> Tensor:
        """In place: `values` stored at `indices` (a tuple of tensors), or added there with `accumulate`."""

    def index_reduce(self, dim: _int, index: Tensor, source: Tensor, reduce: str, *, include_self: _bool = True) -> Tensor:
        """`input` with the slices of `source` that `index` sends to one place reduced there: prod, mean, amax, amin."""

    def index_reduce_(self, dim: _int, index: Tensor, source: Tensor, reduce: str, *, include_self: _bool = True) -> Tensor:
        """In place: `index_reduce`."""

    def index_select(self, dim: _int, index: Any) -> Tensor:
        """The slices of `input` along `dim` that a vector of indices names, copied."""

    def inner(self, other: Tensor) -> Tensor:
        """Sum of products over the last dimension of both: (…, k), (…', k) -> (…, …')."""

    def int(self, *, memory_format: str | None = None) -> Tensor:
        """This tensor as int32."""

    def inverse(self) -> Tensor:
        """The inverse of each matrix: (…, n, n) -> (…, n, n). Raises LinAlgError for a singular one."""

    def is_conj(self) -> _bool:
        """Whether a conjugation was put off; never, here."""

    def is_contiguous(self, memory_format: Any = None) -> _bool:
        """Whether the elements lie in memory in row-major order without gaps."""

    @property
    def is_cpu(self) -> _bool:
        """Whether it is on the CPU."""

    @property
    def is_ipu(self) -> _bool:
        """False: there is no such device or layout here."""

    @property
    def is_meta(self) -> _bool:
        """Whether it has a shape and a dtype, but no numbers."""

    @property
    def is_mkldnn(self) -> _bool:
        """False: there is no such device or layout here."""

    @property
    def is_mps(self) -> _bool:
        """False: there is no such device or layout here."""

    @property
    def is_mtia(self) -> _bool:
        """False: there is no such device or layout here."""

    def is_neg(self) -> _bool:
        """Whether a negation was put off; never, here."""

    @property
    def is_nested(self) -> _bool:
        """False: there is no such device or layout here."""

    def is_nonzero(self) -> _bool:
        """Whether the one element of `input` is not 0. Raises RuntimeError for any other number of elements."""

    def is_pinned(self, device: Any = None) -> _bool:
        """False: no memory is pinned."""

    def is_same_size(self, other: Tensor) -> _bool:
        """Whether both have the same shape."""

    def is_set_to(self, tensor: Tensor) -> _bool:
        """Whether two tensors are the same part of the same memory, with the same sizes and strides."""

    def is_shared(self) -> _bool:
        """Whether the memory is shared among processes."""

    def is_signed(self) -> _bool:
        """Whether the dtype has negative numbers."""

    @property
    def is_sparse_csr(self) -> _bool:
        """False: there is no such device or layout here."""

    @property
    def is_vulkan(self) -> _bool:
        """False: there is no such device or layout here."""

    @property
    def is_xla(self) -> _bool:
        """False: there is no such device or layout here."""

    @property
    def is_xpu(self) -> _bool:
        """False: there is no such device or layout here."""

    def isclose(self, other: Tensor, rtol: _float = 1e-05, atol: _float = 1e-08, equal_nan: _bool = False) -> Tensor:
        """Whether |input - other| <= atol + rtol · |other|, or both are the same infinity (or NaN, with `equal_nan`)."""

    def isfinite(self) -> Tensor:
        """Whether each element is neither infinite nor NaN."""

    def isinf(self) -> Tensor:
        """Whether each element is infinite."""

    def isnan(self) -> Tensor:
        """Whether each element is NaN."""

    def isneginf(self) -> Tensor:
        """Whether each element is -inf."""

    def isposinf(self) -> Tensor:
        """Whether each element is +inf."""

    def isreal(self) -> Tensor:
        """Whether the imaginary part of each element is 0: always for a real tensor."""

    def istft(self, n_fft: _int, hop_length: _int | None = None, win_length: _int | None = None, window: Any = None, center: _bool = True, normalized: _bool = False, onesided: _bool | None = None, length: _int | None = None, return_complex: _bool = False) -> Tensor:
        """The signal of which `input` is the `stft`: the windows added up, over the sum of the squares of `window`."""

    def item(self) -> Any:
        """The value of a tensor with one element, as a Python number."""

    @property
    def itemsize(self) -> _int:
        """Bytes of one element."""

    def kron(self, other: Tensor) -> Tensor:
        """Kronecker product: each element of `input` times the whole of `other`."""

    def kthvalue(self, k: _int, dim: _int = -1, keepdim: _bool = False) -> Any:
        """(values, indices) of the `k`-th smallest element (from 1) of each row along `dim`."""

    def lcm(self, other: Tensor) -> Tensor:
        """Least common multiple of each pair of integers."""

    def lcm_(self, other: Tensor) -> Tensor:
        """In place: Least common multiple of each pair of integers."""

    def ldexp(self, other: Any) -> Tensor:
        """input · 2^other, for each pair of elements."""

    def ldexp_(self, *args: Any, **kwargs: Any) -> Tensor:
        """`ldexp`, its result written into this tensor."""

    def le(self, other: Tensor | _float) -> Tensor:
        """Whether each element of `input` is at most that of `other`."""

    def le_(self, other: Tensor | _float) -> Tensor:
        """In place: Whether each element of `input` is at most that of `other`."""

    def lerp(self, end: Tensor, weight: Tensor | _float) -> Tensor:
        """Linear interpolation: input + weight · (end - input), from the nearer end so that a weight of 1 gives `end`."""

    def lerp_(self, end: Tensor, weight: Tensor | _float) -> Tensor:
        """In place: Linear interpolation: input + weight · (end - input), from the nearer end so that a weight of 1 gives `end`."""

    def less(self, other: Tensor | _float) -> Tensor:
        """Whether each element of `input` is less than that of `other`."""

    def less_(self, other: Tensor | _float) -> Tensor:
        """In place: Whether each element of `input` is less than that of `other`."""

    def less_equal(self, other: Tensor | _float) -> Tensor:
        """Whether each element of `input` is at most that of `other`."""

    def less_equal_(self, other: Tensor | _float) -> Tensor:
        """In place: Whether each element of `input` is at most that of `other`."""

    def lgamma(self) -> Tensor:
        """Logarithm of the absolute value of the gamma function of each element; infinite at 0, -1, -2, …"""

    def lgamma_(self) -> Tensor:
        """In place: Logarithm of the absolute value of the gamma function of each element; infinite at 0, -1, -2, …"""

    def log(self) -> Tensor:
        """Natural logarithm of each element; -inf at 0, NaN below."""

    def log10(self) -> Tensor:
        """Logarithm to the base 10 of each element; -inf at 0, NaN below."""

    def log10_(self) -> Tensor:
        """In place: Logarithm to the base 10 of each element; -inf at 0, NaN below."""

    def log1p(self) -> Tensor:
        """log(1 + x) of each element, exact where x is close to 0; -inf at -1, NaN below."""

    def log1p_(self) -> Tensor:
        """In place: log(1 + x) of each element, exact where x is close to 0; -inf at -1, NaN below."""

    def log2(self) -> Tensor:
        """Logarithm to the base 2 of each element; -inf at 0, NaN below."""

    def log2_(self) -> Tensor:
        """In place: Logarithm to the base 2 of each element; -inf at 0, NaN below."""

    def log_(self) -> Tensor:
        """In place: Natural logarithm of each element; -inf at 0, NaN below."""

    def log_normal_(self, mean: _float = 1.0, std: _float = 2.0, generator: Any = None) -> Tensor:
        """Fill with e to the power of normal numbers of `mean` and `std`."""

    def log_softmax(self, dim: _int, dtype: Any = None) -> Tensor:
        """x - log Σ e^x along `dim`: the logarithm of softmax, finite where softmax itself rounds to 0."""

    def logaddexp(self, other: Tensor) -> Tensor:
        """log(e^input + e^other) of each pair of elements, without overflow on the way."""

    def logaddexp2(self, other: Tensor) -> Tensor:
        """log2(2^input + 2^other) of each pair of elements, without overflow on the way."""

    def logcumsumexp(self, dim: _int) -> Tensor:
        """Running log Σ e^x along `dim`, without overflow."""

    def logdet(self) -> Tensor:
        """The logarithm of each determinant: -inf where it is 0, NaN where it is negative."""

    def logical_and(self, other: Tensor) -> Tensor:
        """Whether both elements are not 0."""

    def logical_and_(self, other: Tensor) -> Tensor:
        """In place: Whether both elements are not 0."""

    def logical_not(self) -> Tensor:
        """Whether the element is 0."""

    def logical_not_(self) -> Tensor:
        """In place: Whether the element is 0."""

    def logical_or(self, other: Tensor) -> Tensor:
        """Whether one element or both are not 0."""

    def logical_or_(self, other: Tensor) -> Tensor:
        """In place: Whether one element or both are not 0."""

    def logical_xor(self, other: Tensor) -> Tensor:
        """Whether exactly one of both elements is not 0."""

    def logical_xor_(self, other: Tensor) -> Tensor:
        """In place: Whether exactly one of both elements is not 0."""

    def logit(self, eps: _float | None = None) -> Tensor:
        """log(x / (1 - x)) of each element, clamped to [eps, 1 - eps] first if `eps` is given; NaN out of [0, 1]."""

    def logit_(self, eps: _float | None = None) -> Tensor:
        """In place: log(x / (1 - x)) of each element, clamped to [eps, 1 - eps] first if `eps` is given; NaN out of [0, 1]."""

    def logsumexp(self, dim: Any, keepdim: _bool = False) -> Tensor:
        """log Σ e^x over `dim`, with the largest x taken out so that nothing overflows; -inf over nothing."""

    def long(self, *, memory_format: str | None = None) -> Tensor:
        """This tensor as int64."""

    def lt(self, other: Tensor | _float) -> Tensor:
        """Whether each element of `input` is less than that of `other`."""

    def lt_(self, other: Tensor | _float) -> Tensor:
        """In place: Whether each element of `input` is less than that of `other`."""

    def lu(self, pivot: _bool = True, get_infos: _bool = False) -> Any:
        """(LU, pivots), or (LU, pivots, info) with `get_infos`: PyTorch's older name of `linalg.lu_factor_ex`."""

    def lu_solve(self, LU_data: Tensor, LU_pivots: Tensor) -> Tensor:
        """X with A X = b from A's factors: PyTorch's older order of `linalg.lu_solve`."""

    def lu_unpack(self, LU_pivots: Tensor, unpack_data: _bool = True, unpack_pivots: _bool = True) -> Any:
        """(P, L, U) from what `linalg.lu_factor` returns; what is not asked for is empty."""

    @property
    def mH(self) -> Tensor:
        """The last two dimensions exchanged and the elements conjugated; of a real tensor a view."""

    @property
    def mT(self) -> Tensor:
        """A view with the last two dimensions exchanged; a tensor without dimensions itself."""

    def map_(self, tensor: Tensor, callable: Callable[[Any, Any], Any]) -> Tensor:
        """Replace each number by `callable(number, other)`, `other` from a second tensor of a shape that fits."""

    def masked_fill(self, mask: Tensor, value: Tensor | _float) -> Tensor:
        """`input` with `value`, a number or a 0-d tensor, where the mask is True."""

    def masked_fill_(self, mask: Tensor, value: Tensor | _float) -> Tensor:
        """In place: `input` with `value`, a number or a 0-d tensor, where the mask is True."""

    def masked_scatter(self, mask: Tensor, source: Tensor) -> Tensor:
        """`input` with the elements of `source`, in order, stored where the mask is True."""

    def masked_scatter_(self, mask: Tensor, source: Tensor) -> Tensor:
        """In place: the elements of `source`, in order, stored where the mask is True."""

    def masked_select(self, mask: Tensor) -> Tensor:
        """The elements where the mask is True, in one dimension; `input` and `mask` broadcast together."""

    def matmul(self, other: Tensor) -> Tensor:
        """Matrix product over the last two dimensions; leading dimensions broadcast."""

    def matrix_exp(self) -> Tensor:
        """The exponential of each matrix: Σ Aᵏ / k!."""

    def matrix_power(self, n: _int) -> Tensor:
        """The n-th power of each square matrix by repeated squaring, of the inverse for a negative n."""

    def max(self, dim: _int | Tensor | None = None, keepdim: _bool = False, *, other: Any = None) -> Any:
        """The largest of all elements; `max(x, dim)`: (values, indices) along `dim`; `max(x, y)`: `maximum(x, y)`."""

    def maximum(self, other: Tensor) -> Tensor:
        """The larger of each pair of elements; NaN if one is. Equal elements share the gradient."""

    def mean(self, dim: Any = None, keepdim: _bool = False, dtype: Any = None) -> Tensor:
        """Mean over the dimensions `dim`: sum / count; the mean of nothing is NaN."""

    def median(self, dim: _int | None = None, keepdim: _bool = False) -> Any:
        """The median of all elements; with `dim`, (values, indices) along it. Of an even number it is the lower of two."""

    def min(self, dim: _int | Tensor | None = None, keepdim: _bool = False, *, other: Any = None) -> Any:
        """The smallest of all elements; `min(x, dim)`: (values, indices) along `dim`; `min(x, y)`: `minimum(x, y)`."""

    def minimum(self, other: Tensor) -> Tensor:
        """The smaller of each pair of elements; NaN if one is. Equal elements share the gradient."""

    def mm(self, mat2: Tensor) -> Tensor:
        """Product of two matrices: (n, k) · (k, m) -> (n, m); no broadcasting."""

    def mode(self, dim: _int = -1, keepdim: _bool = False) -> Any:
        """(values, indices) of the most frequent element of each row along `dim`, the smallest of several."""

    def moveaxis(self, source: Any, destination: Any) -> Tensor:
        """The same as `movedim`."""

    def movedim(self, source: Any, destination: Any) -> Tensor:
        """A view in which the dimensions `source` stand at `destination`, the others in their order."""

    def msort(self) -> Tensor:
        """The elements in order along the first dimension."""

    def mul(self, other: Tensor | _float) -> Tensor:
        """Product of each pair of elements. Bools: their conjunction."""

    def mul_(self, other: Tensor | _float) -> Tensor:
        """In place: Product of each pair of elements. Bools: their conjunction."""

    def multinomial(self, num_samples: _int, replacement: _bool = False, generator: Any = None) -> Tensor:
        """Indices drawn with probabilities proportional to each row: (n,) -> (num_samples,), (m, n) -> (m, num_samples)."""

    def multiply(self, other: Tensor | _float) -> Tensor:
        """Product of each pair of elements. Bools: their conjunction."""

    def multiply_(self, other: Tensor | _float) -> Tensor:
        """In place: Product of each pair of elements. Bools: their conjunction."""

    def mv(self, vec: Tensor) -> Tensor:
        """Product of a matrix and a vector: (n, k) · (k,) -> (n,)."""

    def mvlgamma(self, p: _int) -> Tensor:
        """Logarithm of the p-dimensional gamma function: p (p - 1) / 4 · ln(π) + Σ lgamma(x - i / 2) over i < p."""

    def mvlgamma_(self, p: _int) -> Tensor:
        """In place: `mvlgamma`."""

    def nan_to_num(self, nan: _float | None = None, posinf: _float | None = None, neginf: _float | None = None) -> Tensor:
        """`nan` (0) in place of NaN, `posinf` and `neginf` (the largest finite numbers) in place of the infinities."""

    def nan_to_num_(self, nan: _float | None = None, posinf: _float | None = None, neginf: _float | None = None) -> Tensor:
        """In place: `nan` (0) in place of NaN, `posinf` and `neginf` (the largest finite numbers) in place of the infinities."""

    def nanmean(self, dim: Any = None, keepdim: _bool = False, *, dtype: Any = None) -> Tensor:
        """Mean over `dim` of the elements that are not NaN; NaN where there are none."""

    def nanmedian(self, dim: _int | None = None, keepdim: _bool = False) -> Any:
        """As `median`, of the elements that are not NaN."""

    def nanquantile(self, q: Any, dim: Any = None, keepdim: _bool = False, *, interpolation: str = 'linear') -> Tensor:
        """As `quantile`, of the elements that are not NaN."""

    def nansum(self, dim: Any = None, keepdim: _bool = False, dtype: Any = None) -> Tensor:
        """Sum over `dim` in which a NaN counts as 0."""

    def narrow(self, dim: _int, start: Any, length: _int) -> Tensor:
        """A view of the `length` elements from `start` on along `dim`."""

    def narrow_copy(self, *args: Any, **attributes: Any) -> Any:
        """What `narrow` shows, in memory of its own."""

    @property
    def nbytes(self) -> _int:
        """Bytes of all elements."""

    def ne(self, other: Tensor | _float) -> Tensor:
        """Whether each element of `input` differs from that of `other`."""

    def ne_(self, other: Tensor | _float) -> Tensor:
        """In place: Whether each element of `input` differs from that of `other`."""

    def neg(self) -> Tensor:
        """Each element with the opposite sign. Raises RuntimeError for bools."""

    def neg_(self) -> Tensor:
        """In place: Each element with the opposite sign. Raises RuntimeError for bools."""

    def negative(self) -> Tensor:
        """Each element with the opposite sign. Raises RuntimeError for bools."""

    def negative_(self) -> Tensor:
        """In place: Each element with the opposite sign. Raises RuntimeError for bools."""

    def new(self, *args: Any, device: Any = None) -> Tensor:
        """An older name: a tensor of this dtype, of the given sizes or with the given numbers."""

    def new_empty(self, *size: Any, dtype: Any = None, device: Any = None, requires_grad: _bool = False, **ignored: Any) -> Tensor:
        """Undefined values of `size` in this tensor's dtype and on its device unless told otherwise."""

    def new_empty_strided(self, size: Any, stride: Any, *, dtype: Any = None, device: Any = None, requires_grad: _bool = False, layout: Any = None, pin_memory: _bool = False) -> Tensor:
        """`empty_strided` in this tensor's dtype and on its device unless told otherwise."""

    def new_full(self, size: Any, fill_value: Number, *, dtype: Any = None, device: Any = None, requires_grad: _bool = False, **ignored: Any) -> Tensor:
        """`fill_value` in `size` in this tensor's dtype and on its device unless told otherwise."""

    def new_ones(self, *size: Any, dtype: Any = None, device: Any = None, requires_grad: _bool = False, **ignored: Any) -> Tensor:
        """Ones of `size` in this tensor's dtype and on its device unless told otherwise."""

    def new_tensor(self, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: _bool = False) -> Tensor:
        """A tensor from `data` in this one's dtype and on its device unless others are given."""

    def new_zeros(self, *size: Any, dtype: Any = None, device: Any = None, requires_grad: _bool = False, **ignored: Any) -> Tensor:
        """Zeros of `size` in this tensor's dtype and on its device unless told otherwise."""

    def nextafter(self, other: Tensor) -> Tensor:
        """The next floating-point number after each element in the direction of `other`."""

    def nextafter_(self, other: Tensor) -> Tensor:
        """In place: The next floating-point number after each element in the direction of `other`."""

    def nonzero(self, *, as_tuple: _bool = False, out: Tensor | None = None) -> Any:
        """The indices of the elements that are not zero: (count, ndim), or with `as_tuple` a vector for each dimension."""

    def nonzero_static(self, *, size: _int, fill_value: _int = -1) -> Tensor:
        """The first `size` rows of `nonzero`; where there are fewer, rows of `fill_value`."""

    def norm(self, p: Any = 'fro', dim: Any = None, keepdim: _bool = False, dtype: Any = None) -> Tensor:
        """(Σ |x|^p)^(1 / p) over `dim`, all dimensions if None; `p` a number or "fro" (2), or "nuc" of matrices."""

    def normal_(self, mean: _float = 0.0, std: _float = 1.0, generator: Any = None) -> Tensor:
        """Fill with normal numbers of `mean` and `std`."""

    def not_equal(self, other: Tensor | _float) -> Tensor:
        """Whether each element of `input` differs from that of `other`."""

    def not_equal_(self, other: Tensor | _float) -> Tensor:
        """In place: Whether each element of `input` differs from that of `other`."""

    def numpy(self, *, force: _bool = False) -> Any:
        """The values as a NumPy array that shares memory with the tensor."""

    def orgqr(self, tau: Tensor) -> Tensor:
        """PyTorch's older name of `linalg.householder_product`."""

    def ormqr(self, tau: Tensor, other: Tensor, left: _bool = True, transpose: _bool = False) -> Tensor:
        """Q · other with Q the full product of reflections (see `linalg.householder_product`), Qᴴ with `transpose`."""

    def outer(self, vec2: Tensor) -> Tensor:
        """All products of the elements of two vectors: (n,), (m,) -> (n, m)."""

    def permute(self, *dims: Any, **given: Any) -> Tensor:
        """A view with the dimensions in the order `dims`."""

    def pin_memory(self, device: Any = None) -> Tensor:
        """The tensor itself: memory is pinned for copies to a GPU."""

    def pinverse(self, rcond: _float = 1e-15) -> Tensor:
        """The pseudoinverse; singular values of at most rcond · the largest count as 0."""

    def polygamma(self, n: _int) -> Tensor:
        """n-th derivative of the digamma function of each element."""

    def polygamma_(self, *args: Any, **kwargs: Any) -> Tensor:
        """`polygamma`, its result written into this tensor."""

    def positive(self) -> Tensor:
        """The tensor itself, as PyTorch's `+input`. Raises for a bool tensor."""

    def pow(self, exponent: Tensor | _float) -> Tensor:
        """Each element of `input` to the power of `exponent`; 0 to the power of 0 is 1, negative to a fraction NaN."""

    def pow_(self, exponent: Tensor | _float) -> Tensor:
        """In place: Each element of `input` to the power of `exponent`; 0 to the power of 0 is 1, negative to a fraction NaN."""

    def prod(self, dim: Any = None, keepdim: _bool = False, dtype: Any = None) -> Tensor:
        """Product over one dimension or all; the product of nothing is 1. Integers and bools are multiplied as int64."""

    def put(self, index: Tensor, source: Tensor, accumulate: _bool = False) -> Tensor:
        """`input` with the elements of `source` stored (or added) at `index` of the flattened tensor."""

    def put_(self, index: Tensor, source: Tensor, accumulate: _bool = False) -> Tensor:
        """In place: `input` with the elements of `source` stored (or added) at `index` of the flattened tensor."""

    def qr(self, some: _bool = True) -> Any:
        """(Q, R): PyTorch's older name of `linalg.qr`; `some` is False for the complete Q."""

    def quantile(self, q: Any, dim: Any = None, keepdim: _bool = False, *, interpolation: str = 'linear') -> Tensor:
        """The quantiles `q` (a number or a 1-d tensor, in [0, 1]) along `dim`; of all elements if None."""

    def rad2deg(self) -> Tensor:
        """Radians to degrees: x · 180 / π."""

    def rad2deg_(self) -> Tensor:
        """In place: Radians to degrees: x · 180 / π."""

    def random_(self, low: Any = None, high: Any = None, generator: Any = None) -> Tensor:
        """Fill with integers: `random_()` over all that the dtype can tell apart, `random_(to)`, `random_(from, to)`."""

    def ravel(self) -> Tensor:
        """The elements in one dimension, in row-major order; a view of a tensor that is contiguous, else a copy."""

    @property
    def real(self) -> Tensor:
        """The real parts, as a view; a real tensor itself."""

    def reciprocal(self) -> Tensor:
        """1 / x of each element; infinite at 0."""

    def reciprocal_(self) -> Tensor:
        """In place: 1 / x of each element; infinite at 0."""

    def register_hook(self, hook: Callable[[Tensor], Any]) -> RemovableHandle:
        """Call `hook(grad)` when this tensor's gradient has been computed; what it returns, if not None, replaces it."""

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], Any]) -> RemovableHandle:
        """Call `hook(tensor)` when `backward` has added to this leaf's `grad`: at once, while it goes on."""

    def relu(self) -> Tensor:
        """max(x, 0) of each element; NaN stays NaN. Its gradient at 0 is 0."""

    def relu_(self) -> Tensor:
        """In place: max(x, 0) of each element; NaN stays NaN. Its gradient at 0 is 0."""

    def remainder(self, other: Tensor | _float) -> Tensor:
        """What Python's % gives for each pair of elements: input - other · floor(input / other), with the sign of other."""

    def remainder_(self, other: Tensor | _float) -> Tensor:
        """In place: What Python's % gives for each pair of elements: input - other · floor(input / other), with the sign of other."""

    def renorm(self, p: _float, dim: _int, maxnorm: _float) -> Tensor:
        """Each slice of `input` at a fixed index of `dim` scaled down to a p-norm of `maxnorm`, where it has more."""

    def renorm_(self, *args: Any, **kwargs: Any) -> Tensor:
        """`renorm`, its result written into this tensor."""

    def repeat(self, *repeats: Any, **given: Any) -> Tensor:
        """A copy that repeats the tensor along each dimension, `repeats[i]` times (new dimensions come first)."""

    def repeat_interleave(self, repeats: Any = None, dim: _int | None = None, *, output_size: _int | None = None) -> Tensor:
        """Each element (each slice along `dim`) repeated: all equally often, or as a tensor of numbers says."""

    def reshape(self, *shape: Any, **given: Any) -> Tensor:
        """The same elements in row-major order under another shape."""

    def reshape_as(self, other: Tensor) -> Tensor:
        """The same elements with the shape of `other`."""

    def resize_(self, *sizes: Any, memory_format: Any = None) -> Tensor:
        """Give the tensor another shape, in place: the first numbers stay, those added at the end are zeros."""

    def resize_as_(self, the_template: Tensor, *, memory_format: Any = None) -> Tensor:
        """`resize_` to the shape of another tensor."""

    def resolve_conj(self) -> Tensor:
        """The tensor itself: conjugates are computed at once here, and never put off."""

    def resolve_neg(self) -> Tensor:
        """The tensor itself: negatives are computed at once here, and never put off."""

    def retain_grad(self) -> None:
        """Have `backward` fill the `grad` of this non-leaf, too."""

    def roll(self, shifts: Any, dims: Any = None) -> Tensor:
        """Each element moved `shifts` places along `dims`; what leaves at one end enters at the other."""

    def rot90(self, k: _int = 1, dims: Any = (0, 1)) -> Tensor:
        """A copy rotated by k · 90° in the plane of two dimensions, from the first towards the second."""

    def round(self, decimals: _int = 0) -> Tensor:
        """Each element rounded to `decimals` places (to tens for -1), halves to the even digit; integers as they are."""

    def round_(self, decimals: _int = 0) -> Tensor:
        """In place: Each element rounded to `decimals` places (to tens for -1), halves to the even digit; integers as they are."""

    def rsqrt(self) -> Tensor:
        """1 / sqrt(x) of each element; infinite at 0, NaN below."""

    def rsqrt_(self) -> Tensor:
        """In place: 1 / sqrt(x) of each element; infinite at 0, NaN below."""

    def rsub(self, other: Tensor | _float, alpha: Any = 1) -> Tensor:
        """Difference of each pair of elements, turned round: other - alpha · input."""

    def scatter(self, dim: _int, index: Any, src: Any, *, reduce: str | None = None) -> Tensor:
        """`input` with each element of `src` (or one number) stored where `index` says along `dim`."""

    def scatter_(self, dim: _int, index: Any, src: Any, *, reduce: str | None = None) -> Tensor:
        """In place: `input` with each element of `src` (or one number) stored where `index` says along `dim`."""

    def scatter_add(self, dim: _int, index: Any, src: Any) -> Tensor:
        """`input` with each element of `src` added where `index` says along `dim`."""

    def scatter_add_(self, dim: _int, index: Any, src: Any) -> Tensor:
        """In place: `input` with each element of `src` added where `index` says along `dim`."""

    def scatter_reduce(self, dim: _int, index: Any, src: Any, *, reduce: str, include_self: _bool = True) -> Tensor:
        """`input` with the elements of `src` that `index` sends to one place reduced there: sum, prod, mean, amax, amin."""

    def scatter_reduce_(self, dim: _int, index: Any, src: Any, *, reduce: str, include_self: _bool = True) -> Tensor:
        """In place: `input` with the elements of `src` that `index` sends to one place reduced there: sum, prod, mean, amax, amin."""

    def select(self, dim: _int, index: Any) -> Tensor:
        """A view without the dimension `dim`, at `index` along it."""

    def select_scatter(self, src: Tensor, dim: _int, index: _int) -> Tensor:
        """A copy of `input` with `src` at `index` along `dim`."""

    def set_(self, source: Any = None, storage_offset: _int = 0, size: Any = None, stride: Any = None) -> Tensor:
        """Make this tensor a part of other memory: of another tensor's, or of a storage by offset, size and strides."""

    def sgn(self) -> Tensor:
        """z / |z| of each complex number, 0 of 0; of a real one 1, 0 or -1 by its sign."""

    def sgn_(self) -> Tensor:
        """In place: z / |z| of each complex number; of a real one its sign."""

    def share_memory_(self) -> Tensor:
        """PyTorch's call for sharing between processes; pellucid trains in one, so it does nothing."""

    def short(self, *, memory_format: str | None = None) -> Tensor:
        """This tensor as int16."""

    def sigmoid(self) -> Tensor:
        """1 / (1 + e^-x) of each element."""

    def sigmoid_(self) -> Tensor:
        """In place: 1 / (1 + e^-x) of each element."""

    def sign(self) -> Tensor:
        """1, 0 or -1 for each element by its sign; 0 for NaN."""

    def sign_(self) -> Tensor:
        """In place: 1, 0 or -1 for each element by its sign; 0 for NaN."""

    def signbit(self) -> Tensor:
        """Whether the sign of each element is negative (that of -0.0 is)."""

    def sin(self) -> Tensor:
        """Sine of each element, in radians."""

    def sin_(self) -> Tensor:
        """In place: Sine of each element, in radians."""

    def sinc(self) -> Tensor:
        """sin(πx) / (πx) of each element, and 1 at 0."""

    def sinc_(self) -> Tensor:
        """In place: sin(πx) / (πx) of each element, and 1 at 0."""

    def sinh(self) -> Tensor:
        """Hyperbolic sine of each element: (e^x - e^-x) / 2."""

    def sinh_(self) -> Tensor:
        """In place: Hyperbolic sine of each element: (e^x - e^-x) / 2."""

    def slice_scatter(self, src: Tensor, dim: _int = 0, start: Any = None, end: Any = None, step: _int = 1) -> Tensor:
        """A copy of `input` with `src` in the slice `start:end:step` along `dim`."""

    def slogdet(self) -> Any:
        """(sign, logabsdet) of each determinant: det A = sign · e^logabsdet, without overflow."""

    def softmax(self, dim: _int, dtype: Any = None) -> Tensor:
        """e^x / Σ e^x along `dim`, with the largest x taken out first so that nothing overflows."""

    def sort(self, dim: _int = -1, descending: _bool = False, *, stable: _bool | None = False) -> Any:
        """(values, indices) in order along `dim`; equals keep their order, `stable` or not."""

    def sparse_dim(self) -> _int:
        """How many dimensions are given by coordinates: none of a dense tensor."""

    def sparse_mask(self, mask: _typing.Any) -> _typing.Any:
        """The numbers at the coordinates of a sparse tensor, sparse; a gradient flows through."""

    def split(self, split_size_or_sections: Any = None, dim: _int = 0, *, split_size: Any = None) -> tuple[Tensor, ...]:
        """Views of `split_size` elements along `dim` each, the last shorter if need be; or of the given lengths."""

    def split_with_sizes(self, split_sizes: Any, dim: _int = 0) -> tuple[Tensor, ...]:
        """Views of the given lengths along `dim`, which must add up."""

    def sqrt(self) -> Tensor:
        """Square root of each element; NaN below 0. Its gradient at 0 is infinite."""

    def sqrt_(self) -> Tensor:
        """In place: Square root of each element; NaN below 0. Its gradient at 0 is infinite."""

    def square(self) -> Tensor:
        """Each element times itself; bools become integers."""

    def square_(self) -> Tensor:
        """In place: Each element times itself; bools become integers."""

    def squeeze(self, dim: Any = None) -> Tensor:
        """A view without the dimensions of length 1: all of them, or those of `dim` (an int or a tuple) that are."""

    def squeeze_(self, dim: Any = None) -> Tensor:
        """In place: without the dimensions of length 1, all of them or those of `dim`."""

    def std(self, dim: _int | list[_int] | _bool | None = None, unbiased: _bool | None = None, keepdim: _bool = False, *, correction: Any = None) -> Tensor:
        """Standard deviation over `dim`: the square root of `var`, with the same arguments."""

    def stft(self, n_fft: _int, hop_length: _int | None = None, win_length: _int | None = None, window: Any = None, center: _bool = True, pad_mode: str = 'reflect', normalized: _bool = False, onesided: _bool | None = None, return_complex: _bool | None = None, align_to_window: _bool | None = None) -> Tensor:
        """The transforms of windows of `n_fft` numbers, `hop_length` (n_fft // 4) apart: (…, length) -> (…, bins, frames)."""

    def storage(self) -> TypedStorage:
        """The numbers of the memory that this tensor is a part of, in a row."""

    def storage_offset(self) -> _int:
        """Where in its memory this tensor begins, counted in elements."""

    def storage_type(self) -> _type[TypedStorage]:
        """The class of `storage()`."""

    def stride(self, dim: _int | None = None) -> Any:
        """Steps in elements from one index to the next in each dimension (PyTorch counts elements, NumPy bytes)."""

    def sub(self, other: Tensor | _float, alpha: Any = 1) -> Tensor:
        """Difference of each pair of elements: input - alpha · other. Raises RuntimeError for bools."""

    def sub_(self, other: Tensor | _float, alpha: Any = 1) -> Tensor:
        """In place: Difference of each pair of elements: input - alpha · other. Raises RuntimeError for bools."""

    def subtract(self, other: Tensor | _float, alpha: Any = 1) -> Tensor:
        """Difference of each pair of elements: input - alpha · other. Raises RuntimeError for bools."""

    def subtract_(self, other: Tensor | _float, alpha: Any = 1) -> Tensor:
        """In place: Difference of each pair of elements: input - alpha · other. Raises RuntimeError for bools."""

    def sum(self, dim: Any = None, keepdim: _bool = False, dtype: Any = None) -> Tensor:
        """Sum over the dimensions `dim`."""

    def sum_to_size(self, *size: Any) -> Tensor:
        """The sum over the dimensions by which a tensor of shape `size` would have been broadcast to this shape."""

    def svd(self, some: _bool = True, compute_uv: _bool = True) -> Any:
        """(U, S, V): A = U diag(S) Vᴴ, PyTorch's older form of `linalg.svd`; `some` is False for square U and V."""

    def swapaxes(self, axis0: _int, axis1: _int) -> Tensor:
        """A view with two dimensions exchanged; the same as `transpose`."""

    def swapaxes_(self, axis0: _int, axis1: _int) -> Tensor:
        """In place: with two dimensions exchanged."""

    def swapdims(self, dim0: _int, dim1: _int) -> Tensor:
        """A view with two dimensions exchanged; the same as `transpose`."""

    def swapdims_(self, dim0: _int, dim1: _int) -> Tensor:
        """In place: with two dimensions exchanged."""

    def t(self) -> Tensor:
        """The transpose of a matrix, as a view; a vector or a 0-d tensor as it is."""

    def t_(self) -> Tensor:
        """In place: the transpose of a matrix."""

    def take(self, index: Tensor) -> Tensor:
        """The elements at `index` of the flattened tensor, in the shape of `index`."""

    def take_along_dim(self, indices: Tensor, dim: _int | None = None) -> Tensor:
        """The elements that `indices` names along `dim`, both broadcast elsewhere; without `dim`, of the flattened tensor."""

    def tan(self) -> Tensor:
        """Tangent of each element, in radians."""

    def tan_(self) -> Tensor:
        """In place: Tangent of each element, in radians."""

    def tanh(self) -> Tensor:
        """Hyperbolic tangent of each element: (e^x - e^-x) / (e^x + e^-x)."""

    def tanh_(self) -> Tensor:
        """In place: Hyperbolic tangent of each element: (e^x - e^-x) / (e^x + e^-x)."""

    def tensor_split(self, indices_or_sections: Any = None, dim: _int = 0, *, indices: Any = None, sections: Any = None) -> tuple[Tensor, ...]:
        """Views along `dim`: as many as are asked for, as equal as can be; or cut at the given indices."""

    def tile(self, *dims: Any, **given: Any) -> Tensor:
        """As `repeat`, but fewer numbers than dimensions are taken for the last ones."""

    def to(self, *args: Any, dtype: Any = None, device: Any = None, non_blocking: _bool = False, copy: _bool = False, memory_format: Any = None) -> Tensor:
        """This tensor in another dtype or on another device: `to(dtype)`, `to(device, dtype)`, `to(other)`."""

    def to_dense(self, *how: _typing.Any, **named: _typing.Any) -> Tensor:
        """The tensor itself."""

    def to_sparse(self, *how: _typing.Any, **named: _typing.Any) -> _typing.Any:
        """The numbers that are not zero, by their coordinates."""

    def to_sparse_coo(self, *how: _typing.Any, **named: _typing.Any) -> _typing.Any:
        """The numbers that are not zero, by their coordinates."""

    def to_sparse_csr(self, *how: _typing.Any, **named: _typing.Any) -> _typing.Any:
        """The numbers of a matrix that are not zero, row by row."""

    def tolist(self) -> Any:
        """The values as (nested lists of) Python numbers."""

    def topk(self, k: _int, dim: _int = -1, largest: _bool = True, sorted: _bool = True) -> Any:
        """(values, indices) of the `k` largest (or smallest) along `dim`, the largest (smallest) first."""

    def trace(self) -> Tensor:
        """Sum of the diagonal of a matrix."""

    def transpose(self, dim0: _int, dim1: _int) -> Tensor:
        """A view with two dimensions exchanged."""

    def transpose_(self, dim0: _int, dim1: _int) -> Tensor:
        """In place: with two dimensions exchanged."""

    def triangular_solve(self, A: Tensor, upper: _bool = True, transpose: _bool = False, unitriangular: _bool = False) -> Any:
        """X with A X = input, PyTorch's older name: (solution, a copy of A)."""

    def tril(self, diagonal: _int = 0) -> Tensor:
        """The lower triangle of each matrix, up to the given diagonal; zeros elsewhere."""

    def tril_(self, *args: Any, **kwargs: Any) -> Tensor:
        """`tril`, its result written into this tensor."""

    def triu(self, diagonal: _int = 0) -> Tensor:
        """The upper triangle of each matrix, from the given diagonal on; zeros elsewhere."""

    def triu_(self, *args: Any, **kwargs: Any) -> Tensor:
        """`triu`, its result written into this tensor."""

    def true_divide(self, other: Tensor | _float) -> Tensor:
        """Quotient of each pair of elements, as floating-point numbers: x/0 is infinite or, for 0/0, NaN."""

    def true_divide_(self, other: Tensor | _float) -> Tensor:
        """In place: Quotient of each pair of elements, as floating-point numbers: x/0 is infinite or, for 0/0, NaN."""

    def trunc(self) -> Tensor:
        """Integer part of each element, rounded towards 0; integers as they are."""

    def trunc_(self) -> Tensor:
        """In place: Integer part of each element, rounded towards 0; integers as they are."""

    def type(self, dtype: Any = None, non_blocking: _bool = False) -> Any:
        """The tensor in another dtype; without one, the old name of its dtype, as text."""

    def type_as(self, other: Tensor) -> Tensor:
        """This tensor in the dtype of `other`."""

    def unbind(self, dim: _int = 0) -> tuple[Tensor, ...]:
        """Views at each index along `dim`."""

    def unflatten(self, dim: _int, sizes: Any) -> Tensor:
        """The dimension `dim` made into several of the lengths `sizes`, of which one may be -1."""

    def unfold(self, dimension: _int, size: _int, step: _int) -> Tensor:
        """A view of all windows of `size` along a dimension, `step` apart; they are a new last dimension."""

    def uniform_(self, low: _float = 0.0, high: _float = 1.0, generator: Any = None) -> Tensor:
        """Fill with numbers uniform on [low, high)."""

    def unique(self, sorted: _bool = True, return_inverse: _bool = False, return_counts: _bool = False, dim: _int | None = None) -> Any:
        """The different elements of `input` in order, or its different slices along `dim`."""

    def unique_consecutive(self, return_inverse: _bool = False, return_counts: _bool = False, dim: _int | None = None) -> Any:
        """Each run of equal neighbours (or of equal slices along `dim`) once; results as those of `unique`."""

    def unsafe_chunk(self, chunks: _int, dim: _int = 0) -> tuple[Tensor, ...]:
        """`chunk` under the same conditions as `unsafe_split`."""

    def unsafe_split(self, split_size: _int, dim: _int = 0) -> tuple[Tensor, ...]:
        """`split` for parts that will be changed in place, of a tensor that is not used again."""

    def unsafe_split_with_sizes(self, split_sizes: Any, dim: _int = 0) -> tuple[Tensor, ...]:
        """`split_with_sizes` under the same conditions as `unsafe_split`."""

    def unsqueeze(self, dim: _int) -> Tensor:
        """A view with a dimension of length 1 inserted, which is then dimension `dim`."""

    def unsqueeze_(self, dim: _int) -> Tensor:
        """In place: with a dimension of length 1 inserted."""

    def untyped_storage(self) -> UntypedStorage:
        """The bytes of the memory that this tensor is a part of."""

    def var(self, dim: _int | list[_int] | _bool | None = None, unbiased: _bool | None = None, keepdim: _bool = False, *, correction: Any = None) -> Tensor:
        """Variance over `dim` (all if None): Σ (x - mean)² / (n - correction)."""

    def vdot(self, other: Tensor) -> Tensor:
        """Scalar product of two vectors, the first conjugated: Σ aᵢ' bᵢ."""

    def view(self, *shape: Any, **given: Any) -> Tensor:
        """The same memory under another shape, or read as another dtype (`x.view(pellucid.int32)`)."""

    def view_as(self, other: Tensor) -> Tensor:
        """A view with the shape of `other`."""

    def vsplit(self, indices_or_sections: Any) -> tuple[Tensor, ...]:
        """Views along the rows of a tensor with two dimensions and more."""

    def where(self, condition: Tensor, other: Any) -> Tensor:
        """This tensor's element where the condition holds, else that of `other`."""

    def xlogy(self, other: Tensor | _float) -> Tensor:
        """input · log(other) of each pair of elements, and 0 where input is 0 (but NaN where other is)."""

    def xlogy_(self, other: Tensor | _float) -> Tensor:
        """In place: input · log(other) of each pair of elements, and 0 where input is 0 (but NaN where other is)."""

    def zero_(self) -> Tensor:
        """In place: every element becomes 0."""

    def __hash__(self) -> _int: ...
