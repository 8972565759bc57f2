"""Layers, activations and losses as functions, under the names and signatures of ``torch.nn.functional``."""

from types import FunctionType as _FunctionType

from pellucid.torch_names import absent

from ...declare.arguments import parsed as _parsed
from ...ops.autocast import with_autocast as _with_autocast
from ...ops.axes import channel_shuffle, pixel_shuffle, pixel_unshuffle
from ...ops.columns import fold, unfold
from ...ops.convolution import conv1d, conv2d, conv_transpose1d, conv_transpose2d
from ...ops.normalize import batch_norm, group_norm, instance_norm, layer_norm, rms_norm
from ...ops.norms import cosine_similarity, normalize, pairwise_distance
from ...ops.padding import pad
from ...ops.search import one_hot
from ...ops.volumes import conv3d, conv_transpose3d
from . import activation, attention, bags, ctc, layers, loss, margin, pooling, sampling
from .activation import *  # noqa: F403
from .attention import *  # noqa: F403
from .bags import *  # noqa: F403
from .ctc import *  # noqa: F403
from .layers import *  # noqa: F403
from .loss import *  # noqa: F403
from .margin import *  # noqa: F403
from .pooling import *  # noqa: F403
from .sampling import *  # noqa: F403

__all__ = [
    "batch_norm",
    "channel_shuffle",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "fold",
    "group_norm",
    "instance_norm",
    "layer_norm",
    "rms_norm",
    "unfold",
    "cosine_similarity",
    "normalize",
    "one_hot",
    "pad",
    "pixel_shuffle",
    "pixel_unshuffle",
    "pairwise_distance",
]
__all__ += activation.__all__
__all__ += attention.__all__
__all__ += bags.__all__
__all__ += ctc.__all__
__all__ += layers.__all__
__all__ += loss.__all__
__all__ += margin.__all__
__all__ += pooling.__all__
__all__ += sampling.__all__

# PyTorch looks at the types of arguments before anything else. What hands its arguments on to one op at once is as
# it is: the op looks itself, and these are called in every step.
for _name in {*__all__} - {"linear", "relu", "sigmoid", "tanh"}:
    _made = globals()[_name]
    if isinstance(_made, _FunctionType) and not hasattr(_made, "parses"):
        globals()[_name] = _parsed(_made, _name)
    globals()[_name] = _with_autocast(_name, globals()[_name])
__getattr__ = absent(__name__)
