"""What every detector of the registry keeps to, boxes of masks, and COCO's figures where they are known."""

import numpy as np
import pytest
import torch

from models.colonoscopy.detection import boxes as box_tools
from models.colonoscopy.detection import metrics
from models.colonoscopy.detection.base import MaskDetector, NetworkDetector
from models.colonoscopy.detection.centernet import CenterNet, Maps, focal_loss, gaussian, gaussian_radius
from models.colonoscopy.detection.deformable_detr import DeformableDETR
from models.colonoscopy.detection.registry import DETECTORS
from models.colonoscopy.detection.sparse_rcnn import SparseRCNN, moved
from models.colonoscopy.types import Box
from tests.colonoscopy.makers import frame_of
from tests.colonoscopy.makers import mask_of as box_of

SIZE = 64
WANTED = [torch.tensor([[0.1, 0.2, 0.5, 0.7]]), torch.zeros(0, 4)]


class Detector:
    """The common tests. A new method inherits them and says what it is: its published PARAMETERS."""

    KIND: type
    NAME: str
    PARAMETERS: int

    @pytest.fixture
    def network(self):
        torch.manual_seed(0)
        return DETECTORS[self.NAME].kind.shipped()

    def test_published_size(self):
        with torch.device("meta"):
            published = self.KIND()
        assert sum(value.numel() for value in published.parameters()) == self.PARAMETERS

    @torch.inference_mode()
    def test_boxes_lie_in_the_frame_the_surest_first(self, network):
        corners, sure = network.eval().boxes(network(torch.rand(2, 3, SIZE, SIZE)))
        assert corners.shape[:2] == sure.shape and corners.shape[2] == 4 and len(corners) == 2
        assert corners.min() >= 0 and corners.max() <= 1
        assert (sure.diff(dim=1) <= 0).all() and sure.min() >= 0 and sure.max() <= 1

    def test_gradients_reach_every_parameter_also_beside_an_empty_frame(self, network):
        loss = network.losses(network(torch.rand(2, 3, SIZE, SIZE)), WANTED)
        loss.backward()
        silent = {name for name, value in network.named_parameters() if value.grad is None}
        assert loss.isfinite() and silent == set()

    def test_no_polyp_at_all_is_a_batch_too(self, network):
        loss = network.losses(network(torch.rand(1, 3, SIZE, SIZE)), [torch.zeros(0, 4)])
        assert loss.isfinite() and loss > 0

    def test_saved_and_loaded_it_says_the_same(self, network, tmp_path):
        network.eval().save_pretrained(tmp_path, config={**network._hub_mixin_config, "threshold": 0.25})
        again = self.KIND.from_pretrained(tmp_path).eval()
        frames = torch.rand(1, 3, SIZE, SIZE)
        with torch.inference_mode():
            first, second = network.boxes(network(frames)), again.boxes(again(frames))
        assert torch.equal(first[0], second[0]) and NetworkDetector(again).threshold == 0.25

    def test_boxes_are_in_the_frames_own_pixels(self, network):
        found = NetworkDetector(network)(frame_of(box_of(90, 130, (20, 60, 30, 80))))
        assert found and all(b.left >= 0 and b.right <= 130 and b.bottom <= 90 for b in found)
        assert DETECTORS[self.NAME].checkpoint == self.NAME


class TestCenterNet(Detector):
    KIND, NAME, PARAMETERS = CenterNet, "centernet", 32_997_957

    def test_a_peak_is_read_as_its_box(self, network):
        maps = Maps(torch.full((1, 1, 16, 16), -9.0), torch.zeros(1, 2, 16, 16), torch.zeros(1, 2, 16, 16))
        maps.heat[0, 0, 5, 8] = 4.0
        maps.size[0, :, 5, 8] = torch.tensor([4.0, 6.0])
        maps.offset[0, :, 5, 8] = 0.5
        corners, sure = network.boxes(maps)
        assert torch.allclose(corners[0, 0] * 16, torch.tensor([6.5, 2.5, 10.5, 8.5]))
        assert sure[0, 0] > 0.98 > 0.01 > sure[0, 1]

    def test_the_loss_is_least_where_the_maps_are_right(self, network):
        wanted = torch.tensor([[0.25, 0.25, 0.75, 0.625]])  # on 16 x 16: middle (8, 7), sides 8 and 6
        right = Maps(torch.full((1, 1, 16, 16), -9.0), torch.zeros(1, 2, 16, 16), torch.zeros(1, 2, 16, 16))
        right.heat[0, 0, 7, 8] = 9.0
        right.size[0, :, 7, 8] = torch.tensor([8.0, 6.0])
        wrong = Maps(right.heat.roll(4, 3), right.size, right.offset)
        assert network.losses(right, [wanted]) < 0.1 < network.losses(wrong, [wanted])

    def test_a_gaussian_of_a_box(self):
        spot = gaussian(9, 9, 4, 3, 2.0)
        assert spot[3, 4] == 1 and spot[3, 5] == spot[3, 3] == spot[4, 4] < 1
        assert gaussian_radius(40, 40) > gaussian_radius(20, 20) > 0
        assert focal_loss(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)).isfinite()


