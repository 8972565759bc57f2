"""A flame chart: what ran when, and within what, as one page that needs no network.

Time runs to the right. A frame lies below the one within which it ran, and a click on it fills the page with it
(Gregg, The Flame Graph, 2016; in order of time it is called a chart).
"""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pellucid.viz.derivation import framed, save_page
from pellucid.viz.policy import secured
from pellucid.viz.sideways import SIDEWAYS

_FOLDER = Path(__file__).parent / "flame_page"


class Frame(NamedTuple):
    """A piece of time: `stack` names what it ran within, outermost first, itself last; what is behind a NUL in a name
    tells apart two of one name, and is not shown."""

    stack: tuple[str, ...]
    start: float
    seconds: float
    tip: str = ""


class Flame:
    """The chart of some frames, over a length of time in seconds; `text` is shown below it."""

    def __init__(self, title: str, frames: Sequence[Frame], length: float, text: str = "") -> None:
        self.title, self.frames, self.length, self.text = title, tuple(frames), length, text

    def boxes(self) -> list[dict[str, Any]]:
        """The frames as boxes: neighbours that ran within the same are one box above them."""
        boxes: list[dict[str, Any]] = []
        open_boxes: list[tuple[str, dict[str, Any]]] = []
        for frame in sorted(self.frames, key=lambda frame: frame.start):
            end = frame.start + frame.seconds
            same = 0
            while (
                same < min(len(open_boxes), len(frame.stack) - 1)  # an op is a box of its own
                and open_boxes[same][0] == frame.stack[same]
            ):
                same += 1
            del open_boxes[same:]
            for depth in range(same, len(frame.stack)):
                name = frame.stack[depth]
                box = {"name": name.partition("\0")[0], "depth": depth, "from": frame.start, "phase": frame.stack[0]}
                boxes.append(box)
                open_boxes.append((name, box))
            open_boxes[-1][1]["tip"] = frame.tip
            for _, box in open_boxes:
                box["to"] = end
        return boxes

    def html(self) -> str:
        """The page."""
        data = {"length": self.length, "boxes": self.boxes()}
        listed = json.dumps(data, ensure_ascii=True, allow_nan=False).replace("<", "\\u003c")
        read = {name: (_FOLDER / name).read_text(encoding="utf-8") for name in ("page.html", "page.css", "page.js")}
        return secured(
            read["page.html"]
            .replace("{{title}}", html.escape(self.title))
            .replace("{{style}}", SIDEWAYS + read["page.css"])
            .replace("{{script}}", read["page.js"])
            .replace("{{text}}", html.escape(self.text))
            .replace("{{data}}", listed)
        )

    def save(self, path: str | Path) -> Path:
        """Write the page, whole or not at all. Raises ValueError for an ending that is not .html."""
        return save_page(self.html(), path, "a flame chart")

    def framed(self) -> str:
        """The page in a frame, for a notebook."""
        return framed(self.html(), self.title)
