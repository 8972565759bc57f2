"""`torch.fx`: a module's forward, written down as a graph that a program can read, change, and run again.

`symbolic_trace` calls `forward` with proxies (`proxy`), which note what is done to them as nodes (`node`) of a graph
(`graph`). A `GraphModule` runs the Python that the graph writes (`code`); an `Interpreter` runs it node by node.
"""

from pellucid.torch_names import absent

from ._symbolic_trace import Tracer, symbolic_trace, wrap
from .code import CodeGen
from .graph import Graph
from .graph_module import GraphModule
from .interpreter import Interpreter, Transformer
from .node import Node, has_side_effect, map_arg
from .proxy import Proxy
from .subgraph_rewriter import replace_pattern

__all__ = [
    "CodeGen", "Graph", "GraphModule", "Interpreter", "Node", "Proxy", "Tracer", "Transformer", "has_side_effect",
    "map_arg", "replace_pattern", "symbolic_trace", "wrap",
]  # fmt: skip

__getattr__ = absent(__name__)
