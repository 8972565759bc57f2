"""`check.gradients`, `check.layer`, `gradcheck`: what is right is called right, what is wrong is found and named."""

# pyright: reportArgumentType=false, reportCallIssue=false
# What is right and what is wrong are pairs of functions, and wrong arguments are tested too.

import json
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import pellucid
from pellucid import check, nn
from pellucid.autograd import GradcheckError, gradcheck, gradgradcheck
from pellucid.autograd.numeric import complex_slope, slope, slopes
from pellucid.cli.program import app
from tests import gradient_seeds

# --- a table of autograd.Functions, each written once for both libraries ----------------------------------------------


def functions(lib: Any) -> dict[str, tuple[Any, Any]]:
    """Name -> (a function of one tensor, with a backward of its own; the function with the right one)."""
    made: dict[str, Any] = {}

    def define(name: str, forward: Any, backward: Any) -> None:
        class Own(lib.autograd.Function):
            @staticmethod
            def forward(ctx: Any, x: Any) -> Any:
                y = forward(x)
                ctx.save_for_backward(x, y)
                return y

            @staticmethod
            def backward(ctx: Any, g: Any) -> Any:
                return backward(g, *ctx.saved_tensors)

        Own.__name__ = name
        made[name] = Own.apply

    define("Right", lib.tanh, lambda g, x, y: g * (1 - y * y))
    define("Factor", lambda x: x * x, lambda g, x, y: g * x)
    define("Sign", lib.exp, lambda g, x, y: -g * y)
    define("Passed", lib.sigmoid, lambda g, x, y: g * 1)
    define("AtInput", lib.tanh, lambda g, x, y: g * (1 - x * x))
    define("AtOutput", lib.sin, lambda g, x, y: g * lib.cos(y))
    define("Mask", lib.relu, lambda g, x, y: g * (x < 0))
    define("Relu", lib.relu, lambda g, x, y: g * (x > 0))
    define("Zero", lambda x: x**3, lambda g, x, y: g * 0)
    define("OneRow", lambda x: x * 3, lambda g, x, y: lib.cat([g[:1] * 2, g[1:] * 3]))
    define("Transposed", lambda x: x.T * lib.exp(x), lambda g, x, y: g * y + g * lib.exp(x))
    define("Coupled", lambda x: lib.softmax(x, 1), lambda g, x, y: y * (g - (g * y).sum(1, keepdim=True)))
    define("Uncoupled", lambda x: lib.softmax(x, 1), lambda g, x, y: y * g)
    define("Slightly", lib.tanh, lambda g, x, y: g * (1 - y * y) * 1.01)
    return made


