"""What callbacks share that hand a run's figures to a program which keeps and shows them; and two of them."""

from __future__ import annotations

from pathlib import Path

from pellucid import shell
from pellucid.train.files.extras import need
from pellucid.train.loop import Callback, Loop
from pellucid.train.records.hyperparameters import Hyperparameters
from pellucid.train.records.recorder import scalars


class Tracker(Callback):
    """Hands figures on: every `every` steps `train/loss` (of the batch) and the learning rates and changing
    hyperparameters as `hyperparameters/<name>`; after every epoch `train/epoch_loss` and the validation loss and
    metrics as `val/<name>`.

    A subclass takes them in `log`; `begin` and `end` are called around each fit.

    Attributes:
        where: what to do to see them, in words; empty before the first fit.
    """

    observes = True
    order = 20
    where = ""

    def __init__(self, every: int = 10) -> None:
        if every < 1:
            raise ValueError(f"{type(self).__name__} was given every={every}: it is a number of steps, at least 1.")
        self.every = every
        self._hyperparameters = Hyperparameters()

    def begin(self, learner: Loop) -> None:
        """Open what the figures go to."""
        raise NotImplementedError

    def log(self, values: dict[str, float], step: int) -> None:
        """Take in the figures of a step."""
        raise NotImplementedError

    def end(self) -> None:
        """Close it; called after a fit that failed, too, and perhaps without a `begin`."""
        raise NotImplementedError

    def before_fit(self, learner: Loop) -> None:
        self.begin(learner)
        self._hyperparameters.watch(learner.optimizer.param_groups)

    def after_batch(self, learner: Loop) -> None:
        if learner.step % self.every == 0 and learner.loss is not None:
            self._hyperparameters.look(learner.step)
            now = {f"hyperparameters/{name}": value for name, value in self._hyperparameters.current().items()}
            self.log({"train/loss": learner.loss_value, **now}, learner.step)

    def after_epoch(self, learner: Loop) -> None:
        values = {name.replace("val_", "val/", 1): value for name, value in scalars(learner.evaluation).items()}
        self.log({"train/epoch_loss": learner.train_loss, **values}, learner.step)

    def after_fit(self, learner: Loop) -> None:
        self.end()

    def state_dict(self) -> dict[str, object]:
        return {"hyperparameters": self._hyperparameters.state_dict()}

    def load_state_dict(self, state: dict[str, object]) -> None:
        found = state["hyperparameters"]
        if isinstance(found, dict):
            self._hyperparameters.load_state_dict(found)


class RemoteTracker(Tracker):
    """A tracker whose runs have names: a run that goes on later goes on under the same one."""

    def __init__(self, project: str, name: str | None, every: int) -> None:
        super().__init__(every)
        self.project, self.name = project, name
        self.run_id: str | None = None
        self.failed = False
        self._more: dict[str, object] = {}

    def describe(self, name: str, settings: dict[str, object]) -> None:
        """Add settings of the run to those that the Learner shows; and its name, where none was asked for."""
        self.name, self._more = self.name or name, settings

    def after_fit(self, learner: Loop) -> None:
        self.failed = learner.failure is not None
        super().after_fit(learner)

    def state_dict(self) -> dict[str, object]:
        return {**super().state_dict(), "run_id": self.run_id}

    def load_state_dict(self, state: dict[str, object]) -> None:
        super().load_state_dict(state)
        self.run_id = None if state["run_id"] is None else str(state["run_id"])

    def settings(self, learner: Loop) -> dict[str, object]:
        """What the run is made of, for the table of runs."""
        group = learner.optimizer.param_groups[0]
        numbers = {name: value for name, value in group.items() if isinstance(value, int | float)}
        return {
            "model": type(learner.model).__name__,
            "parameters": sum(parameter.numel() for parameter in learner.model.parameters()),
            "optimizer": type(learner.optimizer).__name__,
            "epochs": learner.epochs,
            **{name: value for name, value in numbers.items() if not isinstance(value, bool)},
            **self._more,
        }


class Wandb(RemoteTracker):
    """Hands a run to Weights & Biases, through the package wandb: losses, metrics, learning rates, by step.

    Who is not logged in can set the variable WANDB_MODE to offline. A resumed run goes on in the same run, and one that
    failed is marked so.

    Args:
        project: which the run is put into.
        name: of the run; None leaves it to Weights & Biases.
        every: steps from one row of figures to the next.

    Raises:
        ValueError: `every` is less than 1. ModuleNotFoundError: wandb is not installed.
    """

    def __init__(self, project: str = "pellucid", name: str | None = None, every: int = 10) -> None:
        super().__init__(project, name, every)
        need("wandb", None, "Weights & Biases")
        self._run = None

    def begin(self, learner: Loop) -> None:
        wandb = need("wandb", None, "Weights & Biases")
        self._run = wandb.init(
            project=self.project, name=self.name, id=self.run_id, resume="allow", config=self.settings(learner)
        )
        self.run_id = str(self._run.id)
        # Without a page, as in offline mode, the run lies in a folder, which a later command hands over.
        folder = Path(self._run.dir).parent
        self.where = f"Weights & Biases: {self._run.url or f'wandb sync {shell.quote(folder)}'}"

    def log(self, values: dict[str, float], step: int) -> None:
        if self._run is not None:
            self._run.log(values, step=step)

    def end(self) -> None:
        if self._run is not None:
            self._run.finish(exit_code=int(self.failed))
            self._run = None


class Mlflow(RemoteTracker):
    """Hands a run to MLflow, through the package mlflow: losses, metrics, learning rates, by step.

    Where it keeps them MLflow's own variable MLFLOW_TRACKING_URI says. A resumed run goes on in the same run, and one
    that failed is marked so.

    Args:
        project: the experiment that the run is put into.
        name: of the run; None leaves it to MLflow.
        every: steps from one row of figures to the next.

    Raises:
        ValueError: `every` is less than 1. ModuleNotFoundError: mlflow is not installed.
    """

    def __init__(self, project: str = "pellucid", name: str | None = None, every: int = 10) -> None:
        super().__init__(project, name, every)
        need("mlflow", None, "MLflow")
        self._running = False

    def begin(self, learner: Loop) -> None:
        mlflow = need("mlflow", None, "MLflow")
        mlflow.set_experiment(self.project)
        going_on = self.run_id is not None
        run = mlflow.start_run(run_id=self.run_id, run_name=None if going_on else self.name)
        self.run_id, self._running = str(run.info.run_id), True
        uri = mlflow.get_tracking_uri()
        served = uri.startswith(("http:", "https:", "databricks"))
        place = uri if served else f"mlflow ui --backend-store-uri {shell.quote(uri)}"
        self.where = f"MLflow: {place} (experiment {self.project}, run {self.run_id})"
        if not going_on:  # MLflow refuses to change what it once noted
            mlflow.log_params(self.settings(learner))

    def log(self, values: dict[str, float], step: int) -> None:
        need("mlflow", None, "MLflow").log_metrics(values, step=step)

    def end(self) -> None:
        if self._running:
            need("mlflow", None, "MLflow").end_run("FAILED" if self.failed else "FINISHED")
            self._running = False
