"""`gradcheck` and `gradgradcheck` by PyTorch's names: is the gradient of a function its derivative?"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.autograd.forward_check import SAFETY, GradcheckError, check_forward
from pellucid.autograd.jacobians import get_analytical_jacobian as get_analytical_jacobian
from pellucid.autograd.jacobians import get_numerical_jacobian as get_numerical_jacobian
from pellucid.autograd.numeric import Slopes, beside, scale_of, slopes
from pellucid.autograd.pairs import in_pairs, pairs_of
from pellucid.core import Tensor, enable_grad, from_data, wrap
from pellucid.core.node import Arguments
from pellucid.reverse import grad

LARGE = 4_000  # with more elements of the inputs than this, they are not moved one by one
TRIES = 4  # points near the given one at which an element with a kink is examined


_NOT_REENTRANT = (
    "Backward is not reentrant, i.e., running backward with same input and grad_output multiple times gives different "
    "values"
)
_NO_OUTPUT = "Numerical gradient for function expected to be zero: none of its outputs requires a gradient"


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Compare gradients with central differences, for every floating input that requires one.

    Each output element's derivative with respect to each input element is compared; with `fast_mode`, or where the
    inputs have more than 4,000 elements, a random combination of the outputs along random directions of the inputs. It
    is right where |analytic − numeric| ≤ atol + rtol·|numeric| + 10·(error of the difference). The steps are found by
    extrapolation (so `eps` is not needed), with an estimate of the error. Where the function has a kink at the point
    (relu at 0, max at a tie), the element is compared near it instead, and is left out where there are kinks all
    around. Complex inputs and outputs are checked as pairs of real numbers.

    Args:
        func: a function of tensors that returns a tensor or a tuple of tensors.
        inputs: a tensor or a tuple. What is not float64 is lifted to it, and a warning says how far the gradient in
            its own dtype is from the one in float64.
        raise_exception: raise GradcheckError, or return False.
        nondet_tol: how far two evaluations, or two gradients, at the same point may differ.
        check_grad_dtypes: whether each gradient must have the dtype of its input.
        check_forward_ad: whether the tangents of `autograd.forward_ad`, along a random direction of each input, are
            compared too; check_backward_ad: whether the gradients are.
        check_batched_grad: whether gradients along several seeds at once (`is_grads_batched`) must equal those along
            each.
        check_batched_forward_grad: whether tangents along two directions must add up to that along their sum; asks
            for check_forward_ad.
        check_undefined_grad: whether tangents must be the same a second time, and none along zeros.
        eps, masked: accepted and of no effect. Each output is differentiated alone in any case.

    >>> import pellucid as torch
    >>> x = torch.tensor([0.5, 1.5], dtype=torch.float64, requires_grad=True)
    >>> gradcheck(lambda x: x.exp() * x, (x,))
    True
    """
    _fits_together(check_backward_ad, check_forward_ad, check_batched_grad, check_batched_forward_grad)
    func, tensors = in_pairs(func, tuple(inputs) if isinstance(inputs, tuple | list) else (inputs,))
    wanted = [i for i, tensor in enumerate(tensors) if isinstance(tensor, Tensor) and tensor.requires_grad]
    if not wanted:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them have requires_grad=True."
            f"{_advice(tensors)}"
        )
    try:
        with enable_grad():
            check = _Gradcheck(func, tensors, wanted, atol, rtol, nondet_tol, check_grad_dtypes)
            if check_backward_ad:
                check.run(fast_mode)
            if check_forward_ad:
                check_forward(check, check_undefined_grad, check_batched_forward_grad)
            if check_batched_grad:
                check.batched()
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """`gradcheck` of the gradient itself: whether second derivatives are right.

    The first gradient is taken along `grad_outputs` (random where None), with `create_graph=True`, as a function of
    the inputs and of `grad_outputs`; and that function is checked. `gen_non_contig_grad_outputs` makes the random ones
    non-contiguous. The other arguments are those of `gradcheck`.

    >>> import pellucid as torch
    >>> x = torch.tensor([0.5, 1.5], dtype=torch.float64, requires_grad=True)
    >>> gradgradcheck(lambda x: x.exp() * x, (x,))
    True
    """
    _fits_together(check_rev_over_rev, check_fwd_over_rev, check_batched_grad, False)
    func, tensors = in_pairs(func, tuple(inputs) if isinstance(inputs, tuple | list) else (inputs,))
    if grad_outputs is None:
        rng = np.random.default_rng(0)
        with enable_grad():
            outputs = [out for out in _outputs(func(*tensors)) if out.requires_grad]
        seeds = [_seed(tuple(out.shape), rng, gen_non_contig_grad_outputs) for out in outputs]
    else:
        seeds = list(grad_outputs) if isinstance(grad_outputs, tuple | list) else [grad_outputs]
        seeds = [pairs_of(seed) for seed in seeds]
    count = len(tensors)
    wanted = [i for i, tensor in enumerate(tensors) if isinstance(tensor, Tensor) and tensor.requires_grad]

    def first(*args: Any) -> Arguments:
        for i in wanted:
            args[i].requires_grad_(True)  # in forward mode they come without
        outs = [out for out in _outputs(func(*args[:count])) if out.requires_grad]
        if len(outs) != len(seeds):
            raise ValueError(
                f"gradgradcheck: {len(seeds)} grad_outputs for {len(outs)} outputs that require a gradient: give one "
                "for each"
            )
        if not outs:
            return ()
        found = grad(outs, [args[i] for i in wanted], list(args[count:]), create_graph=True, allow_unused=True)
        return tuple(gradient for gradient in found if gradient is not None)

    vars(first)["backward"] = True
    return gradcheck(
        first, (*tensors, *seeds), eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception,
        nondet_tol=nondet_tol, check_grad_dtypes=check_grad_dtypes, fast_mode=fast_mode,
        check_forward_ad=check_fwd_over_rev, check_backward_ad=check_rev_over_rev,
        check_batched_grad=check_batched_grad,
    )  # fmt: skip


