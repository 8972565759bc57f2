"""Networks for pictures, without trained weights: the names of parameters, and how they begin, are torchvision's."""

from __future__ import annotations

from typing import Any

from pellucid.torch_names import lacking, nearest

from .alexnet import AlexNet, alexnet
from .convnext import ConvNeXt, convnext_base, convnext_large, convnext_small, convnext_tiny
from .densenet import DenseNet, densenet121, densenet161, densenet169, densenet201
from .efficientnet import (
    EfficientNet,
    efficientnet_b0,
    efficientnet_b1,
    efficientnet_b2,
    efficientnet_b3,
    efficientnet_b4,
    efficientnet_b5,
    efficientnet_b6,
    efficientnet_b7,
)
from .mobilenet import MobileNetV2, mobilenet_v2
from .mobilenet_v3 import MobileNetV3, mobilenet_v3_large, mobilenet_v3_small
from .resnet import (
    ResNet,
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    resnet152,
    resnext50_32x4d,
    resnext101_32x8d,
    wide_resnet50_2,
    wide_resnet101_2,
)
from .squeezenet import SqueezeNet, squeezenet1_0, squeezenet1_1
from .vgg import VGG, vgg11, vgg11_bn, vgg13, vgg13_bn, vgg16, vgg16_bn, vgg19, vgg19_bn
from .vision_transformer import VisionTransformer, vit_b_16, vit_b_32, vit_h_14, vit_l_16, vit_l_32
from .weights import weights_of

__all__ = [
    "AlexNet",
    "ConvNeXt",
    "DenseNet",
    "EfficientNet",
    "MobileNetV2",
    "MobileNetV3",
    "ResNet",
    "SqueezeNet",
    "VGG",
    "VisionTransformer",
    "alexnet",
    "convnext_base",
    "convnext_large",
    "convnext_small",
    "convnext_tiny",
    "densenet121",
    "densenet161",
    "densenet169",
    "densenet201",
    "efficientnet_b0",
    "efficientnet_b1",
    "efficientnet_b2",
    "efficientnet_b3",
    "efficientnet_b4",
    "efficientnet_b5",
    "efficientnet_b6",
    "efficientnet_b7",
    "get_model",
    "get_model_builder",
    "list_models",
    "mobilenet_v2",
    "mobilenet_v3_large",
    "mobilenet_v3_small",
    "resnet101",
    "resnet152",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnext101_32x8d",
    "resnext50_32x4d",
    "squeezenet1_0",
    "squeezenet1_1",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
    "vit_b_16",
    "vit_b_32",
    "vit_h_14",
    "vit_l_16",
    "vit_l_32",
    "wide_resnet101_2",
    "wide_resnet50_2",
]

_BUILDERS = {name: value for name, value in vars().items() if name in __all__ and name.islower()}


def list_models() -> list[str]:
    """The names of the models."""
    return sorted(_BUILDERS)


def get_model_builder(name: str) -> Any:
    """The function that builds a model."""
    if name.lower() not in _BUILDERS:
        near = nearest(name, _BUILDERS)
        raise ValueError(f"Unknown model {name}" + (f"; did you mean {near!r}?" if near else ""))
    return _BUILDERS[name.lower()]


def get_model(name: str, **config: Any) -> Any:
    """A model by its name: `get_model("resnet18", num_classes=10)`."""
    return get_model_builder(name)(**config)


def __getattr__(name: str) -> Any:
    if name.endswith("_Weights") and name.removesuffix("_Weights").lower() in _BUILDERS:
        globals()[name] = weights_of(name, __name__)
        return globals()[name]
    if name.startswith("__"):
        raise AttributeError(f"module 'torchvision.models' has no attribute {name!r}")
    raise lacking("torchvision.models", name, globals())
