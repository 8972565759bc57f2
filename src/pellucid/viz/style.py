"""What all figures share: colours, line styles, the sheet they are drawn on, and how it is saved and shown."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.files import write_atomically

# Okabe and Ito's colours (2008), which all kinds of colour vision tell apart, by name …
BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#E69F00", "#009E73", "#CC79A7"
VERMILLION, SKY, YELLOW, BLACK = "#D55E00", "#56B4E9", "#F0E442", "#000000"
GREY = "#767676"

# … for lines: dark on white first, each with its own dashes and marker, for print …
LINE_COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, BLACK, ORANGE, SKY, GREY)
DASHES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (8, 2)), (0, (4, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (8, 2, 2, 2)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

# … and for classes, filled: neighbours in this order differ in lightness too.
CLASS_COLOURS = (BLUE, ORANGE, GREEN, YELLOW, PURPLE, BLACK, SKY, VERMILLION)

SEQUENTIAL = "viridis_r"  # light for little, dark for much: paper is white

STYLE: dict[str, Any] = {
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.labelsize": 10,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "legend.framealpha": 0.85,
    "legend.edgecolor": "none",
    "figure.titlesize": 11,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.25,
    "axes.spines.top": False,
    "axes.spines.right": False,
}

DPI = 200
_ABOVE_PANELS = 20  # points from a user's axes to their title, where panels with titles of their own took their place
SHOWN_DPI = 100  # in a notebook a figure takes half its pixels: 800 of 1600, and stays sharp on a fine screen


SLIDE = (6.4, 9 / 16, 1920)  # inches across, height by width, pixels across
_slides: ContextVar[bool] = ContextVar("slides", default=False)


@contextmanager
def slides() -> Iterator[None]:
    """Draw the figures of this block for slides: 16 : 9, 1,920 × 1,080 pixels, with letters that a whole room can read.

    A figure of one or two panels is drawn as on a sheet 6.4 inches wide, so its letters are as large as 19 to 21 points
    are on a slide of 13.3 inches, and its lines grow with them; one of many panels has a wider sheet, as it needs, and
    smaller letters. Axes that are yours stay as they are.

    >>> from pellucid.viz import curves
    >>> with slides():
    ...     figure = curves([{"step": 0, "train_loss": 1.0}, {"step": 1, "train_loss": 0.5}])
    >>> [round(float(inches * figure.dpi)) for inches in figure.get_size_inches()]
    [1920, 1080]
    """
    token = _slides.set(True)
    try:
        yield
    finally:
        _slides.reset(token)


def _sheet_size(width: float, height: float) -> tuple[float, float, float]:
    """Inches across and up, and dots per inch; on a slide, more inches only where a figure asked for many."""
    if not _slides.get():
        return width, height, DPI
    least, ratio, pixels = SLIDE
    usual = 8.0 * 3.6  # square inches of a figure with one or two panels
    across = least * max(1.0, (width * height / usual) ** 0.5)
    return across, across * ratio, pixels / across


class Sheet:
    """Where a figure is drawn: a new matplotlib figure that pyplot knows nothing of, or the place of a user's axes."""

    def __init__(self, ax: Any, width: float, height: float) -> None:
        self.given, self.divided = ax, False
        if ax is None:
            from matplotlib.figure import Figure

            width, height, dpi = _sheet_size(width, height)
            self.figure: Any = Figure(figsize=(width, height), dpi=dpi, layout="constrained")
            # IPython draws by itself only the figures that pyplot holds; these are what it asks of any other object.
            self.figure._repr_png_ = partial(_png, self.figure)
            # With `%matplotlib inline` it would show every pixel, small figures as large as great ones.
            self.figure._ipython_display_ = partial(_display, self.figure)
        else:
            if not hasattr(ax, "get_subplotspec") or not hasattr(ax, "plot"):
                raise TypeError(f"ax is a matplotlib Axes, as plt.subplots() makes; received {type(ax).__name__}")
            self.figure = ax.figure.figure  # the outermost, where axes are in a figure within a figure

    def axes(self, projection: str | None = None) -> Any:
        """The one axes of the figure; the user's own where it has the projection."""
        if self.given is not None and self.given.name == (projection or "rectilinear"):
            return self.given
        return self.grid(1, 1, projection=projection)[0, 0]

    def grid(self, rows: int, columns: int, projection: str | None = None, **how: Any) -> np.ndarray:
        """Axes in rows and columns. In the place of a user's axes, which keep nothing but their title."""
        cells = self.cells(rows, columns, **how)
        made = [[self.put(cells[i, j], projection) for j in range(columns)] for i in range(rows)]
        return np.array(made, dtype=object).reshape(rows, columns)

    def cells(self, rows: int, columns: int, **how: Any) -> Any:
        """A grid of places, for axes that span several of them (`put`)."""
        if self.given is None:
            return self.figure.add_gridspec(rows, columns, **how)
        self.given.set_axis_off()
        self.given.set_zorder(10)  # nothing is left of it but its title, which the panels must not cover
        self.divided = True
        place = self.given.get_subplotspec()
        if place is not None:
            return place.subgridspec(rows, columns, **how)
        box = self.given.get_position()
        return self.given.figure.add_gridspec(
            rows, columns, left=box.x0, right=box.x1, bottom=box.y0, top=box.y1, **how
        )

    def put(self, cell: Any, projection: str | None = None) -> Any:
        """New axes in a cell of `cells`."""
        owner = self.figure if self.given is None else self.given.figure
        return owner.add_subplot(cell, projection=projection)

    def title(self, text: str | None, pad: float | None = None) -> None:
        """What the whole figure is called; `pad` points above a user's axes, where something lies between."""
        if not text:
            return
        if self.given is None:
            self.figure.suptitle(plain(text))
        else:
            self.given.set_title(plain(text), pad=_ABOVE_PANELS if self.divided and pad is None else pad)


