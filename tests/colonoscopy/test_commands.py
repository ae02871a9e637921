"""The command line as it is typed, with stand-ins for the trained networks."""

import json
import time
from contextlib import contextmanager

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from models.colonoscopy import __main__ as command_line
from models.colonoscopy import pipeline
from models.colonoscopy.data import exports
from models.colonoscopy.data.images import read_mask, read_pairs
from models.colonoscopy.detection.base import MaskDetector
from models.colonoscopy.detection.registry import DETECTORS
from models.colonoscopy.segmentation import evaluation
from models.colonoscopy.segmentation.registry import SEGMENTERS
from models.colonoscopy.synthesis import sampling
from models.colonoscopy.synthesis.frames_folder import FramesFolder
from models.colonoscopy.synthesis.registry import GENERATORS
from models.core import results, spread
from models.core.errors import UserError
from models.core.executors import InProcessExecutor
from tests.colonoscopy.makers import frame_of, mask_of, sample_of, stand_ins  # noqa: F401

BOXES = [(60, 120, 80, 180), (20, 90, 20, 120), (150, 220, 100, 200)]


@pytest.fixture
def masks(tmp_path):
    folder = tmp_path / "given"
    folder.mkdir()
    for number, box in enumerate(BOXES, 1):
        (folder / f"m{number}.png").write_bytes(exports.mask_png(mask_of(box=box)))
    return folder


@pytest.fixture
def pairs(tmp_path):
    for number, box in enumerate(BOXES):
        for kind, pixels in (("images", frame_of(mask_of(box=box))), ("masks", mask_of(box=box))):
            (tmp_path / "pairs" / kind).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / "pairs" / kind / f"{number}.png")
    return tmp_path / "pairs"


@pytest.fixture
def drawn(monkeypatch, stand_ins):  # noqa: F811
    """How many frames were drawn; the hash of the weights can be changed."""
    calls, draw = [], pipeline.draw
    monkeypatch.setattr(pipeline, "draw", lambda order: calls.append(order) or draw(order))
    return calls


def run(*arguments):
    return command_line.main([str(argument) for argument in arguments])


def test_sample_one_mask(masks, tmp_path, drawn, capsys):
    out = tmp_path / "out"
    assert (
        run("sample", "--mask", masks / "m1.png", "--count", 2, "--seed", 7, "--steps", 50, "--out", out) == 0
    )
    listed = json.loads((out / "samples.json").read_text())
    assert [row["file"] for row in listed] == ["m1_7.png", "m1_8.png"]
    assert listed[0]["model"] == "arsdm" and listed[0]["steps"] == 50 and listed[0]["dice"] > 0.9
    pair = next(read_pairs(out))
    assert np.array_equal(pair.mask, mask_of(box=BOXES[0]))
    assert (pair.frame[-14:, :14] < 90).mean() > 0.5  # the band under the word
    assert "2 frames" in capsys.readouterr().out


def test_sample_a_folder_and_go_on(masks, tmp_path, drawn, monkeypatch):
    out = tmp_path / "out"
    command = ("sample", "--masks", masks, "--count", 2, "--seed", 5, "--unmarked", "--out", out)
    assert run(*command, "--limit", 2) == 0
    assert [order.seed for order in drawn] == [5, 6, 7, 8]  # no two frames share their noise
    (out / "images" / "m1_6.png").unlink()
    (out / "images" / "m2_7.png").write_bytes(b"cut short")
    drawn.clear()
    assert run(*command) == 0
    assert [order.seed for order in drawn] == [6, 7, 9, 10]  # only what is missing
    assert len(json.loads((out / "samples.json").read_text())) == 6
    drawn.clear()
    (masks / "m3.png").write_bytes(exports.mask_png(mask_of(box=(10, 60, 10, 60))))
    assert run(*command) == 0
    assert [order.seed for order in drawn] == [9, 10]  # drawn anew for a mask that changed
    drawn.clear()
    monkeypatch.setattr(GENERATORS, "weights", lambda model: "of other weights")
    assert run(*command) == 0
    assert len(drawn) == 6


