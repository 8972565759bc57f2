"""A NumPy program run once on arrays that record what is done with them, and the way back through the recording.

In reading order: `plain` and `tape` (what a recording is), `rules` (its derivatives), `reverse` (the way back, with a
rule changed where one is asked for), `tables`, `traced` and `functions` (how it comes about), `recording` (a run).
"""
