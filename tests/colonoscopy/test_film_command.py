"""The command that makes films, as it is typed; a stand-in moves the mask in place of the networks."""

import json

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from models.colonoscopy import __main__ as command_line
from models.colonoscopy import pipeline
from models.colonoscopy.data import exports
from models.colonoscopy.data.images import read_mask
from models.colonoscopy.synthesis.frames_folder import locked
from models.colonoscopy.synthesis.registry import GENERATORS
from models.colonoscopy.video import contact_sheet, evaluation, film_sampling
from models.colonoscopy.video.base import CLIP, FPS
from models.colonoscopy.video.registry import FILMS
from models.core import spread
from models.core.errors import UserError
from models.core.executors import InProcessExecutor
from tests.colonoscopy import stand_in
from tests.colonoscopy.makers import draws, frame_of, mask_of

BOXES = [(60, 120, 80, 180), (20, 90, 20, 120), (150, 220, 100, 200)]


@pytest.fixture
def masks(tmp_path):
    folder = tmp_path / "given"
    folder.mkdir()
    for number, box in enumerate(BOXES, 1):
        (folder / f"m{number}.png").write_bytes(exports.mask_png(mask_of(box=box)))
    return folder


@pytest.fixture(autouse=True)
def filmed(monkeypatch):
    """Orders of the films that were made, by a stand-in."""
    stand_in.stand_in_films(monkeypatch)
    calls, film = [], pipeline.film
    monkeypatch.setattr(pipeline, "film", lambda order, *more: calls.append(order) or film(order, *more))
    return calls


def run(*arguments):
    return command_line.main([str(argument) for argument in ("film", *arguments)])


def told(capsys):
    said = capsys.readouterr().out.splitlines()
    return json.loads(said[-1]), said[:-1]


def frames_in(path):
    film, count = cv2.VideoCapture(str(path)), 0
    while film.read()[0]:
        count += 1
    return count


def test_one_mask_becomes_a_film_with_its_masks_and_facts(masks, tmp_path, capsys, filmed):
    out = tmp_path / "films" / "polyp.mp4"
    command = ("--mask", masks / "m1.png", "--move", "left", "--seconds", 1.2, "--seed", 5, "--out", out)
    assert run(*command, "--mask-last", masks / "m2.png", "--steps", 4, "--look", "kvasir") == 0
    last, _ = told(capsys)
    facts = json.loads(out.with_suffix(".json").read_text())
    assert last == {"films": 1, "frames": 12, "mean_dice": facts["mean_dice"], "out": str(out)}
    assert frames_in(out) == 12 == len(facts["dice"]) and facts["mean_dice"] > 0.9
    assert (facts["seed"], facts["move"], facts["steps"], facts["look"]) == (5, "left", 4, "kvasir")
    assert facts["last_outline"] and not facts["own_frame"] and facts["synthetic"] and not facts["outlines"]
    names = sorted(path.name for path in (tmp_path / "films" / "polyp_masks").iterdir())
    assert names[0] == "0000.png" and len(names) == 12
    first, final = (read_mask(tmp_path / "films" / "polyp_masks" / names[place]) for place in (0, -1))
    assert np.array_equal(first, mask_of(box=BOXES[0])) and np.array_equal(final, mask_of(box=BOXES[1]))
    assert len(filmed) == 1 and {path.name for path in out.parent.iterdir()} == {
        "polyp.mp4",
        "polyp.json",
        "polyp_masks",
    }


@pytest.mark.parametrize("model", ["pvdm", "lvdm"])
def test_a_method_that_knows_no_mask_says_so(masks, tmp_path, capsys, model):
    out = tmp_path / "polyp.mp4"
    assert run("--mask", masks / "m1.png", "--model", model, "--seconds", 0.5, "--out", out) == 0
    last, said = told(capsys)
    assert said == [f"{model} knows no mask: outline, frame, move and look change nothing in its films."]
    assert (
        last["mean_dice"] is None
        and "knows no mask" in json.loads(out.with_suffix(".json").read_text())["note"]
    )
    assert not (tmp_path / "polyp_masks").exists()


def test_outlines_are_drawn_where_they_are_asked_for(masks, tmp_path):
    films = []
    for more in ((), ("--outlines",)):
        out = tmp_path / f"film{len(films)}.mp4"
        assert run("--mask", masks / "m1.png", "--seconds", 0.5, *more, "--out", out) == 0
        films.append(cv2.VideoCapture(str(out)).read()[1][..., ::-1].astype(int))
    blue = [(np.abs(film - (47, 211, 230)).max(axis=2) < 60).sum() for film in films]
    assert blue[0] < 20 < 100 < blue[1]


