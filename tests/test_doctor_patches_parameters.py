"""`--fix`: layers that no optimiser knows, outputs that are not made of the input, activations that serve twice."""

from __future__ import annotations

import ast

import pytest

from pellucid.doctor.finding import Finding
from pellucid.doctor.repairs import repairs


def patches(cause: str, source: str, near: str, fix: str = "", evidence: str = "") -> list[str]:
    """What is written for a finding of this cause at the line with this text."""
    line = source.count("\n", 0, source.index(near)) + 1
    made = list(repairs(Finding(cause, "error", 1, evidence, "", fix, "t.py", line), source))
    for program in made:
        ast.parse(program)
    return made


CLASS = """import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
{}

    def forward(self, x):
        return x


net = Net()
"""


@pytest.mark.parametrize(
    ("written", "near", "repaired"),
    [
        (
            "self.stack = []\nfor n in sizes:\n    self.stack.append(nn.Linear(n, n))",
            "append",
            ("self.stack = []", "self.stack = torch.nn.ModuleList()"),
        ),
        (
            "self.stack: list[nn.Module] = []\nself.stack.extend([nn.Conv2d(1, 2, 3), nn.GRU(2, 3)])",
            "extend",
            (" = []", " = torch.nn.ModuleList()"),
        ),
        (
            "parts = []\nfor n in sizes:\n    parts.append(nn.Linear(n, n))\nself.stack = parts",
            "append",
            ("self.stack = parts", "self.stack = torch.nn.ModuleList(parts)"),
        ),
        (
            "self.by_name = {}\nself.by_name['a'] = nn.Linear(2, 3)",
            "by_name['a']",
            ("= {}", "= torch.nn.ModuleDict()"),
        ),
        (
            "self.stack = [nn.Linear(2, 3) for _ in range(3)]",
            "nn.Linear",
            ("[nn.Linear(2, 3) for _ in range(3)]", "torch.nn.ModuleList([nn.Linear(2, 3) for _ in range(3)])"),
        ),
        (
            "self.w = torch.randn(3, 2, requires_grad=True)\nself.b = torch.zeros(2).requires_grad_()",
            "randn",
            (
                "torch.randn(3, 2, requires_grad=True)\n        self.b = torch.zeros(2).requires_grad_()",
                """torch.nn.Parameter(torch.randn(3, 2, requires_grad=True))
        self.b = torch.nn.Parameter(torch.zeros(2).requires_grad_())""",
            ),
        ),
    ],
)  # fmt: skip
def test_layers_are_kept_where_an_optimiser_finds_them(written: str, near: str, repaired: tuple[str, str]) -> None:
    source = CLASS.format("\n".join(f"        {line}" for line in written.splitlines()))
    assert source.replace(*repaired) in patches("parameter-not-optimized", source, near)


LOOP = "for epoch in range(3):\n    loss.backward()\n"


@pytest.mark.parametrize("replaced", ["net.fc = nn.Linear(wide, 10)", "net = Net()", "net.fc[1] = nn.Linear(4, 2)"])
def test_an_optimiser_is_made_when_all_layers_are_there(replaced: str) -> None:
    optimizer = "opt = torch.optim.SGD(net.parameters(), lr=0.1)\n"
    schedule = "sched = StepLR(opt, 3)\n"
    source = f"net = Net()\n{optimizer}{schedule}wide = net.fc.in_features\n{replaced}\nrows = load()\n{LOOP}"
    moved = f"net = Net()\nwide = net.fc.in_features\n{replaced}\n{optimizer}{schedule}rows = load()\n{LOOP}"
    assert patches("parameter-not-optimized", source, "torch.optim")[0] == moved


def test_an_optimiser_stays_where_nothing_is_replaced_after_it() -> None:
    source = f"opt = SGD(net.parameters(), lr=0.1)\nother = Net()\nnet.epochs = 3\n{LOOP}"
    assert all(made.startswith("opt") for made in patches("parameter-not-optimized", source, "SGD"))


def test_gradients_are_cleared_before_they_are_computed() -> None:
    source = "for x in rows:\n    loss = f(x)\n    loss.backward()\n    opt.zero_grad()\n    opt.step()\n"
    wanted = "for x in rows:\n    loss = f(x)\n    opt.zero_grad()\n    loss.backward()\n    pass\n    opt.step()\n"
    fix = "optimizer.zero_grad() before loss.backward(), or after optimizer.step()"
    assert patches("parameter-not-optimized", source, "opt.zero", fix)[0] == wanted


