"""One page's training, in a thread of its own: orders come in, frames and answers go out."""

from __future__ import annotations

import contextlib
import os
import queue
import random
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

from pellucid.doctor import Report
from pellucid.playground.mistakes import MISTAKES, Mistake
from pellucid.playground.settings import Settings, SettingsError
from pellucid.playground.training import Training
from pellucid.playground.verdict import verdict

SLICE = 0.009  # seconds of training between looks at the orders: a frame has 16.7 ms, and its message takes 2
BUDGET = 60.0  # seconds that the doctor may take
HERE = str(Path(__file__).resolve().parents[2])  # where this package is found

Answer = bytes | dict[str, Any]


class Session:
    """Trains at the orders of a page.

    Args:
        send: called with each frame (bytes) and each other answer (a dict), from the session's threads.

    An order is a dict with its name under "do": see the methods named `_do_…`.
    """

    def __init__(self, send: Callable[[Answer], None]) -> None:
        self._send = send
        self._orders: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._settings = Settings()
        self._mistake: Mistake | None = None
        self._hidden = False  # a quiz: the mistake is not to be seen before it was guessed
        self._training: Training | None = None
        self._playing = self._wanted = False
        self._speed, self._known, self._credit, self._last = 0, 0, 0.0, 0.0
        self._doctor: threading.Thread | None = None
        self._examiner: subprocess.Popen[str] | None = None
        self._draw = random.Random()
        self._thread = threading.Thread(target=self._run, name="playground", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def order(self, order: dict[str, Any]) -> None:
        """To be done as soon as the steps that are under way are made."""
        self._orders.put(order)

    def close(self) -> None:
        """No more steps; the thread ends, and the doctor is interrupted where it is still at work."""
        self._orders.put(None)
        if self._examiner is not None and self._examiner.poll() is None:
            self._examiner.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._examiner.wait(timeout=10)
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()

    # The thread -------------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            busy = self._playing and self._training is not None
            try:
                order = self._orders.get(timeout=0.5 if not busy else None, block=not busy)
            except queue.Empty:
                order = {}
            if order is None:
                return
            try:
                if order:
                    self._obey(order)
                    continue
                self._advance()
            except (SettingsError, LookupError) as error:
                self._send({"kind": "refused", "text": str(error)})
            except Exception as error:  # noqa: BLE001 (a planted mistake may well end in an error: the page shows it)
                self._playing = False
                shown = "".join(traceback.format_exception_only(error)).strip()
                self._send({"kind": "failed", "text": shown})

    def _obey(self, order: dict[str, Any]) -> None:
        method = getattr(self, f"_do_{order.get('do')}", None) if isinstance(order, dict) else None
        if method is None:
            raise LookupError(f"there is no order {order!r}")
        method(order)

    def _advance(self) -> None:
        training = self._training
        if training is None or not self._playing:
            return
        now = perf_counter()
        if self._speed:
            self._credit = min(self._credit + (now - self._last) * self._speed, self._speed)
            made = training.run(int(self._credit), SLICE)
            self._credit -= made
            if not made:
                threading.Event().wait(0.005)
        else:
            made = training.run(10**9, SLICE)
        self._last = now
        if self._wanted and made:
            self._show()

    def _show(self) -> None:
        if self._training is not None:
            self._wanted = False
            self._send(self._training.frame(self._known))
            self._known = len(self._training.epochs)

    def _begin(self) -> None:
        self._training = Training(self._settings, self._mistake)
        self._known = 0
        begun = self._training.begun()
        if self._hidden:
            begun["settings"] = self._settings.to_dict()
        mistake = self._mistake.name if self._mistake is not None and not self._hidden else None
        self._send({"kind": "begun", **begun, "mistake": mistake, "quiz": self._hidden})
        self._wanted = True
        self._show()

    def _begun(self) -> Training:
        if self._training is None:
            raise LookupError("nothing has been set up to train: send the settings first")
        return self._training

    # Orders -----------------------------------------------------------------------------------------------------------

    def _do_settings(self, order: dict[str, Any]) -> None:
        """`{"settings": {…}}`: train anew with these."""
        settings = Settings.from_dict(order.get("settings", {}))
        if settings.batch > settings.samples:
            raise SettingsError(f"a batch of {settings.batch} is more than the {settings.samples} samples")
        self._settings = settings
        self._begin()

    def _do_plant(self, order: dict[str, Any]) -> None:
        """`{"mistake": name}`, or None for none."""
        name = order.get("mistake")
        if name is not None and name not in MISTAKES:
            raise LookupError(f"there is no mistake {name!r}")
        self._mistake, self._hidden = MISTAKES[name] if name else None, False
        self._begin()

    def _do_quiz(self, order: dict[str, Any]) -> None:
        """Plant a mistake at random, and do not say which."""
        self._mistake, self._hidden = self._draw.choice(list(MISTAKES.values())), True
        self._begin()

    def _do_guess(self, order: dict[str, Any]) -> None:
        """`{"mistake": name}`: whether it is the planted one; it is then shown."""
        if not self._hidden or self._mistake is None:
            raise LookupError("no quiz is on")
        guess = MISTAKES.get(str(order.get("mistake")))
        if guess is None:
            raise LookupError(f"there is no mistake {order.get('mistake')!r}")
        self._hidden = False
        right = guess.name == self._mistake.name
        self._send(
            {
                "kind": "guessed",
                "right": right,
                "near": guess.cause == self._mistake.cause,
                "mistake": self._mistake.name,
                "title": self._mistake.title,
                "why": self._mistake.why,
            }
        )

    def _do_play(self, order: dict[str, Any]) -> None:
        self._begun()
        self._playing, self._last, self._credit = True, perf_counter(), 0.0

    def _do_pause(self, order: dict[str, Any]) -> None:
        self._playing = False
        self._wanted = True
        self._show()

    def _do_step(self, order: dict[str, Any]) -> None:
        self._playing, self._wanted = False, True
        self._begun().run(1)
        self._show()

    def _do_reset(self, order: dict[str, Any]) -> None:
        self._begin()

    def _do_speed(self, order: dict[str, Any]) -> None:
        """`{"speed": steps a second}`, 0 for as many as there can be."""
        speed = order.get("speed")
        if not isinstance(speed, int) or not 0 <= speed <= 100_000:
            raise SettingsError(f"speed is {speed!r}; a whole number of steps a second, or 0, is needed")
        self._speed, self._last, self._credit = speed, perf_counter(), 0.0

    def _do_frame(self, order: dict[str, Any]) -> None:
        """The page paints, and takes a new state: it is sent once there is one; asked twice meanwhile, it gets one."""
        self._wanted = True

    def _do_surface(self, order: dict[str, Any]) -> None:
        self._send({"kind": "surface", **self._begun().surface()})

    def _do_weight(self, order: dict[str, Any]) -> None:
        """`{"layer", "unit", "source"}`; see `Training.weight`."""
        place = [order.get(name) for name in ("layer", "unit", "source")]
        if not all(isinstance(number, int) for number in place):
            raise LookupError(f"a weight is named by layer, unit and source; received {place}")
        self._send({"kind": "weight", **self._begun().weight(*place)})  # type: ignore[arg-type]

    def _do_program(self, order: dict[str, Any]) -> None:
        if self._hidden:
            raise LookupError("the program would give the quiz away: guess first")
        self._send({"kind": "program", "text": self._begun().source})

    def _do_doctor(self, order: dict[str, Any]) -> None:
        """Have the doctor examine the program; the answer comes when it is done."""
        if self._doctor is not None and self._doctor.is_alive():
            raise LookupError("the doctor is looking at it already")
        source = self._begun().source
        self._doctor = threading.Thread(target=self._examine, args=(source,), name="doctor", daemon=True)
        self._doctor.start()

    def _examine(self, source: str) -> None:
        mistake = self._mistake if not self._hidden else None
        with tempfile.TemporaryDirectory() as folder:
            path, out = Path(folder) / "playground.py", Path(folder) / "report.json"
            path.write_text(source, encoding="utf-8")
            # A process of its own, so that it can be interrupted, with all that it started, when the page is closed.
            words = ["doctor", str(path), "--json", str(out), "--budget", f"{BUDGET:g}"]
            with subprocess.Popen(
                [sys.executable, "-m", "pellucid", *words],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=folder,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [HERE, os.environ.get("PYTHONPATH")]))},
            ) as self._examiner:  # fmt: skip
                _, errors = self._examiner.communicate()
            if out.is_file():
                report = Report.from_json(out.read_text(encoding="utf-8"))
                self._send({"kind": "doctor", **verdict(report, mistake)})
            else:
                said = (errors.strip().splitlines() or ["it ended without a word"])[-1]
                self._send({"kind": "refused", "text": f"The doctor could not look at it: {said}", "doctor": True})
