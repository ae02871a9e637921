"""ScanRefer, TGNN and ReferIt3DNet: what every network over objects holds, and what is published of each."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from models.scene.captioning.around import chosen
from models.scene.grounding.batches import Targets, answers
from models.scene.grounding.compared import RIVALS
from models.scene.grounding.comparison_training import losses
from models.scene.grounding.instancerefer.open_instancerefer import OpenBatch
from models.scene.grounding.instancerefer.open_perception import NEVER
from models.scene.grounding.object_networks import PointBatch, last_state, neighbours_of
from models.scene.grounding.referit3dnet import EdgeConv, ReferIt3DNet
from models.scene.grounding.registry import GROUNDERS
from models.scene.grounding.scanrefer import ScanRefer
from models.scene.grounding.sentence_vectors import WordIndices
from models.scene.grounding.tgnn import TGNN
from tests.core.trainers_data import labelled_room

B, N, T = 4, 7, 5
CLASSES = tuple("abcdef")
VOCABULARY = tuple(f"word{place}" for place in range(20))
KINDS = pytest.mark.parametrize("name", RIVALS)


def network(name: str, **config) -> nn.Module:
    torch.manual_seed(0)
    return GROUNDERS[name].kind(classes=CLASSES, vocabulary=VOCABULARY, word_width=32, **config)


def made(seed: int = 0, objects: int = N) -> OpenBatch:
    generator = torch.Generator().manual_seed(seed)
    low = torch.rand(B, objects, 3, generator=generator) * 4
    exists = torch.ones(B, objects, dtype=torch.bool)
    exists[0, 5:] = False
    mask = torch.ones(B, T, dtype=torch.bool)
    mask[1, 3:] = False
    return OpenBatch(
        words=torch.randint(2, 22, (B, T), generator=generator) * mask,
        word_mask=mask,
        names=torch.randn(B, objects, 384, generator=generator) * exists[..., None],
        shapes=torch.randn(B, objects, 128, generator=generator) * exists[..., None],
        boxes=torch.cat([low, low + 0.5], -1) * exists[..., None],
        colours=torch.rand(B, objects, 3, generator=generator) * exists[..., None],
        exists=exists,
        room=torch.tensor([[0.0, 0.0, 0.0, 5.0, 5.0, 3.0]] * B),
    )


def lesson() -> Targets:
    peers = torch.zeros(B, N, dtype=torch.bool)
    for row, places in enumerate(((1, 4), (2, 5), (0, 6), (3,))):
        peers[row, list(places)] = True
    labels = torch.arange(N).remainder(len(CLASSES)).expand(B, -1).clone()
    nobody = torch.zeros(B, 3, N, dtype=torch.bool)
    target = torch.tensor([1, 2, -1, 3])
    cell = torch.zeros(B, dtype=torch.long)
    return Targets(target, peers, ~peers, ~peers, labels, cell, nobody, torch.zeros(B, dtype=torch.bool))


@KINDS
def test_every_object_has_a_score_and_what_is_none_has_never(name):
    found = network(name).eval()(made())
    assert found.scores.shape == (B, N)
    assert found.said.shape == (B, len(CLASSES))
    assert (found.scores[0, 5:] == NEVER).all()
    assert (found.scores[1:] > NEVER).all()


@KINDS
def test_padding_changes_nothing(name):
    asked, batch = network(name).eval(), made()
    longer = replace(
        batch,
        **{
            part: torch.cat([getattr(batch, part), torch.zeros_like(getattr(batch, part)[:, :3])], 1)
            for part in ("names", "shapes", "boxes", "colours", "exists", "words", "word_mask")
        },
    )
    torch.testing.assert_close(asked(longer).scores[:, :N], asked(batch).scores, rtol=1e-3, atol=1e-3)


@KINDS
def test_the_order_of_the_objects_is_of_no_matter(name):
    asked, batch = network(name).eval(), made()
    order = torch.tensor([3, 0, 2, 1, 4, 6, 5])
    turned = replace(
        batch,
        **{
            part: getattr(batch, part)[:, order] for part in ("names", "shapes", "boxes", "colours", "exists")
        },
    )
    torch.testing.assert_close(asked(turned).scores, asked(batch).scores[:, order], rtol=1e-3, atol=1e-3)


@KINDS
def test_everything_learns(name):
    learning = network(name).train()
    losses(learning, (made(), lesson()), 0.0)["loss"].backward()
    idle = {name for name, each in learning.named_parameters() if each.grad is None or not each.grad.any()}
    # One number added to every object's score changes no softmax: its gradient is rounding, or none.
    assert not idle - {"object_language_clf.5.bias"}


@KINDS
def test_one_batch_can_be_learnt_by_heart(name):
    learning = network(name, dropout=0.0, drop_words=0.0).train()
    optimiser = torch.optim.AdamW(learning.parameters(), lr=3e-3)
    given = (made(), lesson())
    first = losses(learning, given, 0.0)
    for _ in range(60):
        found = losses(learning, given, 0.0)
        optimiser.zero_grad()
        found["loss"].backward()
        optimiser.step()
    assert found["hit"] == 1
    assert found["right"] < 0.3 * first["right"]


@KINDS
def test_what_was_saved_answers_alike(name, tmp_path):
    asked = network(name).eval()
    asked.save_pretrained(tmp_path)
    again = GROUNDERS[name].kind.from_pretrained(tmp_path).eval()
    assert again.classes == CLASSES and again.vocabulary == VOCABULARY
    torch.testing.assert_close(again(made()).scores, asked(made()).scores)


@KINDS
def test_nothing_is_left_on_the_cpu(name):
    """The meta device stands for a GPU: an operation that meets a tensor of the CPU raises."""
    asked = network(name).to("meta").eval()
    assert asked(made().to("meta")).scores.device.type == "meta"


def test_word_attention_of_tgnn_sums_to_one_over_what_was_said():
    attention = network("tgnn").eval()(made()).attention
    torch.testing.assert_close(attention.sum(-1), torch.ones(B, N), rtol=1e-3, atol=1e-3)
    assert not attention[1, :, 3:].any()


def test_tgnn_hears_its_neighbours_and_scanrefer_does_not():
    batch = made()
    moved = replace(batch, boxes=batch.boxes.clone())
    moved.boxes[:, 0] += 1.0  # another object moves
    for name, hears in (("tgnn", True), ("referit3dnet", True), ("scanrefer", False)):
        asked = network(name).eval()
        same = torch.allclose(asked(moved).scores[:, 1:5], asked(batch).scores[:, 1:5], atol=1e-5)
        assert same is not hears


def test_an_edge_convolution_is_that_of_the_joined_features():
    """It multiplies each object once; the paper's form multiplies [theirs - mine, mine] of every edge."""
    torch.manual_seed(0)
    conv = EdgeConv(6, 4).eval()
    features, exists = torch.randn(2, 5, 6), torch.ones(2, 5, dtype=torch.bool)
    near = torch.cdist(features, features).topk(3, -1, largest=False).indices
    theirs = neighbours_of(features, near)
    mine = features[:, :, None].expand_as(theirs)
    edges = torch.cat([theirs - mine, mine], -1).permute(0, 3, 1, 2)
    plain = nn.functional.leaky_relu(conv.norm(conv.conv(edges)), 0.2).amax(-1).transpose(1, 2)
    torch.testing.assert_close(conv(features, exists, 3), plain, rtol=1e-4, atol=1e-5)


