"""Rows for `ops/recurrent.py`; PyTorch's own layers are compared in test_moduleinfo and test_recurrent."""

import numpy as np
import torch

from tests.op_samples import real, row

MASK = (np.arange(2) < np.array([2, 2, 1])[:, None])[:, :, None]


def _scan(step, gates, states, mask, reverse):
    """The states after each step of a cell, one list for each kind of state."""
    found = [[None] * len(gates) for _ in states]
    for t in range(len(gates) - 1, -1, -1) if reverse else range(len(gates)):
        made = step(gates[t], *states)
        if mask is not None:
            made = [torch.where(mask[t], new, old) for new, old in zip(made, states, strict=True)]
        states = made
        for kind, state in zip(found, states, strict=True):
            kind[t] = state
    return [torch.stack(kind) for kind in found]


def _rnn(gates, weight, hidden, mask=None, *, relu=False, reverse=False):
    activation = torch.relu if relu else torch.tanh
    return _scan(lambda x, h: [activation(x + h @ weight.T)], gates, [hidden], mask, reverse)[0]


def _lstm(gates, weight, hidden, cell, projection=None, mask=None, *, reverse=False):
    def step(x, h, c):
        i, f, g, o = (x + h @ weight.T).chunk(4, -1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        return [h if projection is None else h @ projection.T, c]

    return torch.cat([states.flatten() for states in _scan(step, gates, [hidden, cell], mask, reverse)])


def _gru(gates, weight, hidden, bias=None, mask=None, *, reverse=False):
    def step(x, h):
        u = h @ weight.T if bias is None else h @ weight.T + bias
        (xr, xz, xn), (ur, uz, un) = x.chunk(3, -1), u.chunk(3, -1)
        z = (xz + uz).sigmoid()
        return [(1 - z) * (xn + (xr + ur).sigmoid() * un).tanh() + z * h]

    return _scan(step, gates, [hidden], mask, reverse)[0]


SAMPLES = {
    "rnn_scan": [
        row(real(3, 2, 4), real(4, 4), real(2, 4), reference=_rnn),
        row(real(3, 2, 3), real(3, 3), real(2, 3), MASK, reference=_rnn, reverse=True),
        row(real(2, 1, 3), real(3, 3), real(1, 3), reference=_rnn, relu=True),
    ],
    "lstm_scan": [
        row(real(3, 2, 12), real(12, 3), real(2, 3), real(2, 3), reference=_lstm),
        row(real(3, 2, 12), real(12, 2), real(2, 2), real(2, 3), real(2, 3), MASK, reference=_lstm, reverse=True),
    ],
    "gru_scan": [
        row(real(3, 2, 9), real(9, 3), real(2, 3), real(9), reference=_gru),
        row(real(3, 2, 6), real(6, 2), real(2, 2), None, MASK, reference=_gru, reverse=True),
    ],
}

ELSEWHERE = dict.fromkeys(("rnn_delta", "lstm_delta", "gru_delta"), "tests/test_recurrent.py")
