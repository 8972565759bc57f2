# scalar autograd in functional style, fits a tiny tanh net to a parabola
import math
import random


class Var:
    def __init__(self, val, children=()):
        self.val = val
        self.children = children  # pairs (var, local derivative)
        self.grad = 0.0


def add(a, b):
    return Var(a.val + b.val, ((a, 1.0), (b, 1.0)))


def mul(a, b):
    return Var(a.val * b.val, ((a, b.val), (b, a.val)))


def tanh(a):
    t = math.tanh(a.val)
    return Var(t, ((a, 1 - t * t),))


def sub(a, b):
    return Var(a.val - b.val, ((a, 1.0), (b, -1.0)))


def square(a):
    return Var(a.val * a.val, ((a, 2 * a.val),))


def backprop(out):
    order, seen = [], set()

    def walk(v):
        if id(v) in seen:
            return
        seen.add(id(v))
        for child, _ in v.children:
            walk(child)
        order.append(v)

    walk(out)
    for v in order:
        v.grad = 0.0
    out.grad = 1.0
    for v in reversed(order):
        for child, local in v.children:
            child.grad += local * v.grad


random.seed(5)
hidden = [(Var(random.gauss(0, 1)), Var(random.gauss(0, 1)), Var(random.gauss(0, 0.5))) for _ in range(6)]
bias = Var(0.0)


def net(x):
    out = bias
    for w, b, v in hidden:
        out = add(out, mul(v, tanh(add(mul(w, Var(x)), b))))
    return out


params = [p for unit in hidden for p in unit] + [bias]
points = [(i / 5 - 1, (i / 5 - 1) ** 2) for i in range(11)]
for epoch in range(150):
    total = 0.0
    random.shuffle(points)
    for x, y in points:
        loss = square(sub(net(x), Var(y)))
        backprop(loss)
        for p in params:
            p.val -= 0.05 * p.grad
        total += loss.val
    if epoch % 30 == 0:
        print(epoch, total / len(points))
print("end", total / len(points))
