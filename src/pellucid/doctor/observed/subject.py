"""The process in which a program that trains with pellucid runs: `python -m pellucid.doctor.observed.subject ASKED`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from pellucid.bridge import as_torch
from pellucid.doctor import subject as by_hand
from pellucid.doctor.process.endings import end_process
from pellucid.doctor.process.program import silence
from pellucid.doctor.progress import NO_BACKWARD
from pellucid.doctor.sources import as_if

from .examination import report_on
from .laboratory import ScriptLaboratory


def main() -> None:
    """Examine the script that is named in the first argument, a JSON object, and write the report."""
    asked: dict[str, Any] = json.loads(sys.argv[1])
    started = time.monotonic()
    silence()
    # The time that it took to come here, as on a machine that has other work, is part of what there is.
    deadline = min(started + float(asked["budget"]) * 0.9, float(asked["until"]) - 2.0)
    laboratory = ScriptLaboratory(
        deadline, Path(asked["script"]).resolve(), list(asked["args"]), loss=asked["loss"] or ""
    )
    laboratory.ends = float(asked["until"])
    for path, text in asked["changed"].items():
        as_if(text, Path(path))
    report = report_on(laboratory)
    if report.reason == NO_BACKWARD:
        sys.argv[1] = json.dumps({**asked, "budget": deadline - time.monotonic(), "framework": True})
        with as_torch():
            by_hand.main()  # which ends the process
    report.seconds = time.monotonic() - started
    if laboratory.alone > 0:
        report.overhead = report.seconds / laboratory.alone
    Path(asked["out"]).write_text(report.to_json(), encoding="utf-8")
    sys.stdout.flush()
    end_process(0)


if __name__ == "__main__":
    main()
