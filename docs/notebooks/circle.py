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
# # The sign: a dev log, replayed
#
# Someone wrote a network of two layers by hand, trained it to tell the points inside a
# circle from those outside, saw the loss spiral up instead of down, and could not find out
# why. This page plays the log back with the tools that were missing then: the loss every
# few steps, the network as it was at any of them, its predictions as a picture, and each
# gradient beside the right one.

# %%
import base64
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import HTML, display

import pellucid as torch
from pellucid import check, datasets, nn, optim, viz
from pellucid.train import Learner, Recorder, Snapshots
from pellucid.utils.data import DataLoader, TensorDataset

# %matplotlib inline

# %% [markdown]
# ## Entry 1: the data
#
# 2,000 points in a box of 40 × 40, half of them inside a circle. Label 1 is inside.

# %%
data = datasets.circle(n=2000, balance=0.5, seed=0)
print(data)
print(
    f"radius {data.facts['radius']:.2f}, {data.facts['balance']:.1%} of the points inside"
)


def batches(x, y, size, shuffle=False):
    target = torch.from_numpy(
        y.astype(np.float32)[:, None]
    )  # (N,) -> (N, 1), the shape of the output
    return DataLoader(
        TensorDataset(torch.from_numpy(x), target), batch_size=size, shuffle=shuffle
    )


valid = batches(data.x_val, data.y_val, size=400)


# %% [markdown]
# ## Entry 2: the network
#
# Two numbers in, 16 hidden units with tanh, one output that a sigmoid turns into a
# probability:
#
# - hidden: `h = tanh(x W₁ + b₁)`
# - output: `p = sigmoid(h W₂ + b₂)`
# - loss: `L = −mean(y log p + (1 − y) log(1 − p))`, the cross-entropy
#
# Coordinates go from −20 to 20, and are divided by 20 first, so that tanh does not
# saturate.


# %%
class Network(nn.Module):
    def __init__(self, hidden=16):
        super().__init__()
        self.w1 = nn.Parameter(torch.randn(2, hidden))
        self.b1 = nn.Parameter(torch.zeros(hidden))
        self.w2 = nn.Parameter(torch.randn(hidden, 1) / hidden**0.5)
        self.b2 = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        self.x = x / 20  # kept, because the backward pass by hand needs it
        self.h = torch.tanh(self.x @ self.w1 + self.b1)
        return torch.sigmoid(self.h @ self.w2 + self.b2)


def cross_entropy(p, y):
    return -(y * p.log() + (1 - y) * (1 - p).log()).mean()


# %% [markdown]
# ## Entry 3: the backward pass, by hand
#
# The chain rule, one line per step of the forward pass. `Learner` is pellucid's training
# loop; its five verbs are methods, and replacing one of them, `backward`, is all that is
# needed to train by gradients of one's own.
#
# This is the log's code, mistake and all. (Do not look for it yet; its author did not see
# it either.)


# %%
def slope_of_log(p, y):
    """How the loss of one sample moves with p."""
    return -y / p - (1 - y) / (1 - p)


def gradients(network, p, y, slope=slope_of_log):
    """The gradient of the mean loss with respect to each parameter, given the output p."""
    with torch.no_grad():
        dp = slope(p, y) / len(y)  # dL/dp
        dz = dp * p * (1 - p)  # through the sigmoid
        dh = dz @ network.w2.T
        da = dh * (1 - network.h * network.h)  # through tanh
        return {
            "w1": network.x.T @ da,
            "b1": da.sum(0),
            "w2": network.h.T @ dz,
            "b2": dz.sum(0),
        }


class ByHand(Learner):
    """Trains by the gradients above, and only the parameters named in `learns`."""

    slope = staticmethod(slope_of_log)
    learns = ("w1", "b1", "w2", "b2")

    def backward(self):
        found = gradients(self.model, self.output, self.target, self.slope)
        for name in self.learns:
            getattr(self.model, name).grad = found[name]


class Accuracy:
    """The share of points on the right side of p = 0.5."""

    def __init__(self):
        self.right = self.count = 0

    def update(self, output, target):
        self.right += int(((output > 0.5) == (target > 0.5)).sum())
        self.count += len(target)

    def value(self):
        return self.right / self.count


def train(lr=0.03, epochs=5, **settings):
    """A run, recorded; each has the same first weights and the same order of the data."""
    torch.manual_seed(0)
    network = Network()
    loader = batches(data.x_train, data.y_train, size=50, shuffle=True)
    snapshots = Snapshots(tempfile.mkdtemp(), every=20)
    learner = ByHand(
        network,
        (loader, valid),
        cross_entropy,
        optim.SGD(network.parameters(), lr=lr),
        {"accuracy": Accuracy},
        callbacks=[Recorder(every=5), snapshots],
        defaults=(),  # no progress bar: a run takes less than a second
    )
    for name, value in settings.items():
        setattr(learner, name, value)
    learner.snapshots = snapshots
    learner.fit(epochs)
    return learner


