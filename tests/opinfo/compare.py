"""One op, one dtype, one kind of comparison: every sample in PyTorch and in the other library.

Kinds: `forward`; `grad` (backward with a random cotangent); `gradgrad` (and once more through the gradients);
`noncontiguous` (the samples again on strided memory, forward and backward); `variants` (methods, operators, in-place
forms, aliases); `error` (inputs that must be refused, with the class of exception that PyTorch raises).
"""

import random
import re
import traceback
import types
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch.testing._internal import common_utils
from torch.testing._internal.opinfo import core as opinfo_core
from torch.testing._internal.opinfo.core import OpInfo, SampleInput

from tests.opinfo.convert import CannotConvert, Converter, as_array, difference, leaves, rebound
from tests.opinfo.ops import DTYPES, function_of, variants
from tests.opinfo.skips import SKIPS, SLACK, TIES, UNDEFINED_VALUES, UP_TO_SIGNS, WITHOUT_COMPLEX
from tests.rounding import Widened, rounding_alone

KINDS = ("forward", "grad", "gradgrad", "noncontiguous", "variants", "error")
# Forward, these dtypes get the "reference inputs": the samples and, for elementwise ops, extreme values, broadcasting
# and strides besides. They are hundreds for each op, so not every dtype can have them.
WIDE_DTYPES = ("float32", "int64")
# In bfloat16 an op's own code runs in float32: what differs is how it comes there and back, which few samples show.
NARROW_SAMPLES = 12
_DIFFERENTIATED = {"float32", "float64", "complex128", "bfloat16"}
GRADIENT_SLACK = 8.0  # a gradient adds many rounded numbers, in an order that the two libraries need not share


def seed_torch(seed: int) -> None:
    """Seed PyTorch's stream on the CPU; `torch.manual_seed` notes a stack trace for each device that is absent."""
    torch.default_generator.manual_seed(seed)


