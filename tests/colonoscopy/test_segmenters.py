"""What every segmenter of the registry keeps to, and what is peculiar to each."""

import hashlib

import numpy as np
import pytest
import torch

from models.colonoscopy.segmentation import joint_training
from models.colonoscopy.segmentation.base import NetworkSegmenter, mask_of
from models.colonoscopy.segmentation.polyp_pvt import PolypPVT
from models.colonoscopy.segmentation.pranet import PraNet
from models.colonoscopy.segmentation.registry import SEGMENTERS
from models.colonoscopy.segmentation.sanet import SANet
from models.core import checkpoints
from models.core.errors import UserError
from tests.colonoscopy.makers import frame_of
from tests.colonoscopy.makers import mask_of as box_of

SIZE = 64


class Segmenter:
    """The common tests. A new method inherits them and says what it is.

    RELEASED: sha256 of the released file's names and shapes, one a line, sorted by name.
    """

    KIND: type
    NAME: str
    TENSORS: int
    PARAMETERS: int
    RELEASED: str
    MAPS: int

    @pytest.fixture
    def network(self):
        torch.manual_seed(0)
        return joint_training.shipped()[self.NAME]

    def test_published_names_shapes_and_parameters(self):
        with torch.device("meta"):
            published = self.KIND()
        shapes = {name: list(value.shape) for name, value in published.state_dict().items()}
        lines = "\n".join(f"{name} {shape}" for name, shape in sorted(shapes.items()))
        assert len(shapes) == self.TENSORS
        assert hashlib.sha256(lines.encode()).hexdigest() == self.RELEASED
        assert sum(value.numel() for value in published.parameters()) == self.PARAMETERS

    def test_published_forward_on_another_device(self):
        with torch.device("meta"):
            published, frames = self.KIND().eval(), torch.rand(2, 3, 352, 352)
        maps = published(frames)
        assert [tuple(x.shape) for x in maps] == [(2, 1, 352, 352)] * self.MAPS
        assert published.likely(maps).device.type == "meta"

    def test_another_file_is_refused(self, network, tmp_path):
        torch.save(network.state_dict(), tmp_path / "small.pth")
        with pytest.raises(UserError) as refused:
            self.KIND.from_published(tmp_path / "small.pth")
        assert refused.value.key == "weights_mismatch"

    @torch.inference_mode()
    def test_maps_have_the_frames_size_and_hear_each_frame_alone(self, network):
        getattr(network.eval(), self.KIND.ENCODER).load_imagenet()  # an untrained one says the same of all
        frames = torch.rand(2, 3, SIZE, 96) * torch.tensor([1.0, 0.2]).view(2, 1, 1, 1)
        maps = network(frames)
        assert [tuple(x.shape) for x in maps] == [(2, 1, SIZE, 96)] * self.MAPS
        assert torch.allclose(maps[-1][:1], network(frames[:1])[-1], atol=1e-4)
        assert (maps[-1][0] - maps[-1][1]).abs().max() > 1e-3
        likely = network.likely(maps)
        assert likely.shape == (2, 1, SIZE, 96) and 0 <= likely.min() <= likely.max() <= 1

    def test_gradients_reach_every_parameter(self, network):
        masks = torch.zeros(2, 1, SIZE, SIZE)
        masks[:, :, 16:40, 8:48] = 1
        network.losses(network(torch.rand(2, 3, SIZE, SIZE)), masks).backward()
        silent = [name for name, value in network.named_parameters() if value.grad is None]
        assert silent == []

    def test_one_batch_is_learnt(self, network):
        frames, masks = torch.rand(2, 3, SIZE, SIZE) / 4, torch.zeros(2, 1, SIZE, SIZE)
        for row, (top, left) in enumerate([(8, 8), (24, 32)]):
            masks[row, :, top : top + 24, left : left + 24] = 1
        frames = frames + masks * torch.tensor([0.6, 0.5, 0.1]).view(3, 1, 1)
        optimiser = torch.optim.Adam(network.parameters(), 3e-3)
        losses = []
        for _ in range(12):
            loss = network.losses(network(frames), masks)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(float(loss.detach()))
        assert losses[-1] < 0.75 * losses[0], losses

    def test_saved_and_loaded_it_says_the_same(self, network, tmp_path):
        network.eval().save_pretrained(tmp_path)
        again = self.KIND.from_pretrained(tmp_path).eval()
        frames = torch.rand(1, 3, SIZE, SIZE)
        with torch.inference_mode():
            assert torch.equal(network(frames)[-1], again(frames)[-1])
        assert again.size == network.size

    def test_a_frame_of_any_size_has_a_mask(self, network):
        frame = frame_of(box_of(90, 130, (20, 60, 30, 80)))
        likely = NetworkSegmenter(network)(frame)
        assert likely.shape == (network.size, network.size) and likely.dtype == np.float32
        assert mask_of(likely, 90, 130).shape == (90, 130)

    def test_it_is_in_the_registry(self):
        entry = SEGMENTERS[self.NAME]
        assert entry.checkpoint == self.NAME and entry.paper and entry.title


