"""Whether a network that is to say what comes next is shown it: asked by another last token, in eval(); and whether
it is asked for what comes next at all, or for the token itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import FrameType
from typing import Any

import numpy as np

from pellucid.core import Interpreter, Tensor, below, state
from pellucid.errors import in_package, user_frame

from .arrays import array_of
from .criterion import LossCall
from .mixing import first_of, quietly
from .record import Place

STEPS = 4  # of a sequence at least
FEW = 4  # sequences at least, and kinds of a token
TOLD = 0.1  # of the tokens, that the one before it tells beside the most frequent one
AHEAD = 0.01  # of its spread, by which an output changes with what comes later
MASK = re.compile(r"mask", re.IGNORECASE)


@dataclass(frozen=True)
class Foresight:
    """What outputs know of later tokens."""

    effect: float  # by how much, as a share of their spread, outputs change with a token that comes later
    place: Place | None  # where it is looked at
    own: float = 0.0  # … and those of a step with the token that goes in at that step
    asked_for_itself: bool = False  # whether the target of each step is the token that goes in at that step


class _Beside:
    """A network with one of its arguments free, beside others that stay."""

    def __init__(self, network: Any, given: tuple[Any, ...], free: int) -> None:
        self.network, self.given, self.free = network, given, free
        self.modules, self.buffers = network.modules, network.buffers

    def __call__(self, x: Any) -> Any:
        return self.network(*self.given[: self.free], x, *self.given[self.free + 1 :])


def foresees(networks: list[Any], given: tuple[Any, ...], call: LossCall | None) -> Foresight | None:
    """What outputs know of tokens that come later, in any of what a network is given.

    None where a sequence is not asked for its own tokens: the target of each step has to be what goes in at the
    next one, and that of the last step none that goes in; or what goes in at that step, of text whose next token could
    be told.
    """
    if len(networks) != 1 or call is None or not isinstance(call.target, Tensor):
        return None
    for free, batch in enumerate(given):
        if isinstance(batch, Tensor) and (found := _foresees(_Beside(networks[0], given, free), batch, call.target)):
            return found
    return None


def _foresees(network: _Beside, batch: Tensor, asked: Tensor) -> Foresight | None:
    tokens, target = _tokens(array_of(batch)), array_of(asked)
    if tokens is None or target.size != tokens.size or target.dtype.kind not in "iu":
        return None
    if np.array_equal(tokens, target.reshape(tokens.shape)):
        return _of_itself(network, batch, tokens)
    for axis in (1, 0):  # along which time goes
        steps = tokens.shape[axis]
        if steps < STEPS or tokens.shape[1 - axis] < FEW or not _are_next(tokens, target.reshape(tokens.shape), axis):
            continue
        try:
            return _effect(network, batch, axis, tokens.shape)
        except Exception:  # noqa: BLE001 (a network that cannot be called like this)
            return None
    return None


def _of_itself(network: _Beside, batch: Any, tokens: np.ndarray) -> Foresight | None:
    """Of a network that is asked for the token that it is given, as an encoder and its decoder are, too: these read
    the whole of a sequence before they answer. Where it has something else beside it, it is to be told by that."""
    alone = network.free == 0
    if min(tokens.shape) < STEPS or (alone and not any(_can_be_told(np.moveaxis(tokens, axis, 1)) for axis in (1, 0))):
        return None
    try:
        found = [seen for axis in (1, 0) if (seen := _effect(network, batch, axis, tokens.shape)) is not None]
    except Exception:  # noqa: BLE001 (a network that cannot be called like this)
        return None
    if len(found) < 2:
        return None
    effect, own = max(seen.effect for seen in found), min(seen.own for seen in found)
    return Foresight(effect, None, own, asked_for_itself=True)


def _can_be_told(tokens: np.ndarray) -> bool:
    """Whether a token says something of the next: what follows it most often in half of the rows, in the others."""
    half = len(tokens) // 2
    known, asked = (np.stack([part[:, :-1].ravel(), part[:, 1:].ravel()]) for part in (tokens[:half], tokens[half:]))
    often = np.bincount(known[1]).argmax()
    guess = {token: np.bincount(known[1][known[0] == token]).argmax() for token in np.unique(known[0])}
    right = np.array([guess.get(token, often) for token in asked[0]]) == asked[1]
    return right.mean() > (asked[1] == often).mean() + TOLD


def _tokens(array: np.ndarray) -> np.ndarray | None:
    """The numbers of tokens, (rows, steps), of a batch of them or of one where 1 stands in the place of each."""
    if array.ndim == 2 and array.dtype.kind in "iu":
        return array
    if array.ndim == 3 and array.shape[2] > 1 and set(np.unique(array)) == {0.0, 1.0} and (array.sum(2) == 1).all():
        return array.argmax(2)
    return None


def _are_next(tokens: np.ndarray, target: np.ndarray, axis: int) -> bool:
    """Whether each step is asked for the token of the next, all of which vary, and the last for one of many."""
    x, y = (np.moveaxis(a, axis, 1) for a in (tokens, target))
    varied = len(np.unique(y[:, -1])) >= FEW and len(np.unique(x[:, -1])) >= FEW
    return varied and bool((y[:, :-1] == x[:, 1:]).all())


def _effect(network: _Beside, batch: Any, axis: int, shape: tuple[int, ...]) -> Foresight | None:
    array = array_of(batch)
    other = np.moveaxis(array.copy(), axis, 1)
    other[:, -1] = np.roll(other[:, -1], 1, axis=0)
    watch = _Watch()
    before = state.interpreters
    state.interpreters = (*before, watch)
    try:
        was = first_of(quietly(network, batch))
    finally:
        state.interpreters = before
    again = first_of(quietly(network, batch))
    now = first_of(quietly(network, batch.new_tensor(np.ascontiguousarray(np.moveaxis(other, 1, axis)))))
    if not (isinstance(was, Tensor) and isinstance(again, Tensor) and isinstance(now, Tensor)):
        return None
    a, b, c = (array_of(x).astype(float) for x in (was, now, again))
    if not np.array_equal(a, c) or not np.isfinite(a).all() or a.shape != b.shape:
        return None  # it draws numbers, or keeps a state
    first, second = _by_place(a, shape), _by_place(b, shape)
    if first is None or second is None:
        return None
    first, second = np.moveaxis(first, axis, 1), np.moveaxis(second, axis, 1)
    spread = float(first[:, :-1].std()) or 1.0
    changes = np.abs(first - second) / spread
    return Foresight(float(changes[:, :-1].mean()), watch.place, float(changes[:, -1].mean()))


def _by_place(outputs: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
    """Outputs as (rows, steps, classes); None where they do not come like this."""
    if outputs.ndim == 3 and outputs.shape[:2] == shape:
        return outputs
    flat = outputs.ndim == 2 and len(outputs) == shape[0] * shape[1]
    return outputs.reshape(*shape, -1) if flat else None


class _Watch(Interpreter):
    """Where the first weights of an attention are made; of a function that takes a mask and got none, where it is
    called."""

    place: Place | None = None

    def apply(self, op: Any, args: Any, kwargs: Any) -> Any:
        if self.place is None and op.name in ("softmax", "attention", "scaled_dot_product_attention"):
            frame = user_frame()
            while frame is not None and _has_left_out(frame) and (outer := _caller(frame)) is not None:
                frame = outer
            self.place = (frame.f_code.co_filename, frame.f_lineno) if frame is not None else None
        return below(self, op, args, kwargs)


def _has_left_out(frame: FrameType) -> bool:
    """Whether a function takes a mask, and it is None."""
    code = frame.f_code
    taken = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return any(MASK.search(name) and frame.f_locals.get(name, 0) is None for name in taken)


def _caller(frame: FrameType) -> FrameType | None:
    """The function of the user's that called one of the user's, through layers of pellucid's."""
    outer = frame.f_back
    while outer is not None and in_package(outer):
        outer = outer.f_back
    return outer
