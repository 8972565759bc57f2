"""`pellucid train DATASET`: a network learns, and everything about the run is in a folder."""

from __future__ import annotations

import dataclasses
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from pellucid.cli import build, callbacks, report
from pellucid.cli import config as settings
from pellucid.cli import data as source
from pellucid.cli.config import Config, Options
from pellucid.cli.errors import UsageError
from pellucid.cli.screen import Screen, table
from pellucid.core import device as device_of
from pellucid.random import default_generator
from pellucid.train import (
    ActivationStats,
    Checkpoint,
    EarlyStopping,
    GradientStats,
    Learner,
    NaNGuard,
    NonFiniteError,
    Recorder,
    RunFolder,
    write_atomically,
)
from pellucid.train.files.environment import environment
from pellucid.viz import curves

INTERRUPTED = 130  # what a shell expects of a program that Ctrl-C ended


def train(
    dataset: Annotated[
        str | None,
        typer.Argument(
            help="digits, mnist, circle, moons, spirals, or the path of a CSV file.",
            show_default="digits",
            metavar="DATASET",
        ),
    ] = None,
    target: Annotated[str | None, typer.Option(help="The column of the CSV file to predict.")] = None,
    data: Annotated[
        str | None, typer.Option(help="The folder with MNIST's four files; without it, the cache or a download.")
    ] = None,
    balance: Annotated[
        float | None, typer.Option(help="circle: the share of points inside.", show_default="0.5")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="logistic, mlp:SIZES (such as mlp:128,64) or cnn.", show_default="by data set")
    ] = None,
    activation: Annotated[
        str | None, typer.Option(help=", ".join(settings.ACTIVATIONS) + ".", show_default="relu")
    ] = None,
    loss: Annotated[
        str | None,
        typer.Option(
            help="cross-entropy, mse (the quadratic loss) or bce.", show_default="cross-entropy; mse for a real target"
        ),
    ] = None,
    optimizer: Annotated[str | None, typer.Option(help="sgd, adam or adamw.", show_default="by data set")] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate.", show_default="by optimizer")] = None,
    momentum: Annotated[float | None, typer.Option(help="Momentum of sgd.", show_default="0")] = None,
    weight_decay: Annotated[float | None, typer.Option(help="Weight decay.", show_default="0; adamw 0.01")] = None,
    schedule: Annotated[
        str | None,
        typer.Option(
            help="Learning rate over the run: constant; cosine or linear, down to 0; one-cycle, up to --lr and down.",
            show_default="by data set",
        ),
    ] = None,
    callback: Annotated[
        list[str] | None,
        typer.Option(
            help="A callback of pellucid.train, such as early-stopping:patience=5 or ema:decay=0.99. May be repeated.",
            show_default=False,
        ),
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Samples per step.", show_default="by data set")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the data.", show_default="by data set")] = None,
    val_fraction: Annotated[
        float | None, typer.Option(help="Part of the samples kept for validation.", show_default="0.2; mnist 1/12")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Decides weights, split, order and dropout.", show_default="0")
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda (which needs CuPy).", show_default="cpu")] = None,
    log_every: Annotated[
        int | None, typer.Option(help="Steps between two rows of history.csv.", show_default="by data set")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The run folder.", show_default="runs/DATASET-MODEL-TIME")] = None,
    resume: Annotated[Path | None, typer.Option(help="The folder of a run to go on with.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but the run folder.")] = False,
    with_report: Annotated[
        bool, typer.Option("--report/--no-report", help="Write report.html, a page about the run, at its end.")
    ] = True,
) -> None:
    """Train a network on DATASET.

    The run folder gets config.json, environment.json, history.csv, a checkpoint per epoch, model.safetensors,
    activations.npz and gradients.npz, summary.json, loss.png and report.html, a page that shows it all.
    Ctrl-C saves and says how to go on; a resumed run equals the uninterrupted one bit for bit.

    Example: pellucid train mnist --model cnn --epochs 3
    """
    every = locals()
    fields = [field.name for field in dataclasses.fields(Config)]  # each is an option
    given = {name: every[name] for name in fields if every[name] not in (None, [])}
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True, quiet=quiet)
    session = start(given, out, quiet) if resume is None else go_on(given, resume, out, quiet)
    session.run(console, with_report)
    if quiet:
        print(session.folder.path)