def _fits_together(backward: bool, forward: bool, batched: bool, batched_forward: bool) -> None:
    """PyTorch's errors for arguments that contradict one another."""
    if not (backward or forward):
        raise AssertionError("Expected at least one of check_forward_ad or check_backward_ad to be True")
    if batched and not backward:
        raise AssertionError("Setting check_batched_grad=True requires check_backward_ad to be True")
    if batched_forward and not forward:
        raise AssertionError("Setting check_batched_forward_grad=True requires check_forward_ad to be True")


def _advice(tensors: Arguments) -> str:
    """What to write where nothing can be checked."""
    for i, tensor in enumerate(tensors):
        if isinstance(tensor, Tensor):
            convert = "" if tensor.is_floating_point() else ".double()"
            return f" Write inputs[{i}]{convert}.requires_grad_()"
    return f" The inputs are {', '.join(type(tensor).__name__ for tensor in tensors) or 'missing'}: give tensors"


def _seed(shape: tuple[int, ...], rng: np.random.Generator, gaps: bool) -> Tensor:
    if gaps and shape:
        return from_data(rng.normal(size=(*shape, 2)))[..., 0].detach().requires_grad_()
    return from_data(rng.normal(size=shape)).requires_grad_()


def _outputs(result: Any) -> list[Tensor]:
    outs = list(result) if isinstance(result, tuple | list) else [result]
    for out in outs:
        if not isinstance(out, Tensor):
            raise ValueError(
                f"gradcheck: the function must return a Tensor or a tuple of them, got {type(out).__name__}"
            )
    return [out for out in outs if out.dtype.is_floating_point]


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy().astype(np.float64)


