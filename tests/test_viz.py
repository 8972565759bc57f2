"""The figures: one table of what each draws, which a new one joins; then what each must show."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

import pellucid as torch
from pellucid import nn, viz
from pellucid.train import ActivationStats, GradientStats, Learner, loss_landscape
from pellucid.utils.data import DataLoader, TensorDataset
from pellucid.viz import style, values
from tests.sampled import sampled

NAN = math.nan
RNG = np.random.default_rng(0)


def run(steps: int = 60, per_epoch: int = 10, lr: float = 0.1, **change: float) -> list[dict[str, Any]]:
    """The rows of a run whose loss falls to a third in each epoch."""
    rows: list[dict[str, Any]] = []
    for step in range(1, steps + 1):
        epoch = (step - 1) // per_epoch + 1
        loss = 3.0 ** (-step / per_epoch)
        rows.append({"kind": "step", "epoch": epoch, "step": step, "train_loss": loss, "lr": lr, "seconds": 0.1 * step})
        if step % per_epoch == 0:
            last = {**rows[-1], "kind": "epoch", "val_loss": 1.2 * loss, "val_accuracy": 1 - loss / 2}
            rows.append({**last, **change})
    return rows


def layer(n: int = 30, bins: int = 16) -> dict[str, Any]:
    counts = RNG.integers(0, 50, (n, bins))
    numbers = {name: RNG.random(n) for name in ("mean", "std", "zeros", "saturated", "dead")}
    return {"step": np.arange(1, n + 1), **numbers, "histogram": counts, "edges": np.linspace(-2, 2, bins + 1)}


def flow(n: int = 30) -> dict[str, Any]:
    return {"step": np.arange(1, n + 1), "gradient_norm": RNG.random(n) + 0.1, "update_ratio": RNG.random(n) * 1e-3}


def growth(i: int, n: int = 20) -> dict[str, Any]:
    steps = np.arange(1, n + 1)
    beyond = steps + i > 22
    units = np.where(beyond, 1e4 * steps, 0.5)
    numbers = {"error": 1e-7 * units, "rounding": np.full(n, 1e-7), "units": units}
    return {"kind": "output", "step": steps, "beyond": beyond, **numbers}


def finder(**change: Any) -> SimpleNamespace:
    lrs = np.geomspace(1e-4, 10, 50)
    losses = 2.3 - np.clip(np.log10(lrs) + 3, 0, 2) + np.where(lrs > 1, lrs**2, 0)
    found = {"lrs": lrs, "losses": losses, "smoothed": losses, "suggestions": {"steepest": 0.02, "valley": None}}
    return SimpleNamespace(**{**found, "usable": True, "reason": "", **change})


def disc(p: Any) -> Any:
    """A logit: inside a circle."""
    return 4 * (1 - (np.asarray(p) ** 2).sum(axis=1))


def thirds(p: Any) -> Any:
    """Logits of three classes, by direction."""
    angles = 2 * np.pi / 3 * np.arange(3)
    return 3 * np.asarray(p) @ np.stack([np.cos(angles), np.sin(angles)])


X = RNG.uniform(-1.5, 1.5, (60, 2))
TWO = (disc(X) > 0).astype(np.int64)
THREE = thirds(X).argmax(axis=1)
THREE_OFF = np.where(np.arange(60) < 6, (THREE + 1) % 3, THREE)
REAL = X[:, 0] + X[:, 1] ** 2
SMALL = {"resolution": 12}
GRID = np.linspace(-1, 1, 7)
BOWL = {"alphas": GRID, "betas": GRID, "losses": 0.01 + GRID[:, None] ** 2 + 2 * GRID**2}
TRIALS = [
    {"lr": lr, "batch_size": size, "activation": act, "value": lr + size / 64 if lr < 1 else None}
    for lr in (0.01, 0.1, 1.0)
    for size in (16, 32)
    for act in ("relu", "tanh")
]

Draw = Callable[..., Figure]

# What is drawn, and how: each entry is called with `ax` and `save` added.
FIGURES: dict[str, Draw] = {
    "curves": lambda **k: viz.curves(run(), title="a $run$ of _one", **k),
    "curves of epochs": lambda **k: viz.curves([r for r in run() if r["kind"] == "epoch"], x="epoch", **k),
    "curves, NaN": lambda **k: viz.curves(run(val_loss=NAN)[:40], show=["loss", "accuracy"], **k),
    "curves, one step": lambda **k: viz.curves(run(1, 10), x="seconds", **k),
    "curves, nothing": lambda **k: viz.curves([], **k),
    "compare_curves": lambda **k: viz.compare_curves({"_a": run(), "$b$": run(lr=1.0, val_loss=NAN)}, **k),
    "compare_curves, many": lambda **k: viz.compare_curves({f"run {i}": run(10) for i in range(30)}, **k),
    "compare_curves, nothing": lambda **k: viz.compare_curves({}, **k),
    "lr_finder": lambda **k: viz.lr_finder(finder(), **k),
    "lr_finder, unusable": lambda **k: viz.lr_finder(finder(usable=False, reason="it never falls"), **k),
    "lr_finder, NaN": lambda **k: viz.lr_finder(finder(losses=[NAN] * 50, smoothed=None), **k),
    "activation_heatmap": lambda **k: viz.activation_heatmap({"0": layer(), "1": layer()}, **k),
    "activation_heatmap, one": lambda **k: viz.activation_heatmap(layer(1), **k),
    "activation_heatmap, long": lambda **k: viz.activation_heatmap(layer(2000), show="histogram", **k),
    "activation_heatmap, nothing": lambda **k: viz.activation_heatmap({}, **k),
    "gradient_flow": lambda **k: viz.gradient_flow({"0.weight": flow(80), "0.bias": flow(80)}, **k),
    "gradient_flow, odd": lambda **k: viz.gradient_flow(
        {"a": {**flow(3), "gradient_norm": [NAN, NAN, NAN]}, "b": {**flow(3), "gradient_norm": [0, 0, 0]}}, **k
    ),
    "gradient_flow, nothing": lambda **k: viz.gradient_flow({}, **k),
    "weight_histograms": lambda **k: viz.weight_histograms(
        {"a": nn.Linear(3, 4).weight, "b": np.full(3, NAN), "c": np.zeros((2, 2))}, before={"a": np.ones((4, 3))}, **k
    ),
    "weight_histograms, nothing": lambda **k: viz.weight_histograms({}, **k),
    "gradient_error": lambda **k: viz.gradient_error(
        {"w$": (np.eye(3), -np.eye(3)), "b": (np.ones(3), np.ones((2, 3))), "c": (np.ones(()), None)},
        {"w$": "sign"},
        **k,
    ),
    "gradient_error, NaN": lambda **k: viz.gradient_error({"k": (np.ones((2, 3, 4)), np.full((2, 3, 4), NAN))}, **k),
    "gradient_error, nothing": lambda **k: viz.gradient_error({}, **k),
    "confusion_matrix": lambda **k: viz.confusion_matrix([[8, 2], [0, 5]], ["no $x$", "_yes"], **k),
    "confusion_matrix, one": lambda **k: viz.confusion_matrix([[3]], **k),
    "confusion_matrix, 300": lambda **k: viz.confusion_matrix(np.eye(300) * 9 + np.eye(300, k=1), **k),
    "confusion_matrix, nothing": lambda **k: viz.confusion_matrix(np.zeros((3, 3)), **k),
    "worst_predictions": lambda **k: viz.worst_predictions(
        RNG.random((9, 1, 6, 6)), [0] * 9, RNG.normal(size=(9, 3)), n=7, class_names=["a", "b", "c"], **k
    ),
    "worst_predictions, colours": lambda **k: viz.worst_predictions(RNG.random((2, 3, 5, 4)), [0, 1], [0.2, NAN], **k),
    "worst_predictions, points": lambda **k: viz.worst_predictions(X, TWO, disc(X), n=4, **k),
    "worst_predictions, table": lambda **k: viz.worst_predictions(RNG.random((20, 11)), REAL[:20], REAL[20:40], **k),
    "worst_predictions, nothing": lambda **k: viz.worst_predictions(np.zeros((0, 4)), [], np.zeros((0, 2)), **k),
    "parity": lambda **k: viz.parity(
        {
            "frameworks": ("$a$", "_b"),
            "tensors": {f"output {i}": growth(i) for i in range(40)} | {"loss": {**growth(0), "kind": "loss"}},
            "first": {"step": 5, "tensor": "output 17", "text": "the output of layer 17"},
        },
        **k,
    ),
    "parity, one step": lambda **k: viz.parity({"tensors": {"update w$": {**growth(0, 1), "kind": "update"}}}, **k),
    "parity, not a number": lambda **k: viz.parity(
        {"tensors": {"loss": {**growth(9), "error": [NAN] * 20, "units": [math.inf] * 20}}}, **k
    ),
    "parity, nothing": lambda **k: viz.parity({"tensors": {}}, **k),
    "roofline": lambda **k: viz.roofline(
        {"operations": 1e11, "bytes": 1e10, "rows": [("mat$mul", 2e6, 1e4, 1e-4), ("_add", 1e3, 1.2e4, 2e-6)] * 7}, **k
    ),
    "roofline, untimed": lambda **k: viz.roofline(
        {"operations": 1e11, "bytes": 1e10, "rows": [("x" * 80, 1, 4, None)]}, **k
    ),
    "roofline, nothing": lambda **k: viz.roofline({"operations": 1e11, "bytes": 1e10, "rows": [("a", 0, 0, 1)]}, **k),
    "predicted_against_true": lambda **k: viz.predicted_against_true(REAL, REAL + 0.1, unit="$x$_1", **k),
    "predicted_against_true, NaN": lambda **k: viz.predicted_against_true(REAL[:3], [0, NAN, NAN], **k),
    "predicted_against_true, nothing": lambda **k: viz.predicted_against_true([], [], **k),
    "predicted_against_true, many": lambda **k: viz.predicted_against_true(np.arange(5000), np.arange(5000), **k),
    "scatter": lambda **k: viz.scatter(X, thirds(X), THREE_OFF, class_names=["a", "b", "c"], **k),
    "scatter, no truth": lambda **k: viz.scatter(X, THREE, **k),
    "scatter, real": lambda **k: viz.scatter(X, REAL, REAL + 0.1, **k),
    "scatter, NaN": lambda **k: viz.scatter(X, np.full((60, 3), NAN), THREE, **k),
    "scatter, 300 classes": lambda **k: viz.scatter(X, np.arange(60) * 5, np.arange(60) * 5, **k),
    "scatter, nothing": lambda **k: viz.scatter(np.zeros((0, 2)), [], **k),
    "decision_regions": lambda **k: viz.decision_regions(disc, X, TWO, class_names=["out", "in"], **SMALL, **k),
    "decision_regions, three": lambda **k: viz.decision_regions(thirds, X, THREE, **SMALL, **k),
    "decision_regions, real": lambda **k: viz.decision_regions(lambda p: p[:, :1], X, REAL, **SMALL, **k),
    "decision_regions, NaN": lambda **k: viz.decision_regions(lambda p: p[:, 0] * NAN, X, TWO, **SMALL, **k),
    "decision_regions, flat": lambda **k: viz.decision_regions(lambda p: p[:, 0] * 0, X, REAL, **SMALL, **k),
    "decision_regions, one point": lambda **k: viz.decision_regions(disc, [[0.5, 1.0]], [1], **SMALL, **k),
    "decision_regions, nothing": lambda **k: viz.decision_regions(disc, np.zeros((0, 2)), [], **SMALL, **k),
    "surface": lambda **k: viz.surface(disc, X, TWO, **SMALL, **k),
    "surface, three": lambda **k: viz.surface(thirds, X, THREE, **SMALL, **k),
    "surface, real": lambda **k: viz.surface(lambda p: p[:, :1], X, REAL, **SMALL, **k),
    "surface, NaN": lambda **k: viz.surface(lambda p: p[:, 0] * NAN, X, TWO, **SMALL, **k),
    "film, last frame": lambda **k: viz.film({0: disc, 5: disc}, X, TWO, k.pop("save"), **SMALL, **k),
    "initialisation": lambda **k: viz.initialisation(
        {"layers": ["0 Linear", "1 ReLU"], "forward": {"he": [1, 0.9]}, "backward": {"he": [0, NAN]}}, **k
    ),
    "loss_landscape": lambda **k: viz.loss_landscape(BOWL, **k),
    "loss_landscape, flat": lambda **k: viz.loss_landscape({**BOWL, "losses": np.ones((7, 7))}, **k),
    "loss_landscape, NaN": lambda **k: viz.loss_landscape({**BOWL, "losses": np.full((7, 7), NAN)}, **k),
    "sweep, one": lambda **k: viz.sweep(TRIALS, parameters=["lr"], **k),
    "sweep, two": lambda **k: viz.sweep(TRIALS, parameters=["lr", "batch_size"], **k),
    "sweep, two scattered": lambda **k: viz.sweep(
        [{"lr": 10**-a, "momentum": b, "value": a} for a, b in RNG.random((9, 2))], **k
    ),
    "sweep, three": lambda **k: viz.sweep(TRIALS, best="max", **k),
    "sweep, failed": lambda **k: viz.sweep([{"lr": 0.1, "value": None}, {"lr": 1.0, "value": NAN}], **k),
    "sweep, nothing": lambda **k: viz.sweep([], **k),
}  # fmt: skip


@cache
def drawn(name: str) -> tuple[Figure, np.ndarray]:
    """A figure of the table, and its picture; drawn once for all tests."""
    figure = FIGURES[name](ax=None, save=None)
    size = figure.get_size_inches()[0] * figure.dpi
    assert size >= 800
    return figure, png(figure)


@pytest.fixture(autouse=True)
def _nothing_is_left_behind() -> Iterator[None]:
    """No figure stays with pyplot, no setting of matplotlib's is another than before."""
    before = dict(matplotlib.rcParams)
    yield
    assert dict(matplotlib.rcParams) == before
    if "matplotlib.pyplot" in sys.modules:
        assert sys.modules["matplotlib.pyplot"].get_fignums() == []


