"""Engines that programs write for themselves: the op whose rule is wrong is found, with its line, in every style."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid.doctor import examine_script
from pellucid.doctor.probes.engine import WrongRule, wrong_rules
from pellucid.doctor.probes.nodes import Creations
from pellucid.doctor.probes.tape import gradients

SCALARS = """
class Value:
    def __init__(self, data, children=()):
        self.data, self.grad, self.children = data, 0.0, set(children)
        self._backward = lambda: None
    def __add__(self, other):
        out = Value(self.data + other.data, (self, other))
        def _backward():
            self.grad += out.grad
            other.grad += out.grad
        out._backward = _backward
        return out
    def __mul__(self, other):
        out = Value(self.data * other.data, (self, other))
        def _backward():
            self.grad += other.data * out.grad
            other.grad += self.data * out.grad
        out._backward = _backward
        return out
    def __pow__(self, k):
        out = Value(self.data ** k, (self,))
        def _backward():
            self.grad += k * self.data ** (k - 1) * out.grad
        out._backward = _backward
        return out
    def tanh(self):
        t = np.tanh(self.data)
        out = Value(t, (self,))
        def _backward():
            self.grad += (1 - t * t) * out.grad
        out._backward = _backward
        return out
    def relu(self):
        out = Value(max(0.0, self.data), (self,))
        def _backward():
            self.grad += (out.data > 0) * out.grad
        out._backward = _backward
        return out

a, b = Value(0.7), Value(-1.3)
c = (a * b + a).tanh() * b.relu() + (a + b).relu() ** 3 + (b ** 2).relu()
"""

TAPE = """
tape = []
class Tensor:
    def __init__(self, data):
        self.data = np.asarray(data, float)
        self.grad = np.zeros_like(self.data)
def unbroadcast(g, shape):
    return g.sum(0) if g.shape != shape else g
def add(x, b):
    out = Tensor(x.data + b.data)
    def back():
        x.grad += out.grad
        b.grad += unbroadcast(out.grad, b.data.shape)
    tape.append(back)
    return out
def matmul(x, w):
    out = Tensor(x.data @ w.data)
    def back():
        x.grad += out.grad @ w.data.T
        w.grad += x.data.T @ out.grad
    tape.append(back)
    return out
def exp(x):
    out = Tensor(np.exp(x.data))
    def back():
        x.grad += out.grad * out.data
    tape.append(back)
    return out

x, w, b = Tensor(rng.normal(size=(5, 3))), Tensor(rng.normal(size=(3, 3))), Tensor(rng.normal(size=3))
y = exp(add(matmul(x, w), b))
"""

CONTEXT = """
class Context:
    pass
class Variable:
    def __init__(self, value):
        self.value, self.grad, self.creator, self.inputs, self.ctx = np.asarray(value, float), None, None, (), None
class Function:
    @classmethod
    def apply(cls, *inputs):
        ctx = Context()
        out = Variable(cls.forward(ctx, *[i.value for i in inputs]))
        out.creator, out.inputs, out.ctx = cls, inputs, ctx
        return out