def _seed(seed: int | None = None) -> None:
    """The streams that samples are drawn from."""
    seed = common_utils.SEED if seed is None else seed
    seed_torch(seed)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 (PyTorch's samples come from it)


# For every set of samples PyTorch looks through the whole stack, source files and all, for its own test case: which is
# not there. That took more time than the comparisons.
common_utils.extract_test_fn = opinfo_core.extract_test_fn = lambda: None
common_utils.set_rng_seed = _seed


@dataclass
class Outcome:
    """What came of one comparison."""

    compared: int = 0
    failures: list[str] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Outcome") -> None:
        self.compared += other.compared
        self.failures += other.failures
        self.skipped += other.skipped


class Refused(Exception):
    """PyTorch itself refuses the sample."""


class Differs(Exception):
    """The two libraries' answers differ; the text says how."""


def cases(op: OpInfo) -> Iterator[tuple[str, str]]:
    """The (dtype, kind) pairs that an OpInfo can be compared in."""
    have = {str(dtype).split(".")[-1] for dtype in op.supported_dtypes("cpu")}
    have_gradient = {str(dtype).split(".")[-1] for dtype in op.supported_backward_dtypes("cpu")}
    have_gradient = have_gradient & have & _DIFFERENTIATED if op.supports_autograd else set()
    for dtype in DTYPES:
        if dtype not in have or (dtype.startswith("complex") and op.full_name in WITHOUT_COMPLEX):
            continue
        yield dtype, "forward"
        if dtype in have_gradient:
            yield dtype, "grad"
        if dtype in ("float64", "complex128") and dtype in have_gradient and op.supports_gradgrad:
            yield dtype, "gradgrad"
        if dtype in ("float64", "int64"):
            yield dtype, "noncontiguous"
        if dtype in ("float32", "int64", "bool"):
            yield dtype, "variants"
    if op.error_inputs_func is not None:
        yield "any", "error"


def run(
    op: OpInfo, dtype: str, kind: str, module: types.ModuleType, with_trace: bool = False, most: int | None = None
) -> Outcome:
    """Compares each sample of one kind, or `most` of them. Differences that `skips` names are counted by reason."""
    outcome = Outcome()
    function = function_of(op, module)
    if function is None:
        raise LookupError(f"{module.__name__} has no {op.full_name}")
    doors = list(variants(op, module)) if kind == "variants" else [("", op.op, function, False)]
    skips = SKIPS.get((op.full_name, kind), ())
    stale = {skip: skip.everywhere for skip in skips}
    met: set[Any] = set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # NumPy's own complaint of an overflow or a division by zero must not reach a user: PyTorch says nothing.
        warnings.simplefilter("error", RuntimeWarning)
        samples: Iterable[tuple[int, SampleInput, type[Exception] | None]] = samples_of(op, dtype, kind)
        if most is not None:
            samples = (every := list(samples))[:: -(-len(every) // most) or 1]
        for index, sample, error_type in samples:
            for name, theirs, ours, in_place in doors:
                if name.startswith("operator.") and sample.kwargs:
                    continue
                covering = next((skip for skip in skips if skip.covers(dtype, sample)), None)
                met.add(covering)
                try:
                    compare = Comparison(op, module, sample, theirs, ours)
                    if kind == "noncontiguous":
                        compare = Comparison(op, module, sample.noncontiguous(), theirs, ours)
                    compare.run(kind, in_place, error_type)
                except (CannotConvert, Refused) as reason:
                    outcome.skipped[str(reason)] += 1
                    continue
                except Differs as reason:
                    text = str(reason)
                except Exception as error:
                    text = f"{type(error).__name__}: {error} [{place(error)}]"
                    if with_trace:
                        text += "\n" + traceback.format_exc()
                else:
                    outcome.compared += 1
                    continue
                if covering is None:
                    where = f"sample {index}" + (f", {name}" if name else "")
                    outcome.failures.append(f"{where}: {text}\n    {summary(sample)}")
                else:
                    stale[covering] = False
                    outcome.skipped[covering.reason] += 1
    outcome.failures += [
        f"stale skip, its samples agree now: {skip.reason}"
        for skip, unused in stale.items()
        if unused and skip in met and most is None
    ]
    return outcome


def samples_of(op: OpInfo, dtype: str, kind: str) -> Iterator[tuple[int, SampleInput, type[Exception] | None]]:
    """The samples of one kind with their numbers, and for the errors the class that PyTorch's table names."""
    if kind == "error":
        for index, error in enumerate(op.error_inputs("cpu")):
            yield index, error.sample_input, error.error_type
        return
    torch_dtype = getattr(torch, dtype)
    if kind == "forward" and dtype in WIDE_DTYPES:
        samples = op.reference_inputs("cpu", torch_dtype)
    else:
        gradient = op.supports_autograd and torch_dtype in op.supported_backward_dtypes("cpu")
        gradient = (
            gradient
            and (torch_dtype.is_floating_point or torch_dtype.is_complex)
            and kind not in ("forward", "variants")
        )
        samples = op.sample_inputs("cpu", torch_dtype, requires_grad=gradient)
    for index, sample in enumerate(islice(samples, NARROW_SAMPLES if dtype == "bfloat16" else None)):
        yield index, sample, None


class Comparison:
    """One sample in both libraries."""

    def __init__(
        self,
        op: OpInfo,
        module: types.ModuleType,
        sample: SampleInput,
        theirs: Callable[..., Any],
        ours: Callable[..., Any],
    ) -> None:
        if "out" in sample.kwargs:
            raise CannotConvert("the argument out=, which pellucid's ops do not take: they return new tensors")
        self.op, self.module, self.sample = op, module, sample
        self.convert = Converter(module)
        self.theirs, self.their_args, self.their_kwargs = theirs, (sample.input, *sample.args), dict(sample.kwargs)
        self.ours, self.our_args, self.our_kwargs = ours, self.convert(self.their_args), self.convert(self.their_kwargs)
        self.slack = SLACK.get(op.full_name, SLACK.get(op.name, 1.0))

    def run(self, kind: str, in_place: bool, error_type: type[Exception] | None) -> None:
        if kind == "error":
            self.error(error_type)
        elif in_place:
            self.in_place()
        elif kind in ("grad", "gradgrad"):
            self.gradients(second=kind == "gradgrad")
        else:
            self.forward()
            if kind == "noncontiguous" and any(
                item.requires_grad for item in tensors((self.their_args, self.their_kwargs))
            ):
                self.gradients(second=False)

    # The calls --------------------------------------------------------------------------------------------------

    def call_torch(self) -> Any:
        seed_torch(7)
        try:
            answer = self.theirs(*self.their_args, **self.their_kwargs)
        except Exception as error:
            raise Refused(f"PyTorch refuses it ({type(error).__name__})") from error
        if answer is NotImplemented:
            raise Refused("PyTorch refuses it (NotImplemented)")
        return answer

    def call_other(self) -> Any:
        self.module.manual_seed(7)
        return self.ours(*self.our_args, **self.our_kwargs)

    def check(
        self,
        expected: Any,
        got: Any,
        what: str = "",
        slack: float = 1.0,
        values: bool = True,
        compute: Callable[[Widened], Any] | None = None,
    ) -> None:
        """Raise Differs unless both are equal within the tolerances, or within what rounding does to `compute`."""
        found = difference(expected, got, self.module, self.slack * slack, values)
        if found is None:
            return
        shapes_alone = difference(expected, got, self.module, values=False)
        if compute is not None and shapes_alone is None and self.rounding_alone(expected, got, compute):
            return
        raise Differs(f"{what}{found}")

    def rounding_alone(self, expected: Any, got: Any, compute: Callable[[Widened], Any]) -> bool:
        for index, (a, b) in enumerate(zip(leaves(expected), leaves(got), strict=True)):
            if difference(a, b, self.module) is None:
                continue
            if not isinstance(a, torch.Tensor) or not (a.is_floating_point() or a.is_complex()):
                return False

            def leaf(widened: Widened, index: int = index) -> Any:
                return as_array(list(leaves(compute(widened)))[index])

            if not rounding_alone(leaf, str(a.dtype).split(".")[-1], as_array(a), as_array(b)):
                return False
        return True

    def widened_answer(self, widened: Widened) -> Any:
        seed_torch(7)
        return self.theirs(*widened(self.their_args), **widened(self.their_kwargs))

    # The kinds --------------------------------------------------------------------------------------------------

    def forward(self) -> None:
        expected = self.call_torch()
        got = self.call_other()
        has_indices = isinstance(expected, tuple) or self.op.name == "argsort"
        if self.op.name in TIES and has_indices and not self.sample.kwargs.get("stable"):
            self.check_choice(expected, got)
            return
        if self.op.name in UP_TO_SIGNS:
            self.check(expected, got, values=False)
            process = self.sample.output_process_fn_grad
            expected, got = process(expected), rebound(process, self.module)(got)
        defined = self.op.name not in UNDEFINED_VALUES and not self.op.has_nondeterministic_output
        self.check(
            expected, got, values=defined, compute=self.widened_answer if self.op.name not in UP_TO_SIGNS else None
        )
        for before, after in self.convert.tensors.values():
            self.check(before, after, "an input after the call: ", values=self.op.name not in UNDEFINED_VALUES)

    def check_choice(self, expected: Any, got: Any) -> None:
        """Values as ever; an index may differ from PyTorch's where both point at equal values."""
        self.check(expected, got, values=False)
        theirs, ours = expected, got
        if isinstance(expected, tuple):
            self.check(expected[0], got[0])
            theirs, ours = expected[1], got[1]
        values, place = self.their_args[0].detach(), TIES[self.op.name] + 1
        dim = self.their_kwargs.get("dim", self.their_args[place] if len(self.their_args) > place else -1)
        if values.ndim == 0:
            self.check(theirs, ours)
            return
        indices = [theirs, torch.from_numpy(np.array(ours.detach().numpy()))]
        indices = [index if index.ndim == values.ndim else index.unsqueeze(dim) for index in indices]
        a, b = (torch.gather(values, dim, index).nan_to_num() for index in indices)
        if not torch.equal(a, b):
            raise Differs("an index points at another value than PyTorch's")
        if bool((indices[1].sort(dim)[0].diff(dim=dim) == 0).any()):
            raise Differs("an index comes twice")

    def in_place(self) -> None:
        """The in-place form on a copy: the same change and the same tensor back, or both refuse."""
        target = self.their_args[0]
        if not isinstance(target, torch.Tensor):
            raise Refused("the in-place form needs a tensor")
        with torch.no_grad():
            copy = torch.empty_strided(target.shape, target.stride(), dtype=target.dtype)
            # Expanded memory has one number behind many: the clone's writes stay apart.
            copy = target.clone() if 0 in target.stride() else copy.copy_(target)
        mine = Converter(self.module)(copy)
        try:
            seed_torch(7)
            with torch.no_grad():
                answer = self.theirs(copy, *self.their_args[1:], **self.their_kwargs)
        except Exception as error:
            self.must_raise(lambda: self.without_gradient(mine), (type(error),), error)
            return
        got = self.without_gradient(mine)
        if answer is copy and got is not mine:
            raise Differs("the in-place form did not return its own tensor")

        def compute(widened: Widened) -> Any:
            seed_torch(7)
            with torch.no_grad():
                there = widened(target).clone()
                self.theirs(there, *widened(self.their_args[1:]), **widened(self.their_kwargs))
            return there

        self.check(copy, mine, compute=compute)

    def without_gradient(self, target: Any) -> Any:
        self.module.manual_seed(7)
        with self.module.no_grad():
            return self.ours(target, *self.our_args[1:], **self.our_kwargs)

    def error(self, error_type: type[Exception] | None) -> None:
        try:
            seed_torch(7)
            self.theirs(*self.their_args, **self.their_kwargs)
        except Exception as error:
            accepted = (type(error),) if error_type is None else (type(error), error_type)
            self.must_raise(self.call_other, accepted, error)
        else:
            raise Refused("PyTorch accepts it on the CPU")

    def must_raise(self, call: Callable[[], Any], accepted: tuple[type[BaseException], ...], theirs: Exception) -> None:
        said = " ".join(str(theirs).split())[:160]
        try:
            got = call()
        except accepted:
            return
        except Exception as error:
            raise Differs(
                f"raises {type(error).__name__} ({' '.join(str(error).split())[:160]}), "
                f"where PyTorch raises {type(theirs).__name__}: {said} [{place(error)}]"
            ) from error
        shown = ", ".join(str(tuple(leaf.shape)) if hasattr(leaf, "shape") else repr(leaf) for leaf in leaves(got))
        raise Differs(f"returns {shown}, where PyTorch raises {type(theirs).__name__}: {said}")

    def gradients(self, second: bool) -> None:
        """Vector-Jacobian products with random cotangents: of the answer, then (`second`) of the gradients too."""
        process = self.sample.output_process_fn_grad
        expected = process(self.call_torch())
        got = (rebound(process, self.module) if isinstance(process, types.FunctionType) else process)(self.call_other())
        pairs = list(zip(leaves(expected), leaves(got), strict=True))
        for index, (a, b) in enumerate(pairs):
            if isinstance(a, torch.Tensor) and a.requires_grad != b.requires_grad:
                raise Differs(f"result {index}: requires_grad is {b.requires_grad}, in PyTorch {a.requires_grad}")
        outputs = [(a, b) for a, b in pairs if isinstance(a, torch.Tensor) and a.requires_grad]
        inputs = [(a, b) for a, b in self.convert.tensors.values() if a.requires_grad]
        if not outputs or not inputs:
            raise Refused("no gradient flows in PyTorch")
        random = np.random.default_rng(0)
        seeds = [self.cotangent(a, random, second) for a, _ in outputs]
        first = self.vjp(outputs, inputs, seeds, second, "grad of ")
        if second:
            outputs = [(a, b) for a, b in first if a is not None and a.requires_grad]
            if not outputs:
                raise Refused("no second gradient flows in PyTorch")
            missing = [
                i
                for i, (a, b) in enumerate(first)
                if a is not None and a.requires_grad and (b is None or not b.requires_grad)
            ]
            if missing and any(not zero(a) for i in missing for a in second_order(first[i][0], inputs + seeds)):
                raise Differs(f"the gradient of input {missing[0]} has no graph of its own, in PyTorch it has")
            outputs = [(a, b) for a, b in outputs if b is not None and b.requires_grad]
            if outputs:
                self.vjp(
                    outputs,
                    inputs + seeds,
                    [self.cotangent(a, random, False) for a, _ in outputs],
                    False,
                    "grad grad of ",
                    second=True,
                )

    def cotangent(self, like: torch.Tensor, random: np.random.Generator, requires_grad: bool) -> tuple[Any, Any]:
        numbers = random.standard_normal(tuple(like.shape))
        if like.is_complex():
            numbers = numbers + 1j * random.standard_normal(tuple(like.shape))
        made = torch.from_numpy(np.asarray(numbers)).to(like.dtype)
        made.requires_grad_(requires_grad)
        return made, Converter(self.module)(made)

    def vjp(
        self,
        outputs: list[tuple[Any, Any]],
        inputs: list[tuple[Any, Any]],
        seeds: list[tuple[Any, Any]],
        create_graph: bool,
        what: str,
        second: bool = False,
    ) -> list[tuple[Any, Any]]:
        """The gradients in both libraries, compared. None (no path) and zeros say the same."""
        both = []
        for side, library in ((0, torch), (1, self.module)):
            try:
                grads = library.autograd.grad(
                    [pair[side] for pair in outputs],
                    [pair[side] for pair in inputs],
                    [pair[side] for pair in seeds],
                    create_graph=create_graph,
                    retain_graph=True,
                    allow_unused=True,
                )
            except Exception as error:
                if side == 0:
                    raise Refused(f"PyTorch has no such gradient ({type(error).__name__})") from error
                raise
            both.append(grads)
        pairs = list(zip(*both, strict=True))
        for index, (a, b) in enumerate(pairs):
            if a is None or b is None:
                if not zero(a) or not zero(b):
                    raise Differs(f"{what}input {index}: expected {shown(a)}, got {shown(b)}")
            else:
                compute = None if second else partial(self.widened_gradient, inputs[index][0], seeds)
                self.check(a, b, f"{what}input {index}: ", slack=GRADIENT_SLACK, compute=compute)
        return pairs

    def widened_gradient(self, of: torch.Tensor, seeds: list[tuple[Any, Any]], widened: Widened) -> Any:
        """PyTorch's gradient of one input, computed anew in float64."""
        answers = leaves(self.sample.output_process_fn_grad(self.widened_answer(widened)))
        outputs = [a for a in answers if isinstance(a, torch.Tensor) and a.requires_grad]
        return torch.autograd.grad(outputs, widened(of), [widened(seed) for seed, _ in seeds])[0]


def second_order(grad: torch.Tensor, inputs: list[tuple[Any, Any]]) -> Iterable[torch.Tensor | None]:
    return torch.autograd.grad(grad.sum(), [a for a, _ in inputs], retain_graph=True, allow_unused=True)


def zero(grad: Any) -> bool:
    return grad is None or not as_array(grad).any()


def shown(grad: Any) -> str:
    return "none" if grad is None else f"a gradient of shape {tuple(grad.shape)}"


def tensors(parts: Any) -> Iterator[torch.Tensor]:
    return (leaf for leaf in leaves(parts) if isinstance(leaf, torch.Tensor))


def gist(failure: str) -> str:
    """A failure's text without what makes it one of many: sample numbers, shapes, values, dtypes."""
    text = failure.split("\n")[0].split(": ", 1)[-1]
    return re.sub(r"float\d+|u?int\d+|-?\d+(\.\d+)?(e[-+]?\d+)?|[(),\[\] ]", "", text)[:40]


def place(error: BaseException) -> str:
    """The file and line that raised, shortened."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{'/'.join(frame.filename.split('/')[-3:])}:{frame.lineno}"


def summary(sample: SampleInput) -> str:
    return " ".join(sample.summary().replace(', device="cpu"', "").split())[:400]


@contextmanager
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
