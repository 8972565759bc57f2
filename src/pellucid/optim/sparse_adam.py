"""SparseAdam: Adam that looks only at the rows whose gradient is there."""

from __future__ import annotations

from ..backend import Array, of_array
from ..core import Tensor
from ..sparse import SparseTensor
from .hyperparameters import plain
from .names import Options
from .optimizer import Optimizer

__all__ = ["SparseAdam"]


class SparseAdam(Optimizer):
    r"""Adam for sparse gradients, as `nn.Embedding(sparse=True)` has them.

    Of the running averages :math:`m` and :math:`v`, and of the parameter, the rows change that the gradient has: what
    Adam would do to the others, whose gradient is zero, is left out.

    Raises:
        ValueError: a hyperparameter out of its range, or a parameter that is sparse itself, or complex.
        RuntimeError: in a step, a gradient that is dense.
    """

    def __init__(
        self, params: object, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:  # fmt: skip
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError(f"Tensor lr must be 1-element, but got one of shape {tuple(lr.shape)}")
        if not lr > 0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not eps > 0:
            raise ValueError(f"Invalid epsilon value: {eps}")
        for place, beta in enumerate(betas):
            if not 0 <= beta < 1:
                raise ValueError(f"Invalid beta parameter at index {place}: {beta}")
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})

    def add_param_group(self, param_group: Options) -> None:
        given = param_group["params"]
        if not isinstance(given, set):  # which is refused
            given = param_group["params"] = [given] if isinstance(given, Tensor) else list(given)
        tensors = [entry[1] if isinstance(entry, tuple) else entry for entry in given]
        for what, does in {
            "sparse": "requires dense parameter tensors", "complex": "does not support complex parameters",
        }.items():  # fmt: skip
            refused = [place for place, entry in enumerate(tensors) if _is(what, entry)]
            if refused:
                at = [[len(self.param_groups), place] for place in refused]
                raise ValueError(f"{what.capitalize()} params at indices {at}: SparseAdam {does}")
        super().add_param_group(param_group)

    def update(self, param: Tensor, grad: Tensor, state: Options, options: Options) -> None:
        raise RuntimeError("SparseAdam does not support dense gradients, please consider Adam instead")

    def update_sparse(self, param: Tensor, grad: SparseTensor, state: Options, options: Options) -> None:
        if not state:
            state.update(step=0, exp_avg=self.zeros_like(param), exp_avg_sq=self.zeros_like(param))
        state["step"] += 1
        (first, second), step = options["betas"], state["step"]
        rows, values = rows_of(grad)
        values = -values if options["maximize"] else values
        averages, squares = state["exp_avg"]._array, state["exp_avg_sq"]._array
        averages[rows] += (values - averages[rows]) * (1 - first)
        squares[rows] += (values * values - squares[rows]) * (1 - second)
        size = plain(options["lr"]) * (1 - second**step) ** 0.5 / (1 - first**step)
        xp = of_array(param._array).xp
        change_rows(param, rows, -size * (averages[rows] / (xp.sqrt(squares[rows]) + options["eps"])))


def _is(what: str, param: object) -> bool:
    if not isinstance(param, Tensor):
        return False
    return param.is_sparse if what == "sparse" else param.is_complex()


def rows_of(grad: SparseTensor) -> tuple[tuple[Array, ...], Array]:
    """The index of the parameter at which the gradient is there, and its numbers."""
    return tuple(row._array for row in grad._indices().unbind()), grad._values()._array


def change_rows(param: Tensor, rows: tuple[Array, ...], by: Array) -> None:
    """Add to some rows of a parameter, in place."""
    param._array[rows] += by
    if param._counter is not None:
        param._counter[0] += 1
