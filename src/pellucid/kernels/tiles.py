"""The loops of minimal filtering (see `winograd`): strips of tiles into products, and back."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, NamedTuple

from .emitter import Emitter, Value, Variable, lane_of, lanes_of, vector
from .table import Kernel
from .transformations import DEEP, FILTERINGS, Filtering, Values, both_ways

PANEL = 64  # outputs that are gone through at a time, as many as channels
_ROWS = {1: 8, 2: 6, 3: 4}  # of a block of tiles, for each number of vectors
_CHANNELS = {1: 8, 2: 4, 3: 4}  # and of channels
_SPARE = 16  # numbers between the planes of something: else they would meet in few sets of the cache


def most_of(tile: int, type: str) -> int:
    """Tiles that are gone through at a time."""
    return {2: 48, 4: 24}[tile] // (1 if type == "float" else 2)


def _lines_of(most: int, vectors: int) -> int:
    """Lines of a plane of products: those of the tiles, in whole blocks."""
    return -(-most // _ROWS[vectors]) * _ROWS[vectors]


def width_of(lanes: int, vectors: int) -> int:
    """Outputs that are gone through at a time: whole blocks."""
    return max(1, PANEL // (lanes * vectors)) * lanes * vectors


def rooms_of(tile: int, type: str, lanes: int, vectors: int) -> tuple[int, ...]:
    """Numbers of the pixels of a strip, of what is made of it, and of its products or its gradient."""
    most, places = most_of(tile, type), FILTERINGS[tile].places
    pixels = tile * tile * most + 2 * tile * (most + 1) + 4 + lanes  # however the tiles lie, with what goes too far
    lines = _lines_of(most, vectors)
    return pixels * lanes, places * (most * DEEP + _SPARE), places * (lines * width_of(lanes, vectors) + _SPARE)


class _Strip(NamedTuple):
    """Some tiles: of `images` images from `image` on, `tall` by `wide` from (`y`, `x`) on."""

    image: Value
    images: Value
    y: Value
    x: Value
    tall: Value
    wide: Value

    @property
    def count(self) -> Value:
        return self.images * self.tall * self.wide


_STRIP = ("images", "many", "tall", "wide", "downs", "acrosses", "tiles_down", "tiles_across")


def _strip(e: Emitter, item: Value) -> _Strip:
    across, rest = e.remainder(item, e.acrosses)
    down, group = e.remainder(rest, e.downs)
    image, y, x = group * e.many, down * e.tall, across * e.wide
    return _Strip(
        image, e.smaller(e.images - image, e.many), y, x, e.smaller(e.tiles_down - y, e.tall),
        e.smaller(e.tiles_across - x, e.wide),
    )  # fmt: skip


class _Pixels(NamedTuple):
    """Images and their channels; the first pixel is at (`top`, `left`) of the tiles."""

    pointer: Value
    channels: Value
    high: Value
    wide: Value
    top: Value
    left: Value


def _stage(
    e: Emitter, kind: str, pixels: _Pixels, image: Value, channel: Value, room: Value, where: Any, more: int, tile: int
) -> None:
    """Put a strip's pixels of some channels into `room`, (rows, columns, lanes): `tile` for each tile, and `more`."""
    lane, lanes = lane_of(kind), lanes_of(kind)
    y, x, tall, wide = where
    rows, columns = tall * tile + more, wide * tile + more
    begin = x * tile - pixels.left  # the column of the image where the strip begins
    lead = e.smaller(e.larger(begin * -1, e.constant("i64", 0)), columns)
    filled = e.smaller(columns, pixels.wide - begin)
    own = [image * pixels.channels + e.smaller(channel + c, pixels.channels - 1) for c in range(lanes)]
    planes = [e.at(pixels.pointer, each * (pixels.high * pixels.wide), lane) for each in own]
    with e.loop(0, rows) as r:
        line = e.at(room, r * columns * lanes, lane)
        source = y * tile + r - pixels.top
        none = e.constant("i64", 0)
        there = e.select(source < 0, none, e.select(source < pixels.high, pixels.wide, none))  # numbers of the row
        with e.loop(0, lead) as s:
            e.store(e.zero(kind), line, s * lanes)
        with e.loop(lead, filled, lanes) as s:  # what goes too far is written over
            column = begin + s
            loaded = [e.load_first(kind, there - column, plane, source * pixels.wide + column) for plane in planes]
            for c, pixel in enumerate(e.turned(loaded)):
                e.store(pixel, line, (s + c) * lanes)
        with e.loop(e.larger(filled, lead), columns) as s:
            e.store(e.zero(kind), line, s * lanes)


