"""`pellucid playground`: a page on this machine where a network trains live, and where mistakes can be planted."""

from __future__ import annotations

import webbrowser
from typing import Annotated

import typer

from pellucid.experiments.errors import UsageError
from pellucid.playground.server import Absent, serve


def playground(
    port: Annotated[
        int, typer.Option(help="The port of the page.", min=0, max=65535, show_default="one that is free")
    ] = 0,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
) -> None:
    """Open a page on this machine where a small network trains live, and where mistakes can be planted and found.

    Data, network, activation, loss, optimiser and rate are chosen there; the boundary, the units, the gradients and the
    loss move as it trains. The page writes the program that does the same. Only this machine can reach it, and only by
    the address with its token. Ctrl-C ends it.

    Example: pellucid playground --port 8765 --no-browser
    """

    def opened(address: str) -> None:
        print(f"Playground: {address}", flush=True)
        print("Ctrl-C ends it.", flush=True)
        if browser:
            webbrowser.open(address)

    try:
        serve(port, opened)
    except Absent as error:
        raise UsageError(str(error)) from error
    except KeyboardInterrupt:  # the usual end
        print("The playground has ended.")
