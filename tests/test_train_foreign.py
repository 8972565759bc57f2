"""A Learner written as for another library, and data that are no batches: what would be ignored is said."""

from typing import Any

import numpy as np
import pytest

import pellucid as torch
from pellucid import nn, optim, train
from pellucid.utils.data import DataLoader, Dataset, TensorDataset


def foreign(name: str, **more: Any) -> type:
    return type("Mine", (train.Learner,), {name: lambda self, *given: None, **more})


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("training_step", "override forward or get_loss"),
        ("validation_step", "(train, valid)"),
        ("configure_optimizers", "Give the optimizer, Learner(model, data, loss, optimizer)"),
        ("train_dataloader", "Give the batches"),
        ("predict_step", "learner.predict(batches)"),
        ("training_epoch_end", "Callback with after_epoch"),
        ("compute_loss", "override get_loss"),
        ("on_train_epoch_end", "def after_epoch(self, learner)"),
        ("after_epoch", "def after_epoch(self, learner)"),
    ],
)
def test_what_another_library_calls_is_refused(name: str, instead: str) -> None:
    with pytest.raises(TypeError, match=f"Mine.{name} would never be called") as raised:
        foreign(name)
    assert instead.lower() in str(raised.value).lower()


def test_a_verb_may_call_a_method_of_any_name() -> None:
    foreign("training_step", get_loss=lambda self: self.training_step())
    foreign("on_paper")
    foreign("steps")


def data_and_model() -> tuple[TensorDataset, nn.Module]:
    torch.manual_seed(0)
    x = torch.randn(600, 3)
    return TensorDataset(x, x.sum(1, keepdim=True)), nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))


def learner(data: Any, model: nn.Module) -> train.Learner:
    return train.Learner(model, data, nn.MSELoss(), optim.SGD(model.parameters(), lr=0.1), defaults=())


def test_a_data_set_is_predicted_sample_by_sample() -> None:
    dataset, model = data_and_model()
    made = learner((DataLoader(dataset, batch_size=32), dataset), model)
    whole = made.predict(dataset)
    assert whole.shape == (600, 1)
    assert torch.allclose(whole, made.predict(dataset.tensors[0]), rtol=1e-5, atol=1e-6)
    assert torch.allclose(made.predict(Alone(dataset.tensors[0])), whole)
    assert made.evaluate(dataset)["loss"] == pytest.approx(made.evaluate(DataLoader(dataset, 100))["loss"], rel=1e-5)
    made.fit(1)
    assert made.evaluation["loss"] == pytest.approx(made.evaluate(dataset)["loss"])


class Alone(Dataset):
    """Inputs without a target."""

    def __init__(self, x: torch.Tensor) -> None:
        self.x = x

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: int) -> np.ndarray:
        return self.x[i].numpy()


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("val/loss", "val_loss"),
        ("valid_loss", "val_loss"),
        ("validation loss", "val_loss"),
        ("val_acc", "val_accuracy"),
    ],
)
def test_another_librarys_name_of_a_figure_is_told(name: str, ours: str, tmp_path: Any) -> None:
    with pytest.raises(ValueError, match=f"No figure is called '{name}': write '{ours}'"):
        train.EarlyStopping(name)
    dataset, model = data_and_model()
    loader = DataLoader(dataset, batch_size=300)
    run = train.Learner(
        model, (loader, loader), nn.MSELoss(), optim.SGD(model.parameters(), lr=0.1), defaults=(),
        callbacks=[train.Checkpoint(tmp_path, monitor=name)],
    )  # fmt: skip
    with pytest.raises(ValueError, match=f"write '{ours}'"):
        run.fit(1)


def test_an_interrupted_fit_says_how_it_goes_on() -> None:
    class Interrupted(train.Callback):
        def after_step(self, learner: Any) -> None:
            if learner.step == 2:
                raise KeyboardInterrupt

    dataset, model = data_and_model()
    run = learner(DataLoader(dataset, batch_size=100), model)
    with run.added(Interrupted()), pytest.raises(KeyboardInterrupt) as raised:
        run.fit(4)
    (note,) = raised.value.__notes__
    assert "in epoch 1 of 4, after step 3" in note and "learner.fit(until=4) goes on" in note
    run.fit(until=4)
    assert run.epoch == 4 and run.step == 24
