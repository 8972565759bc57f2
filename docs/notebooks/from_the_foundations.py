# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # From the foundations
#
# The classic path, on 1,797 real handwritten digits of 8 × 8 pixels: from a matrix product
# by three loops to a network that is trained with a schedule whose learning rate was found,
# not guessed. Each part is written out once by hand, checked against pellucid's, and from
# then on pellucid's is used.

# %%
import itertools
import math
import time

import matplotlib.pyplot as plt
import numpy as np

import pellucid as torch
from pellucid import datasets, nn, optim, viz
from pellucid.nn import functional as F

# %matplotlib inline

COLOURS = (
    "#D55E00",
    "#0072B2",
    "#009E73",
    "#000000",
)  # told apart by all kinds of colour vision

# %%
data = datasets.digits()
x_train, y_train, x_val, y_val = (
    torch.from_numpy(part.reshape(len(part), -1) if part.ndim > 1 else part)
    for part in (data.x_train, data.y_train, data.x_val, data.y_val)
)
print(data)
print(x_train.shape, x_train.dtype, f"from {x_train.min():.2f} to {x_train.max():.2f}")

figure, axes = plt.subplots(1, 8, figsize=(8, 1.3), layout="constrained")
for axis, image, label in zip(axes, data.x_train, data.y_train, strict=False):
    axis.imshow(image.reshape(8, 8), cmap="gray_r")
    axis.set_title(f"{label}")
    axis.axis("off")

# %% [markdown]
# ## 1. The matrix product
#
# A layer is a matrix product: 16 digits of 64 pixels, (16, 64), times the weights of 10
# outputs, (64, 10), is (16, 10). Each number of the result is a sum of 64 products. Written
# with less and less Python:


# %%
def by_loops(a, b):
    """c[i, j] = Σ a[i, k] · b[k, j], a number at a time."""
    c = torch.zeros(len(a), b.shape[1])
    for i in range(a.shape[0]):
        for j in range(b.shape[1]):
            total = 0.0
            for k in range(a.shape[1]):
                total += a[i, k].item() * b[k, j].item()
            c[i, j] = total
    return c


def elementwise(a, b):
    """The loop over k is a product of a row and a column, element by element, and a sum."""
    c = torch.zeros(len(a), b.shape[1])
    for i in range(a.shape[0]):
        for j in range(b.shape[1]):
            c[i, j] = (a[i] * b[:, j]).sum()
    return c


def broadcast(a, b):
    """The loop over j goes: a row, as (64, 1), is stretched over all of b, (64, 10)."""
    c = torch.zeros(len(a), b.shape[1])
    for i in range(a.shape[0]):
        c[i] = (a[i][:, None] * b).sum(dim=0)
    return c


def by_einsum(a, b):
    """The loop over i goes: the letters say what is matched (k) and what is kept (i, j)."""
    return torch.einsum("ik,kj->ij", a, b)


def by_operator(a, b):
    """What the processor's library of linear algebra does with it."""
    return a @ b


# %%
torch.manual_seed(0)
a, b = x_train[:16], torch.randn(64, 10)


def seconds(function, *arguments, at_least=0.05):
    """The time of one call, over as many as it takes to measure it."""
    count, taken = 1, 0.0
    while True:
        start = time.perf_counter()
        for _ in range(count):
            function(*arguments)
        taken = time.perf_counter() - start
        if taken > at_least:
            return taken / count
        count *= 4


times = {}
for function in (by_loops, elementwise, broadcast, by_einsum, by_operator):
    difference = (function(a, b) - a @ b).abs().max().item()
    assert difference < 1e-4
    times[function.__name__] = seconds(function, a, b)

print(f"{'':12} {'one call':>12} {'faster than loops':>18}")
for name, taken in times.items():
    print(f"{name:12} {taken * 1e6:9.0f} µs {times['by_loops'] / taken:17.0f}×")

# %%
figure, axis = plt.subplots(figsize=(7, 2.8), layout="constrained")
bars = axis.barh(list(times), [taken * 1e6 for taken in times.values()], color="#0072B2")
axis.bar_label(
    bars, [f"{times['by_loops'] / taken:,.0f}×" for taken in times.values()], padding=4
)
axis.set(
    xscale="log", xlabel="microseconds a call (each grid line is ten times the one before)"
)
axis.set_xlim(right=axis.get_xlim()[1] * 4)
axis.set_title("(16, 64) times (64, 10): how much faster than three loops")
axis.invert_yaxis()
axis.grid(axis="x", alpha=0.3)

# %% [markdown]
# ## 2. Forward and backward, by hand
#
# One hidden layer of 50 units: linear, ReLU, linear, and as loss the cross-entropy of the
# softmax.

