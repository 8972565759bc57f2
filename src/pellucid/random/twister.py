"""The Mersenne twister in the state PyTorch's CPU generator has: seeding, saving, and the words it gives."""

from __future__ import annotations

import operator
import os
import secrets
import threading
from typing import Any, Self, SupportsIndex
from weakref import WeakSet

import numpy as np
import numpy.typing as npt

from ..types.devices import device as Device

Array = npt.NDArray[Any]

_DEFAULT_SEED = 67280421310721
_TWISTER_WORDS = 624

# The bytes of PyTorch's own `Generator.get_state()`.
_STATE = np.dtype(
    [
        ("seed", "<u8"),
        ("left", "<i4"),
        ("seeded", "<i4"),
        ("next", "<u8"),
        ("key", "<u8", _TWISTER_WORDS),
        ("normal_x", "<f8"),
        ("spare_normal", "<f8"),
        ("normal_rho", "<f8"),
        ("has_spare_normal", "<i4"),
        ("padding", "V12"),
    ]
)


class Twister:
    """A stream of 32-bit words (Matsumoto and Nishimura 1998) and the second of a pair of normal numbers.

    `init_genrand` seeds it, which is NumPy's legacy seeding.
    """

    def __new__(cls, *_: Any, **__: Any) -> Self:
        made = super().__new__(cls)
        with _registering:
            _known.add(made)  # copies and unpickled ones, too
        return made

    def __init__(self, device: str | Device = "cpu") -> None:
        self._device = Device(device)
        self._seed = _DEFAULT_SEED
        self._twister: np.random.MT19937 | None = None  # made by the first draw, as NumPy's random module loads slowly
        self._spare_normal: float | None = None  # normal numbers of the serial method come in pairs

    @property
    def device(self) -> Device:
        """Where the tensors are for which it draws. The numbers are those of PyTorch's CPU generator on any device."""
        return self._device

    def __repr__(self) -> str:
        return f"<pellucid.Generator device={self._device}, initial_seed={self._seed}>"

    # The state

    def manual_seed(self, seed: SupportsIndex) -> Self:
        """Start the stream of `seed`, an integer from -2⁶³ to 2⁶⁴ - 1, and return self.

        A negative seed counts from 2⁶⁴ down. The twister takes the low 32 bits alone. Raises RuntimeError for
        what is no integer, ValueError for one out of bounds.

        >>> Twister().manual_seed(-1).initial_seed() == 2**64 - 1
        True
        """
        if isinstance(seed, bool) or not hasattr(seed, "__index__"):
            raise RuntimeError(f"manual_seed expected a long, but got {type(seed).__name__}: write an integer")
        number = operator.index(seed)
        if not -(2**63) <= number < 2**64:
            raise ValueError(f"Overflow: a seed is an integer from -2**63 to 2**64 - 1, but got {number}")
        self._seed = number % 2**64
        self._twister = None
        self._spare_normal = None
        return self

    def seed(self) -> int:
        """Start the stream of a seed that the operating system chooses, and return that seed."""
        return self.manual_seed(secrets.randbits(64))._seed

    def initial_seed(self) -> int:
        """The seed of the stream, as an integer from 0 to 2⁶⁴ - 1."""
        return self._seed

    def get_state(self) -> Array:
        """All that decides the numbers to come: 5056 bytes (uint8), the same as PyTorch's for the same history."""
        twister: Any = self._stream().state["state"]
        fresh = twister["pos"] == _TWISTER_WORDS and int(twister["key"][0]) == self._seed % 2**32
        state = np.zeros((), _STATE)
        state["seed"] = self._seed
        state["seeded"] = 1
        state["key"] = twister["key"]
        state["next"] = 0 if fresh else twister["pos"]
        state["left"] = 1 if fresh else _TWISTER_WORDS + 1 - twister["pos"]
        if self._spare_normal is not None:
            state["spare_normal"] = self._spare_normal
            state["has_spare_normal"] = 1
        return np.frombuffer(state.tobytes(), np.uint8).copy()

    def set_state(self, state: Array) -> Self:
        """Continue from what `get_state` (this one's or PyTorch's) returned, and return self.

        Raises TypeError if `state` is not of bytes, RuntimeError if it is no state of a Generator.
        """
        if state.dtype != np.uint8:
            raise TypeError(
                f"RNG state must be an array of bytes (uint8), as get_state() returns it: got {state.dtype}"
            )
        if state.size != _STATE.itemsize:
            raise RuntimeError(f"RNG state has {_STATE.itemsize} bytes, as get_state() returns it: got {state.size}")
        fields = np.frombuffer(state.tobytes(), _STATE)[0]
        left, position = int(fields["left"]), int(fields["next"])
        if left == 1:
            position = _TWISTER_WORDS
        if not fields["seeded"] or position != _TWISTER_WORDS + 1 - left or not 0 <= position <= _TWISTER_WORDS:
            raise RuntimeError("Invalid mt19937 state: these bytes were not returned by get_state()")
        self.manual_seed(int(fields["seed"]))
        key = fields["key"].astype(np.uint32)
        self._stream().state = {"bit_generator": "MT19937", "state": {"key": key, "pos": position}}
        self._spare_normal = float(fields["spare_normal"]) if fields["has_spare_normal"] else None
        return self

    # The words

    def _stream(self) -> np.random.MT19937:
        if self._twister is None:
            with _registering:  # the first imports numpy.random, which a fork must not cut in two
                twister = np.random.MT19937(0)
                np.random.RandomState(twister).seed(self._seed % 2**32)  # init_genrand
            self._twister = twister
        return self._twister

    def _words(self, count: int) -> Array:
        """The next `count` 32-bit words, as uint64."""
        return self._stream().random_raw(count)

    def _words64(self, count: int) -> Array:
        words = self._words(2 * count)
        return (words[0::2] << np.uint64(32)) | words[1::2]

    def _unit32(self, count: int) -> Array:
        """Uniform on [0, 1) with 24 bits, float32."""
        return units_of(self._words(count))

    def _unit64(self, count: int) -> Array:
        """Uniform on [0, 1) with 53 bits, float64."""
        return (self._words64(count) & np.uint64(2**53 - 1)) * 2.0**-53


_STEP = np.float32(2.0**-24)


def units_of(words: Array) -> Array:
    """32-bit words as float32 uniform on [0, 1): their low 24 bits."""
    integers = words.astype(np.int32)
    integers &= 0xFFFFFF
    numbers = integers.astype(np.float32)
    numbers *= _STEP
    return numbers


# A fork while another thread draws would leave the child with a lock that nobody opens: a draw holds the lock of its
# stream. So a fork waits until no thread draws, and both sides go on from there.

_known: WeakSet[Twister] = WeakSet()
_registering = threading.RLock()
_held: list[Any] = []


def _before_fork() -> None:
    _registering.acquire()
    for twister in _known:
        stream = twister.__dict__.get("_twister")
        if stream is not None:
            stream.lock.acquire()
            _held.append(stream.lock)


def _after_fork() -> None:
    while _held:
        _held.pop().release()
    _registering.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
