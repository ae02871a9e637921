"""The published captioner: its layout, its flow, its losses, and files that claim to be its weights."""

import os
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from models.core.errors import UserError
from models.scene.captioning.decoding import say
from models.scene.captioning.xtrans2cap.meshed_memory import Captioner, sinusoids
from models.scene.captioning.xtrans2cap.xtrans2cap import (
    END,
    IMAGE,
    START,
    Scenes,
    XTrans2Cap,
    caption_loss,
    teaching_loss,
)
from models.scene.objects.pointnet import ball_query, furthest_points

PUBLISHED_PARAMETERS = 39_471_712
SMALL = {"vocabulary": 20, "classes": 4, "longest": 9, "width": 32, "heads": 4, "inner": 48, "memory": 5}


def example(count: int = 3, objects: int = 5, seed: int = 0) -> Scenes:
    made = torch.Generator().manual_seed(seed)
    classes = torch.randint(4, (count, objects), generator=made)
    exists = torch.ones(count, objects, dtype=torch.bool)
    exists[-1, 3:] = False
    return Scenes(
        points=torch.rand(count, objects, 64, 6, generator=made),
        boxes=torch.rand(count, objects, 6, generator=made) + 0.1,
        classes=torch.nn.functional.one_hot(classes, 4).float(),
        exists=exists,
        target=torch.arange(count) % 3,
        images=torch.rand(count, objects, IMAGE, generator=made),
        image_boxes=torch.rand(count, objects, 4, generator=made),
    )


CAPTIONS = torch.tensor(
    [[START, 5, 6, 7, 8, END, 0], [START, 9, 6, 10, 11, 12, END], [START, 5, 13, END, 0, 0, 0]]
)


def published_layout() -> dict[str, tuple[int, ...]]:
    """Name -> shape in the released checkpoint, with what nothing reads."""
    layout: dict[str, tuple[int, ...]] = {}

    def linear(name: str, inside: int, outside: int, *window: int, bias: bool = True) -> None:
        layout[f"{name}.weight"] = (outside, inside, *window)
        if bias:
            layout[f"{name}.bias"] = (outside,)

    def norm(name: str, width: int) -> None:
        layout[f"{name}.weight"] = layout[f"{name}.bias"] = (width,)

    def attention(name: str) -> None:
        for part in "qkvo":
            linear(f"{name}.attention.fc_{part}", 512, 512)
        norm(f"{name}.layer_norm", 512)

    def feed_forward(name: str) -> None:
        linear(f"{name}.fc1", 512, 2048)
        linear(f"{name}.fc2", 2048, 512)
        norm(f"{name}.layer_norm", 512)

    for level, widths in enumerate([(6, 64, 128), (131, 128, 128, 256), (259, 256, 512, 128)]):
        for layer, (inside, outside) in enumerate(pairwise(widths)):
            linear(f"object_encoder.encoder.{level}.mlps.0.layer{layer}.conv", inside, outside, 1, 1)
    linear("object_encoder.fc", 128, 128)
    for name, inside in (("fc_rpe", 6), ("fc_ape", 6), ("fc_bbox_2d", 4)):
        linear(f"{name}.0", inside, 32)
        norm(f"{name}.1", 32)
    linear("fc_2d.0", 2048, 512)
    norm("fc_2d.2", 512)
    linear("fc_2d.3", 512, 128)
    linear("map_feat.0", 210, 128)
    for side in ("captioner", "captioner_teacher"):
        linear(f"{side}.encoder.fc", 210, 512)
        norm(f"{side}.encoder.layer_norm", 512)
        for layer in range(3):
            attention(f"{side}.encoder.layers.{layer}.mhatt")
            layout[f"{side}.encoder.layers.{layer}.mhatt.attention.m_k"] = (1, 40, 512)
            layout[f"{side}.encoder.layers.{layer}.mhatt.attention.m_v"] = (1, 40, 512)
            feed_forward(f"{side}.encoder.layers.{layer}.pwff")
        layout[f"{side}.decoder.word_emb.weight"] = (3433, 512)
        layout[f"{side}.decoder.pos_emb.weight"] = (33, 512)
        linear(f"{side}.decoder.fc", 512, 3433, bias=False)
        inner = f"{side}.decoder.layers.0"
        attention(f"{inner}.self_att")
        attention(f"{inner}.enc_att")
        for level in (1, 2, 3):
            linear(f"{inner}.fc_alpha{level}", 1024, 512)
        feed_forward(f"{inner}.pwff")
        layout[f"{inner}.self_att.running_keys"] = layout[f"{inner}.self_att.running_values"] = (0, 512)
        layout[f"{side}.decoder.running_seq"] = (1,)
        layout[f"{side}.decoder.running_mask_self_attention"] = (1, 1, 0)
    linear("captioner_teacher.encoder.fc_fuse", 1024, 512)
    return layout


def published_file(tmp_path, **changed: torch.Tensor):
    state = {name: torch.randn(shape) * 0.02 for name, shape in published_layout().items()} | changed
    torch.save(state, tmp_path / "model.pth")
    return tmp_path / "model.pth", state