def start(given: Options, out: Path | None, quiet: bool) -> Session:
    """A new run: everything that can be wrong is found before its folder is made."""
    options = settings.check(given)
    if out is not None:
        RunFolder(out).check_free()
    data = source.load({**options, "quiet": quiet})
    config = settings.complete(options, source.classes_of(data))
    folder = RunFolder(out if out is not None else default_folder(config))
    folder.check_free()
    session = Session(config, data, folder)
    folder.create(session.record())
    folder.write_environment(environment(), step=0)
    return session


def go_on(given: Options, resume: Path, out: Path | None, quiet: bool) -> Session:
    """The run in `resume`, from its last whole checkpoint."""
    if out is not None:
        raise UsageError(f"--out and --resume exclude each other: a resumed run goes on in its own folder, {resume}.")
    folder = RunFolder(resume)
    stored = folder.read_config()
    config = settings.from_json(stored.get("config", {}))
    given = settings.check({"dataset": config.dataset} | ({"target": config.target} if config.target else {}) | given)
    settings.check_same(given, config, resume)
    config = dataclasses.replace(config, **{name: given[name] for name in settings.RESUMABLE if name in given})
    data = source.load({**{k: v for k, v in dataclasses.asdict(config).items() if v is not None}, "quiet": quiet})
    if source.fingerprint(data) != stored.get("data", {}).get("fingerprint"):
        raise UsageError(f"The data are not those that the run in {resume} was made with: their checksum differs.")
    session = Session(config, data, folder)
    session.restore()
    folder.summary.unlink(missing_ok=True)  # it is of the shorter run
    folder.failure.unlink(missing_ok=True)
    folder.create(session.record())
    folder.write_environment(environment(), step=session.learner.step)
    return session


def default_folder(config: Config) -> Path:
    """`runs/<dataset>-<model>-<timestamp>`, with a number behind it where two runs begin in the same second."""
    model = config.model.replace(":", "-").replace(",", "-")
    base = Path("runs") / f"{config.short_dataset}-{model}-{time.strftime('%Y%m%d-%H%M%S')}"
    path, count = base, 1
    while path.exists():
        count += 1
        path = base.with_name(f"{base.name}-{count}")
    return path