def test_a_backward_that_is_missing_comes_before_the_step() -> None:
    source = "for x in rows:\n    losses = []\n    loss = f(x)\n    opt.step()\n"
    made = patches("parameter-not-optimized", source, "opt.step", "loss.backward() before optimizer.step()")
    assert made[0] == source.replace("    opt.step", "    loss.backward()\n    opt.step")


def test_of_a_list_of_layers_all_are_optimised() -> None:
    source = f"layers = [Linear(2, 3), Linear(3, 1)]\nopt = SGD(layers[0].parameters(), lr=0.1)\n{LOOP}"
    every = source.replace("layers[0].parameters()", "[p for layer in layers for p in layer.parameters()]")
    assert every in patches("parameter-not-optimized", source, "SGD")


OUT = "hand the output of the last layer to the loss as it is: leave relu out"
TWICE = """class Net(nn.Module):
    def __init__(self):
        self.relu = nn.ReLU()

    def forward(self, x):
        x = self.relu(self.one(x))
        return self.relu(self.two(x))
"""


@pytest.mark.parametrize("near", ["nn.ReLU()", "return self.relu"])
def test_an_activation_that_serves_twice_is_left_out_at_the_end_alone(near: str) -> None:
    wanted = TWICE.replace("return self.relu(self.two(x))", "return self.two(x)")
    assert patches("activation-before-loss", TWICE, near, OUT)[0] == wanted


def test_an_activation_that_stands_twice_in_a_stack_is_left_out_at_the_end_alone() -> None:
    source = "import torch\nrelu = torch.nn.ReLU()\nnet = torch.nn.Sequential(one, relu, two, relu)\n"
    wanted = source.replace("two, relu)", "two, torch.nn.Identity())")
    assert patches("activation-before-loss", source, "nn.ReLU", OUT)[0] == wanted


def test_a_network_whose_output_is_squashed_is_called_as_before() -> None:
    source = "net = nn.Sequential(nn.Linear(2, 3), nn.Sigmoid())\nloss = f(net(x), net(x))\n"
    made = patches("output-range-mismatch", source, "nn.Seq", "leave sigmoid out at the output")
    assert made == [source.replace("nn.Sigmoid()", "nn.Identity()")]


def test_both_logs_of_a_cross_entropy_are_kept_from_their_edge() -> None:
    source = "def cost(p, t):\n    return -(t * torch.log(p) + (1 - t) * torch.log(1 - p)).mean()\n"
    first, second, *_ = patches("log-of-zero", source, "torch.log")
    assert first == source.replace("    return", "    p = p.clamp(1e-6, 1 - 1e-6)\n    return")
    assert "torch.log((p).clamp(min=1e-6)) + (1 - t) * torch.log((1 - p).clamp(min=1e-6))" in second


FORWARD = """class Net(nn.Module):
    def forward(self, x):
        h0 = torch.zeros(1, {size}, 8)
        out, (hn, cn) = self.lstm(x, (h0, h0))
        return self.fc({read})
"""


@pytest.mark.parametrize("size", ["x.size(0)", "x.shape[0]", "len(x)", "4"])
def test_what_is_made_of_the_input_is_read_in_the_place_of_what_is_not(size: str) -> None:
    source = FORWARD.format(size=size, read="h0[-1]")
    assert patches("input-ignored", source, "return")[0] == FORWARD.format(size=size, read="hn[-1]")


def test_what_is_made_of_the_input_already_is_left_as_it_is() -> None:
    source = FORWARD.format(size="4", read="hn[-1]")
    assert patches("input-ignored", source, "return") == []


@pytest.mark.parametrize(
    ("written", "repaired"),
    [
        ("torch.randn(784, 30, requires_grad=True)", "(torch.randn(784, 30) / 784 ** 0.5).requires_grad_()"),
        ("torch.zeros((n + 1, 3), dtype=d).requires_grad_()", "(torch.randn(n + 1, 3, dtype=d) / (n + 1) ** 0.5)"),
        ("torch.full((2, 3), 0.1, requires_grad=True)", "(torch.randn(2, 3) / 2 ** 0.5).requires_grad_()"),
        ("nn.Parameter(5 * torch.rand(8, 3))", "nn.Parameter(torch.randn(8, 3) / 8 ** 0.5)"),
    ],
)
def test_hand_made_weights_are_drawn_at_their_usual_size(written: str, repaired: str) -> None:
    source = f"import torch\nw = {written}\nb = torch.zeros(30, requires_grad=True)\nx = torch.randn(9, 4)\n"
    (made,) = patches("init-too-large", source, "w =")
    assert f"w = {repaired}" in made
    assert made.splitlines()[2:] == source.splitlines()[2:]