def test_the_last_state_is_that_of_the_last_word():
    states = torch.arange(12.0).view(2, 3, 2)
    mask = torch.tensor([[True, True, False], [True, True, True]])
    assert last_state(states, mask).tolist() == [[2, 3], [10, 11]]


def points() -> PointBatch:
    plain = made()
    generator = torch.Generator().manual_seed(1)
    clouds = torch.rand(B, N, 40, 6, generator=generator)
    words = torch.randint(2, 22, (B, T), generator=generator)
    known = {"boxes": plain.boxes, "exists": plain.exists, "word_mask": plain.word_mask}
    return PointBatch(points=clouds, words=words, **known)


@pytest.mark.parametrize(("built", "width"), [(partial(TGNN, hidden=512), 300), (ReferIt3DNet, 64)])
def test_as_published_they_read_points(built, width):
    asked = built(classes=CLASSES, objects="points", vocabulary=VOCABULARY, word_width=width).eval()
    assert asked.words.embedding.weight.shape == (22, width)
    assert asked(points()).scores.shape == (B, N)


def test_scanrefer_as_published_has_the_released_names_and_size():
    """Names and shapes of the released code: VoteNet's 144 tensors, `lang` and `match`."""
    state = ScanRefer(inputs=1).state_dict()
    votenet = [name for name in state if name.split(".")[0] in ("backbone_net", "vgen", "proposal")]
    assert len(votenet) == 144
    assert state["lang.gru.weight_ih_l0"].shape == (768, 300)
    assert state["lang.lang_cls.0.weight"].shape == (18, 256)
    assert state["match.fuse.0.weight"].shape == (128, 128 + 256, 1)
    assert state["match.match.6.weight"].shape == (1, 128, 1)
    assert sum(value.numel() for value in ScanRefer(inputs=1).parameters()) == 1_469_687


def test_scanrefer_as_published_scores_its_own_proposals():
    asked = ScanRefer(inputs=1).eval()
    cloud = torch.rand(1, 300, 4)
    found = asked(cloud, torch.randn(1, 6, 300), torch.ones(1, 6, dtype=torch.bool))
    assert found.scores.shape == (1, 256)
    assert found.proposals.boxes().shape == (1, 256, 6)
    assert found.said.shape == (1, 18)


@pytest.mark.parametrize("name", [*RIVALS, GROUNDERS.default])
def test_each_method_answers_questions_about_scenes_of_any_size(name: str):
    """What evaluation and the trainings' checks ask of a network, whichever it is."""
    words = WordIndices(VOCABULARY, least=1)
    if name == GROUNDERS.default:
        net: nn.Module = GROUNDERS[name].kind(width=32, label_count=4, vocabulary=len(words))
    else:
        net = GROUNDERS[name].kind(classes=CLASSES, vocabulary=words.known)
    whole = labelled_room()
    small = chosen(whole, [0, 2, 3])
    asked = [(whole, "word3 word1"), (small, "word2"), (whole, "word7 unheard word1")]
    found = answers(net.eval(), asked, words)
    assert [len(scores) for scores in found] == [len(whole), 3, len(whole)]
    torch.testing.assert_close(found[1], answers(net, asked[1:2], words)[0], rtol=1e-3, atol=1e-3)
