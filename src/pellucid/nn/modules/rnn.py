"""Recurrent layers over whole sequences: `RNN`, `LSTM` and `GRU`; and, at PyTorch's path, the cells of one step."""

from __future__ import annotations

import math
import numbers
import warnings
from typing import Any

import numpy as np

from ...core import Tensor, from_data
from ...errors import with_line
from ...ops.recurrent import gru_scan, lstm_scan, rnn_scan
from ...types.dtypes import bool_, int64
from .. import functional as F
from .. import init
from .. import vocabulary as ops
from ..packed import PackedSequence, packed_places, padded
from ..parameter import Parameter
from ..vocabulary import empty, zeros
from .module import Module
from .rnn_cells import GRUCell, LSTMCell, RNNCell, RNNCellBase, listed

__all__ = ["GRU", "GRUCell", "LSTM", "LSTMCell", "RNN", "RNNBase", "RNNCell", "RNNCellBase"]

_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


class RNNBase(Module):
    """What the recurrent layers share: sizes, names of the weights, initialisation, layers and directions.

    The weights of layer k are ``weight_ih_lk`` and ``weight_hh_lk``, the biases ``bias_ih_lk`` and ``bias_hh_lk``,
    those of the direction backwards end in ``_reverse``, a projection is ``weight_hr_lk``. All start uniform in
    ±1/√hidden_size.
    """

    _shown = "input_size hidden_size proj_size? num_layers? bias? batch_first? dropout? bidirectional?"

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        _check_options(mode, input_size, hidden_size, num_layers, bias, batch_first, dropout, proj_size)
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self._all_weights: list[list[str]] = []
        rows, width = _GATES[mode] * hidden_size, proj_size or hidden_size
        for layer in range(num_layers):
            columns = width * self._directions if layer else input_size
            for suffix in ("", "_reverse")[: self._directions]:
                shapes = {"weight_ih": (rows, columns), "weight_hh": (rows, width)}
                if bias:
                    shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
                if proj_size:
                    shapes |= {"weight_hr": (proj_size, hidden_size)}
                names = [f"{name}_l{layer}{suffix}" for name in shapes]
                for name, shape in zip(names, shapes.values(), strict=True):
                    setattr(self, name, Parameter(empty(*shape, device=device, dtype=dtype)))
                self._all_weights.append(names)
        self.reset_parameters()

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def _flat_weights_names(self) -> list[str]:
        return [name for names in self._all_weights for name in names]

    @property
    def _flat_weights(self) -> list[Parameter]:
        return [getattr(self, name) for name in self._flat_weights_names]

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The weights of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    def __getstate__(self) -> dict[str, Any]:
        # PyTorch's own class keeps these beside the weights, and a file is for it, too.
        return {
            **super().__getstate__(),
            "_flat_weights_names": self._flat_weights_names,
            "_flat_weights": self._flat_weights,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({name: value for name, value in state.items() if not name.startswith("_flat_weight")})

    def flatten_parameters(self) -> None:
        """Nothing: on a CPU the weights need not lie side by side."""

    def reset_parameters(self) -> None:
        """Draw new weights, uniform in ±1/√hidden_size."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    # ------------------------------------------------------------------------------------------------- forward

    def _run(self, input: Any, hx: Any) -> tuple[Any, tuple[Tensor, ...]]:
        """(Output, final states), from an input that is packed, batched or a single sequence."""
        name = self.mode.split("_")[0]
        widths = self._state_widths()
        if isinstance(input, PackedSequence):
            self._check_input(input.data, 2)
            sizes = input.batch_sizes.numpy()
            order = input.sorted_indices
            states = self._given_states(hx, input.data, int(sizes[0]), widths)
            if order is not None and hx is not None:
                states = tuple(ops.index_select(state, dim=1, index=order) for state in states)
            output, final = self._layers(input.data, states, sizes)
            if input.unsorted_indices is not None:
                final = tuple(ops.index_select(state, dim=1, index=input.unsorted_indices) for state in final)
            return PackedSequence(output, *input[1:]), final
        if input.ndim not in (2, 3):
            more = " tensor" if name == "RNN" else ""
            raise ValueError(
                with_line(
                    f"{name}: Expected input to be 2D or 3D, got {input.ndim}D{more} instead: {tuple(input.shape)}"
                )
            )
        batched = input.ndim == 3
        self._check_ranks(hx, batched)
        place = 0 if self.batch_first else 1
        if not batched:
            input = input.unsqueeze(place)
            hx = None if hx is None else tuple(state.unsqueeze(1) for state in listed(hx))
        self._check_input(input, 3)
        states = self._given_states(hx, input, input.shape[place], widths)
        output, final = self._layers(input.transpose(0, 1) if self.batch_first else input, states, None)
        if self.batch_first:
            output = output.transpose(0, 1)
        if batched:
            return output, final
        return output.squeeze(place), tuple(state.squeeze(1) for state in final)

    def _layers(self, input: Tensor, states: tuple[Tensor, ...], sizes: Any) -> tuple[Tensor, tuple[Tensor, ...]]:
        """All layers and directions: input (T, B, …), or packed rows with the number of them for each step."""
        mask = rows = None
        if sizes is not None:
            steps, members = packed_places(sizes)
            batch = int(sizes[0])
            rows = from_data(steps * batch + members, int64, input.device)
            if (sizes != batch).any():
                present = (np.arange(batch) < sizes[:, None])[:, :, None]
                mask = from_data(present, bool_, input.device)
        finals: list[tuple[Tensor, ...]] = []
        for layer in range(self.num_layers):
            made: list[Tensor] = []
            for direction in range(self._directions):
                place = layer * self._directions + direction
                weights = {name.rpartition("_l")[0]: getattr(self, name) for name in self._all_weights[place]}
                before = tuple(state[place] for state in states)
                gates = F.linear(input, weights["weight_ih"], self._input_bias(weights))
                if sizes is not None:
                    gates = padded(gates, sizes, 0.0, len(sizes))
                output, final = self._scan(gates, weights, before, mask, direction == 1)
                if rows is not None:
                    output = ops.index_select(ops.reshape(output, shape=(-1, output.shape[-1])), dim=0, index=rows)
                made.append(output)
                finals.append(final)
            input = made[0] if len(made) == 1 else ops.cat(made, -1)
            if self.dropout and self.training and layer < self.num_layers - 1:
                input = F.dropout(input, self.dropout, True)
        return input, tuple(ops.stack(several) for several in zip(*finals, strict=True))

    def _input_bias(self, weights: dict[str, Tensor]) -> Tensor | None:
        """Both biases are added at once, where the state does not come between them."""
        return weights["bias_ih"] + weights["bias_hh"] if self.bias else None

    def _scan(
        self, gates: Tensor, weights: dict[str, Tensor], before: tuple[Tensor, ...], mask: Any, reverse: bool
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """One layer in one direction: (all outputs, the states after the last step)."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it goes from step to step")

    def _state_widths(self) -> tuple[int, ...]:
        return (self.hidden_size,)

    # -------------------------------------------------------------------------------------------------- checks

    def _given_states(self, hx: Any, input: Tensor, batch: int, widths: tuple[int, ...]) -> tuple[Tensor, ...]:
        shapes = [(self.num_layers * self._directions, batch, width) for width in widths]
        if hx is None:
            return tuple(zeros(*shape, dtype=input.dtype, device=input.device) for shape in shapes)
        states = listed(hx)
        if len(states) != len(shapes):
            raise RuntimeError(
                with_line(f"{self.mode} expects {len(shapes)} hidden state(s), a tensor each, but got {len(states)}")
            )
        for place, (state, shape) in enumerate(zip(states, shapes, strict=True)):
            if tuple(state.shape) != shape:
                which = f"[{place}]" if len(shapes) > 1 else ""
                raise RuntimeError(with_line(f"Expected hidden{which} size {shape}, got {list(state.shape)}"))
        return states

    def _check_ranks(self, hx: Any, batched: bool) -> None:
        if hx is None:
            return
        states = listed(hx)
        rank = 3 if batched else 2
        if any(state.ndim != rank for state in states):
            what = "hx" if len(states) == 1 else "hx and cx"
            got = ", ".join(f"{state.ndim}-D" for state in states)
            raise RuntimeError(
                with_line(
                    f"For {'batched 3-D' if batched else 'unbatched 2-D'} input, {what} should also be {rank}-D but "
                    f"got ({got}) tensor{'s' * (len(states) > 1)}"
                )
            )

    def _check_input(self, input: Tensor, rank: int) -> None:
        kind = getattr(self, self._all_weights[0][0]).dtype
        if input.dtype != kind:
            raise ValueError(
                with_line(
                    f"RNN input dtype ({input.dtype}) does not match weight dtype ({kind}). Convert input: "
                    f"input.to({kind}), or convert model: model.to({input.dtype})"
                )
            )
        if input.ndim != rank:
            raise RuntimeError(with_line(f"input must have {rank} dimensions, got {input.ndim}"))
        if input.shape[-1] != self.input_size:
            raise RuntimeError(
                with_line(
                    f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got {input.shape[-1]}: "
                    f"the input has shape {tuple(input.shape)}"
                )
            )


