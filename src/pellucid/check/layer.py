"""`check.layer` and `check.layers`: a single layer with a backward pass written by hand, and a directory of them."""

from __future__ import annotations

import contextlib
import inspect
import runpy
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.check.handwritten import backward as check_backward
from pellucid.check.record.plain import strip
from pellucid.check.record.tape import Array
from pellucid.check.report import Report

# dy is a parameter like the others: it changes from point to point, and a gradient that does not is seen to be stale.
ABOVE = "the gradient from above"


def layer(
    forward: Any,
    backward: Any = None,
    x: Any = None,
    params: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Report:
    """Check one layer whose backward pass was written by hand in NumPy, and say what is wrong with it.

    Args:
        forward: `forward(x)` or `forward(x, w, b)` or `forward(x, params)`; it returns y, or (y, cache). Or an object
            (or a class that takes no arguments) with methods `forward` and `backward`: then `layer(object, x)`.
        backward: `backward(dy)` or `backward(dy, cache)`; further arguments are filled by their names (x, y, those of
            the parameters). It returns dx, or a tuple (dx, dw, db) in the order of `params`, or a dict ("dx" or "x").
        x: an example of the input, as an array of floats; integers (indices, say) are handed on and not checked.
        params: arrays by name, in the order in which forward takes them. Of an object, they are the float arrays among
            its attributes (or in its dict or list `params`) that have a gradient beside them: `dW`, `grad_W` or
            `W_grad` for `W`, or an entry of its `grads`.
        seed: of the gradient dy that comes from above, and of the points that are looked at.

    The layer is made a loss, Σ dy · forward(x), which is checked as `check.backward` checks one.

    >>> def forward(x, w):
    ...     return np.tanh(x @ w), (x, w)
    >>> def backward(dy, cache):
    ...     x, w = cache
    ...     dz = dy * (1 - (x @ w) ** 2)
    ...     return dz @ w.T, x.T @ dz
    >>> report = layer(
    ...     forward, backward, np.array([[0.5, -1.0], [0.2, 0.4]]), {"w": np.array([[0.1, 0.7], [0.3, 0.2]])}
    ... )
    >>> report.status, report.diagnoses["x"].mistake
    ('wrong', 'derivative-at-wrong-point')

    Raises:
        TypeError: no backward, no x, nothing to differentiate by, or an argument of backward that cannot be filled.
    """
    if hasattr(forward, "forward") and hasattr(forward, "backward"):
        if x is None:
            backward, x = None, backward
        made = forward() if isinstance(forward, type) else forward
        subject: _LayerByHand = _Object(made, x, params, seed)
    else:
        if not callable(forward) or not callable(backward):
            raise TypeError(
                "check.layer takes two functions, layer(forward, backward, x), or an object that has both as methods, "
                f"layer(object, x); received {type(forward).__name__} and {type(backward).__name__}"
            )
        subject = _Functions(forward, backward, x, params, seed)
    user = (forward, backward, x)
    point = {**subject.point, ABOVE: subject.dy}
    report = check_backward(_seeing(subject.loss, user), _seeing(subject.grads, user), point, seed)
    report.tensors.pop(ABOVE, None)
    return report


def _seeing(method: Callable[[Any], Any], user: tuple[Any, ...]) -> Callable[[Any], Any]:
    """A function by which the user's functions, and the random streams behind them, are found."""

    def function(point: Any, behind: tuple[Any, ...] = user) -> Any:
        return method(point)

    return function


def layers(directory: str | Path, seed: int = 0) -> Report:
    """Check every layer of a directory, each in a Python file of its own, and name the first that is wrong.

    Each file defines `forward`, `backward` and an example `x` (and `params` where it has any), or in place of the two
    functions a class with both methods. Files are taken in the order of their names; those that define no layer, or
    whose name begins with `_`, are passed over. They are run: check only what you trust.

    Returns:
        One report; its tensors are called `FILE/NAME`, and its first note names the first wrong layer.

    Raises:
        FileNotFoundError: there is no such directory, or no layer in it.
    """
    folder = Path(directory)
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no directory {folder} to look for layers in")
    whole, count = Report("right"), 0
    wrong: list[str] = []
    open_: list[str] = []
    for path in sorted(folder.glob("*.py")):
        if path.name.startswith("_"):
            continue
        report = _of_file(path, seed)
        if report is None:
            whole.notes.append(f"{path.name} defines no forward, backward and x, and was passed over.")
            continue
        if report.status != "right":
            (wrong if report.status == "wrong" else open_).append(path.stem)
        for name, evidence in report.tensors.items():
            evidence.name = f"{path.stem}/{name}"
            whole.tensors[evidence.name] = evidence
        whole.diagnoses.update({f"{path.stem}/{name}": diagnosis for name, diagnosis in report.diagnoses.items()})
        whole.notes += [f"{path.name}: {note}" for note in report.notes]
        count += 1
    if not count:
        raise FileNotFoundError(
            f"no file of {folder} defines a layer: each needs forward(x), backward(dy) and an example x"
        )
    whole.status = "wrong" if wrong else "inconclusive" if open_ else "right"
    if wrong:
        whole.notes.insert(0, f"The first wrong layer is {wrong[0]} ({len(wrong)} of {count} are wrong).")
    return whole


def _of_file(path: Path, seed: int) -> Report | None:
    sys.path.insert(0, str(path.parent.resolve()))
    try:
        names = runpy.run_path(str(path), run_name="__pellucid_check__")
        if "x" not in names:
            return None
        if callable(names.get("forward")) and callable(names.get("backward")):
            return layer(names["forward"], names["backward"], names["x"], names.get("params"), seed)
        for value in (names.get("layer"), *names.values()):
            own = not isinstance(value, type) or value.__module__ == "__pellucid_check__"
            if own and callable(getattr(value, "forward", None)) and callable(getattr(value, "backward", None)):
                return layer(value, names["x"], params=names.get("params"), seed=seed)
        return None
    except Exception as error:
        error.add_note(f"while the layer of {path.name} was checked")
        raise
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(str(path.parent.resolve()))


# --- a layer as a loss and its gradients ------------------------------------------------------------------------------


class _LayerByHand:
    """`loss(point)` = Σ dy · y, and `grads(point)` by the layer's own backward."""

    point: dict[str, Array]
    names: list[str]  # what backward returns gradients of, in this order

    def __init__(self, x: Any, params: Mapping[str, Any], seed: int) -> None:
        if x is None:
            raise TypeError("check.layer: give an example x of the input: check.layer(forward, backward, x)")
        self.x = np.asarray(x)
        self.params = {str(name): np.asarray(value) for name, value in params.items()}
        everything = {"x": self.x, **self.params}
        self.point = {name: value.astype(float) for name, value in everything.items() if value.dtype.kind == "f"}
        if not self.point:
            raise TypeError(
                f"check.layer: x holds {self.x.dtype}, which has no derivative, and there are no params: write "
                "x.astype(float), or give params={'w': w}"
            )
        self.names = list(everything)
        self.dy: Any = None
        y = np.asarray(strip(self.output(self.point)))
        if y.dtype.kind not in "fiu":
            raise TypeError(f"check.layer: forward returned {y.dtype}, and must return an array of numbers")
        rng = np.random.default_rng(seed)
        self.dy = np.ones(()) if y.ndim == 0 else rng.uniform(0.5, 1.5, y.shape) * rng.choice([-1.0, 1.0], y.shape)

    def output(self, point: Mapping[str, Any]) -> Any:
        raise NotImplementedError

    def loss(self, point: Mapping[str, Any]) -> Any:
        return np.sum(self.output(point) * point[ABOVE])

    def grads(self, point: Mapping[str, Any]) -> dict[str, Any]:
        raise NotImplementedError

    def named(self, result: Any) -> dict[str, Any]:
        """The gradients by name, of whatever form backward returned them in."""
        if isinstance(result, Mapping):
            found = {str(name): value for name, value in result.items()}
            for name in self.names:
                for alias in (f"d{name}", f"grad_{name}", f"d_{name}", f"{name}_grad"):
                    if name not in found and alias in found:
                        found[name] = found.pop(alias)
        else:
            given = list(result) if isinstance(result, tuple | list) else [result]
            if len(given) > len(self.names):
                raise TypeError(
                    f"check.layer: backward returned {len(given)} gradients for {', '.join(self.names)}: give params= "
                    "with the others, in their order"
                )
            found = dict(zip(self.names, given, strict=False))
        return {name: value for name, value in found.items() if name in self.point}


def _plain(dy: Any) -> Any:
    return dy.copy() if dy.ndim else float(dy)


class _Functions(_LayerByHand):
    def __init__(
        self,
        forward: Callable[..., Any],
        backward: Callable[..., Any],
        x: Any,
        params: Mapping[str, Any] | None,
        seed: int,
    ) -> None:
        self.forward, self.backward = forward, backward
        super().__init__(x, params or {}, seed)

    def _call(self, point: Mapping[str, Any]) -> tuple[Any, Any, dict[str, Any]]:
        """The output, the cache (None where there is none), and the parameters it was called with."""
        params = {name: point.get(name, value) for name, value in self.params.items()}
        result = _applied(self.forward, point.get("x", self.x), params)
        if isinstance(result, tuple):
            return result[0], result[1] if len(result) == 2 else result[1:], params
        return result, None, params

    def output(self, point: Mapping[str, Any]) -> Any:
        return self._call(point)[0]

    def grads(self, point: Mapping[str, Any]) -> dict[str, Any]:
        y, cache, params = self._call(point)
        needed = _required(self.backward)
        known = {"x": point.get("x", self.x), "y": y, "out": y, "params": params, **params}
        given: list[Any] = [_plain(point[ABOVE])]
        for position, name in enumerate(needed[1:]):
            if name in known:
                given.append(known[name])
            elif position == 0 and cache is not None:
                given.append(cache)
            elif position == 0 and len(needed) == 2:
                given.append(known["x"])  # backward(dy, inputs)
            else:
                raise TypeError(
                    f"check.layer: what is backward's argument {name!r}? Known are dy, what forward returns beside y, "
                    f"and {', '.join(known)}; write backward(dy, cache)"
                )
        return {**self.named(self.backward(*given)), ABOVE: y}


def _required(function: Callable[..., Any]) -> list[str]:
    """The names of the positional arguments that a function must have."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return ["dy"]
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [
        parameter.name for parameter in parameters if parameter.kind in kinds and parameter.default is parameter.empty
    ]


def _applied(forward: Callable[..., Any], x: Any, params: dict[str, Any]) -> Any:
    needed = _required(forward)
    if not params:
        return forward(x)
    if len(needed) == 2 and len(params) != 1 and needed[1] not in params:
        return forward(x, params)  # forward(x, params), a dict
    if len(needed) == 2 and needed[1] == "params":
        return forward(x, params)
    if set(params) <= set(inspect.signature(forward).parameters):
        return forward(x, **params)
    return forward(x, *params.values())


class _Object(_LayerByHand):
    """An object that keeps its parameters, its cache and its gradients in attributes."""

    def __init__(self, made: Any, x: Any, params: Mapping[str, Any] | None, seed: int) -> None:
        self.object = made
        self.kept = dict(params) if params else {}
        if x is not None and params is None:
            self.kept = self._own_parameters(np.asarray(x))
        super().__init__(x, self.kept, seed)

    def _own_parameters(self, x: Array) -> dict[str, Array]:
        """Those attributes for which there is a gradient after one forward and backward."""
        y = self._forward(x.astype(float) if x.dtype.kind == "f" else x)
        self._backward(np.ones(np.shape(y)))
        found: dict[str, Array] = {}
        for name, value in _arrays(self.object):
            if _gradient(self.object, name) is not None:
                found[name] = np.array(value)
        return found

    def _forward(self, x: Any) -> Any:
        result = self.object.forward(x)
        return result[0] if isinstance(result, tuple) else result

    def _backward(self, dy: Any) -> Any:
        return self.object.backward(dy) if _required(self.object.backward) else self.object.backward()

    @contextlib.contextmanager
    def _at(self, point: Mapping[str, Any]) -> Iterator[None]:
        """The object with these parameters, for the length of a call."""
        before = {name: _get(self.object, name) for name in self.kept}
        try:
            for name in self.kept:
                _put(self.object, name, point[name] if name in point else before[name])
            yield
        finally:
            for name, value in before.items():
                _put(self.object, name, value)

    def output(self, point: Mapping[str, Any]) -> Any:
        with self._at(point):
            return self._forward(point.get("x", self.x))

    def grads(self, point: Mapping[str, Any]) -> dict[str, Any]:
        with self._at(point):
            y = np.array(self._forward(point.get("x", self.x)))
            result = self._backward(_plain(point[ABOVE]))
            found = {} if result is None else self.named(result)
            found[ABOVE] = y
            for name in self.kept:
                own = _gradient(self.object, name)
                if name not in found and own is not None:
                    found[name] = np.array(own)
            return found


def _containers(owner: Any, *names: str) -> Iterator[Any]:
    for name in names:
        value = getattr(owner, name, None)
        if isinstance(value, dict | list):
            yield value


def _arrays(owner: Any) -> Iterator[tuple[str, Array]]:
    """The float arrays of an object: its attributes, and those in its `params`."""
    for name, value in list(vars(owner).items()):
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            yield name, value
    for box in _containers(owner, "params", "parameters"):
        pairs = box.items() if isinstance(box, dict) else enumerate(box)
        for key, value in pairs:
            if (
                isinstance(value, np.ndarray)
                and value.dtype.kind == "f"
                and not any(value is known for known in vars(owner).values())
            ):
                yield f"params[{key}]", value


def _gradient(owner: Any, name: str) -> Any:
    """What an object keeps as the gradient of one of its arrays."""
    key = name[len("params[") : -1] if name.startswith("params[") else name
    for alias in (f"d{key}", f"grad_{key}", f"d_{key}", f"{key}_grad"):
        if isinstance(getattr(owner, alias, None), np.ndarray | float):
            return getattr(owner, alias)
    for box in _containers(owner, "grads", "gradients"):
        if isinstance(box, dict):
            for alias in (key, f"d{key}"):
                if alias in box:
                    return box[alias]
        elif key.isdigit() and int(key) < len(box):
            return box[int(key)]
    return None


def _get(owner: Any, name: str) -> Any:
    if not name.startswith("params["):
        return getattr(owner, name)
    box = next(_containers(owner, "params", "parameters"))
    key = name[len("params[") : -1]
    return box[key] if isinstance(box, dict) else box[int(key)]


def _put(owner: Any, name: str, value: Any) -> None:
    if not name.startswith("params["):
        setattr(owner, name, value)
        return
    box = next(_containers(owner, "params", "parameters"))
    key = name[len("params[") : -1]
    if isinstance(box, dict):
        box[key] = value
    else:
        box[int(key)] = value
