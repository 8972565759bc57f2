"""Muon for the matrices of a network's hidden layers, beside AdamW for all else, as one optimiser."""

from __future__ import annotations

from typing import Any

from pellucid import nn
from pellucid.core import Tensor
from pellucid.experiments.errors import UsageError
from pellucid.optim import AdamW, Muon, Optimizer

Options = dict[str, Any]


class MuonAndAdamW(Optimizer):
    """A step of `Muon` on the groups that say `muon`, and of `AdamW` on the others, at the same rate and decay.

    `adjust_lr_fn="match_rms_adamw"` scales the steps of the matrices to the size that AdamW's have, which is what lets
    both have one rate (Liu and others, https://arxiv.org/abs/2502.16982).

    Args:
        params: groups, see `groups_of`; of parameters alone, the matrices are Muon's.
        betas: of AdamW; the rest is as for `Muon`.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = "match_rms_adamw",
        betas: tuple[float, float] = (0.9, 0.999),
    ) -> None:
        groups = list(params)
        if groups and not isinstance(groups[0], dict):
            groups = [
                {"params": [p for p in groups if (p.ndim == 2) is muon], "muon": muon}
                for muon in (True, False)
            ]  # fmt: skip
        groups = [group for group in groups if group["params"]]
        self._kinds: dict[bool, Optimizer] = {}  # for their formulas: the groups and the state are here
        own = {"momentum": momentum, "nesterov": nesterov, "ns_steps": ns_steps, "adjust_lr_fn": adjust_lr_fn}
        for group in groups:
            kind, given = (Muon, own) if group["muon"] else (AdamW, {"betas": tuple(betas)})
            made = kind(group["params"], lr=lr, weight_decay=weight_decay, **given)
            group.update({name: value for name, value in made.param_groups[0].items() if name not in group})
            self._kinds[group["muon"]] = made
        super().__init__(groups, {})
        self._is_muons = {id(param): group["muon"] for group in self.param_groups for param in group["params"]}

    def options(self, group: Options) -> Options:
        return self._kinds[group["muon"]].options(group)

    def update(self, param: Tensor, grad: Tensor, state: Options, options: Options) -> None:
        self._kinds[self._is_muons[id(param)]].update(param, grad, state, options)


def groups_of(network: nn.Module) -> list[Options]:
    """The parameters of a network, divided between Muon and AdamW.

    Muon's are the matrices but for embeddings and the last layer (Jordan and others,
    https://kellerjordan.github.io/posts/muon/); kernels of convolutions, biases and norms are AdamW's, too.

    Raises:
        UsageError: there is no such matrix.
    """
    matrices = [
        param
        for layer in network.modules()
        if not isinstance(layer, nn.Embedding)
        for param in layer.parameters(recurse=False)
        if param.ndim == 2
    ][:-1]
    if not matrices:
        raise UsageError(
            "Muon trains the matrices of hidden layers, and this network has none: only biases, "
            "embeddings, kernels of convolutions and the last layer, which are for AdamW. Take adamw."
        )
    taken = {id(param) for param in matrices}
    others = [param for param in network.parameters() if id(param) not in taken]
    return [{"params": matrices, "muon": True}, {"params": others, "muon": False}]
