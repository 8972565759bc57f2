"""The doctor for programs that train with pellucid, under its own names or PyTorch's.

The program is run in a fork (`laboratory`) with an `observer` around modules, optimisers, loaders and losses, and
behind the door; what it notes is a `ProgramRecord`. `rules` go from a record to suspicions, each with the treatment
that a further run tries: `treatments` change what happens in the program, never its text. `compare` says whether that
run went better, `examination` asks one after the other.
"""
