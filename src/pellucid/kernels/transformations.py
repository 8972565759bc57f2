"""The transformations of minimal filtering (see `winograd`), and the kernels of those of a weight."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from .emitter import Emitter, Value, vector
from .table import Kernel

DEEP = 64  # channels that are gone through at a time

Values = list[Value]


class Filtering(NamedTuple):
    """How tiles of `tile` by `tile` pixels of the result are made: each function transforms one column."""

    tile: int
    of_image: Callable[[Values], Values]  # Bᵀ d
    of_weight: Callable[[Values], Values]  # G g
    of_products: Callable[[Values], Values]  # Aᵀ m
    of_gradient: Callable[[Values], Values]  # A y
    of_sums: Callable[[Values], Values]  # Gᵀ u

    @property
    def size(self) -> int:
        """Pixels that a tile sees, down and across."""
        return self.tile + 2

    @property
    def places(self) -> int:
        """Products of a tile."""
        return self.size**2


def _halved(g: Values) -> Values:
    ends, middle = (g[0] + g[2]) * 0.5, g[1] * 0.5
    return [g[0], ends + middle, ends - middle, g[2]]


def _halved_sums(u: Values) -> Values:
    both = (u[1] + u[2]) * 0.5
    return [u[0] + both, (u[1] - u[2]) * 0.5, both + u[3]]


OF_TWO = Filtering(  # by the points 0, 1, -1, ∞
    2,
    lambda d: [d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]],
    _halved,
    lambda m: [m[0] + m[1] + m[2], m[1] - m[2] - m[3]],
    lambda y: [y[0], y[0] + y[1], y[0] - y[1], -y[1]],
    _halved_sums,
)

# By the points 0, ±3/4, ±3/2, ∞: of those tried, the ones that make the smallest error.
_P, _Q = 0.75, 1.5
_PAIRS = [(_P, _Q), (_Q, _P)]


def _image_of_four(d: Values) -> Values:
    both, product = _P**2 + _Q**2, (_P * _Q) ** 2
    made = [d[0] * product - d[2] * both + d[4]]
    for point, other in _PAIRS:
        even, odd = d[4] - d[2] * other**2, (d[3] - d[1] * other**2) * point
        made += [even + odd, even - odd]
    return [*made, d[1] * product - d[3] * both + d[5]]


def _weight_of_four(g: Values) -> Values:
    made = [g[0] * (1 / (_P * _Q) ** 2)]
    for point, other in _PAIRS:
        share = 1 / (2 * point**2 * (point**2 - other**2))
        even, odd = g[0] * share + g[2] * (share * point**2), g[1] * (share * point)
        made += [even + odd, even - odd]
    return [*made, g[2]]


def _products_of_four(m: Values) -> Values:
    sums, differences = [m[1] + m[2], m[3] + m[4]], [m[1] - m[2], m[3] - m[4]]
    return [
        m[0] + sums[0] + sums[1],
        differences[0] * _P + differences[1] * _Q,
        sums[0] * _P**2 + sums[1] * _Q**2,
        m[5] + differences[0] * _P**3 + differences[1] * _Q**3,
    ]


def _gradient_of_four(y: Values) -> Values:
    made = [y[0]]
    for point, _ in _PAIRS:
        even, odd = y[0] + y[2] * point**2, (y[1] + y[3] * point**2) * point
        made += [even + odd, even - odd]
    return [*made, y[3]]


def _sums_of_four(u: Values) -> Values:
    shares = [1 / (2 * point**2 * (point**2 - other**2)) for point, other in _PAIRS]
    both = [(u[1] + u[2]) * shares[0], (u[3] + u[4]) * shares[1]]
    apart = [(u[1] - u[2]) * (shares[0] * _P), (u[3] - u[4]) * (shares[1] * _Q)]
    return [
        u[0] * (1 / (_P * _Q) ** 2) + both[0] + both[1],
        apart[0] + apart[1],
        both[0] * _P**2 + both[1] * _Q**2 + u[5],
    ]


OF_FOUR = Filtering(4, _image_of_four, _weight_of_four, _products_of_four, _gradient_of_four, _sums_of_four)
FILTERINGS = {each.tile: each for each in (OF_TWO, OF_FOUR)}


def both_ways(along: Callable[[Values], Values], square: list[Values]) -> Values:
    """A transformation of the columns of a square, then of the rows: what comes of it row by row."""
    down = [along(list(column)) for column in zip(*square, strict=True)]
    return [value for row in zip(*down, strict=True) for value in along(list(row))]


def _transform(name: str, type: str, lanes: int, tile: int, back: bool) -> Emitter:
    """weight (outputs, channels, 3, 3) -> out (blocks of `wide` outputs, places, channels, wide); with `back`, for the
    gradient of the input, (blocks of `wide` channels, places, outputs, wide). Items are squares of both."""
    filtering = FILTERINGS[tile]
    places = filtering.places
    numbers = dict.fromkeys(("outputs", "channels", "squares", "wide"), "i64")
    e = Emitter(f"{name}_{lanes}_{tile}_{int(back)}", {"weight": "ptr", "out": "ptr", **numbers}, blocked=True)
    kind = vector(lanes, type)
    taps, made = e.scratch(type, 9 * lanes * lanes), e.scratch(type, places * lanes * lanes)
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
            for place, value in enumerate(both_ways(filtering.of_weight, square)):
                e.store(value, made, (c + place * lanes) * lanes)
        beside, below, most = (channel, output, e.outputs) if back else (output, channel, e.channels)
        inner, block = e.remainder(beside, e.wide)
        with e.loop(0, e.constant("i64", places)) as place:
            rows = [e.load(kind, made, (place * lanes + c) * lanes) for c in range(lanes)]
            for c, line in enumerate(e.turned(rows) if back else rows):
                with e.when(below + c < most):
                    e.store(line, e.out, ((block * places + place) * most + below + c) * e.wide + inner)
    return e


def _gather(name: str, type: str, lanes: int, tile: int, width: int) -> Emitter:
    """out (outputs, channels, 3, 3) = Gᵀ Σ total G over the parts. Items are squares of outputs and channels."""
    filtering = FILTERINGS[tile]
    size = filtering.size
    numbers = dict.fromkeys(("parts", "panels", "chunks", "channels", "outputs", "squares"), "i64")
    e = Emitter(f"{name}_{lanes}_{tile}_{width}", {"total": "ptr", "out": "ptr", **numbers}, blocked=True)
    kind = vector(lanes, type)
    taps = e.scratch(type, 9 * lanes * lanes)
    with e.loop(e.start, e.stop) as item:
        which, row = e.remainder(item, e.squares)
        output, channel = row * lanes, which * lanes
        inner, panel = e.remainder(output, e.constant("i64", width))
        below, chunk = e.remainder(channel, e.constant("i64", DEEP))
        with e.loop(0, e.constant("i64", lanes)) as c:
            sums = [e.variable(e.zero(kind)) for _ in range(filtering.places)]
            with e.loop(0, e.parts) as part:
                own = ((part * e.panels + panel) * e.chunks + chunk) * (filtering.places * DEEP * width)
                for place, found in enumerate(sums):
                    at = own + (below + c + place * DEEP) * width + inner
                    found.set(found.get() + e.load(kind, e.total, at))
            square = [[sums[size * i + j].get() for j in range(size)] for i in range(size)]
            for place, value in enumerate(both_ways(filtering.of_sums, square)):
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