NAMES = sorted(functions(pellucid))
POINT = np.array([[0.3, -0.8, 1.1], [-0.4, 0.6, -1.3], [0.9, 0.2, -0.5]])
WRONG = {
    "Factor": "constant-factor", "Sign": "sign", "Passed": "missing-activation-derivative",
    "AtInput": "derivative-at-wrong-point", "AtOutput": "derivative-at-wrong-point", "Mask": "wrong-mask",
    "Zero": "zero-gradient", "Slightly": "constant-factor", "OneRow": None, "Transposed": None, "Uncoupled": None,
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fast", [False, True])
def test_gradcheck_says_what_torch_says(name: str, fast: bool) -> None:
    theirs = torch.autograd.gradcheck(
        functions(torch)[name], torch.tensor(POINT, requires_grad=True), raise_exception=False, fast_mode=fast
    )
    ours = gradcheck(
        functions(pellucid)[name], pellucid.tensor(POINT, requires_grad=True), raise_exception=False, fast_mode=fast
    )
    assert ours is theirs is (name not in WRONG)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_names_the_function_and_the_mistake(name: str) -> None:
    function = functions(pellucid)[name]
    report = check.gradients(lambda x: (function(x) * x).sum(), pellucid.tensor(POINT))
    assert report.status == ("wrong" if name in WRONG else "right")
    if name in WRONG:
        found = report.diagnoses["x"]
        assert f"autograd.Function {name} " in found.explanation
        assert "test_check_gradients.py" in found.where
        assert WRONG[name] in (None, found.mistake)


@pytest.mark.parametrize("name", ["Right", "Sign", "Coupled", "Uncoupled"])
def test_a_function_of_torch(name: str) -> None:
    report = check.gradients(functions(torch)[name], torch.tensor(POINT))
    assert report.ok is (name not in WRONG)
    assert name != "Sign" or next(iter(report.diagnoses.values())).mistake == "sign"


class Cube(pellucid.autograd.Function):
    """x³, with a first gradient that is right and a second that is not."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return 3 * g * x * x.detach()


def test_the_first_order_right_and_the_second_wrong() -> None:
    x = pellucid.tensor(POINT, requires_grad=True)
    assert gradcheck(Cube.apply, x)
    assert not gradgradcheck(Cube.apply, x, raise_exception=False)
    assert gradgradcheck(pellucid.tanh, x, gen_non_contig_grad_outputs=True)
    assert check.gradients(Cube.apply, x).ok
    report = check.gradients(Cube.apply, x, order=2)
    assert report.status == "wrong"
    assert [name for name, entry in report.tensors.items() if entry.wrong] == ["args[0] (second order)"]
    assert "Cube" in report.diagnoses["args[0] (second order)"].explanation
    assert check.gradients(lambda x: x.exp().sum(0), x, order=2).ok


# --- differences ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "true"),
    [
        (lambda t: np.exp(1 + t), np.e),
        (lambda t: np.log(1e-3 + t), 1e3),
        (lambda t: np.sin(100 * t), 100.0),
        (lambda t: abs(t - 1e-3), -1.0),  # a kink among the steps
        (lambda t: abs(t - 1e-4), -1.0),
        (lambda t: np.floor(t - 1e-3) + t, 1.0),  # a jump
        (lambda t: 1e8 + np.sin(t), 1.0),  # rounded
        (lambda t: float(np.float32(np.exp(np.float32(1 + t)))), np.e),  # in float32 within
    ],
)
def test_a_slope_is_within_its_error(function: Any, true: float) -> None:
    found = slope(function)
    assert not found.kink
    assert abs(found.value - true) <= 10 * found.error + 1e-12
    assert found.error < 1e-3 * abs(true)


@pytest.mark.parametrize(
    "function", [abs, lambda t: np.exp(t) + 1e-4 * abs(t), np.floor, lambda t: np.log(t), lambda t: max(t, 0.0)]
)
def test_a_kink_is_seen(function: Any) -> None:
    assert slope(function).kink


def test_slopes_of_an_array_and_the_complex_step() -> None:
    found = slopes(lambda t: np.array([t, abs(t), np.exp(t)]))
    assert found.kink.tolist() == [False, True, False]
    assert complex_slope(lambda t: (t + 2) ** 3, slope(lambda t: (t + 2) ** 3)) == 12.0
    assert complex_slope(lambda t: float(t), slope(lambda t: t)) is None  # refuses complex numbers
    assert complex_slope(lambda t: np.abs(1 + t), slope(lambda t: np.abs(1 + t))) is None  # is not analytic


KINKS = [
    lambda x: x.relu(), lambda x: x.abs(), lambda x: x.max(), lambda x: x.clamp(0, 1), lambda x: x.sort()[0],
    lambda x: pellucid.maximum(x, 1 - x), lambda x: pellucid.nn.functional.hardtanh(x), lambda x: x.median(),
]  # fmt: skip


@pytest.mark.parametrize("function", KINKS)
def test_a_kink_raises_no_alarm(function: Any) -> None:
    x = pellucid.tensor([0.0, 1.0, 1.0, -1.0, 0.5], dtype=pellucid.float64, requires_grad=True)
    assert gradcheck(function, x)
    assert gradgradcheck(function, x)
    report = check.gradients(function, x, order=2)
    assert report.status == "right", str(report)


def constant(lib: Any) -> Any:
    """A backward that gives the right number for one scalar output, whatever arrives."""
    return type("Constant", (lib.autograd.Function,), {
        "forward": staticmethod(lambda ctx, x: x * 2), "backward": staticmethod(lambda ctx, g: lib.full_like(g, 2.0)),
    }).apply  # fmt: skip


WORDS: dict[str, tuple[Any, str]] = {
    "constant": (constant, "backward not multiplied by grad_output"),
    "another shape": (
        lambda lib: lambda x: lib.cat([x, x]) if x >= 1 else x,
        "return outputs with the same shape when",
    ),
    "another dtype": (lambda lib: lambda x: x.float() if x >= 1 else x, "return outputs with the same dtype when"),
    "cut": (lambda lib: lambda x: lib.tensor([x.item() * 3], dtype=x.dtype), "for function expected to be zero"),
    "nothing": (lambda lib: lambda x: (), "True"),
}


@pytest.mark.parametrize("name", WORDS)
def test_the_words_of_gradcheck(name: str) -> None:
    made, words = WORDS[name]
    for lib in (torch, pellucid):
        x = lib.ones(1, dtype=lib.float64, requires_grad=True)
        try:
            said = str(lib.autograd.gradcheck(made(lib), (x,), atol=1e-1))
        except (RuntimeError, AssertionError) as failure:
            said = str(failure)
        assert words in said


def test_a_mistake_at_a_kink_is_seen_beside_it() -> None:
    function = functions(pellucid)["Mask"]
    x = pellucid.zeros(4, dtype=pellucid.float64, requires_grad=True)
    with pytest.raises(GradcheckError, match="Jacobian mismatch for output 0"):
        gradcheck(function, x)
    assert check.gradients(function, x).status == "wrong"


def test_a_tie_that_is_no_kink() -> None:
    """Three elements share the mode: to move any of them changes nothing, and one has to get the gradient."""
    report = check.gradients(lambda x: x.mode()[0], pellucid.tensor([0.5, 0.5, 0.5, 3.0], dtype=pellucid.float64))
    assert report.status == "right", str(report)
    assert any("tie" in note for note in report.notes)


def test_a_singular_point_of_a_smooth_function_is_no_tie() -> None:
    """PyTorch's gradient of the determinant of a singular matrix is 0, and the adjugate is not."""
    m = torch.tensor([[0.0, 1.0], [0.0, 1.0]], dtype=torch.float64)
    assert check.gradients(torch.linalg.det, m).status == "wrong"


def lesser(x: Any) -> Any:
    return np.minimum(np.abs(x[0]), np.abs(x[1]))


def of_lesser(x: Any, at_zero: float) -> Any:
    first = abs(x[0]) < abs(x[1])
    return np.sign(x) * np.array([first, not first]) if x.any() else np.full(2, at_zero)


def rectified(x: Any) -> Any:
    return np.maximum(x[0], 0) + x[1] ** 2


def of_rectified(x: Any, at_zero: float) -> Any:
    return np.array([float(x[0] > 0), 2 * x[1] if x.any() else at_zero])


@pytest.mark.parametrize(
    ("function", "gradient", "status"),
    [
        (lambda x: (x**2).sum(), lambda x: np.where(x == 0, 5.0, 2 * x), "wrong"),
        (rectified, lambda x: of_rectified(x, 0.0), "right"),
        (rectified, lambda x: of_rectified(x, 5.0), "wrong"),  # the kink is another element's
        (lesser, lambda x: of_lesser(x, 0.5), "right"),
        (lesser, lambda x: of_lesser(x, 7.0), "wrong"),
    ],
)
def test_a_tie_needs_a_kink(function: Any, gradient: Any, status: str) -> None:
    assert check.gradients(function, np.zeros(2), grad=gradient).status == status


def test_what_is_right_at_the_point_alone() -> None:
    class Square(pellucid.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return 2 * g

    report = check.gradients(Square.apply, pellucid.ones(3))
    assert report.status == "wrong"
    assert any("beside it" in note for note in report.notes)
    assert check.gradients(Square.apply, pellucid.ones(3), beside=False).ok


def test_random_points_of_every_op_raise_no_alarm() -> None:
    """Some of what `python -m tests.gradient_seeds` does."""
    names = gradient_seeds.ops()
    assert len(names) > 250
    statuses, _, alarms = gradient_seeds.run([2], names[::3])
    assert not alarms, alarms[0]["report"]
    assert statuses["right"] >= 0.95 * statuses.total()


# --- large tensors ----------------------------------------------------------------------------------------------------


def planted(shape: tuple[int, int], spoil: Any) -> Any:
    class Product(pellucid.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, w: Any) -> Any:
            ctx.save_for_backward(x, w)
            return x @ w

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            x, w = ctx.saved_tensors
            found = (x.T @ g).clone()
            spoil(found)
            return g @ w.T, found

    return Product.apply


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda g: g[17].zero_(), "1 of 60 rows (17)"),
        (lambda g: g[:, 3].neg_(), "1 of 30 columns (3)"),
        (lambda g: g[4, 5].mul_(2), "1 of 60 rows (4) and 1 of 30 columns (5)"),
        (lambda g: g.mul_(2), "along every axis"),
    ],
)
def test_a_large_tensor_is_wrong_in_one_place(spoil: Any, said: str) -> None:
    x, w = pellucid.randn(5, 60, dtype=pellucid.float64), pellucid.randn(60, 30, dtype=pellucid.float64)
    function = planted((60, 30), spoil)
    report = check.gradients(lambda x, w: function(x, w).tanh().sum(), (x, w))
    assert [name for name, tensor in report.tensors.items() if tensor.wrong] == ["w"]
    assert said in report.tensors["w"].pattern
    assert "Product" in report.diagnoses["w"].explanation


