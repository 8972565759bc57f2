"""A page in a headless browser: what a script in it found, and what the console said."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")


def in_browser(page: str, folder: Path, script: str = "return null", dark: bool = False) -> Any:
    """What `script` (the body of an async function) returns in the page, once it is loaded.

    Skips the test where there is no browser. Fails it on any error: one in the page's scripts, one written to the
    console, or a request for anything from outside of the page.
    """
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip(f"no browser is installed ({', '.join(PROGRAMS)})")
    probe = f"""<script>
    window.troubles = [];
    addEventListener("error", (event) => window.troubles.push(event.message || String(event.target?.src)), true);
    document.addEventListener("securitypolicyviolation", (event) =>
      window.troubles.push(`policy: ${{event.violatedDirective}} ${{event.blockedURI}} ${{event.sample}}`));
    addEventListener("unhandledrejection", (event) => window.troubles.push(String(event.reason)));
    for (const kind of ["error", "warn"]) console[kind] = (...words) => window.troubles.push(words.join(" "));
    addEventListener("load", () => setTimeout(async () => {{
      let found = null;
      try {{ found = await (async () => {{ {script} }})(); }} catch (failure) {{ window.troubles.push(failure.stack); }}
      const asked = performance.getEntriesByType("resource").map((one) => one.name);
      const told = document.createElement("pre");
      told.id = "told";
      told.textContent = JSON.stringify({{ found, troubles: window.troubles, asked }});
      document.body.replaceChildren(told);
    }}, 50));
    </script>"""
    path = folder / "page.html"
    path.write_text(page.replace("<head>", "<head>" + probe, 1), encoding="utf-8")
    done = subprocess.run(
        [
            program, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1200,800",
            "--virtual-time-budget=20000", f"--user-data-dir={folder / 'profile'}", "--dump-dom", path.as_uri(),
        ],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    start, end = done.stdout.find('<pre id="told">'), done.stdout.find("</pre>")
    assert start >= 0, f"the page never finished: {done.stdout[-500:]} {done.stderr[-500:]}"
    import html

    told = json.loads(html.unescape(done.stdout[start + len('<pre id="told">') : end]))
    assert told["troubles"] == []
    assert told["asked"] == []
    return told["found"]
