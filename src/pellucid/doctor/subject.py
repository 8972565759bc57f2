"""The process in which the user's program runs: `python -m pellucid.doctor.subject OPTIONS SCRIPT ARGS`.

It prints nothing; the report goes to a file as JSON.
"""

from __future__ import annotations

import gc
import json
import re
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from pellucid.doctor import lifeless, outside, stopped
from pellucid.doctor.conditions.causes import class_numbers
from pellucid.doctor.edits import around
from pellucid.doctor.ended import ended_with
from pellucid.doctor.examination import Options, examine
from pellucid.doctor.finding import place
from pellucid.doctor.notebook import by_cells, is_notebook
from pellucid.doctor.process.caught import CaughtError
from pellucid.doctor.process.child import Lost
from pellucid.doctor.process.clock import OutOfTime, until
from pellucid.doctor.process.controller import Controller, Finished, TrainingSession
from pellucid.doctor.process.endings import end_process
from pellucid.doctor.process.kept import write_out
from pellucid.doctor.process.met import OF_FRAMEWORK, MetFramework, when_met
from pellucid.doctor.process.printed import learns
from pellucid.doctor.process.program import UserProgram, silence
from pellucid.doctor.process.rebound import Rebound, rebound
from pellucid.doctor.progress import LEARNS, NO_BACKWARD, NO_LOOP
from pellucid.doctor.report import Finding, Report
from pellucid.doctor.sources import as_if

# An engine of the program's own makes some ten thousand nodes in a pass: to go through all of them again after each 700
# takes four fifths of the time.
COLLECT = (100_000, 20, 100)
GRACE = 2.0  # seconds beyond the budget, after which the program need not have come to its next pass
ELSEWHERE = (
    "No loop was seen that trains, in the process that was started: the program starts others, and in those nothing is "
    "looked at. Call what they run by itself: train(…) for Process(target=train, args=(…))."
)
WAITS = (
    "A pass of the loop could not be repeated: the program has another thread, and what the loop waits for is done "
    "there, which no fork has. Let the loop do that by itself."
)


def main() -> None:
    """Run the script that is named in the first argument, a JSON object, and write the report."""
    asked: dict[str, Any] = json.loads(sys.argv[1])
    started = time.monotonic()
    deadline = started + float(asked["budget"]) * 0.9
    framework = bool(asked.get("framework"))
    program = UserProgram(Path(asked["script"]), list(asked["args"]))
    for path, text in asked["changed"].items():
        as_if(text, Path(path))
    options = Options(asked.get("loss"), float(asked["budget"]))
    reports: list[Report] = []
    alone: list[float] = []  # seconds that the program ran by itself, without what was looked at in between

    def examined(session: TrainingSession) -> Report:
        alone.append(time.monotonic() - began - controller.scout.spent)
        report = examine(session, options)
        passes, said = session.ended_by
        if said:
            report.reason = f"{report.reason} After {passes} passes: {said}".strip()
        reports.append(report)
        return report

    controller = Controller(program, examined, deadline)
    gc.freeze()
    gc.set_threshold(*COLLECT)
    began = time.monotonic()
    silence()
    error: BaseException | None = None
    threading.excepthook = _ended_in_a_thread
    try:
        with until(started + float(asked["budget"]) + GRACE):
            if not framework:
                when_met()
            program.run(controller)
    except (Finished, OutOfTime):
        pass
    except MetFramework:
        end_process(OF_FRAMEWORK)
    except BaseException as raised:  # noqa: BLE001 (SystemExit and all: the report says what ended the program)
        error = raised
    if controller.lab is not None:
        ended = error if not isinstance(error, SystemExit) else None
        by = "" if ended is None else ended_with(ended, program.loops.sources, program.args)[1]
        controller.lab.end(error, by)
        end_process(1)
    late = time.monotonic() > deadline
    told = [report for report in reports if report.status != "inconclusive"] or reports
    report = told[-1] if told else _of_waiting(controller) or _nothing_found(controller, error, late, framework)
    report.seconds = time.monotonic() - started
    if alone:
        report.overhead = report.seconds / max(alone[0], 1e-3)
    report.reason = longer(report.reason, asked["budget"])
    for finding in report.findings:
        finding.around = around(controller.program.loops.sources, finding)
    if is_notebook(program.script):
        by_cells(report, program.script)
    write_out(asked["out"], report.to_json())
    sys.stdout.flush()
    end_process(0)


