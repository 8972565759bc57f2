"""One module, one dtype, training or evaluation: every input of PyTorch's table in both libraries."""

import dataclasses
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.nn.utils.rnn import PackedSequence
from torch.testing._internal.common_modules import ModuleErrorEnum, ModuleInfo, module_db

from tests.opinfo.compare import Outcome, _seed, seed_torch
from tests.opinfo.convert import Converter, difference, leaves

DTYPES = ("float32", "float64")
# Losses and gradients add many rounded numbers in an order that the two libraries need not share.
SLACK = 8.0

MODULES: dict[str, ModuleInfo] = {info.name: info for info in module_db}


class Differs(Exception):
    """The two libraries' answers differ; the text says how."""


def cases(info: ModuleInfo) -> Iterator[tuple[str, bool]]:
    """The (dtype, training) pairs that a ModuleInfo can be compared in."""
    have = {str(dtype).split(".")[-1] for dtype in info.supported_dtypes("cpu")}
    for dtype in DTYPES:
        if dtype in have:
            yield from ((dtype, training) for training in (True, False))


def counterpart(info: ModuleInfo, module: types.ModuleType) -> Callable[..., Any] | None:
    """The class of the same name in another library, or None."""
    return getattr(module.nn, info.name.removeprefix("nn."), None)


def run(info: ModuleInfo, dtype: str, training: bool, module: types.ModuleType) -> Outcome:
    """Compare each input of the table's, and the errors that it names."""
    outcome = Outcome()
    ours = counterpart(info, module)
    if ours is None:
        outcome.failures.append(f"{module.__name__} has no {info.name}")
        return outcome
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for index, sample in enumerate(inputs(info, dtype, training)):
            try:
                compare(info, sample, ours, dtype, training, module)
            except Exception as error:
                outcome.failures.append(f"input {index} ({sample.desc}): {type(error).__name__}: {error}")
            else:
                outcome.compared += 1
        for index, sample in enumerate(error_inputs(info, dtype, training)):
            try:
                compare_error(info, sample, ours, dtype, training, module)
            except Exception as error:
                outcome.failures.append(f"error {index}: {type(error).__name__}: {error}")
            else:
                outcome.compared += 1
    return outcome


