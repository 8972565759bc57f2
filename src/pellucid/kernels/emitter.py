"""Inner loops written in Python, as the text of LLVM's intermediate representation.

An `Emitter` is one function. Its parameters, what it loads and what it computes are `Value`s, which know their type and
add one line for each operator:

>>> made = Emitter("double_up", {"x": "ptr", "out": "ptr"})
>>> with made.loop(made.start, made.stop) as i:
...     made.store(made.load("float", made.x, i) * 2.0, made.out, i)
>>> print(made.text().splitlines()[0])
define void @double_up(i64 %start, i64 %stop, ptr noalias %x, ptr noalias %out) {

Each function gets `start` and `stop`, the part of the work that it is to do: what is called from several threads is
the same function with other bounds. Loops are left to LLVM to unroll and vectorise. It may not change the order of a
sum, but where `reassociate=True` says so.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager

Number = int | float

_ARITHMETIC = {"+": "add", "-": "sub", "*": "mul", "/": "div"}
_ORDER = {"<": "olt", "<=": "ole", ">": "ogt", ">=": "oge", "==": "oeq"}


class Value:
    """Something computed: its LLVM type and its name there."""

    __slots__ = ("emitter", "name", "type")

    def __init__(self, emitter: Emitter, type: str, name: str) -> None:
        self.emitter, self.type, self.name = emitter, type, name

    def __add__(self, other: Value | Number) -> Value:
        return self.emitter.arithmetic("+", self, other)

    def __sub__(self, other: Value | Number) -> Value:
        return self.emitter.arithmetic("-", self, other)

    def __mul__(self, other: Value | Number) -> Value:
        return self.emitter.arithmetic("*", self, other)

    def __truediv__(self, other: Value | Number) -> Value:
        return self.emitter.arithmetic("/", self, other)

    def __radd__(self, other: Number) -> Value:
        return self + other

    def __rmul__(self, other: Number) -> Value:
        return self * other

    def __rsub__(self, other: Number) -> Value:
        return self.emitter.like(self, other) - self

    def __rtruediv__(self, other: Number) -> Value:
        return self.emitter.like(self, other) / self

    def __neg__(self) -> Value:
        return self.emitter.add(self.type, f"fneg {self.type} {self.name}")

    def __lt__(self, other: Value | Number) -> Value:
        return self.emitter.compare("<", self, other)

    def __le__(self, other: Value | Number) -> Value:
        return self.emitter.compare("<=", self, other)

    def __gt__(self, other: Value | Number) -> Value:
        return self.emitter.compare(">", self, other)


class Variable:
    """A value that changes from one round of a loop to the next."""

    def __init__(self, emitter: Emitter, place: Value, type: str) -> None:
        self.emitter, self.place, self.type = emitter, place, type

    def get(self) -> Value:
        """What it holds now."""
        return self.emitter.add(self.type, f"load {self.type}, ptr {self.place.name}")

    def set(self, value: Value) -> None:
        """Have it hold another value."""
        self.emitter.line(f"store {self.type} {value.name}, ptr {self.place.name}")

    def add(self, value: Value, reassociate: bool = False) -> None:
        """Add to it. `reassociate` allows LLVM to add in another order: in several lanes at once."""
        flag = "reassoc " if reassociate else ""
        self.set(self.emitter.add(self.type, f"fadd {flag}{self.type} {self.get().name}, {value.name}"))


class Emitter:
    """One function `name(start, stop, parameters…)`; `parameters` has the types (`"ptr"`, `"i64"`, `"float"`) by name.

    `aliased` says that arrays may overlap, as they do where one is changed in place; `blocked` that the text has its
    vectors and its blocks already, so that LLVM need not look for any: that halves the time to compile it.
    """

    def __init__(self, name: str, parameters: dict[str, str], aliased: bool = False, *, blocked: bool = False) -> None:
        self.name, self.parameters, self.aliased, self.blocked = name, parameters, aliased, blocked
        self.start, self.stop = Value(self, "i64", "%start"), Value(self, "i64", "%stop")
        self._of = {each: Value(self, type, f"%{each}") for each, type in parameters.items()}
        self._lines: list[str] = []
        self._variables: list[str] = []
        self._declared: set[str] = set()
        self._count = 0

    def __getattr__(self, name: str) -> Value:
        try:
            return self.__dict__["_of"][name]
        except KeyError:
            raise AttributeError(f"the kernel has no parameter {name!r}", name=name, obj=self) from None

    def text(self) -> str:
        """The function, and what it declares."""
        plain = "" if self.aliased else "noalias "
        given = [f"{'ptr ' + plain if type == 'ptr' else type + ' '}%{name}" for name, type in self.parameters.items()]
        head = f"define void @{self.name}(i64 %start, i64 %stop, {', '.join(given)}) {{"
        body = ["entry:", *self._variables, *self._lines, "  ret void", "}", *sorted(self._declared)]
        return "\n".join([head, *body])

    # ------------------------------------------------------------------------------------------------- values

    def line(self, text: str) -> None:
        """A line without a result."""
        self._lines.append("  " + text)

    def add(self, type: str, text: str) -> Value:
        """A line with a result of `type`."""
        self._count += 1
        self.line(f"%v{self._count} = {text}")
        return Value(self, type, f"%v{self._count}")

    def constant(self, type: str, number: Number) -> Value:
        """A number of a scalar type."""
        if type.startswith("i"):
            return Value(self, type, str(int(number)))
        if type == "float":  # LLVM wants the double that the float is
            number = struct.unpack("f", struct.pack("f", number))[0]
        return Value(self, type, f"0x{struct.unpack('Q', struct.pack('d', number))[0]:016X}")

    def like(self, value: Value, number: Value | Number) -> Value:
        """`number` in the type of `value`, in each lane of a vector."""
        if isinstance(number, Value):
            return number
        lane = lane_of(value.type)
        made = self.constant(lane, number)
        return made if lane == value.type else self.broadcast(made, value.type)

    def broadcast(self, value: Value, type: str) -> Value:
        """A vector of `type` with `value` in each lane."""
        lanes = type[1:-1].split(" x ")[0]
        first = self.add(type, f"insertelement {type} poison, {value.type} {value.name}, i64 0")
        return self.add(type, f"shufflevector {type} {first.name}, {type} poison, <{lanes} x i32> zeroinitializer")

    def zero(self, type: str) -> Value:
        """Zero, in each lane of a vector."""
        return Value(self, type, "zeroinitializer")

    def arithmetic(self, operator: str, left: Value, right: Value | Number) -> Value:
        """left `+ - * /` right. A product may be fused with the sum that it goes into."""
        kind = left.type
        name = _ARITHMETIC[operator]
        whole = lane_of(kind).startswith("i")
        word = ("sdiv" if name == "div" else f"{name} nsw") if whole else f"f{name} contract"
        return self.add(kind, f"{word} {kind} {left.name}, {self.like(left, right).name}")

    def compare(self, operator: str, left: Value, right: Value | Number) -> Value:
        """Whether left `< <= > >= ==` right: not, where one of them is NaN."""
        right = self.like(left, right)
        whole = lane_of(left.type).startswith("i")
        order = "s" + _ORDER[operator][1:] if whole and operator != "==" else _ORDER[operator]
        word = ("icmp " if whole else "fcmp ") + ("eq" if whole and operator == "==" else order)
        lanes = "" if lane_of(left.type) == left.type else left.type[1:-1].split(" x ")[0]
        kind = vector(int(lanes), "i1") if lanes else "i1"
        return self.add(kind, f"{word} {left.type} {left.name}, {right.name}")

    def select(self, condition: Value, then: Value, otherwise: Value | Number) -> Value:
        """`then` where the condition holds, in each lane of a vector."""
        otherwise = self.like(then, otherwise)
        chosen = f"{then.type} {then.name}, {then.type} {otherwise.name}"
        return self.add(then.type, f"select {condition.type} {condition.name}, {chosen}")

    def smaller(self, left: Value, right: Value) -> Value:
        """The smaller of two numbers."""
        return self.select(left < right, left, right)

    def larger(self, left: Value, right: Value) -> Value:
        """The larger of two numbers."""
        return self.select(left < right, right, left)

    def remainder(self, left: Value, right: Value) -> tuple[Value, Value]:
        """(left mod right, left / right) of integers that are not negative."""
        quotient = left / right
        return left - quotient * right, quotient

    def intrinsic(self, name: str, *values: Value) -> Value:
        """One of LLVM's own functions: `sqrt`, `fabs`, `maximum`, …, whose result is of its arguments' type."""
        kind = values[0].type
        lane = lane_of(kind)
        short = {"float": "f32", "double": "f64"}.get(lane, lane)
        suffix = short if lane == kind else f"v{kind[1:].split(' x ')[0]}{short}"
        called = f"@llvm.{name}.{suffix}"
        self._declared.add(f"declare {kind} {called}({', '.join([kind] * len(values))})")
        return self.add(kind, f"call {kind} {called}({', '.join(f'{kind} {value.name}' for value in values)})")

    def bits(self, value: Value, type: str) -> Value:
        """The same bits as another type."""
        return self.add(type, f"bitcast {value.type} {value.name} to {type}")

    def convert(self, value: Value, type: str) -> Value:
        """A float as a double or the other way round, an integer as either."""
        if value.type == type:
            return value
        if lane_of(value.type).startswith("i"):
            word = "sitofp" if not type.startswith("i") else "sext"
        else:
            word = "fpext" if type == "double" else "fptrunc"
        return self.add(type, f"{word} {value.type} {value.name} to {type}")

    # --------------------------------------------------------------------------------------- memory and loops

    def at(self, pointer: Value, index: Value, type: str) -> Value:
        """The place of entry `index` of an array of `type`."""
        return self.add("ptr", f"getelementptr {type}, ptr {pointer.name}, i64 {index.name}")

    def load(self, type: str, pointer: Value, index: Value | None = None) -> Value:
        """Entry `index` of an array; a vector begins at entry `index` of an array of its lanes."""
        lane = lane_of(type)
        place = pointer if index is None else self.at(pointer, index, lane)
        return self.add(type, f"load {type}, ptr {place.name}, align {width(lane)}")

    def store(self, value: Value, pointer: Value, index: Value | None = None) -> None:
        """Put a value, or the lanes of a vector, at entry `index` of an array and after."""
        lane = lane_of(value.type)
        place = pointer if index is None else self.at(pointer, index, lane)
        self.line(f"store {value.type} {value.name}, ptr {place.name}, align {width(lane)}")

    def fetch(self, type: str, pointer: Value, index: Value, *, to_write: bool = False) -> None:
        """Have the line of the cache with entry `index` of an array come, before it is asked for."""
        place = self.at(pointer, index, type)
        self._declared.add("declare void @llvm.prefetch.p0(ptr, i32, i32, i32)")
        self.line(f"call void @llvm.prefetch.p0(ptr {place.name}, i32 {int(to_write)}, i32 3, i32 1)")

    def variable(self, value: Value) -> Variable:
        """A variable that begins as `value`."""
        self._count += 1
        name = f"%p{self._count}"
        self._variables.append(f"  {name} = alloca {value.type}")
        made = Variable(self, Value(self, "ptr", name), value.type)
        made.set(value)
        return made

    def call(self, function: Value, values: list[Value]) -> None:
        """Call the function at an address."""
        self.line(f"call void {function.name}({', '.join(f'{value.type} {value.name}' for value in values)})")

    @contextmanager
    def when(self, condition: Value) -> Iterator[None]:
        """What is emitted in the block is done where the condition holds."""
        self._count += 1
        number = self._count
        self.line(f"br i1 {condition.name}, label %then{number}, label %after{number}")
        self._lines.append(f"then{number}:")
        yield
        self.line(f"br label %after{number}")
        self._lines.append(f"after{number}:")

    def total_of(self, value: Value) -> Value:
        """The sum of a vector's lanes."""
        lane, lanes = lane_of(value.type), value.type[1:-1].split(" x ")[0]
        called = f"@llvm.vector.reduce.fadd.v{lanes}{'f32' if lane == 'float' else 'f64'}"
        self._declared.add(f"declare {lane} {called}({lane}, {value.type})")
        return self.add(lane, f"call reassoc {lane} {called}({lane} -0.0, {value.type} {value.name})")

    def largest_of(self, value: Value) -> Value:
        """The largest of a vector's lanes; NaN where one is."""
        lane, lanes = lane_of(value.type), lanes_of(value.type)
        called = f"@llvm.vector.reduce.fmaximum.v{lanes}{'f32' if lane == 'float' else 'f64'}"
        self._declared.add(f"declare {lane} {called}({value.type})")
        return self.add(lane, f"call {lane} {called}({value.type} {value.name})")

    def load_first(self, type: str, count: int | Value, pointer: Value, index: Value) -> Value:
        """The first `count` lanes of a vector at entry `index` of an array; the others are 0, and are not read."""
        lane, lanes = lane_of(type), lanes_of(type)
        called = f"@llvm.masked.load.v{lanes}{'f32' if lane == 'float' else 'f64'}.p0"
        place, mask = self.at(pointer, index, lane), self._first(lanes, count)
        self._declared.add(f"declare {type} {called}(ptr, i32, <{lanes} x i1>, {type})")
        return self.add(
            type, f"call {type} {called}(ptr {place.name}, i32 {width(lane)}, {mask}, {type} zeroinitializer)"
        )

    def store_first(self, value: Value, count: int | Value, pointer: Value, index: Value) -> None:
        """Put the first `count` lanes of a vector at entry `index` of an array and after; nothing else is touched."""
        lane, lanes = lane_of(value.type), lanes_of(value.type)
        called = f"@llvm.masked.store.v{lanes}{'f32' if lane == 'float' else 'f64'}.p0"
        place, mask = self.at(pointer, index, lane), self._first(lanes, count)
        self._declared.add(f"declare void {called}({value.type}, ptr, i32, <{lanes} x i1>)")
        self.line(f"call void {called}({value.type} {value.name}, ptr {place.name}, i32 {width(lane)}, {mask})")

    def _first(self, lanes: int, count: int | Value) -> str:
        """The mask of the first `count` lanes, with its type."""
        kind = f"<{lanes} x i1>"
        if isinstance(count, int):
            return f"{kind} <{', '.join(f'i1 {str(i < count).lower()}' for i in range(lanes))}>"
        return f"{kind} {self.below(lanes, count).name}"

    def below(self, lanes: int, count: Value) -> Value:
        """Whether a lane is one of the first `count`, a number that is known when the kernel runs."""
        numbers = vector(lanes, count.type)
        places = Value(self, numbers, f"<{', '.join(f'{count.type} {i}' for i in range(lanes))}>")
        return self.compare("<", places, self.broadcast(count, numbers))

    def scratch(self, type: str, count: int) -> Value:
        """Memory for `count` numbers on the stack."""
        self._count += 1
        self._variables.append(f"  %p{self._count} = alloca [{count} x {type}], align 64")
        return Value(self, "ptr", f"%p{self._count}")

    def turned(self, rows: list[Value]) -> list[Value]:
        """The columns of a square of numbers, from its rows: as many vectors as each has lanes."""
        kind, lanes = rows[0].type, len(rows)
        half = lanes // 2

        def mixed(left: Value, right: Value, first: int) -> Value:
            which = ", ".join(f"i32 {i}, i32 {i + lanes}" for i in range(first, first + half))
            return self.add(kind, f"shufflevector {kind} {left.name}, {kind} {right.name}, <{lanes} x i32> <{which}>")

        for _ in range(lanes.bit_length() - 1):
            pairs = zip(rows[:half], rows[half:], strict=True)
            rows = [mixed(left, right, first) for left, right in pairs for first in (0, half)]
        return rows

    @contextmanager
    def loop(self, start: Value | int, stop: Value, step: Value | int = 1) -> Iterator[Value]:
        """A loop over `range(start, stop, step)`; what is emitted in the block is done for each index."""
        self._count += 1
        number = self._count
        index = self.variable(self.like(stop, start))
        self.line(f"br label %head{number}")
        self._lines.append(f"head{number}:")
        i = index.get()
        inside = i < stop
        self.line(f"br i1 {inside.name}, label %body{number}, label %done{number}")
        self._lines.append(f"body{number}:")
        yield i
        index.set(i + step)
        self.line(f"br label %head{number}")
        self._lines.append(f"done{number}:")


def lane_of(type: str) -> str:
    """The type of a vector's lanes; of another type, that type."""
    return type[1:-1].split(" x ")[1] if type.startswith("<") else type


def lanes_of(type: str) -> int:
    """How many numbers a vector holds."""
    return int(type[1:-1].split(" x ")[0])


def width(type: str) -> int:
    """Bytes of a scalar."""
    return {"float": 4, "double": 8, "i8": 1, "i32": 4, "i64": 8, "ptr": 8}[type]


def vector(lanes: int, type: str) -> str:
    """The type of `lanes` numbers side by side."""
    return f"<{lanes} x {type}>"
