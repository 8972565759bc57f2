"""Exercises: write this backward pass, write this engine, find this fault; a hidden check says what is right.

    pellucid exercise list
    pellucid exercise start linear
    pellucid exercise check linear.py

A sheet (`sheets/NAME.py.txt`) is the solved program; `sheet` makes of it what the learner gets. `table` has the list
with the hints, and `checking` the checks, which use `pellucid.check`.
"""

from pellucid.exercises.checking import Outcome, check
from pellucid.exercises.sheet import ExerciseError, exercise_of, skeleton, solution
from pellucid.exercises.table import EXERCISES, Exercise

__all__ = ["EXERCISES", "Exercise", "ExerciseError", "Outcome", "check", "exercise_of", "skeleton", "solution"]
