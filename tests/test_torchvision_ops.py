"""torchvision's ops and models as pellucid answers them: boxes, regions, layers, losses; sizes of networks."""

from typing import Any

import pytest

import pellucid as torch
from pellucid.bridge.torchvision import models, ops

BOXES = torch.tensor([[0.0, 0.0, 4.0, 4.0], [1.0, 1.0, 5.0, 5.0], [6.0, 6.0, 9.0, 8.0]])


def test_overlaps_of_boxes() -> None:
    iou = ops.box_iou(BOXES, BOXES)
    assert torch.allclose(iou, torch.tensor([[1.0, 9 / 23, 0.0], [9 / 23, 1.0, 0.0], [0.0, 0.0, 1.0]]))
    # The box around the first two is 5 x 5, of which 2 are in neither; around the first and the last 9 x 8.
    wide = ops.generalized_box_iou(BOXES, BOXES)
    assert float(wide[0, 1]) == pytest.approx(9 / 23 - 2 / 25) and float(wide[0, 2]) == pytest.approx(-50 / 72)
    assert float(ops.distance_box_iou(BOXES, BOXES)[0, 1]) == pytest.approx(9 / 23 - 2 / 50)
    assert torch.allclose(ops.complete_box_iou(BOXES, BOXES)[:2, :2], ops.distance_box_iou(BOXES, BOXES)[:2, :2])


@pytest.mark.parametrize("first", ["xyxy", "xywh", "cxcywh"])
@pytest.mark.parametrize("then", ["xyxy", "xywh", "cxcywh"])
def test_boxes_are_written_another_way_and_back(first: str, then: str) -> None:
    there = ops.box_convert(BOXES, first, then)
    assert torch.allclose(ops.box_convert(there, then, first), BOXES)
    assert torch.equal(there, BOXES) == (first == then)


def test_boxes_that_overlap_a_better_one_go() -> None:
    scores = torch.tensor([0.5, 0.9, 0.1])
    assert ops.nms(BOXES, scores, 0.3).tolist() == [1, 2] and ops.nms(BOXES, scores, 0.4).tolist() == [1, 0, 2]
    assert ops.batched_nms(BOXES, scores, torch.tensor([0, 1, 1]), 0.3).tolist() == [1, 0, 2]
    assert ops.remove_small_boxes(BOXES, 3).tolist() == [0, 1]
    assert ops.clip_boxes_to_image(BOXES, (3, 7))[2].tolist() == [6.0, 3.0, 7.0, 3.0]
    mask = torch.zeros(1, 8, 8)
    mask[0, 2:5, 3:7] = 1
    assert ops.masks_to_boxes(mask).tolist() == [[3.0, 2.0, 6.0, 4.0]]


def test_a_region_of_a_slope_is_the_slope_at_its_cells() -> None:
    y, x = torch.meshgrid(torch.arange(12.0), torch.arange(12.0), indexing="ij")
    slope = (3 * y + x)[None, None].requires_grad_()
    boxes = torch.tensor([[0.0, 2.0, 1.0, 8.0, 9.0]])  # 6 wide, 8 high, from (2, 1)
    found = ops.roi_align(slope, boxes, (2, 3), sampling_ratio=2, aligned=True)
    # The middles of 2 x 3 cells of 4 x 2, half a pixel back.
    rows, columns = torch.tensor([2.5, 6.5]), torch.tensor([2.5, 4.5, 6.5])
    assert torch.allclose(found[0, 0], 3 * rows[:, None] + columns)
    found.sum().backward()
    assert float(slope.grad.sum()) == pytest.approx(6.0)  # each cell is a mean
    assert torch.equal(ops.RoIAlign((2, 3), 1.0, 2, True)(slope, [boxes[:, 1:]]), found)


def test_the_largest_of_each_cell_of_a_region() -> None:
    picture = torch.arange(36.0).reshape(1, 1, 6, 6)
    found = ops.roi_pool(picture, torch.tensor([[0.0, 0.0, 0.0, 3.0, 3.0]]), 2)
    assert found[0, 0].tolist() == [[7.0, 9.0], [19.0, 21.0]]


def test_layers_go_at_random_and_on_average_nothing_is_lost() -> None:
    torch.manual_seed(0)
    x = torch.ones(4000, 2, 3)
    rows = ops.stochastic_depth(x, 0.25, "row")
    assert {round(float(value), 4) for value in rows.unique()} == {0.0, 1.3333}
    assert float(rows.mean()) == pytest.approx(1.0, abs=0.03) and (rows == rows[:, :1, :1]).all()
    assert ops.StochasticDepth(0.5, "batch").eval()(x) is x
    torch.manual_seed(1)
    expected = bool(torch.empty(1, 1, 1).bernoulli_(0.5))
    torch.manual_seed(1)
    assert bool(ops.stochastic_depth(x, 0.5, "batch").any()) == expected
    blocks = ops.drop_block2d(torch.ones(8, 4, 16, 16), 0.2, 3)
    assert 0.05 < float((blocks == 0).float().mean()) < 0.4 and float(blocks.mean()) == pytest.approx(1.0, abs=1e-4)


