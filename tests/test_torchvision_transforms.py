"""torchvision's transforms as pellucid answers them: pictures against tensors, what is drawn, whole samples."""

import pickle
from typing import Any

import numpy as np
import pytest

import pellucid as torch
from pellucid.bridge.torchvision import transforms
from pellucid.bridge.torchvision.transforms import functional as F
from pellucid.bridge.torchvision.transforms import policies, v2

Image = pytest.importorskip("PIL.Image")


def picture(height: int = 24, width: int = 24) -> Any:
    """A smooth picture, so that a pixel beside is nearly the same."""
    y, x = np.mgrid[:height, :width]
    values = np.stack([x * 7, y * 9, (x + y) * 5], -1) % 256
    return Image.fromarray(values.astype(np.uint8))


def apart(image: Any, tensor: Any) -> Any:
    return (F.pil_to_tensor(image).float() - tensor.float()).abs()


# The same of a picture and of its tensor: the largest difference of a byte, where Pillow rounds another way.
BOTH = {
    "solarize": (lambda img: F.solarize(img, 100), 0),
    "posterize": (lambda img: F.posterize(img, 3), 0),
    "equalize": (F.equalize, 0),
    "autocontrast": (F.autocontrast, 1),
    "sharpness": (lambda img: F.adjust_sharpness(img, 1.7), 1),
    "gamma": (lambda img: F.adjust_gamma(img, 1.8), 1),
    "brightness": (lambda img: F.adjust_brightness(img, 1.3), 1),
    "saturation": (lambda img: F.adjust_saturation(img, 0.6), 2),
    "a quarter of a turn": (lambda img: F.rotate(img, 90), 0),
    "moved": (lambda img: F.affine(img, 0.0, [3, -2], 1.0, [0.0, 0.0], fill=[9]), 0),
    "seen from where it is": (lambda img: F.perspective(img, CORNERS, CORNERS), 1),
}
CORNERS = [[0, 0], [23, 0], [23, 23], [0, 23]]


@pytest.mark.parametrize("name", BOTH)
def test_a_change_is_the_same_for_pictures_and_tensors(name: str) -> None:
    change, bound = BOTH[name]
    image = picture()
    assert apart(change(image), change(F.pil_to_tensor(image))).max() <= bound


@pytest.mark.parametrize("factor", [-0.3, 0.0, 0.2, 0.5])
def test_the_hue_of_a_tensor_is_turned_as_that_of_a_picture(factor: float) -> None:
    image = picture()
    difference = apart(F.adjust_hue(image, factor), F.adjust_hue(F.pil_to_tensor(image), factor))
    assert difference.mean() < 2.5  # Pillow has hue and saturation in bytes


def test_a_turned_picture_has_the_size_that_it_covers() -> None:
    for angle in (0, 30, 45, 90, 180):
        image = picture(20, 32)
        turned = F.rotate(F.pil_to_tensor(image), angle, expand=True)
        height, width = F.rotate(image, angle, expand=True).size[::-1]
        assert abs(turned.shape[-2] - height) <= 1 and abs(turned.shape[-1] - width) <= 1, angle


def test_a_displacement_of_nothing_changes_nothing_and_one_of_a_pixel_moves() -> None:
    image = F.pil_to_tensor(picture(8, 10))
    still = torch.zeros(1, 8, 10, 2)
    assert torch.equal(F.elastic_transform(image, still), image)
    still[..., 0] = 2 / 10  # a pixel to the right, in parts of half of the width
    assert torch.equal(F.elastic_transform(image, still, fill=0)[..., :-1], image[..., 1:])
    with pytest.raises(ValueError, match="displacement shape should be"):
        F.elastic_transform(image, still[:, 1:])


def test_ten_crops_are_five_and_their_mirror_images() -> None:
    image = F.pil_to_tensor(picture())
    found = transforms.TenCrop(5)(image)
    mirrored = F.five_crop(image.flip(-1), 5)
    assert len(found) == 10 and all(torch.equal(a, b) for a, b in zip(found[5:], mirrored, strict=True))


def test_a_policy_has_25_pairs() -> None:
    assert {name: len(pairs) for name, pairs in policies.POLICIES.items()} == {
        "imagenet": 25,
        "cifar10": 25,
        "svhn": 25,
    }
    assert policies.POLICIES["cifar10"][0] == (("Invert", 0.1, None), ("Contrast", 0.2, 6))
    assert policies.POLICIES["imagenet"][17][0] == ("Sharpness", 0.4, 7)


