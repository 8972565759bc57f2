"""Transforms of short windows that move along a signal, and back (`stft`, `istft`)."""

from __future__ import annotations

from typing import Any

from pellucid.core import Tensor, called
from pellucid.declare import TABLE, function
from pellucid.errors import with_line

from .fourier import fourier, from_half_spectrum, half_spectrum, numbers_of, resized
from .node_names import frames


def _window(name: str, window: Any, win_length: int, n_fft: int, like: Any) -> Any:
    """The window in the middle of `n_fft` numbers, ones if none is given."""
    if window is None:
        window = TABLE["full"](size=(win_length,), fill_value=1, dtype=like.dtype.to_real())
    if window.ndim != 1 or window.shape[0] != win_length:
        raise RuntimeError(
            with_line(
                f"{name}: expected a 1D window tensor of size equal to win_length={win_length}, but got window with "
                f"size {list(window.shape)}"
            )
        )
    left = (n_fft - win_length) // 2
    if win_length == n_fft:
        return window
    return TABLE["part_embed"](window, shape=(n_fft,), key=(slice(left, left + win_length),))


def _hop(name: str, n_fft: int, hop_length: int | None, win_length: int | None) -> tuple[int, int]:
    hop = n_fft // 4 if hop_length is None else hop_length
    length = n_fft if win_length is None else win_length
    if hop <= 0:
        raise RuntimeError(with_line(f"{name}: expected hop_length > 0, but got hop_length={hop}"))
    if not 0 < length <= n_fft:
        raise RuntimeError(with_line(f"{name}: expected 0 < win_length <= n_fft, but got win_length={length}"))
    return hop, length


