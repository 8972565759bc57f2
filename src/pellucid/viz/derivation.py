"""Pages of `pellucid.explain`: the derivation of an op, and a walk through a computation. They draw records alone."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.files import write_atomically
from pellucid.viz.graph import _fragment  # pyright: ignore[reportPrivateUsage]
from pellucid.viz.graph_view import GraphView
from pellucid.viz.policy import secured
from pellucid.viz.sideways import SIDEWAYS

_OPEN = 70  # nodes up to which every module of a walk is open at first
_MOST = 12  # rows and columns shown of a matrix
_STYLE = (Path(__file__).parent / "derivation.css").read_text


def save_page(page: str, path: str | Path, what: str = "an explanation") -> Path:
    """Write a page to a file, whole or not at all. Raises ValueError for an ending that is not .html."""
    path = Path(path)
    if path.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"{what} is saved as .html, and not as {path.name!r}; write {path.with_suffix('.html').name}")
    write_atomically(path, page.encode())
    return path


def framed(page: str, title: str) -> str:
    """A page in a frame of its own, for a notebook: its styles do not meet the notebook's."""
    return (
        f'<iframe srcdoc="{html.escape(page, quote=True)}" title="{html.escape(title, quote=True)}" '
        'style="width: 100%; height: 42rem; border: 1px solid #d1d9e0; border-radius: 6px"></iframe>'
    )


def walk_page(graph: Any, walk: dict[str, Any], title: str) -> str:
    """The page of a walk: `graph` its record, `walk` what `derivation.Walk.page_data` has."""
    view = GraphView(graph, 99 if len(graph.nodes) <= _OPEN else None, title)
    return _page(title, _fragment(view, "100vh", "auto", "page", walk), "body { margin: 0 }")


def derivation_page(made: Any) -> str:
    """The page of a `derivation.Derivation`."""
    return _page(f"{made.op}, explained", derivation_fragment(made), "body { margin: 0 }")


