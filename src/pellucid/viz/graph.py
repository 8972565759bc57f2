"""Computation graphs: of a Tensor, of a Module, of what ran in a `record_graph` block; as a page, as DOT, as a picture.

The page is one file that needs no network and no Graphviz: what is in the folder `graph_page`, with dagre
(https://github.com/dagrejs/dagre, MIT) for the layout. SVG and PNG are made by Graphviz's `dot`.
"""

from __future__ import annotations

import html
import json
import math
import re
import subprocess
from functools import cached_property
from pathlib import Path
from typing import Any

from pellucid.files import write_atomically
from pellucid.viz.graph_dot import dot_text
from pellucid.viz.graph_scalar import is_value, scalar_record
from pellucid.viz.graph_view import GraphView
from pellucid.viz.policy import secured

_FOLDER = Path(__file__).parent / "graph_page"
_SCRIPTS = ("vendor/dagre.min.js", "state.js", "layout.js", "draw.js", "details.js", "listen.js")
_LIMIT = 5000  # ops of a Tensor's history that are drawn, the latest


def graph(
    obj: Any, *inputs: Any, backward: bool = False, depth: int | None = None, title: str | None = None, **keywords: Any
) -> Drawing:
    """Draw the computation graph of a Tensor, of a Module on `inputs`, or of a record.

    A notebook shows the result; `.save("graph.html")` writes it, as .html, .svg, .png or .dot.

    Args:
        obj: a Tensor: what autograd recorded of it, with the values that it kept. A Module: one forward on `inputs`,
            which leaves the model, its gradients and the random generators as they were. A record
            (`with pellucid.record_graph() as record: ...`): every value, every gradient, and the lines of your code.
            A Value of `pellucid.scalar`: its calculation, with the gradients of the last backward.
        inputs: what the Module is called with; `keywords` too.
        backward: show the gradient of every intermediate result, and the operations of the backward pass. For a
            Tensor it must be a single number; for a Module the sum of its outputs is differentiated. No `grad` is
            touched.
        depth: how many levels of modules and loops are open at first. By default those that leave the picture legible.
        title: what stands above it.

    Raises:
        TypeError: `obj` is none of these, or inputs are given where they mean nothing.

    >>> import pellucid as torch
    >>> from pellucid import nn, viz
    >>> model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
    >>> drawing = viz.graph(model, torch.ones(4, 2))
    >>> "Tanh" in drawing.dot
    True
    """
    if is_value(obj) and not inputs and not keywords:
        return Drawing(scalar_record(obj), depth=depth, title=title)
    make = getattr(obj, "__graph__", None)
    if make is None or isinstance(obj, type):
        raise TypeError(_not_drawable(obj))
    if hasattr(obj, "named_parameters"):  # a Module
        record = make(*inputs, backward=backward, **keywords)
    elif inputs or keywords:
        raise TypeError(
            f"viz.graph: {type(obj).__name__} is drawn as it is; inputs are for a Module: viz.graph(model, inputs)"
        )
    elif hasattr(obj, "grad_fn"):  # a Tensor
        record = make(backward=backward, limit=_LIMIT)
    elif backward:
        raise TypeError(
            "viz.graph: a record shows the backward pass if it ran while recording; call loss.backward() inside of the "
            "`with record_graph()` block"
        )
    else:
        record = make()
    return Drawing(record, depth=depth, title=title)


def graph_fragment(record: Any, *, height: str = "40rem", theme: str = "auto", depth: int | None = None) -> str:
    """The graph as a piece of HTML to put into a page: self-contained, its styles its own.

    Args:
        record: what `viz.graph` takes without inputs, such as `model.__graph__(inputs)`.
        height: of the piece, as CSS says it.
        theme: "light", "dark", or "auto": as the reader's system.
        depth: as in `graph`.
    """
    return _fragment(GraphView(record.__graph__(), depth), height, theme, "")


