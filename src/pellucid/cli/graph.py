"""`pellucid graph DATASET`: a network as a picture that can be looked into, and as a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from pellucid import viz
from pellucid.core import from_data
from pellucid.experiments import build
from pellucid.experiments import config as settings
from pellucid.experiments import data as source
from pellucid.experiments.errors import UsageError
from pellucid.nn.graph import record_graph
from pellucid.random import default_generator

_ENDINGS = (".html", ".svg", ".png", ".dot")


def graph(
    dataset: Annotated[
        str | None,
        typer.Argument(
            help="digits, mnist, circle, moons, spirals, or the path of a CSV file.",
            show_default="digits",
            metavar="DATASET",
        ),
    ] = None,
    target: Annotated[str | None, typer.Option(help="The column of the CSV file to predict.")] = None,
    data: Annotated[
        str | None, typer.Option(help="The folder with MNIST's four files; without it, the cache or a download.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="logistic, mlp:SIZES (such as mlp:128,64) or cnn.", show_default="by data set")
    ] = None,
    activation: Annotated[
        str | None, typer.Option(help=", ".join(settings.ACTIVATIONS) + ".", show_default="relu")
    ] = None,
    loss: Annotated[
        str | None, typer.Option(help="cross-entropy, mse or bce.", show_default="cross-entropy; mse for a real target")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Samples in the batch.", show_default="by data set")] = None,
    seed: Annotated[int | None, typer.Option(help="Decides weights, split and dropout.", show_default="0")] = None,
    backward: Annotated[
        bool, typer.Option("--backward", help="Show a training step: the loss, the backward pass, every gradient.")
    ] = False,
    depth: Annotated[
        int | None, typer.Option(help="How many levels of modules are open at first.", show_default="what is legible")
    ] = None,
    out: Annotated[Path, typer.Option(help="The file: .html, .svg, .png or .dot.")] = Path("graph.html"),
) -> None:
    """Draw the network that `pellucid train DATASET` would train, and print what it consists of.

    The page graph.html needs no network and no other program: click, search, open and close. SVG and PNG are made by
    Graphviz, which must be installed for them.

    Example: pellucid graph digits --model cnn --out cnn.html
    """
    if out.suffix.lower() not in _ENDINGS:
        raise UsageError(f"--out {out}: the file is one of {', '.join(_ENDINGS)}. Write --out {out.stem}.html.")
    if not out.absolute().parent.is_dir():
        raise UsageError(f"There is no folder {out.absolute().parent} to write {out.name} to.")
    if depth is not None and depth < 0:
        raise UsageError(f"--depth is {depth}; it must be a whole number of at least 0, such as 1.")
    given = {
        name: value
        for name, value in {
            "dataset": dataset, "target": target, "data": data, "model": model, "activation": activation,
            "loss": loss, "batch_size": batch_size, "seed": seed,
        }.items()
        if value is not None
    }  # fmt: skip
    options = settings.check(given)
    samples = source.load(options)
    classes = source.classes_of(samples)
    config = settings.complete(options, classes)
    default_generator.manual_seed(config.seed)
    network = build.model(config, samples.sample_shape, classes)
    x = from_data(np.ascontiguousarray(samples.x_train[: config.batch_size]))
    y = from_data(np.ascontiguousarray(samples.y_train[: config.batch_size]))
    print(viz.summary(network, x))
    try:
        if backward:
            measure = build.loss(config, classes)
            with record_graph(config.title) as record:
                record.name(x, "input")
                record.name(y, "target")
                error = measure(network(x), y)
                error.backward()
            drawing = viz.graph(record, depth=depth)
        else:
            drawing = viz.graph(network, x, depth=depth, title=config.title)
        drawing.save(out)
    except RuntimeError as error:  # no Graphviz
        raise UsageError(str(error)) from None
    print(f"\nGraph: {out}")