def png(figure: Figure, dpi: float = 50) -> np.ndarray:
    """The picture of a figure, as (height, width, 4)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure.set_dpi(dpi)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


# Every figure -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_drawn_and_its_axes_say_what_they_show(name: str) -> None:
    """Each panel with data has both axes named, by itself or by the panel below or beside it, or words along them."""
    figure, picture = drawn(name)
    assert isinstance(figure, Figure)
    assert picture[..., :3].std() > 1, "nothing was drawn"
    assert any(text.get_text().strip() for text in figure.findobj(matplotlib.text.Text))
    panels = [axes for axes in figure.axes if axes.axison and axes.has_data()]
    for axes in panels:
        for letter in "xy":
            axis = getattr(axes, f"{letter}axis")
            words = [tick.get_text() for tick in axis.get_ticklabels() if tick.get_text()[:1].isalpha()]
            start = getattr(axes.get_position(), f"{letter}0")
            shared = [panel for panel in panels if abs(getattr(panel.get_position(), f"{letter}0") - start) < 0.01]
            named = [getattr(panel, f"get_{letter}label")() for panel in shared]
            bare = len(axis.get_ticklocs()) == 0  # nothing to be measured along it: a picture, parallel axes
            bar = axes.get_label() == "<colorbar>"
            assert any(named) or words or bare or bar, f"{axes}: {letter}"


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_can_be_drawn_in_axes_of_the_users(name: str) -> None:
    figure = Figure()
    ax, other = figure.subplots(1, 2)
    assert FIGURES[name](ax=ax, save=None) is figure
    assert not other.has_data()
    for axes in figure.axes:
        assert axes is other or axes.get_position().x1 <= other.get_position().x0


SAVED = ["curves", "surface", "confusion_matrix", "sweep, two", "curves, nothing"]


@pytest.mark.parametrize("name", sampled(SAVED, 3))
def test_a_figure_is_saved_where_it_is_asked_for(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FIGURES[name](ax=None, save=tmp_path / "it.png")
    with Image.open(tmp_path / "it.png") as picture:
        assert picture.width >= 800
    monkeypatch.chdir(tmp_path)
    FIGURES[name](ax=None, save=True)
    stamped = [path.name for path in tmp_path.iterdir() if path.name != "it.png"]
    assert len(stamped) == 1
    assert stamped[0].endswith(".png")
    assert [part.isdigit() for part in stamped[0][:-4].split("-")[-2:]] == [True, True]


def test_two_figures_saved_in_one_second_do_not_overwrite_each_other(tmp_path: Path) -> None:
    for _ in range(3):
        viz.confusion_matrix([[1]], save=tmp_path)
    assert len(list(tmp_path.glob("confusion-*.png"))) == 3


def test_the_ending_decides_the_format(tmp_path: Path) -> None:
    viz.confusion_matrix([[1]], save=tmp_path / "it.svg")
    assert "<svg" in (tmp_path / "it.svg").read_text()
    viz.confusion_matrix([[1]], save=str(tmp_path / "it"))
    with Image.open(tmp_path / "it.png") as picture:
        assert picture.format == "PNG"


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "it.xyz"
    path.write_text("old")
    with pytest.raises(ValueError, match="xyz"):
        viz.confusion_matrix([[1]], save=path)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("it.xyz", "old")]
    with pytest.raises(FileNotFoundError, match="no folder"):
        viz.confusion_matrix([[1]], save=tmp_path / "none" / "it.png")


def test_a_users_style_is_not_asked_but_for_the_fonts() -> None:
    plain = png(viz.curves(run(20)))
    with matplotlib.rc_context(
        {"axes.facecolor": "black", "text.color": "red", "xtick.color": "red", "lines.linewidth": 9}
    ):
        styled = png(viz.curves(run(20)))
        assert matplotlib.rcParams["text.color"] == "red"
    assert np.array_equal(plain, styled)
    with matplotlib.rc_context({"font.family": ["DejaVu Serif"]}):
        assert viz.curves(run(20)).axes[0].xaxis.label.get_fontfamily() == ["DejaVu Serif"]


def test_figures_for_slides_have_large_letters(tmp_path: Path) -> None:
    """At least 18 points on a slide of 13.3 by 7.5 inches, in pixels of 1,920 by 1,080; afterwards all is as before."""
    from PIL import Image

    with viz.slides():
        figures = [viz.curves(run(20), save=tmp_path / "a.png"), viz.confusion_matrix([[3, 1], [0, 2]])]
        given = Figure()
        viz.curves(run(20), ax=given.add_subplot())
    for figure in figures:
        width, height = figure.get_size_inches()
        assert (round(width * figure.dpi), round(height * figure.dpi)) == (1920, 1080)
        assert min(label.get_fontsize() for label in figure.axes[0].get_xticklabels()) * 13.333 / width >= 18
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size == (1920, 1080)
    assert given.get_size_inches()[0] == pytest.approx(Figure().get_size_inches()[0])
    assert viz.curves(run(20)).dpi == 200


def test_a_notebook_shows_a_figure() -> None:
    """IPython asks an object for `_repr_png_`; a figure that pyplot does not hold has none of its own."""
    pytest.importorskip("IPython")
    from IPython.core.formatters import PNGFormatter

    figure = viz.confusion_matrix([[3, 1], [0, 2]])
    content, metadata = PNGFormatter()(figure)
    assert content.startswith(b"\x89PNG")
    assert metadata["width"] == round(figure.get_size_inches()[0] * 100)


def test_a_notebook_shows_a_figure_at_its_size_where_pyplot_is_in_use_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The formatters of `%matplotlib inline` would show every pixel; `_ipython_display_` comes before them."""
    pytest.importorskip("IPython")
    import IPython.display
    from IPython.core.formatters import IPythonDisplayFormatter

    shown: list[Any] = []
    monkeypatch.setattr(IPython.display, "display", shown.append)
    figure = viz.confusion_matrix([[3, 1], [0, 2]])
    assert IPythonDisplayFormatter()(figure) is True
    assert shown[0].width == round(figure.get_size_inches()[0] * 100)
    assert shown[0].data.startswith(b"\x89PNG")


