"""The weights that authors published, imported by the command and asked by commands and page."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from app.scene import comparison, service
from app.scene.session import SceneSession
from app.session import Visit
from models.core.errors import UserError
from models.scene import __main__ as command
from models.scene import pipeline
from models.scene.captioning.registry import CAPTIONERS
from models.scene.captioning.xtrans2cap.vocabulary import SPECIAL, write_vocabulary
from models.scene.captioning.xtrans2cap.xtrans2cap import XTrans2Cap
from models.scene.data.scanrefer18 import CLASSES, class_of
from models.scene.grounding.instancerefer import glove
from models.scene.grounding.instancerefer.glove import WordVectors, write_vectors
from models.scene.grounding.instancerefer.instancerefer import InstanceRefer
from models.scene.grounding.registry import GROUNDERS
from models.scene.objects.sampled_points import sampled
from models.scene.segmentation.pointgroup import PUBLISHED, PointGroup
from models.scene.segmentation.registry import SEGMENTERS
from tests.scene.scan_makers import grid, ply, scannet
from tests.scene.test_instancerefer import published_weights
from tests.scene.test_pointgroup import published_shapes
from tests.scene.test_xtrans2cap import published_layout

WORDS = ("the", "chair", "table", "unk", "next", ",")
TABLE, CHAIR = 6, 7  # ids in the tests' room


def run(*arguments: object) -> int:
    return command.main([str(argument) for argument in arguments])


@pytest.fixture(scope="module", autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRILAB_HOME", str(tmp_path_factory.mktemp("home")))
        for registry in (GROUNDERS, CAPTIONERS, SEGMENTERS):
            patch.setattr(registry, "_loaded", {})
        yield


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of files as the authors' scripts save them, of weights of chance."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("released")
    chance = np.random.default_rng(0)
    lines = [" ".join([word, *(f"{x:.4f}" for x in chance.normal(size=300))]) for word in WORDS]
    (folder / "glove.txt").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A floor, a table (6) and a chair (7)."""
    folder = tmp_path_factory.mktemp("scan") / "scene0000_00"
    scannet(folder)
    return folder


@pytest.fixture(scope="module")
def instancerefer(released: Path) -> str:
    """Imported as "refer", its sentence's class always the chair."""
    weights = published_weights("bn.")
    weights["lang.lang_cls.0.bias"] = torch.eye(18)[CLASSES.index("chair")] * 50
    torch.save({"epoch": 24, "model_state_dict": weights}, released / "checkpoint.tar")
    words = ("--words", released / "glove.txt")
    assert run("import", "instancerefer", released / "checkpoint.tar", "--name", "refer", *words) == 0
    return "refer"


@pytest.fixture(scope="module")
def xtrans2cap(released: Path) -> str:
    """Imported as "say", with twelve words of which it says the last, and says it without end."""
    words = [*SPECIAL, "this", "is", "a", "chair", "table", "brown", ".", "round"]
    state = {name: torch.randn(shape) * 0.02 for name, shape in published_layout().items()}
    for side in ("captioner", "captioner_teacher"):
        for name in ("word_emb", "fc"):
            state[f"{side}.decoder.{name}.weight"] = torch.randn(len(words), 512) * 0.02
    state["captioner.decoder.layers.0.pwff.layer_norm.weight"].zero_()
    state["captioner.decoder.layers.0.pwff.layer_norm.bias"] = torch.ones(512)
    state["captioner.decoder.fc.weight"][-1] = 1.0
    torch.save(state, released / "model.pth")
    by_place = {str(place): word for place, word in enumerate(words)}
    by_word = {word: place for place, word in enumerate(words)}
    (released / "words.json").write_text(json.dumps({"word2idx": by_word, "idx2word": by_place}))
    given = ("--words", released / "words.json")
    assert run("import", "xtrans2cap", released / "model.pth", "--name", "say", *given) == 0
    return "say"


@pytest.fixture(scope="module")
def pointgroup(released: Path) -> str:
    """Imported as "group": everything is a chair, its middle where it is, and an object for certain."""
    made = torch.Generator().manual_seed(0)
    given = {}
    for name, shape in published_shapes().items():
        value = torch.randn(shape, generator=made) * 0.05
        given[f"module.{name}"] = value.abs() + 0.5 if name.endswith("running_var") else value
        if not shape:
            given[f"module.{name}"] = torch.tensor(1)
    for name in ("linear.weight", "offset_linear.weight", "offset_linear.bias", "score_linear.weight"):
        given[f"module.{name}"].zero_()
    given["module.linear.bias"] = torch.eye(20)[PUBLISHED["classes"].index("chair")]
    given["module.score_linear.bias"] = torch.tensor([4.0])
    torch.save(given, released / "pointgroup.pth")
    assert run("import", "pointgroup", released / "pointgroup.pth", "--name", "group") == 0
    return "group"


