"""A page of facts, tables and pictures as one HTML file that needs nothing else: no network, no other file, no script
to be read.

A `Document` is sections of blocks: plain records that say what is shown, never how. The template, `report.html.j2`,
says how. Every text is escaped where it is put into the page, by Jinja's autoescape; what is markup says so (`Markup`).
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pellucid.files import write_atomically
from pellucid.viz.policy import secured
from pellucid.viz.sideways import SIDEWAYS

SHORT, LONG = 20, 40  # characters in a table's cell
MOST_SVG = 250_000  # characters; a drawing with more is thousands of marks, and smaller as pixels


@dataclass(frozen=True)
class Text:
    """A paragraph; `kind` "note" sets it apart, "warning" more so."""

    text: str
    kind: str = ""
    block: ClassVar[str] = "text"


@dataclass(frozen=True)
class Facts:
    """Names and values, in two columns."""

    rows: Sequence[tuple[str, Any]]
    title: str = ""
    block: ClassVar[str] = "facts"


@dataclass(frozen=True)
class Table:
    """Rows under a header. A column of numbers, and the last `right` columns, are set to the right; `bars` names one
    that has bars too."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    caption: str = ""
    bars: str | None = None
    folded: bool = False  # shown when asked for
    right: int = 0
    block: ClassVar[str] = "table"

    def numeric(self, i: int) -> bool:
        """Whether column `i` is set to the right."""
        numbers = all(row[i] is None or isinstance(row[i], int | float) for row in self.rows)
        return numbers or i >= len(self.columns) - self.right

    def share(self, row: Sequence[Any]) -> float:
        """The length of the row's bar, in percent of the longest."""
        at = list(self.columns).index(self.bars or "")
        longest = max((float(other[at]) for other in self.rows), default=0.0)
        return max(0.0, 100 * float(row[at]) / longest) if longest > 0 else 0.0


@dataclass(frozen=True)
class Code:
    """Lines to be typed into a terminal."""

    text: str
    caption: str = ""
    block: ClassVar[str] = "code"


@dataclass(frozen=True)
class Picture:
    """A matplotlib figure. `alt` says in words what it shows.

    It becomes as wide as it was drawn, 96 pixels an inch, or `width` pixels if that is less. `pixels` stores it as PNG
    though it were small as SVG.
    """

    figure: Any
    alt: str
    caption: str = ""
    width: int = 10_000
    pixels: bool = False
    block: ClassVar[str] = "picture"

    @property
    def wide(self) -> int:
        """Pixels across, where the page has them."""
        return min(round(96 * self.figure.get_size_inches()[0]), self.width)


@dataclass(frozen=True)
class Gallery:
    """Small images, (N, height, width) grey or (N, height, width, 3) in colour: each with a label below it, a line of
    `details`, and what it shows in words, `alts`."""

    images: Any
    labels: Sequence[str]
    alts: Sequence[str]
    caption: str = ""
    details: Sequence[str] = ()
    block: ClassVar[str] = "gallery"


@dataclass(frozen=True)
class Markup:
    """HTML that is put into the page as it is: whoever makes it must have escaped what it shows."""

    html: str
    caption: str = ""
    block: ClassVar[str] = "markup"


@dataclass(frozen=True)
class Columns:
    """Blocks beside each other where the page is wide enough."""

    blocks: Sequence[Any]
    block: ClassVar[str] = "columns"


@dataclass(frozen=True)
class Beside:
    """Pictures beside each other, as many as the page is wide enough for, each within the page's width."""

    pictures: Sequence[Picture]
    block: ClassVar[str] = "beside"


Block = Beside | Text | Facts | Table | Code | Picture | Gallery | Markup | Columns


@dataclass(frozen=True)
class Section:
    """A part of the page, in its table of contents."""

    title: str
    blocks: Sequence[Block]
    intro: str = ""

    @property
    def anchor(self) -> str:
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


@dataclass(frozen=True)
class Headline:
    """A figure that is read first."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Document:
    """The page."""

    title: str
    sections: Sequence[Section]
    state: str = ""  # "complete", "unfinished", …: a word beside the title
    subtitle: str = ""
    headlines: Sequence[Headline] = ()
    footer: Sequence[str] = field(default_factory=list)


def render(document: Document) -> str:
    """The document as HTML. ImportError, with what to install, where Jinja or matplotlib is missing."""
    try:
        import jinja2
    except ImportError as error:
        raise ImportError(
            'a report is filled in with Jinja, which is not installed: pip install "pellucid[standard]"'
        ) from error
    from importlib.resources import files

    from markupsafe import Markup as Safe

    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    source = (files("pellucid.viz") / "report.html.j2").read_text(encoding="utf-8")
    pictures = iter(range(1, 10_000))
    page = environment.from_string(source).render(
        document=document,
        cell=cell,
        kind=_kind,
        sideways=SIDEWAYS,
        # Each picture is drawn where the template comes upon it, and numbered in that order.
        drawn=lambda picture: Safe(embed(picture, f"f{next(pictures)}")),
        tiles=lambda gallery: [tile(image, *limits(gallery.images)) for image in np.asarray(gallery.images)],
    )
    return secured(page)


def save(document: Document, path: str | Path) -> Path:
    """Write the page to `path`: the file is whole or not there. Returns the path."""
    write_atomically(Path(path), render(document).encode())
    return Path(path)


def cell(value: Any) -> str:
    """What stands in a table for a value: numbers in few digits, with thin spaces between the thousands."""
    if value is None:
        return "–"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return f"{value:,}"
    if isinstance(value, float | np.floating):
        return number(float(value))
    return str(value)


def _kind(is_number: bool, shown: str) -> Any:
    """The attribute of a table's cell: a date stays on its line, and a sentence gets room."""
    from markupsafe import Markup as Safe

    name = "number" if is_number else "short" if len(shown) <= SHORT else "long" if len(shown) > LONG else ""
    return Safe(f' class="{name}"' if name else "")