class Session:
    """A run: its parts built from the configuration, always in the same order from the same seed."""

    def __init__(self, config: Config, data: Any, folder: RunFolder) -> None:
        self.config, self.data, self.folder = config, data, folder
        self.classes = source.classes_of(data)
        self.metric = "accuracy" if self.classes is not None else "r2"
        check_device(config.device)
        self.loaders = source.loaders(data, config.batch_size, config.seed, config.device)
        default_generator.manual_seed(config.seed)
        self.model = build.model(config, data.sample_shape, self.classes).to(config.device)
        self.history = Recorder(config.log_every, folder.history)
        self.learner = Learner(
            self.model,
            (self.loaders.train, self.loaders.val),
            build.loss(config, self.classes),
            build.optimizer(config, self.model.parameters()),
            build.metrics(self.classes, data.facts.get("target_std", 1.0)),
            [self.history, NaNGuard(), Checkpoint(folder.checkpoints)],
            defaults=(),  # a screen of its own shows the progress
        )
        every = statistics_every(config.epochs * len(self.loaders.train))
        self.activations, self.gradients = ActivationStats(every), GradientStats(every)
        self.learner.add(self.activations, self.gradients)
        self.learner.add(*build.schedule(config), *(callbacks.make(text, folder.path) for text in config.callback))
        self.notes: list[str] = []

    @property
    def parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.model.parameters())

    def record(self) -> dict[str, Any]:
        """What config.json holds."""
        data = self.data
        return {
            "command": "train",
            "config": dataclasses.asdict(self.config),
            "data": {
                "description": data.description,
                "train": len(data.x_train),
                "val": len(data.x_val),
                "test": 0 if data.x_test is None else len(data.x_test),
                "classes": list(data.class_names),
                "features": list(data.feature_names),
                "sample_shape": list(data.sample_shape),
                "facts": dict(data.facts),
                "fingerprint": source.fingerprint(data),
            },
        }

    def restore(self) -> None:
        """Take up the last whole checkpoint."""
        last = self.folder.last_checkpoint()
        if last is None:
            return  # the run ended before it saved for the first time: from the same seed it begins the same
        path, state, passed = last
        self.notes += [f"{message} It was passed over." for message in passed]
        own = {name: tuple(tensor.shape) for name, tensor in self.model.state_dict().items()}
        saved = {name: tuple(tensor.shape) for name, tensor in state["model"].items()}
        if own != saved:
            raise UsageError(
                f"{path} is of another model than the one in {self.folder.config}, {self.config.model}: it holds "
                f"{_shapes(saved)}, and the model has {_shapes(own)}."
            )
        self.learner.load_state_dict(state)
        if self.learner.epoch > self.config.epochs:
            raise UsageError(
                f"--epochs is {self.config.epochs}, but the run in {self.folder.path} has done {self.learner.epoch} "
                "epochs already. Ask for more, or leave it out."
            )

    def run(self, console: Console, with_report: bool = False) -> None:
        """Train, and leave everything in the folder, whether the run completes, is interrupted or fails."""
        for note in self.notes:
            console.print(note)
        console.print(self.headline())
        if console.is_terminal and not console.quiet:
            self.learner.add(Screen(console, self.metric))
        interrupted: list[bool] = []
        try:
            if self.learner.epoch < self.config.epochs:
                with stop_at_ctrl_c(self.learner) as interrupted:
                    self.learner.fit(until=self.config.epochs)
        except NonFiniteError as error:
            diverged = Diverged(error, self)
            write_atomically(self.folder.failure, f"{diverged}\n")
            self.write_results()
            if with_report:
                self.write_report(console)
            raise diverged from error
        self.write_results()
        if self.learner.epoch < self.config.epochs and (interrupted or not self.history.epochs):
            if with_report:
                self.write_report(console)
            console.print(self.where())
            raise typer.Exit(INTERRUPTED if interrupted else 0)
        summary = self.summary()
        self.folder.write_summary(summary)
        console.print(self.table(summary))
        if with_report:
            self.write_report(console)
        console.print(self.where())

    def headline(self) -> str:
        data, config = self.data, self.config
        parts = {"train": data.x_train, "validation": data.x_val, "test": data.x_test}
        counts = ", ".join(f"{len(x):,} {name}" for name, x in parts.items() if x is not None)
        falling = {"constant": "", "one-cycle": " at the top of one cycle"}.get(config.schedule, " falling to 0")
        how = f"{config.optimizer} lr {config.lr:g}{falling}, batch {config.batch_size}, {config.loss}"
        how += "".join(f", {name}" for name in config.callback)
        what = f"{config.title} ({self.parameters:,} parameters)"
        return f"{data.description}\n{what} · {counts} · {how}, seed {config.seed}"

    def write_results(self) -> None:
        """What there is when the training ends, in whatever way: the model, the statistics, the curves."""
        self.folder.write_model(self.model.state_dict())
        self.activations.save(self.folder.activations)
        self.gradients.save(self.folder.gradients)
        curves(self.history.rows, title=self.config.title, save=self.folder.curves)

    def write_report(self, console: Console) -> None:
        """The page about the run. The run is whole without it, so whatever goes wrong here is told and no more."""
        path = self.folder.path
        try:
            with console.status("Writing report.html …"):
                report.write(report.gather(self.folder, self.data), self.folder.report)
        except ImportError as error:
            console.print(f"No report.html was written: {error}")
        except Exception as error:  # noqa: BLE001
            console.print(
                f"No report.html was written ({type(error).__name__}: {error}). The run itself is whole. To try again: "
                f"pellucid report {path}"
            )

    def summary(self) -> dict[str, Any]:
        """The figures of the run. For a real target, R² and mean absolute error stand where accuracy would."""
        last = self.history.epochs[-1]
        names = ["accuracy"] if self.classes is not None else ["r2", "mae"]
        summary = {"train_loss": last["train_loss"], "val_loss": last["val_loss"]}
        summary |= {f"val_{name}": last[f"val_{name}"] for name in names}
        if self.loaders.test is not None:
            test = self.learner.evaluate(self.loaders.test)
            summary |= {f"test_{name}": test[name] for name in names}
        return summary | {
            "epochs": self.learner.epoch,
            "steps": self.learner.step,
            "seconds": round(last["seconds"], 3),
            "seed": self.config.seed,
            "parameters": self.parameters,
        }

    def table(self, summary: dict[str, Any]) -> Any:
        rows = [
            (name.replace("_", " "), f"{value:.4f}")
            for name, value in summary.items()
            if name.startswith(("train_", "val_", "test_"))
        ]
        best = self.history.best
        if best is not None:
            rows.append(("least val loss", f"{best['val_loss']:.4f} (epoch {best['epoch']})"))
        rows += [("epochs", summary["epochs"]), ("steps", summary["steps"]), ("seconds", f"{summary['seconds']:.1f}")]
        return table(self.config.title, [*rows, ("parameters", summary["parameters"])])

    def where(self) -> str:
        """Where the files are and how to go on."""
        learner, folder = self.learner, self.folder
        early = [callback for callback in learner.callbacks if isinstance(callback, EarlyStopping)]
        stopped = next((callback.verdict for callback in early if callback.stopped_epoch is not None), None)
        if stopped is None and learner.epoch < self.config.epochs:
            return (
                f"Stopped after step {learner.step} (epoch {learner.epoch + 1} of {self.config.epochs}); saved in "
                f"{folder.path}.\nTo go on: pellucid train --resume {folder.path}"
            )
        where = f"Run folder: {folder.path}\nLoss curves: {folder.curves}"
        if folder.report.exists():
            where += f"\nReport: {folder.report}"
        if stopped is not None:
            return f"{stopped}\n{where}"
        if self.config.schedule == "constant":
            where += f"\nTo train on: pellucid train --resume {folder.path} --epochs {2 * self.config.epochs}"
        return where


