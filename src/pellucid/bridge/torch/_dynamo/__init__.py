"""`torch._dynamo`, of which programs set switches: they are kept, and change nothing."""

from types import SimpleNamespace

from ..compiler import disable, is_compiling, reset

__all__ = ["config", "disable", "is_compiling", "reset"]

config = SimpleNamespace(suppress_errors=False, verbose=False, cache_size_limit=8)
