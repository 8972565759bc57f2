"""Adam and AdamW: steps scaled by running averages of the gradient and of its square."""

from __future__ import annotations

from typing import ClassVar

from ..backend import Array
from ..core import Tensor
from ..declare import op
from ..kernels import optimisers as native
from ..kernels.optimisers import DType, Loop
from .names import Library, Options
from .optimizer import Optimizer
from .scratch import ascent, average, average_square, scratch

__all__ = ["Adam", "AdamW"]


@op(mutates=(0, 2, 3, 4, 5), method=False, public=False)
def adam_(
    xp: Library,
    param: Array,
    grad: Array,
    step: Array,
    exp_avg: Array,
    exp_avg_sq: Array,
    max_exp_avg_sq: Array | None = None,
    *,
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0,
    amsgrad: bool = False,
    foreach: bool | None = None,
    maximize: bool = False,
    capturable: bool = False,
    differentiable: bool = False,
    fused: bool | None = None,
    decoupled_weight_decay: bool = False,
    l1: float = 0,
) -> Array:
    """One step of `Adam` or `AdamW` on one parameter, in place."""
    step += 1
    steps = float(step)
    arrays = (param, grad, exp_avg, exp_avg_sq)
    if not (amsgrad or l1) and native.fit(*arrays) and native.step(native.adam_loop(
        param.dtype, steps=steps, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay,
        decoupled=decoupled_weight_decay, maximize=maximize,
    ), *arrays):  # fmt: skip
        return param
    s, t = scratch(xp, param)
    beta1, beta2 = betas
    if weight_decay and decoupled_weight_decay:
        xp.multiply(param, 1 - lr * weight_decay, out=param)
        weight_decay = 0.0
    g = ascent(xp, param, grad, s, t, maximize=maximize, weight_decay=weight_decay, l1=l1)
    average(xp, exp_avg, g, beta1, t)
    average_square(xp, exp_avg_sq, g, beta2, t)
    if amsgrad:
        exp_avg_sq = xp.maximum(max_exp_avg_sq, exp_avg_sq, out=max_exp_avg_sq)
    # t = sqrt(v / (1 - beta2^k)) + eps
    xp.sqrt(exp_avg_sq, out=t)
    xp.divide(t, (1 - beta2**steps) ** 0.5, out=t)
    xp.add(t, eps, out=t)
    xp.multiply(exp_avg, lr / (1 - beta1**steps), out=s)
    return xp.subtract(param, xp.divide(s, t, out=s), out=param)


class Adam(Optimizer):
    r"""Adam (Kingma and Ba, `Adam: a method for stochastic optimization <https://arxiv.org/abs/1412.6980>`_).

    With running averages :math:`m \leftarrow \beta_1 m + (1 - \beta_1) g` and
    :math:`v \leftarrow \beta_2 v + (1 - \beta_2) g^2`, corrected for their start at zero in step k,

    .. math:: p \leftarrow p - \text{lr} \frac{m / (1 - \beta_1^k)}{\sqrt{v / (1 - \beta_2^k)} + \epsilon}

    Args:
        params: parameters, ``(name, parameter)`` pairs, or a list of groups.
        lr, betas, eps: as above.
        weight_decay: added to the gradient as ``weight_decay * p`` (in `AdamW`, p itself shrinks).
        amsgrad: divide by the largest v so far (Reddi and others, https://openreview.net/forum?id=ryQu7f-RZ).
        maximize: climb.
        l1: the strength of an L1 penalty, by its subgradient. PyTorch has none.
        foreach, capturable, fused: accepted and stored; they choose between implementations in PyTorch.

    Raises:
        ValueError: a negative hyperparameter, or a beta outside [0, 1).

    Numbers are PyTorch's up to rounding: its processor kernels round ``a + x * b`` once, and its square root is not
    always the nearest float.
    """

    formula = adam_
    stored_first = "lr betas eps weight_decay amsgrad maximize"
    by_position = 5
    needs: ClassVar = {"max_exp_avg_sq": "amsgrad"}

    @staticmethod
    def check(given: Options) -> None:
        betas = given["betas"]
        for name, value in (("lr", given["lr"]), *((f"betas[{place}]", beta) for place, beta in enumerate(betas))):
            if isinstance(value, Tensor) and given["foreach"] and not given["capturable"]:
                raise ValueError(f"{name} as a Tensor is not supported for capturable=False and foreach=True")
        if not all(isinstance(beta, float) for beta in betas) and not all(isinstance(beta, Tensor) for beta in betas):
            raise ValueError(f"betas must be either both floats or both Tensors, but got {betas}")

    def at_once(self, dtype: DType, steps: float, options: Options) -> Loop | None:
        if options["amsgrad"] or options["l1"]:
            return None
        given = {name: options[name] for name in ("lr", "betas", "eps", "weight_decay", "maximize")}
        return native.adam_loop(dtype, steps=steps, decoupled=options["decoupled_weight_decay"], **given)


class AdamW(Adam):
    r"""Adam with decoupled weight decay (Loshchilov and Hutter, https://arxiv.org/abs/1711.05101).

    Before the step of `Adam`, :math:`p \leftarrow (1 - \text{lr} \cdot \text{weight_decay}) p`; the gradient is left
    alone. Arguments as in `Adam`; ``weight_decay`` is 0.01 by default.
    """

    own_defaults: ClassVar = {"weight_decay": 1e-2}
    fixed: ClassVar = {"decoupled_weight_decay": True}
