"""One change of a program in a fork: the hooks by which it is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..record import Place


class Treatment:
    """One change. Each hook leaves the program as it is; a treatment overrides those that it needs.

    Attributes:
        of_function: what a network computes is changed, or what its output is compared with, in passes that train: the
            evaluations of the program are left as they were, and say nothing any more.
    """

    of_function = False

    def module(self, module: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments with which the outermost network is called in a pass that trains."""
        return args

    def op(self, key: tuple[str, int], args: Any, kwargs: Any) -> tuple[Any, Any]:
        """The arguments and attributes of an op in such a pass."""
        return args, kwargs

    def result(self, key: tuple[str, int], args: Any, result: Any) -> Any:
        """The result of an op in such a pass."""
        return result

    def function(self, kind: Any) -> Callable[..., Any] | None:
        """What is called in the place of `kind.apply`, of a custom `autograd.Function`; None leaves it as it is."""
        return None

    def before_backward(self, parameters: list[Any]) -> None:
        """A backward is about to run; `parameters` are those of the optimisers and the networks."""

    def before_step(self, optimizer: Any, parameters: list[Any]) -> None:
        """An update is about to be made."""

    def after_step(self, optimizer: Any) -> None:
        """An update was made."""

    def loader(self, options: dict[str, Any]) -> None:
        """A DataLoader is about to be made with these options."""

    def epochs(self) -> int:
        """How often a DataLoader is gone through, where the program goes through it once to train."""
        return 1

    def rounds(self) -> tuple[Place, int] | None:
        """A line in which `range(…)` is to go several times as far, and how many times."""
        return None

    def criterion(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """The options with which a loss is called."""
        return kwargs

    def compared(self, name: str, args: tuple[Any, ...]) -> tuple[tuple[Any, ...], float]:
        """What a loss compares, and what its result is to be multiplied with to be that of the program's own scale."""
        return args, 1.0

    def clips(self) -> bool:
        """Whether gradients are clipped where the program says so."""
        return True

    def detaches(self) -> bool:
        """Whether detach() and no_grad() within a network cut the graph."""
        return True

    def after_backward(self, parameters: list[Any], optimizers: int) -> None:
        """A backward has run, in a program with that many optimisers."""
