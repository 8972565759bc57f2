"""The process in which a program that trains with pellucid runs: `python -m pellucid.doctor.observed.subject ASKED`."""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from pellucid.doctor.process.program import silence
from pellucid.doctor.report import Report

from .examination import examine
from .laboratory import Laboratory


def main() -> None:
    """Examine the script that is named in the first argument, a JSON object, and write the report."""
    asked: dict[str, Any] = json.loads(sys.argv[1])
    started = time.monotonic()
    silence()
    deadline = started + float(asked["budget"]) * 0.9
    laboratory = Laboratory(Path(asked["script"]).resolve(), list(asked["args"]), deadline)
    try:
        report = examine(laboratory)
    except Exception as error:  # noqa: BLE001 (an error of our own must not look like one of the user's program)
        at = traceback.extract_tb(error.__traceback__)[-1]
        shown = "".join(traceback.format_exception_only(error)).strip()
        reason = f"The doctor itself failed, which is a mistake of pellucid: {shown} ({at.filename}:{at.lineno})"
        report = Report("inconclusive", reason=reason)
    report.seconds = time.monotonic() - started
    Path(asked["out"]).write_text(report.to_json(), encoding="utf-8")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
