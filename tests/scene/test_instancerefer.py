"""The published network: its layout, its flow, its losses, and files that claim to be its weights."""

import dataclasses
import os

import pytest
import torch

from models.core.errors import UserError
from models.core.nn.sparse import SparseTensor
from models.scene.grounding.instancerefer.instancerefer import (
    PUBLISHED,
    Batch,
    InstanceRefer,
    InstanceReferConfig,
    Pairs,
    candidates_of_class,
)
from models.scene.grounding.instancerefer.matching import best_candidates, contrastive_loss, margin_loss
from models.scene.grounding.instancerefer.perception import Crop, HeightPooling, cell_labels, point_features

PUBLISHED_PARAMETERS = 8_021_176
SMALL = InstanceReferConfig(word_width=12, classes=4, widths=(4, 6, 8, 8, 8), neighbours=3)


def example(config: InstanceReferConfig, *, sentences: int = 4, seed: int = 0) -> Batch:
    """Two rooms of six objects, three classes, two objects of each class in each room."""
    made = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=made)

    low = random(12, 3) * torch.tensor([5.0, 5.0, 1.0])
    points = (low[:, None] + random(12, 40, 3) * 0.5).flatten(0, 1)
    features = torch.cat([points, random(len(points), config.point_width - 3)], 1)
    owner = torch.arange(12).repeat_interleave(40)
    return Batch(
        words=random(sentences, 7, config.word_width) - 0.5,
        word_mask=torch.arange(7) < torch.tensor([7, 3, 5, 1])[torch.arange(sentences) % 4, None],
        sentence_scene=torch.arange(sentences) % 2,
        boxes=torch.cat([low, low + 0.5], 1),
        classes=torch.arange(12) % 3,
        object_scene=torch.arange(12) // 6,
        points=features,
        point_object=owner,
        scene_points=features,
        scene_point_scene=(owner >= 6).long(),
        scenes=2,
    )


def published_layout(inner: str) -> dict[str, tuple[int, ...]]:
    """Name -> shape in the released checkpoint. inner: "bn." for torchsparse 1.2's batch norm, or ""."""
    layout: dict[str, tuple[int, ...]] = {}

    def affine(name: str, width: int) -> None:
        layout[f"{name}.weight"] = layout[f"{name}.bias"] = (width,)

    def linear(name: str, inside: int, outside: int, *window: int) -> None:
        layout[f"{name}.weight"] = (outside, inside, *window)
        layout[f"{name}.bias"] = (outside,)

    def norm(name: str, width: int) -> None:
        affine(name, width)
        layout[f"{name}.running_mean"] = layout[f"{name}.running_var"] = (width,)
        layout[f"{name}.num_batches_tracked"] = ()

    def encoder(name: str) -> None:
        widths = (7, 32, 64, 128, 128, 128)
        layout[f"{name}.stem.0.net.0.kernel"] = (27, 7, 32)
        norm(f"{name}.stem.0.net.1.{inner}".rstrip("."), 32)
        for stage in (1, 2, 3, 4):
            inside, width = widths[stage : stage + 2]
            layout[f"{name}.stage{stage}.0.net.0.kernel"] = (8, inside, width)
            norm(f"{name}.stage{stage}.0.net.1.{inner}".rstrip("."), width)
            for place in (0, 3):
                layout[f"{name}.stage{stage}.1.net.{place}.kernel"] = (27, width, width)
                norm(f"{name}.stage{stage}.1.net.{place + 1}.{inner}".rstrip("."), width)

    for layer in (0, 1):
        for way in ("", "_reverse"):
            layout[f"lang.gru.weight_ih_l{layer}{way}"] = (384, 256)
            layout[f"lang.gru.weight_hh_l{layer}{way}"] = (384, 128)
            layout[f"lang.gru.bias_ih_l{layer}{way}"] = layout[f"lang.gru.bias_hh_l{layer}{way}"] = (384,)
    linear("lang.word_projection.0", 300, 256)
    linear("lang.word_projection.3", 256, 256)
    for head in ("a", "cls", "rel", "scene"):
        linear(f"lang.fc_{head}", 256, 1)
    linear("lang.lang_cls.0", 256, 18)

    encoder("attribute.net")
    linear("attribute.vis_emb_fc.0", 128, 256)
    affine("attribute.vis_emb_fc.1", 256)
    linear("attribute.vis_emb_fc.3", 256, 256)
    linear("attribute.lang_emb_fc.0", 256, 256)
    norm("attribute.lang_emb_fc.1", 256)
    linear("attribute.lang_emb_fc.3", 256, 256)

    linear("relation.gcn.weight.0", 3 + 18 + 18, 64)
    linear("relation.gcn.weight.2", 64, 25)
    linear("relation.gcn.mlp.0", 75, 128)
    linear("relation.gcn.mlp.2", 128, 128)
    linear("relation.vis_emb_fc.0", 128, 128)
    affine("relation.vis_emb_fc.1", 128)
    linear("relation.vis_emb_fc.4", 128, 128)
    linear("relation.lang_emb_fc.0", 256, 128)
    norm("relation.lang_emb_fc.1", 128)
    linear("relation.lang_emb_fc.4", 128, 128)

    encoder("scene.net")
    layout["scene.to_bev.1.kernel"] = (5, 128, 128)
    norm("scene.to_bev.2", 128)
    linear("scene.vis_emb_fc.0", 128, 128, 3, 3)
    norm("scene.vis_emb_fc.1", 128)
    linear("scene.vis_emb_fc.4", 128, 128, 3, 3)
    for name, inside in (("vis_emb_fc1", 128), ("lang_emb_fc", 256)):
        linear(f"scene.{name}.0", inside, 128)
        affine(f"scene.{name}.1", 128)
        linear(f"scene.{name}.4", 128, 128)
    linear("scene.cls.0", 128, 128)
    norm("scene.cls.1", 128)
    linear("scene.cls.3", 128, 9)
    return layout