class Half:
    """One of two processes that share a run, whichever comes later."""

    def __init__(self, place: int) -> None:
        self.place, self.is_main_process = place, place == 0

    @contextmanager
    def split_between_processes(self, given):
        middle = len(given) // 2
        yield given[:middle] if self.place == 0 else given[middle:]

    def wait_for_everyone(self):
        pass


def test_a_slow_process_draws_its_share_all_the_same(masks, tmp_path, drawn, monkeypatch):
    """By the time the second looks, the first has drawn: what is missing then is not to be split again."""
    out = tmp_path / "out"
    for place in (0, 1):
        monkeypatch.setattr(sampling, "PartialState", lambda place=place, **_: Half(place))
        assert run("sample", "--masks", masks, "--count", 2, "--seed", 5, "--out", out) == 0
    assert sorted(order.seed for order in drawn) == [5, 6, 7, 8, 9, 10]


def test_two_runs_do_not_share_a_folder(masks, tmp_path, drawn, capsys):
    out = tmp_path / "out"
    out.mkdir()
    with FileLock(out / ".lock"):
        assert run("sample", "--masks", masks, "--out", out) == 2
    assert "Another run is writing into out" in capsys.readouterr().err and not drawn
    assert run("sample", "--masks", masks, "--out", out) == 0 and drawn
    assert not (out / ".lock").exists()


def test_shards_share_a_folder_and_draw_each_frame_once(masks, tmp_path, drawn):
    out = tmp_path / "out"
    command = ("sample", "--masks", masks, "--count", 2, "--seed", 5, "--out", out)
    for part, seeds in (("1/2", [5, 7, 9]), ("2/2", [6, 8, 10])):
        with FramesFolder(out).locked("3-of-3"):  # of another machine
            assert run(*command, "--shard", part) == 0
        assert [order.seed for order in drawn] == seeds
        drawn.clear()
    assert len(json.loads((out / "samples.json").read_text())) == 6
    assert sorted(path.name for path in out.iterdir()) == ["images", "masks", "samples.json"]
    assert run(*command) == 0 and not drawn


def test_a_shard_keeps_a_whole_run_and_itself_away(masks, tmp_path, drawn, capsys):
    out = tmp_path / "out"
    command = ("sample", "--masks", masks, "--out", out)
    with FramesFolder(out).locked("1-of-2"):
        assert run(*command) == 2 and run(*command, "--shard", "1/2") == 2
        assert capsys.readouterr().err.count("Another run is writing into out") == 2 and not drawn
    with FramesFolder(out).locked():
        assert run(*command, "--shard", "1/2") == 2
    assert run(*command, "--shard", "1/2") == 0


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize("part", ["3/2", "0/2", "1", "a/b", "-1/2", "1/2/3"])
def test_a_shard_that_is_none_is_told(masks, tmp_path, capsys, part):
    assert run("sample", "--masks", masks, "--out", tmp_path / "out", f"--shard={part}") == 2
    assert f"--shard {part} is no part of a run" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


class Losing(InProcessExecutor):
    """Stands for a cluster of three workers, each of whose frames is lost once."""

    def __init__(self) -> None:
        super().__init__(3)
        self.lost: set[int] = set()

    def submit(self, function, *args, stop=None):
        if function is sampling.encode and args[0].seed not in self.lost:
            self.lost.add(args[0].seed)
            raise UserError("worker_lost", address="10.0.0.7")
        return function(*args)


def test_frames_whose_worker_was_lost_are_drawn_by_others(masks, tmp_path, drawn, monkeypatch, capsys):
    monkeypatch.setattr(spread, "AGAIN", 0.01)
    wanted = sampling.jobs(sorted(masks.iterdir()), 4, 5)
    order = pipeline.Order(mask_of())
    done = sampling.sample(wanted, order, tmp_path / "out", executor=Losing())
    assert len(done) == 12 and sorted(order.seed for order in drawn) == list(range(5, 17))
    assert capsys.readouterr().err.count("(10.0.0.7) was lost") == 12


