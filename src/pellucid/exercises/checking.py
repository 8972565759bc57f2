"""Is an answer right? Its file is run, and held against the solution by `pellucid.check`."""

from __future__ import annotations

import _thread
import contextlib
import io
import runpy
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from pellucid.check import Report, backward, layer
from pellucid.exercises.examples import examples
from pellucid.exercises.programs import PROGRAMS
from pellucid.exercises.sheet import exercise_of, skeleton, solution
from pellucid.exercises.table import Exercise
from pellucid.exercises.usual import USUAL

Names = dict[str, Any]
SECONDS = 15.0  # of processor time that an answer may take; the longest solution takes 0.2
WAIT = 120.0  # seconds, for one that waits for something and takes no processor time


class _Endless(Exception):
    """The answer took too long."""


class _Lacking(Exception):
    """The answer defines no such name."""


class _Given(dict[str, Any]):
    """What an answer defines."""

    def __missing__(self, name: str) -> Any:
        raise _Lacking(f"the file defines no {name}")


class _Misgiven(Exception):
    """A function of the answer gives something else than it is asked for."""


@dataclass
class Outcome:
    """What a check found.

    Attributes:
        right: whether all of it is right.
        lines: what is, and what is not.
        fix: what to write instead, where the mistake is known; it is nearly the solution.
    """

    right: bool
    lines: list[str] = field(default_factory=list)
    fix: str = ""

    def __str__(self) -> str:
        return "\n".join(self.lines)


def check(path: Path, exercise: Exercise | None = None) -> Outcome:
    """Run the file, which is an answer to an exercise, and say what is right.

    Raises:
        ExerciseError: there is no such file, or it is an answer to no exercise.
    """
    exercise = exercise or exercise_of(path)
    if exercise.kind == "fault" and path.is_file() and _is_as_given(path, exercise):
        return Outcome(
            False, [f"Nothing is changed yet: the fault is still to be found. Run {path.name}: what does it print?"]
        )
    try:
        with _limited(), _nobody_types(), contextlib.redirect_stdout(sys.stderr):
            given = runpy.run_path(str(path), run_name="__pellucid_check__")
            return _checked(exercise, _Given(given))
    except NotImplementedError as error:
        return Outcome(False, [f"Not written yet: {_where(path, error) or error}"])
    except _Endless as error:
        where = _where(path, error)
        return Outcome(False, [f"It does not end: it was interrupted after {error}.", *([where] if where else [])])
    except _Lacking as error:
        return Outcome(False, [f"Not written yet: {error}."])
    except _Misgiven as error:
        return Outcome(False, [str(error)])
    except (Exception, SystemExit) as error:  # noqa: BLE001 (whatever an answer raises is shown with its line)
        where = _where(path, error)
        if isinstance(error, SyntaxError) and where:
            return Outcome(False, [f"It is no Python yet: {error.msg}", where])
        shown = "".join(traceback.format_exception_only(error)).strip()
        unused = "What a function of the file gives cannot be used: is it what the head of the file asks for?"
        return Outcome(False, [f"It ends in an error: {shown}", where or unused, *_shapes(path, error)])


def _is_as_given(path: Path, exercise: Exercise) -> bool:
    return path.read_text(encoding="utf-8", errors="replace").split() == skeleton(exercise).split()


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    """An answer that does not end is interrupted, as by Ctrl-C; only in the main thread, where that can be done.

    Raises:
        _Endless: it was.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    done, late = threading.Event(), threading.Event()
    begun, used = time.monotonic(), time.process_time()

    def watch() -> None:
        while not done.wait(0.1):
            if time.process_time() - used > SECONDS or time.monotonic() - begun > WAIT:
                late.set()
                _thread.interrupt_main()
                while not done.wait(1.0):  # Python drops what is raised within a destructor
                    _thread.interrupt_main()
                return

    watcher = threading.Thread(target=watch, name="exercise", daemon=True)
    watcher.start()
    try:
        yield
        done.set()
        watcher.join()  # an interrupt that is on its way arrives within this block
    except KeyboardInterrupt as interrupt:
        done.set()
        if not late.is_set():
            raise
        taken = time.process_time() - used
        error = _Endless(f"{taken:.0f} seconds of computing" if taken > SECONDS else f"{WAIT:.0f} seconds of waiting")
        raise error.with_traceback(interrupt.__traceback__) from None
    finally:
        done.set()


@contextlib.contextmanager
def _nobody_types() -> Iterator[None]:
    """`input()` and breakpoints end at once with EOFError instead of waiting."""
    before, sys.stdin = sys.stdin, io.StringIO()
    try:
        yield
    finally:
        sys.stdin = before


def _where(path: Path, error: BaseException) -> str:
    """The last line of the file that led to an error."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).name == path.name]
    if not frames and isinstance(error, SyntaxError):
        return f"{path.name}, line {error.lineno}: {(error.text or '').strip()}"
    return f"{path.name}, line {frames[-1].lineno}: {frames[-1].line}" if frames else ""


