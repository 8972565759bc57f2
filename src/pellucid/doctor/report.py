"""What the doctor hands over: a verdict and the findings behind it, shown as text, as JSON, as a page."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pellucid.doctor.finding import Examined, Finding
from pellucid.doctor.page import fragment, save
from pellucid.doctor.text import as_text


class Report(Examined):
    """The whole examination: `print(report)` shows it in a terminal, and a notebook shows the page by itself."""

    def __repr__(self) -> str:
        return as_text(self)

    def _repr_html_(self) -> str:
        return fragment(self)

    def to_json(self) -> str:
        return json.dumps(_plain(asdict(self)), indent=1, allow_nan=False)

    def save(self, path: str | Path) -> None:
        """Write it: as a page where the name ends in `.html`, as JSON otherwise."""
        if Path(path).suffix in (".html", ".htm"):
            save(self, path)
        else:
            Path(path).write_text(self.to_json() + "\n", encoding="utf-8")

    @classmethod
    def from_json(cls, text: str) -> Report:
        data = json.loads(text)
        data["findings"] = [Finding(**finding) for finding in data["findings"]]
        return cls(**data)

    @property
    def exit_code(self) -> int:
        """0: healthy; 1: faults; 2: the program could not be run to its training; 3: it could not be told."""
        if self.status == "inconclusive":
            return 2 if "error" in self.facts else 3
        return 1 if self.status == "faults" else 0


def _plain(value: Any) -> Any:
    """Only what JSON knows: numbers that are not finite become None."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bool) or value is None or isinstance(value, str | int):
        return value
    number = float(value)
    return number if abs(number) < float("inf") else None  # a comparison with nan is False