def test_a_frame_that_cannot_be_drawn_ends_the_run_and_lists_the_others(masks, tmp_path, drawn, monkeypatch):
    draw, begun, ended = pipeline.draw, [], []

    def breaks(order):
        if order.seed == 7:
            raise UserError("out_of_memory")
        begun.append(order.seed)
        time.sleep(0.2)
        yield from draw(order)
        ended.append(order.seed)

    monkeypatch.setattr(pipeline, "draw", breaks)
    wanted = sampling.jobs(sorted(masks.iterdir()), 3, 5)
    with pytest.raises(UserError, match="out_of_memory"):
        sampling.sample(wanted, pipeline.Order(mask_of()), tmp_path / "out", executor=InProcessExecutor(3))
    assert sorted(ended) == sorted(begun)  # nothing goes on after the run
    assert len(json.loads((tmp_path / "out" / "samples.json").read_text())) <= 2


def test_one_bad_mask_does_not_end_a_folder(masks, tmp_path, drawn, capsys):
    (masks / "m2.png").write_bytes(exports.mask_png(mask_of(box=(0, 0, 0, 0))))
    assert run("sample", "--masks", masks, "--out", tmp_path / "out") == 1
    assert len(drawn) == 2
    said = capsys.readouterr().err
    assert "m2.png: There is no polyp in the mask" in said and "1 skipped" in said


def test_a_run_that_breaks_lists_what_it_has(masks, tmp_path, drawn, monkeypatch):
    draw = pipeline.draw

    def breaks(order):
        if order.seed == 1:
            raise KeyboardInterrupt
        return draw(order)

    monkeypatch.setattr(pipeline, "draw", breaks)
    with pytest.raises(KeyboardInterrupt):
        run("sample", "--masks", masks, "--out", tmp_path / "out")
    assert len(json.loads((tmp_path / "out" / "samples.json").read_text())) == 1


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"--mask": "nothing.png"}, "is not a file"),
        ({"--count": 0}, "Choose a number from 1"),
        ({"--seed": -4}, "whole number"),
        ({"--model": "gan"}, "no model called gan"),
    ],
)
def test_what_is_asked_wrongly_is_told_in_a_sentence(masks, tmp_path, capsys, monkeypatch, changed, said):
    given = {"--mask": masks / "m1.png", "--out": tmp_path / "out"} | changed
    assert run("sample", *(part for pair in given.items() for part in pair)) == 2
    assert said in capsys.readouterr().err


def by_colour(frame):
    """Stands for a trained segmenter: yellow is polyp."""
    return (frame[..., 1] > 130).astype(np.float32)


@pytest.fixture
def judged(monkeypatch, tmp_path):
    """Networks stand aside; what is recorded goes elsewhere."""
    detector = MaskDetector(by_colour)
    for known, stand_in in ((SEGMENTERS, by_colour), (DETECTORS, detector)):
        monkeypatch.setattr(known, "loaded", lambda name, stand_in=stand_in: stand_in)
        monkeypatch.setattr(known, "installed", lambda known=known: tuple(known)[:2])
    monkeypatch.setattr(evaluation, "load", lambda kind, name: by_colour)
    monkeypatch.setattr(results, "RESULTS", tmp_path / "RESULTS.md")


@pytest.mark.usefixtures("judged")
def test_segment_a_folder(pairs, tmp_path, capsys):
    assert run("segment", pairs / "images", "--out", tmp_path / "found") == 0
    found = read_mask(tmp_path / "found" / "1.png")
    assert (found == mask_of(box=BOXES[1])).mean() > 0.99
    assert "1.png" in capsys.readouterr().out


@pytest.mark.usefixtures("judged")
def test_segment_with_several_networks(pairs, tmp_path):
    out = tmp_path / "found"
    command = ("segment", pairs / "images" / "0.png", "--out", out, "--model", "sanet,pranet")
    assert run(*command, "--detector", "centernet") == 0
    (row,) = json.loads((out / "found.json").read_text())
    assert row["masks"] == {"pranet": "pranet/0.png", "sanet": "sanet/0.png"} and row["agreement"] == 1
    assert np.array_equal(read_mask(out / "sanet" / "0.png"), mask_of(box=BOXES[0]))
    assert row["boxes"]["centernet"] == [{"box": [80.0, 60.0, 180.0, 120.0], "confidence": 1.0}]
    assert row["areas"]["pranet"] == pytest.approx(60 * 100 / 256**2, abs=1e-4)
    assert run(*command[:-1], "sanet,../polyps") == 2


