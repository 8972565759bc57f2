"""`pellucid export RUN --onnx FILE`: the network of a run for other runtimes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from pellucid.cli.options import check_file
from pellucid.core import from_data, no_grad
from pellucid.experiments import options as settings
from pellucid.experiments.errors import UsageError
from pellucid.experiments.meaning import inputs_of, outputs_of
from pellucid.experiments.network import trained
from pellucid.experiments.stored import check_data, readable
from pellucid.train import RunFolder


def export(
    run: Annotated[Path, typer.Argument(help="The run folder.", metavar="RUN", show_default=False)],
    file: Annotated[
        Path | None, typer.Option("--onnx", help="The file, which ends in .onnx.", show_default="model.onnx in RUN")
    ] = None,
    opset: Annotated[int, typer.Option(help="ONNX's version of its operators, 18 to 23.")] = 18,
) -> None:
    """Write the network of RUN as an ONNX file, for other runtimes and languages.

    The file takes a batch of any size, scaled as the network was trained; the names of the classes and of the columns,
    how each input is made of a cell of a table, and what the outputs mean, are in its metadata. It is checked by onnx,
    and where onnxruntime is installed its answer is compared with the network's.

    Example: pellucid export runs/digits-mlp-64-20260101-120000 --onnx digits.onnx
    """
    from pellucid.onnx import OPSETS
    from pellucid.onnx import export as write
    from pellucid.onnx.exporting import difference

    if not run.is_dir():
        raise UsageError(f"There is no run folder {run}.")
    if opset not in OPSETS:
        raise UsageError(f"--opset is {opset}; it must be a whole number from {OPSETS[0]} to {OPSETS[-1]}.")
    check_file("--onnx", file, (".onnx",))
    folder = RunFolder(run)
    stored = folder.read_config()
    config = settings.from_json(stored.get("config", {}))
    data = check_data(stored.get("data", {}), f"{folder.config}, data")
    path = file or folder.path / "model.onnx"
    with readable(run):
        network = trained(folder, config, data)
    shape = (4, *data["sample_shape"])
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    if config.source == "text":
        x = np.zeros(shape, np.int64)
    name = "characters" if config.source == "text" else "input"
    try:
        exported = write(
            network, from_data(x), input_names=[name], dynamic_axes={name: {0: "batch"}}, opset_version=opset
        )  # fmt: skip
    except ModuleNotFoundError as error:
        raise UsageError(f"{error}.") from None
    about = {key: data[key] for key in ("classes", "features", "facts", "description")}
    about |= {"inputs": inputs_of(data), "outputs": outputs_of(config, data)}
    for key, value in about.items():
        exported.proto.metadata_props.add(key=key, value=json.dumps(value, ensure_ascii=False))
    exported.save(path)
    print(f"{path}: {exported!r}")
    try:
        with no_grad():
            apart = difference(exported, [x], [network(from_data(x)).numpy()])
    except ModuleNotFoundError:
        print("Checked by onnx; with onnxruntime installed, its answer is compared with the network's, too.")
        return
    print(f"Checked by onnx; onnxruntime's answer differs from the network's by {apart:.1g} of the largest value.")