def test_ax_must_be_axes() -> None:
    with pytest.raises(TypeError, match="received int"):
        viz.curves(run(), ax=3)


def test_axes_without_a_place_in_a_grid_are_divided_too() -> None:
    figure = Figure()
    ax = figure.add_axes((0.5, 0.1, 0.4, 0.8))
    viz.curves(run(), ax=ax, title="mine")
    panels = [axes for axes in figure.axes if axes is not ax]
    assert len(panels) == 3
    assert min(axes.get_position().x0 for axes in panels) >= 0.5 - 1e-9
    assert ax.get_title() == "mine"


def test_axes_in_a_subfigure_give_back_the_whole_figure() -> None:
    figure = Figure()
    part = figure.subfigures(1, 2)[1]
    assert viz.curves(run(), ax=part.subplots()) is figure


# Curves -------------------------------------------------------------------------------------------------------------


def labels(axes: Any) -> list[str]:
    legend = axes.get_legend()
    return [] if legend is None else [text.get_text() for text in legend.get_texts()]


def test_curves_have_a_panel_for_each_thing_that_was_recorded() -> None:
    rows = [{**row, "momentum": 0.9 - 0.001 * row["step"], "weight_decay": 0.1} for row in run()]
    panels = viz.curves(rows).axes
    assert [axes.get_ylabel() for axes in panels] == ["loss", "validation\naccuracy", "learning rate", "momentum"]
    assert labels(panels[0])[:3] == ["training, each batch", "training, smoothed", "validation"]
    assert labels(panels[0])[3] == "least: 0.001646 at step 60"


