"""Another array library behind the one name: ops and autograd never call NumPy behind its back.

`Foreign` holds its numbers apart: NumPy refuses it (`__array_ufunc__ = None`, an `__array__` that raises), and its
namespace refuses NumPy arrays. What runs on it goes through the namespace alone, as it would on a GPU.
"""

import math
import types
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid import backend, nn, optim
from pellucid.core import Domain
from pellucid.declare import TABLE
from tests.test_ops import FLOATS, inputs


class Foreign:
    """An array of another library."""

    __array_ufunc__ = None

    def __init__(self, held: np.ndarray) -> None:
        assert type(held) is np.ndarray
        self.held = held

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("implicit conversion to a NumPy array is not allowed")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "held":
            raise AttributeError(name)
        found = getattr(self.held, name)
        return lift(found) if callable(found) else wrapped(found)

    def __getitem__(self, key: Any) -> Any:
        return wrapped(self.held[opened(key)], keep=True)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.held[opened(key)] = opened(value)

    def __len__(self) -> int:
        return len(self.held)

    def __bool__(self) -> bool:
        return bool(self.held)

    def __int__(self) -> int:
        return int(self.held)

    def __float__(self) -> float:
        return float(self.held)

    __hash__ = None


def operator(name: str) -> Any:
    def call(self: Foreign, *others: Any) -> Any:
        found = getattr(np.asarray(self.held), name)(*[opened(operand) for operand in others])
        return found if found is NotImplemented else wrapped(found, keep=True)

    return call


for _name in ("add sub mul truediv floordiv mod pow matmul and or xor lshift rshift").split():
    for _prefix in ("", "r", "i"):
        setattr(Foreign, f"__{_prefix}{_name}__", operator(f"__{_prefix}{_name}__"))
for _name in "eq ne lt le gt ge neg abs invert pos".split():
    setattr(Foreign, f"__{_name}__", operator(f"__{_name}__"))


def opened(value: Any) -> Any:
    """What NumPy is given: the numbers within; a NumPy array that came in by itself is a mistake."""
    if isinstance(value, Foreign):
        return value.held
    if isinstance(value, np.ndarray) and value.ndim:
        raise TypeError("a NumPy array got into a computation on another library")
    if isinstance(value, tuple | list):
        return type(value)(opened(entry) for entry in value)
    if isinstance(value, dict):
        return {name: opened(entry) for name, entry in value.items()}
    return value


def wrapped(value: Any, keep: bool = False) -> Any:
    if isinstance(value, np.ndarray) or (keep and isinstance(value, np.generic)):
        return Foreign(np.asarray(value))
    if isinstance(value, tuple) and any(isinstance(entry, np.ndarray) for entry in value):
        return tuple(wrapped(entry, True) for entry in value)
    if isinstance(value, list) and any(isinstance(entry, np.ndarray) for entry in value):
        return [wrapped(entry, True) for entry in value]
    return value


def lift(function: Any) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        return wrapped(function(*opened(args), **opened(kwargs)), keep=True)

    return call


