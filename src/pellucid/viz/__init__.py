"""Drawing: plain records in, matplotlib figures out. Nothing is computed here that a record could hold."""

from pellucid.viz.curves import loss_curves

__all__ = ["loss_curves"]
