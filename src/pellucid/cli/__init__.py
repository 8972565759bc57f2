"""The command line: one file a command. `pellucid_command`, beside the package, is the program that loads them."""

from pellucid_command import main

__all__ = ["main"]
