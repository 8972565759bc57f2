"""`saved_tensors_hooks`: what is kept for backward passes through two functions of the user's, in and out.

An interpreter behind the door sees each application that was recorded, and packs what its node kept. Such a node
unpacks when its rules are called; ops and rules do not know.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from pellucid.backend import Array
from pellucid.core.application import SECOND_TIME, OpNode, handles
from pellucid.core.context import state
from pellucid.core.declaration import Declaration
from pellucid.core.door import Interpreter, below
from pellucid.core.modes import no_grad
from pellucid.core.node import AUX, OUT, VALUE, Arguments, Attributes, Node
from pellucid.core.tensor import Tensor, wrap
from pellucid.core.views import ScatterNode

__all__ = ["Packed", "SavedTensor", "disable_saved_tensors_hooks", "pack", "save_on_cpu", "saved_tensors_hooks"]


class saved_tensors_hooks:
    """Within the block, `pack_hook(tensor)` is called with each tensor that is saved for backward.

    What it returns is kept instead; `unpack_hook` gets that in backward and returns a tensor of the same numbers. To
    save memory: keep a smaller form, a file, a copy on another device.

    Raises:
        RuntimeError: within `disable_saved_tensors_hooks`, with its message; a pack hook that changed the tensor.
        TypeError: an unpack hook that returns something else than a Tensor.

    >>> import pellucid
    >>> x = pellucid.tensor([3.0], requires_grad=True)
    >>> with saved_tensors_hooks(lambda tensor: tensor.numpy().tobytes(), lambda kept: pellucid.tensor([3.0])):
    ...     y = x * x
    >>> y.backward()
    >>> x.grad
    tensor([6.])
    """

    def __init__(self, pack_hook: Callable[[Tensor], Any], unpack_hook: Callable[[Any], Tensor]) -> None:
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook

    def __enter__(self) -> None:
        if forbidden:
            raise RuntimeError(forbidden[-1])
        pushed = _Packing(self)
        state.interpreters = (*state.interpreters, pushed)
        state.packers = (*state.packers, pushed)

    def __exit__(self, *error: object) -> None:
        # Found by its owner, not remembered: a hook may have left the block before, within a backward pass.
        pushed = next((other for other in reversed(state.packers) if cast("_Packing", other).owner is self), None)
        state.interpreters = tuple(other for other in state.interpreters if other is not pushed)
        state.packers = tuple(other for other in state.packers if other is not pushed)


class save_on_cpu(saved_tensors_hooks):
    """Keep what is saved for backward in the memory of the CPU: with arrays of NumPy it is there already."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        super().__init__(lambda tensor: (tensor.device, tensor.cpu()), lambda kept: kept[1].to(kept[0]))


class disable_saved_tensors_hooks:
    """Within the block, to enter `saved_tensors_hooks` raises RuntimeError with this message; also a decorator."""

    def __init__(self, error_message: str) -> None:
        self.error_message = error_message

    def __enter__(self) -> None:
        if state.packers:
            raise RuntimeError(self.error_message)
        forbidden.append(self.error_message)

    def __exit__(self, *error: object) -> None:
        forbidden.pop()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def within(*args: Any, **kwargs: Any) -> Any:
            with disable_saved_tensors_hooks(self.error_message):
                return function(*args, **kwargs)

        return within


forbidden: list[str] = []


class SavedTensor:
    """A value that is saved for backward, before it is unpacked: `grad_fn._raw_saved_self`, to hang hooks on it alone.

    Raises:
        RuntimeError: a program makes one.
    """

    def __init__(self, pack_with: Callable[[saved_tensors_hooks], None] | None = None) -> None:
        if pack_with is None:
            raise RuntimeError(
                "Trying to create a SavedTensor object from Python is forbidden. It is found at a node: "
                "y.grad_fn._raw_saved_self"
            )
        self._pack_with = pack_with

    def register_hooks(self, *hooks: Callable[[object], object]) -> None:
        """Keep `pack_hook(tensor)` in place of the tensor, and use `unpack_hook` of that in backward.

        Raises:
            RuntimeError: it has hooks already; it was freed; nothing is saved there.
            TypeError: not two functions.

        >>> import pellucid
        >>> x = pellucid.tensor(3.0, requires_grad=True)
        >>> y = x.exp()
        >>> y.grad_fn._raw_saved_result.register_hooks(lambda value: value.item(), pellucid.tensor)
        >>> y.backward()
        >>> x.grad
        tensor(20.0855)
        """
        if len(hooks) != 2 or not all(map(callable, hooks)):
            raise TypeError(
                "register_hooks(): incompatible function arguments. A pack hook and an unpack hook are wanted, two "
                "functions of one argument"
            )
        self._pack_with(saved_tensors_hooks(hooks[0], cast("Callable[[object], Tensor]", hooks[1])))


def _refuse_second(value: object) -> None:
    if isinstance(value, Packed):
        raise RuntimeError(
            "Calling register_hooks on a saved tensor whose hooks have already been set. Please register only one pair "
            "of hooks at a time."
        )