@pytest.mark.parametrize("slide", [False, True])
def test_the_legend_of_the_losses_lies_on_no_curve(slide: bool) -> None:
    with viz.slides() if slide else contextlib.nullcontext():
        figure = viz.curves(run())
    png(figure)
    legend, panel = figure.axes[0].get_legend().get_window_extent(), figure.axes[0].get_window_extent()
    assert legend.y0 > panel.y1
    assert legend.x1 <= figure.axes[1].get_tightbbox().x0


@pytest.mark.slow
def test_a_recorder_a_table_and_rows_draw_the_same() -> None:
    rows = run()
    pandas = pytest.importorskip("pandas")
    first = png(viz.curves(rows))
    assert np.array_equal(first, png(viz.curves(SimpleNamespace(rows=rows))))
    assert np.array_equal(first, png(viz.curves(pandas.DataFrame(rows))))


def test_a_curve_that_stops_being_a_number_has_a_gap_and_a_mark() -> None:
    rows = [r for r in run() if r["kind"] == "step"]
    for row in rows[30:]:
        row["train_loss"] = NAN
    rows[30]["train_loss"] = math.inf
    axes = viz.curves(rows).axes[0]
    assert "training infinite at step 31" in labels(axes)
    losses = axes.lines[0].get_ydata()
    assert np.isfinite(losses[:30]).all()
    assert not np.isfinite(losses[30:]).any()


