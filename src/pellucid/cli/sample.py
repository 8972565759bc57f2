"""`pellucid sample RUN`: a network that learned from a text writes one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pellucid import shell
from pellucid.experiments import options as settings
from pellucid.experiments.errors import UsageError
from pellucid.experiments.network import trained
from pellucid.experiments.sampling import Writer
from pellucid.experiments.stored import check_data, readable
from pellucid.train import RunFolder


def sample(
    run: Annotated[Path, typer.Argument(help="The run folder.", metavar="RUN", show_default=False)],
    prompt: Annotated[str, typer.Option(help="How the text begins.", show_default=False)] = "",
    length: Annotated[
        int | None,
        typer.Option(help="Characters to write; a line of a list ends earlier.", show_default="500; of a list 64"),
    ] = None,
    temperature: Annotated[
        float,
        typer.Option(help="Below 1 the likelier characters are preferred, 0 takes the likeliest; above 1 less so."),
    ] = 1.0,
    seed: Annotated[int, typer.Option(help="Decides what is drawn.")] = 0,
    count: Annotated[
        int | None, typer.Option(help="How many texts, or lines of a list.", show_default="1; of a list 10")
    ] = None,
) -> None:
    """Write text with the network of RUN, which learned from text.

    Example: pellucid sample runs/names-mlp-128-20260101-120000 --prompt em --temperature 0.8
    """
    if not run.is_dir():
        raise UsageError(f"There is no run folder {run}.")
    for option, value, least in (("--length", length, 1), ("--count", count, 1), ("--seed", seed, 0)):
        if value is not None and value < least:
            raise UsageError(f"{option} is {value}; it must be a whole number from {least}.")
    if not 0 <= temperature < float("inf"):
        raise UsageError(f"--temperature is {temperature:g}; it must be 0 or a number above, such as 0.8.")
    folder = RunFolder(run)
    stored = folder.read_config()
    config = settings.from_json(stored.get("config", {}))
    if config.source != "text":
        raise UsageError(
            f"The run in {run} learned from {config.dataset}, which is no text: its network predicts, it does not "
            f"write. Write pellucid predict {shell.quote(run)} FILE."
        )
    data = check_data(stored.get("data", {}), f"{folder.config}, data")
    with readable(run):
        network = trained(folder, config, data)
        lines = bool(data["facts"]["lines"])
        texts = Writer(data["classes"], data["sample_shape"][0], lines).write(
            network,
            seed,
            count=count or (10 if lines else 1),
            prompt=prompt.replace("\\n", "\n"),
            length=length or (64 if lines else 500),
            temperature=temperature,
        )
    print(("\n" if lines else "\n---\n").join(texts))
