"""Programs with a backward pass by hand, and the mistakes planted in them: what `pellucid check` is judged by here.

Each program is a script as a learner would write it, with `params`, `loss(params)` and `grads(params)` that are right.
Its `PLANTED` lists mistakes: the id of the mistake, then pairs of (what stands in the source, what to write instead).
`python -m tests.check_programs` plants each, and reports how many the autopsy names.
"""
