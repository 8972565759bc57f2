"""Selective checkpoints: a policy says of which ops the results are kept, and which are computed again in backward.

Two modes do it (see `_python_dispatch`): one in forward, which puts results aside, and one in the second computation,
which takes them from there in the same order.
"""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from ..core import Tensor
from ..core.node import Arguments, Attributes
from ._python_dispatch import TorchDispatchMode
from ._pytree import tree_map
from .overloads import OpOverload, OpOverloadPacket

__all__ = ["CheckpointPolicy", "SelectiveCheckpointContext", "create_selective_checkpoint_contexts"]


class CheckpointPolicy(enum.Enum):
    """What a policy says of an op; what it must and what it prefers is the same here, where nothing is compiled."""

    MUST_SAVE = 0
    PREFER_SAVE = 1
    MUST_RECOMPUTE = 2
    PREFER_RECOMPUTE = 3
    MUST_CPU_OFFLOAD = 4


class SelectiveCheckpointContext:
    """What a policy gets first: `is_recompute`, whether this is the second computation."""

    def __init__(self, *, is_recompute: bool) -> None:
        self.is_recompute = is_recompute


Policy = Callable[..., CheckpointPolicy | bool]


class _VersionWrapper:
    """A result that was put aside, and how often its memory had been changed then."""

    def __init__(self, val: Any) -> None:
        self.val = val
        self.version = val._version if isinstance(val, Tensor) else None

    def get_val(self, allow_cache_entry_mutation: bool) -> Any:
        """The result; RuntimeError where it was changed since."""
        if self.version is not None and self.val._version != self.version and not allow_cache_entry_mutation:
            raise RuntimeError(
                "Tensor cached during selective activation checkpoint has been mutated: change a clone of it, or say "
                "create_selective_checkpoint_contexts(..., allow_cache_entry_mutation=True)"
            )
        return self.val


def _saves(policy: CheckpointPolicy | bool) -> bool:
    if isinstance(policy, bool):
        return policy
    return policy in (CheckpointPolicy.MUST_SAVE, CheckpointPolicy.PREFER_SAVE)


class _CachingTorchDispatchMode(TorchDispatchMode):
    """Puts aside the results that the policy wants."""

    def __init__(self, policy_fn: Policy, storage: defaultdict[OpOverload, list[Any]]) -> None:
        super().__init__()
        self.policy_fn, self.storage = policy_fn, storage

    def __torch_dispatch__(
        self, func: OpOverload, types: tuple[type, ...], args: Arguments = (), kwargs: Attributes | None = None
    ) -> Any:
        kwargs = kwargs or {}
        made = func(*args, **kwargs)
        if _saves(self.policy_fn(SelectiveCheckpointContext(is_recompute=False), func, *args, **kwargs)):
            # Without its history, which leads to this storage again.
            self.storage[func].append(
                tree_map(lambda part: _VersionWrapper(part.detach() if isinstance(part, Tensor) else part), made)
            )
        return made


class _CachedTorchDispatchMode(TorchDispatchMode):
    """Gives in the second computation what was put aside in the first."""

    def __init__(
        self, policy_fn: Policy, storage: defaultdict[OpOverload, list[Any]], allow_cache_entry_mutation: bool
    ) -> None:
        super().__init__()
        self.policy_fn, self.storage = policy_fn, storage
        self.allow_cache_entry_mutation = allow_cache_entry_mutation

    def __torch_dispatch__(
        self, func: OpOverload, types: tuple[type, ...], args: Arguments = (), kwargs: Attributes | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if not _saves(self.policy_fn(SelectiveCheckpointContext(is_recompute=True), func, *args, **kwargs)):
            return func(*args, **kwargs)
        if not self.storage.get(func):
            raise RuntimeError(
                "Trying to backward an extra time. You are only allowed to backward once on any region computed under "
                f"selective activation checkpoint: what was put aside of {func} was taken by the first backward"
            )
        return tree_map(lambda part: part.get_val(self.allow_cache_entry_mutation), self.storage[func].pop(0))


def create_selective_checkpoint_contexts(
    policy_fn_or_list: Policy | Sequence[OpOverload], allow_cache_entry_mutation: bool = False
) -> tuple[TorchDispatchMode, TorchDispatchMode]:
    """The two contexts that `checkpoint` wants of a `context_fn`, so that some results are not computed again.

    Args:
        policy_fn_or_list: `policy(ctx, op, *args, **kwargs)` returns a `CheckpointPolicy`, or True for what is to be
            kept, of each op, such as `torch.ops.aten.mm.default`; or a list of the ops whose results are kept.
        allow_cache_entry_mutation: whether a result that was kept may have been changed in place since.

    Raises:
        ValueError: something else than an op in the list.
        TypeError: neither a function nor a list.

    >>> import functools
    >>> import pellucid
    >>> from pellucid.utils.checkpoint import checkpoint
    >>> from pellucid.utils.overloads import aten
    >>> def policy(ctx, op, *args, **kwargs):
    ...     print("again" if ctx.is_recompute else "first", op)
    ...     return op is aten.exp.default
    >>> x = pellucid.ones(2, requires_grad=True)
    >>> kept = functools.partial(create_selective_checkpoint_contexts, policy)
    >>> y = checkpoint(lambda x: x.exp().sin().cos(), x, use_reentrant=False, context_fn=kept).sum()
    first aten.exp.default
    first aten.sin.default
    first aten.cos.default
    >>> y.backward()
    again aten.exp.default
    again aten.sin.default
    again aten.cos.default
    """
    policy: Policy
    if isinstance(policy_fn_or_list, list | tuple | set | frozenset):
        listed = set(map(_checked, policy_fn_or_list))
        policy = lambda ctx, op, *args, **kwargs: op in listed  # noqa: E731
    elif callable(policy_fn_or_list):
        policy = policy_fn_or_list
    else:
        raise TypeError("policy_fn_or_list must be either a function or a list of ops.")
    storage: defaultdict[OpOverload, list[Any]] = defaultdict(list)
    return (
        _CachingTorchDispatchMode(policy, storage),
        _CachedTorchDispatchMode(policy, storage, allow_cache_entry_mutation),
    )


def _checked(op: object) -> OpOverload:
    if isinstance(op, OpOverload):
        return op
    more = ""
    if isinstance(op, OpOverloadPacket):
        more = f". Please update the OpOverloadPacket to a specific OpOverload: torch.ops.aten.{op.__name__}.default"
    raise ValueError(f"Expected op in `op_list` to be an OpOverload but got: {op} of type {type(op)}{more}")