def _put(
    e: Emitter, kind: str, pixels: _Pixels, strip: _Strip, range_: tuple[Value, Value], room: Value, planes: Value,
    stride: Value, plane: Value, along: Callable[[Values], Values], size: int, tile: int,
) -> None:  # fmt: skip
    """Transform squares of `size` of the channels of a range, into planes (places, tiles, stride)."""
    lane, lanes = lane_of(kind), lanes_of(kind)
    more = size - tile
    with e.loop(0, strip.images) as m, e.loop(range_[0], range_[1], lanes) as channel:
        _stage(e, kind, pixels, strip.image + m, channel, room, (strip.y, strip.x, strip.tall, strip.wide), more, tile)
        columns = strip.wide * tile + more
        with e.loop(0, strip.tall) as ty:
            line = e.at(room, ty * tile * columns * lanes, lane)
            to = e.at(planes, (m * strip.tall + ty) * strip.wide * stride + channel - range_[0], lane)
            with e.loop(0, strip.wide) as tx:
                square = [
                    [e.load(kind, line, (columns * i + tx * tile + j) * lanes) for j in range(size)]
                    for i in range(size)
                ]
                for place, value in enumerate(both_ways(along, square)):
                    e.store(value, to, tx * stride + plane * place)


def _product(
    e: Emitter, kind: str, lefts: Values, step: Value, right: Value, along: Value, count: Value, vectors: int
) -> list[Values]:
    """Σ_p left[p · step] · right[p · along …] for each of `lefts`, and each vector."""
    lane, lanes = lane_of(kind), lanes_of(kind)
    sums = [[e.variable(e.zero(kind)) for _ in range(vectors)] for _ in lefts]
    with e.loop(0, count) as p:
        loaded = [e.load(kind, right, p * along + v * lanes) for v in range(vectors)]
        at = p * step
        for left, own in zip(lefts, sums, strict=True):
            factor = e.broadcast(e.load(lane, left, at), kind)
            for total, entry in zip(own, loaded, strict=True):
                total.set(e.intrinsic("fmuladd", factor, entry, total.get()))
    return [[total.get() for total in own] for own in sums]


def _forward(name: str, type: str, tile: int, lanes: int, vectors: int) -> Emitter:
    """Items are strips of tiles; `odd` becomes NaN for those that make a number that is not finite."""
    numbers = (*_STRIP, "channels", "high", "across", "top", "left", "outputs", "rows", "columns", "blocks")
    pointers = dict.fromkeys(("image", "weight", "bias", "out", "odd"), "ptr")
    rooms = dict.fromkeys(("staged", "planes", "products"), "ptr")
    e = Emitter(
        f"{name}_{tile}_{lanes}_{vectors}", {**pointers, **dict.fromkeys(numbers, "i64"), **rooms}, blocked=True
    )
    kind, height, block, most = vector(lanes, type), _ROWS[vectors], lanes * vectors, most_of(tile, type)
    filtering = FILTERINGS[tile]
    places = filtering.places
    side = width_of(lanes, vectors) // block
    staged, planes, products = e.staged, e.planes, e.products
    pixels = _Pixels(e.image, e.channels, e.high, e.across, e.top, e.left)
    chunks = (e.channels + (DEEP - 1)) / DEEP
    with e.loop(e.start, e.stop) as item:
        strip = _strip(e, item)
        count = strip.count
        odd = e.variable(e.zero(kind))
        with e.loop(0, e.blocks, side) as first:
            beside = e.smaller(e.blocks - first, e.constant("i64", side))
            width = beside * block
            plane = width * _lines_of(most, vectors) + _SPARE
            with e.loop(0, e.channels, DEEP) as begin:
                end = e.smaller(begin + DEEP, e.channels)
                deep = (end - begin + (lanes - 1)) / lanes * lanes
                layer = deep * most + _SPARE
                with e.when(e.select(e.compare("==", first, 0), e.constant("i64", 2), chunks) > 1):
                    _put(
                        e,
                        kind,
                        pixels,
                        strip,
                        (begin, end),
                        staged,
                        planes,
                        deep,
                        layer,
                        filtering.of_image,
                        filtering.size,
                        tile,
                    )
                with e.loop(0, e.constant("i64", places)) as place, e.loop(0, beside) as b:
                    right = e.at(e.weight, (((first + b) * places + place) * e.channels + begin) * block, type)
                    left, to = e.at(planes, place * layer, type), e.at(products, place * plane + b * block, type)
                    with e.loop(0, count, height) as i:  # the last tile once more, where there are too few
                        lefts = [e.at(left, e.smaller(i + t, count - 1) * deep, type) for t in range(height)]
                        one = e.constant("i64", 1)
                        sums = _product(e, kind, lefts, one, right, e.constant("i64", block), end - begin, vectors)
                        for t, own in enumerate(sums):
                            for v, total in enumerate(own):
                                line, kept = (i + t) * width + v * lanes, e.variable(total)
                                with e.when(begin > 0):
                                    kept.set(total + e.load(kind, to, line))
                                e.store(kept.get(), to, line)
            with e.loop(0, strip.images) as m, e.loop(0, width, lanes) as v:
                output = first * block + v
                shift = e.load(kind, e.bias, output)
                _made(e, kind, filtering, strip, m, e.at(products, v, type), width, plane, shift, staged, odd, output)
        e.store(e.total_of(odd.get()), e.odd, item)
    return e