# %% [markdown]
# ## Entry 4: the spiral
#
# The loss is recorded every 5 steps. It starts at log 2 = 0.69, which is what a coin gets,
# and goes the wrong way.

# %%
first = train()
viz.curves(first.recorder, title="Learning rate 0.03")

# %% [markdown]
# The first thought is always the learning rate. So: three times smaller, ten times smaller.

# %%
runs = {
    f"learning rate {lr}": train(lr=lr, epochs=epochs)
    for lr, epochs in ((0.03, 5), (0.01, 14), (0.003, 40))
}
viz.compare_curves(
    {name: run.recorder.rows for name, run in runs.items()}, show=["train_loss"]
)

# %% [markdown]
# Each goes up; a smaller rate only takes longer. A step that is too large makes the loss
# jump about, and a small enough step along a right gradient goes down. That it goes up
# steadily, at any rate, says that the direction itself is wrong. The log does not draw that
# conclusion. It goes on to hold parts of the network still: first the biases, then the
# first layer. From then on the first layer and the biases were never updated at the same
# time.

# %%
runs = {
    "everything learns": first,
    "the biases held still": train(learns=("w1", "w2")),
    "the first layer held still": train(learns=("b1", "w2", "b2")),
}
viz.compare_curves(
    {name: run.recorder.rows for name, run in runs.items()}, show=["train_loss"]
)

# %% [markdown]
# ## Entry 5: what does it actually predict?
#
# `Snapshots` kept the parameters every 20 steps. Any of them can be reloaded by its step,
# and looked at: the points coloured by the prediction, and the prediction as a surface over
# the plane.


# %%
def at(run, step):
    """`predict(x)`: what the network said after `step` steps, for points (N, 2)."""
    network = run.snapshots.load(step, Network())

    def predict(x):
        with torch.no_grad():
            return network(torch.from_numpy(np.asarray(x, np.float32))).numpy()[:, 0]

    return predict


points = {"x": data.x_val, "y": data.y_val, "class_names": data.class_names}


def show(run, step):
    """The validation points by the prediction after `step` steps, and it as a surface."""
    predict, title = at(run, step), f"After {step} steps"
    display(
        viz.scatter(
            data.x_val,
            predict(data.x_val),
            data.y_val,
            class_names=data.class_names,
            title=title,
        )
    )
    display(viz.surface(predict, **points, title=title))


show(first, 20)

# %%
show(first, 160)

# %% [markdown]
# After 160 steps it says "inside" everywhere. It does not learn a wrong boundary: it learns
# that the answer is always yes. The points inside pull the surface up, as they should. The
# points outside should pull it down. They do not.
#
# ## Entry 6: the gradient, sample by sample
#
# Three ways to the same gradient, for the network as it was after 20 steps: by hand, by
# pellucid's autograd, and by nudging each parameter and looking at the loss, which needs no
# calculus and so has nothing to get wrong.


# %%
network = first.snapshots.load(20, Network())
network = network.double()  # so that the differences are not lost in rounding
x = torch.from_numpy(data.x_train[:200]).double()
y = torch.from_numpy(data.y_train[:200, None]).double()


def nudged(network, name, eps=1e-6):
    """(L(w + ε) − L(w − ε)) / 2ε for each number w of a parameter."""
    parameter = getattr(network, name)
    result = np.zeros(tuple(parameter.shape))
    with torch.no_grad():
        for place in np.ndindex(result.shape):
            value = parameter[place].item()
            losses = []
            for moved in (value + eps, value - eps):
                parameter[place] = moved
                losses.append(cross_entropy(network(x), y).item())
            parameter[place] = value
            result[place] = (losses[0] - losses[1]) / (2 * eps)
    return result


def compare(slope):
    """The relative differences |a − b| / |b| between gradients, for each parameter."""
    p = network(x)
    by_hand = gradients(network, p, y, slope)
    for parameter in network.parameters():
        parameter.grad = None
    cross_entropy(p, y).backward()
    print(f"{'':4} {'autograd and nudging':>22} {'by hand and autograd':>22}")
    for name, parameter in network.named_parameters():
        right = parameter.grad.numpy()
        pair = [
            np.linalg.norm(one - right) / np.linalg.norm(right)
            for one in (nudged(network, name), by_hand[name].numpy())
        ]
        print(f"{name:4} {pair[0]:22.1e} {pair[1]:22.1e}")


compare(slope_of_log)

# %% [markdown]
# Autograd and nudging agree to seven digits and more. The gradient by hand is wrong in
# every parameter, so the mistake is where all of them pass: at the end of the forward pass,
# the beginning of the backward pass. There the gradient has one number per sample, and can
# be drawn.

