"""Reductions and their kin as a program writes them: every form of call, empty and 0-d tensors, NaN, and the errors."""

import math
import warnings
from typing import Any

import numpy as np
import pytest
import torch

import pellucid

ARRAYS = {
    "x": np.array([[1.0, np.nan, 3.0], [4.0, 4.0, 2.0]], np.float32),
    "f": np.array([[3.0, 1.0, 2.0], [1.0, 1.0, 5.0]], np.float32),
    "y": np.array([[3, 1, 2], [1, 1, 5]]),
    "b": np.array([True, False]),
    "e": np.zeros((0, 3), np.float32),
    "s": np.array(2.5, np.float32),
    "c": np.arange(24, dtype=np.float32).reshape(2, 3, 4) % 7,
    "r": np.ones(3, np.float32),
}


def evaluate(code: str, library: Any) -> Any:
    names = {name: library.from_numpy(array.copy()) for name, array in ARRAYS.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return eval(code, {"T": library, "F": library.nn.functional, "inf": float("inf"), **names})  # noqa: S307


def parts(result: Any) -> list[Any]:
    return list(result) if isinstance(result, tuple) else [result]


SAME = """
x.max(); x.max(1); x.min(0); x.max(dim=1, keepdim=True); y.max(y * 2); T.max(y, y * 2); T.max(y, 1); T.min(y, other=-y)
x.argmax(); x.argmin(1); y.argmax(1); s.argmax(); s.max(0); T.aminmax(y); T.aminmax(x, dim=1, keepdim=True)
x.amax(1); f.amax(dim=(0, 1)); f.amin(); y.sum(); y.sum(0, True); y.sum(None); T.sum(y, dim=[0, 1]); b.sum(); s.sum(0)
e.sum(); e.sum(0); e.prod(); e.prod(0); e.mean(); e.any(); e.all(); y.sum(dtype=T.float32); y.float().half().sum()
x.nansum(1); x.nanmean(1); x.nanmean(); y.prod(1); y.count_nonzero(1); b.any(); b.all(); f.mean((0, 1), keepdim=True)
f.std(); f.std(0); f.std(0, False); f.var(unbiased=False); T.var(f, False); x.std(0, True, True); s.std(); s.var()
f.std(dim=[0, 1], correction=0); T.std_mean(f, 1); T.var_mean(f); T.var_mean(f, dim=0, correction=2, keepdim=True)
f.norm(); f.norm(1, dim=0); f.norm(2, -1, True); f.norm(p=inf); f.norm("fro", dim=1); f.norm(0); s.norm()
T.linalg.norm(f); T.linalg.norm(f, 1); T.linalg.norm(f, inf, keepdim=True); T.linalg.norm(f, dim=1); T.linalg.norm(r, 3)
T.linalg.matrix_norm(f); T.linalg.matrix_norm(c, -1, (0, 2)); T.linalg.vector_norm(c, 1.5, (0, 2)); T.dist(f, -f, 1)
x.median(); x.median(1); x.nanmedian(); x.nanmedian(1); f.median(0, True); f.quantile(0.3, dim=1); f.quantile(0.5)
f.quantile(T.tensor([0.1, 0.9]), 1, True, interpolation="nearest"); x.nanquantile(0.5, dim=0); x.quantile(0.5, 1)
f.sort(1, True); s.sort(); x.sort(descending=True); f.msort(); f.argsort(stable=True); f.topk(2); f.topk(1, 0, False)
y.mode(); s.kthvalue(1); c.kthvalue(2, dim=2, keepdim=True).values; f.logsumexp(1); T.logsumexp(f, (0, 1))
e.logsumexp(0); b.cumsum(0); y.cumsum(1); y.cumprod(1); y.cummax(1); x.cummin(1); f.logcumsumexp(1); y.diff(); b.diff()
f.diff(n=2); f.diff(dim=0, prepend=f[:1], append=f[:1]); T.trapezoid(f); T.trapezoid(f, dx=2.0, dim=0)
T.trapezoid(f, f[0]); T.cumulative_trapezoid(f, f); T.bincount(y.reshape(-1)); T.histc(f, bins=4); T.histogram(f, 3)
T.cdist(f, f, 1.0); f.renorm(2, 0, 1.0); f.softmax(-1); f.log_softmax(0); y.softmax(1, dtype=T.float64); s.softmax(0)
e.softmax(1)
F.cosine_similarity(f, -f, dim=1); F.pairwise_distance(f, f + 1, p=1, keepdim=True); F.normalize(f, p=1.0, dim=0)
F.cross_entropy(f, T.tensor([0, -100])); F.cross_entropy(f, T.tensor([-100, -100])); F.cross_entropy(f[0], T.tensor(1))
F.cross_entropy(f, f.softmax(1), weight=f[0], label_smoothing=0.1); F.cross_entropy(f, f.softmax(1), reduction="none")
F.cross_entropy(f, T.tensor([0, 1]), size_average=False); F.nll_loss(f, T.tensor([2, 0]), f[0], reduction="none")
F.binary_cross_entropy(f / 5, f / 6, f); F.layer_norm(c, (3, 4)); F.layer_norm(c, [4], f.new_ones(4), f.new_ones(4) * 2)
F.rms_norm(c, (4,)); F.group_norm(c, 3); F.batch_norm(c, None, None, r, r, True); F.instance_norm(c, weight=r)
F.batch_norm(c, r, 2 * r, r, None); F.batch_norm(e, r, r, training=True)
F.instance_norm(c, r, r, use_input_stats=False)
"""


@pytest.mark.parametrize("code", [code.strip() for line in SAME.strip().split("\n") for code in line.split("; ")])
def test_same_as_in_torch(code: str) -> None:
    expected, got = parts(evaluate(code, torch)), parts(evaluate(code, pellucid))
    assert len(got) == len(expected)
    for tensor, other in zip(got, expected, strict=True):
        assert tensor.dtype.name == str(other.dtype).removeprefix("torch.")
        np.testing.assert_allclose(tensor.numpy(), other.numpy(), rtol=2e-6, atol=1e-6, strict=True)


# code, what the message must say
ERRORS = {
    "e.max()": "specify", "e.max(0)": "non-zero size", "e.amin()": "specify", "e.amax(0)": "non-zero size",
    "e.argmax()": "specify", "e.argmin(0)": "non-zero size", "e.median(0)": "non-zero size", "x.sum(5)": "out of range",
    "x.max(3)": "out of range", "x.sum((0, 0))": "multiple times", "y.mean()": ".float()", "y.std()": ".float()",
    "y.norm()": ".float()", "y.softmax(1)": ".float()", "f.topk(9)": "k = 9", "f.kthvalue(4)": "k = 4",
    "y.logcumsumexp(0)": ".float()", "f.quantile(1.5)": r"\[0, 1\]", "e.quantile(0.5)": "non-empty",
    "f.quantile(0.5, interpolation='cubic')": "cubic", "f.quantile(T.tensor(0.5, dtype=T.float64))": "same dtype",
    "T.histc(f, bins=0)": "bins", "T.histc(f, min=2, max=1)": "larger", "T.bincount(y)": "1-d", "s.diff()": "one-dim",
    "f.diff(n=-1)": "non-negative", "f.diff(prepend=f[0])": "same dimension", "T.cdist(r, r)": "2D",
    "T.linalg.matrix_norm(r)": "2 dim", "T.linalg.matrix_norm(f, 3)": "3", "T.linalg.norm(c, 2.0)": "3D",
    "f.renorm(0, 0, 1.0)": "p=0", "r.renorm(2, 0, 1.0)": "2 dim",
    "F.cross_entropy(f, T.tensor([0, 3]))": "Target 3", "F.cross_entropy(f, T.tensor([0, -1]))": "Target -1",
    "F.cross_entropy(f, T.tensor([0, 1, 2]))": r"batch_size \(2\)", "F.cross_entropy(f, T.tensor([0.0, 1.0]))": "long",
    "F.cross_entropy(f, T.tensor([0, 1]), reduction='most')": "most",
    "F.cross_entropy(f, T.tensor([0, 1]), f[0, :2])": "all 3 classes", "F.cross_entropy(s, T.tensor(0))": "0-d",
    "F.cross_entropy(f, T.tensor([0, 1]), label_smoothing=2.0)": "between", "F.binary_cross_entropy(f, f)": "sigmoid",
    "F.binary_cross_entropy(f, r)": "size", "F.layer_norm(c, (3,))": r"\[2, 3, 4\]", "F.layer_norm(c, ())": "1-dim",
    "F.layer_norm(c, (4,), r)": "same shape", "F.group_norm(c, 2)": "num_groups=2",
    "F.batch_norm(c, None, None)": "running",
    "F.batch_norm(f[:1], None, None, training=True)": "more than 1", "F.batch_norm(c, f[0, :2], r)": "3 elements not 2",
}  # fmt: skip


@pytest.mark.parametrize("code", ERRORS)
def test_errors_are_of_torch_and_teach(code: str) -> None:
    with pytest.raises(Exception) as theirs:
        evaluate(code, torch)
    with pytest.raises(type(theirs.value), match=f"(?i){ERRORS[code]}"):
        evaluate(code, pellucid)


def test_results_are_named() -> None:
    found = pellucid.tensor([[1.0, 5.0], [7.0, 2.0]]).max(1)
    assert found.indices.tolist() == found[1].tolist() == [1, 0]
    assert repr(found) == "torch.return_types.max(\nvalues=tensor([5., 7.]),\nindices=tensor([1, 0]))"


def test_no_degrees_of_freedom_warns() -> None:
    with pytest.warns(UserWarning, match="degrees of freedom"):
        assert pellucid.ones(1).std().isnan()


@pytest.mark.parametrize("norm", ["batch_norm", "instance_norm"])
def test_running_statistics(norm: str) -> None:
    """The running mean and the unbiased running variance after two batches."""
    ours, theirs = ([library.zeros(3), library.ones(3)] for library in (pellucid, torch))
    for shift in (0.0, 1.5):
        batch = (ARRAYS["c"] + shift) ** 2
        for library, running in ((pellucid, ours), (torch, theirs)):
            how = {"training": True} if norm == "batch_norm" else {"use_input_stats": True}
            getattr(library.nn.functional, norm)(library.from_numpy(batch.copy()), *running, momentum=0.3, **how)
    for tensor, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(tensor.numpy(), other.numpy(), rtol=1e-6)


def test_long_float32_sums_stay_exact_enough() -> None:
    """Adding 100,000 rows one by one in float32 would lose three digits."""
    numbers = np.random.default_rng(0).random((100_000, 8), np.float32)
    exact = numbers.astype(np.float64)
    for dim in (0, 1, None):
        found = pellucid.from_numpy(numbers).sum(dim).numpy()
        np.testing.assert_allclose(found, exact.sum(dim), rtol=1e-6)


@pytest.mark.parametrize("shape", [(2048, 512), (512, 2048), (3, 300_000), (300_000, 3), (5000, 64)], ids=str)
@pytest.mark.parametrize("dim", [0, 1])
def test_a_large_matrix_is_summed_without_threads_of_blas(
    dim: int, shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would spin for a while after it, against our own. The sums are those of float64."""
    backend = pellucid.backend.NUMPY.xp
    sizes: list[int] = []

    def matmul(a: Any, b: Any, **options: Any) -> Any:
        sizes.append(math.prod((a if dim else b).shape[-2:]))
        return np.matmul(a, b, **options)

    monkeypatch.setattr(backend, "matmul", matmul)
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    found = pellucid.from_numpy(x).sum(dim).numpy()
    np.testing.assert_allclose(found, x.astype(np.float64).sum(dim), atol=2e-3)
    assert all(size <= 1 << 19 for size in sizes)


@pytest.mark.parametrize("kind", ["numbers", "equals", "not a number", "infinite", "integers"])
@pytest.mark.parametrize(("shape", "dim"), [((7, 300), -1), ((370, 3), 0), ((4, 264, 5), 1), ((1000,), 0)], ids=str)
def test_the_largest_few_are_those_that_sorting_gives(kind: str, shape: tuple[int, ...], dim: int) -> None:
    """Long rows are not sorted for it."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape).astype(np.float32)
    if kind in ("equals", "infinite"):
        x = np.round(x)
    if kind == "infinite":
        x[rng.random(shape) < 0.2], x[rng.random(shape) < 0.1] = -np.inf, np.inf
    if kind == "not a number":
        x[rng.random(shape) < 0.05] = np.nan
    if kind == "integers":
        x = rng.integers(0, 6, shape)
    given = pellucid.from_numpy(x)
    for largest in (True, False):
        values, places = given.sort(dim=dim, descending=largest)
        for k in (1, 3, 8):
            found = given.topk(k, dim=dim, largest=largest)
            assert pellucid.equal(found.indices, places.narrow(dim, 0, k))
            np.testing.assert_array_equal(found.values.numpy(), values.narrow(dim, 0, k).numpy())