@contextmanager
def sheet(ax: Any, save: Any, name: str, width: float = 8.0, height: float = 3.6) -> Iterator[Sheet]:
    """Draw on the sheet that this gives; afterwards it is saved where `save` asks for that.

    Args:
        ax: the user's axes, or None for a new figure of `width` × `height` inches at 200 dots per inch.
        save: None or False; a path, by whose ending the format is chosen; True for `<name>-<time>.png` in the current
            folder, and a folder for the same there.
        name: what the figure shows, for the name of the file.

    A new figure is drawn with matplotlib's defaults and our own: a style that the user has set is neither asked
    (but for its fonts, which may be needed for the user's letters) nor changed. In axes that are the user's, it holds.
    """
    need_matplotlib()
    import matplotlib
    import matplotlib.style

    if ax is None:
        # Not `items()`: to read the setting `backend` would load pyplot, and with it a window system.
        params: Any = matplotlib.rcParams
        fonts = {key: params[key] for key in params if key.startswith("font.") and "size" not in key}
        with matplotlib.style.context(["default", {**fonts, **STYLE}]):
            made = Sheet(None, width, height)
            yield made
            for axes in made.figure.axes:  # ticks are made when first needed, and would be in the user's style then
                for axis in (getattr(axes, f"{letter}axis", None) for letter in "xyz"):
                    if axis is not None:
                        _plain_powers(axis)
                        axis.get_major_ticks(1)
                        axis.get_minor_ticks(1)
            save_figure(made.figure, save, name)
    else:
        made = Sheet(ax, width, height)
        yield made
        save_figure(made.figure, save, name)


