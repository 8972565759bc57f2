"""`torch.utils.data._utils.worker`: what a worker process knows of itself, at the place where programs find it."""

from pellucid.torch_names import absent

from ..workers import WorkerInfo, _generate_state, get_worker_info  # pyright: ignore[reportPrivateUsage]

__all__ = ["WorkerInfo", "_generate_state", "get_worker_info"]

__getattr__ = absent(__name__)
