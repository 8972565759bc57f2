"""`torch.distributed.constants`: how long a group waits, which programs pass on."""

from datetime import timedelta

from pellucid.torch_names import absent

__all__ = ["default_pg_timeout"]

default_pg_timeout = timedelta(minutes=30)

__getattr__ = absent(__name__)