def test_a_long_curve_keeps_its_spikes_and_its_gaps() -> None:
    y = np.ones(100_000)
    y[70_001], y[33_333], y[50_000] = 50.0, -7.0, NAN
    at, kept = values.thinned(np.arange(100_000), y)
    assert len(kept) < 7000
    assert kept[at == 70_001] == 50
    assert kept[at == 33_333] == -7
    assert np.isnan(kept[at == 50_000])
    assert (np.diff(at) > 0).all()


def test_smoothing_is_the_bias_corrected_moving_average() -> None:
    y, beta = np.array([1.0, 3.0, NAN, 2.0]), 0.9
    mean, weight, expected = 0.0, 0.0, []
    for value in y:
        if not math.isnan(value):
            mean, weight = beta * mean + 0.1 * value, beta * weight + 0.1
        expected.append(mean / weight if not math.isnan(value) else NAN)
    np.testing.assert_allclose(values.smoothed(y, beta), expected)


def test_epochs_on_the_axis_grow_evenly_with_the_steps() -> None:
    axes = viz.curves(run(40, 10), x="epoch", smooth=0).axes[0]
    np.testing.assert_allclose(axes.lines[0].get_xdata()[:10], np.arange(1, 11) / 10)
    assert axes.get_xlabel() == "epoch"


def test_a_loss_that_spans_factors_has_a_logarithmic_axis() -> None:
    assert viz.curves(run(60)).axes[0].get_yscale() == "log"


@pytest.mark.parametrize(("low", "high", "said"), [(1e-3, 10, "10⁻³ 10⁻² 10⁻¹ 10⁰ 10¹"), (0.2, 0.5, "2 × 10⁻¹")])
def test_powers_of_ten_are_letters_of_the_font_and_no_formulas(low: float, high: float, said: str) -> None:
    from pellucid.viz import style

    with style.sheet(None, None, "powers") as sheet:
        axes = sheet.axes()
        axes.set(yscale="log", ylim=(low, high))
    sheet.figure.draw_without_rendering()
    labels = [label.get_text() for label in axes.get_yticklabels(which="both") if label.get_text()]
    assert "$" not in "".join(labels)
    assert all(part in labels for part in ([said] if "×" in said else said.split()))


def test_labels_above_each_other_are_in_one_line_and_clear_of_the_ticks() -> None:
    """Also where a panel's own numbers are narrower than those of the others."""
    entry = {"class": "Linear", "step": np.arange(1, 9), "mean": np.linspace(0, 1, 8), "std": np.ones(8) / 8}
    small = {**entry, "mean": np.linspace(0, 1e-3, 8), "std": np.full(8, 1e-5)}
    figure = viz.activation_heatmap({"a": entry, "b": small, "c": entry}, show=("mean",))
    figure.draw_without_rendering()
    boxes = [axes.yaxis.label.get_window_extent() for axes in figure.axes]
    assert np.ptp([box.x0 for box in boxes]) < 1
    for axes in figure.axes:
        low, high = axes.get_ylim()
        shown = [label for label in axes.get_yticklabels() if low <= label.get_position()[1] <= high]
        ticks = [label.get_window_extent().x0 for label in shown]
        assert 0 < min(ticks) - max(box.x1 for box in boxes) < 80
    assert viz.curves(run(10)).axes[0].get_yscale() == "linear"


@pytest.mark.parametrize("layers", [1, 12])
def test_the_bar_below_the_activations_is_whole_and_near(layers: int) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = viz.activation_heatmap({str(i): layer(20) for i in range(layers)})
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    *panels, bar = [axes.get_tightbbox(canvas.get_renderer()) for axes in figure.axes]
    assert bar.y0 >= 0
    assert 0 < (min(panel.y0 for panel in panels) - bar.y1) / figure.dpi < 0.3


