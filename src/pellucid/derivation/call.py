"""`explain`: find out what is asked about, and make its derivation or its walk."""

from __future__ import annotations

import ast
import difflib
import inspect
import textwrap
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pellucid import nn
from pellucid.core import Interpreter, Tensor, below, from_data, interpreter, no_grad
from pellucid.declare import FUNCTIONS, TABLE, Op
from pellucid.nn import functional
from pellucid.random import undrawn

from .derivation import Derivation, derive
from .examples import X, example_of, fill
from .recorder import walk
from .walk import Walk

Shapes = list[tuple[int, ...]]


def explain(
    what: Any,
    *example: Any,
    loss: Callable[..., Any] | None = None,
    shapes: Shapes | None = None,
    **attributes: Any,
) -> Derivation | Walk:
    """The derivation that a learner needs: of one operation, or of a computation step by step.

    One operation (a name of the op table, an op, a function of `nn.functional`, a layer): its formula, the Jacobian
    on a small example, the vector-Jacobian product in matrix form with its shapes and with the numbers put in, the same
    by differences, and the source of both.

    A computation (a function of yours, a model, with `loss` and a target a training step): forward and backward one
    operation at a time, each tensor's numbers, and its gradient as the sum of what its uses sent back. Nothing is left
    behind: no `grad` is touched, buffers and random generators are as they were.

    `print` it; in a notebook it shows itself; `.save("page.html")` writes a page that needs no network, `.to_dict()`
    has all of it as data.

    Args:
        what: `"tanh"`, `torch.tanh`, `"nn.Linear"`, `nn.Linear(3, 2)`, `lambda x: (x.exp() * x).sum()`, a model.
        example: what it is called with: tensors, NumPy arrays, numbers. Without, a small example of its own.
        loss: called with the model's output and the last of `example`.
        shapes: of the tensors of the op's own example, in order, such as `[(2, 3), (3, 4)]`.
        attributes: of the call: `dim=1`.

    Raises:
        ValueError: an unknown name (with the closest known), an example that does not fit, a computation that is too
            large to be walked through.
        TypeError: `what` is nothing that can be called, or returns no tensor.

    >>> import pellucid as torch
    >>> made = torch.explain("matmul")
    >>> print(made.arguments[0].rule.text)
    dA (2, 3) = dC (2, 2) @ Bᵀ (2, 3)
    >>> made.arguments[0].difference < 1e-9
    True
    >>> walk = torch.explain(lambda x: (x.exp() * x).sum(), torch.tensor([0.0, 1.0]))
    >>> [walk.name(one.target) for one in walk.into(0)]  # x is used twice
    ['exp', 'mul']
    """
    given = tuple(_tensor(array) for array in example)
    if not any(isinstance(value, Tensor | list) for value in given):  # explain("tanh", 0.5)
        given = tuple(from_data(np.array(value, "float32")) if isinstance(value, float) else value for value in given)
    if isinstance(what, str):
        what = resolve(what)
    what = _ours(what)
    if loss is not None:
        return _with_loss(what, given, loss)
    if isinstance(what, Op):
        return _of_op(what, given, attributes, shapes)
    if inspect.isclass(what) and issubclass(what, nn.Module):
        return _of_class(what, given, attributes)
    if not callable(what):
        raise TypeError(
            f"explain takes the name of an op, an op, a function or a module, received {type(what).__name__}. A tensor "
            "does not say how it was made: give the function that makes it, explain(lambda x: …, x)"
        )
    if isinstance(what, nn.Module) or _is_library(what):
        return _of_library(what, given, attributes)
    if not given and _needs_arguments(what):
        raise ValueError(f"explain: give an example too, what {_title(what)} is called with: explain(function, x)")
    return walk(_bound(what, attributes), given, None, _title(what))


def resolve(name: str) -> Any:
    """What a name means: an op, a function, a layer. Raises ValueError, with the closest names, for an unknown one."""
    short = name.strip()
    layer = short.startswith(("nn.", "torch.nn.", "pellucid.nn.")) and "functional" not in short
    short = short.rpartition(".")[2]
    places: list[dict[str, Any]] = [
        TABLE,
        FUNCTIONS,
        {name: getattr(functional, name) for name in functional.__all__},
        {name: getattr(nn, name) for name in nn.__all__ if _is_layer(getattr(nn, name))},
    ]
    for place in reversed(places) if layer else places:
        if short in place:
            return place[short]
    known = list(dict.fromkeys(name for place in places for name in place if not name.endswith("_")))
    lower = {name.lower(): name for name in reversed(known)}
    close = [lower[match] for match in difflib.get_close_matches(short.lower(), list(lower), n=3, cutoff=0.6)]
    hint = f" Did you mean {' or '.join(close)}?" if close else ""
    raise ValueError(
        f"There is no op, function or layer called {name!r}.{hint} The ops are listed in the reference, and by "
        "sorted(pellucid.declare.TABLE)."
    )