def _made(
    e: Emitter, kind: str, filtering: Filtering, strip: _Strip, m: Value, products: Value, width: Value, plane: Value,
    shift: Value, room: Value, odd: Variable, output: Value,
) -> None:  # fmt: skip
    """The pixels of the tiles of an image, of some outputs: into `room` with the outputs side by side, then out."""
    lanes = lanes_of(kind)
    tile, size = filtering.tile, filtering.size
    across = e.smaller(strip.wide * tile, e.columns - strip.x * tile)
    down = e.smaller(strip.tall * tile, e.rows - strip.y * tile)
    with e.loop(0, strip.tall) as ty, e.loop(0, strip.wide) as tx:
        place = ((m * strip.tall + ty) * strip.wide + tx) * width
        square = [[e.load(kind, products, plane * (size * i + j) + place) for j in range(size)] for i in range(size)]
        values = [value + shift for value in both_ways(filtering.of_products, square)]
        corner = ty * tile * across + tx * tile
        for j in range(tile):
            with e.when(tx * tile + j < across) if j else contextlib.nullcontext():
                for i in range(tile):
                    e.store(values[tile * i + j], room, (corner + across * i + j) * lanes)
        for value in values:
            odd.set(e.intrinsic("fmuladd", value, e.zero(kind), odd.get()))
    whole = e.compare("==", across, e.columns)  # then the rows are side by side
    lines, length = e.select(whole, e.like(down, 1), down), e.select(whole, down * across, across)
    own = (strip.image + m) * e.outputs + output
    with e.loop(0, lines) as line:
        start = (strip.y * tile + line) * e.columns + strip.x * tile
        with e.loop(0, length, lanes) as p:
            rows = [e.load(kind, room, (line * across + p + c) * lanes) for c in range(lanes)]
            for c, values_ in enumerate(e.turned(rows)):
                with e.when(output + c < e.outputs):
                    e.store_first(values_, length - p, e.out, (own + c) * (e.rows * e.columns) + start + p)


def _correlate(name: str, type: str, tile: int, lanes: int, vectors: int) -> Emitter:
    """total (parts, panels, chunks, places, DEEP, width): Σ (A g Aᵀ) ⊙ (Bᵀ d B). Items are its first three."""
    numbers = (*_STRIP, "strips", "parts", "panels", "chunks", "channels", "high", "across", "top", "left", "outputs",
               "rows", "columns")  # fmt: skip
    pointers = dict.fromkeys(("gradient", "image", "total"), "ptr")
    rooms = dict.fromkeys(("staged", "planes", "spread"), "ptr")
    e = Emitter(
        f"{name}_{tile}_{lanes}_{vectors}", {**pointers, **dict.fromkeys(numbers, "i64"), **rooms}, blocked=True
    )
    kind, height, block, most = vector(lanes, type), _CHANNELS[vectors], lanes * vectors, most_of(tile, type)
    filtering = FILTERINGS[tile]
    places = filtering.places
    width = width_of(lanes, vectors)
    staged, planes, spread = e.staged, e.planes, e.spread
    zero = e.constant("i64", 0)
    pixels = _Pixels(e.image, e.channels, e.high, e.across, e.top, e.left)
    gradients = _Pixels(e.gradient, e.outputs, e.rows, e.columns, zero, zero)
    with e.loop(e.start, e.stop) as item:
        chunk, rest = e.remainder(item, e.chunks)
        panel, part = e.remainder(rest, e.panels)
        total = e.at(e.total, item * (places * DEEP * width), type)
        begin, first = chunk * DEEP, panel * width
        end, last = e.smaller(begin + DEEP, e.channels), e.smaller(first + width, e.outputs)
        deep = (end - begin + (lanes - 1)) / lanes * lanes
        beside = (last - first + (block - 1)) / block * block
        layer, plane = deep * most + _SPARE, beside * most + _SPARE
        earliest = e.strips * part / e.parts
        with e.loop(earliest, e.strips * (part + 1) / e.parts) as which:
            strip = _strip(e, which)
            _put(
                e,
                kind,
                pixels,
                strip,
                (begin, end),
                staged,
                planes,
                deep,
                layer,
                filtering.of_image,
                filtering.size,
                tile,
            )
            _put(
                e,
                kind,
                gradients,
                strip,
                (first, last),
                staged,
                spread,
                beside,
                plane,
                filtering.of_gradient,
                tile,
                tile,
            )
            count = strip.count
            with e.loop(0, e.constant("i64", places)) as place, e.loop(0, beside, block) as b:
                left, right = e.at(planes, place * layer, type), e.at(spread, place * plane + b, type)
                with e.loop(0, deep, height) as c:
                    lefts = [e.at(left, c + t, type) for t in range(height)]
                    sums = _product(e, kind, lefts, deep, right, beside, count, vectors)
                    for t, own in enumerate(sums):
                        for v, found in enumerate(own):
                            line, kept = (place * DEEP + c + t) * width + b + v * lanes, e.variable(found)
                            with e.when(which > earliest):
                                kept.set(found + e.load(kind, total, line))
                            e.store(kept.get(), total, line)
    return e


FORWARD = Kernel("winograd", _forward)
CORRELATE = Kernel("winograd_weight", _correlate)
