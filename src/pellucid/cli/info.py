"""`pellucid info`: what is installed and what it computes with; made to be pasted into a bug report."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from pellucid.core import device
from pellucid.train.files import environment as ask


def info(
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Say what is installed: versions, BLAS and its threads, devices, caches, Graphviz.

    Example: pellucid info --json
    """
    found = gather()
    print(json.dumps(found, indent=2) if as_json else as_text(found))


def gather() -> dict[str, Any]:
    """Everything that `pellucid info` tells, as JSON can hold it; what is not there is None."""
    versions = ask.versions()
    return {
        "versions": versions,
        "not_installed": [name for name in ask.PACKAGES if name not in versions],
        "system": {
            "platform": platform.platform(),
            "python": sys.executable,
            "pellucid": str(Path(__file__).parent.parent),
        },
        "processor": ask.processor(),
        "blas": ask.blas(),
        "devices": devices(),
        "caches": caches(),
        "graphviz": graphviz(),
    }


def devices() -> dict[str, str]:
    """Each device by its PyTorch name, with what it is or why it cannot be used."""
    found = {"cpu": ask.processor()["name"]}
    try:
        cupy = device("cuda").backend.xp
        for index in range(cupy.cuda.runtime.getDeviceCount()):
            properties = cupy.cuda.runtime.getDeviceProperties(index)
            memory = properties["totalGlobalMem"] / 2**30
            found[f"cuda:{index}"] = f"{properties['name'].decode()}, {memory:.0f} GiB"
    except Exception as error:  # noqa: BLE001  a driver can be broken in many ways, and each is reported
        found["cuda"] = f"not usable: {' '.join(str(error).split())}"
    return found


def caches() -> dict[str, dict[str, Any]]:
    """The folders that pellucid keeps files in, and the bytes that are there (0 for a folder that is not there)."""
    from pellucid.datasets.handwritten import cache_folder

    try:
        folder = cache_folder()
    except ValueError:  # pooch, which knows where caches lie, is not installed
        return {}
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else 0
    return {"mnist": {"folder": str(folder), "bytes": size}}


def graphviz() -> str | None:
    """The version of Graphviz's `dot`, which draws graphs as SVG and PNG; None where it is not on the path."""
    dot = shutil.which("dot")
    if dot is None:
        return None
    try:
        done = subprocess.run([dot, "-V"], capture_output=True, text=True, errors="replace", timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    version = re.search(r"version (\S+)", done.stderr + done.stdout)
    return version[1] if version else "unknown version"


def as_text(found: dict[str, Any]) -> str:
    """A line for each fact, in groups."""
    blas, processor = found["blas"], found["processor"]
    threads = "unknown" if blas["threads"] is None else blas["threads"]
    asked = {name: value for name, value in os.environ.items() if name.endswith("_NUM_THREADS")}
    groups: dict[str, list[tuple[str, str]]] = {
        "Versions": list(found["versions"].items()),
        "System": [
            ("platform", found["system"]["platform"]),
            ("processor", f"{processor['name']}, cores to run on: {processor['cores']}"),
            ("BLAS", f"{blas['name']} {blas['version']}, threads: {threads}"),
            *asked.items(),
            ("Python is", found["system"]["python"]),
            ("pellucid is", found["system"]["pellucid"]),
        ],
        "Devices": list(found["devices"].items()),
        "Files": [(name, f"{at['folder']} ({at['bytes'] / 1e6:.1f} MB)") for name, at in found["caches"].items()],
        "Programs": [("Graphviz", found["graphviz"] or "not found: graphs are drawn as HTML and DOT only")],
    }
    if found["not_installed"]:
        groups["Versions"].append(("not installed", ", ".join(found["not_installed"])))
    width = max(len(name) for lines in groups.values() for name, _ in lines)
    return "\n\n".join(
        "\n".join([title, *(f"  {name:<{width}}  {value}" for name, value in lines)])
        for title, lines in groups.items()
        if lines
    )
