"""The pages of `pellucid find-lr`, `compare` and `sweep`: each, as the report of a run, one file whole by itself."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pellucid.experiments.comparison import Tables, run_table, shown, spoken
from pellucid.experiments.runs import Run
from pellucid.experiments.search import Search, text
from pellucid.train import LRFinder
from pellucid.viz.compared import compare_apart
from pellucid.viz.document import Beside, Block, Code, Document, Headline, Picture, Section, Table, Text, number
from pellucid.viz.finder import finder_apart
from pellucid.viz.report import FOOTER, commands_section, name_of, settings_section
from pellucid.viz.trials import sweep_apart

# What the rates are that the learning rate finder suggests.
MEANING = {
    "best": "by trying these and larger ones; half of the one that came furthest, or less",
    "steepest": "where the loss falls fastest",
    "valley": "two thirds into the fall",
}
UNUSED = ("lr", "schedule", "epochs", "log_every", "keep")  # settings of a training that the finder does without
# What a table of the comparison is called by its title, for who hears it too.
_CAPTIONS = {
    "Runs": "A row for each run, with the settings that differ and its last figures.",
    "Settings that differ": "The other settings are the same in all runs.",
    "Figures": "Of the network that each run kept, and the best of the run.",
    "Computed with": "Where they differ in machine, system or versions.",
}
_FOLDED = 20  # trials; a longer table of them is shown when asked for


def of_finder(
    found: LRFinder, title: str, subtitle: str, settings: Mapping[str, Any], commands: Sequence[tuple[str, str]]
) -> Document:
    """What `pellucid find-lr` found: the curve, the rates it tried, and what to type."""
    said = [(name, rate) for name, rate in found.suggestions.items() if rate] if found.usable else []
    told = [f"{name} {rate:.2g}" for name, rate in said]
    curve, *trials = finder_apart(found)
    ends = f"{found.lrs[0]:.2g} to {found.lrs[-1]:.2g}"
    alt = f"The loss over learning rates from {ends}; marked: {', '.join(told) or 'none'}."
    pictures = [Picture(curve, alt)]
    pictures += [Picture(figure, "The loss that each rate came to which was tried.") for figure in trials]
    blocks: list[Block] = [Beside(pictures)]
    if found.trials:
        rows = [
            [f"{rate:.3g}", number(loss) if math.isfinite(loss) else "came apart"]
            for rate, loss in sorted(found.trials.items())
        ]
        columns = ["learning rate", "mean loss of the last third of its steps"]
        blocks.append(Table(columns, rows, "The rates that were tried as a table", folded=True, right=2))
    reason = f"There is no learning rate to suggest: {found.reason}." if not found.usable else f"{found.reason}."
    note = [Section("Notes", [Text(reason, "note" if found.usable else "warning")])] if found.reason else []
    intro = "A mock training with ever larger rates, of which nothing is kept; then each suggestion was tried."
    used = {name: value for name, value in settings.items() if name not in UNUSED}
    sections = [*note, Section("Learning rates", blocks, intro), commands_section(commands), settings_section(used)]
    return Document(
        title=f"Learning rates: {title}",
        subtitle=subtitle,
        headlines=[Headline(name, f"{rate:.2g}", MEANING.get(name, "")) for name, rate in said],
        sections=[section for section in sections if section is not None],
        footer=FOOTER,
    )


def of_runs(
    runs: Sequence[Run], tables: Tables, measures: Sequence[str], verdict: str, notes: Sequence[str]
) -> Document:
    """What `pellucid compare` found: curves laid over each other, what differs, and the first step that does.

    Args:
        measures: the columns of the runs' rows to draw.
        verdict: where two runs part, in words.
    """
    blocks: list[Block] = []
    figures = compare_apart({run.label: run.rows for run in runs}, measures)
    labels = ", ".join(run.label for run in runs)
    pictures = [
        Picture(figure, f"Curves of the {name_of(name)} of {labels}.")
        for name, figure in zip(measures, figures, strict=True)
    ]
    if pictures:
        blocks.append(Beside(pictures))
    sections = [Section("Notes", [Text(note, "note") for note in notes])] if notes else []
    if verdict:
        sections.append(Section("Where they part", [Text(line.strip()) for line in verdict.splitlines()]))
    if blocks:
        sections.append(Section("Curves", blocks))
    for title, (columns, rows) in run_table(list(runs), tables).items():
        columns[0] = columns[0] or "what"
        sections.append(Section(title, [Table(columns, rows, _CAPTIONS[title], right=len(columns) - 1)]))
    return Document(
        title=" and ".join(run.label for run in runs) if len(runs) == 2 else f"{len(runs)} runs compared",
        subtitle="Runs compared: their curves, their figures, and the settings in which they differ.",
        sections=sections,
        footer=FOOTER,
    )


def of_sweep(search: Search) -> Document:
    """What came of a sweep so far: what each setting does to the metric, all trials, and what repeats the best."""
    best, ranked = search.best(), search.ranked()
    metric = name_of(search.metric)
    done = sum(record["state"] in ("complete", "diverged") for record in search.records)
    diverged = sum(record["state"] == "diverged" for record in search.records)
    headlines = [Headline("trials", f"{done} of {search.trials}", f"{diverged} diverged" if diverged else "")]
    sections: list[Section] = []
    if best is not None:
        headlines.insert(0, Headline(f"best {metric}", number(best["value"]), search.words(best["params"])))
        names = {name: name.replace("_", " ") for name in search.space}
        points = [
            {**{names[name]: record["params"].get(name) for name in names}, metric: record["value"]}
            for record in ranked
        ]
        how = "max" if search.maximise else "min"
        figures = sweep_apart(points, metric, list(names.values()), how)
        told = f"the best, {number(best['value'])}, with {search.words(best['params'])}"
        alone = figures[len(figures) - len(names) :]
        pictures = [
            Picture(f, f"The {metric} over {name}; {told}.") for name, f in zip(names.values(), alone, strict=True)
        ]
        together = [
            Picture(figure, f"All trials, by {', '.join(names.values())}; {told}.") for figure in figures[: -len(names)]
        ]
        blocks: list[Block] = [Beside([*together, *pictures])] if len(names) < 3 else [*together, Beside(pictures)]
        sections.append(Section("What the settings do", blocks))
        again = [Code(search.command(best), "To repeat the best run")]
        if search.is_here(best):
            again.append(Code(str(search.folder(best["index"])), "Its run folder"))
        sections.append(Section("The best", again))
    columns = ["trial", "state", *(spoken(name) for name in search.space), metric, "validation loss", "seconds"]
    rows = [
        [
            record["index"],
            record["state"],
            *(text(record["params"].get(name)) for name in search.space),
            *(shown(name, value) for name, value in _measured(search, record)),
        ]
        for record in ranked
    ]
    if search.metric == "val_loss":
        del columns[-2]
    caption = f"All {len(rows)} trials, the best first"
    listed = Table(columns, rows, caption, folded=len(rows) > _FOLDED, right=len(columns) - 2)
    sections.append(Section("Trials", [listed]))
    settings = settings_section(search.fixed)
    return Document(
        title=f"Sweep of {search.fixed.get('dataset')}",
        subtitle=f"{'Grid' if search.sampler == 'grid' else search.sampler.capitalize() + ' search'} over "
        + ", ".join(spoken(name) for name in search.space),
        state="complete" if done == search.trials else "unfinished",
        headlines=headlines,
        sections=[*sections, *([settings] if settings else [])],
        footer=FOOTER,
    )


def _measured(search: Search, record: dict[str, Any]) -> list[tuple[str, Any]]:
    """What a trial's row shows of its run: the metric, the validation loss and the time."""
    names = dict.fromkeys((search.metric, "val_loss", "seconds"))
    return [(name, record["value"] if name == search.metric else record["summary"].get(name)) for name in names]
