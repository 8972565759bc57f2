"""`torch.ops`: PyTorch's ops by namespace, of which there is `aten`."""

from pellucid.autograd.profiler import record_function
from pellucid.torch_names import absent
from pellucid.utils.overloads import aten

from .library import namespace

__all__ = ["aten", "profiler"]


class profiler:
    """Ranges in a profile, by functions in place of a block."""

    @staticmethod
    def _record_function_enter(name: str, args: str | None = None) -> record_function:
        """Begin a range; what is returned ends it."""
        return record_function(name, args).__enter__()

    @staticmethod
    def _record_function_exit(handle: record_function) -> None:
        """End it."""
        handle.__exit__()


_lacking = absent("torch.ops")


def __getattr__(name: str) -> object:
    return namespace(name) or _lacking(name)