class Diverged(Exception):
    """The run stopped because its numbers were no longer numbers."""

    def __init__(self, error: NonFiniteError, session: Session) -> None:
        # The line "at …" is that of the caller outside of pellucid, which here is only the command line's machinery.
        what = "\n".join(line for line in str(error).splitlines() if not line.startswith("  at "))
        super().__init__(
            f"{what}\nWhat there is was saved in {session.folder.path}, as it was before that step. A smaller "
            f"learning rate often helps: --lr {session.config.lr / 10:g}."
        )


def statistics_every(steps: int) -> int:
    """Steps from one record of the statistics to the next, in a run of `steps`.

    A record takes about as long as two steps. So 200 steps apart it costs 1 % of the run; a run that is too short for
    that has some 20 records, as one cannot see a course in fewer.
    """
    return max(1, min(200, steps // 20))


def check_device(device: str) -> None:
    """UsageError where the device's array library is not there."""
    if device == "cpu":
        return
    try:
        _ = device_of(device).backend  # imports the library
    except (ImportError, RuntimeError) as error:
        raise UsageError(f"--device {device} cannot be used: {error}") from error


@contextmanager
def stop_at_ctrl_c(learner: Learner) -> Iterator[list[bool]]:
    """The first Ctrl-C lets the step that is under way finish; a second one ends the program at once.

    What it gives is empty until then.
    """
    asked: list[bool] = []

    def ask(*_: Any) -> None:
        asked.append(True)
        learner.stop()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


def _shapes(shapes: dict[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in shapes.items())
