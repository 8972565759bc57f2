"""The transformations of minimal filtering (see `winograd`), and the kernels of those of a weight."""

from __future__ import annotations

from collections.abc import Callable

from .emitter import Emitter, Value, vector
from .table import Kernel

DEEP = 64  # channels that are gone through at a time

Values = list[Value]


def of_image(d: Values) -> Values:
    """Bᵀ d."""
    return [d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]]


def of_weight(g: Values) -> Values:
    """G g."""
    ends = (g[0] + g[2]) * 0.5
    middle = g[1] * 0.5
    return [g[0], ends + middle, ends - middle, g[2]]


def of_products(m: Values) -> Values:
    """Aᵀ m."""
    return [m[0] + m[1] + m[2], m[1] - m[2] - m[3]]


def of_gradient(y: Values) -> Values:
    """A y."""
    return [y[0], y[0] + y[1], y[0] - y[1], -y[1]]


def of_sums(u: Values) -> Values:
    """Gᵀ u."""
    both = (u[1] + u[2]) * 0.5
    return [u[0] + both, (u[1] - u[2]) * 0.5, both + u[3]]


def both_ways(along: Callable[[Values], Values], square: list[Values]) -> Values:
    """A transformation of the columns of a square, then of the rows: what comes of it row by row."""
    down = [along(list(column)) for column in zip(*square, strict=True)]
    return [value for row in zip(*down, strict=True) for value in along(list(row))]


def _transform(name: str, type: str, lanes: int, back: bool) -> Emitter:
    """weight (outputs, channels, 3, 3) -> out (blocks of `wide` outputs, 16, channels, wide), and with `back` for the
    gradient of the input: (blocks of `wide` channels, 16, outputs, wide). Items are squares of outputs and channels."""
    numbers = dict.fromkeys(("outputs", "channels", "squares", "wide"), "i64")
    e = Emitter(f"{name}_{lanes}_{int(back)}", {"weight": "ptr", "out": "ptr", **numbers}, blocked=True)
    kind = vector(lanes, type)
    taps, made = e.scratch(type, 9 * lanes * lanes), e.scratch(type, 16 * lanes * lanes)
    with e.loop(e.start, e.stop) as item:
        which, row = e.remainder(item, e.squares)
        output, channel = row * lanes, which * lanes
        with e.loop(0, e.constant("i64", 9 * lanes), lanes) as tap:
            first = channel * 9 + tap
            own = [e.smaller(output + c, e.outputs - 1) for c in range(lanes)]
            rows = [
                e.load_first(kind, e.channels * 9 - first, e.weight, each * (e.channels * 9) + first) for each in own
            ]
            for c, line in enumerate(e.turned(rows)):
                e.store(line, taps, (tap + c) * lanes)
        with e.loop(0, e.constant("i64", lanes)) as c:
            order = [[8 - 3 * i - j if back else 3 * i + j for j in range(3)] for i in range(3)]
            square = [[e.load(kind, taps, (c * 9 + place) * lanes) for place in row] for row in order]
            for place, value in enumerate(both_ways(of_weight, square)):
                e.store(value, made, (c + place * lanes) * lanes)
        beside, below, most = (channel, output, e.outputs) if back else (output, channel, e.channels)
        inner, block = e.remainder(beside, e.wide)
        with e.loop(0, e.constant("i64", 16)) as place:
            rows = [e.load(kind, made, (place * lanes + c) * lanes) for c in range(lanes)]
            for c, line in enumerate(e.turned(rows) if back else rows):
                with e.when(below + c < most):
                    e.store(line, e.out, ((block * 16 + place) * most + below + c) * e.wide + inner)
    return e


def _gather(name: str, type: str, lanes: int, width: int) -> Emitter:
    """out (outputs, channels, 3, 3) = Gᵀ Σ total G over the parts. Items are squares of outputs and channels."""
    numbers = dict.fromkeys(("parts", "panels", "chunks", "channels", "outputs", "squares"), "i64")
    e = Emitter(f"{name}_{lanes}_{width}", {"total": "ptr", "out": "ptr", **numbers}, blocked=True)
    kind = vector(lanes, type)
    taps = e.scratch(type, 9 * lanes * lanes)
    with e.loop(e.start, e.stop) as item:
        which, row = e.remainder(item, e.squares)
        output, channel = row * lanes, which * lanes
        inner, panel = e.remainder(output, e.constant("i64", width))
        below, chunk = e.remainder(channel, e.constant("i64", DEEP))
        with e.loop(0, e.constant("i64", lanes)) as c:
            sums = [e.variable(e.zero(kind)) for _ in range(16)]
            with e.loop(0, e.parts) as part:
                own = ((part * e.panels + panel) * e.chunks + chunk) * (16 * DEEP * width)
                for place, found in enumerate(sums):
                    at = own + (below + c + place * DEEP) * width + inner
                    found.set(found.get() + e.load(kind, e.total, at))
            square = [[sums[4 * i + j].get() for j in range(4)] for i in range(4)]
            for place, value in enumerate(both_ways(of_sums, square)):
                e.store(value, taps, (c * 9 + place) * lanes)
        with e.loop(0, e.constant("i64", 9 * lanes), lanes) as tap:
            rows = [e.load(kind, taps, (tap + c) * lanes) for c in range(lanes)]
            first = channel * 9 + tap
            for c, line in enumerate(e.turned(rows)):
                with e.when(output + c < e.outputs):
                    e.store_first(line, e.channels * 9 - first, e.out, (output + c) * (e.channels * 9) + first)
    return e


WEIGHT = Kernel("winograd_kernel", _transform)
GATHER = Kernel("winograd_weight_whole", _gather)
