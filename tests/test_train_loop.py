"""How the loop can be broken off, changed and extended, and that nothing is left behind when it ends or fails."""

from typing import Any

import numpy as np
import pytest

from pellucid import Generator, from_numpy, manual_seed, nn, ones, optim
from pellucid.train import (
    HOOKS,
    Accuracy,
    Callback,
    Checkpoint,
    GradientClip,
    Learner,
    MeanAbsoluteError,
    Scheduler,
    SkipBatch,
    SkipEpoch,
    StopFit,
)
from pellucid.utils.data import DataLoader, TensorDataset

STEPS = 4  # per epoch, the last of them on a smaller batch


def learner(*callbacks: Callback, **options: Any) -> Learner:
    rng = np.random.default_rng(0)
    x, y = from_numpy(rng.normal(size=(14, 3)).astype(np.float32)), from_numpy(rng.integers(0, 2, 14))
    manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
    train = DataLoader(TensorDataset(x, y), batch_size=4, shuffle=True, generator=Generator().manual_seed(0))
    data = (train, [(x[:7], y[:7]), (x[7:9], y[7:9])])
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return Learner(model, data, nn.CrossEntropyLoss(), optimizer, callbacks=callbacks, **{"defaults": ()} | options)


def at(hook: str, action: Any, step: int | None = None) -> Callback:
    """A callback that does something in one hook, at one step or always."""

    def do(self: Callback, learner: Learner) -> None:
        if step is None or learner.step == step:
            action(learner)

    return type("At", (Callback,), {hook: do})()


def raising(error: Exception) -> Any:
    def action(learner: Learner) -> None:
        raise error

    return action


class Calls(Callback):
    order = 1000

    def __init__(self) -> None:
        self.made: list[str] = []


for _hook in HOOKS:
    setattr(Calls, _hook, lambda self, learner, hook=_hook: self.made.append(hook))


def parameters(learner: Learner) -> list[bytes]:
    return [parameter.detach().numpy().tobytes() for parameter in learner.model.parameters()]


# Skipping and stopping

BEFORE_STEP = ["before_batch", "after_predict", "after_loss", "after_backward"]


@pytest.mark.parametrize("hook", BEFORE_STEP)
def test_a_skipped_batch_moves_nothing_and_counts_as_passed(hook: str) -> None:
    skipping = learner(at(hook, raising(SkipBatch())))
    before = parameters(skipping)
    skipping.fit(1)
    assert parameters(skipping) == before
    assert (skipping.epoch, skipping.step, skipping.batch) == (1, STEPS, 0)
    assert skipping.samples == (14 if hook in {"after_loss", "after_backward"} else 0)


def test_after_batch_comes_for_a_skipped_batch_without_a_loss() -> None:
    calls, losses = Calls(), []
    skipping = learner(
        at("before_batch", raising(SkipBatch()), step=1), calls, at("after_batch", lambda own: losses.append(own.loss))
    )
    skipping.fit(1)
    assert calls.made.count("after_batch") == STEPS
    assert calls.made.count("after_step") == STEPS - 1
    assert [loss is None for loss in losses] == [False, True, False, False]


@pytest.mark.parametrize("hook", ["before_epoch", "before_batch", "after_batch"])
def test_a_skipped_epoch_is_not_evaluated_but_ends(hook: str) -> None:
    calls = Calls()
    skipping = learner(at(hook, raising(SkipEpoch())), calls)
    skipping.fit(2)
    assert skipping.epoch == 2
    assert "before_evaluate" not in calls.made
    assert calls.made.count("after_epoch") == 2
    assert skipping.evaluation == {}


@pytest.mark.parametrize("hook", [hook for hook in HOOKS if hook != "after_fit"])
def test_stop_fit_ends_it_from_every_hook(hook: str) -> None:
    calls = Calls()
    stopped = learner(at(hook, raising(StopFit())), calls)
    stopped.fit(2)
    assert calls.made[-1:] == ["after_fit"] * (hook != "before_fit")  # what has not begun need not end
    assert calls.made.count("after_epoch") == 0
    stopped.remove(*stopped.callbacks)
    stopped.fit(1)  # and it can go on