# %%
p = network(x).detach().requires_grad_()
(right,) = torch.autograd.grad(cross_entropy(p, y) * len(y), p)
by_hand = slope_of_log(p, y).detach()

figure, axis = plt.subplots(figsize=(6, 4), layout="constrained")
for label, marker, colour in ((1, "o", "#0072B2"), (0, "s", "#D55E00")):
    chosen = (y == label).numpy()[:, 0]
    name = "inside (y = 1)" if label else "outside (y = 0)"
    axis.scatter(
        right[chosen].numpy(),
        by_hand[chosen].numpy(),
        s=18,
        marker=marker,
        color=colour,
        label=name,
    )
axis.axline((0, 0), slope=1, color="#999999", linestyle=":", label="where they agree")
axis.set(xlabel="dL/dp by autograd", ylabel="dL/dp by hand", title="One point per sample")
_ = axis.legend(frameon=False)

# %% [markdown]
# For the points inside they agree. For those outside the size is right and the sign is not.
# With y = 0 the loss of a sample is −log(1 − p), and its derivative is +1/(1 − p): the
# minus of the logarithm meets the minus inside it. The line
#
# ```
# return -y / p - (1 - y) / (1 - p)
# ```
#
# has one sign wrong. Every sample, whatever its label, asked for a larger p.

#
# ## The short way
#
# `pellucid.check.backward` finds it without a picture, in a program of plain NumPy that has
# never heard of pellucid: it makes the mistakes that people make on purpose, one by one,
# until one gives the gradient that it was handed.


# %%
inside, scaled = y.numpy(), x.numpy() / 20
weights = {
    name: parameter.detach().numpy() for name, parameter in network.named_parameters()
}


def forward(w):
    h = np.tanh(scaled @ w["w1"] + w["b1"])
    return h, 1 / (1 + np.exp(-(h @ w["w2"] + w["b2"])))


def loss(w):
    _, p = forward(w)
    return -np.mean(inside * np.log(p) + (1 - inside) * np.log(1 - p))


def gradients_of(w):
    h, p = forward(w)
    dz = slope_of_log(p, inside) / len(inside) * p * (1 - p)
    da = dz @ w["w2"].T * (1 - h * h)
    return {"w1": scaled.T @ da, "b1": da.sum(0), "w2": h.T @ dz, "b2": dz.sum(0)}


print(check.backward(loss, gradients_of, weights))

# %% [markdown]
# ## Entry 7: it learns


# %%
def slope_of_log_mended(p, y):
    return -y / p + (1 - y) / (1 - p)


compare(slope_of_log_mended)

# %% [markdown]
# The same network, the same first weights, the same order of the data.

# %%
mended = train(slope=slope_of_log_mended, lr=1.0, epochs=40)
print({name: round(value, 3) for name, value in mended.evaluate().items()})
viz.curves(mended.recorder, title="With the sign mended, learning rate 1")

# %%
show(mended, mended.snapshots.steps[-1])

# %% [markdown]
# The surface over the run, from the snapshots:

# %%
steps = mended.snapshots.steps
chosen = [steps[i] for i in np.unique(np.geomspace(1, len(steps), 20).astype(int) - 1)]
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "circle.gif"
    viz.film(
        {step: at(mended, step) for step in chosen}, **points, save=path, kind="surface"
    )
    film = base64.b64encode(path.read_bytes()).decode()
HTML(f'<img src="data:image/gif;base64,{film}" alt="The surface over the run" width="640">')

# %% [markdown]
# ## Why it stayed hidden
#
# What if the sign had been right in the runs that held parts of the network still?

# %%
table = {
    "everything": ("w1", "b1", "w2", "b2"),
    "all but the first layer's weights": ("b1", "w2", "b2"),
    "all but the biases": ("w1", "w2"),
}
for name, learns in table.items():
    run = train(slope=slope_of_log_mended, lr=1.0, epochs=40, learns=learns)
    print(f"{name:34} accuracy {run.evaluate()['accuracy']:.3f}")

# %% [markdown]
# Without its biases the network cannot do it at all, and that is no matter of training:
# tanh is odd, so with biases of 0 the output at −x is 1 − p(x). A circle around the origin
# has both x and −x inside, and such a network is right about one of them at most. Half of
# the points is the best it can hope for.
#
# So with the biases held still no gradient could have helped, and with the first layer held
# still only in part. Had the sign been found in those days, the curve would still have
# looked wrong. Holding parts still does not make a mistake smaller; it adds one.
#
# ## What would have found it at once
#
# - A loss that rises at every learning rate: the gradient's direction is wrong.
# - Look at the predictions before the code. "Inside everywhere" names the culprit: the
#   samples with y = 0.
# - Compare a gradient by hand with autograd (or by nudging) once, before the first run. It
#   takes a second.
