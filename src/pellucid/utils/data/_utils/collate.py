"""`torch.utils.data._utils.collate`: batches from samples, at the place where programs find it."""

from pellucid.torch_names import absent

from ..collate import default_collate, default_convert

__all__ = ["default_collate", "default_convert"]

__getattr__ = absent(__name__)