def _plain_powers(axis: Any) -> None:
    """Write the powers of ten of a logarithmic axis in the raised digits of the font: as formulas, the parser of
    formulas has to be loaded for them, and each is set by it again whenever it is measured."""
    from matplotlib.ticker import LogFormatterMathtext

    def made_of(kind: type[LogFormatterMathtext]) -> Any:
        def written(self: Any, x: Any, pos: Any = None) -> str:
            return _POWER.sub(lambda found: _in_digits(*found.groups()), kind.__call__(self, x, pos))

        return type("Plain", (kind,), {"__call__": written})()

    for known, use in ((axis.get_major_formatter(), axis.set_major_formatter),
                       (axis.get_minor_formatter(), axis.set_minor_formatter)):  # fmt: skip
        if isinstance(known, LogFormatterMathtext):
            made = made_of(type(known))
            made.__dict__.update(known.__dict__)
            use(made)


_POWER = re.compile(r"^\$\\mathdefault\{(-?)(?:([\d.]+)\\times)?10\^\{(-?\d+)\}\}\$$")
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def _in_digits(sign: str, factor: str | None, power: str) -> str:
    times = f"{factor} × " if factor else ""
    return f"{sign.replace('-', '−')}{times}10{power.translate(_RAISED)}"


def save_figure(figure: Any, save: Any, name: str) -> Path | None:
    """Write the figure where `save` says (see `sheet`): the file is whole or not there. Returns its path."""
    path = target(save, name, ".png")
    if path is None:
        return None
    content = io.BytesIO()
    figure.savefig(content, format=path.suffix[1:].lower(), dpi="figure")
    write_atomically(path, content.getvalue())
    return path


def target(save: Any, name: str, suffix: str) -> Path | None:
    """The file that `save` stands for, or None."""
    if save is None or save is False:
        return None
    path = Path() if save is True else Path(save)
    if path.is_dir():
        stamp = f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
        path, count = path / f"{stamp}{suffix}", 1
        while path.exists():  # two figures in one second
            count += 1
            path = path.with_name(f"{stamp}-{count}{suffix}")
    if not path.suffix:
        path = path.with_name(path.name + suffix)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"save={str(save)!r}: there is no folder {path.parent}; make it first")
    return path


def need_matplotlib() -> None:
    """Say what to install where matplotlib is not there."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(
            'pellucid.viz draws with matplotlib, which is not installed: pip install "pellucid[standard]"'
        ) from error


def _png(figure: Any) -> tuple[bytes, dict[str, int]]:
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=figure.dpi)
    width, height = figure.get_size_inches() * SHOWN_DPI
    return content.getvalue(), {"width": round(width), "height": round(height)}


def _display(figure: Any) -> None:
    from IPython.display import Image, display  # pyright: ignore[reportMissingImports] (a notebook has it)

    content, size = _png(figure)
    display(Image(content, format="png", width=size["width"], height=size["height"]))


# Styles for the i-th of several -------------------------------------------------------------------------------------


def line(i: int, count: int = 1) -> dict[str, Any]:
    """Colour and dashes of the i-th of `count` lines: Okabe and Ito's while they last, then a scale."""
    if count <= len(LINE_COLOURS):
        return {"color": LINE_COLOURS[i], "linestyle": DASHES[i]}
    return {"color": _scale(i, count), "linestyle": DASHES[i % 4]}


def marker(i: int) -> str:
    """The marker of the i-th of several."""
    return MARKERS[i % len(MARKERS)]


def class_colours(count: int) -> list[Any]:
    """A colour per class, as (red, green, blue)."""
    from matplotlib.colors import to_rgb

    if count <= len(CLASS_COLOURS):
        return [to_rgb(colour) for colour in CLASS_COLOURS[:count]]
    return [_scale(i, count)[:3] for i in range(count)]


def _scale(i: int, count: int) -> Any:
    import matplotlib

    return matplotlib.colormaps["viridis"](0.92 * i / max(count - 1, 1))  # its last tenth is too light for a line


