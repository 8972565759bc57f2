"""`torch.utils.benchmark`: how long a statement takes."""

from __future__ import annotations

import statistics
import sys
import timeit
from collections.abc import Callable, Iterable
from typing import Any

from pellucid.torch_names import absent

__all__ = ["Compare", "Measurement", "Timer"]


class Measurement:
    """Times of one statement: `times` are seconds of one run each, `mean`, `median` and `iqr` of those."""

    def __init__(self, number_per_run: int, raw_times: list[float], task: Timer) -> None:
        self.number_per_run, self.raw_times, self.task = number_per_run, raw_times, task
        self.times = [total / number_per_run for total in raw_times]
        self.mean, self.median = statistics.fmean(self.times), statistics.median(self.times)
        self.iqr = 0.0
        if len(self.times) > 1:
            quarters = statistics.quantiles(self.times, n=4, method="inclusive")
            self.iqr = quarters[2] - quarters[0]

    @property
    def title(self) -> str:
        """The label, or the statement."""
        return self.task.label or str(self.task.stmt)

    def __repr__(self) -> str:
        runs = f"{len(self.times)} measurement{'s' if len(self.times) > 1 else ''}, {self.number_per_run} runs per"
        heads = [f"<torch.utils.benchmark.utils.common.Measurement object at {id(self):#x}>", self.title]
        heads += [
            text for text in (self.task.description, f"setup: {self.task.setup}") if text and text != "setup: pass"
        ]
        last = f"  {runs} measurement , {self.task.num_threads} thread{'s' if self.task.num_threads > 1 else ''}"
        if len(self.times) == 1:
            return "\n".join([*heads, f"  {_time(self.median)}", last.replace("per measurement ,", "per measurement,")])
        lines = [f"  Median: {_time(self.median)}", f"  IQR:    {_time(self.iqr)}"]
        return "\n".join([*heads, *lines, last.replace("per measurement ,", "per measurement,")])


def _time(seconds: float) -> str:
    for factor, unit in ((1e-9, "ns"), (1e-6, "us"), (1e-3, "ms"), (1.0, "s")):
        if seconds < 1000 * factor or unit == "s":
            break
    return f"{seconds / factor:.2f} {unit}"


class Timer:
    """Times a statement: `Timer(stmt="y = x * 2", globals={"x": x}).timeit(100)`."""

    def __init__(
        self, stmt: Any = "pass", setup: Any = "pass", global_setup: str = "", timer: Callable[[], float] | None = None,
        globals: dict[str, Any] | None = None, label: str | None = None, sub_label: str | None = None,
        description: str | None = None, env: str | None = None, num_threads: int = 1, language: Any = "python",
    ) -> None:  # fmt: skip
        self.stmt, self.setup, self.label, self.sub_label = stmt, setup, label, sub_label
        self.description, self.env, self.num_threads = description, env, num_threads
        given = dict(globals or {})
        self._timer = timeit.Timer(stmt, setup, timer or timeit.default_timer, given)

    def timeit(self, number: int = 1000000) -> Measurement:
        """The time of `number` runs, after some to warm up."""
        self._timer.timeit(max(number // 100, 2))
        return Measurement(number, [self._timer.timeit(number)], self)

    def blocked_autorange(self, callback: Any = None, min_run_time: float = 0.2) -> Measurement:
        """Blocks of runs, until they took `min_run_time` seconds together."""
        number, took = 1, self._timer.timeit(1)
        while took < min_run_time / 1000 and number < 10**9:
            number *= 10
            took = self._timer.timeit(number)
        times: list[float] = []
        while sum(times) < min_run_time:
            times.append(self._timer.timeit(number))
            if callback is not None:
                callback(number, times[-1])
        return Measurement(number, times, self)

    def adaptive_autorange(
        self, threshold: float = 0.1, *, min_run_time: float = 0.01, max_run_time: float = 10.0, callback: Any = None
    ) -> Measurement:
        """Blocks of runs, until the middle half of them is within `threshold` of the median."""
        found = self.blocked_autorange(callback, min_run_time)
        times = list(found.raw_times)
        while (len(times) < 4 or found.iqr > threshold * found.median) and sum(times) < max_run_time:
            times.append(self._timer.timeit(found.number_per_run))
            found = Measurement(found.number_per_run, times, self)
        return found


class Compare:
    """A table of measurements: a row for each `sub_label`, a column for each `description`."""

    def __init__(self, results: Iterable[Measurement]) -> None:
        self._results = list(results)

    def extend_results(self, results: Iterable[Measurement]) -> None:
        """Add more."""
        self._results += results

    def trim_significant_figures(self) -> None:
        """Nothing: four figures are shown."""

    def colorize(self, rowwise: bool = False) -> None:
        """Nothing: the table is plain text."""

    def print(self) -> None:
        """Print the table."""
        sys.stdout.write(f"{self}\n")

    def __str__(self) -> str:
        columns = list(dict.fromkeys(str(found.task.description or "") for found in self._results))
        rows: dict[str, dict[str, str]] = {}
        for found in self._results:
            name = str(found.task.sub_label or found.task.stmt)
            rows.setdefault(name, {})[str(found.task.description or "")] = f"{found.median * 1e6:.1f}"
        head = max(len(name) for name in rows)
        widths = [max(len(column), 10) for column in columns]
        title = self._results[0].title
        cells = "  |  ".join(column.rjust(width) for column, width in zip(columns, widths, strict=True))
        lines = [f"[{f' {title} '.center(head + len(cells) + 6, '-')}]", f"{'':{head}}  |  {cells}"]
        lines.append(f"{self._results[0].task.num_threads} threads: ".ljust(head + len(cells) + 8, "-"))
        for name, row in rows.items():
            cells = "  |  ".join(row.get(c, "").rjust(width) for c, width in zip(columns, widths, strict=True))
            lines.append(f"      {name:{head}}  |  {cells}")
        return "\n".join([*lines, "", "Times are in microseconds (us)."])


__getattr__ = absent(__name__)
