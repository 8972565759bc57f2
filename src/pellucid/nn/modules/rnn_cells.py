"""The recurrent cells, which take one step: `RNNCell`, `LSTMCell` and `GRUCell`."""

from __future__ import annotations

import math
from typing import Any

from ...core import Tensor
from ...errors import with_line
from ...ops.recurrent import gru_scan, lstm_scan, rnn_scan
from .. import functional as F
from .. import init
from ..parameter import Parameter
from ..vocabulary import empty, zeros
from .module import Module

__all__ = ["GRUCell", "LSTMCell", "RNNCell", "RNNCellBase"]


def listed(hx: Any) -> tuple[Tensor, ...]:
    return (hx,) if isinstance(hx, Tensor) else tuple(hx)


class RNNCellBase(Module):
    """What the cells share: ``weight_ih``, ``weight_hh``, ``bias_ih``, ``bias_hh``, uniform in ±1/√hidden_size."""

    _shown = "input_size hidden_size bias? nonlinearity?"

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool, num_chunks: int, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        rows = num_chunks * hidden_size
        self.weight_ih = Parameter(empty(rows, input_size, device=device, dtype=dtype))
        self.weight_hh = Parameter(empty(rows, hidden_size, device=device, dtype=dtype))
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(name, Parameter(empty(rows, device=device, dtype=dtype)) if bias else None)
        self.reset_parameters()

    def extra_repr(self) -> str:
        parts = [str(self.input_size), str(self.hidden_size)]
        if self.bias is not True:
            parts.append(f"bias={self.bias}")
        if getattr(self, "nonlinearity", "tanh") != "tanh":
            parts.append(f"nonlinearity={self.nonlinearity}")
        return ", ".join(parts)

    def reset_parameters(self) -> None:
        """Draw new weights."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def _step(self, input: Tensor, hx: Any, states: int) -> tuple[tuple[Tensor, ...], Tensor, bool]:
        """(States (B, H), gates (1, B, n·H) of the input, whether there is a batch)."""
        name = type(self).__name__
        if input.ndim not in (1, 2):
            raise ValueError(with_line(f"{name}: Expected input to be 1D or 2D, got {input.ndim}D instead"))
        given = None if hx is None else listed(hx)
        for place, state in enumerate(given or ()):
            if state.ndim not in (1, 2):
                which = f"hx[{place}]" if states > 1 else "hidden"
                raise ValueError(with_line(f"{name}: Expected {which} to be 1D or 2D, got {state.ndim}D instead"))
        batched = input.ndim == 2
        if not batched:
            input = input.unsqueeze(0)
        if given is None:
            given = (zeros(input.shape[0], self.hidden_size, dtype=input.dtype, device=input.device),) * states
        elif not batched:
            given = tuple(state.unsqueeze(0) for state in given)
        if input.shape[1] != self.input_size:
            raise RuntimeError(
                with_line(f"input has inconsistent input_size: got {input.shape[1]} expected {self.input_size}")
            )
        for state in given:
            if state.shape[0] != input.shape[0]:
                raise RuntimeError(
                    with_line(f"Input batch size {input.shape[0]} doesn't match hidden0 batch size {state.shape[0]}")
                )
            if state.shape[1] != self.hidden_size:
                raise RuntimeError(
                    with_line(
                        f"hidden0 has inconsistent hidden_size: got {state.shape[1]}, expected {self.hidden_size}"
                    )
                )
        bias = self._input_bias()
        return given, F.linear(input, self.weight_ih, bias).unsqueeze(0), batched

    def _input_bias(self) -> Tensor | None:
        return self.bias_ih + self.bias_hh if self.bias else None


class RNNCell(RNNCellBase):
    """One step of `RNN`: (B, input_size) and h (B, hidden_size) to the new h; h is zeros if not given."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        (state,), gates, batched = self._step(input, hx, 1)
        out = rnn_scan(gates, self.weight_hh, state, relu=self.nonlinearity == "relu")[0]
        return out if batched else out.squeeze(0)


class LSTMCell(RNNCellBase):
    """One step of `LSTM`: (B, input_size) and (h, c), each (B, hidden_size), to the new (h, c)."""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        (state, cell), gates, batched = self._step(input, hx, 2)
        packed = lstm_scan(gates, self.weight_hh, state, cell)[0]
        split = state.numel()
        shape = state.shape if batched else state.shape[1:]
        return packed[:split].view(shape), packed[split:].view(shape)


class GRUCell(RNNCellBase):
    """One step of `GRU`: (B, input_size) and h (B, hidden_size) to the new h."""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def _input_bias(self) -> Tensor | None:
        return self.bias_ih

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        (state,), gates, batched = self._step(input, hx, 1)
        out = gru_scan(gates, self.weight_hh, state, self.bias_hh)[0][0]
        return out if batched else out.squeeze(0)