def test_gradcheck_of_many_elements_takes_a_direction() -> None:
    x = pellucid.randn(200, 30, dtype=pellucid.float64, requires_grad=True)
    assert gradcheck(lambda x: (x * x).sum(), x)
    with pytest.raises(GradcheckError, match="along a random direction"):
        gradcheck(lambda x: (x * x.detach()).sum(), x)


# --- modules ----------------------------------------------------------------------------------------------------------


def build(lib: Any) -> tuple[Any, Any, Any]:
    lib.manual_seed(0)
    layers = (lib.nn.Linear(4, 6), lib.nn.BatchNorm1d(6), lib.nn.ReLU(), lib.nn.Dropout(0.4), lib.nn.Linear(6, 3))
    return lib.nn.Sequential(*layers), lib.randn(5, 4), lib.tensor([0, 1, 2, 0, 1])


@pytest.mark.parametrize("lib", [pellucid, torch], ids=["pellucid", "torch"])
def test_a_module_is_right_and_left_as_it_was(lib: Any) -> None:
    model, x, y = build(lib)
    before = {name: (tensor, tensor.numpy().copy()) for name, tensor in model.state_dict().items()}
    streams = lib.get_rng_state().numpy().copy(), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    report = check.gradients(model, x, loss=lib.nn.CrossEntropyLoss(), target=y)
    assert report.status == "right", str(report)
    assert list(report.tensors) == [*(name for name, _ in model.named_parameters()), "input"]
    assert any("Lifted from float32" in note for note in report.notes)
    for name, tensor in model.state_dict().items():
        assert tensor.dtype == before[name][0].dtype
        np.testing.assert_array_equal(tensor.numpy(), before[name][1], err_msg=name)
    assert model.training
    assert all(tensor.grad is None for tensor in model.parameters())
    np.testing.assert_array_equal(lib.get_rng_state().numpy(), streams[0])
    np.testing.assert_array_equal(np.random.get_state()[1], streams[1])  # noqa: NPY002
    assert random.getstate() == streams[2]