# What each draws, in torchvision's order, written out with the generator's functions.
@pytest.mark.parametrize("seed", range(6))
def test_randaugment_draws_as_torchvision_does(seed: int) -> None:
    image = picture()
    names = "Identity ShearX ShearY TranslateX TranslateY Rotate Brightness Color Contrast Sharpness Posterize Solarize"
    torch.manual_seed(seed)
    name = [*names.split(), "AutoContrast", "Equalize"][int(torch.randint(14, (1,)))]
    signed = name in names.split()[1:10]
    sign = -1 if signed and int(torch.randint(2, (1,))) else 1
    level = sign * 0.9 * 15 / 30
    torch.manual_seed(seed)
    found = transforms.RandAugment(1, 15)(image)
    expected = {
        "Identity": lambda: image, "AutoContrast": lambda: F.autocontrast(image), "Equalize": lambda: F.equalize(image),
        "Rotate": lambda: F.rotate(image, sign * 15.0), "Brightness": lambda: F.adjust_brightness(image, 1 + level),
        "Color": lambda: F.adjust_saturation(image, 1 + level), "Contrast": lambda: F.adjust_contrast(image, 1 + level),
        "Sharpness": lambda: F.adjust_sharpness(image, 1 + level), "Posterize": lambda: F.posterize(image, 6),
        "Solarize": lambda: F.solarize(image, 127.5),
        "TranslateX": lambda: F.affine(image, 0.0, [int(sign * 150 / 331 * 24 / 2), 0], 1.0, [0.0, 0.0]),
        "TranslateY": lambda: F.affine(image, 0.0, [0, int(sign * 150 / 331 * 24 / 2)], 1.0, [0.0, 0.0]),
    }  # fmt: skip
    if name in expected:
        assert found.tobytes() == expected[name]().tobytes(), name
    else:
        assert found.tobytes() != image.tobytes(), name


CHANGES = [
    transforms.AutoAugment(), transforms.AutoAugment(transforms.AutoAugmentPolicy.SVHN), transforms.RandAugment(),
    transforms.TrivialAugmentWide(), transforms.AugMix(), transforms.ElasticTransform(20.0, 2.0),
    transforms.RandomPerspective(p=1.0), transforms.RandomEqualize(1.0), transforms.RandomAffine(10, (0.1, 0.1)),
    transforms.RandomRotation(20), transforms.ColorJitter(0.3, 0.3, 0.3, 0.1),
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda t: type(t).__name__)
@pytest.mark.parametrize("of", [lambda image: image, F.pil_to_tensor], ids=["picture", "tensor"])
def test_a_picture_stays_one_and_repeats_itself_from_the_same_seed(change: Any, of: Any) -> None:
    image, results = of(picture()), list[Any]()
    for _ in range(2):
        torch.manual_seed(3)
        found = change(image)
        assert type(found) is type(image) and F.get_dimensions(found) == [3, 24, 24]
        results.append(np.asarray(found).tobytes())
    assert results[0] == results[1]


def test_transforms_say_what_they_are_set_to() -> None:
    # As torchvision's own sources have it.
    assert repr(transforms.RandomSolarize(192)) == "RandomSolarize(threshold=192,p=0.5)"
    assert repr(transforms.AutoAugment()) == "AutoAugment(policy=AutoAugmentPolicy.IMAGENET, fill=None)"
    assert repr(transforms.RandAugment()) == (
        "RandAugment(num_ops=2, magnitude=9, num_magnitude_bins=31, interpolation=InterpolationMode.NEAREST, fill=None)"
    )


# --- v2: whole samples ------------------------------------------------------------------------------------------------


def test_of_a_sample_the_picture_alone_is_changed() -> None:
    flip = v2.Compose([v2.RandomHorizontalFlip(1.0), v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
    image, label = picture(), torch.tensor([5, 7])
    found, same = flip(image, label)
    assert torch.equal(found, transforms.ToTensor()(image).flip(-1)) and same is label
    nested = flip({"image": image, "target": {"boxes": label}})
    assert torch.equal(nested["image"], found) and nested["target"]["boxes"] is label


def test_pictures_of_a_sample_are_changed_in_the_same_way() -> None:
    image = picture()
    a, b = v2.RandomCrop(7)(image, image)
    assert a.tobytes() == b.tobytes() and a.size == (7, 7)
    choose = v2.RandomChoice([v2.RandomHorizontalFlip(1.0), v2.RandomVerticalFlip(1.0)])
    assert choose(image).tobytes() in (F.hflip(image).tobytes(), F.vflip(image).tobytes())


def test_a_transform_of_v2_is_pickled_and_is_one_of_the_first() -> None:
    transform = pickle.loads(pickle.dumps(v2.Resize(5)))
    assert transform(picture()).size == (5, 5) and isinstance(transform, transforms.Resize)


@pytest.mark.parametrize("kind", [v2.MixUp, v2.CutMix])
def test_labels_are_mixed_as_pixels_are(kind: Any) -> None:
    batch, labels = torch.zeros(4, 3, 16, 16), torch.arange(4)
    batch[1] = 1.0
    torch.manual_seed(0)
    for _ in range(5):
        mixed, share = kind(num_classes=4)(batch, labels)
        assert torch.allclose(share.sum(1), torch.ones(4)) and share.shape == (4, 4)
        assert float(mixed[1].mean()) == pytest.approx(float(share[1, 1]), abs=1e-5)
        assert float(mixed[2].mean()) == pytest.approx(float(share[2, 1]), abs=1e-5)  # the one before it
    with pytest.raises(ValueError, match="num_classes must be passed"):
        kind()(batch, labels)
    with pytest.raises(ValueError, match="labels must be a tensor"):
        kind(num_classes=4)(batch, [1, 2])


def test_absent_names_and_probabilities_are_said() -> None:
    from pellucid.bridge.torchvision import transforms

    for module in (transforms, v2):
        with pytest.raises(AttributeError, match=r"RandomCrops.*did you mean 'RandomCrop'.*covered"):
            _ = module.RandomCrops
    with pytest.raises(ValueError, match="`p` should be a floating point value in the interval"):
        v2.RandomHorizontalFlip(2.0)
    assert repr(v2.ToDtype(torch.float32, scale=True)) == "ToDtype(scale=True)"
