"""The server behind the page: on this machine alone, and for this page alone.

Other sites that are open in the same browser can send requests to 127.0.0.1, too. So that none can drive the training,
or read it: the address has a token that only the page knows, the Host must be ours (against names that are rebound to
this machine), and a socket is refused whose Origin is another. The page fetches nothing from elsewhere, and its policy
lets no script run that is not one of its own files.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any

from pellucid.playground.mistakes import MISTAKES
from pellucid.playground.session import Answer, Session
from pellucid.playground.settings import (
    ACTIVATIONS,
    CLASSES,
    DATA,
    LOSSES,
    MOST_LAYERS,
    MOST_SAMPLES,
    MOST_UNITS,
    OPTIMISERS,
    REGULARISATIONS,
    Settings,
)

PAGE = Path(__file__).resolve().parent / "page"
KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
MOST_SESSIONS = 8
MOST_BYTES = 10_000  # of an order
HOSTS = ("127.0.0.1", "localhost")


class Absent(ModuleNotFoundError):
    """Starlette, uvicorn or websockets are not installed."""


def need() -> None:
    """Raises Absent, with what to install."""
    from importlib.util import find_spec

    absent = [name for name in ("starlette", "uvicorn", "websockets") if find_spec(name) is None]
    if absent:
        raise Absent(f'the playground needs {", ".join(absent)}: pip install "pellucid[playground]"', name=absent[0])


def choices() -> dict[str, Any]:
    """What the page offers."""
    return {
        "data": list(DATA),
        "classes": {name: list(numbers) for name, numbers in CLASSES.items()},
        "activation": list(ACTIVATIONS),
        "loss": list(LOSSES),
        "optimiser": list(OPTIMISERS),
        "regularisation": list(REGULARISATIONS),
        "layers": MOST_LAYERS,
        "units": MOST_UNITS,
        "samples": MOST_SAMPLES,
        "settings": Settings().to_dict(),
        "mistakes": [{"name": m.name, "title": m.title, "why": m.why} for m in MISTAKES.values()],
    }


def application(token: str, port: int) -> Any:
    """The Starlette application, for the page at `http://127.0.0.1:PORT/?token=TOKEN`."""
    need()
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse, PlainTextResponse, Response
    from starlette.routing import Route, WebSocketRoute
    from starlette.websockets import WebSocket, WebSocketDisconnect

    hosts = {f"{host}:{port}" for host in HOSTS}
    sessions: set[Session] = set()

    def headers() -> dict[str, str]:
        sockets = " ".join(f"ws://{host}" for host in sorted(hosts))
        return {
            "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
            f"connect-src 'self' {sockets}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cache-Control": "no-store",
        }

    def known(connection: Request | WebSocket) -> bool:
        """Whether who asks has the token, and means this machine by its own name."""
        given = connection.query_params.get("token", "")
        return connection.headers.get("host") in hosts and hmac.compare_digest(given.encode(), token.encode())

    async def page(request: Request) -> Response:
        if not known(request):
            return PlainTextResponse(
                "This page opens by the address that pellucid playground printed, with its token.\n", 403, headers()
            )
        return Response((PAGE / "index.html").read_bytes(), media_type="text/html", headers=headers())

    async def part(request: Request) -> Response:
        """A script or a style of the page: the same for everyone, so without a token."""
        path = PAGE / request.path_params["name"]
        if request.headers.get("host") not in hosts:
            return PlainTextResponse("The playground answers to its own name alone.\n", 403, headers())
        if path.parent != PAGE or path.suffix not in (".css", ".js", ".svg") or not path.is_file():
            return PlainTextResponse("There is no such file.\n", 404, headers())
        return Response(path.read_bytes(), media_type=KINDS[path.suffix], headers=headers())

    async def offered(request: Request) -> Response:
        if not known(request):
            return PlainTextResponse("The token is missing.\n", 403, headers())
        return JSONResponse(choices(), headers=headers())

    async def live(socket: WebSocket) -> None:
        origin = socket.headers.get("origin")
        own = {f"http://{host}" for host in hosts}
        if not known(socket) or origin not in own or len(sessions) >= MOST_SESSIONS:
            await socket.close(1008)
            return
        await socket.accept()
        loop = asyncio.get_running_loop()
        answers: asyncio.Queue[Answer] = asyncio.Queue()

        def send(answer: Answer) -> None:
            with suppress(RuntimeError):  # the loop is closed: the page is gone
                loop.call_soon_threadsafe(answers.put_nowait, answer)

        session = Session(send)
        sessions.add(session)
        session.start()
        speaking = asyncio.create_task(_speak(socket, answers))
        try:
            while True:
                text = await socket.receive_text()
                session.order(_order(text))
        except (WebSocketDisconnect, KeyError):
            pass
        finally:
            speaking.cancel()
            sessions.discard(session)
            await asyncio.to_thread(session.close)

    async def _speak(socket: WebSocket, answers: asyncio.Queue[Answer]) -> None:
        with suppress(WebSocketDisconnect, RuntimeError):
            while True:
                answer = await answers.get()
                if isinstance(answer, bytes):
                    await socket.send_bytes(answer)
                else:
                    await socket.send_text(json.dumps(answer, allow_nan=False))

    return Starlette(
        routes=[
            Route("/", page),
            Route("/choices", offered),
            Route("/{name}", part),
            WebSocketRoute("/live", live),
        ]
    )


def _order(text: str) -> dict[str, Any]:
    """An order, or one that the session refuses."""
    if len(text) > MOST_BYTES:
        return {"do": f"of {len(text)} characters"}
    try:
        order = json.loads(text)
    except ValueError:
        order = None
    return order if isinstance(order, dict) and order else {"do": text[:40]}


def serve(port: int = 0, opened: Any = None) -> None:
    """Serve the page until Ctrl-C.

    Args:
        port: 0 for one that is free.
        opened: called with the page's address once it answers.

    Raises:
        Absent: see `need`.
        OSError: the port is taken.
    """
    need()
    import socket

    import uvicorn

    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
        port = listener.getsockname()[1]
        token = secrets.token_urlsafe(24)
        config = uvicorn.Config(
            application(token, port), log_level="error", ws_max_size=4 * MOST_BYTES, ws_per_message_deflate=False
        )
        if opened is not None:
            opened(f"http://127.0.0.1:{port}/?token={token}")
        uvicorn.Server(config).run(sockets=[listener])