def test_stop_ends_after_the_step() -> None:
    stopped = learner(at("after_loss", lambda own: own.stop(), step=2))
    stopped.fit(3)
    assert (stopped.epoch, stopped.step, stopped.batch) == (0, 3, 3)


# How long


def test_fit_goes_on_for_more_epochs_or_until_a_number() -> None:
    run = learner()
    run.fit(2)
    run.fit(1)
    assert run.epoch == 3
    run.fit(until=3)
    assert run.epoch == 3
    run.fit(until=5)
    assert run.epoch == 5
    run.fit(0)
    assert run.epoch == 5


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({}, TypeError, "fit takes either"),
        ({"epochs": 1, "until": 2}, TypeError, "fit takes either"),
        ({"epochs": -1}, ValueError, "asked for -1 epochs"),
        ({"epochs": 1.5}, ValueError, "asked for 1.5 epochs"),
    ],
)
def test_what_fit_refuses(arguments: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        learner().fit(**arguments)


def test_progress_goes_from_0_to_1_in_each_fit() -> None:
    seen: list[float] = []
    run = learner(at("before_batch", lambda own: seen.append(own.progress)))
    run.fit(2)
    assert seen == [k / (2 * STEPS) for k in range(2 * STEPS)]
    assert run.progress == 1
    seen.clear()
    run.fit(1)
    assert seen == [k / STEPS for k in range(STEPS)]


def test_progress_of_a_resumed_fit_goes_on() -> None:
    whole: list[float] = []
    run = learner(at("before_batch", lambda own: whole.append(own.progress)))
    run.fit(1)
    run.fit(3)
    part: list[float] = []
    first = learner(at("after_batch", lambda own: own.stop(), step=STEPS + 3))
    first.fit(1)
    first.fit(3)
    second = learner(at("before_batch", lambda own: part.append(own.progress)))
    second.load_state_dict(first.state_dict())
    second.fit(until=4)
    assert part == whole[STEPS + 3 :]


def test_a_loader_without_a_length_is_refused() -> None:
    run = learner()
    run.loader = iter([])
    with pytest.raises(TypeError, match="without a length"):
        run.fit(1)


@pytest.mark.parametrize(("batch", "text"), [((1, 2, 3), "3 parts"), (5, "a int")])
def test_a_batch_of_another_form(batch: Any, text: str) -> None:
    run = learner()
    run.loader = [batch]
    with pytest.raises(TypeError, match=f"The loader gave {text}"):
        run.fit(1)


def test_a_batch_of_another_form_can_be_unpacked() -> None:
    class Named(Learner):
        def unpack(self, batch: Any) -> None:
            self.inputs, self.target = batch["x"], batch["y"]

    plain = learner()
    named = Named(plain.model, [{"x": x, "y": y} for x, y in plain.loader], plain.loss_function, plain.optimizer)
    named.fit(1)
    assert named.step == STEPS


# Undoing


class Meddler(Callback):
    """Changes a rate, the loss, an attribute of the model and a method of the learner; asks for a call at the end."""

    def __init__(self, fail_in: str = "") -> None:
        self.fail_in, self.ended = fail_in, 0

    def before_fit(self, learner: Learner) -> None:
        learner.at_end(lambda: setattr(self, "ended", self.ended + 1))

    def before_batch(self, learner: Learner) -> None:
        for group in learner.optimizer.param_groups:
            learner.replace(group, "lr", 1 / (1 + learner.step))
            learner.replace(group, "invented", 1)
        own = learner.loss_function
        learner.replace(learner, "loss_function", lambda output, target: own(output, target) * 0.5)
        learner.replace(learner.model[1], "momentum", 0.5)
        learner.replace(learner, "zero_grad", learner.optimizer.zero_grad)


for _hook in HOOKS:
    _own = vars(Meddler).get(_hook)

    def _may_fail(self: Meddler, learner: Learner, hook: str = _hook, own: Any = _own) -> None:
        if own is not None:
            own(self, learner)
        if self.fail_in == hook:
            raise KeyError(hook)

    setattr(Meddler, _hook, _may_fail)


@pytest.mark.parametrize("fail_in", ["", *HOOKS])
def test_what_a_callback_changes_is_undone_when_the_fit_ends_or_fails(fail_in: str) -> None:
    meddler, calls = Meddler(fail_in), Calls()
    run = learner(meddler, calls)
    group, loss, momentum = dict(run.optimizer.param_groups[0]), run.loss_function, run.model[1].momentum
    if fail_in:
        with pytest.raises(KeyError, match=fail_in):
            run.fit(2)
    else:
        run.fit(2)
    assert {**run.optimizer.param_groups[0], "params": None} == {**group, "params": None}
    assert run.loss_function is loss
    assert run.model[1].momentum == momentum
    assert "zero_grad" not in vars(run)
    assert meddler.ended == (fail_in != "before_fit" or 1)
    assert ("after_fit" in calls.made) == (fail_in != "before_fit")
    assert all(module.training for module in run.model.modules())
    run.remove(meddler)
    run.fit(1)


def test_the_state_holds_what_was_there_before_the_callbacks() -> None:
    """So that a resumed run, whose callbacks replace it again, ends with the same."""
    states: list[Any] = []
    run = learner(Meddler(), at("after_step", lambda own: states.append(own.state_dict()["optimizer"])))
    run.fit(1)
    assert [state["param_groups"][0]["lr"] for state in states] == [0.1] * STEPS
    assert "invented" not in states[0]["param_groups"][0]


def test_every_after_fit_is_called_and_the_first_failure_is_told_with_the_others() -> None:
    calls = Calls()
    run = learner(at("after_loss", raising(ValueError("the first"))), at("after_fit", raising(KeyError("k"))), calls)
    with pytest.raises(ValueError, match="the first") as caught:
        run.fit(1)
    assert calls.made[-1] == "after_fit"
    assert any("KeyError" in note for note in caught.value.__notes__)


def test_replace_outside_a_fit_is_refused() -> None:
    with pytest.raises(RuntimeError, match="no fit is under way"):
        learner().replace({}, "lr", 1)
    with pytest.raises(RuntimeError, match="no fit is under way"):
        learner().at_end(lambda: None)


def test_fit_within_a_fit_is_refused() -> None:
    with pytest.raises(RuntimeError, match="while fit is running"):
        learner(at("after_batch", lambda own: own.fit(1))).fit(1)


@pytest.mark.parametrize(("wrong", "text"), [(Calls, r"Write Calls\(\)"), (print, "a subclass of Callback")])
def test_what_is_no_callback_is_refused(wrong: Any, text: str) -> None:
    with pytest.raises(TypeError, match=text):
        learner(wrong)


def test_added_callbacks_are_there_for_a_while() -> None:
    run, calls = learner(), Calls()
    with run.added(calls):
        run.fit(1)
    made = len(calls.made)
    run.fit(1)
    assert len(calls.made) == made > 0
    with pytest.raises(ZeroDivisionError), run.added(at("after_loss", lambda own: 1 / 0)):
        run.fit(1)
    assert run.callbacks == []


# Looking


def test_predict_gives_a_row_for_each_sample_and_leaves_the_modes() -> None:
    run = learner()
    run.fit(1)
    run.model[1].eval()  # a layer that is frozen stays so
    x, y = run.loader.dataset.tensors
    together = run.predict(x)
    assert together.shape == (14, 2)
    assert not together.requires_grad
    apart = run.predict([(x[:5], y[:5]), (x[5:], y[5:])])
    alone = run.predict([x[:5], x[5:]])
    np.testing.assert_allclose(apart.numpy(), together.numpy(), rtol=1e-5, atol=1e-6)
    assert (alone.numpy() == apart.numpy()).all()
    assert (run.predict(x.numpy()).numpy() == together.numpy()).all()
    assert run.model.training
    assert not run.model[1].training
    with pytest.raises(ValueError, match="no batches"):
        run.predict([])


def test_evaluate_goes_through_the_validation_data() -> None:
    run = learner(metrics=[Accuracy, MeanAbsoluteError])
    run.metrics.pop("mae")
    x, y = (np.concatenate(part) for part in zip(*[(a.numpy(), b.numpy()) for a, b in run.valid], strict=True))
    figures = run.evaluate()
    output = run.predict(from_numpy(x))
    assert figures["loss"] == pytest.approx(nn.CrossEntropyLoss()(output, from_numpy(y)).item(), rel=1e-5)
    assert figures["accuracy"] == float((output.numpy().argmax(1) == y).mean())
    assert figures == run.evaluate(run.valid)
    with pytest.raises(ValueError, match="no samples"):
        run.evaluate([])
    run.valid = None
    with pytest.raises(ValueError, match="nothing to go through"):
        run.evaluate()


def test_metrics_are_named_by_their_class_and_begin_anew_each_time() -> None:
    run = learner(metrics=[Accuracy(threshold=0.3)])
    assert run.evaluate() == run.evaluate()
    assert set(run.evaluate()) == {"loss", "accuracy"}
    assert run.metrics["accuracy"]().threshold == 0.3
    with pytest.raises(TypeError, match="is no metric"):
        learner(metrics=[print])


def test_defaults_are_left_out_where_one_of_their_kind_is_given() -> None:
    class Default(Callback): ...

    class Better(Default): ...

    assert [type(c) for c in learner(defaults=[Default]).callbacks] == [Default]
    assert [type(c) for c in learner(Better(), defaults=[Default]).callbacks] == [Better]


def test_two_callbacks_of_one_class_each_have_their_state() -> None:
    class Counter(Callback):
        def __init__(self, start: int = 0) -> None:
            self.count = start

        def after_batch(self, learner: Learner) -> None:
            self.count += 1

        def state_dict(self) -> dict[str, Any]:
            return {"count": self.count}

        def load_state_dict(self, state: dict[str, Any]) -> None:
            self.count = state["count"]

    run = learner(Counter(), Counter(100))
    run.fit(1)
    other = learner(first := Counter(), second := Counter())
    other.load_state_dict(run.state_dict())
    assert (first.count, second.count) == (STEPS, 100 + STEPS)


def test_save_and_load(tmp_path: Any) -> None:
    run = learner()
    run.fit(1)
    run.save(tmp_path / "run.safetensors")
    run.fit(1)
    other = learner()
    other.load(tmp_path / "run.safetensors")
    other.fit(1)
    assert parameters(other) == parameters(run)


# Slips in what a Learner is made of


def test_slips_are_told_with_what_to_write() -> None:
    model, batches = nn.Linear(3, 2), [(ones(2, 3), ones(2, 2))]
    loss, optimizer = nn.MSELoss(), optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(TypeError, match=r"The loss is the class MSELoss, not an object: write MSELoss\(\)\."):
        Learner(model, batches, nn.MSELoss, optimizer)
    with pytest.raises(TypeError, match=r"write SGD\(model.parameters\(\), lr=0.01\)"):
        Learner(model, batches, loss, optim.SGD)
    with pytest.raises(TypeError, match=r"is a MSELoss, which has no param_groups. The order is Learner\(model, data"):
        Learner(model, batches, optimizer, loss)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"CrossEntropyLoss without a length.*Learner\(model, data, loss, optimizer\)"):
        Learner(model, nn.CrossEntropyLoss(), loss, optimizer, defaults=()).fit(1)


