"""Measures and ranks: what a tape would say of a made room."""

import torch

from models.scene.objects.spatial_features import (
    CANDIDATE_WIDTH,
    PAIR_WIDTH,
    RANKS,
    candidate_features,
    object_features,
    pair_features,
)

ROOM = torch.tensor([[0.0, 0.0, 0.0, 6.0, 6.0, 3.0]])


def boxes(*centres: tuple[float, float, float], half: float = 0.25) -> torch.Tensor:
    """(1, N, 6) cubes."""
    middle = torch.tensor(centres)
    return torch.cat([middle - half, middle + half], 1)[None]


def test_widths_are_those_announced():
    three = boxes((1, 1, 0.5), (3, 3, 0.5), (5, 5, 0.5))
    likely = torch.ones(1, 3)
    assert candidate_features(three, torch.rand(1, 3, 3), likely, ROOM).shape == (1, 3, CANDIDATE_WIDTH)
    assert pair_features(three, three, likely, likely, ROOM).shape == (1, 3, 3, PAIR_WIDTH)
    assert object_features(three, torch.rand(1, 3, 3), ROOM).shape == (1, 3, 17)


def test_the_nearest_candidate_ranks_lowest_by_distance_to_an_anchor():
    candidates = boxes((1, 1, 0.5), (2, 1, 0.5), (5, 1, 0.5))
    anchor = boxes((0.4, 1, 0.5))
    ones = torch.ones(1, 3)
    ranks = pair_features(candidates, anchor, torch.ones(1, 1), ones, ROOM)[0, :, 0, -4 * RANKS :]
    far = ranks.view(3, 4, RANKS)[:, 0]
    assert far[:, 2].argmax() == 0, "is lowest"
    assert far[:, 3].argmax() == 2, "is highest"
    assert far[:, 4].argmax() == 1, "is second lowest"


def test_an_unlikely_candidate_outranks_nobody():
    candidates = boxes((1, 1, 0.5), (2, 1, 0.5), (5, 1, 0.5))
    anchor = boxes((0.4, 1, 0.5))
    share = torch.tensor([[0.0, 1.0, 1.0]])
    ranks = pair_features(candidates, anchor, torch.zeros(1, 1), share, ROOM)[0, :, 0, -4 * RANKS :]
    assert ranks.view(3, 4, RANKS)[1, 0, 2] > 0.99, "the second is the nearest of those that count"


def test_left_and_right_are_those_of_a_person_who_looks_at_the_anchor():
    window = boxes((3, 5.9, 1.5))  # seen from the middle towards +y: +x is on the right
    chairs = boxes((1, 4, 0.5), (5, 4, 0.5))
    ones = torch.ones(1, 2)
    side = pair_features(chairs, window, torch.zeros(1, 1), ones, ROOM)[0, :, 0, -4 * RANKS :].view(
        2, 4, RANKS
    )[:, 2]
    assert side[0, 3] > 0.9, "the one at x = 1 lies furthest left"
    assert side[1, 2] > 0.9, "the one at x = 5 lies furthest right"


def test_a_quarter_turn_changes_no_distance_rank():
    torch.manual_seed(0)
    low = torch.rand(1, 5, 3) * 4
    before = torch.cat([low, low + 0.5], 2)
    x0, y0, z0, x1, y1, z1 = before.unbind(-1)
    after = torch.stack([-y1, x0, z0, -y0, x1, z1], -1)
    turned = torch.tensor([[-6.0, 0.0, 0.0, 0.0, 6.0, 3.0]])
    ones = torch.ones(1, 5)
    one = pair_features(before, before, ones, ones, ROOM)[..., -4 * RANKS :]
    two = pair_features(after, after, ones, ones, turned)[..., -4 * RANKS :]
    assert torch.allclose(one, two, atol=1e-4)