def test_a_frame_of_ones_own_comes_first_and_gives_the_shape(masks, tmp_path, filmed):
    wide = np.asarray(Image.fromarray(frame_of(mask_of())).resize((320, 180)))
    Image.fromarray(wide).save(tmp_path / "frame.png")
    out = tmp_path / "film.mp4"
    command = ("--mask", masks / "m1.png", "--frame", tmp_path / "frame.png", "--seconds", 0.5, "--out", out)
    assert run(*command) == 0
    assert filmed[0].mask.shape == (180, 320) and np.array_equal(filmed[0].frame, wide)
    height, width = cv2.VideoCapture(str(out)).read()[1].shape[:2]
    assert (width, height) == (512, 288)
    facts = json.loads(out.with_suffix(".json").read_text())
    assert facts["own_frame"] and not facts["painted"]
    assert run(*command, "--paint") == 0
    assert filmed[1].painted and json.loads(out.with_suffix(".json").read_text())["painted"]


def test_a_folder_becomes_a_data_set_and_goes_on(masks, tmp_path, capsys, filmed, monkeypatch):
    out = tmp_path / "out"
    command = ("--masks", masks, "--seconds", 0.5, "--seed", 5, "--out", out)
    assert run(*command, "--limit", 2) == 0
    assert [order.seed for order in filmed] == [5, 6] and told(capsys)[0]["films"] == 2
    (out / "m1_5.json").unlink()  # stopped before it was complete
    filmed.clear()
    assert run(*command) == 0
    assert [order.seed for order in filmed] == [5, 7]
    listed = json.loads((out / "films.json").read_text())
    assert [row["file"] for row in listed] == ["m1_5.mp4", "m2_6.mp4", "m3_7.mp4"]
    filmed.clear()
    assert run(*command) == 0 and not filmed
    (masks / "m3.png").write_bytes(exports.mask_png(mask_of(box=(10, 60, 10, 60))))
    assert run(*command) == 0
    assert [order.seed for order in filmed] == [7]  # anew for a mask that changed
    filmed.clear()
    assert run(*command, "--move", "back") == 0 and len(filmed) == 3
    filmed.clear()
    monkeypatch.setattr(FILMS, "weights", lambda name: "of other weights")
    assert run(*command, "--move", "back") == 0 and len(filmed) == 3


def test_shards_share_a_folder_and_two_runs_do_not(masks, tmp_path, filmed, capsys):
    out = tmp_path / "out"
    command = ("--masks", masks, "--seconds", 0.5, "--out", out)
    for part, seeds in (("1/2", [0, 2]), ("2/2", [1])):
        out.mkdir(exist_ok=True)
        with locked(out, "3-of-3"):  # of another machine
            assert run(*command, "--shard", part) == 0
        assert [order.seed for order in filmed] == seeds
        filmed.clear()
    assert len(json.loads((out / "films.json").read_text())) == 3
    with locked(out):
        assert run(*command) == 2
    assert "Another run is writing into out" in capsys.readouterr().err


class Losing(InProcessExecutor):
    """Stands for a cluster of three workers, each of whose films is lost once."""

    def __init__(self) -> None:
        super().__init__(3)
        self.lost: set[int] = set()

    def submit(self, function, *args, stop=None):
        if function is film_sampling.encode and args[0].seed not in self.lost:
            self.lost.add(args[0].seed)
            raise UserError("worker_lost", address="10.0.0.7")
        return function(*args)


