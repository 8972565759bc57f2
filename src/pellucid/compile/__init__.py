"""Recording a computation as a flat list of op applications; a compiler will be built on it."""

from .tracer import Program, TraceError, trace

__all__ = ["Program", "TraceError", "trace"]
