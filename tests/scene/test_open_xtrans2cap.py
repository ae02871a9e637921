"""The shipped captioner: what it is shown, how it learns, what it says, and whether that is true."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.scene.captioning.around import chosen, collate, places_around
from models.scene.captioning.batches import NOTHING, Judged, Told, captions
from models.scene.captioning.evaluation import template
from models.scene.captioning.faithfulness import judge, names_of, nearest_named, sided, truth
from models.scene.captioning.metrics import CiderReward, framed
from models.scene.captioning.object_views import flat_views, rendered_views
from models.scene.captioning.predictor import Captioner, readable
from models.scene.captioning.spoken_words import END, SILENT, STYLES, padded_ids
from models.scene.captioning.training import TRUTH, losses_alone, losses_taught, self_critical, spoken
from models.scene.captioning.xtrans2cap.open_xtrans2cap import OpenXTrans2Cap, view_boxes
from models.scene.captioning.xtrans2cap.xtrans2cap import Taught
from models.scene.data.scan import Instance, Scan
from models.scene.objects.cache import PreparedScans
from models.scene.objects.object_set import LABEL, SHAPE, Objects
from models.scene.objects.spatial_features import VIEW_WIDTH
from models.scene.synthetic_language.vocabulary import COLOURS
from models.scene.synthetic_rooms.layout import Placed, Plan
from models.scene.synthetic_rooms.shapes import box
from models.scene.types import Caption, as_scan2cap

WORDS = (
    *NOTHING,
    *["this", "is", "a", "red", "blue", "chair", "table", "lamp", ".", "it", "next", "to", "the", "near"],
)
LABELS = ("chair", "table", "lamp", "chair", "wall")


def room(seed: int = 0) -> Objects:
    """A chair, a table beside it, a lamp far away, another chair farther still, and a wall."""
    rng = np.random.default_rng(seed)
    vectors = {label: rng.normal(size=LABEL).astype(np.float32) for label in sorted(set(LABELS))}
    names = np.stack([vectors[label] / np.linalg.norm(vectors[label]) for label in LABELS])
    low = np.array([[0, 0, 0], [0.8, 0, 0], [4, 0, 0], [5, 3, 0], [-1, -1, 0]], np.float32)
    high = low + np.array([[0.5, 0.5, 1], [1, 1, 0.7], [0.3, 0.3, 1.5], [0.5, 0.5, 1], [0.1, 5, 2.5]])
    boxes = np.concatenate([low, high], 1).astype(np.float32)
    colours = np.array([[0.55, 0.18, 0.18], [0.2, 0.3, 0.47], [0.8] * 3, [0.2, 0.3, 0.47], [0.5] * 3])
    around = np.concatenate([boxes[:, :3].min(0), boxes[:, 3:].max(0)])
    shapes = rng.normal(size=(5, SHAPE)).astype(np.float32)
    ids, sure = np.array([3, 7, 8, 11, 12]), np.ones(5, np.float32)
    return Objects(ids, LABELS, names, boxes, colours.astype(np.float32), sure, shapes, around)


def network(seed: int = 0, **sizes) -> OpenXTrans2Cap:
    torch.manual_seed(seed)
    return OpenXTrans2Cap(words=WORDS, **({"width": 32, "inner": 48, "longest": 14, "dropout": 0.0} | sizes))


def lesson(net: OpenXTrans2Cap) -> Told:
    objects = room()
    said = ["this is a red chair .", "this is a blue table . it is near the red chair .", "a blue chair ."]
    shown = [chosen(objects, places_around(objects, place)) for place in (0, 1, 3)]
    around = collate(shown, [item.names for item in shown], [flat_views(item) for item in shown])
    ids = padded_ids([net.spoken.ids(text.split(), "scanrefer") for text in said])
    return Told(around, ids, torch.arange(3))


def test_the_target_is_first_and_the_nearest_follow():
    objects = room()
    assert places_around(objects, 0) == [0, 1, 4, 3, 2]  # the other chair counts as half as far
    assert places_around(objects, 2, most=3)[0] == 2
    part = chosen(objects, [3, 1])
    assert part.ids.tolist() == [11, 7]
    assert part.labels == ("chair", "table")


def test_shapes_and_padding():
    net, objects = network().eval(), room()
    small = chosen(objects, [1, 0])
    with torch.no_grad():
        alone = net.encode(collate([small]))
        padded = net.encode(collate([small, objects]))
    assert padded.shape == (2, 3, 5, 32)
    torch.testing.assert_close(alone[0], padded[0, :, :2])


def test_teacher_sees_what_the_student_does_not():
    net = network().eval()
    told = lesson(net)
    truth = replace(told.around, views=1 - told.around.views)
    with torch.no_grad():
        one = Taught(*net(told.around, told.ids, teacher=True))
        two = Taught(*net(truth, told.ids, teacher=True))
    torch.testing.assert_close(one.student, two.student)
    assert not torch.allclose(one.teacher, two.teacher)


def test_a_rendered_view_shows_the_colours_that_are_seen_and_what_hides_them():
    plan = Plan(4.0, 4.0, 2.5, np.random.default_rng(0))
    red, blue = (140, 45, 45), (55, 75, 120)
    plan.items += [
        Placed("cabinet", box((0.5, 0.5, 1.4), (0, 1.2, 0), red), "floor"),
        Placed("bin", box((0.3, 0.3, 0.6), (0, -1.5, 0), blue), "floor"),
        Placed("bag", box((0.3, 0.3, 0.6), (0, 1.8, 0), blue), "floor"),  # right behind the cabinet
    ]
    views = rendered_views(plan)
    assert views.shape == (3, VIEW_WIDTH)
    names = list(COLOURS)
    assert names[int(views[0, 3:].argmax())] == "red"
    assert names[int(views[1, 3:].argmax())] == "blue"
    np.testing.assert_allclose(views[:2, 3:].sum(1), 1, rtol=1e-5)
    assert not views[2].any()
    flat = flat_views(room())
    assert names[int(flat[0, 3:].argmax())] == "red"


def test_the_view_is_from_the_middle_of_the_room():
    boxes = torch.tensor([[[1.0, -0.5, 0, 2, 0.5, 1], [-0.5, 1, 0, 0.5, 2, 1], [-2, -0.5, 0, -1, 0.5, 1]]])
    bearing = view_boxes(boxes, torch.tensor([[-3.0, -3, 0, 3, 3, 2]]))[0, :, 0]
    torch.testing.assert_close(bearing[:2], torch.tensor([0.0, 0.5]))
    assert bearing[2].abs() == 1


@pytest.mark.parametrize("losses", [losses_alone, losses_taught])
def test_every_parameter_learns(losses):
    net = network(teacher=losses is losses_taught)
    losses(net, lesson(net), 0.0)["loss"].backward()
    for name, value in net.named_parameters():
        assert not value.requires_grad or value.grad is not None, name
        assert not value.requires_grad or value.grad.abs().max() > 0 or name.startswith("name"), name


def test_one_batch_is_learned_by_heart_and_told_by_the_student_alone(tmp_path):
    net = network(1)
    told = lesson(net)
    optimiser = torch.optim.Adam(net.parameters(), 3e-3)
    for _ in range(80):
        loss = losses_taught(net, told, 0.0)["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    net.eval().student().save_pretrained(tmp_path)
    student = OpenXTrans2Cap.from_pretrained(tmp_path).eval()
    assert student.captioner_teacher is None
    asked = [(room(), place) for place in (0, 1, 3)]
    expected = [net.spoken.text(row) for row in told.ids.tolist()]
    assert captions(student, asked) == expected


def test_an_utterance_teaches_the_object_it_fits_best():
    told = lesson(network())
    logits = torch.randn(3, told.ids.shape[1] - 1, len(WORDS), generator=torch.Generator().manual_seed(0))
    each = torch.stack([spoken(logits[i : i + 1], one(told, i)) for i in range(3)])
    ids = told.ids[:1].expand(3, -1)
    same = Told(told.around, ids, torch.zeros(3, dtype=torch.long))
    rows = torch.stack([spoken(logits[i : i + 1], one(same, i)) for i in range(3)])
    torch.testing.assert_close(spoken(logits, same), rows.min())
    counts = (told.ids[:, 1:] != 0).sum(1)
    torch.testing.assert_close(spoken(logits, told), (each * counts).sum() / counts.sum())


def one(told: Told, row: int) -> Told:
    return Told(told.around, told.ids[row : row + 1], torch.zeros(1, dtype=torch.long))


def test_self_criticism_makes_the_rewarded_caption_likelier():
    pytest.importorskip("pycocoevalcap")
    net = network(2)
    objects = room()
    around = collate([chosen(objects, places_around(objects, place)) for place in (0, 2)])
    references = [
        [framed(["this", "is", "a", "red", "chair", "."])],
        [framed(["a", "lamp", "near", "the", "table", "."])],
    ]
    judged = Judged(around, references, [(objects, 0), (objects, 2)])
    losses = self_critical(CiderReward(references), LABELS)
    optimiser = torch.optim.Adam(net.parameters(), 3e-3)
    earned = []
    for _ in range(40):
        found = losses(net, judged, 0.0)
        optimiser.zero_grad()
        found["loss"].backward()
        optimiser.step()
        earned.append([float(found["CIDEr"]), float(found["true"])])
    before, after = np.mean(earned[:5], 0), np.mean(earned[-5:], 0)
    assert after @ (1, TRUTH) > before @ (1, TRUTH) + 0.05


@pytest.mark.parametrize(
    ("said", "worth"),
    [
        ("this is a red chair . it is next to the table .", 3),
        ("this is a blue chair . it is next to the piano .", -1),
        ("this is a thing .", -1),  # its class was not said
    ],
)
def test_a_true_claim_counts_and_a_false_one_counts_against(said: str, worth: int):
    assert truth(said.split(), room(), 0, (*LABELS, "piano")) == worth


def scan() -> Scan:
    objects = room()
    rows = zip(objects.ids.tolist(), objects.labels, objects.boxes, objects.colours * 255, strict=True)
    instances = tuple(Instance(*row) for row in rows)
    none = np.zeros((0, 3))
    return Scan(
        "room", none.astype(np.float32), none.astype(np.uint8), none.astype(np.int32), np.zeros(0, np.int32),
        instances,
    )  # fmt: skip


class NoPoints:
    def encode(self, clouds, floor):
        return np.zeros((len(clouds), SHAPE), np.float32)


@pytest.fixture
def captioner() -> Captioner:
    """A predictor around an untrained network, without reading a checkpoint."""
    made = Captioner.__new__(Captioner)
    made.checkpoint, made.device, made.network = "untrained", "cpu", network(4).eval()
    made.prepared = PreparedScans(NoPoints())  # type: ignore[arg-type]
    made.listener = lambda objects, place, sentences: np.ones(len(sentences))  # type: ignore[assignment]
    made._proven = {}
    return made


def test_a_caption_of_an_object(captioner):
    found = captioner(scan(), 7)
    assert (found.object_id, found.label, found.checkpoint) == (7, "table", "untrained")
    assert len({found.text, *found.others}) == len(found.likely) == 3
    assert all(0 < likely <= 1 for likely in found.likely)
    assert 7 not in {anchor.object_id for anchor in found.anchors}
    assert sum(anchor.weight for anchor in found.anchors) <= 1
    assert not {NOTHING[i] for i in SILENT} & set(found.text.split())


def test_what_boxes_prove_has_no_probability_and_was_read_from_nothing(captioner):
    captioner.listener = lambda objects, place, sentences: np.where(
        ["nearest to the lamp" in one for one in sentences], 1.0, -1.0
    )
    room = scan()
    captioner._proven[id(room)] = {place: ["on the left", "nearest to the lamp"] for place in range(5)}
    found = captioner(room, 7)
    assert found.text == "This is a table. It is nearest to the lamp."
    assert found.likely[0] is None and all(0 < likely <= 1 for likely in found.likely[1:])
    assert len(found.likely) == 1 + len(found.others) and found.anchors == ()


def test_a_caption_that_was_not_the_likeliest_keeps_its_own_probability(captioner):
    room = scan()
    plain = captioner(room, 7)
    second = plain.others[0]
    captioner.listener = lambda objects, place, sentences: np.where(
        [one == second for one in sentences], 1.0, -1.0
    )
    captioner._proven[id(room)] = {}
    found = captioner(room, 7)
    assert found.text == second and found.likely[0] == plain.likely[1] and plain.likely[0] in found.likely


def test_the_room_is_described_object_by_object(captioner):
    told = list(captioner.describe(scan()))
    assert [said.object_id for said in told] == [3, 7, 8, 11]  # no wall
    assert told[1].text == captioner(scan(), 7).text
    exported = as_scan2cap("room", told)
    assert list(exported)[:2] == ["room|3|chair", "room|7|table"]
    assert all(one.startswith("sos ") and one.endswith(" eos") for (one,) in exported.values())


def test_an_object_that_is_not_there(captioner):
    from models.core.errors import UserError

    with pytest.raises(UserError) as raised:
        captioner(scan(), 99)
    assert (raised.value.key, raised.value.facts) == ("object_unknown", {"object": 99})
    with pytest.raises(UserError) as raised:
        captioner(replace(scan(), instances=()), 7)
    assert raised.value.key == "scan_unlabelled"


def test_readable():
    assert (
        readable(["it", "'s", "a", "chair", ".", "the", "chair", ",", "too", "."])
        == "It's a chair. The chair, too."
    )


def test_exported_names_have_no_spaces():
    said = Caption(4, "office chair", "It is red.", (), (0.5,), (), "x", 0.1)
    assert as_scan2cap("s", [said]) == {"s|4|office_chair": ["sos it is red . eos"]}


KNOWN = {*LABELS, "bed"}


@pytest.mark.parametrize(
    ("text", "colour", "called", "neighbour"),
    [
        ("this is a red chair . it is next to the table .", True, True, True),
        ("this is a blue chair . it is next to the bed .", False, True, False),
        ("this is a chair . it is next to the wall .", None, True, None),
        ("this is a chair . it is far away from the bed .", None, True, None),
        ("this is a chair . it is the second closest to the bed .", None, True, None),
        ("this is a bed . the tables are red .", None, False, False),
    ],
)
def test_claims_of_a_caption(text, colour, called, neighbour):
    verdict = judge(text.split(), room(), 0, KNOWN)
    assert verdict == {"colour": colour, "class": called, "neighbour": neighbour, "side": None}


@pytest.mark.parametrize(
    ("said", "side"),
    [
        # a person at (2.2, 1.5) looks past the table at (1.3, 0.5) to the chair at (0.2, 0.2)
        ("to the right of the table", True),
        ("on the left side of the table", False),
        ("to the left of the bed", False),  # there is none
        ("to the right of the room", None),
        ("near the table", None),
    ],
)
def test_a_side_is_seen_from_the_middle_of_the_room(said, side):
    assert judge(f"this is a chair . it is {said} .".split(), room(), 0, KNOWN)["side"] is side


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("on the left side of the table", "on the right side of the table"),
        ("to the right of the table", "to the right of the table"),
        ("to the left of the bed", "to the left of the bed"),  # there is none: no side of it is true
        ("near the left table", "near the left table"),
    ],
)
def test_a_caption_says_the_side_that_boxes_show(said, told):
    text = "this is a red chair . it is {} ."
    assert sided(text.format(said).split(), room(), 0) == text.format(told).split()


@pytest.mark.parametrize("side", ["left", "right"])
def test_nothing_is_on_a_side_of_itself(side):
    words = f"this is a lamp . it is to the {side} of the lamp .".split()
    assert sided(words, room(), 2) == words and judge(words, room(), 2, KNOWN)["side"] is False


def test_names_and_nearest():
    assert names_of("office chair")[:2] == ["office chair", "chair"]
    assert nearest_named(room(), 0) == 1
    assert nearest_named(chosen(room(), [0, 3, 4]), 0) is None
    assert template(room(), 0) == [
        "this",
        "is",
        "a",
        "chair",
        ".",
        "it",
        "is",
        "next",
        "to",
        "the",
        "table",
        ".",
    ]


def test_styles_open_captions():
    net = network()
    assert net.spoken.ids(["this", "unheard"], "nr3d") == [STYLES["nr3d"], WORDS.index("this"), 1, END]
    assert len(net.spoken.ids(["red"] * 50, "scanrefer")) == 14