class Drawing:
    """A computation graph, ready to be shown or saved.

    Attributes:
        record: the record that it draws.
        title: what stands above it.
    """

    def __init__(self, record: Any, depth: int | None = None, title: str | None = None) -> None:
        self.record = record
        self.title = title or record.title
        self._view = GraphView(record, depth, self.title)

    @cached_property
    def dot(self) -> str:
        """The graph in Graphviz's language, with what is open at first."""
        return dot_text(self._view)

    def svg(self) -> str:
        """The graph as SVG, made by Graphviz. Raises RuntimeError where there is no `dot`."""
        return _graphviz(self.dot, "svg").decode()

    def png(self, dpi: int = 144) -> bytes:
        """The graph as PNG, made by Graphviz. Raises RuntimeError where there is no `dot`."""
        return _graphviz(self.dot, "png", f"-Gdpi={dpi}")

    def html(self) -> str:
        """The interactive page, one self-contained file: search, open and close, values under the mouse."""
        page = _fragment(self._view, "100vh", "auto", "page")
        return secured(
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{html.escape(self.title)}</title>\n<style>body {{ margin: 0 }}</style>\n</head>\n"
            f"<body>\n{page}\n</body>\n</html>\n"
        )

    def save(self, path: str | Path) -> Path:
        """Write the graph to `path`, as its ending says: .html, .svg, .png or .dot; the file is whole or not there.

        Raises:
            ValueError: another ending.
            RuntimeError: SVG or PNG is asked for, and Graphviz's `dot` is not installed.
        """
        path = Path(path)
        writers = {
            ".html": lambda: self.html().encode(),
            ".htm": lambda: self.html().encode(),
            ".svg": lambda: self.svg().encode(),
            ".png": self.png,
            ".dot": lambda: self.dot.encode(),
            ".gv": lambda: self.dot.encode(),
        }
        if path.suffix.lower() not in writers:
            raise ValueError(
                f"a graph is saved as .html, .svg, .png or .dot, and not as {path.name!r}; write "
                f"{path.with_suffix('.html').name}"
            )
        content = writers[path.suffix.lower()]()
        write_atomically(path, content)
        return path

    def _repr_html_(self) -> str:
        # A frame of its own: a notebook's styles and several graphs in one notebook do not meet.
        page = html.escape(self.html(), quote=True)
        return (
            f'<iframe srcdoc="{page}" title="{html.escape(self.title, quote=True)}" '
            'style="width: 100%; height: 36rem; border: 1px solid #d1d9e0; border-radius: 6px"></iframe>'
        )

    def _repr_svg_(self) -> str | None:
        try:
            return self.svg()
        except RuntimeError:
            return None

    def __repr__(self) -> str:
        return f"<graph of {self.title}: {len(self.record.nodes)} nodes; .save('graph.html') writes it>"


def _not_drawable(obj: Any) -> str:
    what = f"the class {obj.__name__}" if isinstance(obj, type) else type(obj).__name__
    if callable(obj):
        return (
            f"viz.graph draws a Tensor, a Module or a record, received {what}. To see what a function computes, record "
            "it:\n    with pellucid.record_graph() as record:\n        loss = function(x)\n        loss.backward()\n"
            "    viz.graph(record)"
        )
    return f"viz.graph draws a Tensor, a Module or a record of pellucid, received {what}"


def _fragment(view: GraphView, height: str, theme: str, classes: str, walk: dict[str, Any] | None = None) -> str:
    """The page's element with styles and script; with a `walk` (see `viz.derivation`) it goes through it in steps."""
    if theme not in ("auto", "light", "dark"):
        raise ValueError(f"theme={theme!r}: write 'auto', 'light' or 'dark'")

    def text(name: str) -> str:
        return (_FOLDER / name).read_text(encoding="utf-8")

    body = _filled(
        text("page.html"),
        classes=html.escape(classes, quote=True),
        style=html.escape(f"height: {height}", quote=True),
        theme=theme,
        title=html.escape(view.title, quote=True),
        data=for_script(view.data() if walk is None else {**view.data(), **walk}),
    )
    more = () if walk is None else ("walk.js",)
    styles = text("page.css") + ("" if walk is None else text("walk.css"))
    scripts = "\n".join(text(name) for name in (*_SCRIPTS, *more))
    script = f"(() => {{\nconst root = document.currentScript.previousElementSibling;\n{scripts}\n}})();"
    return f"<style>\n{styles}</style>\n{body}<script>\n{script}\n</script>"


def _filled(template: str, **values: str) -> str:
    """The template with each `{{ name }}` replaced, in one pass: what is put in is not looked through again."""
    return re.sub(r"\{\{ (\w+) \}\}", lambda found: values[found[1]], template)


def for_script(value: Any) -> str:
    """JSON that may stand in a <script> element: nothing in it can end the element, or open a comment."""
    text = json.dumps(_named(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _named(value: Any) -> Any:
    """JSON has no NaN and no infinity; they become their names. Others keep seven digits."""
    if isinstance(value, float):
        return float(f"{value:.7g}") if math.isfinite(value) else {"nan": "NaN", "inf": "∞", "-inf": "−∞"}[str(value)]
    if isinstance(value, dict):
        return {str(key): _named(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_named(item) for item in value]
    return value


def _graphviz(dot: str, kind: str, *options: str) -> bytes:
    try:
        done = subprocess.run(["dot", f"-T{kind}", *options], input=dot.encode(), capture_output=True, check=False)
    except FileNotFoundError:
        raise RuntimeError(
            f"a graph becomes {kind.upper()} by Graphviz, and its program `dot` is not installed (see "
            "https://graphviz.org/download). Save it as .html, which needs nothing"
        ) from None
    if done.returncode:
        raise RuntimeError(f"Graphviz could not draw the graph: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout
