"""The mistakes that can be planted: each an edit of the program's text, so that the training really makes it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pellucid.playground.settings import Settings, SettingsError

Edit = tuple[str, str | Callable[[re.Match[str]], str]]


@dataclass(frozen=True)
class Mistake:
    """A mistake.

    Attributes:
        name, title: an id, and the mistake in a few words.
        cause: what the doctor calls it, an id of its vocabulary of causes.
        why: what the mistake does, in a sentence or two.
        edits: pairs of a pattern and what takes its place; each is found in every program that the settings give.
        needs: settings without which the mistake could not be made, or would not show.
        also: other causes that say the same of this program.
    """

    name: str
    title: str
    cause: str
    why: str
    edits: tuple[Edit, ...]
    needs: dict[str, Any] = field(default_factory=dict)
    also: tuple[str, ...] = ()

    def adapted(self, settings: Settings) -> Settings:
        """The settings, with those that the mistake needs; of the page's own, as many as go with them are kept."""
        needs = dict(self.needs)
        for name, least in (("samples", "least_samples"), ("batch", "least_batch")):
            if least in needs:
                needs[name] = max(getattr(settings, name), needs.pop(least))
        if not settings.hidden and "hidden" not in needs:
            needs["hidden"] = (8,)
        try:
            return dataclasses.replace(settings, **needs)
        except SettingsError:  # a regression where classes are needed, or the reverse
            return dataclasses.replace(settings, **{"data": "circles", "loss": "cross-entropy", "outputs": 1, **needs})

    def planted(self, text: str) -> str:
        """A program with the mistake in it."""
        for pattern, new in self.edits:
            changed, count = re.subn(pattern, new, text, count=1, flags=re.MULTILINE)
            if not count:
                raise LookupError(f"{self.name}: the program has no {pattern!r}")
            text = changed
        return text


def _times(factor: float) -> Edit:
    """The learning rate times a factor."""
    return r"lr=([\d.e+-]+)", lambda found: f"lr={float(found[1]) * factor:g}"


def _own_activation(name: str, forward: str, backward: str) -> tuple[Edit, ...]:
    """An activation with a backward pass written by hand, in the place of the first one."""
    source = (
        f"class {name}Function(torch.autograd.Function):\n"
        f'    """{name}, with its backward pass by hand."""\n\n'
        "    @staticmethod\n    def forward(ctx, z):\n"
        f"        a = {forward}\n        ctx.save_for_backward(z, a)\n        return a\n\n"
        "    @staticmethod\n    def backward(ctx, upstream):\n        z, a = ctx.saved_tensors\n"
        f"        return {backward}\n\n\n"
        f"class {name}(nn.Module):\n    def forward(self, z):\n        return {name}Function.apply(z)\n\n\n"
    )
    return ((r"^model = nn.Sequential", source + "model = nn.Sequential"), (r"^    nn\.Tanh\(\),", f"    {name}(),"))


def _ends(layer: str) -> Edit:
    """One more layer at the network's end."""
    return r"^\)\nloss_function", f"    {layer},\n)\nloss_function"


def _begins(weights: str) -> Edit:
    """Weights at the start, other than those that nn.Linear draws."""
    return r"^optimizer = ", (
        f"with torch.no_grad():\n    for parameter in model.parameters():\n        {weights}\noptimizer = "
    )


_CLASSES: dict[str, Any] = {"data": "circles", "loss": "cross-entropy"}
_TWO: dict[str, Any] = {"data": "gaussians", "loss": "cross-entropy", "outputs": 2}
_THREE: dict[str, Any] = {"data": "gaussians", "loss": "cross-entropy", "outputs": 3}
_ONE: dict[str, Any] = {"data": "circles", "loss": "cross-entropy", "outputs": 1}
_SGD: dict[str, Any] = {"optimiser": "sgd", "rate": 0.1}
_PLANE: dict[str, Any] = {"data": "plane", "loss": "mse", "outputs": 1}
_TANH: dict[str, Any] = {"activation": "tanh", "hidden": (8, 8), "optimiser": "sgd", "rate": 0.1}
_LEAVES = r"    return torch\.tensor\(\(points - mean\) / deviation, dtype=torch\.float32\)"

