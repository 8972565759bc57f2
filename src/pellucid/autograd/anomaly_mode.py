"""`torch.autograd.anomaly_mode`: stop where a NaN or an infinity is made."""

from pellucid.record.anomaly import detect_anomaly, set_detect_anomaly
from pellucid.torch_names import absent

__all__ = ["detect_anomaly", "set_detect_anomaly"]

__getattr__ = absent(__name__)
