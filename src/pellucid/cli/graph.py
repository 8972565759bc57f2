"""`pellucid graph DATASET`: a network as a picture that can be looked into, and as a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from pellucid import viz
from pellucid.cli.options import check_file, of_config
from pellucid.core import from_data
from pellucid.experiments import build
from pellucid.experiments import data as source
from pellucid.experiments import options as settings
from pellucid.experiments.errors import UsageError
from pellucid.nn.graph import record_graph
from pellucid.random import default_generator

_ENDINGS = (".html", ".svg", ".png", ".dot")


_DATA = ("dataset", "target", "data", "encoding", "lines", "context", "size")
_NETWORK = ("model", "activation", "dropout", "batch_norm", "residual", "loss", "batch_size", "seed")


@of_config(only=(*_DATA, *_NETWORK))
def graph(
    backward: Annotated[
        bool, typer.Option("--backward", help="Show a training step: the loss, the backward pass, every gradient.")
    ] = False,
    depth: Annotated[
        int | None, typer.Option(help="How many levels of modules are open at first.", show_default="what is legible")
    ] = None,
    out: Annotated[Path, typer.Option(help="The file: .html, .svg, .png or .dot.")] = Path("graph.html"),
    **given: Any,
) -> None:
    """Draw the network that `pellucid train DATASET` would train, and print what it consists of.

    The page graph.html needs no network and no other program: click, search, open and close. SVG and PNG are made by
    Graphviz, which must be installed for them.

    Example: pellucid graph digits --model cnn --out cnn.html
    """
    check_file("--out", out, _ENDINGS)
    if depth is not None and depth < 0:
        raise UsageError(f"--depth is {depth}; it must be a whole number of at least 0, such as 1.")
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
            measure = build.loss(config, classes, samples)
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
