"""`torch.hub`: nothing is fetched, so each call that would fetch something is refused."""

from __future__ import annotations

import os
import re
from typing import Any, NoReturn
from urllib.parse import urlparse

__all__ = ["download_url_to_file", "get_dir", "load", "load_state_dict_from_url", "set_dir"]

HASH_REGEX = re.compile(r"-([a-f0-9]*)\.")  # what a file's name says of its content

_dir: list[str] = []


def get_dir() -> str:
    """Where PyTorch keeps what it fetched: $TORCH_HOME/hub, by default ~/.cache/torch/hub."""
    home = os.environ.get("TORCH_HOME", os.path.join(os.environ.get("XDG_CACHE_HOME", "~/.cache"), "torch"))
    return _dir[-1] if _dir else os.path.join(os.path.expanduser(home), "hub")


def set_dir(d: str | os.PathLike[str]) -> None:
    """Keep another folder."""
    _dir.append(os.path.expanduser(d))


def load_state_dict_from_url(
    url: str, model_dir: str | None = None, map_location: Any = None, progress: bool = True, check_hash: bool = False,
    file_name: str | None = None, weights_only: bool = True,
) -> Any:  # fmt: skip
    """What is at `url`, where it was fetched before: it is read from PyTorch's folder of checkpoints.

    Raises:
        FileNotFoundError: it is not there; the message says where to put it.
    """
    import pellucid

    folder = model_dir or os.path.join(get_dir(), "checkpoints")
    path = os.path.join(folder, file_name or os.path.basename(urlparse(url).path))
    if not os.path.exists(path):
        raise FileNotFoundError(f"pellucid fetches nothing: fetch {url} yourself, and put it at {path}")
    return pellucid.load(path, map_location, weights_only=weights_only)


def download_url_to_file(url: str, dst: str, hash_prefix: str | None = None, progress: bool = True) -> NoReturn:
    """Raises FileNotFoundError: nothing is fetched."""
    raise FileNotFoundError(f"pellucid fetches nothing: fetch {url} yourself, and put it at {dst}")


def load(repo_or_dir: str, model: str, *args: Any, **kwargs: Any) -> NoReturn:
    """Raises NotImplementedError: nothing is fetched and run."""
    raise NotImplementedError(
        f"pellucid fetches nothing: torch.hub.load({repo_or_dir!r}, {model!r}) would fetch a program and run it. "
        "Fetch it yourself, and import its model"
    )
