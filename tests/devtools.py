"""Chromium driven by its DevTools protocol: for pages that a server answers, and that are used, not only opened."""

import base64
import contextlib
import itertools
import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")


def chromium() -> str | None:
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


class Tab:
    """A page. `troubles` are errors and warnings that it wrote to the console, and exceptions."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket
        self.numbers = itertools.count(1)
        self.troubles: list[str] = []

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self.socket.recv(timeout=60))
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]
            self._note(answer)

    def _note(self, event: dict[str, Any]) -> None:
        method, what = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.troubles.append(json.dumps(what["exceptionDetails"])[:600])
        elif method == "Log.entryAdded" and what["entry"]["level"] in ("error", "warning"):
            self.troubles.append(what["entry"]["text"] + " " + str(what["entry"].get("url", "")))

    def evaluate(self, expression: str) -> Any:
        found = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, expression: str, seconds: float = 60) -> Any:
        """The value of the expression, as soon as it is true."""
        end = time.monotonic() + seconds
        while not (found := self.evaluate(expression)):
            assert time.monotonic() < end, f"never true: {expression}; {self.troubles}"
            time.sleep(0.02)
        return found

    def key(self, name: str) -> None:
        """Press a key: a letter, or Tab, Enter, Escape, ArrowDown."""
        code = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "ArrowDown": 40}.get(name, ord(name[0].upper()))
        text = {"text": "\r"} if name == "Enter" else {"text": name} if len(name) == 1 else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=name, windowsVirtualKeyCode=code, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=name, windowsVirtualKeyCode=code)

    def read_out(self) -> list[tuple[str, str, dict[str, Any]]]:
        """What a screen reader finds, in its order: role, name, properties such as "live" and "keyshortcuts"."""
        self.call("Accessibility.enable")
        rows = [row for row in self.call("Accessibility.getFullAXTree")["nodes"] if not row.get("ignored")]
        return [
            (
                row.get("role", {}).get("value", ""),
                row.get("name", {}).get("value", ""),
                {found["name"]: found["value"].get("value") for found in row.get("properties", [])},
            )
            for row in rows
        ]

    def announced(self) -> dict[str, str]:
        """What each live region says of itself in the accessibility tree, by its place in the page: `#id`."""
        self.call("Accessibility.enable")
        rows = {row["nodeId"]: row for row in self.call("Accessibility.getFullAXTree")["nodes"]}

        def text(row: dict[str, Any]) -> str:
            if row.get("role", {}).get("value") == "StaticText":
                return row.get("name", {}).get("value", "")
            return " ".join(filter(None, (text(rows[child]) for child in row.get("childIds", ()) if child in rows)))

        found: dict[str, str] = {}
        for row in rows.values():
            kept = {each["name"]: each["value"].get("value") for each in row.get("properties", ())}
            inside = row.get("role", {}).get("value") in ("StaticText", "InlineTextBox")
            if not row.get("ignored") and not inside and kept.get("live") in ("polite", "assertive"):
                node = self.call("DOM.describeNode", backendNodeId=row["backendDOMNodeId"])["node"]
                attributes = dict(zip(node["attributes"][::2], node["attributes"][1::2], strict=True))
                if "id" in attributes:
                    found[f"#{attributes['id']}"] = text(row)
        return found

    def shown_as(self, width: int, height: int = 900, dark: bool = False) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def photograph(self, path: Path, whole: bool = True) -> None:
        found = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(found["data"]))


@contextlib.contextmanager
def tab(address: str, folder: Path) -> Iterator[Tab]:
    """A page of a Chromium of its own, which is ended afterwards."""
    from websockets.sync.client import connect

    program = chromium()
    assert program is not None
    profile = folder / "profile"
    process = subprocess.Popen(
        [
            program, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-port=0",
            f"--user-data-dir={profile}", "about:blank",
        ],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        written, end = profile / "DevToolsActivePort", time.monotonic() + 60
        while not (written.is_file() and len(written.read_text().splitlines()) >= 2):
            assert time.monotonic() < end and process.poll() is None, "the browser did not start"
            time.sleep(0.05)
        port = int(written.read_text().splitlines()[0])
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json") as answer:
            target = next(row for row in json.load(answer) if row["type"] == "page")
        with connect(target["webSocketDebuggerUrl"], max_size=None) as socket:
            made = Tab(socket)
            for domain in ("Page", "Runtime", "Log"):
                made.call(f"{domain}.enable")
            made.call("Page.navigate", url=address)
            yield made
    finally:
        process.terminate()
        process.wait(timeout=30)