def test_a_module_with_a_wrong_op_in_it() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.frozen = nn.Linear(3, 4), nn.Linear(4, 2)
            self.frozen.requires_grad_(False)

        def forward(self, x: Any) -> Any:
            return self.frozen(functions(pellucid)["AtInput"](self.first(x)))

    report = check.gradients(Net(), pellucid.randn(5, 3), loss=lambda out: (out**2).mean())
    assert list(report.tensors) == ["first.weight", "first.bias", "x"]
    assert {diagnosis.mistake for diagnosis in report.diagnoses.values()} == {"derivative-at-wrong-point"}


def test_a_model_that_a_function_finds_around_it_is_lifted_too() -> None:
    model, weight = nn.Linear(3, 2), pellucid.randn(2, 2)
    assert check.gradients(lambda x: (model(x) @ weight).sum(), pellucid.randn(4, 3)).ok
    assert model.weight.dtype == weight.dtype == pellucid.float32


def test_a_value_that_leaves_the_graph() -> None:
    report = check.gradients(lambda x: (x * x.detach()).sum(), pellucid.tensor([1.0, 2.0]))
    assert report.diagnoses["x"].mistake == "dropped-term"
    assert "detach" in report.diagnoses["x"].explanation
    zero = check.gradients(lambda x: pellucid.tensor(x.detach().numpy() * 2).sum(), pellucid.tensor([1.0, 2.0]))
    assert zero.diagnoses["x"].mistake == "zero-gradient"


