"""A program run as it is, in a fork of this process: what it prints, and what the observer records of it."""

from __future__ import annotations

import contextlib
import importlib
import io
import re
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

from pellucid.bridge import run_script
from pellucid.doctor.observed.laboratory import ScriptLaboratory
from pellucid.doctor.observed.record import ProgramRecord
from pellucid.doctor.process import sandbox
from pellucid.doctor.process.child import ChildAnswer, Lost, fork

SEED = re.compile(r"\b(manual_seed|seed|RandomState|default_rng|random_state=|Random)(\(?)(\d+)")
NUMBER = re.compile(r"-?(?:\d+\.?\d*(?:e[+-]?\d+)?|nan|inf)", re.IGNORECASE)
COSTLY = (
    "sklearn.datasets",
    "sklearn.model_selection",
    "sklearn.preprocessing",
)  # to import, so that not each fork does
LONGEST = 60.0  # seconds until a program that does not end is ended


@dataclass(frozen=True)
class Printed:
    """What a program wrote, the last number in it, and how long it took; `score` is NaN where it ended in an error."""

    text: str
    score: float
    seconds: float


def reseeded(source: str, seed: int) -> str:
    """The program with other seeds, each as far from its own."""
    return SEED.sub(lambda found: f"{found[1]}{found[2]}{int(found[3]) + 101 * seed}", source)


def _prepare(source: str) -> None:
    for name in COSTLY:
        if name in source:
            importlib.import_module(name)


def printed(source: str, seed: int = 0) -> Printed:
    """Run a program, under its own seeds for 0."""
    _prepare(source)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "train.py")
        script.write_text(reseeded(source, seed), encoding="utf-8")
        end = fork()
        if isinstance(end, ChildAnswer):
            _run(end, script)
        else:
            try:
                text, ended = end.result(LONGEST)
            except Lost:
                text, ended = "", False
    found = NUMBER.findall(text)
    score = float(found[-1]) if found and ended else float("nan")
    return Printed(text, score, time.monotonic() - began)


def _run(end: ChildAnswer, script: Path) -> None:
    """In the fork; it does not return."""
    sandbox.quiet()
    out = io.StringIO()
    ended = False
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            run_script(script, [])
            ended = True
        except SystemExit as done:
            ended = not done.code
        except BaseException:  # noqa: BLE001 (a faulty program may raise anything)
            ended = False
    end.send((out.getvalue(), ended))


def recorded(source: str) -> ProgramRecord | None:
    """What the doctor's observer notes of one run, which the rules of `rivals` read, too."""
    _prepare(source)
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "train.py")
        script.write_text(source, encoding="utf-8")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ScriptLaboratory(time.monotonic() + LONGEST, script, []).run(seconds=LONGEST)
