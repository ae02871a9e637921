"""VoteNet: the published names and sizes, what a proposal says, what is taught and learnt."""

import numpy as np
import pytest
import torch

from models.core.errors import UserError
from models.scene.segmentation.point_sampling import grouped, interpolated, sampled
from models.scene.segmentation.scenes import Scene, boxes_of
from models.scene.segmentation.training import IGNORED
from models.scene.segmentation.votenet import CLASSES, OUTPUTS, VoteNet
from models.scene.segmentation.votenet_training import collate, losses, mean_sizes

TINY = {"width": 16, "centroids": (64, 32, 16, 8), "neighbours": (8, 8, 8, 8), "proposals": 16}
SIZES = [[1.0, 1.0, 0.5]] * len(CLASSES)


def room() -> Scene:
    """A floor, a table and a chair."""
    rng = np.random.default_rng(0)
    floor = rng.uniform((0, 0, 0), (4, 4, 0.01), (400, 3))
    table = rng.uniform((1, 1, 0), (2.2, 2, 0.8), (200, 3))
    chair = rng.uniform((3, 1, 0), (3.5, 1.5, 1.0), (120, 3))
    kinds = (IGNORED, CLASSES.index("table"), CLASSES.index("chair"))
    counts = (400, 200, 120)
    return Scene(
        "room",
        np.concatenate([floor, table, chair]).astype(np.float32),
        None,
        np.repeat(kinds, counts),
        np.repeat([0, 1, 2], counts),
        np.ones(720, np.float32),
    )


def published_names() -> set[str]:
    """The 144 tensors of the released weights."""
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")

    def shared(prefix: str, layers: int) -> set[str]:
        return {
            name
            for layer in range(layers)
            for name in (
                f"{prefix}.layer{layer}.conv.weight",
                *(f"{prefix}.layer{layer}.bn.bn.{part}" for part in norm),
            )
        }

    names: set[str] = set()
    for level in range(1, 5):
        names |= shared(f"backbone_net.sa{level}.mlp_module", 3)
    for level in (1, 2):
        names |= shared(f"backbone_net.fp{level}.mlp", 2)
    names |= shared("proposal.vote_aggregation.mlp_module", 3)
    names |= {f"vgen.conv{place}.{part}" for place in (1, 2, 3) for part in ("weight", "bias")}
    names |= {f"vgen.bn{place}.{part}" for place in (1, 2) for part in norm}
    names |= {"proposal.proposal.0.weight", "proposal.proposal.3.weight"}
    names |= {f"proposal.proposal.{place}.{part}" for place in (1, 4) for part in norm}
    return names | {"proposal.proposal.6.weight", "proposal.proposal.6.bias"}


def test_names_and_shapes_are_the_released_ones():
    state = VoteNet(inputs=1).state_dict()
    assert set(state) == published_names() and len(state) == 144
    assert state["backbone_net.sa1.mlp_module.layer0.conv.weight"].shape == (64, 4, 1, 1)
    assert state["backbone_net.sa4.mlp_module.layer2.conv.weight"].shape == (256, 128, 1, 1)
    assert state["backbone_net.fp1.mlp.layer0.conv.weight"].shape == (256, 512, 1, 1)
    assert state["vgen.conv3.weight"].shape == (259, 256, 1)
    assert state["proposal.proposal.6.weight"].shape == (97, 128, 1)
    assert OUTPUTS == 97
    assert VoteNet(inputs=7).state_dict()["backbone_net.sa1.mlp_module.layer0.conv.weight"].shape[1] == 10


def test_released_weights_are_read_and_others_refused(tmp_path):
    torch.manual_seed(1)
    given = VoteNet(inputs=1)
    torch.save({"model_state_dict": given.state_dict()}, tmp_path / "model.pth")
    network = VoteNet.from_published(tmp_path / "model.pth", SIZES)
    torch.testing.assert_close(network.vgen.conv3.weight, given.vgen.conv3.weight)
    with pytest.raises(UserError) as told:
        VoteNet.from_published(tmp_path / "model.pth", SIZES, inputs=4)
    assert told.value.key == "weights_mismatch"