def test_films_whose_worker_was_lost_are_made_by_others(masks, tmp_path, filmed, monkeypatch, capsys):
    from models.colonoscopy.synthesis import sampling
    from models.colonoscopy.video.base import FilmOrder

    monkeypatch.setattr(spread, "AGAIN", 0.01)
    wanted = sampling.jobs(sorted(masks.iterdir()), 1, 5)
    request = film_sampling.FilmRequest(FilmOrder(mask_of(), seconds=0.5), "conditioned")
    done = film_sampling.film_folder(wanted, request, tmp_path / "out", Losing())
    assert len(done) == 3 and sorted(order.seed for order in filmed) == [5, 6, 7]
    assert capsys.readouterr().err.count("(10.0.0.7) was lost") == 3


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("--move", "../up"), "No camera moves as ../up"),
        (("--seconds", "nan"), "A film lasts 0.5 to 30.0 seconds"),
        (("--seconds", "inf"), "A film lasts"),
        (("--seconds", 31), "A film lasts"),
        (("--seconds", 0.4), "A film lasts"),
        (("--seed", -1), "whole number"),
        (("--seed", 2**31), "whole number"),
        (("--steps", 0), "1 to 1000 steps"),
        (("--look", "oslo"), "no look called oslo"),
        (("--model", "gan"), "no model called gan"),
        (("--judge", "../polyps"), "no model called"),
        (("--frame", "nothing.png"), "is not a file"),
        (("--mask-last", "nothing.png"), "is not a file"),
        (("--out", "film.avi"), "ends in .mp4"),
    ],
)
def test_what_cannot_be_filmed_is_told_and_leaves_nothing(masks, tmp_path, capsys, monkeypatch, wrong, said):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        stand_in.SEGMENTERS, "loaded", lambda name: stand_in.SEGMENTERS[name] and stand_in.by_colour
    )
    assert run("--mask", masks / "m1.png", "--out", "film.mp4", *wrong) == 2
    told = capsys.readouterr().err
    assert said in told and "Traceback" not in told
    assert [path.name for path in tmp_path.iterdir()] == ["given"]


def test_an_empty_mask_is_told_and_a_bad_one_does_not_end_a_folder(masks, tmp_path, capsys, filmed):
    (masks / "m2.png").write_bytes(exports.mask_png(mask_of(box=(0, 0, 0, 0))))
    assert run("--mask", masks / "m2.png", "--out", tmp_path / "a.mp4") == 2
    assert "no polyp in the mask" in capsys.readouterr().err
    assert run("--masks", masks, "--seconds", 0.5, "--out", tmp_path / "out") == 1
    assert len(filmed) == 2 and "1 skipped" in capsys.readouterr().err


def test_a_sheet_shows_the_films_over_time(masks, tmp_path, monkeypatch, filmed):
    monkeypatch.setattr(GENERATORS, "loaded", lambda name: draws)
    out = tmp_path / "films.png"
    assert (
        command_line.main(["sheet", "--films", "--masks", str(masks), "--limit", "2", "--out", str(out)]) == 0
    )
    assert [order.move for order in filmed] == [move for move in ("forward", "left") for _ in FILMS]
    assert {order.seed for order in filmed} == {contact_sheet.SEED, contact_sheet.SEED + 1}
    sheet, step = np.asarray(Image.open(out)), contact_sheet.SIDE + contact_sheet.GAP
    assert (
        sheet.shape[0] == contact_sheet.HEAD + 2 * (len(list(FILMS)) + 1) * step
    )  # the models and ArSDM, twice
    row = sheet[contact_sheet.HEAD :][: contact_sheet.SIDE, contact_sheet.LEFT :]
    first, last = row[:, : contact_sheet.SIDE], row[:, 5 * step :][:, : contact_sheet.SIDE]
    assert np.abs(first.astype(int) - last).mean() > 2


def test_a_sheet_shows_what_the_autoencoders_keep(masks, tmp_path, monkeypatch, filmed):
    black = {"nothing": (64, lambda clip: [np.zeros_like(frame) for frame in clip])}
    monkeypatch.setattr(contact_sheet, "autoencoders", lambda: black)
    out, asked = tmp_path / "kept.png", ("--masks", str(masks), "--limit", "1")
    assert command_line.main(["sheet", "--reconstructions", *asked, "--out", str(out)]) == 0
    assert [order.seconds for order in filmed] == [CLIP / FPS]
    sheet, step = np.asarray(Image.open(out)), contact_sheet.SIDE + contact_sheet.GAP
    assert sheet.shape[0] == contact_sheet.HEAD + 2 * step
    shown = sheet[contact_sheet.HEAD : contact_sheet.HEAD + 2 * step, contact_sheet.LEFT :]
    middle = contact_sheet.SIDE // 2
    assert shown[middle, middle].any() and not shown[step + middle, middle].any()


def test_clips_have_features_and_rows_for_the_tables(monkeypatch):
    monkeypatch.setattr(evaluation, "features", lambda frames: torch.randn(len(frames), 4))
    clips = [[frame_of(mask_of()) for _ in range(3)] for _ in range(2)]
    assert evaluation.clip_features(clips).shape == (2, 8)
    mask = mask_of()
    film = [(frame_of(mask, 1), mask, mask), (frame_of(mask, 1), mask, mask)]
    row = evaluation._row("ours", [("still", film), ("left", film)])
    assert (row["Dice"], row["shake of colour"], row["of outline"]) == ("100.0", "0.00", "0.0")
    assert row["n"] == 4
