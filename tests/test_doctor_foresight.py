"""Networks that are to say the next token: with a look at it, and without."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid as torch
from pellucid import nn, optim
from pellucid.doctor.observed import orders
from pellucid.doctor.observed.record import ProgramRecord
from pellucid.doctor.observed.rules import data
from pellucid.nn import functional as F
from tests.watching import watched, written

TOKENS, STEPS, WIDTH = 12, 8, 16


class Attends(nn.Module):
    def __init__(self, causal: bool) -> None:
        super().__init__()
        self.table, self.place = nn.Embedding(TOKENS, WIDTH), nn.Embedding(STEPS, WIDTH)
        self.layer = nn.TransformerEncoderLayer(WIDTH, 2, 32, dropout=0.0, batch_first=True)
        self.head, self.causal = nn.Linear(WIDTH, TOKENS), causal

    def forward(self, x: Any) -> Any:
        mask = torch.triu(torch.full((STEPS, STEPS), float("-inf")), 1) if self.causal else None
        return self.head(self.layer(self.table(x) + self.place(torch.arange(STEPS)), src_mask=mask))


class Recurs(nn.Module):
    def __init__(self, both: bool, batch_first: bool = True) -> None:
        super().__init__()
        self.table = nn.Embedding(TOKENS, WIDTH)
        self.cells = nn.GRU(WIDTH, WIDTH, batch_first=batch_first, bidirectional=both)
        self.head = nn.Linear(WIDTH * (1 + both), TOKENS)

    def forward(self, x: Any) -> Any:
        return self.head(self.cells(self.table(x))[0])


def said(network: nn.Module, asked: str = "next", time_first: bool = False, counts: bool = False) -> ProgramRecord:
    draw = np.random.default_rng(0)

    def program() -> None:
        optimizer = optim.Adam(network.parameters(), lr=0.01)
        for _ in range(24):
            whole = torch.tensor(draw.integers(0, TOKENS, (10, STEPS + 1)))
            if counts:  # each token says which comes next
                whole = (whole[:, :1] + torch.arange(STEPS + 1)) % TOKENS
            x = whole[:, :-1]
            y = {"next": whole[:, 1:], "each": (x + 1) % TOKENS, "itself": x}[asked]
            if time_first:
                x, y = x.t().contiguous(), y.t().contiguous()
            optimizer.zero_grad()
            F.cross_entropy(network(x).reshape(-1, TOKENS), y.reshape(-1)).backward()
            optimizer.step()

    return watched(program)


@pytest.mark.parametrize(
    ("network", "how", "found"),
    [
        (lambda: Attends(causal=False), {}, True),
        (lambda: Attends(causal=True), {}, False),
        (lambda: Attends(causal=False), {"asked": "each"}, False),  # a label for each token, as of its part of speech
        (lambda: Recurs(both=True), {}, True),
        (lambda: Recurs(both=False), {}, False),
        (lambda: Recurs(both=True, batch_first=False), {"time_first": True}, True),
        (lambda: Recurs(both=False, batch_first=False), {"time_first": True}, False),
    ],
)
def test_a_network_that_reads_what_it_is_to_say(network: Any, how: dict[str, Any], found: bool) -> None:
    torch.manual_seed(0)
    assert [s.cause for s in data.foreseen(said(network(), **how))] == (["train-val-leak"] if found else [])


class Answers(nn.Module):
    """A decoder beside an encoder, which is given the answer as it is, or shifts it by itself."""

    def __init__(self, shifts: bool) -> None:
        super().__init__()
        self.encoder, self.decoder, self.shifts = Recurs(both=True), Recurs(both=False), shifts

    def forward(self, x: Any, y: Any) -> Any:
        given = torch.cat([torch.zeros_like(y[:, :1]), y[:, :-1]], 1) if self.shifts else y
        return self.decoder(given) + self.encoder(x).mean(1, keepdim=True)


@pytest.mark.parametrize(("shifts", "asked", "found"), [(False, "y", True), (True, "y", False), (False, "x", False)])
def test_a_decoder_that_is_given_what_it_is_to_say(shifts: bool, asked: str, found: bool) -> None:
    torch.manual_seed(0)
    network = Answers(shifts)

    def program() -> None:
        optimizer = optim.Adam(network.parameters(), lr=0.01)
        for _ in range(24):
            x = torch.randint(0, TOKENS, (10, STEPS))
            optimizer.zero_grad()
            F.cross_entropy(
                network(x, x.flip(1)).flatten(0, 1), (x.flip(1) if asked == "y" else x).flatten()
            ).backward()
            optimizer.step()

    assert [s.cause for s in data.shifted(watched(program))] == ["labels-misaligned"] * found


SLICED = """
def batches(text):
    for i in range(0, len(text) - 8, 8):
        x = text[i : i + 8]
        y = text[i : i + 8]
        yield x, y
loss.backward()
"""


@pytest.mark.parametrize(
    ("network", "counts", "found"),
    [
        (lambda: Recurs(both=False), True, True),
        (lambda: Recurs(both=False), False, False),  # of tokens by chance there is nothing to learn but to repeat them
        (lambda: Recurs(both=True), True, False),  # which reads all of a row first, as an autoencoder does
        (lambda: Attends(causal=True), True, True),
    ],
)
def test_a_network_that_is_asked_for_the_token_that_it_is_given(network: Any, counts: bool, found: bool) -> None:
    torch.manual_seed(0)
    seen = list(data.shifted(said(network(), asked="itself", counts=counts)))
    assert [s.cause for s in seen] == (["labels-misaligned"] if found else [])


def test_the_second_of_two_equal_slices_is_where_the_targets_are_cut(tmp_path: Any) -> None:
    file = tmp_path / "train.py"
    file.write_text(SLICED.lstrip())
    assert orders.cut_twice((str(file), 6)) == (str(file), 4)
    file.write_text(SLICED.lstrip().replace("y = text[i : i + 8]", "y = text[i + 1 : i + 9]"))
    assert orders.cut_twice((str(file), 6)) is None


MASKED = """
import pellucid as torch
from pellucid import nn
from pellucid.nn import functional as F
class Attention(nn.Module):
    def forward(self, x, mask=None):
        scores = x @ x.transpose(1, 2) / 16
        if mask is not None:
            scores = scores + mask
        return scores.softmax(-1) @ x
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.look, self.head = nn.Embedding(12, 16), Attention(), nn.Linear(16, 12)
        self.mask = torch.triu(torch.full((8, 8), float("-inf")), 1)
    def forward(self, x):
        x = self.table(x)
        return self.head(x + self.look({given}))
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for _ in range(24):
    whole = torch.randint(0, 12, (10, 9))
    loss = F.cross_entropy(net(whole[:, :-1]).flatten(0, 1), whole[:, 1:].flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


def test_a_mask_that_is_left_out_is_shown_where_it_is_left_out() -> None:
    (found,) = data.foreseen(watched(written(MASKED.format(given="x"))))
    assert found.place == ("train.py", 18)
    assert not list(data.foreseen(watched(written(MASKED.format(given="x, self.mask")))))