def test_a_box_is_centre_class_size_and_residual():
    network = VoteNet(mean_sizes=[[2.0, 1.0, 0.5]] * len(CLASSES), **TINY).eval()
    found = network(torch.rand(2, 100, 4))
    boxes = found.boxes()
    assert boxes.shape == (2, 16, 6)
    torch.testing.assert_close((boxes[..., :3] + boxes[..., 3:]) / 2, found.centres)
    kind = int(found.size_scores[1, 3].argmax())
    share = 1 + found.size_residuals[1, 3, kind]
    torch.testing.assert_close((boxes[1, 3, 3:] - boxes[1, 3, :3]), torch.tensor([2.0, 1.0, 0.5]) * share)


def test_seeds_are_points_of_the_cloud_and_features_of_votes_are_unit():
    cloud = torch.rand(1, 100, 4)
    network = VoteNet(**TINY).eval()
    found = network(cloud)
    torch.testing.assert_close(cloud[0, found.picked[0], :3], found.seeds[0])
    seeds, features, _ = network.backbone_net(cloud)
    _, voted = network.vgen(seeds, features)
    torch.testing.assert_close(voted.norm(dim=-1), torch.ones(1, 32))


def test_fewer_points_than_centroids_are_repeated():
    assert sampled(torch.rand(1, 3, 3), 5).tolist() == [[0, 1, 2, 0, 1]]
    assert VoteNet(**TINY).eval()(torch.rand(1, 5, 4)).boxes().isfinite().all()


def test_points_in_a_ball_and_between_three_neighbours():
    xyz = torch.tensor([[[0.0, 0, 0], [0.1, 0, 0], [1.0, 0, 0]]])
    assert grouped(xyz, xyz[:, :1], 0.2, 3).tolist() == [[[0, 1, 0]]]
    known = torch.tensor([[[0.0, 0, 0], [2.0, 0, 0], [50.0, 0, 0]]])
    there = interpolated(torch.tensor([[[1.0, 0, 0]]]), known, torch.tensor([[[0.0], [4.0], [9.0]]]))
    assert there.item() == pytest.approx(2.0, abs=0.01)


def test_a_point_votes_for_the_middle_of_its_object_and_the_floor_for_nothing():
    points, truth = collate([room()], np.random.default_rng(0), 300)
    assert points.shape == (1, 300, 4) and truth.real.sum() == 2
    on_floor = points[0, :, 2] < 0.005
    assert not (truth.voting[0] & on_floor & (points[0, :, 0] > 3.6)).any()
    middle = truth.centres[0, :2]
    voted = truth.votes[0][truth.voting[0]]
    assert torch.cdist(voted, middle).min(-1).values.max() < 1e-5
    assert boxes_of(room())[1].tolist() == [CLASSES.index("table"), CLASSES.index("chair")]
    assert mean_sizes([room()])[CLASSES.index("chair")] == pytest.approx([0.5, 0.5, 1.0], abs=0.03)


def test_everything_learns_and_a_room_is_learnt_by_heart():
    torch.manual_seed(0)
    network = VoteNet(mean_sizes=mean_sizes([room()]), **TINY).train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-2)
    given = collate([room(), room()], np.random.default_rng(0), 300)
    first = losses(network, given, 0.0)
    first["loss"].backward()
    idle = [name for name, each in network.named_parameters() if each.grad is None]
    assert not idle
    for _ in range(60):
        found = losses(network, given, 0.0)
        optimiser.zero_grad()
        found["loss"].backward()
        optimiser.step()
    assert found["vote"] < 0.5 * first["vote"]


def test_a_scene_without_an_object_teaches_that_there_is_none():
    bare = room()
    bare.classes[:] = IGNORED
    found = losses(VoteNet(**TINY).train(), collate([bare, room()], np.random.default_rng(0), 200), 0.0)
    assert found["loss"].isfinite()
