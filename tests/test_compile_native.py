"""What a plan runs as machine code: products of matrices, segments of kernels, memory that is used again."""

import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid import kernels, nn, optim
from pellucid.compile import products
from pellucid.compile.segment import Segment
from pellucid.kernels import blas
from pellucid.kernels import products as native
from pellucid.kernels.calling import address

pytest.importorskip("llvmlite", reason="kernels are compiled by llvmlite")


def compiled_whole(function: Any) -> Any:
    """Compiled, where falling back would be an error."""
    compile: Any = pellucid.compile
    return compile(function, fullgraph=True)


SIZES = [(1, 1, 1), (2, 3, 5), (4, 24, 8), (10, 64, 128), (16, 784, 33), (7, 200, 50), (130, 97, 25), (3, 1, 48)]


def laid(array: np.ndarray, turned: bool, apart: int) -> np.ndarray:
    """The same numbers, columns side by side where `turned`, and `apart` numbers more from a row to the next."""
    rows, columns = array.shape[::-1] if turned else array.shape
    room = np.full((rows, columns + apart), np.nan, array.dtype)
    made = room[:, :columns].T if turned else room[:, :columns]
    made[...] = array
    return made


def matrix(array: np.ndarray) -> products.Matrix:
    down, across = (stride // array.itemsize for stride in array.strides)
    return products.Matrix(array.shape, (down, across), address(array))


def run(product: products.Product | None) -> bool:
    if product is None:
        return False
    segment = Segment()
    segment.add(product.call)
    segment.close()
    segment.function(0, 0, address(segment.table))
    return True


@pytest.mark.parametrize("apart", [0, 3])
@pytest.mark.parametrize("turned", [(False, False), (True, False), (False, True), (True, True)], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "size",
    [pytest.param(size, marks=() if size[1] in (3, 784, 200) else pytest.mark.slow, id=str(size)) for size in SIZES],
)
def test_a_product(size: Any, dtype: str, turned: tuple[bool, bool], apart: int) -> None:
    """By our kernels and by BLAS, beside NumPy's; what is between the rows is not read, what is beside not written."""
    m, k, n = size
    rng = np.random.default_rng(0)
    plain = rng.normal(size=(m, k)).astype(dtype), rng.normal(size=(k, n)).astype(dtype)
    a, b = (laid(array, turn, apart) for array, turn in zip(plain, turned, strict=True))
    wanted = plain[0].astype(np.float64) @ plain[1]
    tolerance: Any = {"rtol": 1e-9, "atol": 1e-9} if dtype == "float64" else {"rtol": 1e-4, "atol": 1e-4}
    kind = a.dtype

    def room() -> np.ndarray:
        return np.full((m + 2, n), np.nan, dtype)

    out = room()
    assert run(products.own("", kind, matrix(a), matrix(b), address(out[1:])))
    np.testing.assert_allclose(out[1:-1], wanted, **tolerance)
    assert np.isnan(out[[0, -1]]).all()
    out = room()
    if run(products.by_blas("", kind, matrix(a), matrix(b), address(out[1:]))):
        np.testing.assert_allclose(out[1:-1], wanted, **tolerance)
        assert np.isnan(out[[0, -1]]).all()
    for keeps in (True, False):
        out, weight = room(), room()
        weight[1:-1] = 1
        made = products.own("", kind, matrix(a), matrix(b), address(out[1:]) if keeps else 0, address(weight[1:]), 0.5)
        if run(made):
            np.testing.assert_allclose(weight[1:-1], 1 - 0.5 * wanted, **tolerance)
            assert np.isnan(weight[[0, -1]]).all()
            if keeps:
                np.testing.assert_allclose(out[1:-1], wanted, **tolerance)


def test_the_blas_of_numpy_is_found_where_its_wheel_has_it() -> None:
    config: Any = np.show_config(mode="dicts")
    if config["Build Dependencies"]["blas"]["name"] != "scipy-openblas":
        pytest.skip("NumPy was built with another BLAS")
    assert blas.gemm("float") and blas.gemm("double")
    assert blas.gemm("half") is None


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    before = kernels.get_num_threads()
    yield kernels.set_num_threads
    kernels.set_num_threads(before)


def mlp(batch: int, width: int) -> tuple[Any, Any, Any]:
    pellucid.manual_seed(0)
    model = nn.Sequential(nn.Linear(30, width), nn.ReLU(), nn.Linear(width, 10))
    return model, pellucid.randn(batch, 30), pellucid.randint(0, 10, (batch,))


def trained(optimizer: Any, size: tuple[int, int], after: bool, compiled: bool, steps: int = 8) -> list[Any]:
    """Losses, gradients and weights; the gradients are reset at the end of a step (`after`) or at its beginning."""
    model, x, y = mlp(*size)
    descent = optimizer(model.parameters())

    def step(x: Any, y: Any) -> Any:
        if not after:
            descent.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        descent.step()
        if after:
            descent.zero_grad()
        return loss

    run = compiled_whole(step) if compiled else step
    losses = [run(x, y).item() for _ in range(steps)]
    if compiled:
        text = run.explain()
        plain = isinstance(descent, optim.SGD) and not descent.defaults["momentum"]
        assert ("descend(" in text) == plain
        assert "matmul(m" not in text.partition("what runs:")[2]
    grads = [parameter.grad for parameter in model.parameters()]
    assert all((grad is None) == after for grad in grads)
    return [np.array(losses), *(grad.numpy() for grad in grads if grad is not None), *(
        parameter.detach().numpy() for parameter in model.parameters())]  # fmt: skip


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("size", [(5, 7), (64, 300)], ids=str)
def test_descent_in_the_product_that_makes_the_gradient(
    size: Any, count: int, after: bool, threads: Callable[[int], None]
) -> None:
    threads(count)
    for optimizer in (
        lambda params: optim.SGD(params, lr=0.1),
        lambda params: optim.SGD(params, lr=0.05, momentum=0.9, nesterov=True),
        lambda params: optim.AdamW(params, lr=0.01, amsgrad=False),
    ):
        got, expected = (trained(optimizer, size, after, compiled) for compiled in (True, False))
        for a, b in zip(got, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_a_product_too_large_for_our_kernels_goes_into_the_weight_by_blas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "LARGEST", 0)
    for after in (True, False):
        got, expected = (
            trained(lambda params: optim.SGD(params, lr=0.1), (5, 7), after, each) for each in (True, False)
        )
        for a, b in zip(got, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_a_gradient_that_somebody_kept_is_not_written_to() -> None:
    """Else its memory is used again."""
    model, x, y = mlp(5, 7)
    descent = optim.SGD(model.parameters(), lr=0.1)

    def step() -> Any:
        descent.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        descent.step()
        return loss

    run = compiled_whole(step)
    for _ in range(3):
        run()
    weight = model[0].weight

    def place() -> int:
        return weight.grad.data_ptr()

    first = place()
    run()
    assert place() == first
    for keep in (lambda g: g, lambda g: g.numpy()[1:], lambda g: g.detach().t(), lambda g: memoryview(g.numpy())):
        kept = keep(weight.grad)
        before = np.array(kept)
        run()
        assert np.array_equal(np.array(kept), before)
        assert place() != first
        del kept
        first = place()
        run()
        assert place() == first


def test_a_kernel_that_is_made_while_a_function_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its file is read and written by us, not by the function."""
    monkeypatch.setenv("PELLUCID_CACHE", str(tmp_path))
    kernel = kernels.KERNELS["gelu"]
    run = compiled_whole(nn.functional.gelu)
    for i, rows in enumerate((64, 64, 32, 32)):  # the first call may find what is made once
        if i == 2:
            monkeypatch.setattr(kernel, "_made", {})
        x = pellucid.randn(rows, 64)
        np.testing.assert_allclose(run(x).numpy(), nn.functional.gelu(x).numpy(), rtol=1e-5, atol=1e-6)
    assert kernel._made and run.runs >= 1


def test_the_kernels_are_shown_as_ir_and_as_instructions() -> None:
    run = pellucid.compile(lambda x: (x * 2 + 1).relu().sum(), fullgraph=True)
    for _ in range(2):
        run(pellucid.ones(100, 100))
    plain, ir, instructions = run.explain(), run.explain(ir=True), run.explain(assembly=True)
    assert "define void @" not in plain
    added = ir.removeprefix(plain)
    assert added.lstrip().startswith("; ")  # what a kernel is for
    assert "define void @" in added and "ret void" in added
    assert "define void @" not in instructions and ".globl" in instructions
    assert len(run.explain(ir=True, assembly=True)) > len(ir)


@pytest.mark.parametrize(("kernel", "places"), [(3, 36 * 4 * 4), (5, 25 * 16 * 16)])
def test_it_is_shown_how_a_convolution_is_computed(kernel: int, places: int) -> None:
    model, scale = nn.Conv2d(16, 32, kernel, padding=kernel // 2), nn.Parameter(pellucid.ones(1))

    def step(x: Any) -> Any:
        loss = model(x * scale).square().sum()
        loss.backward()
        return loss

    run = pellucid.compile(step, fullgraph=True)
    for _ in range(2):
        run(pellucid.ones(4, 16, 16, 16))
    calls = re.findall(r"= convolution.*\(xp.*", run.explain().rpartition("what runs:")[2])
    assert len(calls) == 3
    assert all(("  # in tiles of 4 by 4" in call) == (kernel == 3) for call in calls)
    recording = next(iter(run._recordings.values()))[-1]
    operations = [cost.operations for cost in recording.costs() if " = convolution" in cost.name]
    assert operations == [2 * 4 * places * 16 * 32] * 3


def relued(norm: Any, x: Any, past: Any) -> Any:
    return pellucid.relu(norm(x))


def relued_with_past(norm: Any, x: Any, past: Any) -> Any:
    """What is added is made after the normalisation: its running statistics are taken before."""
    out = norm(x)
    return pellucid.relu(out + pellucid.tanh(past))


def bent(norm: Any, x: Any, past: Any) -> Any:
    return pellucid.relu(norm(x) * 2 - past)


def wanted_twice(norm: Any, x: Any, past: Any) -> Any:
    out = norm(x)
    return pellucid.relu(out) + past * out.mean()


NORMS = {
    "images": (lambda: nn.BatchNorm2d(6), (5, 6, 9, 10)),
    "images without weights": (lambda: nn.BatchNorm2d(6, affine=False), (5, 6, 9, 10)),
    "a few numbers": (lambda: nn.BatchNorm2d(3), (2, 3, 2, 2)),  # by NumPy's lines
    "rows": (lambda: nn.LayerNorm(40), (60, 40)),
}


@pytest.mark.parametrize("dtype", [pellucid.float32, pellucid.float64], ids=str)
@pytest.mark.parametrize("kind", NORMS)
@pytest.mark.parametrize(
    ("function", "behind", "in_front"),
    [(relued, True, True), (relued_with_past, True, False), (bent, True, False), (wanted_twice, False, True)],
    ids=lambda value: getattr(value, "__name__", ""),
)  # fmt: skip
@pytest.mark.parametrize("native", [True, False], ids=["kernels", "lines"])
def test_a_loop_becomes_part_of_a_normalisation(
    function: Any, behind: bool, in_front: bool, kind: str, dtype: Any, native: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not native:
        monkeypatch.setattr(kernels.table.Kernel, "function", lambda self, *key: None)
    make, shape = NORMS[kind]
    found: list[list[Any]] = []
    for whole in (False, True):
        pellucid.manual_seed(0)
        norm = make().to(dtype)
        held = [pellucid.randn(shape, dtype=dtype, requires_grad=True) for _ in range(2)]
        weight = pellucid.randn(math.prod(shape[1:]), 3, dtype=dtype) / 30
        optimizer = optim.SGD([*norm.parameters(), *held], lr=0.1, momentum=0.5)

        def step(norm: Any = norm, held: Any = held, weight: Any = weight, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = (function(norm, *(each * 1 for each in held)).flatten(1) @ weight).square().mean()
            loss.backward()
            optimizer.step()
            return loss

        run = compiled_whole(step) if whole else step
        losses = [run().item() for _ in range(4)]
        found.append([losses, *(each.detach().numpy() for each in (*held, *norm.parameters(), *norm.buffers()))])
        if whole:
            after = run.explain().split("after the passes")[1].split("what runs")[0]
            ends = [line for line in after.splitlines() if line.endswith(" with")]
            assert any("layer_norm" in line or "batch_norm" in line for line in ends) == behind
            assert any("normalize_gradients" in line for line in ends) == (in_front and kind != "rows")
    tolerance = 5e-4 if dtype is pellucid.float32 else 1e-10
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(other, one, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("shape", [(40, 50, 70), (2, 3, 70)], ids=str)  # the second by NumPy
def test_a_product_of_what_lies_in_memory_as_a_run_has_it(shape: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    weight = pellucid.randn(70, 60)
    ours: list[bool] = []
    matmul = native.matmul

    def noted(*given: Any, **options: Any) -> Any:
        found = matmul(*given, **options)
        ours.append(found is not None)
        return found

    run = compiled_whole(lambda x: (x.transpose(0, 1).reshape(-1, 70) @ weight).relu())
    x = pellucid.randn(*shape)
    for _ in range(2):
        run(x)
    monkeypatch.setattr(native, "matmul", noted)
    found = run(x)
    wanted = np.maximum(x.numpy().swapaxes(0, 1).reshape(-1, 70) @ weight.numpy(), 0)
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-4, atol=1e-4)
    assert ours == [shape[0] > 2]