# %%
torch.manual_seed(0)
n, inputs, hidden, outputs = len(x_train), 64, 50, 10
w1, b1 = torch.randn(inputs, hidden) * math.sqrt(2 / inputs), torch.zeros(hidden)
w2, b2 = torch.randn(hidden, outputs) * math.sqrt(2 / hidden), torch.zeros(outputs)


def linear(x, w, b):
    return x @ w + b  # (n, in) @ (in, out) -> (n, out)


def relu(x):
    return x.clamp(min=0)


def cross_entropy(scores, target):
    """Mean of −log p, where p is the softmax of the scores at the right class."""
    log_probabilities = scores - scores.logsumexp(dim=1, keepdim=True)
    return -log_probabilities[range(len(target)), target].mean()


# %% [markdown]
# The backward pass goes through the same steps from the last to the first. Each is handed
# the gradient `g` of its output and makes that of what it was given. Of a linear step `y =
# x W + b`:
#
# - to the input: `g Wᵀ`
# - to the weights: `xᵀ g`
# - to the bias: `g`, summed over the samples
#
# ReLU lets through what was positive. And softmax with cross-entropy have the simplest
# gradient of all: the probabilities, minus 1 at the right class.


# %%
def forward_and_backward(x, target):
    """The loss, and the gradient of each parameter."""
    before = linear(x, w1, b1)
    after = relu(before)
    scores = linear(after, w2, b2)
    loss = cross_entropy(scores, target)

    g = scores.softmax(dim=1)
    g[range(len(target)), target] -= 1
    g = g / len(target)  # the loss is a mean
    found = {"w2": after.T @ g, "b2": g.sum(dim=0)}
    g = g @ w2.T
    g = g * (before > 0)
    return loss, found | {"w1": x.T @ g, "b1": g.sum(dim=0)}


loss, by_hand = forward_and_backward(x_train, y_train)
print(f"loss {loss.item():.4f}; a guess among ten gets log 10 = {math.log(10):.4f}")

# %% [markdown]
# Is that right? Autograd says what it should be.

# %%
parameters = {"w1": w1, "b1": b1, "w2": w2, "b2": b2}
for parameter in parameters.values():
    parameter.requires_grad_()
cross_entropy(linear(relu(linear(x_train, w1, b1)), w2, b2), y_train).backward()
for name, parameter in parameters.items():
    difference = (by_hand[name] - parameter.grad).abs().max() / parameter.grad.abs().max()
    print(f"{name}: largest difference {difference.item():.0e} of the largest gradient")
    assert difference < 1e-5

# %% [markdown]
# ## 3. Initialisation
#
# Why `sqrt(2 / inputs)` above? Each output of a linear layer is a sum of as many terms as
# there are inputs, so with weights of variance 1 its variance is that many times larger.
# Through 30 layers that is the end of the numbers. The factor keeps the variance: 1 /
# inputs for a layer followed by tanh (Glorot and Bengio, 2010), 2 / inputs where a ReLU
# cuts off half (He et al., 2015).


# %%
def spread(activation, scale, depth=30, width=100):
    """The standard deviation of the activations after each of `depth` layers."""
    torch.manual_seed(0)
    x, result = torch.randn(200, width), []
    for _ in range(depth):
        x = activation(x @ (torch.randn(width, width) * scale))
        result.append(x.std().item() or math.nan)  # a logarithmic axis has no 0
    return result


choices = {
    "ReLU, standard deviation 1": (relu, 1.0),
    "ReLU, 0.01": (relu, 0.01),
    "ReLU, √(2/inputs) (He)": (relu, math.sqrt(2 / 100)),
    "tanh, √(1/inputs) (Glorot)": (torch.tanh, math.sqrt(1 / 100)),
}
figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
styles = zip(("-", "--", "-", ":"), COLOURS, ("s", "v", "o", None), strict=True)
for (name, choice), (line, colour, marker) in zip(choices.items(), styles, strict=True):
    axis.plot(
        range(1, 31),
        spread(*choice),
        line,
        color=colour,
        marker=marker,
        markersize=4,
        label=name,
    )
axis.set(yscale="log", xlabel="layer", ylabel="standard deviation of the activations")
axis.set_title("Variance through 30 layers of 100 units, before any training")
axis.grid(alpha=0.3)
_ = axis.legend(frameon=False)

# %% [markdown]
# Only the last two reach layer 30 with numbers that can be told apart: the first explodes,
# the second vanishes. The same is to be asked of any network, and of the gradients on their
# way back: `initialisation_report` tries each scheme on a copy of the model.

# %%
deep = [layer for _ in range(15) for layer in (nn.Linear(64, 64), nn.ReLU())]
report = nn.utils.initialisation_report(
    nn.Sequential(*deep, nn.Linear(64, 10)), x_train[:200]
)
report.plot()