def published_weights(inner: str) -> dict[str, torch.Tensor]:
    made = torch.Generator().manual_seed(1)
    weights = {}
    for name, shape in published_layout(inner).items():
        if name.endswith("num_batches_tracked"):
            weights[name] = torch.tensor(7)
        elif name.endswith("running_var"):
            weights[name] = torch.rand(shape, generator=made) + 0.5
        else:
            weights[name] = torch.randn(shape, generator=made) * 0.05
    return weights


def test_the_published_network_has_the_published_layout():
    network = InstanceRefer(PUBLISHED)
    assert {name: tuple(value.shape) for name, value in network.state_dict().items()} == published_layout("")
    assert sum(p.numel() for p in network.parameters()) == PUBLISHED_PARAMETERS


def test_published_weights_load_under_both_names_of_a_batch_norm(tmp_path):
    torch.save(published_weights("bn."), tmp_path / "model.pth")
    torch.save({"epoch": 3, "model_state_dict": published_weights("")}, tmp_path / "checkpoint.tar")
    batch = example(PUBLISHED)
    pairs = candidates_of_class(torch.tensor([0, 1, 2, 0]), batch)
    with torch.no_grad():
        one = InstanceRefer.from_published(tmp_path / "model.pth")(batch, pairs)
        two = InstanceRefer.from_published(tmp_path / "checkpoint.tar")(batch, pairs)
        fresh = InstanceRefer(PUBLISHED).eval()(batch, pairs)
    assert one.scores.isfinite().all()
    assert one.cells.isfinite().all()
    assert torch.equal(one.scores, two.scores)
    assert not torch.allclose(one.scores, fresh.scores)


class Code:
    def __reduce__(self):
        return os.mkdir, (os.environ["TRILAB_TEST_TRACE"],)


def test_a_file_with_code_in_it_is_refused_and_not_run(tmp_path, monkeypatch):
    trace = tmp_path / "ran"
    monkeypatch.setenv("TRILAB_TEST_TRACE", str(trace))
    torch.save({**published_weights(""), "more": Code()}, tmp_path / "model.pth")
    with pytest.raises(UserError, match="weights_unreadable"):
        InstanceRefer.from_published(tmp_path / "model.pth")
    assert not trace.exists()