def number(value: float) -> str:
    """A real number in few digits: 0.9321, 3.2e-05, 12,345."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "∞" if value > 0 else "−∞"
    if value and not 1e-3 <= abs(value) < 1e7:
        return f"{value:.3g}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


# Pictures -----------------------------------------------------------------------------------------------------------


def embed(picture: Picture, name: str) -> str:
    """The markup of a picture: drawn as SVG, whose letters stay letters, or as PNG where that is smaller."""
    from html import escape

    alt = escape(picture.alt, quote=True)
    width, height = picture.figure.get_size_inches()
    # A square figure is as legible small; one of many rows is not.
    classes = "plot tall" if height > 0.85 * width and picture.width >= 96 * width else "plot"
    how = f'class="{classes}" style="max-width:{picture.wide}px;--wide:{picture.wide}px"'
    if not picture.pixels:
        drawing = svg(picture.figure, name, alt, how)
        if len(drawing) <= MOST_SVG:
            return drawing
    content = io.BytesIO()
    with _laid_out(picture.figure, already=not picture.pixels):
        picture.figure.savefig(content, format="png", dpi=150, transparent=True, metadata={"Software": None})
    return f'<img {how} src="{data_uri(content.getvalue())}" alt="{alt}">'


def svg(figure: Any, name: str, alt: str, how: str) -> str:
    """The figure as an <svg> element with the attributes `how`.

    `name` is what the names inside it begin with; `alt`, what it shows in words, is escaped already.

    The same figure gives the same text: matplotlib's date is left out, and names made of memory addresses are numbered.
    """
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    content = io.StringIO()
    shown = figure.canvas
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}), _transparent(figure):
        # As `figure.savefig` does, which draws everything twice: once only to lay it out.
        try:
            FigureCanvasSVG(figure).print_svg(content, metadata={"Date": None, "Creator": None})
        finally:
            figure.set_canvas(shown)
    text = content.getvalue()
    text = _smaller(text[text.index("<svg") :], name)
    head, _, body = text.partition(">")
    box = re.search(r'viewBox="[^"]+"', head)
    return (
        f'<svg {how} role="img" aria-label="{alt}" {box[0] if box else ""} '
        f'xmlns:xlink="http://www.w3.org/1999/xlink">{body.strip()}'
    )


def _smaller(text: str, name: str) -> str:
    """A drawing of matplotlib's in about half as many characters, in the page's letters, with names of its own.

    A page is 96 pixels an inch where a drawing has 72 points, so a hundredth of a point cannot be seen. Names are kept
    where something refers to them.
    """
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text, flags=re.DOTALL)
    numbers: dict[str, str] = {}

    def renamed(match: re.Match[str]) -> str:
        return match[1] + numbers.setdefault(match[2], f"{name}-{len(numbers)}") + match[3]

    text = re.sub(r'(url\(#|href="#)([^")]+)([")])', renamed, text)
    text = re.sub(r' id="([^"]+)"', lambda match: f' id="{numbers[match[1]]}"' if match[1] in numbers else "", text)
    text = re.sub(r'( style="[^"]*?font: [^;"]*?[\d.]+px )[^;"]+', r"\1var(--font)", text)
    text = re.sub(r'( style="[^"]*?font-family: )[^;"]+', r"\1var(--font)", text)
    text = re.sub(r' transform="rotate\(-?0 [^"]*"', "", text)
    text = re.sub(r' (?:d|x|y)="[^"]*"', lambda match: re.sub(r"(\.\d\d)\d+", r"\1", match[0]), text)
    return re.sub(r"\n\s*", "\n", text)


@contextmanager
def _laid_out(figure: Any, already: bool) -> Iterator[None]:
    """Draw the figure again without asking once more how large its letters are, which takes most of the time."""
    layout = figure.get_layout_engine()
    if already:
        figure.set_layout_engine("none")
    try:
        yield
    finally:
        figure.set_layout_engine(layout)


@contextmanager
def _transparent(figure: Any) -> Iterator[None]:
    """Draw what lies behind the axes and behind their lines without a colour."""
    patches = [figure.patch, *(axes.patch for axes in figure.axes)]
    before = [(patch.get_facecolor(), patch.get_edgecolor()) for patch in patches]
    try:
        for patch in patches:
            patch.set(facecolor="none", edgecolor="none")
        yield
    finally:
        for patch, (face, edge) in zip(patches, before, strict=True):
            patch.set(facecolor=face, edgecolor=edge)


def limits(images: Any) -> tuple[float, float]:
    """The values that are black and white in a gallery, the same for all of its images."""
    known = np.asarray(images, dtype=np.float64)
    known = known[np.isfinite(known)]
    return (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)


def tile(image: np.ndarray, low: float, high: float) -> str:
    """An image, grey (height, width) or in colour (height, width, 3), as the address of an <img>."""
    from matplotlib.image import imsave

    scaled = np.clip((image.astype(np.float64) - low) / (high - low if high > low else 1.0), 0, 1)
    content = io.BytesIO()
    pixels = np.round(255 * np.nan_to_num(scaled)).astype(np.uint8)
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[:, :, None], 3, axis=2)
    imsave(content, pixels, format="png")
    return data_uri(content.getvalue())


def data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()
