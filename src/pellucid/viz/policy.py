"""What a page may do in a browser: run the scripts that it was written with, and load nothing from anywhere.

A page shows texts of other people: column names, class names, the source of a program. Each is escaped where it is put
in; if one were not, the browser would still refuse to run it, since its hash is not among those of the page's scripts.
"""

from __future__ import annotations

import base64
import hashlib
import re

_SCRIPT = re.compile(r"<script(?P<attributes>[^>]*)>(?P<body>.*?)</script>", re.DOTALL)
_STYLE = re.compile(r"<style[^>]*>(?P<body>.*?)</style>", re.DOTALL)


def secured(page: str) -> str:
    """The page with a Content-Security-Policy at the head, which allows its own scripts and style sheets by their hash.

    Attributes `style="…"` are allowed, since figures drawn as SVG consist of them; they run nothing.

    >>> "script-src 'sha256-" in secured('<meta charset="utf-8"><script>let x = 1</script>')
    True
    """
    scripts = [found for found in _SCRIPT.finditer(page) if "application/json" not in found["attributes"]]
    allowed = [_hash(found["body"]) for found in scripts]
    if any("WebAssembly" in found["body"] for found in scripts):
        allowed.append("'wasm-unsafe-eval'")
    sheets = [_hash(found["body"]) for found in _STYLE.finditer(page)]
    policy = {
        "default-src": ["'none'"],
        "script-src": allowed,
        "style-src": ["'unsafe-inline'"],  # for browsers that do not know the two that follow
        "style-src-elem": sheets,
        "style-src-attr": ["'unsafe-inline'"],
        "img-src": ["data:"],
        "font-src": ["data:"],
        "connect-src": ["data:"],
        "worker-src": ["blob:"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
    }
    listed = "; ".join(f"{name} {' '.join(dict.fromkeys(sources))}" for name, sources in policy.items() if sources)
    charset = '<meta charset="utf-8">'  # which must be within the first kilobyte
    return page.replace(charset, f'{charset}\n<meta http-equiv="Content-Security-Policy" content="{listed}">', 1)


def _hash(body: str) -> str:
    """As a browser computes it: of the text between the tags, with its line ends made one kind."""
    text = body.replace("\r\n", "\n").replace("\r", "\n")
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
