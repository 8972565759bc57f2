"""`torchvision.ops`: boxes, what is cut out of feature maps by boxes, layers that models share, losses.

| file | what it is about |
|---|---|
| `boxes` | areas, overlaps, other ways to write a box, suppression of boxes that overlap |
| `regions` | `roi_align`, `roi_pool`: the part of a feature map within a box, in a fixed size |
| `misc` | layers: convolution with norm and activation, squeeze and excitation, MLP, stochastic depth |
| `losses` | the focal loss, and losses of overlaps |
"""

from pellucid.torch_names import absent

from .boxes import (
    batched_nms,
    box_area,
    box_convert,
    box_iou,
    clip_boxes_to_image,
    complete_box_iou,
    distance_box_iou,
    generalized_box_iou,
    masks_to_boxes,
    nms,
    remove_small_boxes,
)
from .losses import complete_box_iou_loss, distance_box_iou_loss, generalized_box_iou_loss, sigmoid_focal_loss
from .misc import (
    MLP,
    Conv2dNormActivation,
    DropBlock2d,
    FrozenBatchNorm2d,
    Permute,
    SqueezeExcitation,
    StochasticDepth,
    drop_block2d,
    stochastic_depth,
)
from .regions import RoIAlign, RoIPool, roi_align, roi_pool

__all__ = [
    "MLP", "Conv2dNormActivation", "DropBlock2d", "FrozenBatchNorm2d", "Permute", "RoIAlign", "RoIPool",
    "SqueezeExcitation", "StochasticDepth", "batched_nms", "box_area", "box_convert", "box_iou", "clip_boxes_to_image",
    "complete_box_iou", "complete_box_iou_loss", "distance_box_iou", "distance_box_iou_loss", "drop_block2d",
    "generalized_box_iou", "generalized_box_iou_loss", "masks_to_boxes", "nms", "remove_small_boxes", "roi_align",
    "roi_pool", "sigmoid_focal_loss", "stochastic_depth",
]  # fmt: skip

__getattr__ = absent("torchvision.ops")
