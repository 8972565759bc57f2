"""Adagrad: the gradient divided by the root of the sum of all its squares so far."""

from __future__ import annotations

from ..backend import Array, of_array
from ..core import Tensor
from ..declare import op
from ..kernels import optimisers as native
from ..kernels.optimisers import DType, Loop
from ..sparse import SparseTensor
from .names import Library, Options
from .optimizer import Optimizer
from .scratch import ascent, scratch
from .sparse_adam import change_rows, rows_of

__all__ = ["Adagrad"]


@op(mutates=(0, 2, 3), method=False, public=False)
def adagrad_(
    xp: Library,
    param: Array,
    grad: Array,
    step: Array,
    sum: Array,
    *,
    lr: float = 1e-2,
    lr_decay: float = 0,
    weight_decay: float = 0,
    initial_accumulator_value: float = 0,
    eps: float = 1e-10,
    foreach: bool | None = None,
    maximize: bool = False,
    differentiable: bool = False,
    fused: bool | None = None,
) -> Array:
    """One step of `Adagrad` on one parameter, in place."""
    step += 1
    arrays = (param, grad, sum)
    if native.fit(*arrays) and native.step(native.adagrad_loop(
        param.dtype, steps=float(step), lr=lr, lr_decay=lr_decay, eps=eps, weight_decay=weight_decay, maximize=maximize
    ), *arrays):  # fmt: skip
        return param
    s, t = scratch(xp, param)
    g = ascent(xp, param, grad, s, t, maximize=maximize, weight_decay=weight_decay)
    xp.add(sum, xp.multiply(g, g, out=t), out=sum)
    xp.add(xp.sqrt(sum, out=t), eps, out=t)
    xp.multiply(g, lr / (1 + (float(step) - 1) * lr_decay), out=s)
    return xp.subtract(param, xp.divide(s, t, out=s), out=param)


class Adagrad(Optimizer):
    r"""Adagrad (Duchi, Hazan and Singer, https://jmlr.org/papers/v12/duchi11a.html).

    :math:`G \leftarrow G + g^2`, then :math:`p \leftarrow p - \text{lr}_k \, g / (\sqrt G + \epsilon)` with
    :math:`\text{lr}_k = \text{lr} / (1 + (k - 1) \, \text{lr_decay})` in step k.

    Raises:
        ValueError: a negative hyperparameter.
    """

    formula = adagrad_
    stored_first = "lr lr_decay eps"
    by_position = 6

    def add_param_group(self, param_group: Options) -> None:
        super().add_param_group(param_group)
        if len(self.param_groups) == 1 or self.state:  # PyTorch's state is there before the first step too
            for param in self.param_groups[-1]["params"]:
                self.state[param] = {name: self.begin(name, param) for name, _ in self._slots}

    def at_once(self, dtype: DType, steps: float, options: Options) -> Loop | None:
        names = ("lr", "lr_decay", "eps", "weight_decay", "maximize")
        return native.adagrad_loop(dtype, steps=steps, **{name: options[name] for name in names})

    def update_sparse(self, param: Tensor, grad: SparseTensor, state: Options, options: Options) -> None:
        if options["weight_decay"]:
            raise RuntimeError("weight_decay option is not compatible with sparse gradients")
        state["step"]._array += 1
        rows, values = rows_of(grad)
        values = -values if options["maximize"] else values
        state["sum"]._array[rows] += values * values
        lr = options["lr"] / (1 + (state["step"].item() - 1) * options["lr_decay"])
        xp = of_array(param._array).xp
        change_rows(param, rows, -lr * values / (xp.sqrt(state["sum"]._array[rows]) + options["eps"]))

    def begin(self, name: str, param: Tensor) -> Tensor:
        first = self.defaults["initial_accumulator_value"]
        return self.zeros_like(param, first) if name == "sum" else super().begin(name, param)