def inputs(info: ModuleInfo, dtype: str, training: bool) -> list[Any]:
    """The table's inputs; of the 857 that one layer has, each fifth."""
    _seed()
    kind = getattr(torch, dtype)
    made = list(info.module_inputs_func(info, device="cpu", dtype=kind, requires_grad=True, training=training))
    return made[:: 1 + len(made) // 200]


def error_inputs(info: ModuleInfo, dtype: str, training: bool) -> list[Any]:
    if info.module_error_inputs_func is None:
        return []
    _seed()
    kind = getattr(torch, dtype)
    return list(info.module_error_inputs_func(info, device="cpu", dtype=kind, requires_grad=True, training=training))


class _Converter(Converter):
    """Also turns what is only among the arguments of modules."""

    def __call__(self, part: Any) -> Any:
        nn = self.module.nn
        if isinstance(part, complex):
            return part
        if isinstance(part, PackedSequence):
            return nn.utils.rnn.PackedSequence(*(super(_Converter, self).__call__(item) for item in part))
        if isinstance(part, torch.nn.TransformerEncoderLayer):
            return self.encoder_layer(part)
        if dataclasses.is_dataclass(part) and type(part).__module__.startswith("torch.nn"):
            return getattr(nn, type(part).__name__)(**dataclasses.asdict(part))
        name = getattr(part, "__name__", "")
        if callable(part) and getattr(torch.nn.functional, name, None) is part:
            return getattr(nn.functional, name)
        return super().__call__(part)

    def encoder_layer(self, part: torch.nn.TransformerEncoderLayer) -> Any:
        """A layer with the same options and weights."""
        made = self.module.nn.TransformerEncoderLayer(
            part.linear1.in_features,
            part.self_attn.num_heads,
            part.linear1.out_features,
            part.dropout.p,
            self(part.activation),
            part.norm1.eps,
            part.self_attn.batch_first,
            part.norm_first,
            part.linear1.bias is not None,
        )
        made.to(self.dtype(part.linear1.weight.dtype))
        made.load_state_dict({name: self(value) for name, value in part.state_dict().items()})
        return made


def compare(info: ModuleInfo, sample: Any, ours: Any, dtype: str, training: bool, module: types.ModuleType) -> None:
    """Raise Differs, or whatever pellucid raises, unless both agree in everything."""
    convert = _Converter(module)
    given, forward = sample.constructor_input, sample.forward_input
    seed_torch(0)
    theirs = info.module_cls(*given.args, **given.kwargs)
    module.manual_seed(0)
    made = ours(*convert(given.args), **convert(given.kwargs))
    check("text", repr(theirs), repr(made))
    if not info.is_lazy:
        compare_state("state", theirs, made, module)
    theirs.to(getattr(torch, dtype)).train(training)
    made.to(getattr(module, dtype)).train(training)
    if forward is None:
        return
    their_args, their_kwargs = leaf_inputs(forward.args), leaf_inputs(forward.kwargs)
    our_args, our_kwargs = convert(their_args), convert(their_kwargs)
    seed_torch(1)
    expected = theirs(*their_args, **their_kwargs)
    module.manual_seed(1)
    got = made(*our_args, **our_kwargs)
    check_same("result", plain(expected), plain(got), module)
    compare_state("state afterwards", theirs, made, module)
    check("text afterwards", repr(theirs), repr(made))
    compare_gradients((theirs, expected, (their_args, their_kwargs)), (made, got, (our_args, our_kwargs)), module)


def leaf_inputs(part: Any) -> Any:
    """The same arguments with tensors of their own history."""
    if isinstance(part, torch.Tensor):
        fresh = part.detach().clone()
        return fresh.requires_grad_(part.requires_grad)
    if isinstance(part, PackedSequence):
        return PackedSequence(*(leaf_inputs(item) for item in part))
    if isinstance(part, tuple | list):
        return type(part)(leaf_inputs(item) for item in part)
    if isinstance(part, dict):
        return {key: leaf_inputs(value) for key, value in part.items()}
    return part


def plain(answer: Any) -> Any:
    """An answer without named tuples, which have other classes in the two libraries."""
    if isinstance(answer, tuple | list):
        return tuple(plain(item) for item in answer)
    return answer


def compare_state(what: str, theirs: Any, made: Any, module: types.ModuleType) -> None:
    wanted, found = dict(theirs.state_dict()), dict(made.state_dict())
    check(f"names in the {what}", list(wanted), list(found))
    for name, value in wanted.items():
        check_same(f"{what}, {name}", value, found[name], module)


def compare_gradients(theirs: Any, ours: Any, module: types.ModuleType) -> None:
    def differentiable(answer: Any, library: Any) -> list[Any]:
        return [leaf for leaf in leaves(plain(answer)) if isinstance(leaf, library.Tensor) and leaf.requires_grad]

    wanted, found = differentiable(theirs[1], torch), differentiable(ours[1], module)
    check("number of results with a gradient", len(wanted), len(found))
    if not wanted:
        return
    seed_torch(2)
    seeds = [torch.randn(tuple(leaf.shape), dtype=leaf.dtype) for leaf in wanted]
    sum((leaf * seed).sum() for leaf, seed in zip(wanted, seeds, strict=True)).backward()
    convert = Converter(module)
    sum((leaf * convert(seed)).sum() for leaf, seed in zip(found, seeds, strict=True)).backward()
    for (name, param), (_, own) in zip(theirs[0].named_parameters(), ours[0].named_parameters(), strict=True):
        check_same(f"gradient of {name}", param.grad, own.grad, module)
    arguments = [leaves(plain([*part[0], *part[1].values()])) for part in (theirs[2], ours[2])]
    for index, (argument, own) in enumerate(zip(*arguments, strict=True)):
        if isinstance(argument, torch.Tensor) and argument.requires_grad:
            check_same(f"gradient of input {index}", argument.grad, own.grad, module)


def compare_error(
    info: ModuleInfo, sample: Any, ours: Any, dtype: str, training: bool, module: types.ModuleType
) -> None:
    """Raise Differs unless pellucid refuses what PyTorch refuses, with an error of the same class."""
    convert = _Converter(module)
    given, forward = sample.module_error_input.constructor_input, sample.module_error_input.forward_input
    called = sample.error_on is not ModuleErrorEnum.CONSTRUCTION_ERROR

    def attempt(kind: Any, library: Any, translate: Callable[[Any], Any]) -> Exception | None:
        try:
            made = kind(*translate(given.args), **translate(given.kwargs))
            if called:
                made.to(getattr(library, dtype)).train(training)(*translate(forward.args), **translate(forward.kwargs))
        except Exception as error:
            return error
        return None

    expected = attempt(info.module_cls, torch, lambda part: part)
    if expected is None:
        return
    got = attempt(ours, module, convert)
    if not isinstance(got, type(expected)):
        raise Differs(f"PyTorch raises {type(expected).__name__} ({expected}), pellucid {type(got).__name__} ({got})")


def check(what: str, expected: Any, got: Any) -> None:
    if expected != got:
        raise Differs(f"{what}: expected {expected!r}, got {got!r}")


def check_same(what: str, expected: Any, got: Any, module: types.ModuleType) -> None:
    found = difference(expected, got, module, SLACK)
    if found is not None:
        raise Differs(f"{what}: {found}")