def _check_options(
    mode: str, input_size: Any, hidden_size: Any, num_layers: int, bias: Any, batch_first: Any, dropout: Any, proj: int
) -> None:
    if mode not in _GATES:
        raise ValueError(f"Unrecognized RNN mode: {mode}; there are {', '.join(_GATES)}")
    if not isinstance(dropout, numbers.Number) or isinstance(dropout, bool) or not 0 <= dropout <= 1:  # type: ignore[operator]
        raise ValueError(
            "dropout should be a number in range [0, 1] representing the probability of an element being zeroed, but "
            f"got {dropout!r}"
        )
    if dropout and num_layers == 1:
        warnings.warn(
            "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects num_layers "
            f"greater than 1, but got dropout={dropout} and num_layers={num_layers}",
            stacklevel=4,
        )
    for name, value in (("bias", bias), ("batch_first", batch_first)):
        if not isinstance(value, bool):
            raise TypeError(f"{name} should be of type bool, got: {type(value).__name__}")
    for name, value in (("input_size", input_size), ("hidden_size", hidden_size)):
        if not isinstance(value, int):
            raise TypeError(f"{name} should be of type int, got: {type(value).__name__}")
        if value <= 0:
            raise ValueError(f"{name} must be greater than zero, but got {value}")
    if num_layers <= 0:
        raise ValueError(f"num_layers must be greater than zero, but got {num_layers}")
    if proj < 0:
        raise ValueError("proj_size should be a positive integer or zero to disable projections")
    if proj >= hidden_size:
        raise ValueError(f"proj_size has to be smaller than hidden_size, but got {proj} and {hidden_size}")


