"""L-BFGS: steps along a direction that knows the curvature from the last steps, for full-batch problems."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core import Tensor, enable_grad, no_grad
from ..declare import TABLE
from .hyperparameters import check_ranges
from .line_search import strong_wolfe
from .names import Options
from .optimizer import Optimizer

__all__ = ["LBFGS"]


class LBFGS(Optimizer):
    r"""Limited-memory BFGS (Liu and Nocedal, https://doi.org/10.1007/BF01589116), after Schmidt's minFunc.

    ``step(closure)`` makes up to ``max_iter`` iterations, each a step of length t along :math:`d = -H g`. H, the
    approximate inverse of the Hessian, is never built: it follows from the last ``history_size`` pairs of
    :math:`s = t d` and :math:`y = g_{new} - g`. t is ``lr``, or what a line search finds that ends where the strong
    Wolfe conditions hold (``line_search_fn="strong_wolfe"``). The closure computes loss and gradients anew.

    Args:
        params: parameters; there can be only one group.
        max_eval: how many evaluations of the closure one ``step`` may take (5/4 of ``max_iter``, unless given).
        tolerance_grad: stop when no element of the gradient is larger.
        tolerance_change: stop when the loss or the parameters change less.

    Raises:
        ValueError: a negative lr, more than one group.
        RuntimeError: another ``line_search_fn``, at the step, as in PyTorch.
    """

    needs_closure = True

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        given = {name: value for name, value in locals().items() if name not in ("self", "params", "__class__")}
        check_ranges(given)
        given["max_eval"] = max_iter * 5 // 4 if max_eval is None else max_eval
        super().__init__(params, given)
        if len(self.param_groups) != 1:
            raise ValueError(
                f"LBFGS doesn't support per-parameter options (parameter groups), but got {len(self.param_groups)}"
            )

    @property
    def _params(self) -> list[Tensor]:
        return self.param_groups[0]["params"]

    def _gradient(self) -> Tensor:
        """The gradients of all parameters, end to end."""
        flat = [
            (TABLE["zeros_like"](param.detach()) if param.grad is None else param.grad.detach()).reshape(-1)
            for param in self._params
        ]
        return TABLE["cat"](*flat, dim=0)

    def _move(self, length: Any, direction: Tensor) -> None:
        at = 0
        for param in self._params:
            count = param.numel()
            param.add_(direction[at : at + count].view_as(param) * length)
            at += count

    @no_grad()
    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        """Up to ``max_iter`` iterations; returns the loss that the closure gave first."""
        evaluate = enable_grad()(closure)
        group = self.param_groups[0]
        lr = group["lr"].reshape(()) if isinstance(group["lr"], Tensor) else group["lr"]
        state = self.state[self._params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)

        first_loss = evaluate()
        loss, evaluations = float(first_loss), 1
        state["func_evals"] += 1
        gradient = self._gradient()
        if _largest(gradient) <= group["tolerance_grad"]:
            return first_loss

        memory = _Memory(state, group["history_size"])
        before: Any = state.get("prev_flat_grad")
        d: Any = state.get("d")
        t: Any = state.get("t")
        previous_loss: Any = state.get("prev_loss")
        iterations = 0
        while iterations < group["max_iter"]:
            iterations += 1
            state["n_iter"] += 1
            if state["n_iter"] == 1:
                memory.clear()
                d = -gradient
                t = min(1.0, 1.0 / gradient.abs().sum()) * lr
            else:
                memory.add(gradient - before, d * t)
                d, t = memory.direction(gradient), lr
            before = gradient.clone() if before is None else before.copy_(gradient)
            previous_loss = loss
            slope = gradient.dot(d)
            if slope > -group["tolerance_change"]:
                break

            taken = 0
            if group["line_search_fn"] is not None:
                if group["line_search_fn"] != "strong_wolfe":
                    raise RuntimeError(f"only 'strong_wolfe' is supported, but got {group['line_search_fn']!r}")
                loss, gradient, t, taken = strong_wolfe(
                    self._evaluated_at(evaluate, d), t, d, loss, gradient, slope, group["max_eval"] - evaluations
                )
                self._move(t, d)
            else:
                self._move(t, d)
                if iterations != group["max_iter"]:  # after the last step nobody would ask
                    loss, gradient, taken = float(evaluate()), self._gradient(), 1
            evaluations += taken
            state["func_evals"] += taken
            if (
                iterations == group["max_iter"]
                or evaluations >= group["max_eval"]
                or _largest(gradient) <= group["tolerance_grad"]
                or _largest(d * t) <= group["tolerance_change"]
                or abs(loss - previous_loss) < group["tolerance_change"]
            ):
                break

        state.update(d=d, t=t, **memory.state(), prev_flat_grad=before, prev_loss=previous_loss)
        return first_loss

    def _evaluated_at(self, evaluate: Callable[[], Any], d: Tensor) -> Callable[[Any], tuple[float, Tensor]]:
        """Of a length the loss and the gradient that far along ``d``; the parameters stay where they are."""
        start = [param.detach().clone() for param in self._params]

        def at(length: Any) -> tuple[float, Tensor]:
            self._move(length, d)
            loss, gradient = float(evaluate()), self._gradient()
            for param, value in zip(self._params, start, strict=True):
                param.copy_(value)
            return loss, gradient

        return at


class _Memory:
    """The last pairs of steps and changes of the gradient, under PyTorch's names in the state."""

    def __init__(self, state: Options, size: int) -> None:
        self.size = size
        self.ys: list[Tensor] = state.get("old_dirs", [])
        self.steps: list[Tensor] = state.get("old_stps", [])
        self.ro: list[Tensor] = state.get("ro", [])
        self.scale: Any = state.get("H_diag")
        self.of_parameter = state

    def state(self) -> Options:
        return {"old_dirs": self.ys, "old_stps": self.steps, "ro": self.ro, "H_diag": self.scale}

    def clear(self) -> None:
        self.ys, self.steps, self.ro, self.scale = [], [], [], 1

    def add(self, y: Tensor, s: Tensor) -> None:
        """Keep a pair, unless the curvature along it is not positive; the oldest makes room."""
        ys = y.dot(s)
        if not ys > 1e-10:
            return
        if len(self.ys) == self.size:
            for kept in (self.ys, self.steps, self.ro):
                kept.pop(0)
        self.ys.append(y)
        self.steps.append(s)
        self.ro.append(1.0 / ys)
        self.scale = ys / y.dot(y)

    def direction(self, gradient: Tensor) -> Tensor:
        """-H g, by the recursion in two loops (Nocedal, https://doi.org/10.1090/S0025-5718-1980-0572855-7)."""
        al = self.of_parameter.setdefault("al", [None] * self.size)
        q = -gradient
        for place in reversed(range(len(self.ys))):
            al[place] = self.steps[place].dot(q) * self.ro[place]
            q = q - self.ys[place] * al[place]
        r = q * self.scale
        for place in range(len(self.ys)):
            back = self.ys[place].dot(r) * self.ro[place]
            r = r + self.steps[place] * (al[place] - back)
        return r


def _largest(tensor: Tensor) -> Tensor:
    return tensor.abs().max()
