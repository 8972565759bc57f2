"""Random numbers equal to PyTorch's on a CPU, for the same seed and the same calls.

A `Generator` is a stream of 32-bit words: the Mersenne twister (Matsumoto and Nishimura 1998) seeded by
`init_genrand`, the same as NumPy's legacy seeding. Every method takes words from it in PyTorch's order:

- one word for a float32 or float16 number (its low 24 bits), or for an integer from a range below 2²⁸;
- two words, the first one the high half, for a float64 number (53 bits), an integer from a larger range, and every
  number of the methods that count in float64 whatever their result: `bernoulli` with a number for p, `dropout_mask`,
  `exponential`, `cauchy`, `log_normal`, `geometric`, and `normal` of fewer than sixteen numbers.

The numbers were found by experiment with PyTorch 2.13 as the oracle and are equal bit for bit with its builds for
x86 processors with AVX2 or AVX-512. Elsewhere PyTorch itself differs, and Pellucid gives these numbers still: on
processors by Intel it fills `bernoulli_(number)`, and so dropout, from Intel's MKL library, with one word as the seed
(so says its source); without AVX2 `normal_` and `uniform_` round otherwise.

The methods return NumPy arrays, filled in row-major order. PyTorch fills a dense tensor in the order of its memory,
so a transposed tensor is to be filled in its transposed shape; other strided tensors are filled in row-major order.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.kernels import normal as kernels
from pellucid.kernels.shuffling import shuffled
from pellucid.types.bfloat16 import converted, rounded, widened
from pellucid.types.dtypes import bfloat16, finfo

from .box_muller import BLOCK, fused_multiply_add, libm, normal_blocks
from .twister import Twister, units_of

Array = npt.NDArray[Any]
Shape = Sequence[int]

_WIDE_RANGE = 2**28  # integers from a range as large as this take two words
_LARGE_PERMUTATION = (2**32 - 1) // 20
_EXACT_INTEGERS = {"V": 2**8, "e": 2**11, "f": 2**24, "d": 2**53}  # the largest, by the dtype's character


class Generator(Twister):
    """A source of random numbers with a state of its own.

    >>> import numpy as np
    >>> generator = Generator().manual_seed(42)
    >>> generator.uniform((3,))
    array([0.88226926, 0.91500396, 0.38286376], dtype=float32)
    >>> state = generator.get_state()
    >>> first = generator.randperm(5)
    >>> bool((generator.set_state(state).randperm(5) == first).all())
    True
    """

    # Continuous distributions

    def uniform(self, shape: Shape, low: float = 0.0, high: float = 1.0, dtype: npt.DTypeLike = np.float32) -> Array:
        """Numbers uniform on [low, high): `rand`, `uniform_`. dtype: float32, float64, float16 or a complex
        one, of which both parts are drawn.

        A number that rounding lifts to `high` becomes `low`. Raises RuntimeError if low > high or a bound is not
        finite in dtype.

        >>> Generator().manual_seed(0).uniform((2,), -1.0, 1.0)
        array([-0.00748682,  0.5364436 ], dtype=float32)
        """
        if np.dtype(dtype).kind == "c":
            return _as_complex(self.uniform((*shape, 2), low, high, _part(dtype)))
        kind = _floating("uniform", dtype)
        if low > high:
            raise RuntimeError(f"uniform_ expects to return a [from, to) range, but found from={low} > to={high}")
        limit = float(_largest(kind))
        if not (-limit <= low and high <= limit and high - low <= limit):
            raise RuntimeError(
                f"uniform_ expects bounds whose difference is a finite {kind}, but found from={low}, to={high}"
            )
        count = math.prod(shape)
        if kind == np.float32 and low == 0 and high == 1:
            return self._unit32(count).reshape(shape)  # none of which is 1
        if kind == np.float64:
            numbers = fused_multiply_add(self._unit64(count), high - low, low)
        else:
            low32, high32 = np.float32(low), np.float32(high)
            numbers = self._unit32(count)
            if (low32, high32) != (0, 1):
                numbers = (numbers * np.float64(high32 - low32) + np.float64(low32)).astype(np.float32)
            if kind.kind == "V":
                numbers, high = widened(rounded(numbers)), widened(rounded(high32)).item()
            elif kind != np.float32:
                numbers = numbers.astype(kind)
        numbers[numbers == numbers.dtype.type(high)] = low
        return (rounded(numbers) if kind.kind == "V" else numbers).reshape(shape)

    def normal(
        self,
        shape: Shape,
        mean: float = 0.0,
        std: float = 1.0,
        dtype: npt.DTypeLike = np.float32,
        contiguous: bool = True,
    ) -> Array:
        """Normal numbers of `mean` and `std`: `randn`, `normal_`. dtype: float32, float64, float16 or a
        complex one, of which each part has the standard deviation std / sqrt(2).

        Sixteen and more come from blocks (see `normal_blocks`), where the last block overlaps the one before it if the
        size is no multiple of sixteen. Fewer, and any number for a tensor that is not contiguous, come in pairs, in
        float64, of which one is kept for the next call. `torch.normal` with a tensor for mean or std is
        `normal(shape) * std + mean` with both roundings. Raises RuntimeError if std < 0.

        >>> Generator().manual_seed(0).normal((2,))
        array([ 1.5409961, -0.2934289], dtype=float32)
        """
        if not std >= 0:
            raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")
        if np.dtype(dtype).kind == "c":
            parts = self.normal((*shape, 2), 0.0, std / math.sqrt(2), _part(dtype), contiguous)
            return _as_complex(parts) + np.asarray(mean, dtype)
        kind = _floating("normal", dtype)
        count = math.prod(shape)
        if count < BLOCK or not contiguous:
            return _narrowed(fused_multiply_add(self._normal_pairs(count, kind), std, mean), kind).reshape(shape)
        whole = count - count % BLOCK
        # PyTorch draws uniforms for the unfinished block too, except in 16 bits, and then forgets them.
        normals = self._normal_blocks(whole if kind.itemsize == 2 else count, mean, std, kind)
        if whole < count:
            last = self._normal_blocks(BLOCK, mean, std, kind)
            normals = np.concatenate([normals[: count - BLOCK], last])
        if kind.kind == "V":
            normals = rounded(normals)
        return normals.astype(kind, copy=False).reshape(shape)

    def _normal_blocks(self, count: int, mean: float, std: float, kind: np.dtype[Any]) -> Array:
        """Normal numbers of as many uniforms as fill blocks, of the `count` that are drawn; in float32 at least."""
        whole = count - count % BLOCK
        if kind == np.float64:
            return normal_blocks(self._unit64(count)[:whole], mean, std)
        words = self._words(count)[:whole]
        found = kernels.normal_blocks(words, mean, std)
        return normal_blocks(units_of(words), mean, std) if found is None else found

    def _normal_pairs(self, count: int, dtype: npt.DTypeLike) -> Array:
        """Standard normal numbers in float64, for a result of dtype; the last of an odd number of them is kept."""
        if count < BLOCK:
            return np.array(self._few_normals(count))
        normals = np.empty(count)
        filled = 0
        if count and self._spare_normal is not None:
            normals[0], filled, self._spare_normal = self._spare_normal, 1, None
        pairs = (count - filled + 1) // 2
        uniforms = self._unit64(2 * pairs)
        radius = np.sqrt(-2.0 * libm("log1p", -uniforms[1::2], np.float64))
        angle = 2.0 * math.pi * uniforms[0::2]
        drawn = np.stack([radius * libm("cos", angle, np.float64), radius * libm("sin", angle, np.float64)], axis=1)
        normals[filled:] = drawn.ravel()[: count - filled]
        if (count - filled) % 2:
            self._spare_normal = float(drawn[-1, 1])
        return normals

    def _few_normals(self, count: int) -> list[float]:
        """The same as a list, where arrays would cost more than what they hold."""
        normals: list[float] = []
        if count and self._spare_normal is not None:
            normals.append(self._spare_normal)
            self._spare_normal = None
        words = self._words(2 * (count - len(normals) + 1 & ~1)).tolist()
        for i in range(0, len(words), 4):
            u, v = ((high << 32 | low) % 2**53 * 2.0**-53 for high, low in (words[i : i + 2], words[i + 2 : i + 4]))
            radius, angle = math.sqrt(-2.0 * math.log1p(-v)), 2.0 * math.pi * u
            normals += (radius * math.cos(angle), radius * math.sin(angle))
        if len(normals) > count:
            self._spare_normal = normals.pop()
        return normals

    def log_normal(self, shape: Shape, mean: float = 1.0, std: float = 2.0, dtype: npt.DTypeLike = np.float32) -> Array:
        """e to the power of normal numbers of `mean` and `std`: `log_normal_`. Raises RuntimeError if std <= 0."""
        kind = _floating("log_normal", dtype)
        if not std > 0:
            raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std}")
        normals = fused_multiply_add(self._normal_pairs(math.prod(shape), kind), std, mean)
        with np.errstate(over="ignore"):
            return _narrowed(libm("exp", normals, kind), kind).reshape(shape)

    def exponential(self, shape: Shape, rate: float = 1.0, dtype: npt.DTypeLike = np.float32) -> Array:
        """Numbers of density rate·exp(−rate·x): `exponential_`. Raises RuntimeError if rate <= 0.

        >>> Generator().manual_seed(0).exponential((2,))
        array([3.5083263, 1.2303847], dtype=float32)
        """
        kind = _floating("exponential", dtype)
        if not rate > 0:
            raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={rate}")
        numbers = -1.0 / rate * libm("log1p", -self._unit64(math.prod(shape)), kind)
        return _narrowed(numbers, kind).reshape(shape)

    def cauchy(self, shape: Shape, median: float = 0.0, sigma: float = 1.0, dtype: npt.DTypeLike = np.float32) -> Array:
        """median + sigma·tan(π·(u − ½)) for uniform u: `cauchy_`. Raises RuntimeError if sigma <= 0."""
        kind = _floating("cauchy", dtype)
        if not sigma > 0:
            raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma}")
        tangents = libm("tan", math.pi * (self._unit64(math.prod(shape)) - 0.5), kind)
        return _narrowed(fused_multiply_add(tangents, sigma, median), kind).reshape(shape)

    def trunc_normal(
        self,
        shape: Shape,
        mean: float = 0.0,
        std: float = 1.0,
        a: float = -2.0,
        b: float = 2.0,
        dtype: npt.DTypeLike = np.float32,
    ) -> Array:
        """Normal numbers of `mean` and `std` within [a, b]: `nn.init.trunc_normal_`.

        By rejection, as PyTorch 2.13 has it: the whole shape is drawn again until each place has once been accepted.
        The proposals are normal where more than 0.3 of their mass is within the bounds, and uniform elsewhere.
        """
        given = _floating("trunc_normal", dtype)
        if given.kind == "V":
            return rounded(self._trunc_normal(shape, mean, std, a, b, given, np.float32))
        return self._trunc_normal(shape, mean, std, a, b, given, given.type)

    def _trunc_normal(
        self, shape: Shape, mean: float, std: float, a: float, b: float, drawn: np.dtype[Any], kind: Any
    ) -> Array:
        """Numbers drawn as the type `drawn` and compared with the bounds as the type `kind`, which has them all."""
        wide = np.dtype(kind)

        def mass_below(x: float) -> float:
            return (1 + math.erf((x - mean) / std / math.sqrt(2))) / 2

        if mass_below(b) - mass_below(a) > 0.3:
            numbers = converted(self.normal(shape, mean, std, drawn), wide)
            while (rejected := (numbers < kind(a)) | (numbers > kind(b))).any():
                numbers = np.where(rejected, converted(self.normal(shape, mean, std, drawn), wide), numbers)
            return numbers
        log_peak = -0.5 * ((max(a, min(mean, b)) - mean) / std) ** 2
        numbers = np.empty(shape, kind)
        pending = np.ones(shape, bool)
        while pending.any():
            proposals = converted(self.uniform(shape, a, b, drawn), wide)
            numbers = np.where(pending, proposals, numbers)
            log_density = ((proposals - mean) / std) ** 2 * -0.5 - log_peak
            with np.errstate(divide="ignore"):  # the logarithm of 0 accepts
                pending &= np.log(converted(self.uniform(shape, dtype=drawn), wide)) > log_density
        return numbers

    # Discrete distributions

    def randint(self, low: int, high: int, shape: Shape, dtype: npt.DTypeLike = np.int64) -> Array:
        """Integers from low to high − 1: `randint`, `random_(low, high)`. dtype: any.

        Raises RuntimeError if low >= high or dtype has no such numbers.

        >>> Generator().manual_seed(0).randint(-5, 5, (6,))
        array([-1,  4, -2, -5, -2,  4])
        """
        low, high = operator.index(low), operator.index(high)
        if low >= high:
            raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
        kind = np.dtype(dtype)
        smallest, largest = _integer_bounds(kind)
        if low < smallest or high - 1 > largest:
            raise RuntimeError(
                f"random_: {kind} has the integers from {smallest} to {largest}, which is out of bounds for "
                f"from={low}, to={high}"
            )
        return self._integers(low, high - low, math.prod(shape), kind).reshape(shape)

    def random(self, shape: Shape, dtype: npt.DTypeLike = np.int64, low: int | None = None) -> Array:
        """Integers over all that dtype can tell apart, from `low` (from 0 where it is not given): `random_()`.

        For a floating dtype these are the integers up to 2 to the number of its bits.

        >>> Generator().manual_seed(0).random((2,), np.int8)
        array([44, 47], dtype=int8)
        """
        kind = np.dtype(dtype)
        largest = _EXACT_INTEGERS.get(kind.char, _integer_bounds(kind)[1])
        if low is not None:
            return self.randint(low, largest + 1, shape, kind)
        count = math.prod(shape)
        words = self._words64(count) if kind.itemsize == 8 else self._words(count)
        return converted(words % np.uint64(largest + 1), kind).reshape(shape)

    def _integers(self, low: int, span: int, count: int, kind: np.dtype[Any]) -> Array:
        words = self._words(count) if span < _WIDE_RANGE else self._words64(count)
        if span < 2**64:  # else every word is a number of the range already
            words %= np.uint64(span)
            words += np.uint64(low % 2**64)  # modulo 2⁶⁴: the sum is right as a signed integer
        return converted(words.view(np.int64), kind)

    def randperm(self, n: int, dtype: npt.DTypeLike = np.int64) -> Array:
        """The integers from 0 to n − 1 in random order: `randperm`. Raises RuntimeError if n < 0.

        Fisher and Yates's shuffle: place i changes with one of the places from i on. (From 214,748,364 on, two words
        a number: place i changes with one of the places up to i.)

        >>> Generator().manual_seed(0).randperm(4)
        array([0, 1, 3, 2])
        """
        if n < 0:
            raise RuntimeError(
                f"Trying to create tensor with negative dimension {n}: [{n}]. randperm(n={n}): n must not be negative"
            )
        kind = np.dtype(dtype)
        if n - 1 > (largest := _EXACT_INTEGERS.get(kind.char, _integer_bounds(kind)[1])):
            raise RuntimeError(f"randperm: n={n} is too large for {kind}, which counts up to {largest}")
        return np.array(self.order(n), kind)

    def order(self, n: int) -> list[int]:
        """What `randperm` makes an array of; samplers go through it number by number.

        >>> Generator().manual_seed(0).order(4)
        [0, 1, 3, 2]
        """
        if n < _LARGE_PERMUTATION:
            steps = max(n - 1, 0)
            partners = self._words(steps).astype(np.uint32) % np.arange(n, n - steps, -1, dtype=np.uint32)
            partners += np.arange(steps, dtype=np.uint32)
        else:
            partners = self._words64(n) % np.arange(1, n + 1, dtype=np.uint64)
        made = shuffled(n, partners)
        if made is not None:
            return made.tolist()
        order = list(range(n))
        for i, j in enumerate(partners.tolist()):
            order[i], order[j] = order[j], order[i]
        return order

    def bernoulli(self, p: float | Array, shape: Shape | None = None, dtype: npt.DTypeLike = np.float32) -> Array:
        """1 with probability p, else 0: `bernoulli_`, `torch.bernoulli`. dtype: any.

        A number p compares float64 uniforms; an array p, broadcast to `shape`, uniforms of its own width. Raises
        RuntimeError if p is out of [0, 1].

        >>> Generator().manual_seed(0).bernoulli(0.5, (5,))
        array([0., 0., 1., 0., 0.], dtype=float32)
        """
        probabilities = np.asarray(p)
        if not ((probabilities >= 0) & (probabilities <= 1)).all():
            shown = p if probabilities.ndim == 0 else f"from {probabilities.min()} to {probabilities.max()}"
            raise RuntimeError(
                f"Expected p_in >= 0 && p_in <= 1 to be true, but got false. bernoulli_ expects p to be in [0, 1], "
                f"but got p={shown}"
            )
        shape = probabilities.shape if shape is None else shape
        count = math.prod(shape)
        if not isinstance(p, np.ndarray):
            threshold = np.uint64(math.ceil(p * 2**53))  # u < p, for u = k/2⁵³
            ones = (self._words64(count) & np.uint64(2**53 - 1)) < threshold
            return ones.astype(dtype).reshape(shape)
        uniforms = self._unit64(count) if p.dtype == np.float64 else self._unit32(count)
        return (uniforms.reshape(shape) < p).astype(dtype)

    def geometric(self, p: float, shape: Shape, dtype: npt.DTypeLike = np.float32) -> Array:
        """The number of tries up to the first success, each of probability p: `geometric_`. dtype: any.

        Raises RuntimeError if p is out of (0, 1).
        """
        if not 0 < p < 1:
            raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p}")
        with np.errstate(divide="ignore"):
            tries = np.ceil(np.log(self._unit64(math.prod(shape))) / math.log1p(-p))
        return tries.astype(dtype).reshape(shape)

    def multinomial(self, weights: Array, num_samples: int, replacement: bool = False) -> Array:
        """Places drawn with probabilities proportional to `weights`: `multinomial`.

        Shape: (n,) -> (num_samples,), or (m, n) -> (m, num_samples), int64. Without replacement, and for one sample,
        the places of the largest quotients weight / exponential number. (Among equal quotients, such as those of zero
        weights, the first is taken; PyTorch's choice there follows no rule.) Raises RuntimeError for other shapes,
        too many samples, more than 2²⁴ weights, weights that are negative or not finite or sum to zero.

        >>> Generator().manual_seed(0).multinomial(np.array([0.1, 0.0, 0.9], np.float32), 4, replacement=True)
        array([2, 2, 2, 2])
        """
        kind = _floating("multinomial", weights.dtype)
        if weights.ndim not in (1, 2):
            raise RuntimeError(f"multinomial: prob_dist must be 1 or 2 dim, but got the shape {weights.shape}")
        places = weights.shape[-1]
        if num_samples <= 0:
            raise RuntimeError(f"cannot sample n_sample <= 0 samples: got num_samples={num_samples}")
        if not replacement and num_samples > places:
            raise RuntimeError(
                f"cannot sample n_sample > prob_dist.size(-1) samples without replacement: {num_samples} of {places}"
            )
        if places > 2**24:
            raise RuntimeError(f"number of categories cannot exceed 2^24: got {places:,}")
        if weights.size:  # asked by extremes: a policy draws one sample a step, of a few weights
            largest = weights.max(-1)
            low, high = (largest, largest) if weights.ndim == 1 else (largest.min(), largest.max())
            if not (weights.min() >= 0 and high < np.inf):  # of NaN neither holds
                raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
            if not low > 0:
                raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
        if not replacement or num_samples == 1:
            with np.errstate(divide="ignore", invalid="ignore"):  # an exponential number may be 0
                quotients = weights / self.exponential(weights.shape, dtype=kind)
            if num_samples == 1:
                return quotients.argmax(-1)[..., None]
            return np.argsort(-quotients, axis=-1, kind="stable")[..., :num_samples]
        rows: list[Array] = []
        for row in np.atleast_2d(weights):
            cumulative = np.cumsum(row, dtype=kind)
            cumulative /= cumulative[-1]
            cumulative[-1] = 1
            rows.append(np.searchsorted(cumulative.astype(np.float64), self._unit64(num_samples)))
        return np.stack(rows).reshape((*weights.shape[:-1], num_samples))

    # Dropout

    def dropout_mask(self, shape: Shape, p: float, dtype: npt.DTypeLike = np.float32) -> Array:
        """What `nn.functional.dropout` multiplies by: 0 with probability p, else 1/(1 − p).

        With p of 0 or 1, nothing is drawn. Raises ValueError if p is out of [0, 1].

        >>> Generator().manual_seed(0).dropout_mask((5,), 0.5)
        array([0., 0., 2., 0., 0.], dtype=float32)
        """
        kind = _floating("dropout", dtype)
        if not 0 <= p <= 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        if p in (0, 1):
            return np.full(shape, 1 - p, kind)
        wide = np.promote_types(kind, np.float32).type
        return self.bernoulli(1 - p, shape, kind) * kind.type(wide(1) / wide(1 - p))

    def feature_dropout_mask(self, shape: Shape, p: float, dtype: npt.DTypeLike = np.float32) -> Array:
        """What `dropout1d`, `dropout2d` and `dropout3d` multiply an input of `shape` (N, C, ...) by: (N, C, 1, ...).

        >>> Generator().manual_seed(0).feature_dropout_mask((1, 2, 8, 8), 0.5).shape
        (1, 2, 1, 1)
        """
        if len(shape) < 2:
            raise RuntimeError(f"Feature dropout requires at least 2 dimensions in the input, but got {tuple(shape)}")
        return self.dropout_mask((*shape[:2], *(1 for _ in shape[2:])), p, dtype)


default_generator = Generator()


def sampler_seed(generator: Generator | None = None) -> int:
    """The int64 number that samplers and loaders draw as a seed: `torch.empty((), dtype=int64).random_().item()`.

    The draws of one pass over `DataLoader(dataset, shuffle=..., generator=...)`, in PyTorch's order:

    1. `iter(loader)` draws the workers' base seed, `sampler_seed(generator)`, from the loader's generator, or from
       `default_generator` if it has none. It does so also without shuffling and without workers.
    2. `RandomSampler` draws when its first index is asked for:
       a. without a generator, the order comes from `Generator().manual_seed(sampler_seed())`, so that
          `default_generator` advances by that one seed alone;
       b. with one, from it directly.
       It draws `randperm(n)`; with `replacement=True`, `randint(0, n, (32,))` as often as needed, and last of all
       `randint(0, n, (num_samples % 32,))`, also if that is empty.
    3. After its last whole permutation it draws one more `randperm(n)`, for the `num_samples % n` indices left, also
       if none is left. In case b the generator advances by it.

    `SubsetRandomSampler` draws `randperm(len(indices))` and `random_split` draws `randperm(sum(lengths))` directly
    from their generator, or from `default_generator`.
    """
    return int(((generator or default_generator).random(())).item())


def _part(dtype: npt.DTypeLike) -> npt.DTypeLike:
    """The dtype of the real part of a complex one."""
    return np.float32 if np.dtype(dtype) == np.complex64 else np.float64


def _as_complex(parts: Array) -> Array:
    """The complex numbers whose real and imaginary parts are along the last dimension."""
    return parts.view(np.complex64 if parts.dtype == np.float32 else np.complex128)[..., 0]


def _floating(name: str, dtype: npt.DTypeLike) -> np.dtype[Any]:
    kind = np.dtype(dtype)
    if kind.kind not in "fV":  # "V" is bfloat16
        raise NotImplementedError(f'"{name}" is not implemented for {kind}: ask for a floating-point dtype')
    return kind


def _integer_bounds(kind: np.dtype[Any]) -> tuple[int, int]:
    if kind.kind == "b":
        return 0, 1
    if kind.kind in "fV":
        largest = int(_largest(kind))
        return -largest, largest
    return int(np.iinfo(kind).min), int(np.iinfo(kind).max)


def _narrowed(numbers: Array, kind: np.dtype[Any]) -> Array:
    """From float64 to `kind`; to float16 by way of float32."""
    with np.errstate(over="ignore"):
        return converted(numbers.astype(np.float32), kind) if kind.itemsize == 2 else numbers.astype(kind, copy=False)


def _largest(kind: np.dtype[Any]) -> Any:
    return finfo(bfloat16).max if kind.kind == "V" else np.finfo(kind).max