# %% [markdown]
# `nn.Linear` begins as PyTorch's does ("as built"): in a deep network its gradients
# vanish. LSUV (Mishkin and Matas, 2016) does not calculate the factor but measures it.
#
# ## 4. Linear and ReLU as classes
#
# Each step of the network knows how to go forward and how to go back, and keeps what it
# needs in between.


# %%
class Linear:
    def __init__(self, inputs, outputs):
        self.w = torch.randn(inputs, outputs) * math.sqrt(2 / inputs)
        self.b = torch.zeros(outputs)

    def __call__(self, x):
        self.x = x
        return x @ self.w + self.b

    def backward(self, g):
        self.w_grad, self.b_grad = self.x.T @ g, g.sum(dim=0)
        return g @ self.w.T


class ReLU:
    def __call__(self, x):
        self.positive = x > 0
        return x.clamp(min=0)

    def backward(self, g):
        return g * self.positive


class CrossEntropy:
    def __call__(self, scores, target):
        self.scores, self.target = scores, target
        return cross_entropy(scores, target)

    def backward(self):
        g = self.scores.softmax(dim=1)
        g[range(len(self.target)), self.target] -= 1
        return g / len(self.target)


class Network:
    def __init__(self, *layers):
        self.layers, self.loss = layers, CrossEntropy()

    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        return x

    def backward(self):
        g = self.loss.backward()
        for layer in reversed(self.layers):
            g = layer.backward(g)


torch.manual_seed(0)
network = Network(Linear(64, 50), ReLU(), Linear(50, 10))
print("loss", network.loss(network(x_train), y_train).item())
network.backward()

# %% [markdown]
# pellucid's layers need no `backward`: autograd has the rule of each op. With the same
# weights, the same gradient.

# %%
model = nn.Sequential(nn.Linear(64, 50), nn.ReLU(), nn.Linear(50, 10))
with torch.no_grad():
    for mine, theirs in ((network.layers[0], model[0]), (network.layers[2], model[2])):
        theirs.weight.copy_(mine.w.T)  # PyTorch keeps a weight as (outputs, inputs)
        theirs.bias.copy_(mine.b)
F.cross_entropy(model(x_train), y_train).backward()
print(torch.allclose(model[0].weight.grad, network.layers[0].w_grad.T, atol=1e-6))

# %% [markdown]
# ## 5. Batches
#
# A step along the gradient of all samples is slow, and that of a few is nearly as good. A
# data set says how many samples it has and gives one; a loader goes through it in an order
# drawn anew each time.


# %%
class Dataset:
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return self.x[i], self.y[i]


class DataLoader:
    def __init__(self, data, batch_size, shuffle=False):
        self.data, self.batch_size, self.shuffle = data, batch_size, shuffle

    def __len__(self):
        return math.ceil(len(self.data) / self.batch_size)

    def __iter__(self):
        order = (
            torch.randperm(len(self.data)) if self.shuffle else torch.arange(len(self.data))
        )
        for places in order.split(self.batch_size):
            yield self.data[places]


for x, y in DataLoader(Dataset(x_train, y_train), 64, shuffle=True):
    print(x.shape, y.shape)
    break

# %% [markdown]
# pellucid's have PyTorch's names and options, and are in `pellucid.utils.data`.

# %%
from pellucid.utils.data import DataLoader, TensorDataset


def loaders(batch_size=64):
    train = DataLoader(TensorDataset(x_train, y_train), batch_size=batch_size, shuffle=True)
    return train, DataLoader(TensorDataset(x_val, y_val), batch_size=512)


# %% [markdown]
# ## 6. The optimiser
#
# It has the parameters, moves them, and forgets the gradients. With momentum it moves along
# a decaying sum of them.


# %%
class SGD:
    def __init__(self, parameters, lr, momentum=0.0):
        self.parameters, self.lr, self.momentum = list(parameters), lr, momentum
        self.velocity = [torch.zeros_like(parameter) for parameter in self.parameters]

    def step(self):
        with torch.no_grad():
            for parameter, velocity in zip(self.parameters, self.velocity, strict=True):
                velocity.mul_(self.momentum).add_(parameter.grad)
                parameter -= self.lr * velocity

    def zero_grad(self):
        for parameter in self.parameters:
            parameter.grad = None


def network_of(*sizes):
    """Linear layers with ReLU between them."""
    layers = [
        layer
        for i, o in itertools.pairwise(sizes)
        for layer in (nn.Linear(i, o), nn.ReLU())
    ]
    return nn.Sequential(*layers[:-1])


def fit(model, optimizer, train, valid, epochs):
    """The training loop, all of it."""
    for epoch in range(epochs):
        for x, y in train:
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        with torch.no_grad():
            right = sum(int((model(x).argmax(dim=1) == y).sum()) for x, y in valid)
        accuracy = right / len(x_val)
        print(f"epoch {epoch + 1}: last loss {loss.item():.3f}, accuracy {accuracy:.3f}")