def _shapes(path: Path, error: BaseException) -> list[str]:
    """The shapes of what the last line of the file had, where it may have been they that did not fit."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__) if _is_of(frame, path)]
    if not isinstance(error, ValueError | IndexError) or not frames:
        return []
    arrays = {name: value.shape for name, value in frames[-1].f_locals.items() if isinstance(value, np.ndarray)}
    return [f"There {', '.join(f'{name} is {shape}' for name, shape in arrays.items())}."] if arrays else []


def _is_of(frame: FrameType, path: Path) -> bool:
    return Path(frame.f_code.co_filename).name == path.name


def _checked(exercise: Exercise, given: Names) -> Outcome:
    if exercise.name in PROGRAMS:
        lines, fix = PROGRAMS[exercise.name](given)
        return Outcome(not lines, lines or ["All of it is right."], fix)
    if exercise.kind == "fault":  # one whose gradients are written by hand
        return _by_hand(given)
    _needs(given, "backward")
    right = _solved(exercise)
    lines: list[str] = []
    for x, params in examples(exercise.name):
        _gives(right["forward"], right["backward"], given["backward"], x, params)
        report = layer(right["forward"], given["backward"], x, params)
        outcome = _of_report(report, "d")
        if not outcome.right:
            hint = _unmoved(right["forward"], given["backward"], x, params) or _usual(
                exercise, right["forward"], given["backward"], x, params
            )
            if hint:
                outcome.lines = [*(line for line in outcome.lines if "it looks like" not in line), hint]
                outcome.fix = ""
            shapes = f"With x {np.shape(x)}" + "".join(f", {name} {value.shape}" for name, value in params.items())
            return Outcome(False, [f"{shapes}:", *outcome.lines], outcome.fix)
        other = _shaped(right["forward"], given["backward"], x, params, [f"d{name}" for name in report.tensors])
        if other:
            return Outcome(False, [other])
        lines = outcome.lines
    return Outcome(True, [*lines, "All of it is right."])


def _solved(exercise: Exercise, old: str = "", new: str = "") -> Names:
    """What the solution defines; or what it would with an edit."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "solution.py"
        text = solution(exercise)
        path.write_text(text.replace(old, new) if old else text, encoding="utf-8")
        return runpy.run_path(str(path), run_name="__pellucid_check__")


def _shaped(forward: Any, answer: Any, x: Any, params: Names, names: list[str]) -> str:
    """What to say of a right gradient in another shape than what it is the gradient of, as `keepdims=True` leaves."""
    y, cache = forward(x, **params)
    found = answer(np.random.default_rng(0).normal(size=np.shape(y)), cache)
    wanted = [value for value in (x, *params.values()) if np.asarray(value).dtype.kind == "f"]
    for name, value, one in zip(names, wanted, () if isinstance(found, dict) else _arrays(found), strict=False):
        if np.shape(one) != np.shape(value):
            shape = np.shape(value)
            return f"{name} has the right numbers in shape {np.shape(one)}; {shape} is needed, that of {name[1:]}."
    return ""


def _unmoved(forward: Any, answer: Any, x: Any, params: Names) -> str:
    """What to say of an answer whose gradients stay as they are when dy, what comes from above, is another."""
    rng = np.random.default_rng(0)
    runs = (forward(x, **params) for _ in range(2))
    one, other = (_arrays(answer(rng.normal(size=np.shape(y)), cache)) for y, cache in runs)
    deaf = [np.array_equal(a, b) and bool(np.any(a)) for a, b in zip(one, other, strict=True)]
    if not any(deaf):
        return ""
    which = "The gradient stays" if len(deaf) == 1 else "They stay" if all(deaf) else "One of them stays"
    return f"{which} the same for another dy: what comes from above is not used. The chain rule multiplies by it."


