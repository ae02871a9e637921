"""What a person could measure with a tape: numbers that a sentence may ask for.

Two sets: of each candidate in its room (`candidate_features`), and between each
candidate and each object (`pair_features`). Superlatives ("the closest", "the
second from the left") are about the *other candidates*, so most measures come
with the candidate's rank among them. All are torch, batched over sentences,
carry no parameters and want no gradient.

B sentences, K candidates, N objects. Boxes are (..., 6): min xyz then max xyz,
metres, axis-aligned, z up. Ranks count a peer by how likely it is of the class
that the sentence asks for.
"""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from models.scene.synthetic_language.vocabulary import COLOURS

FLAT = 1e-3  # metres: a room is taken to be no thinner, or nothing has a place in it
TIE = 0.03  # metres: two measures nearer than this do not outrank each other
RANKS = 5
CANDIDATE_WIDTH = 21 + 14 * (1 + RANKS)
PAIR_WIDTH = 30 + 4 * RANKS
VIEW_WIDTH = 3 + len(COLOURS)


def centres(boxes: Tensor) -> Tensor:
    """(..., 3)."""
    return (boxes[..., :3] + boxes[..., 3:]) / 2


def sizes(boxes: Tensor) -> Tensor:
    """(..., 3)."""
    return boxes[..., 3:] - boxes[..., :3]


def colour_view(colours: Tensor) -> Tensor:
    """(..., VIEW_WIDTH) a colour (..., 3), 0 to 1, and how near it is to each of the nine named ones."""
    palette = torch.tensor(list(COLOURS.values()), dtype=colours.dtype, device=colours.device) / 255
    near = -(colours[..., None, :] - palette).square().sum(-1) * 20
    return torch.cat([colours, near.softmax(-1)], -1)


def object_features(boxes: Tensor, colours: Tensor, room: Tensor) -> Tensor:
    """(B, N, 17): size, place in the room, height, colour, distance to the room's edges.

    boxes: (B, N, 6). colours: (B, N, 3), 0 to 1. room: (B, 6).
    """
    place, size, room = centres(boxes), sizes(boxes), room[:, None]
    return torch.cat(
        [
            size,
            torch.log(size + 0.02),
            (place - centres(room))[..., :2],
            (place - centres(room)) / sizes(room).clamp(min=FLAT),
            boxes[..., [2, 5]] - room[..., 2:3],
            colours,
            _to_edges(place, room).amin(-1, keepdim=True),
        ],
        -1,
    )


def candidate_features(boxes: Tensor, colours: Tensor, likely: Tensor, room: Tensor) -> Tensor:
    """(B, K, CANDIDATE_WIDTH) measures of each candidate and its ranks among the others.

    boxes: (B, K, 6). colours: (B, K, 3), 0 to 1. likely: (B, K). room: (B, 6).
    """
    room = room[:, None]
    place, size, middle = centres(boxes), sizes(boxes), centres(room)
    share = (likely / (likely.sum(-1, keepdim=True) + 1e-6))[..., None]
    crowd = (place * share).sum(1, keepdim=True)
    edges = _to_edges(place, room)
    ahead = normalize((crowd - middle)[..., :2], dim=-1)  # a person in the middle looks at the candidates
    offset = (place - middle)[..., :2]
    apart = torch.cdist(place, place) + 1e3 * torch.eye(place.shape[1], device=place.device)
    measures = torch.stack(
        [
            size.prod(-1).clamp(min=1e-5) ** (1 / 3),
            size[..., 2],
            size[..., 0] * size[..., 1],
            size[..., :2].amax(-1),
            boxes[..., 2] - room[..., 2],
            boxes[..., 5] - room[..., 2],
            offset.norm(dim=-1),
            edges.amin(-1),
            edges.norm(dim=-1),
            _cross(ahead, offset),
            (ahead * offset).sum(-1),
            (place - crowd)[..., :2].norm(dim=-1),
            colours.mean(-1),
            (apart + (1 - likely[:, None]) * 20).amin(-1).clamp(max=5),
        ],
        -1,
    )
    relative = (place - middle) / sizes(room).clamp(min=FLAT)
    plain = [
        size,
        torch.log(size + 0.02),
        relative,
        relative.abs(),
        boxes[..., 2:3] - room[..., 2:3],
        colours,
        colours - (colours * share).sum(1, keepdim=True),
        colours.amax(-1, keepdim=True) - colours.amin(-1, keepdim=True),
        (likely.sum(-1, keepdim=True).clamp(max=8) / 4)[..., None].expand(-1, likely.shape[1], -1),
        measures,
    ]
    return torch.cat([*plain, _ranks(measures, likely).flatten(2)], -1)


