"""Dropout that is called as a function: how much it leaves out, and whether it is at work in evaluations."""

from collections.abc import Callable

import numpy as np
import pytest

import pellucid as torch
from pellucid import nn, optim
from pellucid.doctor.observed.compare import outcome
from pellucid.doctor.observed.matching import matched
from pellucid.doctor.observed.record import HeldOutRecord, ProgramRecord
from pellucid.doctor.observed.rules import model
from pellucid.nn import functional as F
from tests.watching import watched


class Dropping(nn.Module):
    def __init__(self, p: float, asks: bool) -> None:
        super().__init__()
        self.hidden, self.out, self.p, self.asks = nn.Linear(8, 64), nn.Linear(64, 2), p, asks

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        training = self.training if self.asks else True
        return self.out(F.dropout(F.relu(self.hidden(x)), self.p, training=training))


def program(p: float = 0.5, asks: bool = True, evaluates: bool = True, times: int = 1) -> Callable[[], None]:
    def run() -> None:
        x = torch.randn(200, 8)
        y = (x[:, 0] + x[:, 1] > 0).long()
        network = Dropping(p, asks)
        optimizer = optim.SGD(network.parameters(), lr=0.5)
        held = x[100:]
        for _ in range(100):
            network.train()
            optimizer.zero_grad()
            F.cross_entropy(network(x[:100]), y[:100]).backward()
            optimizer.step()
            if evaluates:
                network.eval()
            with torch.no_grad():
                for _ in range(times):
                    network(held)

    return run


@pytest.mark.parametrize(
    ("asks", "evaluates", "times", "called"),
    [(True, True, 1, None), (False, True, 1, True), (True, False, 1, False), (False, True, 5, None)],
    ids=["right", "not asked for the mode", "no eval()", "drawn several times on purpose"],
)
def test_dropout_in_an_evaluation(asks: bool, evaluates: bool, times: int, called: bool | None) -> None:
    record = watched(program(asks=asks, evaluates=evaluates, times=times))
    assert [mode.called for mode in record.evaluated] == ([] if called is None else [called])
    assert [s.cause for s in model.modes(record)] == ([] if called is None else ["train-eval-mode"])


def test_a_share_to_keep_that_is_given_as_one_to_leave_out() -> None:
    was = watched(program(p=0.97))
    assert was.dropout == 0.97 and was.lines["Dropout"][0] == __file__
    (found,) = list(model.dropout(was))
    now = watched(program(p=0.97), *found.treatments)
    assert outcome(now).loss < 0.8 * outcome(was).loss and list(model.dropout(watched(program(p=0.5)))) == []


def test_answers_that_depend_on_the_batch_are_compared_in_the_same_one() -> None:
    """A network that normalises over the batch gives nothing for one row: other rows at once say nothing of these."""

    class Normalised(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.out = nn.Linear(3, 3)
            with torch.no_grad():
                self.out.weight.copy_(torch.eye(3))
                self.out.bias.zero_()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return F.log_softmax(self.out(x), dim=0)

    draw = np.random.default_rng(0)
    x = draw.normal(size=(120, 3)).astype("float32")
    record = ProgramRecord()
    record.inputs, record.shape, record.rows = [x[:60]], (3,), [np.arange(60.0)]
    record.held_out = [HeldOutRecord(9, None, np.arange(100.0, 160.0), frozenset({"x_test"}))]
    (held,) = record.held_out
    held.inputs, held.outputs, held.target = x[60:], np.zeros((60, 3)), x[60:].argmax(1)
    found = matched(Normalised(), record)
    assert found is None or (found.was is not None and found.was > 0.8)
