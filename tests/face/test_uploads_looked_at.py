"""What is told of a picture, a film or a sound; photographs of one tone; the lag where there is a face."""

import json

import numpy as np
import pytest
from PIL import Image
from scipy.io import wavfile

from models.face import RATE
from models.face import __main__ as command_line
from models.face.rendering import compositor
from models.face.rendering.monochrome import toned, tones_of
from models.face.sources.tracking import Faces
from tests.face.test_media_kinds import film


def inspected(capsys, *arguments):
    code = command_line.main(["inspect", *map(str, arguments), "--json"])
    told = capsys.readouterr()
    return json.loads(told.out) if code == 0 else (code, told.err)


def test_inspect_a_picture_a_film_and_a_sound(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("models.face.sources.upload.faces_in", lambda frames: Faces(int(len([*frames]) > 0)))
    pixels = np.random.default_rng(0).integers(0, 255, (60, 80, 4), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    found = inspected(capsys, tmp_path / "a.png", "--save", tmp_path / "read.png")
    assert found["kind"] == "picture" and found["size"] == [80, 60] and found["seconds"] is None
    assert found["faces"] == 1 and "transparent" in found["notes"][0]
    assert Image.open(tmp_path / "read.png").mode == "RGB"
    found = inspected(capsys, film(tmp_path / "a.mp4", 30))
    assert (found["kind"], found["size"], found["faces"]) == ("film", [160, 96], 1)
    assert found["seconds"] == pytest.approx(1.2, abs=0.05)
    wavfile.write(tmp_path / "a.wav", RATE, np.zeros(RATE, np.float32))
    found = inspected(capsys, tmp_path / "a.wav")
    assert (found["kind"], found["size"], found["seconds"], found["faces"]) == ("sound", None, 1.0, None)
    assert "silent" in found["notes"][0]
    (tmp_path / "a.txt").write_text("#EXTM3U\nhttp://example.com/a.ts")
    code, told = inspected(capsys, tmp_path / "a.txt")
    assert code == 2 and told.count("\n") == 1


def test_a_grey_photograph_stays_grey():
    grey = np.random.default_rng(0).integers(0, 255, (40, 50), np.uint8)
    source = np.repeat(grey[..., None], 3, 2)
    tones = tones_of(source)
    painted = source.copy()
    painted[10:20, 10:30] = (150, 90, 140)  # mauve lips
    result = toned(painted, source, tones)
    assert (np.ptp(result.astype(int), axis=2) <= 1).all()
    untouched = np.ones((40, 50), bool)
    untouched[10:20, 10:30] = False
    assert np.array_equal(result[untouched], source[untouched])


def test_a_sepia_photograph_keeps_its_tone_and_a_coloured_one_is_left_alone():
    grey = np.tile(np.arange(256, dtype=np.float64), (20, 1))
    sepia = np.clip(np.stack([grey * 1.1, grey * 0.9, grey * 0.7], axis=2), 0, 255).astype(np.uint8)
    tones = tones_of(sepia)
    assert tones is not None
    painted = sepia.copy()
    painted[:, 120:140] = (120, 120, 160)
    changed = toned(painted, sepia, tones)[:, 130].astype(int)
    assert (changed[:, 0] > changed[:, 2] + 20).all()
    assert tones_of(np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8)) is None


@pytest.mark.parametrize(
    ("flags", "run"),
    [("", (0, 0)), ("...", (0, 0)), ("xxx", (0, 3)), ("x.xx.xxxx.x", (5, 9)), (".x", (1, 2))],
)
def test_the_lag_is_measured_on_the_longest_part_with_a_face(flags, run):
    assert compositor.longest_run([flag == "x" for flag in flags]) == run
