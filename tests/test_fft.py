"""`pellucid.fft`, `stft`, `istft` and windows beside PyTorch's: values, gradients to second order, refusals."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import pellucid

RANDOM = np.random.default_rng(0)
REAL = RANDOM.normal(size=(3, 4, 6))
COMPLEX = REAL + 1j * RANDOM.normal(size=(3, 4, 6))

TO_COMPLEX = ("fft", "ifft", "fft2", "ifft2", "fftn", "ifftn")
FROM_REAL = ("rfft", "rfft2", "rfftn", "ihfft", "ihfft2", "ihfftn")
TO_REAL = ("irfft", "irfft2", "irfftn", "hfft", "hfft2", "hfftn")


def ways(name: str) -> list[dict[str, Any]]:
    """Arguments that each function of one, of two and of n dimensions takes."""
    if name.endswith("2"):
        return [{}, {"s": (3, 7)}, {"dim": (0, 2)}, {"norm": "ortho"}, {"s": (5, -1), "norm": "forward"}]
    if name.endswith("n"):
        return [{}, {"s": (3, 7)}, {"dim": (2, 0)}, {"dim": (1,), "norm": "ortho"}, {"s": (2, 5), "dim": (0, 1)}]
    return [{}, {"n": 4}, {"n": 9}, {"dim": 0}, {"dim": 1, "norm": "ortho"}, {"norm": "forward", "n": 5}]


CASES = [(name, how) for name in (*TO_COMPLEX, *FROM_REAL, *TO_REAL) for how in ways(name)]


@pytest.mark.parametrize(("name", "how"), CASES, ids=[f"{name}-{i}" for i, (name, _) in enumerate(CASES)])
def test_transforms(name: str, how: dict[str, Any]) -> None:
    inputs = [REAL] if name in FROM_REAL else [COMPLEX, REAL]
    for array in inputs:
        found = []
        for library in (pellucid, torch):
            x = library.tensor(array).requires_grad_()
            out = getattr(library.fft, name)(x, **how)
            weight = library.tensor(np.random.default_rng(1).normal(size=tuple(out.shape)))
            (first,) = library.autograd.grad((out * weight).abs().square().sum(), x, create_graph=True)
            (second,) = library.autograd.grad(first.abs().square().sum(), x)
            found.append([out, first, second])
        for ours, theirs in zip(*found, strict=True):
            assert str(ours.dtype) == str(theirs.dtype)
            assert tuple(ours.shape) == tuple(theirs.shape)
            expected = theirs.detach().resolve_conj().numpy()
            np.testing.assert_allclose(ours.detach().numpy(), expected, rtol=1e-9, atol=1e-9)


SAME: list[Callable[..., Any]] = [
    lambda t: t.fft.fft(t.ones(4)),
    lambda t: t.fft.rfft(t.arange(5)),
    lambda t: t.fft.fft(t.tensor([True, False])),
    lambda t: t.fft.irfft(t.ones(3, dtype=t.complex64)),
    lambda t: t.fft.fftfreq(5, 0.5),
    lambda t: t.fft.fftfreq(6, dtype=t.float64),
    lambda t: t.fft.rfftfreq(7, 2.0),
    lambda t: t.fft.fftshift(t.arange(5)),
    lambda t: t.fft.ifftshift(t.arange(12).reshape(3, 4)),
    lambda t: t.fft.fftshift(t.arange(12).reshape(3, 4), dim=1),
    lambda t: t.hann_window(7),
    lambda t: t.hann_window(7, periodic=False, dtype=t.float64),
    lambda t: t.hamming_window(6),
    lambda t: t.blackman_window(6, False),
    lambda t: t.bartlett_window(5),
    lambda t: t.kaiser_window(8, False, 6.0),
    lambda t: t.hann_window(1),
    lambda t: t.hann_window(0),
    *[lambda t, w=w, s=s: getattr(t.signal.windows, w)(9, sym=s)
      for w in ("hann", "hamming", "general_hamming", "blackman", "nuttall", "bartlett", "cosine", "exponential",
                "gaussian", "kaiser") for s in (True, False)],
    lambda t: t.signal.windows.general_cosine(6, a=[0.5, 0.3, 0.2]),
    lambda t: t.stft(t.arange(20.0), 8, return_complex=True),
    lambda t: t.stft(t.arange(40.0).reshape(2, 20), 8, 3, 6, t.hann_window(6), return_complex=True),
    lambda t: t.stft(t.arange(20.0), 8, center=False, normalized=True, onesided=False, return_complex=True),
    lambda t: t.stft(t.arange(20.0), 8, pad_mode="constant", return_complex=False),
    lambda t: t.arange(20.0).stft(8, return_complex=True),
    lambda t: t.istft(t.stft(t.arange(20.0), 8, 2, window=t.hann_window(8), return_complex=True), 8, 2,
                      window=t.hann_window(8), length=20),
    lambda t: t.istft(t.stft(t.arange(40.0).reshape(2, 20), 8, return_complex=True), 8),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::UserWarning")  # PyTorch's of a missing window
@pytest.mark.parametrize("index", range(len(SAME)))
def test_is_what_pytorch_returns(index: int) -> None:
    ours, theirs = SAME[index](pellucid), SAME[index](torch)
    assert str(ours.dtype) == str(theirs.dtype)
    assert tuple(ours.shape) == tuple(theirs.shape)
    np.testing.assert_allclose(ours.numpy(), theirs.resolve_conj().numpy(), rtol=1e-4, atol=2e-5)


REFUSED: list[Callable[..., Any]] = [
    lambda t: t.fft.fft(t.ones(3), n=0),
    lambda t: t.fft.fft(t.ones(3), norm="other"),
    lambda t: t.fft.fft(t.ones(3), dim=2),
    lambda t: t.fft.fft(t.tensor(1.0)),
    lambda t: t.fft.rfft(t.ones(3, dtype=t.complex64)),
    lambda t: t.fft.ihfft(t.ones(3, dtype=t.complex64)),
    lambda t: t.fft.fftn(t.ones(3, 3), dim=(0, 0)),
    lambda t: t.fft.fftn(t.ones(3, 3), s=(2,), dim=(0, 1)),
    lambda t: t.fft.fftn(t.ones(3), s=(2, 2)),
    lambda t: t.fft.irfft(t.ones(1, dtype=t.complex64)),
    lambda t: t.fft.fft(t.ones(3, dtype=t.float16)),
    lambda t: t.hann_window(-1),
    lambda t: t.hann_window(3, dtype=t.int64),
    lambda t: t.stft(t.ones(20), 8),
    lambda t: t.stft(t.ones(2, 2, 20), 8, return_complex=True),
    lambda t: t.stft(t.ones(20), 8, hop_length=0, return_complex=True),
    lambda t: t.stft(t.ones(20), 8, win_length=9, return_complex=True),
    lambda t: t.stft(t.ones(20), 8, window=t.ones(5), return_complex=True),
    lambda t: t.istft(t.ones(5, 3), 8),
    lambda t: t.istft(t.ones(4, 3, dtype=t.complex64), 8),
    lambda t: t.signal.windows.gaussian(4, std=-1.0),
    lambda t: t.signal.windows.hann(-1),
]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("index", range(len(REFUSED)))
def test_refuses_what_pytorch_refuses(index: int) -> None:
    with pytest.raises((RuntimeError, IndexError, ValueError, TypeError)) as theirs:
        REFUSED[index](torch)
    with pytest.raises((RuntimeError, IndexError, ValueError, TypeError)) as ours:
        REFUSED[index](pellucid)
    assert isinstance(ours.value, type(theirs.value)) or issubclass(type(theirs.value), type(ours.value))


def test_of_no_vectors_there_are_no_spectra() -> None:
    """PyTorch's library refuses it, by its own error."""
    assert pellucid.fft.fft(pellucid.ones(2, 0, 3)).shape == (2, 0, 3)
    assert pellucid.fft.rfft(pellucid.ones(2, 0, 4)).shape == (2, 0, 3)
    assert pellucid.fft.irfft(pellucid.ones(2, 0, 3, dtype=pellucid.complex64)).shape == (2, 0, 4)


def test_istft_undoes_stft_with_gradients() -> None:
    found = []
    for library in (pellucid, torch):
        x = library.tensor(REAL.ravel()[:40]).requires_grad_()
        window = library.hann_window(8, dtype=library.float64)
        spectrum = library.stft(x, 8, 2, window=window, return_complex=True)
        back = library.istft(spectrum, 8, 2, window=window, length=40)
        np.testing.assert_allclose(back.detach().numpy(), REAL.ravel()[:40], atol=1e-10)
        (spectrum.abs().square().sum() + (back * back * back).sum()).backward()
        found.append(x.grad.numpy())
    np.testing.assert_allclose(found[0], found[1], rtol=1e-9, atol=1e-9)