@pytest.mark.usefixtures("judged")
def test_evaluate_detection_of_pairs(pairs, tmp_path, capsys):
    assert run("evaluate", "detection", "--pairs", pairs, "--model", "sparse_rcnn") == 0
    (row,) = json.loads(capsys.readouterr().out.splitlines()[-1])["detection"]
    assert {row[name] for name in ("AP", "AP50", "F1")} == {100.0}
    assert (row["model"], row["set"], row["n"]) == ("sparse_rcnn", "pairs", 3)
    assert not (tmp_path / "RESULTS.md").exists()


@pytest.mark.usefixtures("judged")
def test_evaluate_segmentation_of_pairs(pairs, tmp_path, capsys):
    assert run("evaluate", "segmentation", "--pairs", pairs, "--model", "polyp_pvt") == 0
    rows = json.loads(capsys.readouterr().out.splitlines()[-1])["segmentation"]
    middle, ours = rows
    assert ours["model"] == "polyp_pvt"
    assert ours["Dice"] > 99 and ours["IoU"] > 99 and ours["n"] == 3 and ours["set"] == "pairs"
    assert 97 < ours["mDice"] < 100  # at the threshold 0 everything is found
    assert middle["Dice"] < 60
    assert not (tmp_path / "RESULTS.md").exists()  # only the test sets are recorded


@pytest.mark.usefixtures("judged")
def test_evaluate_segmentation_of_the_test_sets_is_recorded(pairs, tmp_path, capsys):
    (tmp_path / "data" / "colonoscopy").mkdir(parents=True)
    for name in ("kvasir_test", "clinicdb_test", "polypgen_C1"):
        (tmp_path / "data" / "colonoscopy" / name).symlink_to(pairs)
    assert run("evaluate", "segmentation", "--data", tmp_path / "data") == 0
    assert run("evaluate", "detection", "--data", tmp_path / "data") == 0
    page = (tmp_path / "RESULTS.md").read_text()
    assert "| polyps_guide | polypgen_C1 |" in page and evaluation.TITLE in page
    assert "| mDice / mIoU | kvasir_test | clinicdb_test | polypgen_C1 | overall |" in page
    assert "| sparse_rcnn | overall | 100.0 | 100.0 | 100.0 | 9 |" in page


def test_evaluate_without_anything_to_measure_on(tmp_path, capsys):
    assert run("evaluate", "segmentation") == 2
    assert "--pairs" in capsys.readouterr().err
    assert run("evaluate", "segmentation", "--pairs", tmp_path) == 2
    assert run("evaluate", "synthesis", "--data", tmp_path) == 2


def test_a_sheet_shows_what_each_model_draws(masks, pairs, tmp_path, drawn, monkeypatch):
    monkeypatch.setattr(GENERATORS, "installed", lambda: ("arsdm", "adaptive", "sdm"))
    altered = []

    def lighter(order):
        altered.append(order)
        frame = np.minimum(order.frame, 245) + 10
        asked = order.mask
        yield pipeline.Sample(
            frame, asked, asked, 1.0, 2.0, 50.0, order.seed, "arsdm", "", 20, "repaint", 0.1
        )

    monkeypatch.setattr(pipeline, "inpaint", lighter)
    assert run("sheet", "--masks", masks, "--limit", 2, "--out", tmp_path / "sheet.png") == 0
    assert [order.model for order in drawn] == ["sdm", "sdm", "adaptive", "adaptive", "arsdm", "arsdm"]
    assert {order.seed for order in drawn} == {2000, 2001}  # a row begins with the same noise everywhere
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape == (30 + 2 * 264, 8 + 6 * 264, 3)
    assert [(order.seed, order.remove) for order in altered] == [
        (seed, remove) for remove in (True, False) for seed in (2000, 2001)
    ]
    assert np.array_equal(altered[2].frame, np.minimum(altered[0].frame, 245) + 10)  # from what was left
    mask = np.repeat(255 * read_mask(masks / "m2.png").astype(np.uint8)[..., None], 3, 2)
    assert np.array_equal(sheet[30 + 264 :][:256, 8 : 8 + 256], mask)
    assert run("sheet", "--pairs", pairs, "--limit", 1, "--out", tmp_path / "real.png") == 0
    beside = np.asarray(Image.open(tmp_path / "real.png"))
    assert beside.shape[1] == sheet.shape[1] + 264
    assert np.array_equal(beside[30:286, -264:-8], next(read_pairs(pairs)).frame)


