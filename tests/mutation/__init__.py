"""How good the tests are: the gradient rule of each op is broken in turn, and somebody should notice.

`python -m tests.mutation` breaks every rule in every way (`mutants`) and asks for each mutant, of the project's own
tests of that op and of `check.gradients` separately, whether they notice (`checks`). What nobody notices is a survivor:
a missing test, or a mutant that is no mistake, and then `survivors` says why.
"""
