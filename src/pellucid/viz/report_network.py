"""The parts of a report that show the network: what went on inside it over the run, and what it consists of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pellucid.viz.document import Block, Markup, Picture, Section, Table

Statistics = Mapping[str, Any]  # by layer or by parameter, what was recorded of it


def activations_picture(record: Statistics) -> Picture:
    """The distribution of each layer's outputs over the run."""
    from pellucid.viz.activations import activation_heatmap

    return Picture(
        activation_heatmap(record),
        f"Heat maps of the activations of {len(record)} layers over the steps of the run.",
        "The distribution of each layer's outputs over the run. A layer that dies turns into one line at 0; "
        "one that saturates gathers at the ends of its range.",
    )


def gradients_picture(record: Statistics) -> Picture:
    """The size of each parameter's gradient and of its updates over the run."""
    from pellucid.viz.gradients import gradient_flow

    return Picture(
        gradient_flow(record),
        f"Gradient norms and update-to-weight ratios of {len(record)} parameters over the run.",
        "The size of each parameter's gradient, and of each step relative to the parameter that it moves: a ratio "
        "of about 10⁻³ is usual; far less learns slowly, far more is unstable.",
    )


def network_section(
    pictures: Sequence[tuple[Callable[[Statistics], Picture], Any]], model: Any, before: Mapping[str, Any]
) -> Section | None:
    """Each picture of a record that is not empty, and the histograms of the model's parameters."""
    records = [
        (draw, statistics.record() if hasattr(statistics, "record") else statistics) for draw, statistics in pictures
    ]
    blocks: list[Block] = [draw(record) for draw, record in records if record]
    if model is not None:
        from pellucid.viz.gradients import weight_histograms

        parameters = dict(model.named_parameters())
        blocks.append(
            Picture(
                weight_histograms(parameters, before=before or None),
                f"Histograms of the {len(parameters)} parameters.",
                "The parameters at the end" + (", and as an outline at the start." if before else "."),
            )
        )
    return Section("Inside the network", blocks) if blocks else None


def model_section(model: Any, inputs: Sequence[Any]) -> Section | None:
    """The graph of a model and its layers as a table; nothing without inputs to call it with."""
    if model is None or not inputs:
        return None
    from pellucid.viz.graph import graph_fragment
    from pellucid.viz.summary import summary

    table = summary(model, *inputs)
    header, *rows = table.cells()
    graph = graph_fragment(model.__graph__(*inputs))
    return Section("Model", [Markup(graph), Table(header, rows, " · ".join(table.notes()), right=3)])
