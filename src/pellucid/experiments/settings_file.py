"""Settings from a TOML file: each key is an option of `pellucid train`, without the dashes before it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, get_type_hints

from pellucid.experiments.config import SETTINGS, Config, Options
from pellucid.experiments.errors import UsageError, unknown
from pellucid.experiments.stored import fits, spoken


def read_settings(path: Path) -> Options:
    """The options that a file gives, by their names in `Config`.

    Raises:
        UsageError: the file is missing or no TOML, a key is no option, or a value is of another type than its option.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "small.toml"
    ...     _ = file.write_text('dataset = "digits"\\nbatch-size = 16\\nlr = 0.01\\n', encoding="utf-8")
    ...     read_settings(file)
    {'dataset': 'digits', 'batch_size': 16, 'lr': 0.01}
    """
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"--config {path}: it cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise UsageError(f"--config {path}: it is not UTF-8 text.") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f'--config {path} is not TOML: {error}. Write lines such as model = "mlp:64".') from None
    hints, options = get_type_hints(Config), {}
    for key, value in found.items():
        name = key.replace("-", "_")
        if isinstance(value, dict):
            raise UsageError(f"--config {path}: [{key}] is a section, where none is known: write its lines without it.")
        if name not in SETTINGS:
            known = [setting.replace("_", "-") for setting in SETTINGS]
            raise unknown(f"key in {path}", key, known)
        if name in options:
            raise UsageError(f"--config {path}: {key} is there twice, with a hyphen and with an underscore.")
        options[name] = _of_type(value, hints[name], f"--config {path}: {key}")
    return options


def _of_type(value: Any, hint: Any, where: str) -> Any:
    """The value as the command line would give it."""
    if hint == tuple[str, ...]:
        value = [value] if isinstance(value, str) else value
    if not fits(value, hint):
        raise UsageError(f"{where} is {value!r}, where {spoken(hint)} was expected.")
    return float(value) if hint is float else value
