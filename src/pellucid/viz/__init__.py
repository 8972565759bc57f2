"""Drawing: plain records in, matplotlib figures out. Nothing is computed here that a record could hold.

Every function takes `ax=` (axes of a figure of yours to draw in) and `save=` (a path, or True for a timestamped name in
the current folder), and returns the matplotlib figure, which a notebook shows. Colours are Okabe and Ito's, and what
they tell is told by dashes, markers or words too, for print and for colour blindness.
"""

from pellucid.viz.curves import compare_curves, curves
from pellucid.viz.graph import Drawing, graph, graph_fragment

__all__ = ["Drawing", "compare_curves", "curves", "graph", "graph_fragment"]
