"""The doctor for what runs already, in a session or a notebook: a model and its data, or a block of a program.

`examination` trains a model on batches in forks of this process; `watch` observes a block of the user's in this process
and, for what would help, runs it again in forks that were made at its beginning (`snapshot`); `callback` does so for
a Learner. What is noted, the rules and the treatments are those of `observed`.
"""