def _page(title: str, body: str, style: str) -> str:
    return secured(
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


# The derivation of an op ----------------------------------------------------------------------------------------------


def derivation_fragment(made: Any) -> str:
    """The derivation as a piece of HTML, its styles its own."""
    parts = [f"<h2><code>{_text(_signature(made))}</code></h2>", f"<p class='formula'>{_text(made.formula)}</p>"]
    parts.append(_section("An example", _example(made)))
    if not made.differentiable:
        parts.append(_section("Gradient", f"<p class='why'>{_text(made.why)}</p>"))
    for argument in made.differentiable:
        parts.append(
            _section(f"From d{made.letter} to d{argument.letter}: the vector-Jacobian product", _rule(argument))
        )
    if made.differentiable:
        notes = [f"<p class='why'>{_text(made.why)}</p>"] if made.why else []
        notes += [
            f"<p>{_text(argument.letter)}: {_text(argument.no_gradient)}.</p>"
            for argument in made.arguments
            if argument.no_gradient
        ]
        parts += notes
    for argument in made.differentiable:
        parts.append(_section(f"The Jacobian ∂{made.letter}/∂{argument.letter}, by the rule and by differences",
                              _jacobian(made, argument)))  # fmt: skip
    sources = "".join(
        f"<pre class='pellucid-sideways'><code>{_text(source)}</code></pre>"
        for source in (made.forward, made.rule)
        if source
    )
    parts.append(_section("Source", sources))
    style = SIDEWAYS + _STYLE(encoding="utf-8")
    return f'<style>\n{style}</style>\n<article class="pellucid-derivation">\n{"".join(parts)}\n</article>'


def _signature(made: Any) -> str:
    given = [argument.name for argument in made.arguments] + [
        f"{name}={value}" for name, value in made.attributes.items()
    ]
    return f"{made.op}({', '.join(given)})"


def _text(value: Any) -> str:
    return html.escape(str(value), quote=True)


def _section(title: str, body: str) -> str:
    return f"<section><h3>{_text(title)}</h3>{body}</section>"


def _figure(value: Any) -> str:
    if isinstance(value, bool | np.bool_ | str):
        return _text(value)
    number = float(value)
    text = f"{number:.4g}" if number else "0"
    return text.replace("-", "−")


def _matrix(array: Any, caption: str = "") -> str:
    """A table of numbers, tinted by size: blue for positive, orange for negative."""
    array = np.asarray(array)
    shape = " × ".join(map(str, array.shape))
    name = _text(f"{caption or 'numbers'}, {shape}")
    head = f"<figcaption>{_text(caption)} <small>{shape}</small></figcaption>" if caption else ""
    if array.ndim == 0:
        return f"<figure>{head}<span class='single'>{_figure(array.item())}</span></figure>"
    rows = array.reshape(1, -1) if array.ndim == 1 else array.reshape(-1, array.shape[-1]) if array.size else array[:0]
    numbers = rows.astype(float)
    most = float(np.abs(numbers[np.isfinite(numbers)]).max(initial=0.0))
    lines: list[str] = []
    for row, plain in zip(rows[:_MOST], numbers[:_MOST], strict=True):
        cells: list[str] = []
        for value, number in zip(row[:_MOST], plain[:_MOST], strict=True):
            part = 0.45 * min(abs(number) / most, 1.0) if most and number == number else 0.0
            colour = "213 94 0" if number < 0 else "0 114 178"
            shown = value.item() if array.dtype.kind == "b" else 0.0 if abs(number) < 1e-12 * most else number
            cells.append(f"<td style='background: rgb({colour} / {part:.2f})'>{_figure(shown)}</td>")
        lines.append(f"<tr>{''.join(cells)}{'<td>…</td>' if len(row) > _MOST else ''}</tr>")
    if len(rows) > _MOST:
        lines.append("<tr><td>⋮</td></tr>")
    table = f"<table class='numbers' role='table' aria-label='{name}'>{''.join(lines)}</table>"
    return f"<figure class='pellucid-sideways'>{head}{table}</figure>"


def _row(*parts: str) -> str:
    return f"<div class='equation'>{''.join(parts)}</div>"


def _sign(text: str) -> str:
    return f"<span class='sign'>{_text(text)}</span>"


def _example(made: Any) -> str:
    given: list[str] = []
    for argument in made.arguments:
        name = argument.letter if argument.letter == argument.name else f"{argument.letter} = {argument.name}"
        if isinstance(argument.value, np.ndarray):
            given.append(_matrix(argument.value, name))
        else:
            given.append(f"<figure><figcaption>{_text(name)}</figcaption><span class='single'>{_figure(argument.value)}"
                         "</span></figure>")  # fmt: skip
    text = _row(*given, _sign("→"), _matrix(made.out, made.letter))
    if made.elementwise and made.differentiable and made.curve is not None:
        text += _curve(made)
    if made.differentiable:
        text += f"<p>Sent back through it: the gradient of a loss with respect to {_text(made.letter)}.</p>"
        text += _row(_matrix(made.g, f"d{made.letter}"))
    return text


def _rule(argument: Any) -> str:
    rule = argument.rule
    terms = [_sign(term) if isinstance(term, str) else _matrix(term.array, term.symbol) for term in rule.terms]
    text = f"<p><code>{_text(rule.text)}</code></p>{_row(*terms)}"
    if rule.code:
        text += f"<p class='kind'>as declared: <code>{_text(rule.code)}</code></p>"
    if rule.entry:
        text += f"<p class='kind'>numbers put in: <code>{_text(rule.entry)}</code></p>"
    return text


def _jacobian(made: Any, argument: Any) -> str:
    if argument.jacobian is None:
        return "<p>Not shown: it has too many numbers. A smaller example has one.</p>"
    rows, columns = argument.jacobian.shape
    text = f"<p>A row for each of the {rows} numbers of {_text(made.letter)}, a column for each of the {columns} of "
    text += f"{_text(argument.letter)}, both counted row by row.</p>"
    tables = [_matrix(argument.jacobian, "by the rule")]
    if argument.numeric is not None:
        tables.append(_matrix(argument.numeric, "by differences"))
    text += _row(*tables)
    if argument.slopes is not None and argument.numeric is not None and argument.value.shape == made.out.shape:
        text += _elements(made, argument)
    return text + f"<p>{_text(made.compared(argument))}</p>"


def _elements(made: Any, argument: Any) -> str:
    """Of an elementwise op its derivative at each element."""
    head = (
        "element",
        argument.letter,
        made.letter,
        f"∂{made.letter}/∂{argument.letter}",
        "by differences",
        "difference",
    )
    slopes, numeric = np.ravel(argument.slopes), np.diagonal(argument.numeric)
    lines: list[str] = []
    for i in range(min(made.out.size, _MOST)):
        at = [str(int(k)) for k in np.unravel_index(i, made.out.shape)] if made.out.ndim else []
        cells = [f"[{', '.join(at)}]", _figure(np.ravel(argument.value)[i]), _figure(np.ravel(made.out)[i])]
        cells += [_figure(slopes[i]), f"{numeric[i]:.10g}".replace("-", "−")]
        cells.append("kink" if np.diagonal(argument.kinks)[i] else f"{abs(slopes[i] - numeric[i]):.0e}")
        lines.append(f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    heads = "".join(f"<th>{_text(name)}</th>" for name in head)
    table = f"<table class='elements' aria-label='Element by element'><tr>{heads}</tr>{''.join(lines)}</table>"
    return f"<div class='pellucid-sideways'>{table}</div>"


def _curve(made: Any) -> str:
    """A function of one number and its derivative, with the example's points."""
    x, y, slope = (np.asarray(numbers, float) for numbers in made.curve)
    low, high = float(x.min()), float(x.max())
    shown = np.concatenate([y, slope, [0.0]])
    bottom, top = (float(end) for end in np.quantile(shown[np.isfinite(shown)], [0.01, 0.99]))
    bottom, top = max(bottom, -6.0), min(top, 6.0)
    room = 0.08 * (top - bottom or 1.0)
    bottom, top = bottom - room, top + room
    w, h, left, below = 560.0, 240.0, 44.0, 26.0

    def px(value: float) -> float:
        return left + (w - left - 8) * (value - low) / (high - low)

    def py(value: float) -> float:
        return 8 + (h - below - 8) * (top - value) / (top - bottom)

    def line(values: np.ndarray, style: str) -> str:
        path, pen = "", "M"
        for a, b in zip(x, values, strict=True):
            if not np.isfinite(b) or not bottom <= b <= top:
                pen = "M"
                continue
            path += f"{pen}{px(float(a)):.1f},{py(float(b)):.1f}"
            pen = "L"
        return f"<path class='{style}' d='{path}'/>"

    def ticks(least: float, most: float) -> list[float]:
        step = next(width for width in (0.25, 0.5, 1, 2, 5, 10, 20, 50) if (most - least) / width <= 7)
        return [step * k for k in range(int(np.ceil(least / step)), int(np.floor(most / step)) + 1)]

    parts = [
        f"<line class='grid' x1='{px(t):.1f}' x2='{px(t):.1f}' y1='8' y2='{h - below}'/>"
        f"<text x='{px(t):.1f}' y='{h - 8}' text-anchor='middle'>{_figure(t)}</text>"
        for t in ticks(low, high)
    ]
    parts += [
        f"<line class='grid' x1='{left}' x2='{w - 8}' y1='{py(t):.1f}' y2='{py(t):.1f}'/>"
        f"<text x='{left - 6}' y='{py(t) + 4:.1f}' text-anchor='end'>{_figure(t)}</text>"
        for t in ticks(bottom, top)
    ]
    parts += [line(y, "of-value"), line(slope, "of-slope")]
    argument = made.differentiable[0]
    parts.append(f"<text x='{w - 10}' y='{h - below - 6}' text-anchor='end'>{_text(argument.letter)}</text>")
    for a, b, s in zip(np.ravel(argument.value), np.ravel(made.out), np.ravel(argument.slopes), strict=True):
        if low <= a <= high and bottom <= b <= top:
            parts.append(f"<circle class='of-value' cx='{px(a):.1f}' cy='{py(b):.1f}' r='4.5'/>")
        if low <= a <= high and bottom <= s <= top:
            parts.append(f"<rect class='of-slope' x='{px(a) - 4:.1f}' y='{py(s) - 4:.1f}' width='8' height='8'/>")
    label = f"{made.op} and its derivative"
    sample = "<svg width='34' height='12' aria-hidden='true'><path class='{}' d='M2,6H32'/></svg>"
    key = f"<span>{sample.format('of-value')} {_text(made.op)}({_text(argument.letter)})</span>"
    key += f"<span>{sample.format('of-slope')} its derivative</span>"
    return (
        f"<figure class='curve'><svg viewBox='0 0 {w:.0f} {h:.0f}' role='img' aria-label='{_text(label)}'>"
        f"{''.join(parts)}</svg><figcaption>{key}</figcaption></figure>"
    )