@pytest.fixture(scope="module")
def small() -> XTrans2Cap:
    torch.manual_seed(0)
    return XTrans2Cap(**SMALL).eval()


def test_released_weights_are_read_by_their_own_names(tmp_path):
    path, state = published_file(tmp_path)
    network = XTrans2Cap.from_published(path)
    stored = network.state_dict()
    left_out = sorted({name.split(".")[-1] if "running" in name else name for name in state.keys() - stored})
    assert not stored.keys() - state.keys()
    assert left_out == [
        "captioner_teacher.encoder.fc_fuse.bias",
        "captioner_teacher.encoder.fc_fuse.weight",
        "map_feat.0.bias",
        "map_feat.0.weight",
        "running_keys",
        "running_mask_self_attention",
        "running_seq",
        "running_values",
    ]
    assert all(torch.equal(value, state[name]) for name, value in stored.items())
    assert sum(value.numel() for value in network.parameters()) == PUBLISHED_PARAMETERS


def test_wrong_weights_are_refused(tmp_path):
    key = "captioner.encoder.fc.weight"
    for bad in (torch.zeros(512, 211), torch.full((512, 210), torch.nan)):
        path, _ = published_file(tmp_path, **{key: bad})
        with pytest.raises(UserError) as raised:
            XTrans2Cap.from_published(path)
        assert raised.value.key == "weights_mismatch"
        assert raised.value.facts["first"] == key


class Attack:
    def __reduce__(self):
        return os.mkdir, ("attacked",)


def test_a_hostile_file_runs_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"captioner": Attack()}, tmp_path / "model.pth")
    with pytest.raises(UserError) as raised:
        XTrans2Cap.from_published(tmp_path / "model.pth")
    assert raised.value.key == "weights_unreadable"
    assert not (tmp_path / "attacked").exists()


def test_shapes(small):
    taught = small(example(), CAPTIONS[:, :-1])
    assert taught.student.shape == taught.teacher.shape == (3, 6, 20)
    assert taught.student_states.shape == taught.teacher_states.shape == (3, 1, 6, 32)


def test_objects_that_do_not_exist_change_nothing(small):
    scenes = example()
    points, boxes = scenes.points.clone(), scenes.boxes.clone()
    points[-1, 3:], boxes[-1, 3:] = 7, 9
    with torch.no_grad():
        one = small(scenes, CAPTIONS[:, :-1])
        two = small(replace(scenes, points=points, boxes=boxes), CAPTIONS[:, :-1])
    torch.testing.assert_close(one.student, two.student)
    torch.testing.assert_close(one.teacher, two.teacher)


def test_the_target_matters(small):
    scenes = example()
    with torch.no_grad():
        one, two = small.encode(scenes), small.encode(replace(scenes, target=(scenes.target + 1) % 3))
    assert (one - two).abs().amax((1, 2, 3)).min() > 1e-3


def test_no_word_sees_the_next(small):
    scenes, later = example(), CAPTIONS[:, :-1].clone()
    later[:, 3:] = 14
    with torch.no_grad():
        one, two = small(scenes, CAPTIONS[:, :-1]), small(scenes, later)
    torch.testing.assert_close(one.student[:, :3], two.student[:, :3])
    assert not torch.allclose(one.student[:, 3], two.student[:, 3])


def test_the_student_never_sees_an_image(small):
    scenes = example()
    with torch.no_grad():
        one = small(scenes, CAPTIONS[:, :-1])
        two = small(replace(scenes, images=scenes.images + 1), CAPTIONS[:, :-1])
        alone = small.encode(replace(scenes, images=None, image_boxes=None))
    torch.testing.assert_close(one.student, two.student)
    assert not torch.allclose(one.teacher, two.teacher)
    torch.testing.assert_close(alone, small.encode(scenes))


def test_every_parameter_learns():
    torch.manual_seed(1)
    network = XTrans2Cap(**SMALL)
    teaching_loss(network(example(), CAPTIONS[:, :-1]), CAPTIONS)["loss"].backward()
    frozen = {name for name, value in network.named_parameters() if not value.requires_grad}
    assert frozen == {f"{side}.decoder.pos_emb.weight" for side in ("captioner", "captioner_teacher")}
    for name, value in network.named_parameters():
        assert name in frozen or (value.grad is not None and value.grad.abs().max() > 0), name


def test_consistency_moves_the_teacher_and_is_zero_between_equals(small):
    taught = small(example(), CAPTIONS[:, :-1])
    same = replace(taught, teacher=taught.student, teacher_states=taught.student_states)
    assert teaching_loss(same, CAPTIONS)["consistency"] == 0
    assert teaching_loss(taught, CAPTIONS)["consistency"] > 0
    words = caption_loss(taught.student, CAPTIONS)
    torch.testing.assert_close(teaching_loss(same, CAPTIONS)["loss"], words)