def test_a_data_set_in_place_of_a_loader_is_told() -> None:
    model = nn.Linear(3, 2)
    dataset = TensorDataset(ones(4, 3), from_numpy(np.zeros(4, np.int64)))
    slip = Learner(model, dataset, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.1), defaults=())
    with pytest.raises(TypeError, match=r"a TensorDataset, a data set without batches\? Write DataLoader\(dataset"):
        slip.fit(1)


@pytest.mark.parametrize("rate", [None, -1, 0, [0.1, -0.1], "0.1"])
def test_one_cycle_has_a_rate_above_0(rate: Any) -> None:
    with pytest.raises(ValueError, match="max_lr is a number above 0"):
        learner().fit_one_cycle(1, rate)


def test_swapped_arguments_of_the_tools_are_told() -> None:
    from pellucid.train import loss_landscape, lr_find

    with pytest.raises(TypeError, match=r"The order is loss_landscape\(model, batches, loss\)"):
        loss_landscape(nn.Linear(3, 2), nn.MSELoss(), [])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="lr_find takes a Learner, not a Linear"):
        lr_find(nn.Linear(3, 2))  # type: ignore[arg-type]


# Names that are no hooks

FOREIGN = {
    "after_epochs": "after_epoch",
    "before_training": "before_fit",
    "after_training": "after_fit",
    "on_train_begin": "before_fit",
    "on_train_end": "after_fit",
    "on_fit_start": "before_fit",
    "on_fit_end": "after_fit",
    "begin_fit": "before_fit",
    "on_epoch_begin": "before_epoch",
    "on_epoch_end": "after_epoch",
    "on_train_epoch_end": "after_epoch",
    "epoch_end": "after_epoch",
    "begin_epoch": "before_epoch",
    "on_batch_begin": "before_batch",
    "on_train_batch_end": "after_batch",
    "begin_batch": "before_batch",
    "iteration_completed": "after_batch",
    "on_validation_start": "before_evaluate",
    "on_validation_end": "after_evaluate",
    "begin_validate": "before_evaluate",
    "on_test_begin": "before_evaluate",
    "after_pred": "after_predict",
    "on_before_backward": "after_loss",
    "on_after_backward": "after_backward",
    "before_step": "after_backward",
    "on_before_optimizer_step": "after_backward",
    "on_step_end": "after_batch",
    "on_train_step_end": "after_batch",
}


