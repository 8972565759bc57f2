"""What a `Function` leaves in its forward for its backward: the context, and how what is saved there is kept."""

from __future__ import annotations

import warnings
from typing import Any, cast

from pellucid.core.application import SECOND_TIME
from pellucid.core.node import Arguments, Guard
from pellucid.core.tensor import Tensor, edge_of, like
from pellucid.errors import with_line
from pellucid.reverse.rules import through

from .saved import Packed, SavedTensor, pack, saved_tensors_hooks


class Kept:
    """What a context keeps for the engine. Its own class, since a context's attributes are the user's."""

    def __init__(self) -> None:
        self.saved: Arguments = ()
        self.saved_for_forward: Arguments | None = None
        self.guards: list[Guard] = []  # (counter, its value when saved, the tensor), as those of a node
        self.freed = False
        self.dirty: Arguments = ()
        self.nondifferentiable: Arguments = ()
        self.materialize = True
        self.node: Any = None  # a weak reference: the node holds the context


class FunctionCtx:
    """What forward leaves for backward: `save_for_backward` for tensors, attributes for everything else."""

    def __init__(self, kept: Kept | None = None) -> None:
        self.needs_input_grad: tuple[bool, ...] = ()
        self._kept = kept or Kept()

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep inputs or outputs for backward; a later change in place is then noticed."""
        for index, tensor in enumerate(tensors):
            if tensor is not None and not isinstance(tensor, Tensor):
                raise TypeError(
                    f"save_for_backward can only save tensors and None, but argument {index} is of type "
                    f"{type(tensor).__name__}; write ctx.name = value for everything else"
                )
        self._kept.saved = tensors

    def save_for_forward(self, *tensors: object) -> None:
        """Keep inputs or outputs for `jvp`, which finds them in `saved_tensors`."""
        self._kept.saved_for_forward = tensors

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Name the inputs that forward changed in place."""
        self._kept.dirty = tensors

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Name the outputs that no gradient flows through."""
        self._kept.nondifferentiable = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether backward gets zeros (default) or None for outputs that nothing used."""
        self._kept.materialize = value

    @property
    def saved_tensors(self) -> Arguments:
        """What `save_for_backward` kept."""
        if self._kept.freed:
            raise RuntimeError(with_line(SECOND_TIME))
        for counter, version, tensor in self._kept.guards:
            if counter[0] != version:
                raise RuntimeError(
                    with_line(
                        "one of the variables needed for gradient computation has been modified by an inplace "
                        f"operation: a tensor of shape {tuple(tensor.shape)} saved by {self._kept.node().name()}, "
                        f"which is at version {counter[0]}; expected version {version} instead"
                    )
                )
        return tuple(self._restored(tensor) for tensor in self._kept.saved)

    @property
    def _raw_saved_tensors(self) -> tuple[SavedTensor, ...]:
        """What `save_for_backward` kept, each before it is unpacked (under PyTorch's name)."""
        if self._kept.freed:
            raise RuntimeError(with_line(SECOND_TIME))
        return tuple(SavedTensor(lambda hooks, i=i: self._pack(i, hooks)) for i in range(len(self._kept.saved)))

    def _pack(self, index: int, hooks: saved_tensors_hooks) -> None:
        kept, saved = self._kept, self._kept.saved[index]
        if saved is None:
            raise RuntimeError("Calling register_hooks on a saved tensor with value None is forbidden")
        known = saved.tensor if isinstance(saved, SavedOutput) else saved
        if not isinstance(known, Tensor):
            raise RuntimeError("Calling register_hooks on a saved tensor whose hooks have already been set")
        if isinstance(saved, SavedOutput):
            saved.tensor = Packed(hooks, known)
            packed_now: object = saved
        else:
            packed_now = _SavedInput(known, hooks)
        kept.saved = (*kept.saved[:index], packed_now, *kept.saved[index + 1 :])
        kept.guards = [guard for guard in kept.guards if guard[2] is not known]

    @property
    def saved_variables(self) -> Arguments:
        """The name that `saved_tensors` had before PyTorch 0.4."""
        warnings.warn("'saved_variables' is deprecated; use 'saved_tensors'", DeprecationWarning, stacklevel=2)
        return self.saved_tensors

    def _restored(self, saved: object) -> object:
        if isinstance(saved, SavedOutput):
            return self._output(saved)
        return saved.restored() if isinstance(saved, _SavedInput) else saved

    def _output(self, saved: SavedOutput) -> Tensor:
        """A saved output was kept without its history (that would be a cycle); here it gets it back."""
        values = saved.tensor.unpack() if isinstance(saved.tensor, Packed) else saved.tensor
        tensor = like(values, values._array)
        tensor._node, tensor._requires = self._kept.node().pick(saved.index), True
        return tensor


class SavedOutput:
    """An output that the function saved for its own backward."""

    def __init__(self, tensor: Tensor, index: int) -> None:
        self.tensor: Tensor | Packed = like(tensor, tensor._array)
        self.index = index


class _SavedInput:
    """An input that was saved, and is packed."""

    def __init__(self, tensor: Tensor, hooks: saved_tensors_hooks | None = None) -> None:
        plain = like(tensor, tensor._array) if tensor.requires_grad else tensor
        self.packed, self.edge = pack(plain) if hooks is None else Packed(hooks, plain), edge_of(tensor)

    def restored(self) -> Tensor:
        """The tensor with its history."""
        values = self.packed.unpack()
        if self.edge is None:
            return values
        tensor = like(values, values._array)
        tensor._node, tensor._requires = through(self.edge), True
        return tensor


def is_sparse(value: object) -> bool:
    """Whether this is a tensor of the room `sparse`, which is above."""
    kind = type(value)
    return getattr(kind, "is_sparse", False) is True or getattr(kind, "is_sparse_csr", False) is True


def is_dense(value: object) -> bool:
    """Whether this is a tensor whose numbers are all in one array."""
    return isinstance(value, Tensor) and not is_sparse(value)


def packed(saved: object) -> object:
    """What was saved, packed by the hooks that are on."""
    if isinstance(saved, SavedOutput) and isinstance(saved.tensor, Tensor):
        saved.tensor = pack(saved.tensor)
        return saved
    return _SavedInput(cast("Tensor", saved)) if is_dense(saved) else saved