def test_compared_runs_each_have_their_own_line_and_place_in_the_legend() -> None:
    figure = viz.compare_curves({name: run() for name in "abc"}, show=["val_loss", "val_accuracy"])
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["a", "b", "c"]
    for axes in figure.axes:
        looks = {(line.get_color(), line.get_linestyle(), line.get_marker()) for line in axes.lines}
        assert len(looks) == 3


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda: viz.curves(run(), x="week"), "x='week'"),
        (lambda: viz.curves(run(), smooth=1.0), "smooth=1.0"),
        (lambda: viz.curves(run(), show=["f1"]), "no 'f1'"),
        (lambda: viz.curves([{"loss": 1}]), "at least 'step'"),
        (lambda: viz.curves(7), "received int"),
        (lambda: viz.compare_curves({"a": run()}, show=["val_f1"]), "no run has 'val_f1'"),
        (lambda: viz.compare_curves([run()]), "received list"),
        (lambda: viz.lr_finder(finder(lrs=[0.0, 1.0], losses=[1.0, 1.0], smoothed=None)), "not above 0"),
        (lambda: viz.lr_finder(finder(losses=[1.0])), "losses has 1"),
        (lambda: viz.activation_heatmap({"a": layer()}, layers=["b"]), "no \\['b'\\]"),
        (lambda: viz.activation_heatmap({"a": {**layer(), "mean": [1.0]}}), "mean has 1"),
        (lambda: viz.activation_heatmap({"a": {**layer(), "edges": [1.0]}}), "edges \\(1,\\)"),
        (lambda: viz.gradient_flow({"a": {"step": [1]}}), "gradient_norm"),
        (lambda: viz.weight_histograms([1, 2]), "received list"),
        (lambda: viz.confusion_matrix([[1, 2]]), "shape \\(1, 2\\)"),
        (lambda: viz.confusion_matrix([[NAN]]), "not a number"),
        (lambda: viz.confusion_matrix([[1, 0], [0, 1]], ["a"]), "1 names"),
        (lambda: viz.worst_predictions(X, TWO[:5], disc(X)), "target has 5"),
        (lambda: viz.worst_predictions(X, THREE + 5, thirds(X)), "3 classes"),
        (lambda: viz.worst_predictions(X, TWO, disc(X), output_is="odds"), "odds"),
        (lambda: viz.scatter(REAL, TWO), "points in the plane"),
        (lambda: viz.scatter(X, TWO[:3]), "predicted has 3"),
        (lambda: viz.decision_regions(lambda p: p[:3], X, TWO), "gave an answer of shape \\(3, 2\\)"),
        (lambda: viz.decision_regions("disc", X, TWO), "received str"),
        (lambda: viz.film({}, X, TWO), "no model"),
        (lambda: viz.film([disc], X, TWO, "it.mov", **SMALL), "a .gif or an .mp4"),
        (lambda: viz.loss_landscape({"alphas": [0, 1], "betas": [0, 1], "losses": [[1.0]]}), "shape \\(1, 1\\)"),
        (lambda: viz.loss_landscape([1]), "received list"),
        (lambda: viz.sweep(TRIALS, "accuracy"), "no record has that"),
        (lambda: viz.sweep(TRIALS, best="low"), "best='low'"),
        (lambda: viz.sweep(TRIALS, parameters=["depth"]), "no record has 'depth'"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_refused_in_words(call: Callable[[], Any], what: str) -> None:
    with pytest.raises((ValueError, TypeError), match=what):
        call()


# The others ---------------------------------------------------------------------------------------------------------


def test_the_finders_suggestions_are_marked_where_they_are() -> None:
    axes = viz.lr_finder(finder()).axes[0]
    assert "steepest: 0.02" in labels(axes)
    assert not any("valley" in label for label in labels(axes))
    marked = next(line for line in axes.lines if line.get_label() == "steepest: 0.02")
    assert list(marked.get_xdata()) == [0.02]
    assert axes.get_ylim()[1] < 10  # the explosion at the end is cut off


def test_a_curve_of_the_finder_that_says_nothing_says_so() -> None:
    axes = viz.lr_finder(finder(usable=False, reason="the loss never falls")).axes[0]
    assert "not usable: the loss never falls" in [text.get_text() for text in axes.texts]


def test_a_heat_map_shows_the_share_of_each_bin() -> None:
    entry = {"step": [1, 2], "histogram": [[1, 3], [0, 4]], "edges": [-math.inf, 0.0, 1.0]}
    mesh = viz.activation_heatmap(entry).axes[0].collections[0]
    shares = np.asarray(mesh.get_array().filled(0)).reshape(2, 2)  # (bins, steps)
    np.testing.assert_allclose(shares, [[0.25, 0], [0.75, 1]])
    assert np.isfinite(mesh.get_coordinates()).all()


def test_many_layers_are_thinned_and_it_is_said() -> None:
    figure = viz.activation_heatmap({str(i): layer(3) for i in range(30)}, show="mean")
    assert len(figure.axes) == 12
    assert "12 of 30 layers" in figure.get_suptitle()


def test_the_guide_of_the_update_ratio_is_at_a_thousandth() -> None:
    *_, ratios = viz.gradient_flow({"w": flow()}).axes
    assert any(set(line.get_ydata()) == {1e-3} for line in ratios.lines)
    assert ratios.get_yscale() == "log"


def test_the_shares_of_the_confusion_matrix_are_of_its_rows() -> None:
    figure = viz.confusion_matrix([[8, 2], [0, 5]])
    image = figure.axes[0].images[0].get_array()
    np.testing.assert_allclose(np.asarray(image), [[0.8, 0.2], [0, 1]])
    assert figure.axes[0].get_title() == "13 of 15 right, 86.7 %"


def test_many_classes_have_a_list_of_the_most_frequent_mistakes() -> None:
    counts = np.eye(40) * 10
    counts[3, 7], counts[1, 2] = 6, 4
    listed = viz.confusion_matrix(counts).axes[1]
    assert [tick.get_text() for tick in listed.get_yticklabels()] == ["3 → 7", "1 → 2"]


def test_the_worst_predictions_come_in_the_order_of_their_loss() -> None:
    output = [[0.9, 0.1], [0.2, 0.8], [NAN, NAN], [0.6, 0.4]]
    figure = viz.worst_predictions(RNG.random((4, 3, 3)), [0, 0, 1, 1], output, n=3)
    assert [axes.get_xlabel() for axes in figure.axes] == ["✗ NaN", "✗ 1 (80 %)", "✗ 0 (60 %)"]
    assert [axes.get_title() for axes in figure.axes] == ["true: 1", "true: 0", "true: 1"]


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ([[0.3, 0.7]], [[0.3, 0.7]]),
        ([[0.0, math.log(3)]], [[0.25, 0.75]]),
        ([[math.log(0.25), math.log(0.75)]], [[0.25, 0.75]]),
        ([[1000.0, -1000.0]], [[1, 0]]),
        ([0.2], [[0.8, 0.2]]),
        ([[math.log(3), 0.0, 0.0]], [[0.6, 0.2, 0.2]]),
        ([[-math.log(3)]], [[0.75, 0.25]]),
    ],
)
def test_outputs_are_read_as_probabilities_or_logits(output: list[Any], expected: list[list[float]]) -> None:
    kind, found = values.read_output(output)
    assert kind == "classes"
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_wrong_points_are_crossed_and_none_of_them_is_thinned_away() -> None:
    n = 50_000
    x, truth = RNG.random((n, 2)), np.zeros(n, np.int64)
    guess = truth.copy()
    guess[[5, 777, 40_000]] = 1
    axes = viz.scatter(x, guess, truth).axes[0]
    assert len(axes.collections[-1].get_offsets()) == 3
    assert sum(len(collection.get_offsets()) for collection in axes.collections) < 5000
    assert axes.get_title() == "49,997 of 50,000 right, 100.0 %"