class UniversalFunction:
    """A ufunc of the namespace, with its methods (`add.at`, `maximum.accumulate`, …)."""

    def __init__(self, of: np.ufunc) -> None:
        self.of = of

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return lift(self.of)(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return lift(getattr(self.of, name))


def namespace(source: Any) -> Any:
    made = types.ModuleType("foreign")
    for name, value in vars(source).items():
        if hasattr(value, "reduce"):  # tests/rounding.py may stand in for one
            made.__dict__[name] = UniversalFunction(value)
        elif isinstance(value, type) or not callable(value):
            made.__dict__[name] = value
        else:
            made.__dict__[name] = lift(value)
    for room in ("lib", "linalg"):
        if hasattr(source, room):
            inner = types.ModuleType(room)
            inner.__dict__.update({
                name: lift(value) if callable(value) and not isinstance(value, type) else value
                for name, value in vars(getattr(source, room)).items() if not name.startswith("__")
            })  # fmt: skip
            made.__dict__[room] = inner
    made.__dict__["ndarray"] = Foreign
    return made


FOREIGN = backend.Backend(
    "fake", namespace(backend.NUMPY.xp), Foreign, lambda array: Foreign(np.array(array)), lambda array: array.held
)


@pytest.fixture(autouse=True)
def _registered() -> Any:
    backend.register(FOREIGN)
    yield
    del backend._by_device["fake"]


def there(array: Any, requires_grad: bool = False) -> Any:
    return pellucid.tensor(array).to("fake").detach().requires_grad_(requires_grad)


def here(tensor: Any) -> np.ndarray:
    assert type(tensor._array) is Foreign, "the result is on the device of its inputs"
    return tensor.detach().cpu().numpy()


def test_moving() -> None:
    x = pellucid.tensor([1.0, 2.0], device="fake")
    assert str(x.device) == "fake"
    assert (x.shape, x.dtype) == ((2,), pellucid.float32)
    assert x.cpu().tolist() == [1.0, 2.0]
    assert pellucid.ones(2).to(x).device == x.device
    assert pellucid.zeros(2, device="fake").cpu().tolist() == [0.0, 0.0]
    assert "device='fake'" in repr(x)
    assert x.to("fake") is x
    with pytest.raises(TypeError, match=r"can't convert fake tensor to numpy; write tensor\.cpu\(\)\.numpy\(\)"):
        x.numpy()
    assert x.numpy(force=True).tolist() == [1.0, 2.0]
    assert x.tolist() == [1.0, 2.0]
    assert float(x.sum()) == 3.0


def test_a_numpy_array_is_refused_by_it() -> None:
    """The test of the test: a stray NumPy array raises."""
    with pytest.raises(TypeError, match="got into a computation on another library"):
        FOREIGN.xp.add(there([1.0])._array, np.ones(1))
    with pytest.raises(TypeError):
        np.add(np.ones(1), there([1.0])._array)
    with pytest.raises(TypeError):
        np.asarray(there([1.0])._array)


def test_two_devices_do_not_mix() -> None:
    with pytest.raises(RuntimeError, match=r"add: expected all tensors to be on the same device, but input on fake, "
                       r"other on cpu; move one with \.to\(other\.device\)"):  # fmt: skip
        there([1.0, 2.0]) + pellucid.ones(2)


ELEMENTWISE = [name for name in FLOATS if not TABLE[name].mutates]


def domain_of(name: str) -> Domain:
    return TABLE[name].domain


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise(name: str) -> None:
    """Forward and backward of each elementwise op, equal to NumPy's."""
    op = TABLE[name]
    arrays = inputs(name, (3, 1, 4), (2, 1), (4,))
    given = [there(array, True) for array in arrays]
    wanted = [pellucid.tensor(array, requires_grad=True) for array in arrays]
    out, expected = op(*given), op(*wanted)
    np.testing.assert_array_equal(here(out), expected.detach().numpy())
    if expected.requires_grad:
        (out * out).sum().backward()
        (expected * expected).sum().backward()
        for got, other in zip(given, wanted, strict=True):
            assert (got.grad is None) == (other.grad is None)
            if got.grad is not None:
                np.testing.assert_array_equal(here(got.grad), other.grad.numpy())


PROGRAMS: dict[str, Any] = {
    "sum": lambda x, y: (x * y).sum(dim=1),
    "mean": lambda x, y: (x / 2).mean(),
    "max": lambda x, y: x.max(dim=0)[0] * y.max(),
    "softmax": lambda x, y: x.softmax(1) * y,
    "log_softmax": lambda x, y: x.log_softmax(0),
    "logsumexp": lambda x, y: x.logsumexp(1),
    "matmul": lambda x, y: x @ y.T,
    "reshape": lambda x, y: x.reshape(4, 3) @ y,
    "slices": lambda x, y: x[1:, ::2] * y[:2, None, 1:3].sum(dim=1),
    "index": lambda x, y: x[[0, 2]] + y[1],
    "cat": lambda x, y: pellucid.cat([x, y], dim=1) * 2,
    "stack": lambda x, y: pellucid.stack([x, y]).sum(dim=0),
    "where": lambda x, y: pellucid.where(x > 0, x, y),
    "clamp": lambda x, y: x.clamp(-1, 1) * y.clamp(min=0),
    "cumsum": lambda x, y: x.cumsum(dim=1) * y,
    "prod": lambda x, y: x.prod(dim=1),
    "var": lambda x, y: x.var(dim=1) + y.std(),
    "norm": lambda x, y: x.norm() * y,
    "flip": lambda x, y: x.flip(0) - y,
    "broadcast": lambda x, y: x[:1] * y + x[:, :1],
    "cast": lambda x, y: x.float() * y.float(),
    "in place": lambda x, y: (x * 1).mul_(y).add_(1).exp_(),
    "a view in place": lambda x, y: _assigned(x, y),
    "scalars": lambda x, y: 2 / (1 + x * x) ** 1.5 - 3,
    "linear": lambda x, y: nn.functional.linear(x, y),
    "gelu": lambda x, y: nn.functional.gelu(x) * y,
}


def _assigned(x: Any, y: Any) -> Any:
    z = x * 1
    z[1] = y[0]
    z[:, 0].mul_(2)
    return z


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name: str) -> None:
    """First and second order, equal to NumPy's."""
    rng = np.random.default_rng(1)
    arrays = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))

    def run(move: Any) -> Any:
        x, y = move(arrays[0]), move(arrays[1])
        out = PROGRAMS[name](x, y)
        (out * out).sum().backward(retain_graph=True)
        slopes = pellucid.autograd.grad((out * out).sum(), [x, y], create_graph=True, materialize_grads=True)
        total = sum((slope * slope).sum() for slope in slopes)
        second = pellucid.autograd.grad(total, [x, y], materialize_grads=True) if total.requires_grad else []
        return [out, x.grad, y.grad, *slopes, *second]

    ours = run(lambda array: there(array, True))
    plain = run(lambda array: pellucid.tensor(array, requires_grad=True))
    for got, other in zip(ours, plain, strict=True):
        assert (got is None) == (other is None)
        if got is not None:
            np.testing.assert_array_equal(here(got), other.detach().numpy())


