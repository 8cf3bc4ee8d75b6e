"""Attribution maps, held against captum, PAIR's package saliency, and what defines them."""

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients
from torch import nn
from torchvision import models

from evaluators.attribution import maps
from evaluators.attribution.insertion import probabilities_of
from evaluators.attribution.maps import (
    NoMap,
    cam_places,
    grad_cam,
    integrated_gradients,
    last_spatial_layer,
    segments,
    xrai,
)
from tests.evaluators.small_classifier import PLAIN, SIDE, photos, small_classifier
from tools.training.evaluation import Classifier


def test_integrated_gradients_are_captums_and_add_up_to_the_change():
    classifier, images = small_classifier(), photos(2)
    found = integrated_gradients(classifier, images, [0, 2])
    say = probabilities_of(classifier)
    change = say(images)[[0, 1], [0, 2]] - say(np.zeros_like(images[:1]))[0, [0, 2]]
    np.testing.assert_allclose(found.sum(axis=(1, 2, 3)), change, atol=0.02)
    method = IntegratedGradients(nn.Sequential(classifier.model, nn.Softmax(dim=1)))
    tensors = [
        PLAIN.apply(torch.from_numpy(x).permute(0, 3, 1, 2), "cpu") for x in (images, np.zeros_like(images))
    ]
    theirs = method.attribute(tensors[0], tensors[1], target=torch.tensor([0, 2]), n_steps=maps.IG_STEPS)
    np.testing.assert_allclose(found, theirs.permute(0, 2, 3, 1).detach().numpy(), atol=1e-5)


def test_grad_cam_is_what_the_paper_defines():
    classifier, images = small_classifier(), photos(1)
    layers = list(classifier.model.children())
    body, head = layers[0], nn.Sequential(*layers[1:])
    feature_map = body(PLAIN.apply(torch.from_numpy(images).permute(0, 3, 1, 2), "cpu"))
    feature_map.retain_grad()
    head(feature_map)[0, 1].backward()
    weights = feature_map.grad.mean(dim=(2, 3), keepdim=True)
    coarse = torch.relu((weights * feature_map).sum(dim=1, keepdim=True))
    expected = nn.functional.interpolate(coarse, (SIDE, SIDE), mode="bilinear")[0, 0].detach().numpy()
    found = grad_cam(classifier, images, [1])
    assert found.shape == (1, SIDE, SIDE)
    np.testing.assert_allclose(found[0], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "layer", "places"),
    [
        ("resnet18", "layer4", (2, 2)),
        ("mobilenet_v2", "features", (2, 2)),
        ("squeezenet1_1", "classifier.2", (3, 3)),
    ],
)
def test_grad_cam_looks_at_the_last_feature_map(name: str, layer: str, places: tuple[int, int]):
    model = models.get_model(name, num_classes=2).eval()
    classifier = Classifier(model, PLAIN, "cpu")
    assert last_spatial_layer(classifier, 64) is model.get_submodule(layer)
    assert cam_places(classifier, 64) == places


def test_a_vision_transformer_has_no_grad_cam():
    model = models.VisionTransformer(
        image_size=32, patch_size=16, num_layers=1, num_heads=2, hidden_dim=16, mlp_dim=16
    )
    with pytest.raises(NoMap, match="VisionTransformer"):
        grad_cam(Classifier(model.eval(), PLAIN, "cpu"), photos(1), [0])


class ChannelsLast(nn.Module):
    """Ends like timm's Swin: a feature map (B, h, w, C), of which the mean over places is taken."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.norm, self.head = nn.Conv2d(3, 16, 8, 8), nn.LayerNorm(16), nn.Linear(16, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.norm(self.patches(images).permute(0, 2, 3, 1)).mean(dim=(1, 2)))


def test_a_feature_map_with_its_channels_last_is_not_read_as_one_with_them_first():
    with pytest.raises(NoMap, match="ChannelsLast"):
        grad_cam(Classifier(ChannelsLast().eval(), PLAIN, "cpu"), photos(1), [0])


def test_xrai_finds_the_regions_and_the_order_of_pair():
    from saliency.core.xrai import XRAI, _get_segments_felzenszwalb

    classifier, images = small_classifier(), photos(2)
    theirs = _get_segments_felzenszwalb(images[1])
    mine = segments(images[1])
    assert len(mine) == len(theirs)
    assert all((one == other).all() for one, other in zip(mine, theirs, strict=True))
    dark, bright = (integrated_gradients(classifier, images[1:], [1], white) for white in (False, True))
    expected = XRAI().GetMask(images[1], None, segments=theirs, base_attribution=(dark[0] + bright[0]) / 2)
    np.testing.assert_allclose(xrai(classifier, images[1:], [1])[0], expected)


def test_xrai_names_what_to_install(monkeypatch):
    monkeypatch.setattr(maps, "find_spec", lambda name: None)
    with pytest.raises(NoMap, match=r"augur-vision\[explain\]"):
        xrai(small_classifier(), photos(1), [0])
