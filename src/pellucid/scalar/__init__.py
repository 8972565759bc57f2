"""Backpropagation on one page: every number remembers which numbers it was made from.

The whole of deep learning rests on one rule. If `y` was made from `x`, and nudging `x` by a little moves `y` by
`slope` times as much, then

    how much the loss moves with x  =  how much the loss moves with y  ·  slope        (the chain rule)

and where `x` was used several times, the contributions add. So a `Value` keeps its number, its parents and the slope
towards each; `backward` walks from the loss to the inputs applying the rule. `pellucid.Tensor` is the same idea with
arrays in place of numbers. This page imports nothing, so that there is nothing else to read.

    >>> x = Value(3.0, label="x")
    >>> y = x * x + 2 * x  # dy/dx = 2x + 2
    >>> y.backward()
    >>> y.data, x.grad
    (15.0, 8.0)

The interface is that of micrograd (https://github.com/karpathy/micrograd).
"""

__all__ = ["MLP", "Layer", "Module", "Neuron", "Value", "uniform"]

E = 2.718281828459045


class Value:
    """One number in a calculation, and after `backward` the gradient of the result with respect to it.

    Args:
        data: the number, kept as a Python float. Anything that `float` refuses raises its TypeError or ValueError.
        label: a name to show when it is printed or drawn.

    Attributes:
        grad: d(result)/d(this). A leaf (a Value that you made) adds up the gradients of every `backward` until you
            set it to 0, as in PyTorch; a Value that was computed holds the gradient of the last `backward` alone.
        parents, slopes, op: the Values it was computed from, d(this)/d(parent) for each, and the operation's name.
    """

    __slots__ = ("__weakref__", "data", "grad", "label", "op", "parents", "slopes")

    def __init__(self, data: float, label: str = "", *, parents: tuple = (), slopes: tuple = (), op: str = "") -> None:
        self.data = float(data)
        self.grad = 0.0
        self.label = label
        self.parents = parents
        self.slopes = slopes
        self.op = op

    def backward(self) -> None:
        """Add d(self)/d(leaf) to the `grad` of every leaf that `self` was computed from.

        Loops rather than recursion: a calculation may be 100,000 steps deep and Python's call stack may not. It may
        be called again on the same calculation, and adds the same gradients again.
        """
        # 1. Find what took part, and how often each was used. Computed values start from zero, or the gradient of an
        #    earlier backward would flow down a second time.
        uses = {self: 0}
        found = [self]
        while found:
            value = found.pop()
            if value.parents:
                value.grad = 0.0
            for parent in value.parents:
                if parent in uses:
                    uses[parent] += 1
                else:
                    uses[parent] = 1
                    found.append(parent)
        # 2. Walk back from the result. A value's gradient is complete, and may flow on, once all its uses have
        #    reported.
        self.grad += 1.0
        complete = [self]
        while complete:
            value = complete.pop()
            grad = value.grad
            for parent, slope in zip(value.parents, value.slopes, strict=True):
                parent.grad += grad * slope  # the chain rule
                uses[parent] -= 1
                if not uses[parent]:
                    complete.append(parent)

    # Each operation: the result, and its slope towards each operand. All the calculus there is.

    def __add__(self, other: "Value | float") -> "Value":
        other = as_value(other)
        return Value(self.data + other.data, parents=(self, other), slopes=(1.0, 1.0), op="+")

    def __mul__(self, other: "Value | float") -> "Value":
        other = as_value(other)
        return Value(self.data * other.data, parents=(self, other), slopes=(other.data, self.data), op="*")

    def __pow__(self, exponent: float) -> "Value":
        """x**n for a plain number n; the slope is n·x^(n-1)."""
        if isinstance(exponent, Value):
            raise TypeError("Value ** Value: the exponent must be a plain number; write x ** n.data, or exp for e^x")
        if self.data < 0 and exponent % 1 != 0:
            raise ValueError(f"({self.data}) ** {exponent} is not a real number: the base must not be negative")
        out = self.data**exponent
        if exponent == 0:
            slope = 0.0
        elif self.data == 0 and exponent < 1:
            slope = float("inf")  # the tangent is vertical
        else:
            slope = exponent * self.data ** (exponent - 1)
        return Value(out, parents=(self,), slopes=(slope,), op=f"**{exponent}")

    def exp(self) -> "Value":
        """e^x, which is its own slope."""
        out = E**self.data
        return Value(out, parents=(self,), slopes=(out,), op="exp")

    def tanh(self) -> "Value":
        """(e^x - e^-x) / (e^x + e^-x); the slope is 1 - tanh²."""
        x = self.data
        if abs(x) < 1e-3:
            out = x - x**3 / 3  # its Taylor series: near 0 the formula below subtracts two numbers almost equal
        else:
            t = E ** (-2 * abs(x))  # the negative exponent cannot overflow
            out = (1 - t) / (1 + t) if x > 0 else (t - 1) / (t + 1)
        return Value(out, parents=(self,), slopes=(1 - out * out,), op="tanh")

    def relu(self) -> "Value":
        """max(x, 0); at 0 itself the slope is taken as 0, as in PyTorch."""
        off = self.data <= 0
        return Value(0.0 if off else self.data, parents=(self,), slopes=(0.0 if off else 1.0,), op="relu")

    # The rest follows from those above.

    def __neg__(self) -> "Value":
        return self * -1.0

    def __sub__(self, other: "Value | float") -> "Value":
        return self + -other

    def __truediv__(self, other: "Value | float") -> "Value":
        return self * as_value(other) ** -1

    def __radd__(self, other: float) -> "Value":
        return self + other

    def __rmul__(self, other: float) -> "Value":
        return self * other

    def __rsub__(self, other: float) -> "Value":
        return -self + other

    def __rtruediv__(self, other: float) -> "Value":
        return self**-1 * other

    def __repr__(self) -> str:
        label = f"{self.label}: " if self.label else ""
        return f"Value({label}data={self.data}, grad={self.grad})"