@pytest.mark.usefixtures("stand_ins")
def test_segment_goes_on_after_a_broken_file_and_tells(pairs, tmp_path, capsys):
    (pairs / "images" / "1.png").write_bytes(b"cut short")
    (pairs / "images" / "._2.png").write_bytes(b"of another system")
    Image.new("RGB", (64, 64), (10, 90, 200)).save(pairs / "images" / "sky.png")
    assert run("segment", pairs / "images", "--out", tmp_path / "found") == 1
    told = capsys.readouterr()
    names = sorted(path.name for path in (tmp_path / "found").iterdir())
    assert names == ["0.png", "2.png", "found.json", "sky.png"]
    assert "1.png: 1.png is not a PNG" in told.err and "1 skipped" in told.err
    assert "sky.png does not look like a frame of an endoscopy" in told.err
    assert run("segment", pairs / "images" / "1.png", "--out", tmp_path / "found") == 2


@pytest.mark.usefixtures("judged")
def test_pairs_with_other_names_are_joined_and_the_rest_is_told(pairs, capsys):
    for number, name in enumerate(("0_mask.png", "mask_1.png", "2_segmentation.png")):
        (pairs / "masks" / f"{number}.png").rename(pairs / "masks" / name)
    assert run("evaluate", "segmentation", "--pairs", pairs) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["segmentation"][1]["n"] == 3
    (pairs / "masks" / "mask_1.png").write_bytes(b"broken")
    Image.new("RGB", (64, 64)).save(pairs / "images" / "alone.png")
    assert run("evaluate", "segmentation", "--pairs", pairs) == 1
    told = capsys.readouterr()
    assert json.loads(told.out.splitlines()[-1])["segmentation"][1]["n"] == 2
    assert "images/alone.png has no partner" in told.err and "2 skipped" in told.err


def test_a_wide_mask_keeps_its_shape_and_comes_home_with_it(tmp_path, drawn, capsys):
    y, x = np.mgrid[:360, :640]
    circle = (x - 320) ** 2 + (y - 180) ** 2 < 90**2
    (tmp_path / "wide.png").write_bytes(exports.mask_png(circle))
    command = ("sample", "--mask", tmp_path / "wide.png", "--out", tmp_path / "out")
    assert run(*command) == 0
    pair = next(read_pairs(tmp_path / "out"))
    assert pair.frame.shape == (144, 256, 3) and pair.mask.shape == (144, 256)
    rows, columns = np.nonzero(pair.mask)
    assert abs(np.ptp(rows) - np.ptp(columns)) <= 1  # round
    drawn.clear()
    assert run(*command) == 0 and not drawn  # it is known to be done


def inspected(capsys, *arguments):
    code = run("inspect", *arguments, "--json")
    told = capsys.readouterr()
    return code, json.loads(told.out) if code == 0 else told.err


def test_inspect_a_mask(tmp_path, capsys):
    mask = mask_of(120, 200, (20, 60, 50, 90)) | mask_of(120, 200, (80, 110, 120, 190))
    Image.fromarray(255 - mask.astype(np.uint8) * 255).save(tmp_path / "m.png")
    code, found = inspected(capsys, tmp_path / "m.png", "--save", tmp_path / "used.png")
    assert code == 0 and found["kind"] == "mask" and found["regions"] == 2 and found["size"] == [200, 120]
    assert found["share"] == pytest.approx(mask.mean(), abs=1e-5) and "inverted" in found["notes"][0]
    assert np.array_equal(np.asarray(Image.open(tmp_path / "used.png")) > 0, mask)
    (tmp_path / "x.png").write_bytes(b"%PDF-1.4")
    code, told = inspected(capsys, tmp_path / "x.png")
    assert code == 2 and told.count("\n") == 1 and "PDF" in told


