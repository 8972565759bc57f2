"""Drawing: plain records in, matplotlib figures out. Nothing is computed here that a record could hold.

Every function takes `ax=` (axes of a figure of yours to draw in) and `save=` (a path, or True for a timestamped name in
the current folder), and returns the matplotlib figure, which a notebook shows. Colours are Okabe and Ito's, and what
they show is shown by dashes, markers or words too, for print and for colour blindness.

Two are no figures: `graph` gives a `Drawing`, an interactive page, and `summary` a table. Within `with viz.slides():`
figures are as large as slides, with letters to be read from afar.
"""

from pellucid.viz.activations import activation_heatmap
from pellucid.viz.confusion import confusion_matrix
from pellucid.viz.curves import compare_curves, curves
from pellucid.viz.finder import lr_finder
from pellucid.viz.frames import film
from pellucid.viz.gradient_error import gradient_error
from pellucid.viz.gradients import gradient_flow, weight_histograms
from pellucid.viz.graph import Drawing, graph, graph_fragment
from pellucid.viz.initialisation import initialisation
from pellucid.viz.landscape import loss_landscape
from pellucid.viz.parity import parity
from pellucid.viz.plane import decision_regions, scatter
from pellucid.viz.regression import predicted_against_true
from pellucid.viz.relief import surface
from pellucid.viz.report import report
from pellucid.viz.roofline import roofline
from pellucid.viz.style import slides
from pellucid.viz.summary import Summary, summary
from pellucid.viz.trials import sweep
from pellucid.viz.worst import worst_predictions

__all__ = [
    "Drawing",
    "Summary",
    "activation_heatmap",
    "compare_curves",
    "confusion_matrix",
    "curves",
    "decision_regions",
    "film",
    "gradient_error",
    "gradient_flow",
    "graph",
    "graph_fragment",
    "initialisation",
    "loss_landscape",
    "lr_finder",
    "parity",
    "predicted_against_true",
    "report",
    "roofline",
    "scatter",
    "slides",
    "surface",
    "summary",
    "sweep",
    "weight_histograms",
    "worst_predictions",
]
