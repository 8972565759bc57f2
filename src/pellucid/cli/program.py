"""The program with all its commands loaded, for whoever calls it within Python."""

from pellucid_command import program

app = program()