class TestSparseRCNN(Detector):
    KIND, NAME, PARAMETERS = SparseRCNN, "sparse_rcnn", 106_169_070

    def test_no_move_leaves_a_box(self):
        box = torch.tensor([[0.2, 0.3, 0.6, 0.5]])
        assert torch.allclose(moved(box, torch.zeros(1, 4)), box)
        assert torch.allclose(
            moved(box, torch.tensor([[2.0, 0, 0, 0]])), box + torch.tensor([0.4, 0, 0.4, 0])
        )


class TestDeformableDETR(Detector):
    KIND, NAME, PARAMETERS = DeformableDETR, "deformable_detr", 40_764_000


def test_roi_align_reads_what_lies_in_the_box():
    level = torch.arange(16.0).repeat(16, 1)[None, None]  # its value is the column
    seen = box_tools.roi_align([level], torch.tensor([[[0.25, 0.25, 0.75, 0.75]]]), 2)
    assert seen.shape == (1, 1, 1, 2, 2)
    assert torch.allclose(seen[0, 0, 0, 0], torch.tensor([5.5, 9.5]))  # middles of 4..8 and 8..12, in pixels


def test_boxes_of_a_mask_are_its_components():
    mask = box_of(100, 200, (10, 30, 20, 50)) | box_of(100, 200, (60, 80, 100, 160))
    mask[95, 5] = True  # a stray pixel
    assert box_tools.from_mask(mask).tolist() == [[20, 10, 50, 30], [100, 60, 160, 80]]
    assert box_tools.from_mask(np.zeros((8, 8), bool)).shape == (0, 4)
    shares = box_tools.targets(torch.from_numpy(mask)[None, None].float())
    assert torch.allclose(shares[0][0], torch.tensor([0.1, 0.1, 0.25, 0.3]))


def test_boxes_around_a_segmenters_mask():
    likely = np.full((32, 32), 0.1, np.float32)
    likely[8:16, 8:24] = 0.9
    (box,) = MaskDetector(lambda frame: likely)(np.zeros((64, 64, 3), np.uint8))
    assert abs(box.left - 16) <= 1 and abs(box.bottom - 32) <= 1 and 0.7 < box.confidence < 0.9


def seen(*boxes, wanted=((10, 10, 50, 50),)):
    return np.array(wanted, np.float32).reshape(-1, 4), [Box(*box) for box in boxes]


def test_average_precision_where_it_is_known():
    right = seen((10, 10, 50, 50, 0.9))
    assert metrics.average_precision([right]) == pytest.approx((1.0, 1.0))
    half = metrics.average_precision([right, seen()])  # one of two polyps found: recall ends at a half
    assert half[1] == pytest.approx(51 / 101, abs=0.01)
    loose = metrics.average_precision([seen((10, 10, 50, 36, 0.9))])  # IoU .65: right at .50 to .65
    assert loose[1] == pytest.approx(1.0) and loose[0] == pytest.approx(0.4)
    assert metrics.average_precision([seen((90, 90, 99, 99, 0.9))]) == (0.0, 0.0)
    assert metrics.average_precision([seen()]) == (0.0, 0.0)


def test_f1_and_its_best_threshold():
    found = [seen((10, 10, 50, 50, 0.8), (10, 10, 49, 50, 0.7)), seen((80, 80, 90, 90, 0.3)), seen(wanted=())]
    assert metrics.f1(found, 0.1) == pytest.approx(2 / 5)  # found once, though twice seen
    assert metrics.f1(found, 0.75) == pytest.approx(2 / 3)
    assert metrics.best_threshold(found) == 0.8
    assert metrics.best_threshold([seen()]) == 0.5