@pytest.mark.parametrize("name", FOREIGN)
def test_hooks_of_other_libraries_are_refused(name: str) -> None:
    message = rf"Mine\.{name} is no hook of the training loop\. Did you mean {FOREIGN[name]}\?"

    def hook(self: Any, learner: Learner) -> None: ...

    with pytest.raises(TypeError, match=message):
        type("Mine", (Callback,), {name: hook})
    with pytest.raises(TypeError, match=message):  # of a mixin
        type("Mine", (type("Mixin", (), {name: hook}), Callback), {})
    kind = type("Mine", (Callback,), {})
    callback = kind()
    setattr(callback, name, lambda learner: None)
    with pytest.raises(TypeError, match=message):
        learner(callback)
    setattr(kind, name, hook)
    with pytest.raises(TypeError, match=message):
        learner(kind())


@pytest.mark.parametrize("name", ["spend", "start", "append_end", "_on_epoch_end", "ends", "monitor", "test", "fit"])
def test_other_names_are_free(name: str) -> None:
    learner(type("Mine", (Callback,), {name: lambda self: None})())


def test_hooks_are_called_as_they_are_written() -> None:
    def too_many(self: Any, epoch: int, logs: dict[str, Any]) -> None: ...
    def none(self: Any) -> None: ...
    def generator(self: Any, learner: Learner) -> Any:
        yield

    async def coroutine(self: Any, learner: Learner) -> None: ...

    for hook, message in (
        (too_many, r"Mine\.after_epoch\(.*epoch.*logs.*cannot be called with the learner alone"),
        (none, r"write def after_epoch\(self, learner\)"),
        (generator, "whose body would never run"),
        (coroutine, "whose body would never run"),
        (3, "is 3, and a hook is a method"),
    ):
        with pytest.raises(TypeError, match=message):
            type("Mine", (Callback,), {"after_epoch": hook})


