"""The pictures of the README and of the docs, from runs made for them: `python tools/pictures.py`.

Each is drawn by what it shows, into docs/pictures/: by a command of `pellucid`, or by a few lines of Python as a user
would write them. Chromium takes the pictures of pages; where there is none, they stay as they are. It takes a minute.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import pellucid as torch
from pellucid import check, datasets, nn, optim, train, viz
from pellucid.utils.data import DataLoader, TensorDataset

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # for tests.devtools
OUT = ROOT / "docs" / "pictures"
WIDTH = 1200  # pixels; they are looked at at 800 and less, on screens of two pixels in place of one too
LIMIT = 150_000  # bytes of a picture
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


def main() -> None:
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        from_the_command_line()
        spirals()
        circle()
        parting()
        playground()
    for path in sorted(OUT.iterdir()):
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB")


def from_the_command_line() -> None:
    """A run's page, the page of a graph, the learning rate finder, a sweep."""
    pellucid("train digits --out digits")  # the first command of the README
    photograph(Path("digits/report.html"), "report", 1200, 1225)
    pellucid("graph digits --backward --out graph.html")
    photograph(Path("graph.html"), "graph", 1200, 860)
    pellucid("find-lr digits --model mlp:128,64 --optimizer sgd --out found.png")
    keep(Image.open("found.png"), "lr-finder")
    grid = "--grid lr=0.0003,0.001,0.003,0.01,0.03 --grid batch-size=32,64,128,256"
    pellucid(f"sweep circle {grid} --epochs 8 --jobs 2 --out sweep")
    keep(Image.open("sweep/sweep.png"), "sweep")


def spirals() -> None:
    """A network learns three spirals: its curves, its regions, its activations."""
    data = datasets.standardised(datasets.spirals(n=3000, arms=3, noise=0.06))
    activations = train.ActivationStats(every=10)
    learner = learner_of(data, 3, 0.1, activations)
    learner.fit_one_cycle(20, max_lr=0.2)
    draw(viz.curves, "curves", learner.recorder, title="three spirals, one cycle of 20 epochs")
    draw(viz.activation_heatmap, "activations", activations.record())
    draw(viz.decision_regions, "regions", predict(learner), data.x_val, data.y_val, class_names=data.class_names)


def circle() -> None:
    """Another learns what lies inside of a circle: the surface of its prediction."""
    data = datasets.standardised(datasets.circle(n=2000))
    learner = learner_of(data, 2, 0.02)
    learner.fit(12)
    points = np.asarray(data.x_val)[:300]
    draw(viz.surface, "surface", predict(learner), points, np.asarray(data.y_val)[:300], class_names=data.class_names)


def parting() -> None:
    """The same network with Adam and with AdamW: where their runs part."""
    rng = np.random.default_rng(0)
    batches = [(rng.normal(size=(16, 5)), rng.integers(0, 3, 16)) for _ in range(4)]
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.GELU(), nn.Dropout(0.3), nn.Linear(8, 3))

    def adam(parameters: Any) -> optim.Optimizer:
        return optim.Adam(parameters, lr=0.01, weight_decay=0.01)

    def adamw(parameters: Any) -> optim.Optimizer:
        return optim.AdamW(parameters, lr=0.01, weight_decay=0.01)

    report = check.parity(model, model, batches, steps=20, loss="cross_entropy", optimizer=(adam, adamw))
    draw(viz.parity, "parity", report)


def playground() -> None:
    """The page of `pellucid playground`, when it has trained for a while."""
    from tests.devtools import chromium, tab

    if chromium() is None:
        print("no browser is installed: docs/pictures/playground.png stays as it is")
        return
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-m", "pellucid", "playground", "--no-browser"]
    process = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        address = (process.stdout or sys.stdin).readline().split()[-1]
        with tab(address, Path.cwd()) as page:
            page.shown_as(WIDTH, 900)
            page.until("window.playground?.state.frame")
            page.evaluate("for (const id of ['follow', 'play']) document.getElementById(id).click()")
            page.until("playground.state.frame.epoch > 60", 120)
            page.evaluate("for (const id of ['play', 'weight-look']) document.getElementById(id).click()")
            page.until("playground.state.surface && !playground.state.fresh")
            page.photograph(Path("playground.png"))
    finally:
        process.terminate()
        process.wait(timeout=30)
    keep(Image.open("playground.png"), "playground")


def learner_of(data: Any, classes: int, lr: float, *callbacks: Any) -> train.Learner:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, classes))
    return train.Learner(
        model,
        (
            DataLoader(TensorDataset(*map(torch.from_numpy, (data.x_train, data.y_train))), 64, shuffle=True),
            DataLoader(TensorDataset(*map(torch.from_numpy, (data.x_val, data.y_val))), 600),
        ),
        nn.CrossEntropyLoss(),
        optim.SGD(model.parameters(), lr=lr, momentum=0.9),
        metrics=[train.Accuracy],
        callbacks=callbacks,
        defaults=[train.Recorder],
    )


def predict(learner: train.Learner) -> Any:
    """Class probabilities of points (N, 2)."""
    return lambda x: learner.predict(np.asarray(x, np.float32)).softmax(dim=1).numpy()


def pellucid(words: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-m", "pellucid", *words.split()], env=environment, check=True, stdout=sys.stderr)


def draw(function: Any, name: str, *what: Any, **how: Any) -> None:
    path = Path(f"{name}.png")
    function(*what, save=path, **how)
    keep(Image.open(path), name)


def photograph(page: Path, name: str, width: int, height: int) -> None:
    """The top of a page, as a browser shows it."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        print(f"no browser is installed ({', '.join(BROWSERS)}): docs/pictures/{name}.png stays as it is")
        return
    shot = Path(f"{name}.png").absolute()
    words = f"--headless --no-sandbox --disable-gpu --hide-scrollbars --window-size={width},{height}".split()
    subprocess.run([program, *words, f"--screenshot={shot}", page.absolute().as_uri()], check=True, capture_output=True)
    keep(Image.open(shot), name)


def keep(picture: Image.Image, name: str) -> None:
    """The picture at its width, with as many colours as fit into the limit."""
    picture = picture.convert("RGB")
    if picture.width > WIDTH:
        picture = picture.resize((WIDTH, round(picture.height * WIDTH / picture.width)), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    for colours in (256, 192, 128, 96, 64):
        if file.tell() <= LIMIT:
            break
        file = io.BytesIO()
        # Median cut, the default, gives up colours of small areas, such as those of lines.
        few = picture.quantize(colours, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        few.save(file, "PNG", optimize=True)
    (OUT / f"{name}.png").write_bytes(file.getvalue())


if __name__ == "__main__":
    main()