def test_a_file_that_is_cut_short_missing_or_something_else_is_refused(tmp_path):
    path = tmp_path / "model.pth"
    with pytest.raises(UserError, match="weights_unreadable"):
        InstanceRefer.from_published(path)
    torch.save(published_weights(""), path)
    whole = path.read_bytes()
    for bytes_ in (whole[: len(whole) // 2], b"", b"not a checkpoint", whole[:-100]):
        path.write_bytes(bytes_)
        with pytest.raises(UserError, match="weights_unreadable"):
            InstanceRefer.from_published(path)
    torch.save([1, 2, 3], path)
    with pytest.raises(UserError, match="weights_unreadable"):
        InstanceRefer.from_published(path)


@pytest.mark.parametrize("fault", ["missing", "more", "shape", "nan", "dtype"])
def test_weights_of_another_network_are_refused(tmp_path, fault):
    weights = published_weights("")
    name = "scene.cls.3.weight"
    if fault == "missing":
        del weights[name]
    elif fault == "more":
        name = "detector.weight"
        weights[name] = torch.zeros(3)
    elif fault == "shape":
        weights[name] = torch.zeros(10, 128)
    elif fault == "nan":
        weights[name][2, 3] = torch.nan
    else:
        weights[name] = weights[name].to(torch.int8)
    torch.save(weights, tmp_path / "model.pth")
    with pytest.raises(UserError, match="weights_mismatch") as caught:
        InstanceRefer.from_published(tmp_path / "model.pth")
    assert caught.value.facts["first"] == name


@pytest.mark.parametrize("matching", ["cosine", "mcan"])
@pytest.mark.parametrize(
    "modules", [("attribute",), ("attribute", "relation"), ("attribute", "relation", "location")]
)
def test_shapes_in_every_configuration(matching, modules):
    config = dataclasses.replace(SMALL, matching=matching, modules=modules, pooling="average")
    batch = example(config)
    out = InstanceRefer(config).eval()(batch, candidates_of_class(torch.tensor([0, 1, 2, 3]), batch))
    assert out.pairs.sentence.tolist() == [0, 0, 1, 1, 2, 2]  # nothing in the rooms has class 3
    assert out.scores.shape == (6, 3)
    assert out.scores.isfinite().all()
    assert torch.equal(out.scores.any(0), torch.arange(3) < len(modules))
    assert out.language.classes.shape == (4, 4)
    assert out.language.attention.shape == (4, 4, 7)
    torch.testing.assert_close(out.language.attention.sum(2), torch.ones(4, 4))
    assert not out.language.attention.transpose(1, 2)[~batch.word_mask].any()
    if "location" in modules:
        assert out.cells.shape == (4, 9)
        torch.testing.assert_close(out.plan_attention.sum((1, 2)), torch.ones(4))


def test_candidates_are_of_the_class_that_the_sentence_asks_for():
    network = InstanceRefer(SMALL).eval()
    batch = example(SMALL)
    with torch.no_grad():
        network.lang.lang_cls[0].weight.zero_()
        network.lang.lang_cls[0].bias.copy_(torch.tensor([0.0, 0.0, 9.0, 0.0]))
        pairs = network(batch).pairs
    assert batch.classes[pairs.object].tolist() == [2] * 8
    assert torch.equal(batch.object_scene[pairs.object], batch.sentence_scene[pairs.sentence])


def test_a_batch_says_nothing_about_the_target():
    known = {field.name for field in dataclasses.fields(Batch)}
    words, scene = {"words", "word_mask", "sentence_scene"}, {"scene_points", "scene_point_scene", "scenes"}
    objects = {"boxes", "classes", "object_scene", "points", "point_object"}
    assert known == words | scene | objects  # of a sentence only its words and where it was said


def test_no_candidate_at_all():
    batch = example(SMALL)
    for matching in ("cosine", "mcan"):
        network = InstanceRefer(dataclasses.replace(SMALL, matching=matching)).eval()
        out = network(batch, candidates_of_class(torch.full((4,), 3), batch))
        assert out.scores.shape == (0, 3)
        assert out.cells.isfinite().all()


def test_an_object_without_points_still_gets_scores():
    batch = example(SMALL)
    bare = batch.point_object != 0
    batch = dataclasses.replace(batch, points=batch.points[bare], point_object=batch.point_object[bare])
    out = InstanceRefer(SMALL).eval()(batch, candidates_of_class(torch.tensor([0, 0, 0, 0]), batch))
    assert 0 in out.pairs.object
    assert out.scores.isfinite().all()


def test_a_sentence_is_answered_alone_as_in_a_batch():
    network = InstanceRefer(dataclasses.replace(SMALL, matching="mcan")).eval()
    batch = example(SMALL)
    wanted = torch.tensor([0, 1, 2, 0])
    with torch.no_grad():
        together = network(batch, candidates_of_class(wanted, batch))
        alone_batch = dataclasses.replace(
            batch,
            words=batch.words[1:2, :3],
            word_mask=batch.word_mask[1:2, :3],
            sentence_scene=batch.sentence_scene[1:2],
        )
        alone = network(alone_batch, candidates_of_class(wanted[1:2], alone_batch))
    mine = together.pairs.sentence == 1
    torch.testing.assert_close(together.scores[mine], alone.scores, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(together.cells[1:2], alone.cells, atol=1e-5, rtol=1e-5)


def total_loss(network, batch, target, matching_loss):
    """As released: 10 x matching + class + cell."""
    out = network(batch, candidates_of_class(batch.classes[target], batch))
    right = out.pairs.object == target[out.pairs.sentence]
    centres = (batch.boxes[:, :3] + batch.boxes[:, 3:])[target] / 2
    low, high = torch.zeros(len(target), 3), torch.full((len(target), 3), 6.0)
    loss = 10 * matching_loss(out.score, right, out.pairs.sentence, len(target))
    loss = loss + torch.nn.functional.cross_entropy(out.language.classes, batch.classes[target])
    return loss + torch.nn.functional.cross_entropy(out.cells, cell_labels(centres, low, high)), out, right


@pytest.mark.parametrize("matching", ["cosine", "mcan"])
def test_gradients_reach_every_parameter(matching):
    torch.manual_seed(0)
    network = InstanceRefer(dataclasses.replace(SMALL, matching=matching)).train()
    total_loss(network, example(SMALL), torch.tensor([0, 7, 2, 9]), contrastive_loss)[0].backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        if not name.endswith("bias"):  # before a softmax or a batch norm a bias changes nothing
            assert parameter.grad.any(), name


@pytest.mark.parametrize(("matching", "loss"), [("cosine", margin_loss), ("mcan", contrastive_loss)])
def test_one_batch_can_be_learned_by_heart(matching, loss):
    torch.manual_seed(0)
    network = InstanceRefer(dataclasses.replace(SMALL, matching=matching))
    batch, target = example(SMALL), torch.tensor([0, 7, 2, 9])
    optimizer = torch.optim.Adam(network.parameters(), 5e-3)
    for _ in range(25):
        optimizer.zero_grad()
        total, _, _ = total_loss(network.train(), batch, target, loss)
        total.backward()
        optimizer.step()
    _, out, right = total_loss(network, batch, target, loss)
    assert torch.equal(out.language.classes.argmax(1), batch.classes[target])
    for sentence in range(4):
        mine = out.pairs.sentence == sentence
        assert right[mine][out.score[mine].argmax()]


def test_a_saved_network_comes_back(tmp_path):
    config = dataclasses.replace(SMALL, matching="mcan", neighbours=None)
    network = InstanceRefer(config).eval()
    network.save_pretrained(tmp_path)
    again = InstanceRefer.from_pretrained(tmp_path).eval()
    assert isinstance(again.config, InstanceReferConfig)
    batch = example(config)
    pairs = Pairs(torch.tensor([0, 1]), torch.tensor([1, 8]))
    with torch.no_grad():
        assert torch.equal(network(batch, pairs).scores, again(batch, pairs).scores)


def test_neighbours_are_the_nearest_of_the_same_scene():
    graph = InstanceRefer(SMALL).relation.gcn
    centres = torch.tensor([[0.0, 0, 0], [3, 0, 0], [1, 0, 0], [0.1, 0, 0], [9, 0, 0]])
    scene = torch.tensor([0, 0, 0, 1, 0])
    near, exists = graph.nearest(centres, scene, torch.tensor([0, 3]))
    assert near[0].tolist() == [0, 2, 1]
    assert exists.tolist() == [[True, True, True], [True, False, False]]
    assert near[1, 0] == 3


def test_messages_are_those_of_the_released_edge_convolution():
    graph = InstanceRefer(SMALL).relation.gcn
    made = torch.Generator().manual_seed(3)
    nodes, centres = torch.randn(5, 11, generator=made), torch.randn(5, 3, generator=made)
    scene = torch.tensor([0, 0, 1, 0, 0])
    nearest = sorted((0, 1, 3, 4), key=lambda j: float((centres[j] - centres[1]).norm()))[:3]
    messages = []
    for j in nearest:
        edge = graph.weight(torch.cat([centres[j] - centres[1], nodes[1, -4:], nodes[j, -4:]]))
        messages.append(graph.mlp(torch.cat([nodes[1], edge, nodes[j]])))
    expected = torch.stack(messages).amax(0)
    torch.testing.assert_close(graph(nodes, centres, scene, torch.tensor([1]))[0], expected)


def test_the_birds_eye_view_sums_a_matrix_for_every_height():
    pool = torch.nn.Sequential(Crop(), HeightPooling(3, 2))
    coords = torch.tensor(
        [[1, 4, 20, 0], [1, 4, 20, 4], [0, 14, 24, 2], [0, 15, 0, 0], [0, 0, 0, 5], [0, -1, 0, 0]]
    )
    feats = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    view = pool(SparseTensor(coords, feats, 2, 16))
    matrices = pool[1].kernel
    assert view.shape == (2, 2, 15, 25)
    torch.testing.assert_close(view[1, :, 4, 20], feats[0] @ matrices[0] + feats[1] @ matrices[4])
    torch.testing.assert_close(view[0, :, 14, 24], feats[2] @ matrices[2])
    assert int(view.any(1).sum()) == 2  # what lies outside 12 m x 20 m x 4 m is left out


SCORES = torch.tensor([1.0, 2.0, 0.5, 3.0, -1.0])
SENTENCE = torch.tensor([0, 1, 0, 1, 1])
RIGHT = torch.tensor([True, False, False, False, True])


def test_contrastive_loss_is_the_talks_formula():
    e = SCORES.exp()
    first, second = -(e[0] / (e[0] + e[2])).log(), -(e[4] / (e[1] + e[3] + e[4])).log()
    torch.testing.assert_close(contrastive_loss(SCORES, RIGHT, SENTENCE, 3), (first + second) / 3)


def test_margin_loss_is_the_released_formula():
    def one(right: float, *wrong: float) -> torch.Tensor:
        return (torch.tensor([0.0, *wrong]).mul(5).exp().sum().log() - 5 * right + 0.2).clamp(min=0)

    expected = (one(1.0, 0.5) + one(-1.0, 2.0, 3.0)) / 3
    torch.testing.assert_close(margin_loss(SCORES, RIGHT, SENTENCE, 3), expected)


@pytest.mark.parametrize("loss", [contrastive_loss, margin_loss])
def test_nothing_to_learn_is_no_loss(loss):
    scores = SCORES.clone().requires_grad_()
    value = loss(scores, torch.zeros(5, dtype=torch.bool), SENTENCE, 2)
    value.backward()
    assert value == 0
    assert loss(scores[:0], RIGHT[:0], SENTENCE[:0], 2) == 0


def test_the_candidate_that_overlaps_most_is_right():
    iou = torch.tensor([0.3, 0.1, 0.6, 0.19, 0.15, 0.9])
    sentence = torch.tensor([0, 1, 0, 1, 1, 2])
    assert best_candidates(iou, sentence, 3).tolist() == [False, False, True, False, False, False]
    assert best_candidates(iou[:0], sentence[:0], 2).shape == (0,)


def test_cells_of_the_floor_plan():
    low, high = torch.zeros(4, 3), torch.tensor([3.0, 6.0, 2.0]).expand(4, 3)
    centres = torch.tensor([[0.5, 0.5, 0], [1.0, 2.0, 0], [1.5, 5.9, 0], [2.9, 2.1, 9]])
    assert cell_labels(centres, low, high).tolist() == [0, 0, 1 + 3 * 2, 2 + 3 * 1]


def test_features_of_a_point():
    features = point_features(torch.tensor([[1.0, 2, 3]]), torch.tensor([[109.8, 97.2 + 256, 83.8]]), 0.5)
    torch.testing.assert_close(features, torch.tensor([[1.0, 2, 3, 0, 1, 0, 2.5]]))