def _is_layer(entry: Any) -> bool:
    return inspect.isclass(entry) and issubclass(entry, nn.Module) and entry is not nn.Module


def _ours(what: Any) -> Any:
    """PyTorch's own function or layer stands for the one of its name."""
    module = getattr(what, "__module__", None) or ""
    if module.split(".")[0] == "torch" or str(getattr(what, "__objclass__", "")).startswith("<class 'torch"):
        return resolve(what.__name__ if not _is_torch_layer(module) else f"nn.{what.__name__}")
    return what


def _is_torch_layer(module: str) -> bool:
    return module.startswith("torch.nn.modules")


def _is_library(what: Any) -> bool:
    return (getattr(what, "__module__", None) or "").split(".")[0] == "pellucid"


def _tensor(entry: Any) -> Any:
    """An argument of an example: arrays, and tensors of other libraries, become tensors."""
    if isinstance(entry, Tensor | bool | int | float | str | tuple) or entry is None:
        return entry
    if isinstance(entry, list):
        return [_tensor(each) for each in entry] if any(hasattr(each, "shape") for each in entry) else from_data(
            np.asarray(entry)
        )  # fmt: skip
    if hasattr(entry, "detach") and hasattr(entry, "numpy"):
        return from_data(np.array(entry.detach().cpu().numpy()))
    return from_data(entry.copy()) if isinstance(entry, np.ndarray) else entry


def _of_op(op: Op, given: tuple[Any, ...], attributes: dict[str, Any], shapes: Shapes | None) -> Derivation:
    if not given:
        args, own = example_of(op, shapes)
        return derive(op, args, {**own, **attributes})
    if op.star is not None and len(given) == 1 and isinstance(given[0], list | tuple):
        given = tuple(given[0])  # cat([a, b])
    known = {name: value for name, value in op.attributes.items() if value is not inspect.Parameter.empty}
    args, kwargs = op.bind(given, attributes)
    if missing := [name for name in op.attributes if name not in known and name not in kwargs]:
        try:  # how the example has it: explain("softmax", x) is along the last dimension
            own = example_of(op)[1]
            kwargs = {**{name: own[name] for name in missing}, **kwargs}
        except LookupError:
            raise ValueError(f"explain: {op.name} needs {', '.join(missing)}; it is called as {op.usage()}") from None
    return derive(op, args, kwargs)


def _of_library(function: Any, given: tuple[Any, ...], attributes: dict[str, Any]) -> Derivation | Walk:
    """A function or a layer of this library: of one op its derivation, of several the walk."""
    if not given:
        given = _guess(function, attributes)
    called = _bound(function, attributes)
    ops = captured(called, given)
    steps = [step for step in ops if step[0].rules]
    plain = not isinstance(function, nn.Module) or not list(function.children())
    if plain and len(steps) == 1 and len(ops) == 1:
        return derive(*steps[0])
    return walk(function if isinstance(function, nn.Module) else called, given, None, _title(function))


def _of_class(kind: type[Any], given: tuple[Any, ...], attributes: dict[str, Any]) -> Derivation | Walk:
    """A layer's class: made with small sizes."""
    for sizes in ((), (3,), (3, 2), (1, 1, 2), (2,), (3, 1)):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                layer = kind(*sizes, **attributes)
        except Exception:  # noqa: BLE001  other sizes then
            continue
        for example in [given] if given else _candidates():
            if _works(layer, example, {}):
                return _of_library(layer, example, {})
    raise ValueError(
        f"explain: there is no example for the layer {kind.__name__}; make one and give it an input: "
        f"explain(nn.{kind.__name__}(…), x)"
    )


def _with_loss(model: Any, given: tuple[Any, ...], loss: Any) -> Walk:
    if not callable(model) or inspect.isclass(model):
        raise TypeError(f"explain(model, x, y, loss=…): the model is a module or a function, received {model!r}")
    if len(given) < 2:
        raise ValueError(
            f"explain(model, x, y, loss=…): give the input and the target; received {len(given)} of them, and the last "
            "is what the loss compares the output with"
        )
    if inspect.isclass(loss):
        loss = loss()
    return walk(model, given, loss, f"{_title(loss)}({_title(model)}(x), target)")


