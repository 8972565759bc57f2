"""The rows of the benchmark as JSON, as Markdown and as a chart."""

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent.parent / "results"
CHART = RESULTS.parent.parent / "docs" / "pictures" / "speed.png"
# What was aimed at: eager and compiled against torch, compiled against the best of its peers.
AIMS = {
    "MLP, batch 16": (1.7, 5.0, 2.2), "MLP, batch 64": (1.5, 2.8, 1.9), "MLP, batch 512": (1.1, 1.5, 1.35),
    "CNN": (1.1, 1.5, 1.5), "residual net": (1.1, 1.6, 1.2), "char-GPT": (1.0, 1.5, 1.4), "LSTM": (1.0, 1.4, 1.3),
}  # fmt: skip


def write(rows: list[dict[str, Any]]) -> None:
    place = RESULTS / "steps.json"
    place.write_text(json.dumps({"rows": rows}, indent=2) + "\n", encoding="utf-8")
    (RESULTS / "steps.md").write_text(page(rows), encoding="utf-8")
    chart([row for row in rows if row["threads"] == 1] or rows)


def table(head: list[str], lines: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *lines)] + [""]


def page(rows: list[dict[str, Any]]) -> str:
    """The result in Markdown: a part for each number of threads."""
    lines = [
        "# Whole training steps",
        "",
        "By `python -m benchmarks.steps`; the machine and versions of each row are in steps.json. `eager` is pellucid",
        "with its kernels, `NumPy lines` is pellucid without llvmlite, `numpy` is the step written by hand.",
        "",
    ]
    for threads in sorted({row["threads"] for row in rows}):
        lines += part([row for row in rows if row["threads"] == threads], threads)
    return "\n".join(lines).rstrip() + "\n"


def part(rows: list[dict[str, Any]], threads: int) -> list[str]:
    def ratio(found: list[float] | None, aim: float) -> str:
        return f"{found[0]:.2f} ({found[1]:.2f} to {found[2]:.2f}); {aim:g}" if found else "–"

    ratios = [
        [
            row["name"], ratio(row["torch over"].get("pellucid"), AIMS[row["name"]][0]),
            ratio(row["torch over"].get("compiled"), AIMS[row["name"]][1]),
            f"{ratio(row['best peer over compiled'], AIMS[row['name']][2])} ({row['best peer']})",
            str(row["rounds"]), f"{row['load']:g}" if row["load"] is not None else "–", row["commit"],
        ]
        for row in rows
    ]  # fmt: skip
    names = {"pellucid": "eager", "without": "NumPy lines"}
    sides = list(dict.fromkeys(side for row in rows for side in row["ms"]))

    def numbers(what: str, form: str) -> list[list[str]]:
        return [[row["name"], *(format(row[what][s], form) if s in row[what] else "–" for s in sides)] for row in rows]

    kind = "processor" if threads == 1 else "clock"
    best = "compiled / best of torch.compile and JAX"
    heading = ["step", "eager / torch", "compiled / torch", best, "rounds", "load", "commit"]
    heads = [names.get(side, side) for side in sides]
    return [
        f"## {threads} thread{'s' * (threads > 1)}",
        "",
        "How many times as fast: the median over rounds and its quartiles; then what was aimed at.",
        "",
        *table(heading, ratios),
        f"Milliseconds a step, of the {kind}:",
        "",
        *table(["step", *heads], numbers("ms", ".3f")),
        "Megabytes that steps held at most, over what the process held before the first (a compiler in it counts):",
        "",
        *table(["step", *heads], numbers("MB", ".0f")),
        "Seconds of the first step, with what was compiled, or found in a cache on disk:",
        "",
        *table(["step", *heads], numbers("first step, s", ".2f")),
    ]  # fmt: skip


def chart(rows: list[dict[str, Any]]) -> None:
    """Bars of how many times as fast as PyTorch's eager step each is."""
    from matplotlib import pyplot as plt

    from pellucid.viz import style

    sides = {
        "compiled": ("pellucid, compiled", style.BLUE), "pellucid": ("pellucid, eager", style.SKY),
        "torch.compile": ("torch.compile", style.ORANGE), "jax": ("JAX, jit", style.GREEN),
        "numpy": ("NumPy by hand", style.GREY),
    }  # fmt: skip
    figure, ax = plt.subplots(figsize=(8, 0.72 * len(rows) + 1.1), layout="constrained")
    height = 0.8 / len(sides)
    for place, row in enumerate(rows):
        here = [side for side in sides if side in row["torch over"]]
        for turn, side in enumerate(here):
            value = row["torch over"][side][0]
            label = sides[side][0] if place == 0 else None  # the first row has them all
            at = place + (turn - (len(here) - 1) / 2) * height
            ax.barh(at, value, 0.9 * height, color=sides[side][1], label=label)
            room = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}  # the line at 1 goes behind a number
            ax.text(value + 0.03, at, f"{value:.2f}", va="center", fontsize=7, bbox=room)
    ax.axvline(1, color="black", linewidth=1)
    ax.set_yticks(range(len(rows)), [row["name"] for row in rows])
    ax.invert_yaxis()
    ax.set_xlabel("times as fast as a step of PyTorch's eager mode (the line at 1); longer is better")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(loc="lower right", frameon=False, fontsize=9)
    CHART.parent.mkdir(exist_ok=True)
    figure.savefig(CHART, dpi=130)
    plt.close(figure)