# --- JAX and NumPy ----------------------------------------------------------------------------------------------------


def test_a_function_of_jax() -> None:
    jax = pytest.importorskip("jax", reason='JAX is not installed: pip install "pellucid[test]"')
    jnp = jax.numpy
    params = {"w": 0.1 * jnp.ones((3, 2)), "b": jnp.zeros(2)}
    report = check.gradients(lambda p, x: jnp.tanh(x @ p["w"] + p["b"]).mean(), (params, jnp.ones((4, 3))))
    assert report.status == "right"
    assert list(report.tensors) == ["p.w", "p.b", "x"]

    @jax.custom_vjp
    def wrong(x: Any) -> Any:
        return jnp.sin(x)

    wrong.defvjp(lambda x: (jnp.sin(x), x), lambda x, g: (2 * g * jnp.cos(x),))
    report = check.gradients(wrong, jnp.arange(3.0))
    assert report.status == "wrong"
    assert next(iter(report.diagnoses.values())).mistake == "constant-factor"


def test_a_function_of_numpy() -> None:
    def f(w: Any, b: Any) -> Any:
        return np.sum(np.tanh(w) * b)

    def right(w: Any, b: Any) -> Any:
        return (1 - np.tanh(w) ** 2) * b, np.tanh(w).sum(axis=0)

    w, b = np.random.default_rng(0).normal(size=(3, 2)), np.array([0.5, -2.0])
    report = check.gradients(f, (w, b), grad=right)
    assert report.status == "right"
    assert any("complex step" in note for note in report.notes)
    report = check.gradients(f, (w, b), grad=lambda w, b: ((1 - w**2) * b, np.tanh(w).sum(axis=0)))
    assert report.diagnoses["w"].mistake == "derivative-at-wrong-point"
    report = check.gradients(f, (w, b), grad=lambda w, b: (right(w, b)[0], np.tanh(w)))
    assert report.diagnoses["b"].mistake == "missing-broadcast-sum"
    report = check.gradients(lambda p: np.abs(p["w"]).sum(), {"w": w}, grad=lambda p: {"w": np.sign(p["w"])})
    assert report.ok
    assert any("central differences" in note for note in report.notes)


