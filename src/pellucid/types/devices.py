"""Where a tensor's numbers are."""

from __future__ import annotations

from typing import Any

from pellucid import backend

_KINDS = (
    "cpu", "cuda", "ipu", "xpu", "mkldnn", "opengl", "opencl", "ideep", "hip", "ve", "fpga", "maia", "xla", "lazy",
    "vulkan", "mps", "meta", "hpu", "mtia", "privateuseone",
)  # fmt: skip


class device:
    """A device by PyTorch's names: `device("cpu")`, `device("cuda", 0)`, `device("cuda:0")`."""

    __slots__ = ("index", "type")
    type: str
    index: int | None

    def __init__(self, type: str | int | device, index: int | None = None) -> None:
        if isinstance(type, device):
            type, index = type.type, type.index
        if isinstance(type, int):
            raise RuntimeError(
                f'device({type}) is the number of an accelerator, and there is none; write "cpu" or "cuda"'
            )
        kind, _, number = type.partition(":")
        if kind not in _KINDS and not backend.is_registered(kind):
            raise RuntimeError(f"Expected one of {', '.join(_KINDS)} device type at start of device string: {kind}")
        if number and not number.isdigit():
            raise RuntimeError(f'invalid device string {type!r}: write "cpu", "cuda" or "cuda:0"')
        self.type = kind
        self.index = int(number) if number else index

    @property
    def backend(self) -> backend.Backend:
        """The array library of this device; an error that says what to install if there is none."""
        return backend.of_device(self.type)

    def __enter__(self) -> device:
        """For the length of a `with` block, tensors that are made without a device are made on this one."""
        _inner.append(self)
        return self

    def __exit__(self, *failure: object) -> None:
        _inner.pop()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type='{self.type}'{index})"


CPU = device("cpu")
_inner: list[device] = []  # of the `with` blocks, the innermost last
_outer: list[device] = []  # of `set_default_device`, at most one


def default() -> device | None:
    """Where tensors are made that are given no device: None for the CPU, if nothing else was asked for."""
    return _inner[-1] if _inner else _outer[-1] if _outer else None


def set_default(to: device | None) -> None:
    """Make `to` the device of tensors that are given none; None for the CPU."""
    _outer[:] = [] if to is None else [to]


def of_array(array: Any) -> device:
    """The device that holds `array`."""
    kind = backend.of_array(array).device
    if kind == "cpu":
        return CPU
    where = getattr(getattr(array, "device", None), "id", None)
    return device(kind, where)