def _ended_in_a_thread(ended: Any) -> None:
    """Where the examination is over in a thread, have the main one know, which may wait for it."""
    if issubclass(ended.exc_type, Finished):
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGALRM)


def longer(reason: str, budget: float) -> str:
    """What is said where the time was up, with a budget that is longer than the one that was given.

    >>> longer("give it more, --budget 300", 60.0), longer("give it more, --budget 300", 300.0)
    ('give it more, --budget 300', 'give it more, --budget 1200')
    """
    return re.sub(r"--budget 300\b", f"--budget {max(300, round(4 * budget))}", reason) if budget >= 300 else reason


def _of_waiting(controller: Controller) -> Report | None:
    """What is said of a loop that was put off for a better one, which did not come."""
    try:
        return controller.of_waiting()
    except Lost as lost:
        controller.failures.append(lost.said)
        return None


def _nothing_found(controller: Controller, error: BaseException | None, late: bool, framework: bool) -> Report:
    crash = class_numbers.of_crash(error, controller.program.loops.sources) if error is not None else None
    if crash is not None and crash.file is not None and crash.line is not None:
        crash.code = controller.program.loops.line(crash.file, crash.line)
        return Report("faults", [crash])
    if error is not None and not (isinstance(error, SystemExit) and not error.code):
        program = controller.program
        shown, reason = ended_with(error, program.loops.sources, program.args)
        return Report("inconclusive", reason=reason, facts={"error": shown})
    if controller.awaits:
        return Report("inconclusive", reason=WAITS)
    if controller.failures:
        more = ". Give it more: pellucid doctor SCRIPT --budget 300" if late else ""
        reason = f"A pass of the loop could not be repeated: {controller.failures[-1]}{more}"
        return Report("inconclusive", reason=reason)
    rests = lifeless.finding(controller)
    if rests is not None:
        return Report("faults", [rests])
    if late:
        return Report(
            "inconclusive", reason="Within the time, no loop was seen that trains anything: give it more, --budget 300"
        )
    lost = rebound(controller.program.loops.sources)
    if lost:
        return Report("faults", [_of_rebound(controller, lost[0])])
    ended = stopped.finding(controller) or outside.finding(controller)
    if ended is not None:
        return Report("faults", [ended])
    if (passed := controller.program.caught.most()) is not None:
        return _passed_over(controller, *passed)
    if controller.program.forks:
        return Report("inconclusive", reason=ELSEWHERE)
    trend = None if framework else learns(controller.program.printed)
    if trend is not None:
        return Report("healthy", reason=LEARNS.format(trend.said))
    said = NO_LOOP + stopped.said(controller) if controller.scout.loops else _none_run(controller)
    if framework:
        said = f"{NO_BACKWARD} {said}"
    return Report("inconclusive", reason=said)


def _passed_over(controller: Controller, error: CaughtError, times: int) -> Report:
    """What is said of a program that trains nothing, and catches an error over and over."""
    code = controller.program.loops.line(error.file, error.line)
    said = (
        f"No loop was seen that trains, and an error was caught {times} times and passed over: {error.shown} "
        f"({place(error.file, error.line)}: {code})."
    )
    hint = controller.program.caught.hints[error] or "Mend that first: take the try away to see where it comes from."
    return Report("inconclusive", reason=f"{said} {hint}", facts={"error": error.shown})


def _none_run(controller: Controller) -> str:
    """What is said of a program in which no loop was run."""
    loops = controller.program.loops.loops
    if not loops:
        return "The program ended without an error, and there is no loop in it: nothing is trained in it."
    first = min(loops.values(), key=lambda loop: loop.line)
    return (
        f"The program ended without an error, but none of its loops was run, such as that in {first.function}, line "
        f"{first.line}: what trains is not called. Call it at the end of it, or give the program that calls it."
    )


def _of_rebound(controller: Controller, lost: Rebound) -> Finding:
    code = controller.program.loops.line(lost.file, lost.line)
    return Finding(
        "parameter-not-optimized",
        "error",
        0.95,
        "In no loop that was watched does a pass move the numbers that training would move.",
        f"This gives the variable {lost.name} another value. What it stood for, an array of the network, is left as it "
        "is: nothing is ever trained.",
        f"write {lost.meant}, which changes the array itself; a single number has to be put back where it came from",
        lost.file,
        lost.line,
        code,
        mistake="zero-gradient",
        patch={"old": lost.written, "new": lost.meant} if lost.written in code else None,
    )


if __name__ == "__main__":
    main()