finals = []
for kind in (SGD, optim.SGD):  # ours and pellucid's
    torch.manual_seed(0)
    model = network_of(64, 50, 10)
    fit(model, kind(model.parameters(), lr=0.1, momentum=0.9), *loaders(), epochs=3)
    finals.append(model[0].weight.detach())
print("the same weights after 3 epochs:", torch.allclose(*finals, atol=1e-5))

# %% [markdown]
# ## 7. Callbacks
#
# The loop above prints, and soon should record, stop early, clip gradients, change the
# learning rate. Instead of growing it calls whoever is interested at each moment. That is
# `Learner`: the five verbs predict, loss, backward, step and zero_grad, with a hook after
# each.

# %%
from pellucid.train import Accuracy, Callback, EarlyStopping, Learner, ParamScheduler
from pellucid.train.schedule import combine, cosine
from pellucid.train.schedule import linear as linearly


class GradientNorm(Callback):
    """The norm of the whole gradient, at every step."""

    def __init__(self):
        self.norms = []

    def after_backward(self, learner):
        squares = sum((p.grad**2).sum().item() for p in learner.model.parameters())
        self.norms.append(math.sqrt(squares))


def learner_of(*callbacks, lr=0.1, sizes=(64, 50, 10), seed=0):
    torch.manual_seed(seed)
    model = network_of(*sizes)
    optimizer = optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    return Learner(
        model, loaders(), nn.CrossEntropyLoss(), optimizer, [Accuracy], callbacks
    )


norms = GradientNorm()
learner = learner_of(norms, EarlyStopping(patience=3))
learner.fit(10)

# %%
figure, axis = plt.subplots(figsize=(7, 2.6), layout="constrained")
axis.plot(norms.norms, color="#0072B2", linewidth=1)
axis.set(
    xlabel="step", ylabel="norm of the gradient", title="Recorded by a callback of our own"
)
axis.grid(alpha=0.3)

# %% [markdown]
# A hook that does not exist is an error where the class is written, not silence while it
# trains:

# %%
try:

    class Misspelt(Callback):
        def after_epochs(self, learner): ...

except TypeError as error:
    print(error)

# %% [markdown]
# ## 8. Annealing
#
# Large steps at first, small ones at the end. A schedule is a function of the progress of
# the run, from 0 to 1, and can be put together from others: here a linear warm-up over the
# first fifth, then half a cosine down.

# %%
schedules = {
    "cosine": cosine(0.3, 0.0),
    "linear, then cosine": combine([0.2, 0.8], [linearly(0.01, 0.3), cosine(0.3, 0.0)]),
    "a function of one's own": lambda part: 0.3 * 0.5 ** int(4 * part),
}
parts = np.linspace(0, 1, 200)
figure, axis = plt.subplots(figsize=(7, 3), layout="constrained")
for (name, schedule), line, colour in zip(
    schedules.items(), ("-", "--", ":"), COLOURS, strict=False
):
    axis.plot(
        parts,
        [schedule(part) for part in parts],
        line,
        color=colour,
        label=name,
        linewidth=2,
    )
axis.set(xlabel="part of the run that is done", ylabel="learning rate")
axis.grid(alpha=0.3)
_ = axis.legend(frameon=False)

# %%
learner = learner_of(ParamScheduler("lr", schedules["linear, then cosine"]))
learner.fit(10)

# %% [markdown]
# ## 9. The learning-rate finder
#
# How large is large? Train for a hundred steps or so with a rate that grows from tiny to
# absurd, and look at the loss (Smith, 2015): where it falls fastest is a good rate, and
# somewhat behind it the largest that can be used. A few such rates are then tried for a
# hundred steps each: `best` keeps a factor of two away from the one that came furthest,
# which may just have been lucky. Afterwards the learner is as it was before, to the bit.

# %%
learner = learner_of()
found = learner.lr_find()
print({name: rate and round(rate, 4) for name, rate in found.suggestions.items()})
found.plot()

# %% [markdown]
# ## 10. All of it
#
# One cycle (Smith and Topin, 2018): up to the rate that was found, and down to almost
# nothing.

# %%
rate = found.suggestions["best"]
learner = learner_of(lr=rate, sizes=(64, 128, 64, 10))
learner.fit_one_cycle(15, max_lr=rate)
print({name: round(value, 4) for name, value in learner.evaluate().items()})

# %% [markdown]
# What is left are digits that people would hesitate over as well:

# %%
scores = learner.predict(x_val)
viz.worst_predictions(data.x_val, data.y_val, scores.softmax(dim=1).numpy())

# %%
matrix = np.zeros((10, 10), int)
np.add.at(matrix, (data.y_val, scores.argmax(dim=1).numpy()), 1)
viz.confusion_matrix(matrix, data.class_names)