def test_a_hook_that_is_put_into_an_object_is_called() -> None:
    calls: list[str] = []
    own = Callback()
    run = learner(own)
    own.after_epoch = lambda learner: calls.append("after_epoch")  # type: ignore[method-assign]
    run.fit(2)
    assert calls == ["after_epoch"] * 2
    own.after_epoch = lambda: None  # type: ignore[method-assign,assignment]
    with pytest.raises(TypeError, match="cannot be called with the learner alone"):
        run.fit(1)


def test_callbacks_print_what_they_were_made_with() -> None:
    class Own(Callback):
        def __init__(self, often: int) -> None:
            self.often = often

    shown = {
        Own(3): "Own(often=3)",
        GradientClip(norm=0.5): "GradientClip(norm=0.5, value=None)",
        Accuracy(): "Accuracy(threshold=0.0)",
        Checkpoint("folder", keep=2): "Checkpoint(monitor='val_loss', mode='min', keep=2, keep_first=False)",
    }
    assert {repr(thing): text for thing, text in shown.items()} == {text: text for text in shown.values()}


@pytest.mark.parametrize(
    ("make", "every", "expected"),
    [
        (lambda o: optim.lr_scheduler.StepLR(o, 1, 0.5), None, [0.1, 0.05, 0.025]),
        (lambda o: optim.lr_scheduler.ExponentialLR(o, 0.5), "batch", [0.1, 0.00625, 0.000390625]),
        (lambda o: optim.lr_scheduler.OneCycleLR(o, 1.0, total_steps=12), None, [0.04, 0.933012970, 0.283060998]),
        (lambda o: optim.lr_scheduler.ReduceLROnPlateau(o, "max", 0.5, patience=0), None, [0.1, 0.1, 0.05]),
    ],
    ids=["epochs", "batches", "one cycle", "a measurement"],
)
def test_a_scheduler_of_pytorchs_kind_steps_and_is_in_the_checkpoint(
    make: Any, every: str | None, expected: list[float]
) -> None:
    def learner() -> tuple[Learner, list[float]]:
        manual_seed(0)
        model, rates = nn.Linear(2, 1), []
        optimizer = optim.SGD(model.parameters(), lr=0.1)

        class Rates(Callback):
            def before_epoch(self, learner: Learner) -> None:
                rates.append(learner.optimizer.param_groups[0]["lr"])

        data = [(ones(3, 2), ones(3, 1))] * 4
        scheduler = Scheduler(make(optimizer), every)
        return Learner(model, data, nn.MSELoss(), optimizer, callbacks=[scheduler, Rates()], defaults=()), rates

    whole, rates = learner()
    whole.fit(3)
    assert rates == pytest.approx(expected)
    first, _ = learner()
    first.fit(1)
    again, rest = learner()
    again.load_state_dict(first.state_dict())
    again.fit(until=3)
    assert rest == rates[1:]
    assert [p.tolist() for p in again.model.parameters()] == [p.tolist() for p in whole.model.parameters()]


def test_a_scheduler_that_does_not_belong_is_refused() -> None:
    model = nn.Linear(2, 1)
    optimizer, other = (optim.SGD(model.parameters(), lr=0.1) for _ in range(2))
    data = [(ones(3, 2), ones(3, 1))]
    scheduler = optim.lr_scheduler.StepLR(other, 1)
    with pytest.raises(TypeError, match=r"Write Scheduler\(StepLR\(optimizer, …\)\)"):
        Learner(model, data, nn.MSELoss(), optimizer, callbacks=[scheduler], defaults=())  # type: ignore[list-item]
    with pytest.raises(ValueError, match="StepLR of this Scheduler was made with another optimiser"):
        Learner(model, data, nn.MSELoss(), optimizer, callbacks=[Scheduler(scheduler)], defaults=()).fit(1)
    with pytest.raises(TypeError, match="is no scheduler"):
        Scheduler(optimizer)
    with pytest.raises(ValueError, match="'epoch' or 'batch'"):
        Scheduler(scheduler, every="step")
