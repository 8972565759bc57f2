"""`pellucid doctor SCRIPT.py`: why does this program not learn?"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console

from pellucid.cli.errors import UsageError
from pellucid.cli.options import check_file
from pellucid.doctor import Exists, NoProgram, Report, examine_script
from pellucid.doctor.page import save as save_page
from pellucid.doctor.text import show


def doctor(
    script: Annotated[
        Path,
        typer.Argument(help="The training program: a script, a notebook, or a directory of them.", show_default=False),
    ],
    args: Annotated[
        list[str] | None, typer.Argument(help="What the program is called with.", show_default=False)
    ] = None,
    loss: Annotated[str | None, typer.Option(help="The name of the loss, where the doctor does not find it.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the report to this file as JSON.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write the report to this file as a page.")] = None,
    budget: Annotated[float, typer.Option(help="Seconds that it may take.", min=1.0)] = 60.0,
    fix: Annotated[
        bool,
        typer.Option(
            "--fix", help="Write a patched copy, train.fixed.py, if one is found that the doctor then calls healthy."
        ),
    ] = False,
) -> None:
    """Run SCRIPT as it is, with ARGS, and say why it does not learn: the line, the mistake, the proof.

    For programs that train with pellucid, under its own names or PyTorch's, and for those that use no framework: NumPy
    or plain Python. What trains is found by running it; forks of it try things out, and write no file. Of a directory,
    the file that trains is taken; of the folder of a run of `pellucid train`, the run is made again.

    Exit code 0: healthy; 1: faults were found; 2: the program could not be run; 3: it could not be told, and the
    report says what is missing and what to type.

    A verdict may be wrong: look at its evidence, and at the curves of the fork, before you believe it.

    Example: pellucid doctor train.py --html report.html
    """
    check_file("--json", json)  # before the minute that an examination takes
    check_file("--html", html)
    try:
        if (script / "config.json").is_file():
            report = _of_run(script, budget, fix)
        else:
            report = examine_script(script, args or [], loss, budget, fix)
    except (NoProgram, Exists) as error:
        raise UsageError(str(error)) from error
    if json is not None:
        report.save(json)
    if html is not None:
        save_page(report, html)
    show(report, Console(highlight=False, emoji=False))
    if report.exit_code:
        raise typer.Exit(report.exit_code)


def _of_run(folder: Path, budget: float, fix: bool) -> Report:
    """The report on a run of `pellucid train`, which is trained again from its beginning. It has no lines."""
    if fix:
        raise UsageError(f"--fix changes a program, and {folder} is a run: start another, with other options.")
    with TemporaryDirectory() as made:
        program = Path(made) / "train.py"
        program.write_text(
            "from pathlib import Path\n\nfrom pellucid.experiments.session import retrain\n\n"
            f"retrain(Path({str(folder.resolve())!r}))\n",
            encoding="utf-8",
        )
        report = examine_script(program, budget=budget)
    for finding in report.findings:
        finding.file, finding.line, finding.code, finding.around = None, None, "", []
    report.facts.pop("loop", None)
    report.facts["script"] = f"the run in {folder}"
    return report