@pytest.mark.usefixtures("stand_ins")
def test_inspect_a_frame(pairs, tmp_path, capsys):
    code, found = inspected(
        capsys, pairs / "images" / "1.png", "--as", "frame", "--save", tmp_path / "read.png"
    )
    assert code == 0 and found["kind"] == "frame" and found["regions"] == 1 and found["notes"] == []
    assert found["share"] == pytest.approx(mask_of(box=BOXES[1]).mean(), abs=0.01)
    assert np.array_equal(
        np.asarray(Image.open(tmp_path / "read.png")), np.asarray(Image.open(pairs / "images" / "1.png"))
    )


@pytest.mark.parametrize(
    "wrong", [("--model", "foo"), ("--sampler", "foo"), ("--steps", 0), ("--look", "oslo")]
)
def test_what_cannot_be_sampled_is_told_and_leaves_no_folder(masks, tmp_path, capsys, wrong):
    out = tmp_path / "none"
    assert run("sample", "--mask", masks / "m1.png", *wrong, "--out", out) == 2
    told = capsys.readouterr().err
    assert "Traceback" not in told and not out.exists()
    assert wrong[0] != "--model" or ("arsdm" in told and "restore" not in told.lower())


@pytest.fixture
def altered(monkeypatch, stand_ins):  # noqa: F811
    """Alterations that were made, by a stand-in that paints the mask."""
    calls = []

    def inpaint(order):
        calls.append(order)
        frame = order.frame.copy()
        frame[order.mask] = 200
        kind = "removed" if order.remove else "inpainted"
        yield sample_of(
            order.seed,
            frame=frame,
            mask=order.mask,
            found=order.mask,
            kind=kind,
            model=pipeline.INPAINTER,
        )

    monkeypatch.setattr(pipeline, "inpaint", inpaint)
    return calls


def test_inpaint_one_frame_at_its_own_size(pairs, masks, tmp_path, altered):
    frame, out = pairs / "images" / "0.png", tmp_path / "out"
    wide = np.asarray(Image.open(frame).resize((300, 200)))
    Image.fromarray(wide).save(frame)
    command = ("inpaint", "--frame", frame, "--mask", masks / "m1.png", "--unmarked", "--out", out)
    assert run(*command, "--count", 2) == 0
    assert [order.seed for order in altered] == [0, 1] and not altered[0].remove
    made = np.asarray(Image.open(out / "images" / "0_m1_1.png"))
    mask = read_mask(out / "masks" / "0_m1_1.png")
    assert made.shape == (200, 300, 3) and np.array_equal(made[~mask], wide[~mask])
    told = Image.open(out / "images" / "0_m1_1.png").text
    assert "Altered" in told["Comment"] and json.loads(told["Synthetic"])["kind"] == "inpainted"


def test_inpaint_folders_and_go_on(pairs, masks, tmp_path, altered):
    out = tmp_path / "out"
    command = ("inpaint", "--frame", pairs / "images", "--mask", masks, "--remove", "--out", out)
    assert run(*command) == 0
    assert len(altered) == 9 and all(order.remove for order in altered)
    (out / "images" / "1_m2_4.png").unlink()
    altered.clear()
    assert run(*command) == 0
    assert [order.seed for order in altered] == [4]
    altered.clear()
    assert run(*command[:-3], "--out", out) == 0  # drawn in now, not out
    assert len(altered) == 9


def test_inpaint_without_frames(masks, tmp_path, altered, capsys):
    (tmp_path / "none").mkdir()
    assert run("inpaint", "--frame", tmp_path / "none", "--mask", masks, "--out", tmp_path / "out") == 2
    assert "no pictures in none" in capsys.readouterr().err