SCALED = """import torch
net = Net()
opt = SGD(net.parameters(), lr=0.1)
{}
for i in range(9):
    loss = net(X_train[i]).sum()
    loss.backward()
print(net(X_test))
"""


@pytest.mark.parametrize(
    ("written", "both"),
    [
        ("X_train = s.fit_transform(X_train)", "X_train = s.fit_transform(X_train)\nX_test = s.transform(X_test)"),
        ("X_train = s.transform(X_train)", "X_test = s.transform(X_test)\nX_train = s.transform(X_train)"),
        (
            "X_train = (X_train - X_train.mean(0)) / np.std(X_train, 0)",
            """X_test = (X_test - X_train.mean(0)) / np.std(X_train, 0)
X_train = (X_train - X_train.mean(0)) / np.std(X_train, 0)""",
        ),
        ("X_train = X_train / 255", "X_test = X_test / 255\nX_train = X_train / 255"),
    ],
)
def test_rows_of_an_evaluation_are_prepared_like_those_of_the_training(written: str, both: str) -> None:
    made = patches("train-val-preprocessing-mismatch", SCALED.format(written), "X_test")
    assert made[0] == SCALED.format(both)
    assert patches("train-val-preprocessing-mismatch", SCALED.format(both), "print") == []


def test_what_only_changes_the_kind_of_an_array_prepares_nothing() -> None:
    written = """X_train = s.fit_transform(X_train)
X_train = torch.from_numpy(X_train.astype('float32'))
X_test = torch.from_numpy(X_test.astype('float32'))
other = torch.from_numpy(other.astype('float32'))"""
    both = written.replace("\n", "\nX_test = s.transform(X_test)\n", 1)
    assert patches("train-val-preprocessing-mismatch", SCALED.format(written), "print")[0] == SCALED.format(both)


@pytest.mark.parametrize(
    ("written", "repaired"),
    [
        ("losses.append(log_prob * R)", "losses.append(-(log_prob * R))"),
        ("loss = (log_probs * returns).sum()", "loss = -(log_probs * returns).sum()"),
        ("return torch.stack(log_probs) @ returns", "return -(torch.stack(log_probs) @ returns)"),
    ],
)
def test_a_loss_of_rewards_gets_its_minus(written: str, repaired: str) -> None:
    source = f"def end(log_probs, returns):\n    {written}\n"
    fix = "a minus before the loss: loss = -(log_probs * returns).sum()"
    assert patches("loss-sign-flipped", source, written, fix)[0] == source.replace(written, repaired)


@pytest.mark.parametrize(
    ("written", "repaired"),
    [
        ("fit = F.mse_loss(said, x)", 'fit = F.mse_loss(said, x, reduction="sum")'),
        ("fit = cost(said, x)", "fit = cost(said, x)"),
    ],
)
def test_a_mean_beside_a_sum_becomes_one(written: str, repaired: str) -> None:
    source = f"import torch\ncost = nn.BCELoss()\n{written}\nloss = fit + kl.sum()\n"
    made = 'nn.BCELoss(reduction="sum")' if written == repaired else "nn.BCELoss()"
    found = patches("loss-reduction-scale", source, "fit =", "the same for both: reduction='sum', or the mean of …")
    assert found[0] == source.replace(written, repaired).replace("nn.BCELoss()", made)


def test_what_is_cut_and_made_a_tensor_anew_stays_the_one_that_it_was() -> None:
    source = """def extract(x):
    made = encoder(x)
    made = made.detach().numpy()
    return torch.tensor(made)
"""
    wanted = source.replace(".detach().numpy()", "").replace("torch.tensor(made)", "made")
    assert patches("detached-gradient", source, "made = made")[0] == wanted


def test_what_two_losses_take_is_cut_for_the_first_alone() -> None:
    source = """made = net(z).detach()
first = cost(judge(real), 1) + cost(judge(made), 0)
first.backward()
second = cost(judge(made), 1)
second.backward()
"""
    wanted = source.replace("net(z).detach()", "net(z)").replace("judge(made), 0", "judge(made.detach()), 0")
    assert patches("detached-gradient", source, "made =")[0] == wanted