class TestPraNet(Segmenter):
    KIND, NAME, MAPS = PraNet, "pranet", 4
    TENSORS, PARAMETERS = 922, 32_547_319
    RELEASED = "05d8612e0ff07265c5b2b10ff0207974fd62c8cc2bdc23710647eebda7aa0c21"


class TestSANet(Segmenter):
    KIND, NAME, MAPS = SANet, "sanet", 1
    TENSORS, PARAMETERS = 545, 23_899_497
    RELEASED = "21a39733837db002fc711dad595d79e359ff8b529a1e632125041fc9391e1cbe"

    def test_probability_correction_lifts_what_is_rare(self, network):
        logits = torch.full((1, 1, 10, 10), -1.0)
        logits[..., 0, 0] = 1.0
        likely = network.likely((logits,))
        assert likely[..., 0, 0] == pytest.approx(float(torch.sigmoid(torch.tensor(100.0))))
        assert likely[..., 5, 5] == pytest.approx(float(torch.sigmoid(torch.tensor(-1 / 0.99))))


class TestPolypPVT(Segmenter):
    KIND, NAME, MAPS = PolypPVT, "polyp_pvt", 2
    TENSORS, PARAMETERS = 419, 25_107_604
    RELEASED = "681147c106de6694cbdb2a3f6f80e3a2e509f91d9e6f7b810aad72d2baa04089"

    def test_both_maps_are_added(self, network):
        maps = torch.full((1, 1, 2, 2), 0.4), torch.full((1, 1, 2, 2), -1.0)
        assert torch.allclose(network.likely(maps), torch.sigmoid(torch.tensor(-0.6)))


def test_names_are_chosen_in_order_and_once():
    assert SEGMENTERS.chosen("sanet, polyps,sanet") == ("polyps", "sanet")
    for names in ("", "sanet,", "PraNet", "../polyps"):
        with pytest.raises(UserError) as refused:
            SEGMENTERS.chosen(names)
        assert refused.value.key == "model_unknown"


def test_a_method_without_its_checkpoint_is_not_offered(monkeypatch, tmp_path):
    monkeypatch.setattr(checkpoints, "FOLDER", tmp_path)
    assert SEGMENTERS.installed() == ()
    (tmp_path / "sanet").mkdir()
    (tmp_path / "sanet" / "model.safetensors").write_bytes(b"")
    assert SEGMENTERS.installed() == ("sanet",)


def test_three_learn_on_one_encoder_that_rests_first():
    torch.manual_seed(0)
    network = joint_training.SharedEncoder(joint_training.shipped()).train()
    frames, masks = torch.rand(2, 3, SIZE, SIZE), torch.zeros(2, 1, SIZE, SIZE)
    masks[:, :, 16:40, 8:48] = 1
    assert network.networks["sanet"].bkbone is network.networks["pranet"].resnet is network.encoder
    for spent, moves in ((0.0, False), (0.9, True)):
        network.zero_grad(set_to_none=True)
        found = joint_training.losses(network, (frames, masks), spent)
        assert set(found) == {"loss", "pranet", "sanet", "polyp_pvt"}
        found["loss"].backward()
        assert (network.encoder.stem[0].weight.grad is not None) == moves
        assert network.networks["sanet"].predict.weight.grad is not None
