"""Derivations: how the gradient of an operation follows, and of a computation, one operation at a time.

`pellucid.explain` makes them: a `Derivation` of one op, a `Walk` through a computation.
"""

from pellucid.derivation.call import explain
from pellucid.derivation.derivation import Argument, Derivation
from pellucid.derivation.letters import Matrix
from pellucid.derivation.rule import Rule
from pellucid.derivation.walk import Flow, Step, Walk

__all__ = ["Argument", "Derivation", "Flow", "Matrix", "Rule", "Step", "Walk", "explain"]