def test_one_batch_is_learned_by_heart():
    torch.manual_seed(2)
    network = XTrans2Cap(**SMALL, dropout=0.0)
    scenes = example()
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(60):
        losses = teaching_loss(network(scenes, CAPTIONS[:, :-1]), CAPTIONS)
        optimiser.zero_grad()
        losses["loss"].backward()
        optimiser.step()
    network.eval()
    ids, _ = say(network.captioner.decoder, network.encode(scenes), scenes.exists, START, END)
    expected = CAPTIONS[:, : ids.shape[-1]]
    assert ids[:, 0].tolist() == expected.tolist()


def captioner(seed: int = 3) -> tuple[Captioner, torch.Tensor, torch.Tensor]:
    """A small random captioner with encoded tokens."""
    torch.manual_seed(seed)
    network = Captioner(
        10, 14, longest=7, width=16, heads=2, inner=24, layers=3, decoder_layers=2, memory=3, dropout=0.1
    ).eval()
    with torch.no_grad():
        network.decoder.fc.weight.mul_(3)
        mask = torch.tensor([[True] * 4, [True, True, False, False]])
        return network, network.encoder(torch.randn(2, 4, 10), mask), mask


def log_probability(network: Captioner, levels, mask, ids: torch.Tensor) -> torch.Tensor:
    """(B, C) of captions (B, C, T), word by word in one pass, without any cache."""
    found = []
    for row in range(len(ids)):
        count = len(ids[row])
        seen = network.decoder.look(levels[row : row + 1]).expand(count, *[-1] * 6)
        logits, _ = network.decoder(ids[row, :, :-1], seen, mask[row : row + 1].expand(count, -1))
        chosen = logits.log_softmax(-1).gather(2, ids[row, :, 1:, None])[..., 0]
        found.append((chosen * (ids[row, :, 1:] != 0)).sum(1))
    return torch.stack(found)


def test_greedy_takes_the_likeliest_word_each_time():
    network, levels, mask = captioner()
    ids, _ = say(network.decoder, levels, mask, START, END)
    said = torch.full((2, 1), START)
    for _ in range(6):
        logits = network.decoder(said, network.decoder.look(levels), mask)[0][:, -1]
        logits[:, [0, START]] = -torch.inf
        said = torch.cat([said, logits.argmax(1, keepdim=True)], 1)
    for row in range(2):
        words = ids[row, 0][ids[row, 0] != 0]
        assert words.tolist() == said[row, : len(words)].tolist()


@pytest.mark.parametrize("seed", range(3))
def test_a_beam_finds_what_greedy_misses(seed):
    network, levels, mask = captioner(seed)
    with torch.no_grad():
        one, _ = say(network.decoder, levels, mask, START, END)
        five, scores = say(network.decoder, levels, mask, START, END, beams=5, count=5)
        torch.testing.assert_close(log_probability(network, levels, mask, five), scores)
        greedy = log_probability(network, levels, mask, one)
    assert (scores[:, 0] >= greedy[:, 0] - 1e-4).all()
    assert (scores.diff(dim=1) <= 1e-5).all()
    assert len({tuple(row) for row in five[0].tolist()}) == 5


def test_a_wide_beam_is_exhaustive():
    network, levels, mask = captioner(5)
    network.decoder.longest = 4
    words = [word for word in range(14) if word not in (0, START)]
    every = [[START, END, 0, 0]]
    every += [[START, a, END, 0] for a in words if a != END]
    every += [[START, a, b, c] for a in words for b in words for c in words if END not in (a, b)]
    with torch.no_grad():
        _, scores = say(network.decoder, levels, mask, START, END, beams=150, count=1)
        all_scores = log_probability(network, levels, mask, torch.tensor([every, every]))
    torch.testing.assert_close(scores[:, 0], all_scores.max(1).values)


def test_samples_differ_and_end():
    network, levels, mask = captioner()
    ids, _ = say(network.decoder, levels, mask, START, END, count=6, sample=True)
    assert ids.shape[:2] == (2, 6)
    assert len({tuple(row) for row in ids[0].tolist()}) > 1
    ended = (ids == END).cumsum(-1)
    assert (ids[(ended - (ids == END).long()) > 0] == 0).all()


def test_sinusoids():
    table = sinusoids(5, 8)
    assert table[0].abs().sum() == 0
    angle = torch.tensor([2.0, 0.2])
    torch.testing.assert_close(table[2, [0, 2]], angle.sin())
    torch.testing.assert_close(table[2, [1, 3]], angle.cos())


def test_furthest_points_and_balls():
    xyz = torch.tensor([[[0.0, 0, 0], [0.1, 0, 0], [3, 0, 0], [1.4, 0, 0], [0.15, 0, 0]]])
    assert furthest_points(xyz, 3).tolist() == [[0, 2, 3]]
    near = ball_query(xyz, xyz[:, [0, 2]], 0.2, 4)
    assert near.tolist() == [[[0, 1, 4, 0], [2, 2, 2, 2]]]
    assert ball_query(xyz, xyz[:, [0]], 9, 3).tolist() == [[[0, 1, 2]]]


def test_a_checkpoint_is_a_folder(small, tmp_path):
    small.save_pretrained(tmp_path)
    again = XTrans2Cap.from_pretrained(tmp_path).eval()
    assert again.config == small.config
    with torch.no_grad():
        assert torch.equal(small.encode(example()), again.encode(example()))