@pytest.mark.parametrize(
    ("cause", "written", "repaired"),
    [
        ("samples-mixed", "x = x.view(steps, rows, -1)", "x = x.transpose(0, 1)"),
        ("samples-mixed", "x = (w @ v).permute(2, 0, 1, 3).reshape(B, T, D)", "x = (w @ v).permute(0, 2, 1, 3)"),
        ("samples-mixed", "h = read(embed(x).view(9, -1, 12).transpose(0, 1))", "h = read(embed(x))"),
        ("low-coverage", "rows = torch.randint(0, 40, (8,))", "rows = torch.randint(0, len(x), (8,))"),
        ("low-coverage", "rows = torch.arange(64)", "rows = torch.randint(0, len(x), (64,))"),
        ("unshuffled-data", "rows = kinds.argsort(stable=True)", "rows = torch.randperm(len(kinds))"),
        ("unshuffled-data", "rows = np.argsort(y[:9])", "rows = np.random.permutation(len(y[:9]))"),
        ("noisy-labels", "y_train[torch.rand(9) < 0.4] = other", "pass"),
        ("noisy-labels", "y = np.where(rng.random(9) < 0.3, rng.integers(3, size=9), y)", "y = y"),
        ("constant-target", "y = torch.tensor(d.target // 10)", "y = torch.tensor(d.target)"),
        ("constant-target", "y = np.full_like(y, y.mean() > 0)", "pass"),
        ("constant-target", "labels = (labels / 255).long()", "labels = labels"),
    ],
)
def test_rows_and_labels_are_what_they_were_meant_to_be(cause: str, written: str, repaired: str) -> None:
    source = f"import torch\nfor i in range(9):\n    {written}\n    loss(net(x[rows]), y[rows]).backward()\n"
    assert any(f"    {repaired}" in made for made in patches(cause, source, written))


def test_batches_come_one_after_the_other() -> None:
    source = "for step in range(99):\n    x, y = next(iter(loader))\n    loss(net(x), y).backward()\n"
    (made, *_) = patches("low-coverage", source, "next")
    assert made.startswith("batches = (batch for _ in iter(int, 1) for batch in loader)\nfor step")
    once = "rows = iter(loader)\nx, y = next(rows)\nfor i in range(9):\n    print(i)\n    loss(net(x), y).backward()\n"
    (made, *_) = patches("low-coverage", once, "next")
    drawn = "for i in range(9):\n    x, y = next(batches)\n    print(i)"
    assert made.startswith(f"rows = iter(loader)\nbatches = (batch for _ in iter(int, 1) for batch in loader)\n{drawn}")
    loader = [(1, 2), (3, 4)]
    batches = (batch for _ in iter(int, 1) for batch in loader)
    assert [next(batches) for _ in range(3)] == [(1, 2), (3, 4), (1, 2)]


NUMBERS = """import torch
from torch import nn
net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
cost = nn.MSELoss()
for x, y in loader:
    loss = cost(net(x), y.float().view(-1, 1))
    loss.backward()
print((net(x).round().view(-1) == y).sum())
"""


def test_classes_get_an_output_each() -> None:
    made = patches("wrong-loss-for-task", NUMBERS, "loss =", "3 outputs with cross_entropy, and argmax for the answer")
    assert made == [
        NUMBERS.replace("nn.Linear(8, 1)", "nn.Linear(8, 3)")
        .replace("cost(net(x), y.float().view(-1, 1))", "torch.nn.functional.cross_entropy(net(x), y.long().flatten())")
        .replace("net(x).round().view(-1)", "net(x).argmax(1)")
    ]


@pytest.mark.parametrize("largest", ["_, said = torch.max(out, 1)", "said = out.argmax(1)"])
def test_the_loss_of_an_argmax_becomes_one_of_the_outputs(largest: str) -> None:
    loss = f"{largest}\nloss = cost(said.float(), y.float())\nloss.requires_grad = True\nloss.backward()\n"
    (made,) = patches("wrong-loss-for-task", "import torch\n" + loss, "cost(", "3 outputs with cross_entropy")
    assert "loss = torch.nn.functional.cross_entropy(out, y.long().flatten())\npass\n" in made
