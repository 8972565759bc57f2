"""Where in the user's program something was said."""

from __future__ import annotations

from pellucid.errors import user_frame

from .record import Place


def place() -> Place | None:
    """File and line of the user's, where this was called from."""
    frame = user_frame()
    return (frame.f_code.co_filename, frame.f_lineno) if frame is not None else None


def is_own(kind: type) -> bool:
    """Whether a class is pellucid's own, which for a program of PyTorch's says that it is torch's."""
    return kind.__module__.startswith(("pellucid.", "torch."))