# --- bad arguments, random functions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: check.gradients(lambda x: x, pellucid.tensor([1, 2])), TypeError, r"x\.double\(\)"),
        (lambda: check.gradients(lambda x: x, 3), TypeError, r"integers have no derivative.*3\.0 for 3"),
        (lambda: check.gradients(lambda x: x, np.arange(3), grad=lambda x: x), TypeError, r"x\.astype\(float\)"),
        (lambda: check.gradients(lambda x: x, pellucid.ones(2), order=3), ValueError, "order is 3"),
        (lambda: check.gradients(lambda x: x, pellucid.ones(2), target=1), TypeError, "target without a loss"),
        (lambda: check.gradients(5, pellucid.ones(2)), TypeError, "int, which cannot be called"),
        (lambda: check.gradients(lambda x: x.numpy(force=True), pellucid.ones(2)), TypeError, "grad=df"),
        (lambda: check.gradients(lambda x: x, pellucid.ones(2), grad=lambda x: x), TypeError, "for functions of NumPy"),
        (lambda: check.gradients(np.square, np.ones(2), grad=lambda x: 2 * x), TypeError, "must return one number"),
        (lambda: check.gradients(np.sum, np.ones(2), grad=np.ones_like, order=2), TypeError, "no second order"),
        (lambda: check.layer(np.sum), TypeError, "two functions"),
        (lambda: check.layer(np.exp, np.exp), TypeError, "example x"),
        (lambda: check.layer(np.exp, np.exp, np.arange(3)), TypeError, r"x\.astype\(float\)"),
        (lambda: check.layer(np.exp, lambda dy, a, b, c: dy, np.ones(3)), TypeError, "what is backward's argument 'a'"),
        (lambda: check.layers("nowhere"), FileNotFoundError, "nowhere"),
        (lambda: gradcheck(lambda x: x, pellucid.ones(2)), ValueError, r"inputs\[0\]\.requires_grad_"),
        (lambda: gradcheck(lambda x: x, pellucid.tensor([1])), ValueError, r"inputs\[0\]\.double\(\)"),
        (lambda: gradcheck(lambda x: 3, pellucid.ones(2, requires_grad=True)), ValueError, "must return a Tensor"),
    ],
)  # fmt: skip
def test_bad_arguments(call: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        call()


def test_float32_is_lifted_and_its_loss_said() -> None:
    x = pellucid.tensor([0.3, 0.7], requires_grad=True)
    with pytest.warns(UserWarning, match="input 0 is float32 and was lifted to float64"):
        assert gradcheck(pellucid.exp, x)
    with pytest.warns(UserWarning, match="lifted"), pytest.raises(GradcheckError):
        gradcheck(functions(pellucid)["Sign"], x)


def test_a_function_that_is_random() -> None:
    entropy = np.random.default_rng
    noisy = check.gradients(lambda x: x.sum() * float(entropy().random()), pellucid.ones(2))
    assert noisy.status == "inconclusive"
    assert "another output each time" in noisy.notes[0]
    with pytest.raises(GradcheckError, match="is it random"):
        gradcheck(lambda x: x * pellucid.rand(2), pellucid.ones(2, dtype=pellucid.float64, requires_grad=True))
    generator = np.random.default_rng(0)  # one that can be set back
    assert check.gradients(lambda x: (x * float(generator.random())).sum(), pellucid.ones(2)).ok
    assert check.gradients(lambda x: pellucid.nn.functional.dropout(x, 0.5), pellucid.ones(9)).ok
    nan = check.gradients(lambda x: x.log(), -pellucid.ones(2))
    assert nan.status == "inconclusive"


def test_outputs_of_any_shape_and_several_of_them() -> None:
    report = check.gradients(lambda x, n: (x.sin(), {"more": [x[0] * n, n]}), (pellucid.tensor(POINT), 3))
    assert report.status == "right"
    assert list(report.tensors) == ["x"]
    assert any("(3, 3), (3,)" in note for note in report.notes)
    marked, plain = pellucid.tensor(POINT, requires_grad=True), pellucid.tensor(POINT)
    assert list(check.gradients(lambda a, b: a * b, (plain, marked)).tensors) == ["b"]


# --- layers -----------------------------------------------------------------------------------------------------------

X = np.random.default_rng(0).normal(size=(4, 3))


def norm(x: Any, gamma: Any, beta: Any) -> Any:
    away = (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-5)
    return gamma * away + beta, (away, x.var(axis=0), gamma)


def norm_back(dy: Any, cache: Any) -> Any:
    away, var, gamma = cache
    d = dy * gamma
    dx = (d - d.mean(axis=0) - away * (d * away).mean(axis=0)) / np.sqrt(var + 1e-5)
    return dx, (dy * away).sum(axis=0), dy.sum(axis=0)


class Linear:
    def __init__(self) -> None:
        self.W, self.b = np.random.default_rng(1).normal(size=(3, 3)), np.zeros(3)

    def forward(self, x: Any) -> Any:
        self.x = x
        return x @ self.W + self.b

    def backward(self, dy: Any) -> Any:
        self.dW, self.db = self.x.T @ dy, dy.sum(axis=0)
        return dy @ self.W.T


class Listed:
    """In the way of books: parameters and gradients in lists."""

    def __init__(self) -> None:
        self.params, self.grads = [np.random.default_rng(1).normal(size=(3, 2))], [np.zeros((3, 2))]

    def forward(self, x: Any) -> Any:
        self.x = x
        return x @ self.params[0]

    def backward(self, dy: Any) -> Any:
        self.grads[0][...] = -self.x.T @ dy
        return dy @ self.params[0].T


@pytest.mark.parametrize(
    ("args", "options", "wrong"),
    [
        ((norm, norm_back, X), {"params": {"gamma": np.ones(3), "beta": np.zeros(3)}}, {}),
        ((Linear(), X), {}, {}),
        ((Linear, X), {}, {}),
        ((Listed(), X), {}, {"params[0]": "sign"}),
        ((np.exp, lambda dy, y: dy * y, X), {}, {}),
        ((np.exp, lambda dy, x: dy, X), {}, {"x": "missing-activation-derivative"}),
        (
            (lambda x, p: x @ p["w"] + p["b"], lambda dy, x, w: {"dx": dy @ w.T, "w": x.T @ dy, "b": dy.mean(0)}, X),
            {"params": {"w": np.ones((3, 2)), "b": np.zeros(2)}},
            {"b": "batch-factor"},
        ),
        ((lambda i, w: w[i], lambda dy, i: {"dw": np.eye(4)[i].T @ dy}, np.array([0, 2, 2])),
         {"params": {"w": np.ones((4, 2))}}, {}),
    ],
)  # fmt: skip
def test_a_layer(args: Any, options: Any, wrong: dict[str, str]) -> None:
    report = check.layer(*args, **options)
    assert {name: diagnosis.mistake for name, diagnosis in report.diagnoses.items()} == wrong, str(report)
    assert report.ok is not wrong or report.status == ("wrong" if wrong else "right")


RELU = "import numpy as np\nx = np.array([[0.5, -1.0], [2.0, -0.3]])\ndef forward(x):\n    return np.maximum(x, 0)\n"
MODEL = "import {0}\nmodel = {0}.nn.Linear(3, 2)\nbatch = {0}.ones(4, 3), {0}.zeros(4, 2)\nloss = {0}.nn.MSELoss()\n"


def test_a_directory_of_layers_and_a_script_with_a_model(tmp_path: Path) -> None:
    (tmp_path / "layers").mkdir()
    files = {
        "layers/a_relu.py": RELU + "def backward(dy, x):\n    return dy * (x > 0)\n",
        "layers/b_relu.py": RELU + "def backward(dy, x):\n    return dy * 1.0\n",
        "layers/c_relu.py": RELU + "def backward(dy, x):\n    return -dy * (x > 0)\n",
        "layers/data.py": "N = 3\n", "layers/_private.py": "raise ValueError\n",
        "ours.py": MODEL.format("pellucid"), "theirs.py": MODEL.format("torch"),
    }  # fmt: skip
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    run = CliRunner()
    found = run.invoke(app, ["check", str(tmp_path / "layers"), "--json", str(tmp_path / "r.json")])
    assert found.exit_code == 1
    assert "The first wrong layer is b_relu (2 of 3 are wrong)." in found.output
    record = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert [(row["name"], row["mistake"]) for row in record["tensors"]] == [
        ("a_relu/x", None), ("b_relu/x", "missing-activation-derivative"), ("c_relu/x", "sign"),
    ]  # fmt: skip
    for name in ("ours.py", "theirs.py"):
        found = run.invoke(app, ["check", str(tmp_path / name)])
        assert found.exit_code == 0, found.output
        assert "weight" in found.output
    (tmp_path / "bad.py").write_text("import pellucid\nmodel = pellucid.nn.Linear(3, 2)\n", encoding="utf-8")
    assert run.invoke(app, ["check", str(tmp_path / "bad.py")]).exit_code not in (0, 1)


def test_what_is_not_a_layer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data.py").write_text("N = 3\n", encoding="utf-8")
    with pytest.raises(FileNotFoundError, match="example x"):
        check.layers(tmp_path)
    with pytest.raises(TypeError, match="3 gradients for x"):
        check.layer(np.exp, lambda dy: (dy, dy, dy), X)
    with pytest.raises(TypeError, match="two functions"):
        check.layer(SimpleNamespace(), X)