def two_sided(strength: float = 1.0) -> Any:
    """From blue over white to orange: for what has a middle, such as a probability's one half.

    With less `strength` it is paler, so that points in the same colours are seen on it.
    """
    from matplotlib.colors import LinearSegmentedColormap, to_rgb

    parts = ((BLUE, strength), (BLUE, 0.4 * strength), ("white", 1.0), (ORANGE, 0.45 * strength), (ORANGE, strength))
    return LinearSegmentedColormap.from_list("two_sided", [tint(to_rgb(colour), part) for colour, part in parts])


def tint(colour: Any, part: float) -> tuple[float, ...]:
    """The colour mixed with white; `part` of it is left."""
    return tuple(1 - part * (1 - value) for value in colour)


def ink_on(colour: Any) -> str:
    """Black or white, whichever reads better on the colour (its relative luminance decides)."""
    red, green, blue = colour[:3]
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"


# Words in a figure --------------------------------------------------------------------------------------------------


def plain(text: Any, limit: int = 60) -> str:
    """A text as it is: matplotlib takes what stands between two dollars for a formula and hides a leading "_"."""
    text = re.sub(r"\s+", " ", str(text))
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    text = text.replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def names(count: int, given: Sequence[Any] | None, what: str = "class_names", limit: int = 18) -> list[str]:
    """A name each: those given, or their numbers."""
    if given is None or len(given) == 0:
        return [str(i) for i in range(count)]
    if len(given) < count:
        raise ValueError(f"{what} has {len(given)} names, and {count} are needed")
    return [plain(name, limit) for name in given]


def say(axes: Any, text: str) -> None:
    """Words in the middle of axes that have nothing to draw."""
    axes.text(
        0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color="#444444", fontsize=11, wrap=True
    )
    axes.grid(False)
    axes.set(xticks=[], yticks=[])


def note(axes: Any, text: str, x: float = 0.99, y: float = 0.98) -> None:
    """A small remark in a corner of the axes."""
    axes.text(
        x, y, text, transform=axes.transAxes, ha="right" if x > 0.5 else "left", va="top" if y > 0.5 else "bottom",
        fontsize=8, color="#444444", bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1.5},
    )  # fmt: skip


def clean(axes: Any) -> None:
    """Grid and frame as our figures have them, also where the axes are the user's."""
    axes.grid(True, alpha=0.25)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def percent(share: float, digits: int = 0) -> str:
    """0.975 is 98 %."""
    return f"{100 * share:.{digits}f} %"


def few_ticks(axes: Any, whole: bool = False, count: int = 5) -> None:
    """About `count` ticks on the x axis, at whole numbers if asked."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(count, integer=whole))


def align_labels(panels: Sequence[Any]) -> None:
    """The labels of the y axes of panels above each other in one line, with as many ticks whatever their height.

    As `Figure.align_ylabels`, which measures every panel again for each of them.
    """
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path
    from matplotlib.ticker import MaxNLocator
    from matplotlib.transforms import ScaledTranslation

    widest = 0.0
    font = FontProperties(size=STYLE["ytick.labelsize"])
    for axes in panels:
        axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
        low, high = sorted(axes.get_ylim())
        ticks = axes.yaxis.get_major_formatter().format_ticks(
            [place for place in axes.yaxis.get_majorticklocs() if low <= place <= high]
        )
        widest = max([widest, *(text_to_path.get_text_width_height_descent(tick, font, False)[0] for tick in ticks)])
    for axes in panels:
        aside = widest + 11  # points: a tick, its distance from its label, and that of the label from the axis' own
        moved = ScaledTranslation(-aside / 72, 0, axes.figure.dpi_scale_trans)
        axes.yaxis.set_label_coords(0, 0.5, axes.transAxes + moved)


def number(value: float) -> str:
    """A number in few digits: 0.9321, 3.2e-05, 1.2e+06."""
    if value != value:
        return "NaN"
    if value and not 1e-3 <= abs(value) < 1e5:
        return f"{value:.2g}"
    return f"{value:.4g}"