def test_losses() -> None:
    logits, targets = torch.tensor([0.3, -2.0, 4.0]), torch.tensor([1.0, 0.0, 0.0])
    plain = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets)
    assert torch.allclose(ops.sigmoid_focal_loss(logits, targets, alpha=-1, gamma=0, reduction="mean"), plain)
    assert (ops.sigmoid_focal_loss(logits, targets, alpha=-1) < plain * 3).all()
    for loss in (ops.generalized_box_iou_loss, ops.distance_box_iou_loss, ops.complete_box_iou_loss):
        assert torch.allclose(loss(BOXES, BOXES), torch.zeros(3), atol=1e-5)
        moved = (BOXES + 1.0).requires_grad_()
        loss(moved, BOXES, reduction="sum").backward()
        assert (moved.grad[:, :2].sum() > 0) and float(loss(moved, BOXES, reduction="mean")) > 0


def test_layers() -> None:
    layer = ops.Conv2dNormActivation(3, 8, 3, 2)
    assert list(layer.state_dict())[:2] == ["0.weight", "1.weight"] and layer(torch.ones(2, 3, 8, 8)).shape == (
        2,
        8,
        4,
        4,
    )
    assert ops.SqueezeExcitation(8, 2)(torch.ones(2, 8, 4, 4)).shape == (2, 8, 4, 4)
    assert [name for name, _ in ops.MLP(3, [5, 2]).named_parameters()] == ["0.weight", "0.bias", "3.weight", "3.bias"]
    norm, frozen = torch.nn.BatchNorm2d(3).eval(), ops.FrozenBatchNorm2d(3)
    x = torch.rand(2, 3, 4, 4)
    assert torch.allclose(norm(x), frozen(x), atol=1e-6) and not list(frozen.parameters())


# Numbers of parameters from torchvision's documentation.
SIZES = {
    "alexnet": 61_100_840, "convnext_tiny": 28_589_128, "densenet121": 7_978_856, "densenet161": 28_681_000,
    "efficientnet_b0": 5_288_548, "efficientnet_b5": 30_389_784, "mobilenet_v3_large": 5_483_032,
    "mobilenet_v3_small": 2_542_856, "resnext101_32x8d": 88_791_336, "squeezenet1_0": 1_248_424,
    "squeezenet1_1": 1_235_496, "vgg11": 132_863_336, "vit_b_16": 86_567_656, "vit_b_32": 88_224_232,
    "wide_resnet101_2": 126_886_696,
}  # fmt: skip


@pytest.mark.parametrize("name", SIZES)
def test_a_model_has_the_parameters_of_torchvisions(name: str) -> None:
    with torch.device("meta"):
        model = models.get_model(name)
    assert sum(parameter.numel() for parameter in model.parameters()) == SIZES[name]


SMALL: dict[str, Any] = {
    "squeezenet": lambda: models.squeezenet1_1(num_classes=5),
    "densenet": lambda: models.DenseNet(4, (2, 2), 8, num_classes=5),
    "mobilenet": lambda: models.mobilenet_v3_small(num_classes=5, width_mult=0.25),
    "efficientnet": lambda: models.EfficientNet(0.25, 0.3, 0.1, num_classes=5),
    "convnext": lambda: models.ConvNeXt([(8, 1), (16, 1)], 0.1, num_classes=5),
    "transformer": lambda: models.VisionTransformer(64, 16, 2, 2, 16, 32, num_classes=5),
}


@pytest.mark.parametrize("name", SMALL)
def test_a_model_gives_classes_and_every_parameter_a_gradient(name: str) -> None:
    torch.manual_seed(0)
    model = SMALL[name]()
    if name == "transformer":
        torch.nn.init.ones_(model.heads[0].weight)  # it begins at 0, and lets no gradient through
    found = model(torch.rand(3, 3, 64, 64))
    (found * torch.rand(3, 5)).sum().backward()
    assert found.shape == (3, 5) and all(parameter.grad is not None for parameter in model.parameters())
    assert model.eval()(torch.rand(1, 3, 64, 64)).shape == (1, 5)


def test_a_model_is_found_by_its_name() -> None:
    assert "resnet18" in models.list_models() and models.get_model_builder("ResNet18") is models.resnet18
    with pytest.raises(ValueError, match="did you mean 'resnet50'"):
        models.get_model("resnet5")
    with pytest.raises(RuntimeError, match="no trained weights"):
        models.vit_b_16(weights="DEFAULT")


def test_names_of_weights_are_there_and_say_that_there_are_none() -> None:
    from pellucid.bridge.torchvision.models import ResNet18_Weights  # type: ignore[attr-defined]

    assert ResNet18_Weights is models.ResNet18_Weights and models.ViT_B_16_Weights.DEFAULT
    with pytest.raises(RuntimeError, match=r"resnet18\(weights=ResNet18_Weights.DEFAULT\): .*no trained weights"):
        models.resnet18(weights=ResNet18_Weights.DEFAULT)
    with pytest.raises(RuntimeError, match="no trained weights"):
        models.ResNet18_Weights.IMAGENET1K_V1.transforms()
    with pytest.raises(AttributeError, match="torchvision.models"):
        _ = models.NoSuchNet_Weights