class RNN(RNNBase):
    """hₜ = tanh(W_ih xₜ + b_ih + W_hh hₜ₋₁ + b_hh) (Elman, 1990), or with ``nonlinearity="relu"`` max(·, 0).

    Shape: input (T, B, input_size), (B, T, input_size) with ``batch_first``, or (T, input_size), or packed; h₀
    (num_layers · directions, B, hidden_size), zeros if not given -> (output (T, B, directions · hidden_size), h of the
    last step, shaped as h₀).

    >>> import pellucid as torch
    >>> output, last = torch.nn.RNN(10, 20, num_layers=2)(torch.randn(5, 3, 10))
    >>> tuple(output.shape), tuple(last.shape)
    ((5, 3, 20), (2, 3, 20))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        if len(args) > 3:
            nonlinearity, args = args[3], args[:3] + args[4:]
        else:
            nonlinearity = kwargs.pop("nonlinearity", "tanh")
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'.")
        super().__init__(f"RNN_{nonlinearity.upper()}", *args, **kwargs)
        self.nonlinearity = nonlinearity

    def _scan(self, gates: Any, weights: Any, before: Any, mask: Any, reverse: bool) -> Any:
        output = rnn_scan(gates, weights["weight_hh"], before[0], mask, relu=self.mode == "RNN_RELU", reverse=reverse)
        return output, (output[0 if reverse else -1],)

    def forward(self, input: Any, hx: Tensor | None = None) -> Any:
        output, (state,) = self._run(input, hx)
        return output, state


class LSTM(RNNBase):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997), layer on layer.

    With (i, f, g, o) = (σ, σ, tanh, σ) of W_ih xₜ + b_ih + W_hh hₜ₋₁ + b_hh: cₜ = f · cₜ₋₁ + i · g, hₜ = o · tanh(cₜ).
    ``proj_size`` multiplies hₜ by W_hr (arXiv:1402.1128); ``dropout`` is between the layers.

    Shape: as `RNN`, with (h₀, c₀) in place of h₀ -> (output, (h, c)).

    >>> import pellucid as torch
    >>> output, (h, c) = torch.nn.LSTM(10, 20, batch_first=True, bidirectional=True)(torch.randn(3, 5, 10))
    >>> tuple(output.shape), tuple(c.shape)
    ((3, 5, 40), (2, 3, 20))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("LSTM", *args, **kwargs)

    def _state_widths(self) -> tuple[int, ...]:
        return (self.proj_size or self.hidden_size, self.hidden_size)

    def _scan(self, gates: Any, weights: Any, before: Any, mask: Any, reverse: bool) -> Any:
        packed = lstm_scan(gates, weights["weight_hh"], *before, weights.get("weight_hr"), mask, reverse=reverse)[0]
        output, cells = _unpacked(packed, len(gates), *before)
        last = 0 if reverse else -1
        return output, (output[last], cells[last])

    def forward(self, input: Any, hx: tuple[Tensor, Tensor] | None = None) -> Any:
        return self._run(input, hx)


def _unpacked(packed: Tensor, steps: int, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """The hidden states and the cells of all steps, as views."""
    split = steps * hidden.numel()
    return packed[:split].view(steps, *hidden.shape), packed[split:].view(steps, *cell.shape)


class GRU(RNNBase):
    """Gated recurrent units (arXiv:1406.1078), layer on layer.

    r = σ(W_ir x + b_ir + W_hr h + b_hr), z likewise, n = tanh(W_in x + b_in + r · (W_hn h + b_hn)),
    h' = (1 - z) · n + z · h. Shape: as `RNN`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        super().__init__("GRU", *args, **kwargs)

    def _input_bias(self, weights: dict[str, Tensor]) -> Tensor | None:
        return weights.get("bias_ih")

    def _scan(self, gates: Any, weights: Any, before: Any, mask: Any, reverse: bool) -> Any:
        output = gru_scan(gates, weights["weight_hh"], before[0], weights.get("bias_hh"), mask, reverse=reverse)[0]
        return output, (output[0 if reverse else -1],)

    def forward(self, input: Any, hx: Tensor | None = None) -> Any:
        output, (state,) = self._run(input, hx)
        return output, state