def _handle(node: OpNode, slot: int) -> SavedTensor:
    """The value of a slot of a node, to hang hooks on."""

    def pack_with(hooks: saved_tensors_hooks) -> None:
        if node.freed:
            raise RuntimeError(f"Calling register_hooks on a saved tensor after it has been freed. {SECOND_TIME}")
        held = list(vars(node)["packed"] if isinstance(node, PackedNode) else node.saved)
        _refuse_second(held[slot])
        if not hasattr(held[slot], "dtype"):
            raise RuntimeError("Calling register_hooks on a saved tensor with value None is forbidden")
        held[slot] = Packed(hooks, wrap(held[slot]))
        node.guards = tuple(guard for guard in node.guards if guard[2] != slot)
        node.by_products = True  # so that what was packed is freed
        if not isinstance(node, PackedNode):
            del node.saved
            node.__class__ = PackedNode
        node.saved = tuple(held)

    return SavedTensor(pack_with)


handles.append(_handle)


class Packed:
    """One saved tensor, as the pack hook left it."""

    def __init__(self, hooks: _Packing | saved_tensors_hooks, tensor: Tensor) -> None:
        self.unpack_hook = hooks.unpack_hook
        version = tensor._version
        with no_grad():
            self.kept = hooks.pack_hook(tensor)
        if tensor._version != version:
            raise RuntimeError(
                "A saved tensor pack hook is modifying its input in place. Tensors provided as input to pack hook can "
                "not be modified by in-place operations as this can lead to unexpected side-effects: return a clone "
                "that is changed"
            )

    def unpack(self) -> Tensor:
        """The tensor, from the unpack hook."""
        tensor = self.unpack_hook(self.kept)
        if not isinstance(tensor, Tensor):
            raise TypeError(
                "Output of saved tensor unpack_hook expected to be a Tensor but got result of type "
                f"{type(tensor).__name__!r}"
            )
        return tensor


def pack(tensor: Tensor) -> Packed:
    """The tensor as the innermost hooks pack it; there must be some, `state.packers`."""
    return Packed(cast("_Packing", state.packers[-1]), tensor)


class _Packing(Interpreter):
    """Packs what the nodes keep that are recorded while it is on."""

    as_given = True

    def __init__(self, owner: saved_tensors_hooks) -> None:
        self.owner, self.pack_hook, self.unpack_hook = owner, owner.pack_hook, owner.unpack_hook

    def apply(self, op: Declaration, args: Arguments, kwargs: Attributes) -> Any:
        innermost = bool(state.packers) and state.packers[-1] is self
        known = self._before(op, args) if innermost else None
        result = below(self, op, args, kwargs)
        first = cast("Arguments", result)[0] if isinstance(result, tuple) else result
        node = first.grad_fn if isinstance(first, Tensor) else None
        if isinstance(node, ScatterNode):
            node = cast("Node", node.edges[1])
        # An outer one hands on to this one's result: the innermost packs, and a node is packed once.
        if isinstance(node, OpNode) and not isinstance(node, PackedNode) and node.op is op and innermost:
            self._pack(node, args, known or {})
        return result

    def _before(self, op: Declaration, args: Arguments) -> dict[int, Packed] | None:
        """Of an op that saves inputs alone those, packed before it is computed: a hook may want no more than them."""
        mask = sum(1 << i for i, value in enumerate(args) if isinstance(value, Tensor) and value.requires_grad)
        if not mask or not state.grad or not op.rules or op.mutates or op.star is not None:
            return None
        saves = (op.plans.get(mask) or op.plan(mask)).saves
        kept = {slot: args[which] for slot, (what, which) in enumerate(saves) if what == VALUE}
        if any(what in (OUT, AUX) for what, _ in saves) or not all(isinstance(one, Tensor) for one in kept.values()):
            return None
        if len({value._array.dtype for value in args if isinstance(value, Tensor)}) > 1:
            return None  # what is saved is what they are converted to
        if not all(other.as_given for other in state.interpreters[: state.interpreters.index(self)]):
            return None
        outer, state.interpreters = state.interpreters, ()
        try:
            return {slot: Packed(self, wrap(tensor._array)) for slot, tensor in kept.items()}
        finally:
            state.interpreters = outer

    def _pack(self, node: OpNode, args: Arguments, known: dict[int, Packed]) -> None:
        held: list[object] = list(node.saved)
        outer, state.interpreters = state.interpreters, ()
        try:
            for slot, (what, which) in enumerate(node.plan.saves):
                if slot in known:
                    held[slot] = known[slot]
                elif what == OUT:
                    held[slot] = Packed(self, wrap(held[slot]))
                elif what == VALUE and which is None:
                    held[slot] = [Packed(self, wrap(array)) for array in node.saved[slot]]
                elif what == VALUE and isinstance(args[which], Tensor):
                    held[slot] = Packed(self, wrap(held[slot]))
        finally:
            state.interpreters = outer
        node.guards = ()
        node.by_products = True  # so that what was packed is freed
        del node.saved
        node.__class__ = PackedNode
        node.saved = tuple(held)


class PackedNode(OpNode):
    """A node of an op whose saved values are packed: they are unpacked each time that they are asked for."""

    @property
    def saved(self) -> tuple[Array, ...]:  # type: ignore[override]
        try:
            return tuple(_unpacked(value) for value in vars(self)["packed"])
        except AttributeError as error:
            vars(self)["failure"] = error
            raise

    def __getattr__(self, name: str) -> object:
        if name == "saved":  # Python comes here where the property raised AttributeError: the hook's own is to be seen
            raise vars(self).pop("failure")
        return super().__getattr__(name)

    @saved.setter
    def saved(self, values: tuple[Array, ...]) -> None:
        vars(self)["packed"] = values


def _unpacked(value: object) -> Array:
    if isinstance(value, Packed):
        return value.unpack()._array
    if isinstance(value, list):
        return [_unpacked(part) for part in cast("list[Array]", value)]
    return value
