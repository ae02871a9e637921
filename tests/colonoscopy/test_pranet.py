"""PraNet has the released file's tensors, reads one, and draws four maps."""

import hashlib

import pytest
import torch

from models.colonoscopy.segmentation.pranet import PraNet
from models.core.errors import UserError

# sha256 of the released file's names and shapes, one a line, sorted by name: "rfb2_1.conv_cat.bn.bias [32]"
RELEASED = "05d8612e0ff07265c5b2b10ff0207974fd62c8cc2bdc23710647eebda7aa0c21"
SOME = {
    "resnet.conv1.3.weight": [32, 32, 3, 3],
    "resnet.layer1.0.downsample.1.weight": [256, 64, 1, 1],
    "resnet.layer4.2.convs.2.weight": [208, 208, 3, 3],
    "resnet.fc.weight": [1000, 2048],
    "rfb4_1.branch3.2.conv.weight": [32, 32, 7, 1],
    "agg1.conv_upsample5.bn.running_var": [64],
    "agg1.conv5.bias": [1],
    "ra4_conv3.conv.weight": [256, 256, 5, 5],
    "ra2_conv4.bn.num_batches_tracked": [],
}


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return PraNet().eval()


def test_names_and_shapes_are_the_released_ones(network):
    shapes = {name: list(value.shape) for name, value in network.state_dict().items()}
    assert len(shapes) == 922
    assert {name: shapes[name] for name in SOME} == SOME
    lines = "\n".join(f"{name} {shape}" for name, shape in sorted(shapes.items()))
    assert hashlib.sha256(lines.encode()).hexdigest() == RELEASED


def test_it_has_the_published_number_of_parameters(network):
    assert sum(value.numel() for value in network.parameters()) == 32_547_319


@torch.inference_mode()
def test_a_released_file_is_read_and_draws_the_same(network, tmp_path):
    torch.save(network.state_dict(), tmp_path / "PraNet-19.pth")
    again = PraNet.from_published(tmp_path / "PraNet-19.pth")
    frames = torch.rand(1, 3, 96, 128)
    maps = network(frames)
    assert [tuple(x.shape) for x in maps] == [(1, 1, 96, 128)] * 4
    assert torch.equal(maps[3], again(frames)[3])
    assert not torch.equal(maps[3], network(frames.flip(3))[3])


def test_another_file_is_refused(network, tmp_path):
    state = network.state_dict()
    del state["agg1.conv5.bias"]
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(UserError) as refused:
        PraNet.from_published(tmp_path / "other.pth")
    assert refused.value.key == "weights_mismatch" and refused.value.facts["first"] == "agg1.conv5.bias"
