"""Interpreters that watch: what they see of a computation is recorded as plain data, or refused where it is wrong.

Read `graph` (the record), then `history` (made of what autograd kept of a Tensor), `recording` (made while a
computation runs), `grouping` (its loops), and `anomaly` (stop at the first op that makes a NaN or an infinity).
"""

from .anomaly import AnomalyError, detect_anomaly, is_anomaly_enabled, set_detect_anomaly
from .graph import Graph, GraphEdge, GraphGroup, GraphNode, GraphParameter
from .history import tensor_graph
from .recording import GraphRecorder

__all__ = [
    "AnomalyError", "Graph", "GraphEdge", "GraphGroup", "GraphNode", "GraphParameter", "GraphRecorder",
    "detect_anomaly", "is_anomaly_enabled", "set_detect_anomaly", "tensor_graph",
]  # fmt: skip