def test_instancerefer_answers_on_the_command_line(instancerefer, scan, capsys):
    assert run("ground", scan, "the chair next to the wug", "--model", instancerefer, "--json") == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])["methods"][instancerefer]
    assert found["object_id"] == CHAIR and found["target"] == "chair" and found["score"] == 1
    assert set(found["ranked"][0]["scores"]) == {"attribute", "relation", "location"}
    assert [word for word, _ in found["words"]] == ["the", "chair", "next", "to", "the", "wug"]
    assert max(weight for _, weight in found["words"]) == 1
    assert run("ground", scan, "the chair", "--model", instancerefer) == 0
    assert "InstanceRefer (refer)" in capsys.readouterr().out


def test_instancerefer_says_what_its_network_says(instancerefer, scan, released):
    from models.scene.grounding.instancerefer.published_predictor import _batch

    opened = pipeline.open_path(scan)
    predictor = GROUNDERS.loaded(instancerefer)
    network = InstanceRefer.from_published(released / "checkpoint.tar")
    words = predictor.vectors(["the", "chair"])
    with torch.inference_mode():
        expected = network(_batch(sampled(opened), torch.from_numpy(words))).scores[0]
    scores = predictor(opened, "The chair").ranked[0].scores
    np.testing.assert_allclose(list(scores.values()), expected.numpy(), atol=1e-3)


def test_no_object_of_the_class_is_no_answer(instancerefer, tmp_path):
    scannet(tmp_path / "one", "one", labels=("floor", "table", "table"))
    found = GROUNDERS.loaded(instancerefer)(pipeline.open_path(tmp_path / "one"), "the chair")
    assert found.best is None and found.missing == "chair"


def test_the_page_asks_it(instancerefer, scan):
    session = Visit().lab(SceneSession)
    session.opens(pipeline.open_path(scan))
    session.methods = GROUNDERS.chosen("refer")
    found = service.compare(session, "the chair")
    assert [one.method for one in found] == ["refer"]
    for language in ("en", "zh-CN"):
        assert "InstanceRefer (refer)" in comparison.panel(language, found, "scene0000_00")
    assert comparison.overlay(found) and instancerefer in GROUNDERS.installed()
    session.visit.end()


def test_xtrans2cap_writes_32_words_of_its_own(xtrans2cap, scan, capsys):
    assert run("caption", scan, "--model", xtrans2cap, "--object", CHAIR, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["text"].lower().split() == ["round"] * 32 and said["checkpoint"] == "say"
    assert said["others"] == [] and 0.9 < said["likely"][0] <= 1
    assert run("caption", scan, "--model", xtrans2cap) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["table 6", "chair 7"]
    network: XTrans2Cap = CAPTIONERS.loaded(xtrans2cap).network
    assert network.config.vocabulary == 12 and network.config.longest == 32


def test_an_object_is_described_alike_alone_and_among_all(scan, released, xtrans2cap):
    captioner = CAPTIONERS.loaded(xtrans2cap)
    opened = pipeline.open_path(scan)
    among = {said.object_id: said.likely for said in captioner.describe(opened)}
    assert captioner(opened, TABLE).likely == among[TABLE]
    with pytest.raises(UserError, match="object_unknown"):
        captioner(opened, 99)


def test_pointgroup_finds_objects_in_a_raw_scan(pointgroup, tmp_path, capsys):
    pieces = [grid(count, (x, 0, 0.5), 0.02 * count)[0] for count, x in ((30, 0), (20, 2), (8, 4))]
    vertices = np.concatenate(pieces)
    (tmp_path / "raw.ply").write_bytes(ply(vertices, np.full((len(vertices), 3), 90, np.uint8)))
    assert run("segment", tmp_path / "raw.ply", "--model", pointgroup, "--out", tmp_path / "out") == 0
    lines = (tmp_path / "out" / "raw.txt").read_text().splitlines()
    assert [line.split()[1:] for line in lines] == [["5", "0.9820"]] * 2  # the third has under 100 points
    sizes = [(tmp_path / "out" / line.split()[0]).read_text().count("1") for line in lines]
    assert sorted(sizes) == [400, 900]
    session = Visit().lab(SceneSession)
    session.opens(pipeline.open_path(tmp_path / "raw.ply"))
    session.segmenter = pointgroup
    assert [step.key for step in service.finding(session)][:1] == ["find_load"]
    assert [one.label for one in session.scan.instances] == ["chair", "chair"]
    session.visit.end()


def test_imported_methods_are_listed(instancerefer, xtrans2cap, pointgroup, capsys):
    assert run("models", "--json") == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    tasks = {"refer": "grounding", "say": "captioning", "group": "segmentation"}
    assert {name: rows[name]["task"] for name in tasks} == tasks
    assert all(rows[name]["checkpoint"] == name and rows[name]["megabytes"] > 0 for name in tasks)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("chair 1 2\n", "words_broken"),
        ("unk 1 2 3\nchair 1 2 nan\n", "words_broken"),
        ("unk 1 2 3\nchair 1 2 x\n", "words_broken"),
        ("400000 3\n", "words_broken"),
        ("unk" * 9000 + " 1 2 3\n", "words_broken"),
        ("chair 1 2 3\n", "words_unk"),
        ("", "words_unk"),
    ],
)
def test_vectors_that_are_none_are_refused(tmp_path, text, key):
    (tmp_path / "glove.txt").write_text(text)
    with pytest.raises(UserError) as refused:
        write_vectors(tmp_path / "glove.txt", tmp_path, 3)
    assert refused.value.key == key