MISTAKES = {
    mistake.name: mistake
    for mistake in (
        # The backward pass
        Mistake(
            "missing-activation-derivative",
            "The derivative of an activation is missing in its backward pass",
            "wrong-backward",
            "The gradient passes tanh as if it were not there: saturated units are moved as far as the others.",
            _own_activation("Tanh", "torch.tanh(z)", "upstream"),
            {**_ONE, **_TANH},
        ),
        Mistake(
            "flipped-sign-backward",
            "A sign is flipped in the backward pass of an activation",
            "wrong-backward",
            "Whatever is below the activation climbs the loss, while the layers above descend it.",
            _own_activation("Tanh", "torch.tanh(z)", "upstream * (a * a - 1)"),
            {**_ONE, **_TANH},
        ),
        Mistake(
            "derivative-at-wrong-point",
            "The derivative of tanh is taken at its output in the place of its input",
            "wrong-backward",
            "1 − tanh(a)² in the place of 1 − tanh(z)², with a = tanh(z): the slope never becomes small.",
            _own_activation("Tanh", "torch.tanh(z)", "upstream * (1 - torch.tanh(a) ** 2)"),
            {**_ONE, **_TANH},
        ),
        # The loss
        Mistake(
            "sign-of-loss",
            "The loss is climbed: its sign is flipped before backward",
            "loss-sign-flipped",
            "Each step makes the loss larger.",
            ((r"loss\.backward\(\)", "(-loss).backward()"),),
            {"loss": "mse", "optimiser": "sgd"},
        ),
        Mistake(
            "sum-for-mean",
            "The loss is a sum over the batch, with the rate of a mean",
            "loss-reduction-scale",
            "The gradient is as many times larger as the batch has samples, and so is each step.",
            ((r"^loss_function = (\w+\.\w+)\(\)", r'loss_function = \1(reduction="sum")'),),
            {**_SGD, **_ONE, "hidden": (8, 8), "least_batch": 100, "least_samples": 300},
            also=("lr-too-high",),
        ),
        Mistake(
            "softmax-twice",
            "Softmax is applied twice: in the network, and in the loss",
            "double-softmax",
            "The probabilities become flat, and hardly any gradient gets through.",
            (_ends("nn.Softmax(dim=1)"),),
            _THREE,
        ),
        Mistake(
            "softmax-of-one",
            "Softmax over a single unit",
            "softmax-single-unit",
            "e^z / e^z is 1 for every point, whatever z is: there is nothing to learn by.",
            (
                _ends("nn.Softmax(dim=1)"),
                (r"nn\.BCEWithLogitsLoss\(\)", "nn.BCELoss()"),
                (r"torch\.sigmoid\(output\)", "output"),
            ),
            _ONE,
        ),
        Mistake(
            "relu-before-loss",
            "The scores pass a ReLU before the loss",
            "activation-before-loss",
            "No score can be below 0, and where a unit is at 0 nothing moves it.",
            (_ends("nn.ReLU()"),),
            _THREE,
        ),
        Mistake(
            "output-range",
            "A sigmoid at the end, where targets are below 0",
            "output-range-mismatch",
            "The output lies between 0 and 1, half of the targets do not.",
            (_ends("nn.Sigmoid()"),),
            _PLANE,
        ),
        Mistake(
            "broadcast-loss",
            "Outputs (N, 1) are compared with targets (N,)",
            "silent-broadcast-loss",
            "They broadcast to (N, N): each output is drawn to the mean of all targets.",
            ((r"labels\[:, None\]", "labels"),),
            _PLANE,
        ),
        Mistake(
            "softmax-over-batch",
            "Softmax is taken over the batch in the place of the classes",
            "softmax-wrong-axis",
            "The samples of a batch share a probability of 1 among them.",
            (
                _ends("nn.LogSoftmax(dim=0)"),
                (r"nn\.CrossEntropyLoss\(\)", "nn.NLLLoss()"),
            ),
            _THREE,
        ),
        Mistake(
            "log-of-scores",
            "The logarithm is taken of the scores, which may be below 0",
            "log-of-zero",
            "The logarithm of a negative number is NaN, and so is all that follows.",
            (
                (
                    r"^loss_function = nn\.BCEWithLogitsLoss\(\)",
                    (
                        "\n\ndef loss_function(scores, target):\n"
                        "    return -(target * torch.log(scores) + (1 - target) * torch.log(1 - scores)).mean()\n\n"
                    ),
                ),
            ),
            _ONE,
        ),
        # The network
        Mistake(
            "no-activation",
            "There is no activation between the layers",
            "no-nonlinearity",
            "Layers without anything between them are one linear layer: the boundary stays a straight line.",
            ((r"(?:^    nn\.(?!Linear)\w+\([\d.]*\),\n)", ""), (r"(?:^    nn\.(?!Linear)\w+\([\d.]*\),\n)", "")),
            {**_CLASSES, "hidden": (8, 8)},
        ),
        Mistake(
            "zero-weights",
            "All weights begin at 0",
            "symmetric-init",
            "All units of a layer are the same, get the same gradient, and stay the same.",
            (_begins("parameter.zero_()"),),
            {**_CLASSES, "hidden": (8, 8)},
        ),
        Mistake(
            "equal-weights",
            "All weights begin at 0.5",
            "symmetric-init",
            "All units of a layer are the same and stay so: a layer of eight is worth one.",
            (_begins("parameter.fill_(0.5)"),),
            {**_CLASSES, "hidden": (8, 8)},
        ),
        Mistake(
            "small-weights",
            "The first weights are a hundred times too small",
            "init-too-small",
            "What passes a layer becomes a hundred times smaller, forward and backward.",
            (_begins("parameter.mul_(0.01)"),),
            {**_CLASSES, "hidden": (8, 8, 8), **_SGD},
        ),
        Mistake(
            "large-weights",
            "The first weights are thirty times too large",
            "init-too-large",
            "Units are saturated from the beginning, and the first losses are huge.",
            (_begins("parameter.mul_(30)"),),
            {**_CLASSES, "hidden": (16, 16), **_SGD},
        ),
        Mistake(
            "vanishing-gradients",
            "Six layers of sigmoids",
            "vanishing-gradients",
            "Each sigmoid lets at most a quarter of the gradient through: little of it gets to the first layer.",
            (),
            {**_CLASSES, "hidden": (8,) * 6, "activation": "sigmoid", **_SGD},
        ),
        Mistake(
            "dead-relus",
            "The ReLUs of the first layer are off for every point",
            "dead-units",
            "Their biases are far below 0: the output is 0 everywhere, and so is the gradient.",
            ((r"^optimizer = ", "with torch.no_grad():\n    model[0].bias.fill_(-20.0)\noptimizer = "),),
            {**_CLASSES, "hidden": (8, 8), "activation": "relu"},
        ),
        Mistake(
            "inputs-ignored",
            "The network is given zeros in the place of its inputs",
            "input-ignored",
            "It says the same of every point.",
            (
                (
                    r"    loss = loss_of\(inputs, target\)",
                    "    inputs = torch.zeros_like(inputs)\n    loss = loss_of(inputs, target)",
                ),
            ),
            _CLASSES,
        ),
        Mistake(
            "strong-dropout",
            "Dropout turns 95 of 100 units off",
            "excessive-dropout",
            "Hardly anything gets through in training.",
            (
                (r"^    nn\.Linear\(\d+, \d+\),\n    (nn\.\w+\([\d.]*\)),\n", r"\g<0>    nn.Dropout(0.95),\n"),
                (r"^(    nn\.Linear\(\d+, \d\),\n\))", r"    nn.Dropout(0.95),\n\1"),
            ),
            {**_CLASSES, "hidden": (16, 16)},
        ),
        Mistake(
            "detached",
            "The graph is cut: detach() after the first layers",
            "detached-gradient",
            "No gradient gets below the cut: these layers stay as they were drawn.",
            (
                (
                    r"^model = nn\.Sequential",
                    (
                        "class Features(nn.Module):\n    def forward(self, h):\n        return h.detach()\n\n\n"
                        "model = nn.Sequential"
                    ),
                ),
                (r"^(    nn\.Linear\(\d+, \d\),\n\))", r"    Features(),\n\1"),
            ),
            {**_CLASSES, "hidden": (4, 4)},
            also=("parameter-not-optimized",),
        ),
        # The optimiser and the loop
        Mistake(
            "rate-too-high",
            "The learning rate is far too high",
            "lr-too-high",
            "Each step jumps over the valley, and lands higher up.",
            (_times(300),),
            {**_CLASSES, **_SGD, "hidden": (8, 8)},
            also=("late-instability", "exploding-gradients"),
        ),
        Mistake(
            "rate-too-low",
            "The learning rate is far too low",
            "lr-too-low",
            "The right direction, in steps of which nothing is seen.",
            (_times(0.003),),
            {**_CLASSES, **_SGD, "hidden": (8, 8)},
            also=("too-few-updates",),
        ),
        Mistake(
            "no-zero-grad",
            "optimizer.zero_grad() is missing",
            "missing-zero-grad",
            "backward() adds to the gradients that are there: each step is along the sum of all gradients so far.",
            ((r"^    optimizer\.zero_grad\(\)\n", ""),),
            {**_CLASSES, **_SGD, "hidden": (8, 8)},
        ),
        Mistake(
            "frozen-layer",
            "The optimiser knows the last layer alone",
            "parameter-not-optimized",
            "The hidden layers stay as they were drawn.",
            ((r"model\.parameters\(\), lr=", "model[-1].parameters(), lr="),),
            {**_CLASSES, "hidden": (4, 4)},
        ),
        Mistake(
            "strong-decay",
            "Weight decay outweighs the loss",
            "excessive-weight-decay",
            "All weights shrink to nothing, and the output with them.",
            ((r"lr=[\d.e+-]+", "lr=0.1, weight_decay=1.0"),),
            {**_CLASSES, "optimiser": "sgd", "regularisation": "none", "hidden": (8, 8)},
        ),
        Mistake(
            "dropout-in-test",
            "Dropout stays on while the loss is measured",
            "train-eval-mode",
            "model.eval() is missing: the test is made with half of the units off, and is another each time.",
            (
                (r"^(    nn\.Linear\(\d+, \d\),\n\))", r"    nn.Dropout(0.5),\n\1"),
                (r"^    model\.eval\(\)\n", ""),
                (r"^    model\.train\(\)\n", ""),
            ),
            {**_CLASSES, "hidden": (16, 16)},
        ),
        # The data
        Mistake(
            "unscaled-inputs",
            "The inputs are not scaled",
            "input-not-scaled",
            "They are around 300 where the first layer expects numbers around 0 and of size 1.",
            ((_LEAVES, "    return torch.tensor(points * 100 + 300, dtype=torch.float32)  # in pixels"),),
            {**_CLASSES, **_SGD, "hidden": (8, 8)},
        ),
        Mistake(
            "one-large-column",
            "One input is a thousand times larger than the other",
            "feature-scale-mismatch",
            "The network sees the large one alone.",
            ((_LEAVES, "    return torch.tensor(points * [1, 1000], dtype=torch.float32)  # metres, millimetres"),),
            {**_CLASSES, **_SGD, "hidden": (8, 8)},
            also=("input-not-scaled",),
        ),
        Mistake(
            "inputs-shuffled-alone",
            "The inputs were shuffled, and the labels were not",
            "labels-misaligned",
            "Each point has the label of another: there is nothing to learn but the share of each class.",
            (
                (
                    r"^points, labels = draw\(SAMPLES\)\n",
                    "points, labels = draw(SAMPLES)\npoints = points[rng.permutation(SAMPLES)]\n",
                ),
            ),
            {**_CLASSES, "hidden": (16, 16)},
            also=("noisy-labels",),
        ),
        Mistake(
            "labels-from-one",
            "The classes are counted from 1",
            "labels-off-by-one",
            "A probability cannot be 2: the loss falls below 0, and goes on falling.",
            ((r"labels\[:, None\]", "labels[:, None] + 1"),),
            _ONE,
            also=("labels-out-of-range",),
        ),
        Mistake(
            "wrong-labels",
            "A quarter of the training labels is wrong",
            "noisy-labels",
            "Someone labelled in haste: what is right for most points is wrong for their neighbours.",
            (
                (
                    r"^mean, deviation = ",
                    (
                        "wrong = train[rng.random(len(train)) < 0.25]\n"
                        "labels[wrong] = labels.max() - labels[wrong]\nmean, deviation = "
                    ),
                ),
            ),
            {**_TWO, "noise": 0.0, "hidden": (16, 16), "least_samples": 600},
        ),
        Mistake(
            "not-shuffled",
            "The data are sorted by class, and not shuffled",
            "unshuffled-data",
            "Each batch has one class: the network learns it, and forgets it with the next.",
            ((r", shuffle=True", ""),),
            {
                "data": "spirals",
                "loss": "cross-entropy",
                "outputs": 3,
                **_SGD,
                "rate": 0.5,
                "batch": 10,
                "hidden": (16, 16),
            },
        ),
        Mistake(
            "same-batch",
            "Every epoch sees the same few points",
            "low-coverage",
            "A sampler that was for trying things out is still in: a tenth of the rows is learned, and nothing else.",
            ((r"shuffle=True", "sampler=range(0, len(x), 10)"),),
            {**_CLASSES, "hidden": (8, 8), "least_samples": 200},
        ),
        Mistake(
            "test-not-prepared",
            "The test points are not scaled as the training points are",
            "train-val-preprocessing-mismatch",
            "The network is tested on numbers of another size and place.",
            (
                (
                    r"^x_test, y_test = prepare\(points\[test\]\)",
                    "x_test, y_test = torch.tensor(100 * points[test], dtype=torch.float32)",
                ),
            ),
            _CLASSES,
        ),
        Mistake(
            "test-in-training",
            "Half of the test points are among the training points",
            "train-val-leak",
            "The test says how well the network remembers, not how well it does on new points.",
            ((r"np\.sort\(order\[(\d+):\]\)", lambda found: f"np.sort(order[{int(found[1]) // 2} :])"),),
            {**_CLASSES, "least_batch": 50},
        ),
        Mistake(
            "a-missing-value",
            "One coordinate is NaN",
            "non-finite-data",
            "One number that is none makes the loss of its batch NaN, and with it every weight.",
            (
                (
                    r"^x_test, y_test",
                    'x[7, 1] = float("nan")  # the sensor failed\nx_test, y_test',
                ),
            ),
            _CLASSES,
        ),
    )
}
