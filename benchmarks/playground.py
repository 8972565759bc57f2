"""Does the playground's page keep up 60 frames a second while a network trains?

    python -m benchmarks.playground [--seconds 5] [--nice 0]

Chromium (headless, without a GPU) shows the page 1,400 pixels wide while the network trains as fast as it can. For each
network are measured: the intervals of `requestAnimationFrame` and how many of them showed a new state; what drawing a
frame costs the page's main thread, as processor time, which other work on the machine does not lengthen; and what a
step and a frame's message cost the server. A frame has 16.7 ms.

`--nice -10` (with the rights for it) gives the browser and the server precedence, so that 60 can be seen on a machine
with other work on it.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.playground import Settings
from pellucid.playground.training import Training
from tests.devtools import Tab, tab

RESULTS = Path(__file__).parent / "results" / "playground.json"
NETWORKS = {"2-4-2-1": (4, 2), "2-32-32-1": (32, 32), "2-64-64-64-1": (64, 64, 64)}
SETTINGS: dict[str, Any] = {"data": "spirals", "samples": 300, "batch": 10, "rate": 0.03}
INTERVALS = """(() => {
  window.intervals = [];
  let before = performance.now();
  const note = (now) => { intervals.push(now - before); before = now; requestAnimationFrame(note); };
  requestAnimationFrame(note);
})()"""


def server(hidden: tuple[int, ...], repeats: int = 200) -> dict[str, float]:
    """Milliseconds of processor time of a step, and of a frame's message, and its size."""
    training = Training(Settings(hidden=hidden, **SETTINGS))
    training.run(50)
    training.frame()

    def each(call: Any) -> float:
        begun = time.thread_time()
        for _ in range(repeats):
            call()
        return round((time.thread_time() - begun) / repeats * 1000, 3)

    return {
        "step_ms": each(lambda: training.run(1)),
        "message_ms": each(lambda: training.frame(len(training.epochs))),
        "message_bytes": len(training.frame(len(training.epochs))),
    }


def counted(page: Tab) -> dict[str, float]:
    return {row["name"]: row["value"] for row in page.call("Performance.getMetrics")["metrics"]}


def shown(page: Tab, hidden: tuple[int, ...], seconds: float) -> dict[str, float]:
    """The page's frames while this network trains."""
    order = {"do": "settings", "settings": Settings(hidden=hidden, **SETTINGS).to_dict()}
    page.evaluate(f"playground.send({json.dumps(order)})")
    page.until(f"playground.state.begun.sizes.length === {len(hidden) + 2} && playground.state.frame")
    page.evaluate("document.getElementById('play').click()")
    page.until("playground.state.frame?.epoch >= 2")
    page.evaluate("intervals.length = 0")
    before, drawn, begun = counted(page), page.evaluate("playground.state.all"), time.monotonic()
    time.sleep(seconds)
    after, new, lasted = counted(page), page.evaluate("playground.state.all") - drawn, time.monotonic() - begun
    intervals = np.array(page.evaluate("intervals"))
    page.evaluate("document.getElementById('play').click()")
    spent = {name: (after[name] - before[name]) * 1000 for name in ("TaskDuration", "ScriptDuration")}
    return {
        "frames_a_second": round(len(intervals) / lasted, 1),
        "with_a_new_state": round(new / lasted, 1),
        "interval_ms_median": round(float(np.median(intervals)), 1),
        "interval_ms_95": round(float(np.quantile(intervals, 0.95)), 1),
        "main_thread_ms_a_frame": round(spent["TaskDuration"] / new, 2),
        "scripts_ms_a_frame": round(spent["ScriptDuration"] / new, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--nice", type=int, default=0)
    given = parser.parse_args()
    if given.nice:
        os.nice(given.nice)  # the browser and the server inherit it
    found: dict[str, Any] = {"cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1), "nice": given.nice}
    words = [sys.executable, "-m", "pellucid", "playground", "--no-browser"]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process,
    ):
        try:
            line = process.stdout.readline() if process.stdout is not None else ""
            with tab(line.split()[-1], Path(folder)) as page:
                page.shown_as(1400)
                page.until("window.playground?.state.frame")
                page.call("Performance.enable", timeDomain="threadTicks")
                page.evaluate(INTERVALS)
                for name, hidden in NETWORKS.items():
                    found[name] = {**server(hidden), **shown(page, hidden, given.seconds)}
                    print(name, json.dumps(found[name], indent=1))
                if page.troubles:
                    raise RuntimeError(f"the page wrote to the console: {page.troubles}")
        finally:
            process.terminate()
    RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
