"""The program on the page of a run that loads its network in PyTorch: run by PyTorch, it answers as the run's network.

Each kind of data is trained on with each model, and each program is executed as the page has it.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from pellucid import from_numpy, no_grad
from pellucid.experiments import report
from pellucid.experiments.choices import ACTIVATIONS
from pellucid.experiments.models import KINDS
from pellucid.experiments.session import start

_TABLE = {"dataset": "table.csv", "target": "kind", "missing": "indicator"}
_REAL = {"dataset": "table.csv", "target": "size", "missing": "drop"}
_TEXT = {"dataset": "names.txt", "context": 8}
_PICTURES = {"dataset": "pictures"}
RUNS: dict[str, dict[str, Any]] = {
    "table, logistic": {**_TABLE, "model": "logistic"},
    "table, two classes by one output": {**_TABLE, "model": "mlp:4", "loss": "bce"},
    "table, quadratic loss": {**_TABLE, "model": "mlp:4", "loss": "quadratic"},
    "table, residual": {**_TABLE, "model": "mlp:4,4", "residual": True, "batch_norm": True, "dropout": 0.1},
    "real target": {**_REAL, "model": "mlp:4"},
    "digits": {"dataset": "digits", "model": "logistic"},
    "pictures, logistic": {**_PICTURES, "model": "logistic"},
    "pictures, mlp": {**_PICTURES, "model": "mlp:4", "augment": True},
    "pictures, cnn": {**_PICTURES, "model": "cnn", "batch_norm": True},
    "pictures, resnet": {**_PICTURES, "model": "resnet", "dropout": 0.1},
    "text, bigram": {**_TEXT, "model": "bigram"},
    "text, mlp": {**_TEXT, "model": "mlp:8"},
    "text, lstm": {**_TEXT, "model": "lstm:8,6", "dropout": 0.1},
    "text, transformer": {**_TEXT, "model": "transformer:16,2", "dropout": 0.1},
    **{name: {**_TABLE, "model": "mlp:4", "activation": name} for name in ACTIVATIONS},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    rows = [f"{size:.3f},{rng.choice(['a', 'b', ''])},{'big' if size > 0 else 'small'}" for size in rng.normal(size=60)]
    (folder / "table.csv").write_text("size,fur,kind\n" + "\n".join(rows) + "\n", encoding="utf-8")
    (folder / "names.txt").write_text("ada\nbo\nanna\neve\nal\n" * 8, encoding="utf-8")
    for kind in ("dark", "light"):
        (folder / "pictures" / kind).mkdir(parents=True)
        for number in range(8):
            pixels = rng.integers(0, 256, (12, 12, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "pictures" / kind / f"{number}.png")
    return folder


def test_every_model_is_among_them() -> None:
    assert {run["model"].partition(":")[0] for run in RUNS.values()} == set(KINDS)


@pytest.mark.parametrize("name", RUNS)
def test_the_program_answers_as_the_network(
    name: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(data)
    session = start({**RUNS[name], "epochs": 1}, tmp_path / "it's a run")
    session.run()
    record = report.gather(session.folder, session.data)
    program = dict(record.commands)["Load its network in PyTorch"]
    said: list[Any] = []
    scope: dict[str, Any] = {"print": said.append}
    exec(program, scope)  # noqa: S102
    assert len(said) == 1 and type(scope["model"]).__module__ != "pellucid"
    x = session.data.x_val[:8]
    with no_grad():
        ours = record.model(from_numpy(x)).numpy()
    theirs = scope["model"](torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    if name.startswith("text"):
        assert len(said[0]) == 200 and set(said[0]) <= set(session.data.class_names)
    else:
        assert said[0].shape == (1, *ours.shape[1:])