def test_the_boundary_is_where_the_probability_is_one_half() -> None:
    axes = viz.decision_regions(disc, X, TWO, resolution=60).axes[0]
    boundary = next(collection for collection in axes.collections if list(getattr(collection, "levels", [])) == [0.5])
    radii = np.hypot(*boundary.get_paths()[0].vertices.T)
    np.testing.assert_allclose(radii, 1, atol=0.02)


def test_predict_may_give_a_tensor_with_a_gradient() -> None:
    model = nn.Linear(2, 3)
    figure = viz.decision_regions(lambda p: model(torch.from_numpy(p)), X, THREE, **SMALL)
    assert isinstance(figure, Figure)


def test_a_region_has_its_name_inside_it() -> None:
    axes = viz.decision_regions(thirds, X, THREE, class_names=["a", "b", "c"], resolution=40).axes[0]
    places = {text.get_text(): text.get_position() for text in axes.texts}
    assert set(places) == {"a", "b", "c"}
    for i, name in enumerate("abc"):
        assert thirds([places[name]]).argmax() == i


def test_a_surface_takes_the_place_of_flat_axes() -> None:
    figure = Figure()
    ax = figure.subplots()
    viz.surface(disc, X, TWO, ax=ax, **SMALL)
    assert [axes.name for axes in figure.axes] == ["rectilinear", "3d"]
    solid = Figure().add_subplot(projection="3d")
    viz.surface(disc, X, TWO, ax=solid, **SMALL)
    assert len(solid.figure.axes) == 1


@pytest.mark.slow
def test_a_film_has_a_frame_for_each_snapshot(tmp_path: Path) -> None:
    path = tmp_path / "it.gif"
    steps = {step: lambda p, step=step: disc(p) * step / 20 for step in (1, 10, 20)}
    figure = viz.film(steps, X, TWO, path, frames_per_second=5, hold=1, **SMALL)
    assert figure.axes[0].get_title(loc="right") == "step 20 · 100 % right"
    with Image.open(path) as picture:
        assert (picture.n_frames, picture.size) == (3, (800, 600))
        times = []
        for i in range(3):
            picture.seek(i)
            times.append(picture.info["duration"])
    assert times == [200, 200, 1000]
    assert [file.name for file in tmp_path.iterdir()] == ["it.gif"]


def test_an_mp4_without_ffmpeg_says_what_to_write_instead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match=r"write a \.gif instead"):
        viz.film([disc], X, TWO, tmp_path / "it.mp4", **SMALL)
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_rings_the_best_trial_and_crosses_the_failed() -> None:
    axes = viz.sweep(TRIALS, parameters=["lr"]).axes[0]
    assert "best: 0.26" in labels(axes)
    ring = next(line for line in axes.lines if line.get_label() == "best: 0.26")
    assert list(ring.get_xdata()) == [0.01]
    failed = next(line for line in axes.lines if line.get_label() == "no value")
    assert set(failed.get_xdata()) == {1.0}
    assert axes.get_xscale() == "log"


def test_a_cell_of_the_map_is_the_mean_of_its_trials() -> None:
    trials = [{"a": a, "b": b, "value": a + b + k} for a in (1, 2) for b in (1, 2) for k in (0.0, 0.5)]
    shown = viz.sweep(trials).axes[0].images[0].get_array()
    np.testing.assert_allclose(np.asarray(shown), [[2.25, 3.25], [3.25, 4.25]])


def test_words_are_shown_as_they_are() -> None:
    assert style.plain("cost $a$ in $b$") == r"cost \$a\$ in \$b\$"
    assert style.plain("_hidden") == " _hidden"
    assert style.plain("x" * 100, 10) == "x" * 9 + "…"


def test_colours_are_told_apart_in_every_kind_of_vision() -> None:
    """Neighbouring classes differ in lightness by a fifth of its range at least: what remains in print."""
    grey = [0.299 * r + 0.587 * g + 0.114 * b for r, g, b in style.class_colours(5)]
    assert all(abs(a - b) > 0.2 for a, b in pairwise(grey))


# The loss landscape -------------------------------------------------------------------------------------------------


def network() -> Any:
    return nn.Sequential(nn.Linear(2, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.5), nn.Linear(6, 3))


