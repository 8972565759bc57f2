"""The hooks of an optimiser: around a step, around collecting its state, around loading it."""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from ..core.hooks import RemovableHandle, hang

__all__ = [
    "OptimizerHooks",
    "register_optimizer_step_post_hook",
    "register_optimizer_step_pre_hook",
    "with_hooks",
]

Hook = Callable[..., Any]


_every_pre: OrderedDict[int, Hook] = OrderedDict()  # of all optimisers
_every_post: OrderedDict[int, Hook] = OrderedDict()


def register_optimizer_step_pre_hook(hook: Hook) -> RemovableHandle:
    """``hook(optimizer, args, kwargs)`` before each step of every optimiser, before the optimiser's own hooks."""
    return hang(_every_pre, hook)


def register_optimizer_step_post_hook(hook: Hook) -> RemovableHandle:
    """``hook(optimizer, args, kwargs)`` after each step of every optimiser, after the optimiser's own hooks."""
    return hang(_every_post, hook)


class OptimizerHooks:
    """What an optimiser has of hooks: six tables, one for each moment, and how to register in them."""

    _stepping = False  # whether a step is under way whose hooks have been called

    def _without_hooks(self) -> None:
        self._step_pre_hooks: OrderedDict[int, Hook] = OrderedDict()
        self._step_post_hooks: OrderedDict[int, Hook] = OrderedDict()
        self._state_pre_hooks: OrderedDict[int, Hook] = OrderedDict()
        self._state_post_hooks: OrderedDict[int, Hook] = OrderedDict()
        self._load_pre_hooks: OrderedDict[int, Hook] = OrderedDict()
        self._load_post_hooks: OrderedDict[int, Hook] = OrderedDict()

    def register_step_pre_hook(self, hook: Hook) -> RemovableHandle:
        """``hook(optimizer, args, kwargs)`` before each step; ``args`` begins with the optimiser.

        It may return ``(args, kwargs)`` to be used instead. Called also where a subclass defines ``step`` itself.
        """
        return _hang(self._step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Hook) -> RemovableHandle:
        """``hook(optimizer, args, kwargs)`` after each step that did not fail."""
        return _hang(self._step_post_hooks, hook)

    def register_state_dict_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """``hook(optimizer)`` before `state_dict` collects."""
        return _hang(self._state_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """``hook(optimizer, state_dict)`` after `state_dict` has collected; what it returns is used instead."""
        return _hang(self._state_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """``hook(optimizer, state_dict)`` before a load, with a shallow copy; what it returns is used instead."""
        return _hang(self._load_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """``hook(optimizer)`` after a load."""
        return _hang(self._load_post_hooks, hook, prepend)


def _hang(table: OrderedDict[int, Hook], hook: Hook, prepend: bool = False) -> RemovableHandle:
    handle = hang(table, hook)
    if prepend:
        table.move_to_end(handle.id, last=False)
    return handle


def with_hooks(step: Hook) -> Hook:
    """``step`` with the step hooks around it, once, also where a subclass's ``step`` calls that of its base."""

    @functools.wraps(step)
    def hooked(self: OptimizerHooks, *args: Any, **kwargs: Any) -> Any:
        if "_step_pre_hooks" not in self.__dict__:  # an optimiser around another, which was not made as one
            return step(self, *args, **kwargs)
        if self._stepping or not (self._step_pre_hooks or self._step_post_hooks or _every_pre or _every_post):
            return step(self, *args, **kwargs)
        given: tuple[Any, ...] = (self, *args)
        self._stepping = True
        try:
            for hook in [*_every_pre.values(), *self._step_pre_hooks.values()]:
                changed = hook(self, given, kwargs)
                if changed is not None:
                    if not (isinstance(changed, tuple) and len(changed) == 2):
                        raise RuntimeError(
                            "an optimizer's step pre hook must return None or a tuple of (new_args, new_kwargs), "
                            f"but got {changed}."
                        )
                    given, kwargs = changed
            result = step(*given, **kwargs)
        finally:
            self._stepping = False
        for hook in [*self._step_post_hooks.values(), *_every_post.values()]:
            hook(self, given, kwargs)
        return result

    return hooked