class _Gradcheck:
    """One function at one point: its values and gradients in float64, and their comparison."""

    def __init__(
        self, func: Callable[..., Any], tensors: Arguments, wanted: list[int], atol: float, rtol: float,
        nondet: float, dtypes: bool,
    ) -> None:  # fmt: skip
        self.func, self.tensors, self.wanted = func, tensors, wanted
        self.atol, self.rtol, self.nondet, self.dtypes = atol, rtol, nondet, dtypes
        self.point = [_array(tensors[i]) for i in wanted]
        self.rng = np.random.default_rng(0)
        self.kinds: dict[str, list[object]] = {}  # of the outputs: their shapes and dtypes
        self.differentiable = True

    def run(self, fast: bool) -> None:
        first, again = self.values(self.point), self.values(self.point)
        if first.size and not np.abs(first - again).max() <= self.nondet and not np.array_equal(first, again, True):
            backward = getattr(self.func, "backward", False)
            raise GradcheckError(
                f"{_NOT_REENTRANT if backward else 'The function gives another output each time, with the same inputs'}"
                ": is it random? Seed it within, or give nondet_tol."
            )
        if not self.shapes:
            return
        self.lifted()
        fast = fast or sum(array.size for array in self.point) > LARGE
        self.sizes = [int(np.prod(shape)) for shape in self.shapes]
        self.weights = np.eye(first.size)
        if fast:
            self.weights = self.rng.uniform(0.5, 1.5, first.size) * self.rng.choice([-1.0, 1.0], first.size)
            self.weights = np.stack([self._part(self.weights, number) for number in range(len(self.sizes))])
        exact, same = self.gradients(self.point), self.gradients(self.point)
        for first, other in zip(exact, same, strict=True):
            if first.size and not np.abs(first - other).max() <= self.nondet and not np.array_equal(first, other, True):
                raise GradcheckError(f"{_NOT_REENTRANT}, although analytical gradient matches numerical gradient.")
        nearby: list[Any] = []
        for index in range(len(self.point)):
            self.compare(index, exact[index], fast, nearby)
        self.without_a_seed()

    def without_a_seed(self) -> None:
        """Refuse a backward that gives something where nothing arrives: it does not multiply by what it is given."""
        outs, leaves = self.outputs(self.point)
        ends = [out for out in outs if out.requires_grad]
        if not ends:
            return
        found = grad(
            ends, leaves, [wrap(np.zeros(tuple(out.shape), out.dtype.numpy)) for out in ends], allow_unused=True
        )
        for i, gradient in zip(self.wanted, found, strict=True):
            values = np.zeros(0) if gradient is None else _array(gradient)
            if (np.isfinite(values) & (values != 0)).any():
                raise GradcheckError(
                    f"backward not multiplied by grad_output: where the outputs' gradients are zeros, that of input "
                    f"{i} is not\nanalytical:{values}"
                )

    def batched(self) -> None:
        """Gradients along two seeds at once must be those along each."""
        outs, leaves = self.outputs(self.point)
        for number, out in enumerate(outs):
            if not out.requires_grad:
                continue
            seeds = from_data(self.rng.normal(size=(2, *out.shape))).to(out.dtype)
            together = grad(out, leaves, seeds, retain_graph=True, allow_unused=True, is_grads_batched=True)
            for place in range(2):
                alone = grad(out, leaves, seeds[place], retain_graph=True, allow_unused=True)
                for i, single, at_once in zip(self.wanted, alone, together, strict=True):
                    if single is None or at_once is None:
                        same = single is at_once
                    else:
                        same = np.allclose(_array(single), _array(at_once[place]), self.rtol, self.atol)
                    if not same:
                        raise GradcheckError(
                            f"For output {number} and input {i}: the gradients along several seeds at once are not "
                            "those along each: a function of the backward pass mixes what it is given with state"
                        )

    # --- values and gradients ----------------------------------------------------------------------------------------

    def outputs(self, arrays: list[np.ndarray], dtypes: bool = False) -> tuple[list[Tensor], list[Tensor]]:
        leaves = [from_data(array).requires_grad_(True) for array in arrays]  # a gradient within has a graph to walk
        args = list(self.tensors)
        for i, leaf in zip(self.wanted, leaves, strict=True):
            args[i] = leaf = leaf.to(self.tensors[i].dtype) if dtypes else leaf
        try:
            return _outputs(self.func(*args)), leaves
        except RuntimeError as error:
            if any(self.tensors[i].dtype.name != "float64" for i in self.wanted):
                error.add_note("gradcheck runs it in float64; write model.double() if it has parameters of its own")
            raise

    def values(self, arrays: list[np.ndarray]) -> np.ndarray:
        outs = self.outputs(arrays)[0]
        kinds: dict[str, list[object]] = {
            "shape": [tuple(out.shape) for out in outs],
            "dtype": [out.dtype.name for out in outs],
        }
        for what, before in self.kinds.items():
            if before != kinds[what]:
                raise AssertionError(
                    f"gradcheck expects the function to return outputs with the same {what} when inputs are perturbed, "
                    f"but got {before} and {kinds[what]}"
                )
        self.kinds, self.shapes = kinds, [tuple(out.shape) for out in outs]
        self.differentiable = any(out.requires_grad for out in outs)
        return np.concatenate([_array(out).ravel() for out in outs]) if outs else np.zeros(0)

    def gradients(self, arrays: list[np.ndarray], dtypes: bool = False) -> list[np.ndarray]:
        """For each input the gradients of each row of `weights`, which combine the elements of all outputs."""
        outs, leaves = self.outputs(arrays, dtypes)
        rows: list[list[np.ndarray]] = []
        for weight in self.weights:
            found: Any = [None] * len(leaves)
            seeds: list[tuple[Tensor, Tensor]] = []
            for number, (out, shape) in enumerate(zip(outs, self.shapes, strict=True)):
                own = weight[self._span(number)]
                if out.requires_grad and own.any():  # the others stay undefined
                    seeds.append((out, wrap(own.reshape(shape)).to(out.dtype)))
            if seeds:
                ends, starts = zip(*seeds, strict=True)
                found = grad(list(ends), leaves, list(starts), retain_graph=True, allow_unused=True)
            self._check_dtypes(found, leaves)
            rows.append([
                np.zeros(leaf.shape) if gradient is None else _array(gradient)
                for gradient, leaf in zip(found, leaves, strict=True)
            ])  # fmt: skip
        return [
            np.stack([row[i] for row in rows]) if rows else np.zeros((0, *leaf.shape)) for i, leaf in enumerate(leaves)
        ]

    def _span(self, number: int) -> slice:
        start = sum(self.sizes[:number])
        return slice(start, start + self.sizes[number])

    def _part(self, weight: np.ndarray, number: int) -> np.ndarray:
        return np.where(np.isin(np.arange(weight.size), np.arange(weight.size)[self._span(number)]), weight, 0.0)

    def _check_dtypes(self, found: Any, leaves: list[Tensor]) -> None:
        if not self.dtypes:
            return
        for i, gradient, leaf in zip(self.wanted, found, leaves, strict=True):
            if gradient is not None and gradient.dtype != leaf.dtype:
                raise GradcheckError(
                    f"Expected {leaf.dtype} as dtype of the gradient of input {i}, got {gradient.dtype}"
                )

    def lifted(self) -> None:
        """Warn of the digits that an input that is not float64 loses."""
        single = [i for i in self.wanted if self.tensors[i].dtype.name != "float64"]
        if not single:
            return
        self.sizes = [int(np.prod(shape)) for shape in self.shapes]
        self.weights = np.ones((1, sum(self.sizes)))
        exact, rough = self.gradients(self.point), self.gradients(self.point, dtypes=True)
        for i in single:
            fine, other = exact[self.wanted.index(i)], rough[self.wanted.index(i)]
            size = float(np.abs(fine).max(initial=0)) or 1.0
            loss = float(np.abs(fine - other).max(initial=0)) / size
            warnings.warn(
                f"gradcheck: input {i} is {self.tensors[i].dtype.name} and was lifted to float64; the gradient in its "
                f"own dtype is off by {loss:.1g} of its largest element. Give x.double() to be rid of this warning",
                stacklevel=4,
            )

    # --- the comparison ----------------------------------------------------------------------------------------------

    def compare(self, index: int, exact: np.ndarray, fast: bool, nearby: list[Any]) -> None:
        """Element by element, or along one random direction, of one input."""
        array = self.point[index]
        ways: list[tuple[Any, np.ndarray]] = []
        if fast:
            ways.append((..., self.rng.uniform(0.5, 1.5, array.shape) * self.rng.choice([-1.0, 1.0], array.shape)))
        numeric, shown, wrong = np.zeros(exact.shape), exact.copy(), np.zeros(exact.shape, bool)
        for place in () if fast else np.ndindex(array.shape):
            ways.append((place, _single(array.shape, place)))
        for place, way in ways:
            given, found, bad = self.along(self.point, exact, index, way)
            open_ = found.kink.copy()
            bad &= ~open_
            for attempt in range(TRIES):
                if not open_.any():
                    break
                if attempt == len(nearby):
                    moved = [beside(array, self.rng) for array in self.point]
                    nearby.append((moved, self.gradients(moved)))
                there, its = nearby[attempt]
                again, other, worse = self.along(there, its[index], index, way)
                bad |= open_ & ~other.kink & worse
                given = np.where(open_, again, given)
                found = Slopes(np.where(open_, other.value, found.value), found.error, found.kink)
                open_ &= other.kink
            if fast:
                if bad.any() and not self.differentiable:
                    raise GradcheckError(f"{_NO_OUTPUT}\nnumerical:{found.value}")
                if bad.any():
                    raise GradcheckError(
                        f"Jacobian mismatch for output {int(np.nonzero(bad)[0][0])} with respect to input "
                        f"{self.wanted[index]}: its gradient is not the derivative of the function, along a random "
                        f"direction of it\nnumerical:{found.value}\nanalytical:{given}"
                    )
                continue
            at = (slice(None), *place)
            numeric[at], shown[at], wrong[at] = found.value, given, bad
        if wrong.any():
            self._raise(index, numeric, shown, wrong)

    def along(
        self, arrays: list[np.ndarray], exact: np.ndarray, index: int, way: np.ndarray
    ) -> tuple[np.ndarray, Slopes, np.ndarray]:
        """The gradient along a direction, the difference, and where they differ beyond the tolerance."""

        def moved(t: float) -> np.ndarray:
            there = [array.copy() for array in arrays]
            there[index] += t * way
            return self.weights @ self.values(there)

        given = (exact * way).reshape(len(exact), -1).sum(axis=1)
        found = slopes(moved, scale_of(arrays[index], way))
        allowed = self.atol + self.rtol * np.abs(found.value) + SAFETY * found.error
        return given, found, ~(np.abs(given - found.value) <= allowed)

    def _raise(self, index: int, numeric: np.ndarray, exact: np.ndarray, wrong: np.ndarray) -> None:
        rows = np.nonzero(wrong.reshape(len(wrong), -1).any(axis=1))[0]
        number = int(np.searchsorted(np.cumsum(self.sizes), rows[0], side="right"))
        pairs, start = list(getattr(self.func, "pairs", ())), sum(self.sizes[:number])
        part = ""
        if pairs[number : number + 1] == [True]:
            odd = [row for row in rows if row < start + self.sizes[number] and (row - start) % 2]
            rows = odd or rows
            part = f"While considering the {'imaginary' if odd else 'real'} part of complex outputs only, "
        row = int(rows[0])
        place = np.unravel_index(row - sum(self.sizes[:number]), self.shapes[number])
        where = f", element {tuple(map(int, place))}" if place else ""
        if not self.differentiable:
            raise GradcheckError(f"{_NO_OUTPUT}\nnumerical:{numeric[row]}")
        raise GradcheckError(
            f"{part}Jacobian mismatch for output {number} with respect to input {self.wanted[index]}{where}, "
            f"in {int(wrong[row].sum())} of {wrong[row].size} elements\nnumerical:{numeric[row]}\n"
            f"analytical:{exact[row]}"
        )


def _single(shape: tuple[int, ...], place: Any) -> np.ndarray:
    way = np.zeros(shape)
    way[place] = 1.0
    return way