def data() -> DataLoader[Any]:
    x = torch.from_numpy(X.astype(np.float32))
    generator = torch.Generator()
    generator.manual_seed(3)
    return DataLoader(TensorDataset(x, torch.from_numpy(THREE)), batch_size=16, shuffle=True, generator=generator)


def test_the_middle_of_the_landscape_is_the_loss_of_the_model() -> None:
    model, loss = network(), nn.CrossEntropyLoss()
    found = loss_landscape(model, data(), loss, points=3, span=0.5)
    model.eval()
    whole = loss(model(torch.from_numpy(X.astype(np.float32))), torch.from_numpy(THREE)).item()
    assert found.losses[1, 1] == pytest.approx(whole, rel=1e-5)
    assert list(found.alphas) == [-0.5, 0, 0.5]
    assert len(np.unique(found.losses)) == 9


def test_a_step_along_a_direction_is_as_long_as_each_filter() -> None:
    """At alpha = 1 each row of the weight is moved by a vector of its own length, and the bias is not moved."""
    model = nn.Linear(4, 3)
    before, seen = model.weight.detach().numpy().copy(), []

    def look(output: Any, target: Any) -> Any:
        seen.append(model.weight.detach().numpy().copy())
        return nn.functional.mse_loss(output, target)

    loss_landscape(model, [(torch.ones(2, 4), torch.zeros(2, 3))], look, points=3)
    moved = seen[1] - before  # alpha = −1, beta = 0
    np.testing.assert_allclose(np.linalg.norm(moved, axis=1), np.linalg.norm(before, axis=1), rtol=1e-5)
    np.testing.assert_array_equal(seen[4], before)


def test_the_landscape_leaves_everything_as_it_was() -> None:
    model, loader = network(), data()
    model[0].eval()
    bits = {name: tensor.detach().numpy().tobytes() for name, tensor in model.state_dict().items()}
    arrays = [id(parameter._array) for parameter in model.parameters()]
    modes = [module.training for module in model.modules()]
    order = [torch.get_rng_state().tolist(), loader.generator.get_state().tolist()]
    with pytest.raises(ValueError, match="stopped"):
        loss_landscape(model, loader, lambda output, target: (_ for _ in ()).throw(ValueError("stopped")))
    loss_landscape(model, loader, nn.CrossEntropyLoss(), points=3)
    assert {name: tensor.detach().numpy().tobytes() for name, tensor in model.state_dict().items()} == bits
    assert [id(parameter._array) for parameter in model.parameters()] == arrays
    assert [module.training for module in model.modules()] == modes
    assert [torch.get_rng_state().tolist(), loader.generator.get_state().tolist()] == order


def test_a_landscape_draws_itself_and_refuses_what_it_cannot_do() -> None:
    model, batch = nn.Linear(2, 1), [(torch.ones(2, 2), torch.zeros(2, 1))]
    found = loss_landscape(model, batch, nn.MSELoss(), points=3)
    assert isinstance(found.plot(), Figure)
    for change, what in (({"points": 1}, "points=1"), ({"span": 0.0}, "span=0.0")):
        with pytest.raises(ValueError, match=what):
            loss_landscape(model, batch, nn.MSELoss(), **change)
    with pytest.raises(ValueError, match="no batch"):
        loss_landscape(model, [], nn.MSELoss())
    with pytest.raises(ValueError, match="two dimensions"):
        loss_landscape(nn.BatchNorm1d(3), batch, nn.MSELoss())


def test_matplotlib_that_is_missing_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r'pip install "pellucid\[standard\]"'):
        viz.curves(run())


def test_the_table_has_every_figure() -> None:
    known = {name.split(",")[0].split(" ")[0] for name in FIGURES}
    graphs = {"graph", "graph_fragment", "summary", "report", "slides"}  # these have tests of their own
    functions = {name for name in viz.__all__ if callable(getattr(viz, name)) and name.islower()}
    assert functions - graphs == known


def test_statistics_draw_themselves_and_are_drawn() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 3))
    activations, gradients = ActivationStats(every=1), GradientStats(every=1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    learner = Learner(model, data(), nn.CrossEntropyLoss(), optimizer, callbacks=[activations, gradients])
    learner.fit(2)
    assert np.array_equal(png(activations.plot()), png(viz.activation_heatmap(activations)))
    assert np.array_equal(png(gradients.plot()), png(viz.gradient_flow(gradients)))
    assert labels(learner.recorder.plot().axes[0])[0] == "training"


def test_a_constant_is_one_number_on_its_axis() -> None:
    rows = [{"kind": "step", "epoch": 1, "step": i, "train_loss": 1 / i, "lr": 0.001} for i in range(1, 9)]
    axes = next(a for a in viz.curves(rows).axes if a.get_ylabel() == "learning rate")
    assert [label.get_text() for label in axes.get_yticklabels()] == ["0", "0.001"]
    assert axes.get_ylim()[0] == 0


def test_the_map_of_a_sweep_writes_values_alike_and_frames_the_best_cell() -> None:
    values = {(0.001, 64): 0.9935, (0.001, 256): 0.9955, (0.01, 64): 0.98, (0.01, 256): 0.9765}
    trials = [{"lr": lr, "batch size": size, "value": value} for (lr, size), value in values.items()]
    axes = viz.sweep(trials, best="max").axes[0]
    assert {text.get_text() for text in axes.texts} == {"0.9935", "0.9955", "0.9800", "0.9765"}
    assert [patch.get_xy() for patch in axes.patches] == [(-0.5, 0.5)]  # lr 0.001 is column 0, batch size 256 row 1