class Sigmoid(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.s = 1 / (1 + np.exp(-x))
        return ctx.s
    @staticmethod
    def backward(ctx, g):
        return g * ctx.s * (1 - ctx.s)
class Mul(Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.a, ctx.b = a, b
        return a * b
    @staticmethod
    def backward(ctx, g):
        return g * ctx.b, g * ctx.a

z = Mul.apply(Sigmoid.apply(Variable(rng.normal(size=(4, 2)))), Variable(rng.normal(size=(4, 2))))
"""

PAIRS = """
class Var:
    def __init__(self, val, parents=()):
        self.val, self.grad, self.parents = val, 0.0, parents
    def __mul__(self, other):
        return Var(self.val * other.val, [(self, other.val), (other, self.val)])
    def __sub__(self, other):
        return Var(self.val - other.val, [(self, 1.0), (other, -1.0)])
    def backward(self, g=1.0):
        self.grad += g
        for parent, local in self.parents:
            parent.backward(g * local)

d = (Var(2.0) * Var(0.3) - Var(1.5)) * Var(-0.4)
"""

CLASSES = """
class Node:
    def __init__(self):
        self.val = self.grad = 0.0
class Leaf(Node):
    def __init__(self, val):
        super().__init__()
        self.val = val
class Multiply(Node):
    def __init__(self, a, b):
        super().__init__()
        self.a, self.b, self.val = a, b, a.val * b.val
    def backward(self):
        self.a.grad += self.grad * self.b.val
        self.b.grad += self.grad * self.a.val
class Tanh(Node):
    def __init__(self, a):
        super().__init__()
        self.a, self.val = a, np.tanh(a.val)
    def backward(self):
        self.a.grad += self.grad * (1 - self.val ** 2)

e = Tanh(Multiply(Leaf(0.4), Leaf(-0.9)))
"""

LISTS = """
class Value:
    __slots__ = ("data", "grad", "_children", "_local_grads")
    def __init__(self, data, children=(), local_grads=()):
        self.data, self.grad, self._children, self._local_grads = data, 0, children, local_grads
    def __add__(self, other):
        return Value(self.data + other.data, (self, other), (1, 1))
    def __mul__(self, other):
        return Value(self.data * other.data, (self, other), (other.data, self.data))
    def log(self):
        return Value(np.log(self.data), (self,), (1 / self.data,))

f = (Value(0.7) * Value(1.3) + Value(0.4)).log() * Value(2.0)
"""

ENGINES = {"scalars": SCALARS, "tape": TAPE, "context": CONTEXT, "pairs": PAIRS, "classes": CLASSES, "lists": LISTS}

MISTAKES = [
    ("scalars", "other.grad += self.data * out.grad", "other.grad += other.data * out.grad", "swapped-tensors"),
    ("scalars", "self.grad += other.data * out.grad", "self.grad = other.data * out.grad", "dropped-term"),
    ("scalars", "other.data * out.grad", "self.data * out.grad", "swapped-tensors"),
    ("scalars", "(1 - t * t) * out.grad", "(1 - t) * out.grad", "derivative-at-wrong-point"),
    ("scalars", "(1 - t * t) * out.grad", "(1 - t * t)", "missing-step"),
    ("scalars", "(out.data > 0) * out.grad", "out.grad", "missing-activation-derivative"),
    ("scalars", "k * self.data ** (k - 1) * out.grad", "self.data ** (k - 1) * out.grad", "constant-factor"),
    ("tape", "out.grad @ w.data.T", "out.grad @ w.data", "transpose"),
    ("tape", "x.data.T @ out.grad", "x.data.T @ out.grad / len(x.data)", "batch-factor"),
    ("tape", "out.grad * out.data", "-out.grad * out.data", "sign"),
    ("context", "g * ctx.s * (1 - ctx.s)", "g * (1 - ctx.s)", "derivative-at-wrong-point"),
    ("context", "return g * ctx.b, g * ctx.a", "return g * ctx.a, g * ctx.b", "swapped-tensors"),
    ("pairs", "(other, -1.0)", "(other, 1.0)", "sign"),
    ("classes", "self.b.grad += self.grad * self.a.val", "self.b.grad += 0.0", "zero-gradient"),
    ("lists", "(1 / self.data,)", "(1,)", "missing-activation-derivative"),
    ("lists", "(other.data, self.data)", "(self.data, other.data)", "swapped-tensors"),
    ("classes", "(1 - self.val ** 2)", "1.0", "missing-activation-derivative"),
]


def found(source: str) -> list[WrongRule]:
    """What is wrong with the ops that a program calls."""
    space: dict[str, Any] = {"__name__": "program", "np": np, "rng": np.random.default_rng(0)}
    file = "program.py"
    body, _, step = source.rpartition("\n\n")
    exec(compile(body, file, "exec"), space)  # noqa: S102
    creations = Creations({"program": space}, {file: source})
    creations.start()
    try:
        exec(compile(step, file, "exec"), space)  # noqa: S102
        return list(wrong_rules(creations, {file: source}))
    finally:
        creations.stop()


@pytest.mark.parametrize("style", ENGINES)
def test_rules_that_are_right_are_called_so(style: str) -> None:
    assert found(ENGINES[style]) == []


@pytest.mark.parametrize(("style", "right", "wrong", "mistake"), MISTAKES)
def test_a_wrong_rule_is_found_with_its_line(style: str, right: str, wrong: str, mistake: str) -> None:
    source = ENGINES[style].replace(right, wrong, 1)
    line = ENGINES[style][: ENGINES[style].index(right)].count("\n") + 1
    rules = found(source)
    assert rules
    assert {rule.line for rule in rules} == {line}, rules
    assert mistake in {rule.mistake for rule in rules}


@pytest.mark.parametrize("rule", ["self.grad += other.data * out.grad", "self.grad = other.data * out.grad"])
def test_the_rules_in_the_right_order_give_the_gradient(rule: str) -> None:
    space: dict[str, Any] = {"np": np}
    exec(SCALARS.replace("self.grad += other.data * out.grad", rule), space)  # noqa: S102
    a, b = 0.7, -1.3

    def value(a: float, b: float) -> float:
        return float(np.tanh(a * b + a) * max(b, 0.0) + max(a + b, 0.0) ** 3 + max(b**2, 0.0))

    h = 1e-6
    found = gradients(space["c"], {"a": [space["a"]], "b": [space["b"]]})
    np.testing.assert_allclose(found["a"], [(value(a + h, b) - value(a - h, b)) / (2 * h)], atol=1e-6)
    np.testing.assert_allclose(found["b"], [(value(a, b + h) - value(a, b - h)) / (2 * h)], atol=1e-6)
    assert space["a"].grad == space["b"].grad == 0.0  # what the program finds there is not touched


TRAINED = (
    """
import numpy as np
import random

random.seed(4)
"""
    + SCALARS.rpartition("\n\n")[0].replace(
        "    def relu",
        """    def backward(self):
        nodes, seen = [], set()
        def visit(node):
            if node in seen:
                return
            seen.add(node)
            for child in node.children:
                visit(child)
            nodes.append(node)
        visit(self)
        self.grad = 1.0
        for node in reversed(nodes):
            node._backward()
    def relu""",
    )
    + """

points = [(random.uniform(-1, 1), random.uniform(-1, 1)) for _ in range(10)]
w = [[Value(random.uniform(-1, 1)) for _ in range(2)] for _ in range(4)]
v = [Value(random.uniform(-1, 1)) for _ in range(4)]
for step in range(60):
    loss = Value(0.0)
    for x, y in points:
        units = [(p * Value(x) + q * Value(y)).tanh() for p, q in w]
        out = Value(-x * y)
        for a, unit in zip(v, units):
            out = out + unit * (a * unit)
        loss = loss + out ** 2
    for p in [*v, *(p for row in w for p in row)]:
        p.grad = 0.0
    loss.backward()
    for p in [*v, *(p for row in w for p in row)]:
        p.data -= 0.02 * p.grad
    print(step, loss.data)
"""
)
ORDERS = [
    ("        p.grad = 0.0\n", "        pass\n", "missing-zero-grad", "accumulated", "loss.backward()"),
    (
        "        visit(self)",
        "        nodes = [self]\n        for n in nodes:\n          nodes += [c for c in n.children if c not in nodes]",
        "wrong-backward",
        "dropped-term",
        "for node in nodes:  # all",
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("right", "wrong", "cause", "mistake", "line"), ORDERS)
def test_the_order_of_a_tape(right: str, wrong: str, cause: str, mistake: str, line: str, tmp_path: Path) -> None:
    source = TRAINED.replace("set(children)", "children").replace(right, wrong)
    if mistake == "dropped-term":
        source = source.replace("in reversed(nodes):", "in nodes:  # all")
    script = tmp_path / "train.py"
    script.write_text(source, encoding="utf-8")
    report = examine_script(script, budget=40.0)
    first = report.findings[0]
    assert (first.cause, first.mistake, (first.code or "").strip()) == (cause, mistake, line), str(report)
