"""Stochastic gradient descent, with momentum and Nesterov's variant of it."""

from __future__ import annotations

from typing import ClassVar

from ..backend import Array
from ..core import Tensor
from ..declare import op
from ..kernels import optimisers as native
from ..kernels.optimisers import DType, Loop
from ..sparse import SparseTensor
from .names import Library, Options
from .optimizer import Optimizer
from .scratch import ascent, scratch
from .sparse_adam import change_rows, rows_of

__all__ = ["SGD"]


@op(mutates=(0, 2), method=False, public=False)
def sgd_(
    xp: Library,
    param: Array,
    grad: Array,
    momentum_buffer: Array | None = None,
    *,
    lr: float = 1e-3,
    momentum: float = 0,
    dampening: float = 0,
    weight_decay: float = 0,
    nesterov: bool = False,
    maximize: bool = False,
    foreach: bool | None = None,
    differentiable: bool = False,
    fused: bool | None = None,
    l1: float = 0,
) -> Array:
    """One step of `SGD` on one parameter, in place."""
    b = momentum_buffer
    arrays = (param, grad) if b is None else (param, grad, b)
    if not l1 and native.fit(*arrays) and native.step(native.sgd_loop(
        param.dtype, lr=lr, momentum=0 if b is None else momentum, dampening=dampening, weight_decay=weight_decay,
        nesterov=nesterov, maximize=maximize,
    ), *arrays):  # fmt: skip
        return param
    if b is None and not (maximize or weight_decay or l1):
        return xp.subtract(param, grad * lr, out=param)
    s, t = scratch(xp, param)
    g = ascent(xp, param, grad, s, t, maximize=maximize, weight_decay=weight_decay, l1=l1)
    if b is not None:
        xp.multiply(b, momentum, out=b)
        xp.add(b, xp.multiply(g, 1 - dampening, out=t) if dampening else g, out=b)
        g = xp.add(g, xp.multiply(b, momentum, out=t), out=s) if nesterov else b
    return xp.subtract(param, xp.multiply(g, lr, out=t), out=param)


class SGD(Optimizer):
    r"""Stochastic gradient descent: :math:`p \leftarrow p - \text{lr} \cdot d`.

    The direction d is the gradient g, to which ``weight_decay``·p and ``l1``·sign(p) are added first. With
    ``momentum`` μ and ``dampening`` τ it is b in :math:`b \leftarrow \mu b + (1 - \tau) g` (b = g in the first step),
    with ``nesterov`` g + μ·b.

    Args:
        params: parameters, ``(name, parameter)`` pairs, or a list of groups.
        lr, momentum, dampening, weight_decay, nesterov, maximize: as above; ``maximize`` climbs.
        l1: the strength of an L1 penalty, by its subgradient; may differ between groups. PyTorch has none.
        foreach, fused: accepted and stored; they choose between implementations in PyTorch, and there is one here.

    Raises:
        ValueError: a negative hyperparameter; Nesterov without momentum or with dampening.

    Numbers are PyTorch's up to one rounding in each line of the formula (its processor kernels round ``a + x * b``
    once, NumPy twice).

    >>> import pellucid as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    >>> optimizer = torch.optim.SGD([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.tolist()
    [0.0, 0.0]
    """

    formula = sgd_
    by_position = 5
    foreach_follows = True

    def update_sparse(self, param: Tensor, grad: SparseTensor, state: Options, options: Options) -> None:
        if options["momentum"] or options["weight_decay"] or options["l1"]:
            raise RuntimeError(
                "SGD with a sparse gradient takes neither momentum nor weight_decay, which would change every row: "
                "leave them out, or the layer's sparse=True"
            )
        rows, values = rows_of(grad)
        change_rows(param, rows, values * (options["lr"] if options["maximize"] else -options["lr"]))

    needs: ClassVar = {"momentum_buffer": "momentum"}

    @staticmethod
    def check(given: Options) -> None:
        if given["nesterov"] and (given["momentum"] <= 0 or given["dampening"] != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")

    def update(self, param: Tensor, grad: Tensor, state: Options, options: Options) -> None:
        if options["momentum"] and state.get("momentum_buffer") is None:
            options = {**options, "dampening": 0.0}  # the first b is g: zero in the formula, and not dampened
        super().update(param, grad, state, options)

    def at_once(self, dtype: DType, steps: float, options: Options) -> Loop | None:
        if options["l1"]:
            return None
        names = ("lr", "momentum", "dampening", "weight_decay", "nesterov", "maximize")
        return native.sgd_loop(dtype, **{name: options[name] for name in names})

    def constants(self, new: bool) -> frozenset[int]:
        return frozenset((2,)) if new else frozenset()  # PyTorch's first b is a detached copy of the gradient