def captured(function: Callable[..., Any], given: tuple[Any, ...]) -> list[tuple[Op, tuple[Any, ...], dict[str, Any]]]:
    """The ops that a call consists of, with what they are given; the random generators are as before."""
    listener = _Passing()
    with no_grad(), interpreter(listener), undrawn():
        function(*given)
    return listener.heard


class _Passing(Interpreter):
    """An interpreter that notes what passes."""

    def __init__(self) -> None:
        self.heard: list[tuple[Op, tuple[Any, ...], dict[str, Any]]] = []

    def apply(self, op: Op, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self.heard.append((op, args, kwargs))
        return below(self, op, args, kwargs)


def _bound(function: Any, attributes: dict[str, Any]) -> Any:
    if not attributes:
        return function

    def call(*args: Any) -> Any:
        return function(*args, **attributes)

    return call


def _needs_arguments(function: Any) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:
        return False
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return any(parameter.default is parameter.empty and parameter.kind in positional for parameter in parameters)


def _title(what: Any) -> str:
    """What stands above a walk: the class of a model, the name of a function, the text of a lambda."""
    if isinstance(what, nn.Module):
        return type(what).__name__
    name = getattr(what, "__name__", type(what).__name__)
    if name != "<lambda>":
        return name
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(what)).strip().removesuffix(","))
    except (OSError, SyntaxError, TypeError):
        return "expression"
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Lambda)]
    return ast.unparse(found[0].body) if len(found) == 1 else "expression"


# Examples for what is no op of the table ------------------------------------------------------------------------------


def _guess(function: Any, attributes: dict[str, Any]) -> tuple[Any, ...]:
    for example in _candidates():
        if _works(function, example, attributes):
            return example
    raise ValueError(f"explain: there is no example for {_title(function)}; give one: explain({_title(function)}, x)")


def _works(function: Any, example: tuple[Any, ...], attributes: dict[str, Any]) -> bool:
    """Whether a call returns numbers that are finite, without a warning."""
    try:
        with warnings.catch_warnings(), no_grad():
            warnings.simplefilter("error")
            result = function(*example, **attributes)
    except Exception:  # noqa: BLE001  whatever it is, another example is tried
        return False
    first = result[0] if isinstance(result, tuple | list) and result else result
    return isinstance(first, Tensor) and first.numel() > 0 and bool(np.isfinite(first.detach().numpy()).all())


def _candidates() -> Iterator[tuple[Any, ...]]:
    """What functions are usually called with, the simple first."""

    def x(*shape: int, **bounds: Any) -> Tensor:
        return from_data(fill(X(shape, **bounds), 0, None).astype("float32"))

    def y(*shape: int, **bounds: Any) -> Tensor:
        return from_data(fill(X(shape, **bounds), 7, None).astype("float32"))

    share, signs, classes = {"low": 0.0, "high": 1.0}, np.array([1.0, -1.0], "float32"), from_data(np.array([0, 2]))
    yield (x(2, 3),)
    yield (x(2, 3), classes)
    yield (x(2, 3), y(2, 3))
    yield (x(2, 3), y(3, 2))
    yield (x(3), y(3))
    yield (x(2, 3, **share), y(2, 3, **share))
    yield (x(1, 1, 4, 4),)
    yield (x(1, 1, 4),)
    yield (x(2, 3, 2, 2),)
    yield (classes,)
    yield (x(1, 1, 4, 4), 2)
    yield (x(1, 1, 4), 2)
    yield (x(1, 1, 4, 4), y(1, 1, 2, 2))
    yield (x(1, 1, 4), y(1, 1, 2))
    yield (x(2, 3), 1)
    yield (x(2, 3), 0, 1)
    yield (x(2, 3), (3,))
    yield (x(2, 3), (3, 2))
    yield ([x(2, 3), y(2, 3)],)
    yield (x(2, 3), y(2, 3), from_data(signs))
    yield (x(2), y(2), from_data(signs))
    yield (x(2, 3), y(2, 3), y(2, 3, **share))
    yield (x(2, 3), y(1))
    yield (classes, y(4, 2))
    yield (x(3, 2), from_data(np.zeros(2, "float32")), from_data(np.ones(2, "float32")))
    yield (x(3, 3), y(3), x(3))
    yield (x(2, 3), from_data(np.array([[True, False, True], [False, True, False]])), 0.5)