@pytest.mark.parametrize("optimizer", [
    lambda params: optim.SGD(params, lr=0.1, momentum=0.9), lambda params: optim.Adam(params, lr=0.01)
], ids=["SGD", "Adam"])  # fmt: skip
def test_training(optimizer: Any) -> None:
    """A network trained there has the weights of one trained here, but for rounding: here kernels multiply."""
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(8, 5)).astype(np.float32), rng.integers(0, 3, 8)

    def run(device: str) -> Any:
        pellucid.manual_seed(3)
        net = nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 3)).to(device)
        descent = optimizer(net.parameters())
        data, target = pellucid.tensor(x).to(device), pellucid.tensor(y).to(device)
        for _ in range(3):
            descent.zero_grad()
            loss = nn.functional.cross_entropy(net(data), target)
            loss.backward()
            descent.step()
        assert str(loss.device) == device
        return [parameter.detach().cpu().numpy() for parameter in net.parameters()]

    for got, other in zip(run("fake"), run("cpu"), strict=True):
        np.testing.assert_allclose(got, other, rtol=1e-5, atol=1e-6)


def test_anomaly_and_functions() -> None:
    class Double(pellucid.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2, x * 3

        @staticmethod
        def backward(ctx: Any, g: Any, h: Any) -> Any:
            return g * 2 + h * 3

    x = there([1.0, 2.0], True)
    Double.apply(x)[0].sum().backward()
    assert here(x.grad).tolist() == [2.0, 2.0]
    with pytest.raises(pellucid.autograd.AnomalyError, match="from -1 to 4"), pellucid.autograd.detect_anomaly():
        there([-1.0, 4.0]).sqrt()


def test_traced() -> None:
    w = there([2.0, 3.0], True)

    def run(x: Any) -> Any:
        w.grad = None
        loss = (w * x).exp().sum()
        loss.backward()
        return loss.detach()

    program = pellucid.compile.trace(run, there([1.0, 1.0]))
    x = there([0.5, 0.25])
    loss = program(x)
    gradient = here(w.grad)
    assert here(loss) == here(run(x))
    np.testing.assert_array_equal(gradient, here(w.grad))


def test_cuda_without_cupy() -> None:
    if _has_cupy():
        pytest.skip("CuPy is installed")
    for ask in (lambda: pellucid.ones(2, device="cuda"), lambda: pellucid.ones(2).cuda(),
                lambda: pellucid.ones(2).to("cuda:0"), lambda: pellucid.device("cuda").backend):  # fmt: skip
        with pytest.raises(RuntimeError, match=r'device "cuda" needs CuPy.*pip install "pellucid\[gpu\]".*"cpu"'):
            ask()


def _has_cupy() -> bool:
    import importlib.util

    return importlib.util.find_spec("cupy") is not None


def test_cupy_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """CuPy that finds no GPU, or none that works, says so."""
    for answer, words in ((0, "has no GPU"), (OSError("driver"), r"finds no usable GPU \(driver\)")):

        def count(answer: Any = answer) -> int:
            if isinstance(answer, Exception):
                raise answer
            return answer

        runtime = types.SimpleNamespace(runtime=types.SimpleNamespace(getDeviceCount=count))
        monkeypatch.setitem(__import__("sys").modules, "cupy", types.SimpleNamespace(cuda=runtime))
        with pytest.raises(RuntimeError, match=words):
            pellucid.ones(2, device="cuda")


def test_unknown_device() -> None:
    with pytest.raises(RuntimeError, match="no array library for device type 'mps'; there are: cpu, cuda, fake"):
        pellucid.ones(2, device="mps")
    with pytest.raises(RuntimeError, match="Expected one of cpu, cuda, .* device type at start of device string: warp"):
        pellucid.ones(2, device="warp")


def test_an_array_of_nobody() -> None:
    with pytest.raises(TypeError, match="no backend knows arrays of type float"):
        backend.of_array(math.pi)
