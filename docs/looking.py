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
# # Looking
#
# Everything a run does can be seen. Each function of `pellucid.viz` takes plain numbers and
# returns a matplotlib figure; `ax=` draws into axes of yours, `save=` writes a file
# (`save=True` under a name with the time). The pictures on this page are drawn whenever it
# is built.

# %%
import base64
import copy
import html
import tempfile
from pathlib import Path

import numpy as np
from IPython.display import display

import pellucid as torch
from pellucid import datasets, nn, optim, train, viz
from pellucid.utils.data import DataLoader, TensorDataset

# %matplotlib inline

# %%
data = datasets.standardised(datasets.spirals(n=3000, arms=3, noise=0.06))


def batches(x, y, **options):
    return DataLoader(TensorDataset(torch.from_numpy(x), torch.from_numpy(y)), **options)


torch.manual_seed(0)
model = nn.Sequential(
    nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 3)
)
activations, gradients = train.ActivationStats(every=10), train.GradientStats(every=10)
snapshots = train.Snapshots(tempfile.mkdtemp(), every=80)
learner = train.Learner(
    model,
    (
        batches(data.x_train, data.y_train, batch_size=64, shuffle=True),
        batches(data.x_val, data.y_val, batch_size=600),
    ),
    nn.CrossEntropyLoss(),
    optim.SGD(model.parameters(), lr=0.1, momentum=0.9),
    metrics=[train.Accuracy],
    defaults=[
        train.Recorder
    ],  # without Progress, whose curves would be shown twice on this page
    callbacks=[activations, gradients, snapshots],
)

# %% [markdown]
# ## Before training: which learning rate?

# %%
found = learner.lr_find()
found.plot()

# %% [markdown]
# ## The run

# %%
learner.fit_one_cycle(20, max_lr=0.2)
learner.recorder.plot()

# %% [markdown]
# Several runs are laid over each other by `viz.compare_curves({name: rows, …})`.
#
# ## What it learned


# %%
def predict(x):
    """Class probabilities of points (N, 2)."""
    return (
        learner.predict(torch.from_numpy(np.asarray(x, np.float32))).softmax(dim=1).numpy()
    )


viz.decision_regions(predict, data.x_val, data.y_val, class_names=data.class_names)

# %%
viz.surface(predict, data.x_val, data.y_val, class_names=data.class_names)

# %%
matrix = np.zeros((3, 3), int)
np.add.at(matrix, (data.y_val, predict(data.x_val).argmax(axis=1)), 1)
viz.confusion_matrix(matrix, data.class_names)

# %% [markdown]
# How that came about is a film, of the snapshots that the callback `train.Snapshots` saved:
# a GIF, or where ffmpeg is installed an MP4.


# %%
def at(step):
    """`predict` of the model as it was after a step."""
    then = copy.deepcopy(model)
    then.load_state_dict(snapshots.load(step))
    return lambda x: then(torch.from_numpy(np.asarray(x, np.float32))).softmax(dim=1)


frames = {step: at(step) for step in snapshots.steps}
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "spirals.gif"
    viz.film(frames, data.x_val, data.y_val, path, class_names=data.class_names)
    content = base64.b64encode(path.read_bytes()).decode()
film = f'<img src="data:image/gif;base64,{content}" alt="The regions, step by step">'
display({"text/html": film}, raw=True)

# %% [markdown]
# The samples it was most wrong about: `viz.worst_predictions(x, target, output)`; of
# images, the images.
#
# ## The surroundings
#
# The loss along two random directions from the trained parameters (Li et al., 2018):

# %%
viz.loss_landscape(train.loss_landscape(model, learner.valid, learner.loss_function))

# %% [markdown]
# ## What went on inside
#
# The activations of a layer over the run, as a histogram per step:

# %%
viz.activation_heatmap(activations.record())

# %% [markdown]
# The gradients of each parameter, and how large an update was compared to the parameter:

# %%
viz.gradient_flow(gradients.record())

# %%
viz.weight_histograms(
    {name: parameter.detach().numpy() for name, parameter in model.named_parameters()}
)

# %% [markdown]
# ## The graph
#
# Of a model: its layers, shapes and parameter counts. `viz.graph` gives DOT, SVG and PNG
# (by Graphviz, where `dot` is installed), and a page to search and open and close in, which
# needs no Graphviz.

# %%
viz.summary(model, torch.from_numpy(data.x_val[:1]))

# %%
viz.graph(model, torch.from_numpy(data.x_val[:1]))

# %% [markdown]
# Of a computation: every op with its value, its gradient and your line. `viz.graph(tensor)`
# draws what autograd kept of a tensor; `record_graph` keeps everything that happens inside
# it.

# %%
w = torch.tensor([0.5, -1.0], requires_grad=True)
with torch.record_graph() as record:
    x = torch.tensor([1.0, 2.0])
    loss = (torch.tanh(x * w) ** 2).sum()
    loss.backward()
viz.graph(record)

# %% [markdown]
# ## The report
#
# All of this on one page, `report.html`: `pellucid train` leaves it in the run folder,
# `pellucid report RUN` writes it anew, and `viz.report` writes one of whatever it is given.
# One file, which can be kept with one's notes and opened without a network. This one is
# open here in a frame:

# %%
with tempfile.TemporaryDirectory() as folder:
    path = viz.report(
        Path(folder) / "spirals.html",
        title="Spirals, 64 and 64 hidden",
        recorder=learner.recorder,
        activations=activations,
        gradients=gradients,
        model=model,
        inputs=[torch.from_numpy(data.x_val[:1])],
        settings={"optimiser": "SGD", "momentum": 0.9, "schedule": "one cycle up to 0.2"},
    )
    page = html.escape(path.read_text(encoding="utf-8"))
frame = (
    f'<iframe srcdoc="{page}" title="report" style="width: 100%; height: 45rem"></iframe>'
)
display({"text/html": frame}, raw=True)
