"""The playground: a page on this machine where a small network trains live, and where mistakes can be planted.

    pellucid playground

What is chosen on the page (`settings`) is written as a program (`program`), with a planted mistake as an edit of its
text (`mistakes`); the very program that the page offers for download is what trains (`training`), at the page's orders
(`session`), behind a server that only this page can speak to (`server`).
"""

from pellucid.playground.mistakes import MISTAKES, Mistake
from pellucid.playground.program import write
from pellucid.playground.settings import Settings, SettingsError

__all__ = ["MISTAKES", "Mistake", "Settings", "SettingsError", "write"]