def as_value(x: Value | float) -> Value:
    """`x` itself if it is a Value, else a Value made of the number."""
    return x if isinstance(x, Value) else Value(x)


def weighted_sum(weights: list[Value], inputs: list[Value], bias: Value) -> Value:
    """w1·x1 + w2·x2 + … + b as one step: the slope towards each weight is its input, towards each input its weight."""
    w = [weight.data for weight in weights]
    x = [value.data for value in inputs]
    out = bias.data
    for wi, xi in zip(w, x, strict=True):
        out += wi * xi
    return Value(out, parents=(*weights, *inputs, bias), slopes=(*x, *w, 1.0), op="w·x+b")


def uniform(seed: int = 0):
    """An endless stream of random numbers between -1 and 1: x ← 48271·x mod 2³¹-1 (Park and Miller, 1988)."""
    modulus = 2147483647
    state = (seed % (modulus - 1) + 1) * 48271**2 % modulus  # or neighbouring small seeds would all start near -1
    while True:
        state = state * 48271 % modulus
        yield 2 * state / modulus - 1


default_rng = uniform()


class Module:
    """Anything that has parameters to learn."""

    def parameters(self) -> list[Value]:
        """Every Value to be learnt, in a fixed order."""
        return []

    def zero_grad(self) -> None:
        """Forget the gradients gathered so far, before the next `backward` adds its own."""
        for p in self.parameters():
            p.grad = 0.0


class Neuron(Module):
    """relu(w·x + b), or w·x + b where `nonlin` is false. Weights start between -1 and 1, the bias at 0."""

    def __init__(self, nin: int, nonlin: bool = True, rng=None) -> None:
        rng = rng or default_rng
        self.w = [Value(next(rng)) for _ in range(nin)]
        self.b = Value(0.0)
        self.nonlin = nonlin

    def __call__(self, x: list) -> Value:
        if len(x) != len(self.w):
            raise ValueError(f"{self} takes {len(self.w)} inputs, received {len(x)}")
        out = weighted_sum(self.w, [as_value(xi) for xi in x], self.b)
        return out.relu() if self.nonlin else out

    def parameters(self) -> list[Value]:
        return [*self.w, self.b]

    def __repr__(self) -> str:
        return f"{'ReLU' if self.nonlin else 'Linear'}Neuron({len(self.w)})"


class Layer(Module):
    """`nout` neurons that see the same `nin` inputs. A layer of one returns its Value, a larger one a list."""

    def __init__(self, nin: int, nout: int, nonlin: bool = True, rng=None) -> None:
        self.neurons = [Neuron(nin, nonlin, rng) for _ in range(nout)]

    def __call__(self, x: list | Value):
        inputs = [x] if isinstance(x, Value) else [as_value(xi) for xi in x]
        out = [neuron(inputs) for neuron in self.neurons]
        return out[0] if len(out) == 1 else out

    def parameters(self) -> list[Value]:
        return [p for neuron in self.neurons for p in neuron.parameters()]

    def __repr__(self) -> str:
        return f"Layer of [{', '.join(map(str, self.neurons))}]"


class MLP(Module):
    """A multi-layer perceptron: each layer's outputs are the next one's inputs; all but the last have a relu.

    Args:
        nin: how many inputs.
        nouts: how many neurons in each layer.
        rng: an iterator of starting weights, `uniform(seed)` for instance; by default one stream for the module.

        >>> model = MLP(2, [16, 16, 1], rng=uniform(seed=1))
        >>> len(model.parameters())
        337
        >>> loss = (model([1.0, -2.0]) - 1) ** 2
        >>> model.zero_grad()
        >>> loss.backward()
        >>> for p in model.parameters():
        ...     p.data -= 0.001 * p.grad  # one step of gradient descent
        >>> ((model([1.0, -2.0]) - 1) ** 2).data < loss.data
        True
    """

    def __init__(self, nin: int, nouts: list[int], rng=None) -> None:
        sizes = [nin, *nouts]
        last = len(nouts) - 1
        self.layers = [Layer(sizes[i], sizes[i + 1], nonlin=i != last, rng=rng) for i in range(len(nouts))]

    def __call__(self, x: list):
        out = x
        for layer in self.layers:
            out = layer(out)
        return out

    def parameters(self) -> list[Value]:
        return [p for layer in self.layers for p in layer.parameters()]

    def __repr__(self) -> str:
        return f"MLP of [{', '.join(map(str, self.layers))}]"