def _usual(exercise: Exercise, forward: Any, answer: Any, x: Any, params: Names) -> str:
    """What to say of an answer that gives the numbers of a usual wrong one."""
    y, cache = forward(x, **params)
    dy = np.random.default_rng(0).normal(size=np.shape(y))
    given = _arrays(answer(dy, cache))
    for old, new, said in USUAL.get(exercise.name, []):
        other = _arrays(_solved(exercise, old, new)["backward"](dy, cache))
        if len(given) == len(other) and all(
            np.shape(a) == np.shape(b) and np.allclose(a, b, rtol=1e-9) for a, b in zip(given, other, strict=True)
        ):
            return said
    return ""


def _gives(forward: Any, solved: Any, answer: Any, x: Any, params: Names) -> None:
    """Raises _Misgiven where what the answer gives cannot be meant as gradients, and says what it gives."""
    y, cache = forward(x, **params)
    dy = np.random.default_rng(0).normal(size=np.shape(y))
    wanted, found = solved(dy, cache), answer(dy, cache)
    count = len(_arrays(wanted))
    for one in _arrays(found):
        if one is not None and np.asarray(one).dtype.kind not in "biufc":
            raise _Misgiven(f"backward returns {one!r}, which is no array of numbers: return the gradient itself.")
    asked = "one array" if count == 1 else f"{count} arrays"
    if isinstance(found, list):
        raise _Misgiven(f"backward returns a list, and {asked} is asked for" + ("." if count == 1 else ", as a tuple."))
    if isinstance(found, tuple) and len(found) != count:
        raise _Misgiven(f"backward returns {len(found)} values, and {asked} {'is' if count == 1 else 'are'} asked for.")
    if any(np.asarray(one).dtype == bool for one in _arrays(found) if isinstance(one, np.ndarray)):
        raise _Misgiven(
            _unmoved(forward, answer, x, params)
            or "backward returns an array of truth values: in a * b > 0 the product comes before the comparison; "
            "a * (b > 0) has the product last."
        )


def _arrays(found: Any) -> list[Any]:
    if isinstance(found, dict):
        return list(found.values())
    return list(found) if isinstance(found, tuple | list) else [found]


def _needs(given: Names, *names: str) -> None:
    for name in names:
        if not callable(given.get(name)):
            raise _Lacking(f"the file defines no function {name}")


def _by_hand(given: Names) -> Outcome:
    """Gradients against differences, then the training itself."""
    _needs(given, "loss", "grads", "train")
    outcome = _of_report(backward(given["loss"], given["grads"], given["params"]), "")
    if not outcome.right:
        return outcome
    last = float(given["train"]()[-1])
    if not last < 0.02:
        return Outcome(
            False, [*outcome.lines, f"The gradients are right, but train() ends at {last:.4f}, not below 0.02."]
        )
    return Outcome(True, [*outcome.lines, f"train() ends at {last:.4f}.", "All of it is right."])


def _of_report(report: Report, before: str) -> Outcome:
    """Each gradient by name: right, or the element that is off most, and which mistake it looks like."""
    lines: list[str] = []
    for name, evidence in report.tensors.items():
        lines.append(f"{before}{name} is right." if not evidence.wrong else _off(f"{before}{name}", evidence))
    fix = ""
    for diagnosis, names in report.causes():
        if (
            not names
            or str(diagnosis.mistake) == "unknown"
            or all(report.tensors[name].given is None for name in names)
        ):
            continue  # nothing is known beyond the lines above
        sentence = getattr(diagnosis.mistake, "sentence", "")
        listed = ", ".join(before + name for name in names)
        lines.append(f"{listed}: it looks like {diagnosis.mistake}: {sentence}.")
        fix = fix or diagnosis.fix
    if report.status == "inconclusive":
        lines += report.notes or ["It could not be told."]
    return Outcome(report.status == "right", lines, fix)


def _off(name: str, evidence: Any) -> str:
    true, given = np.asarray(evidence.true, float), evidence.given
    if given is None:
        return f"{name} is missing: backward returns nothing for it."
    given = np.asarray(given, float)
    if given.shape != true.shape:
        return f"{name} has shape {given.shape}, and {true.shape} is needed, that of what it is the gradient of."
    away = np.abs(np.nan_to_num(given, nan=np.inf) - true)
    place = np.unravel_index(int(np.argmax(away)), true.shape)
    differing = int((away > 1e-6 * (1 + np.abs(true))).sum())
    at = f"at [{', '.join(map(str, place))}] it" if place else "it"
    return (
        f"{name} is wrong: {at} is {given[place]:.6g}, and should be {true[place]:.6g}; "
        f"{differing} of {true.size} elements {'differs' if differing == 1 else 'differ'}."
    )