def pair_features(candidates: Tensor, boxes: Tensor, likely: Tensor, share: Tensor, room: Tensor) -> Tensor:
    """(B, K, N, PAIR_WIDTH) how each candidate lies to each object.

    Distances, gaps, overlaps in plan, on / under; sides as seen by a person in
    the middle of the room who looks at the object, and who looks at the
    candidate; ranks among the candidates by distance, gap, side and depth.

    candidates: (B, K, 6). boxes: (B, N, 6). likely: (B, N) and share: (B, K) how likely each object and
    each candidate is of the class asked for. room: (B, 6).
    """
    one, two = candidates[:, :, None], boxes[:, None]
    size, other = sizes(one), sizes(two)
    offset = centres(two) - centres(one)
    far, far_plan = offset.norm(dim=-1), offset[..., :2].norm(dim=-1)
    overlap = torch.minimum(one[..., 3:], two[..., 3:]) - torch.maximum(one[..., :3], two[..., :3])
    gap = (-overlap).clamp(min=0)
    gap_plan, gap_space = gap[..., :2].norm(dim=-1), gap.norm(dim=-1)
    shared = overlap[..., :2].clamp(min=0).prod(-1)
    above, below = one[..., 2] - two[..., 5], two[..., 2] - one[..., 5]
    middle = centres(room)[:, None, None, :2]
    back = -offset[..., :2]  # from the object to the candidate
    back_unit = back / (far_plan[..., None] + 0.05)
    at_object = normalize(centres(two)[..., :2] - middle + 1e-6, dim=-1)
    at_candidate = normalize(centres(one)[..., :2] - middle + 1e-6, dim=-1)
    side, depth = _cross(at_object, back), (at_object * back).sum(-1)
    same = (offset.abs().sum(-1) < 1e-3) & (gap_space == 0)
    scalars = [
        far,
        torch.log(far + 0.1),
        far_plan,
        gap_plan,
        gap[..., 2],
        torch.exp(-2 * gap_plan),
        torch.exp(-2 * gap_space),
        shared / (size[..., :2].prod(-1) + 1e-4),
        shared / (other[..., :2].prod(-1) + 1e-4),
        above.clamp(-2, 2),
        below.clamp(-2, 2),
        torch.exp(-8 * above.abs()),
        torch.exp(-8 * below.abs()),
        side.clamp(-4, 4),
        depth.clamp(-4, 4),
        _cross(at_object, back_unit),
        (at_object * back_unit).sum(-1),
        _cross(at_candidate, back).clamp(-4, 4),
        (at_candidate * back).sum(-1).clamp(-4, 4),
        _cross(at_candidate, back_unit),
        (at_candidate * back_unit).sum(-1),
        torch.log(size.prod(-1) + 1e-3) - torch.log(other.prod(-1) + 1e-3),
        same.float(),
        likely[:, None].expand_as(far),
    ]
    ranks = _ranks(torch.stack([far, gap_space, side, depth], -1), share)
    parts = [offset, offset.abs(), torch.stack(torch.broadcast_tensors(*scalars), -1), ranks.flatten(3)]
    return torch.cat(parts, -1)


def _to_edges(place: Tensor, room: Tensor) -> Tensor:
    """(..., 2) distance of a place to the nearer wall along x and along y."""
    return torch.minimum(place[..., :2] - room[..., :2], room[..., 3:5] - place[..., :2])


def _cross(a: Tensor, b: Tensor) -> Tensor:
    """How far b lies to the left of the direction a, in plan."""
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def _ranks(values: Tensor, likely: Tensor) -> Tensor:
    """(B, K, ..., RANKS): share of peers below, share above, is lowest, is highest, is second lowest.

    values: (B, K, ...) compared along K. likely: (B, K) weight of each candidate as a peer.
    """
    count = values.shape[1]
    weight = likely[:, None] * (1 - torch.eye(count, device=values.device))
    weight = weight.view(*weight.shape, *[1] * (values.dim() - 2))
    mine, theirs = values.unsqueeze(2), values.unsqueeze(1)
    below = ((theirs < mine - TIE) * weight).sum(2)
    above = ((theirs > mine + TIE) * weight).sum(2)
    total = weight.sum(2) + 0.3
    second = torch.exp(-3 * (below - 1).abs())
    return torch.stack(
        [below / total, above / total, torch.exp(-3 * below), torch.exp(-3 * above), second], -1
    )