def test_the_most_frequent_vectors_are_kept(tmp_path, monkeypatch):
    (tmp_path / "glove.txt").write_text("unk 1 2 3\n. . 4 5 6\nchair 7 8 9\nrare 0 0 0\n")
    monkeypatch.setattr(glove, "MOST", 3)
    write_vectors(tmp_path / "glove.txt", tmp_path, 3)
    vectors = WordVectors(tmp_path, 3)
    assert vectors(["chair", "rare", ". ."]).tolist() == [[7, 8, 9], [1, 2, 3], [4, 5, 6]]
    (tmp_path / "words.f32").write_bytes(b"1234")
    with pytest.raises(UserError, match="checkpoint_broken"):
        WordVectors(tmp_path, 3)


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ([], "vocabulary_broken"),
        ({"idx2word": ["pad_"]}, "vocabulary_broken"),
        ({"idx2word": {"0": "pad_", "1": "unk", "2": "eos", "3": "sos"}}, "vocabulary_broken"),
        ({"idx2word": {"0": "pad_", "1": "unk", "2": "sos", "4": "eos"}}, "vocabulary_broken"),
        ({"idx2word": {**{str(i): w for i, w in enumerate(SPECIAL)}, "4": "a b"}}, "vocabulary_broken"),
        ({"idx2word": {str(i): w for i, w in enumerate(SPECIAL)}}, "vocabulary_size"),
    ],
)
def test_vocabularies_that_are_none_are_refused(tmp_path, value, key):
    (tmp_path / "words.json").write_text(json.dumps(value))
    with pytest.raises(UserError) as refused:
        write_vocabulary(tmp_path / "words.json", tmp_path, 5)
    assert refused.value.key == key


def test_words_of_another_network_are_refused_and_nothing_is_kept(released, xtrans2cap, capsys):
    (released / "few.json").write_text(json.dumps({"idx2word": {str(i): w for i, w in enumerate(SPECIAL)}}))
    given = ("--words", released / "few.json")
    assert run("import", "xtrans2cap", released / "model.pth", "--name", "other", *given) == 2
    assert "4 words and the network has 12" in capsys.readouterr().err
    assert "other" not in CAPTIONERS


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("office chair", "chair"),
        ("kitchen cabinets", "cabinet"),
        ("couch", "sofa"),
        ("shower curtain", "shower curtain"),
        ("curtain", "curtain"),
        ("desk", "desk"),
        ("monitor", "others"),
        ("", "others"),
    ],
)
def test_labels_have_one_of_18_classes(label, name):
    assert CLASSES[class_of(label)] == name


def test_published_grids_are_the_releases():
    from models.core.nn.sparse import SparseTensor
    from models.scene.segmentation.pointgroup import _on_own_grid
    from models.scene.segmentation.sparse_unet import UBlock

    points = torch.tensor([[0.0, 0, 0], [4.0, 1, 0]])
    own = torch.zeros(2, dtype=torch.long)
    assert _on_own_grid(points, own, 1, published=True)[1, 0] == pytest.approx(4 * (14 / 4 - 0.01))
    assert _on_own_grid(points, own, 1)[1, 0] == pytest.approx(13.99)
    torch.manual_seed(0)
    network = UBlock([4, 6, 8], 1).eval()
    grid = torch.tensor([7, 8, 8])
    coords = torch.tensor([[0, 5, 3, 2], [0, 6, 3, 2], [0, 4, 3, 3]])  # the second has no parent
    with torch.inference_mode():
        seen = network(SparseTensor(coords, torch.ones(3, 4), 1), grid).feats
        moved = network(SparseTensor(coords, torch.tensor([[1.0], [9.0], [1.0]]).expand(3, 4), 1), grid).feats
        whole = network(SparseTensor(coords, torch.ones(3, 4), 1), grid + 1).feats
        plain = network(SparseTensor(coords, torch.ones(3, 4), 1)).feats
    torch.testing.assert_close(whole, plain)
    assert not torch.allclose(seen[1], plain[1])
    assert seen.isfinite().all() and moved.isfinite().all()


def test_the_published_network_does_not_mind_where_a_scan_begins():
    from models.scene.segmentation.pointgroup import Points

    torch.manual_seed(0)
    network = PointGroup(**{**PUBLISHED, "levels": 2, "width": 8}).eval()
    xyz = torch.rand(300, 3).numpy()
    with torch.inference_mode():
        here = network(Points.of(xyz, None)).semantic
        there = network(Points.of(xyz + np.float32(8), None)).semantic
    torch.testing.assert_close(here, there, atol=1e-3, rtol=1e-3)
