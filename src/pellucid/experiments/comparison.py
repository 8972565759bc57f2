"""What differs between runs: settings, figures, environment, and the first step that does."""

from __future__ import annotations

import dataclasses
from typing import Any

from pellucid.experiments.replay import RunDivergence
from pellucid.experiments.runs import Run, differing, flat

Tables = dict[str, dict[str, list[Any]]]
ACROSS = 4  # as many runs stand side by side; more of them stand below each other


def comparison(runs: list[Run]) -> Tables:
    """What differs: `{"settings" | "figures" | "environment": {name: value in each run}}`; figures are there anyway."""
    figures = [_figures(run) for run in runs]
    names = dict.fromkeys(name for figure in figures for name in figure)
    # What each was given to learn from: the file may have changed behind an unchanged name.
    facts = ("train", "val", "test", "fingerprint")
    data = [{f"data.{name}": run.data[name] for name in facts if name in run.data} for run in runs]
    return {
        "settings": differing([run.config | more for run, more in zip(runs, data, strict=True)]),
        "figures": {name: [figure.get(name) for figure in figures] for name in names},
        "environment": differing([flat(run.environment()) for run in runs]),
    }


def same_loss(runs: list[Run]) -> bool:
    """Whether the losses of runs are of one kind and weighed alike, and can stand side by side."""
    kinds = {(run.config.get("loss"), run.config.get("class_weights") == "balanced") for run in runs}
    return len(kinds) < 2


def _figures(run: Run) -> dict[str, Any]:
    """What was measured of the network that is kept, the best of the run, and what it took."""
    last = run.kept
    figures: dict[str, Any] = {"complete": run.complete}
    for name in last:
        if name.startswith(("train_", "val_")):
            figures[name] = last[name]
            best = (min if name.endswith(("loss", "mae")) else max)(
                (row for row in run.epochs if row.get(name) == row.get(name) and name in row),
                key=lambda row: row[name],
                default=None,
            )
            if best is not None and name.startswith("val_"):
                figures[f"best {name}"] = best[name]
                figures[f"… in epoch ({name})"] = best["epoch"]
    figures |= {name: value for name, value in run.summary.items() if name.startswith("test_")}
    figures |= {"epochs": len(run.epochs), "steps": run.steps}
    if run.rows:
        figures["seconds"] = run.rows[-1].get("seconds")
    if "parameters" in run.summary:
        figures["parameters"] = run.summary["parameters"]
    return figures


def as_text(verdict: RunDivergence, runs: list[Run]) -> str:
    """What is known of where two runs part, in a few lines."""
    first, other = (run.label for run in runs)
    lines: list[str] = []
    place, found = verdict.place, verdict.difference
    if verdict.identical:
        whole = all(run.complete and verdict.compared >= run.steps for run in runs)
        end = (
            f"to the end, step {verdict.compared}"
            if whole
            else f"up to step {verdict.compared}, the last that both recorded"
        )
        lines.append(f"The runs are identical, bit for bit, {end}.")
    elif place is not None and found is not None:
        begin = place.step == 0
        when = "before the first step" if begin else f"in step {place.step} (epoch {place.epoch})"
        if not begin and verdict.by == "checkpoints":
            when = f"in the checkpoints of step {place.step}"
        lines.append(f"First difference {when}: {place}.")
        if place.kind != "random":  # its numbers say nothing to anybody
            lines.append(f"  {first} / {other}: {dataclasses.replace(found, name='it')}.")
        if verdict.why:
            lines.append(f"  {verdict.why}")
        if verdict.equal is not None:
            lines.append(f"  The last equal checkpoints are those of step {verdict.equal}.")
    else:
        lines.append("Where the runs part could not be found.")
    if verdict.reproduced and all(verdict.reproduced.values()):
        lines.append("  Repeating the steps gave what both runs had recorded.")
    return "\n".join([*lines, *(f"  {note}" for note in verdict.notes)])


def as_record(runs: list[Run], tables: Tables, verdict: RunDivergence | None) -> dict[str, Any]:
    """Everything, as JSON can hold it."""
    record: dict[str, Any] = {
        "runs": [{"name": run.label, "folder": str(run.path), "complete": run.complete} for run in runs],
        **tables,
    }
    if verdict is not None:
        place = verdict.place
        record["divergence"] = {
            "identical": verdict.identical,
            "compared_to_step": verdict.compared,
            "last_equal_checkpoint": verdict.equal,
            "first": place and {**place._asdict(), "text": str(place)},
            "difference": verdict.difference and dataclasses.asdict(verdict.difference),
            "found_by": verdict.by,
            "why": verdict.why,
            "reproduced": verdict.reproduced,
            "notes": verdict.notes,
        }
    return record


def run_table(runs: list[Run], tables: Tables) -> dict[str, tuple[list[str], list[list[str]]]]:
    """The comparison as tables, each by its title: the names of its columns, and its rows of words.

    A column for each run; of more than a few runs a row for each, with what differs and the last figures in one table.
    """
    if len(runs) > ACROSS:
        wanted = [name for name in tables["figures"] if name.startswith(("val_", "test_")) or name == "seconds"]
        columns = {name: values for name, values in tables["settings"].items() if not name.startswith("data.")}
        columns |= {name: tables["figures"][name] for name in wanted}
        rows = [
            [run.label, *(shown(name, values[i]) for name, values in columns.items())] for i, run in enumerate(runs)
        ]
        return {"Runs": (["run", *map(spoken, columns)], rows)}
    titles = {"settings": "Settings that differ", "figures": "Figures", "environment": "Computed with"}
    found: dict[str, tuple[list[str], list[list[str]]]] = {}
    for part, rows_of_part in tables.items():
        rows = [[spoken(name), *(shown(name, value) for value in values)] for name, values in rows_of_part.items()]
        if not rows and part == "settings":
            rows = [["no setting differs", *("" for _ in runs)]]
        if rows:
            found[titles[part]] = (["", *(run.label for run in runs)], rows)
    return found


def spoken(name: str) -> str:
    """The name of a row of the comparison in words."""
    spoken = {"data.fingerprint": "data checksum"}.get(name, name.replace("_", " ").replace("data.", "samples: "))
    return "… in epoch" if name.startswith("…") else spoken


def shown(name: str, value: Any) -> str:
    """A value as it stands in the comparison, in as many digits as its kind needs."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        if name == "seconds":
            return f"{value:.3g}" if value < 100 else f"{value:,.0f}"
        measured = name.removeprefix("best ").startswith(("train_", "val_", "test_"))
        return f"{value:.4f}" if measured and 1e-3 <= abs(value) < 1e4 else f"{value:.4g}"
    if name == "data.fingerprint":
        return str(value).partition(":")[2][:7]  # enough to see that they are not the same
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "–"
    return str(value)