@function()
@called(frames)
def stft(
    input: Tensor, n_fft: int, hop_length: int | None = None, win_length: int | None = None, window: Any = None,
    center: bool = True, pad_mode: str = "reflect", normalized: bool = False, onesided: bool | None = None,
    return_complex: bool | None = None, align_to_window: bool | None = None,
) -> Tensor:  # fmt: skip
    """The transforms of windows of `n_fft` numbers, `hop_length` (n_fft // 4) apart: (…, length) -> (…, bins, frames).

    With `center` the windows are around each place, and the signal is continued by `pad_mode`. `return_complex=False`
    gives pairs of real numbers. Real signals give half a spectrum unless `onesided` is False.
    """
    name, signal = "stft", numbers_of("stft", input, None)
    hop, length = _hop(name, n_fft, hop_length, win_length)
    if input.ndim not in (1, 2):
        raise RuntimeError(with_line(f"{name}: expected a 1D or 2D tensor, got {input.ndim}D"))
    is_complex = signal.is_complex() or (window is not None and window.is_complex())
    if return_complex is None:
        if not is_complex:
            raise RuntimeError(with_line("stft requires the return_complex parameter be given for real inputs"))
        return_complex = True
    batched = signal if signal.ndim == 2 else signal[None]
    if center:
        batched = _continued(batched, n_fft // 2, pad_mode)
    if not 0 < n_fft <= batched.shape[-1]:
        raise RuntimeError(with_line(f"{name}: expected 0 < n_fft <= {batched.shape[-1]}, but got n_fft={n_fft}"))
    frames = batched.unfold(-1, n_fft, hop)  # (batch, frames, n_fft)
    if window is not None or length < n_fft:
        frames = frames * _window(name, window, length, n_fft, signal)
    onesided = not is_complex if onesided is None else onesided
    if onesided and is_complex:
        raise RuntimeError(with_line("Cannot have onesided output if window or input is complex"))
    norm = "ortho" if normalized else "backward"
    found: Any
    if onesided:
        found = half_spectrum(frames, dims=(2,), norm=norm)
    else:
        found = fourier(frames.to(frames.dtype.to_complex()), dims=(2,), norm=norm, inverse=False)
    found = found.transpose(1, 2)
    found = found if signal.ndim == 2 else found[0]
    return found if return_complex else TABLE["view_as_real"](found.contiguous())


def _continued(batched: Any, by: int, mode: str) -> Any:
    from .padding import pad_indices

    if not by:
        return batched
    if mode == "constant":
        return TABLE["constant_pad_nd"](batched, pad=(by, by))
    if mode == "reflect" and by >= batched.shape[-1]:
        raise RuntimeError(
            with_line(
                f"Argument #4: Padding size should be less than the corresponding input dimension, but got: padding "
                f"({by}, {by}) at dimension 2 of input {list(batched.shape)}"
            )
        )
    index = pad_indices(length=batched.shape[-1], before=by, after=by, mode=mode)
    return TABLE["index_select"](batched, index, dim=1)


@function()
def istft(
    input: Tensor, n_fft: int, hop_length: int | None = None, win_length: int | None = None, window: Any = None,
    center: bool = True, normalized: bool = False, onesided: bool | None = None, length: int | None = None,
    return_complex: bool = False,
) -> Tensor:  # fmt: skip
    """The signal of which `input` is the `stft`: the windows added up, over the sum of the squares of `window`."""
    name = "istft"
    hop, window_length = _hop(name, n_fft, hop_length, win_length)
    spectrum: Any = input
    if not spectrum.is_complex():
        raise RuntimeError(with_line("istft requires a complex-valued input tensor matching the output from stft with "
                                     "return_complex=True."))  # fmt: skip
    if spectrum.ndim not in (2, 3) or not spectrum.numel():
        raise RuntimeError(with_line(f"{name}: expected a tensor with 2 or 3 dimensions, got {tuple(input.shape)}"))
    batched = spectrum if spectrum.ndim == 3 else spectrum[None]
    onesided = (batched.shape[1] != n_fft) if onesided is None else onesided
    bins = n_fft // 2 + 1 if onesided else n_fft
    if batched.shape[1] != bins:
        raise RuntimeError(
            with_line(f"{name}: expected {bins} frequencies (onesided={onesided}), but got {batched.shape[1]}")
        )
    if hop > window_length:
        raise RuntimeError(with_line(f"{name}: expected 0 < hop_length <= win_length, got {hop} and {window_length}"))
    norm = "ortho" if normalized else "backward"
    frames = batched.transpose(1, 2)  # (batch, frames, bins)
    found: Any
    if return_complex:
        if onesided:
            raise RuntimeError(with_line("cannot have onesided output if window or input is complex"))
        found = fourier(frames, dims=(2,), norm=norm, inverse=True)
    else:
        frames = frames if onesided else frames[..., : n_fft // 2 + 1]
        found = from_half_spectrum(frames, dims=(2,), n=n_fft, norm=norm)
    shape = _window(name, window, window_length, n_fft, found)
    count = found.shape[1]
    total = n_fft + hop * (count - 1)
    signal = _overlapped(found * shape, total, hop)
    weight = _overlapped((shape * shape).expand(1, count, n_fft), total, hop)
    start = n_fft // 2 if center else 0
    end = start + length if length is not None else total - n_fft // 2 if center else total
    taken = min(end, total)
    signal, weight = signal[:, start:taken], weight[:, start:taken]
    if bool((weight.detach().abs() < 1e-11).any()):
        raise RuntimeError(
            with_line("window overlap add min: 1: the window leaves parts of the signal out; write center=True")
        )
    signal = signal / weight
    if end > taken:
        signal = resized(signal, (1,), [end - start])
    return signal if spectrum.ndim == 3 else signal[0]


def _overlapped(frames: Any, total: int, hop: int) -> Any:
    """(batch, frames, n) added up at places `hop` apart: (batch, total)."""
    shape = (frames.shape[0], total)
    return TABLE["windows_add"](frames, shape=shape, dimension=1, size=frames.shape[-1], step=hop)
