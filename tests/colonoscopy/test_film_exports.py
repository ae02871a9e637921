"""A film that leaves the program plays everywhere and says that it is synthetic: in mp4, zip and DICOM."""

import io
import json
import re
import shutil
import subprocess
import tracemalloc
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest
from PIL import Image

from models.colonoscopy.data import exports, film_exports
from models.colonoscopy.data.film_exports import FilmDicom, FilmFiles, FilmRecord, FilmVideo
from models.colonoscopy.filming import JudgedFrame
from models.colonoscopy.video.base import FilmOrder
from models.core import ffmpeg_calls
from models.core.errors import UserError
from tests.colonoscopy.makers import frame_of, mask_of

STRIP = Path(__file__).parents[2] / "app" / "components" / "result_strip.css"


def frames_of(count, knows_mask=True, side=128):
    """A polyp that walks to the right, half of which is found."""
    for index in range(count):
        left = 10 + 2 * index
        mask = mask_of(side, side, (40, 70, left, left + 40))
        found = mask_of(side, side, (40, 70, left, left + 20))
        given = (mask, 2 / 3) if knows_mask else (None, None)
        yield JudgedFrame(index, tissue(side, index), given[0], found, given[1])


def tissue(side, seed):
    noise = np.random.default_rng(seed).integers(0, 20, (side, side, 1))
    return (noise + np.array([170, 80, 70])).astype(np.uint8)


def record_of(**more):
    order = FilmOrder(mask_of(), move="left", seconds=1.2, seed=7, **more.pop("order", {}))
    return FilmRecord(order, "conditioned", "0123456789ab", "polyps", **more)


def written(folder, count=12, knows_mask=True, **more):
    with FilmFiles(folder, "film_7", record_of(**more)) as files:
        for one in frames_of(count, knows_mask):
            files.add(one)
    return files.made


def probed(path):
    prober = shutil.which("ffprobe")
    if prober is None:
        pytest.skip("ffprobe (Debian: ffmpeg) is not installed")
    asked = [prober, "-v", "error", "-show_streams", "-show_format", "-count_frames", "-of", "json", path]
    return json.loads(subprocess.run(asked, capture_output=True, check=True).stdout)


def decoded(path):
    film = cv2.VideoCapture(str(path))
    frames = []
    while (read := film.read())[0]:
        frames.append(read[1][..., ::-1])
    return frames


def near(frame, colour, most=60):
    return np.abs(frame.astype(int) - colour).max(axis=2) < most


def test_an_mp4_plays_everywhere_and_says_what_it_is(tmp_path):
    made = written(tmp_path)
    for path in (made.video, made.outlined):
        told = probed(path)
        (stream,) = told["streams"]
        assert (stream["codec_name"], stream["pix_fmt"]) == ("h264", "yuv420p")
        assert (stream["width"], stream["height"]) == (512, 512) and stream["r_frame_rate"] == "10/1"
        assert stream["nb_read_frames"] == "12" and float(told["format"]["duration"]) == pytest.approx(1.2)
        comment = told["format"]["tags"]["comment"]
        assert comment.startswith("SYNTHETIC. ") and "no patient" in comment
        assert json.loads(comment[comment.index("{") :]) == {
            "model": "conditioned",
            "weights": "0123456789ab",
            "seed": 7,
            "move": "left",
        }
        data = path.read_bytes()
        assert 0 < data.index(b"moov") < data.index(b"mdat")  # plays while it loads
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in made.paths)


def test_the_word_is_burnt_in_and_outlines_only_into_one_of_the_two(tmp_path):
    made = written(tmp_path)
    plain, outlined = decoded(made.video)[5], decoded(made.outlined)[5]
    for frame in (plain, outlined):
        corner = frame[-40:, :180]
        assert (corner.min(axis=2) > 190).sum() > 200 and (corner.max(axis=2) < 90).mean() > 0.3
    mask = next(one.mask for one in frames_of(6) if one.index == 5)
    large = cv2.resize(mask.astype(np.uint8), (512, 512), interpolation=cv2.INTER_NEAREST)
    rim = (cv2.dilate(large, np.ones((9, 9))) > 0) & ~(cv2.erode(large, np.ones((9, 9))) > 0)
    for colour in (film_exports.ASKED, film_exports.FOUND):
        assert near(outlined, colour).sum() > 100 and near(plain, colour).sum() < 20
    assert near(outlined, film_exports.ASKED)[~rim].sum() < 20


def test_outlines_have_the_colours_of_the_pages_frames():
    css = STRIP.read_text(encoding="utf-8")
    for name, colour in (("drawn", film_exports.ASKED), ("found", film_exports.FOUND)):
        (said,) = re.findall(rf"--rs-{name}: #(\w+);", css)
        assert tuple(bytes.fromhex(said)) == colour


@pytest.mark.parametrize(
    ("size", "larger"),
    [
        ((256, 256), (512, 512)),
        ((144, 256), (288, 512)),
        ((90, 160), (360, 640)),
        ((600, 600), (600, 600)),
        ((601, 600), (1202, 1200)),
    ],
)
def test_small_frames_are_enlarged_by_a_whole_number(size, larger):
    assert film_exports.enlarged(np.zeros((*size, 3), np.uint8)).shape == (*larger, 3)


def test_the_zip_has_frames_masks_and_the_facts(tmp_path):
    made = written(tmp_path, count=3)
    with zipfile.ZipFile(made.zip) as packed:
        packed.extractall(tmp_path / "out")
    out = tmp_path / "out"
    names = ["0000.png", "0001.png", "0002.png"]
    assert [sorted(path.name for path in (out / kind).iterdir()) for kind in ("frames", "masks")] == [
        names
    ] * 2
    assert json.loads((out / "film.json").read_text()) == made.facts
    assert made.facts["mean_dice"] == pytest.approx(2 / 3, abs=1e-4) and len(made.facts["dice"]) == 3
    known = exports.read_facts(out / "frames" / "0001.png")
    assert known["synthetic"] and known["index"] == 1 and known["dice"] == 0.6667 and known["move"] == "left"
    one = list(frames_of(2))[1]
    assert np.array_equal(np.asarray(Image.open(out / "frames" / "0001.png")), exports.burnt(one.frame))
    assert np.array_equal(np.asarray(Image.open(out / "masks" / "0001.png")) > 0, one.mask)


def test_a_method_that_knows_no_mask_says_so_in_every_file(tmp_path):
    made = written(tmp_path, count=2, knows_mask=False)
    assert made.facts["mean_dice"] is None and made.facts["dice"] == [] and made.facts["knows_mask"] is False
    assert (
        "knows no mask" in made.facts["note"] and "no mask" in probed(made.video)["format"]["tags"]["comment"]
    )
    with zipfile.ZipFile(made.zip) as packed:
        assert sorted(packed.namelist()) == ["film.json", "frames/0000.png", "frames/0001.png"]
    assert "knows no mask" in pydicom.dcmread(made.dicom).ImageComments
    dark = decoded(made.video)[0][-30:, 200:420].max(axis=2) < 90
    assert dark.mean() > 0.3  # the band is longer than for the word alone
    assert near(decoded(made.outlined)[0], film_exports.FOUND).sum() > 100
    assert near(decoded(made.outlined)[0], film_exports.ASKED).sum() < 20


def test_dicom_is_a_multi_frame_of_no_patient(tmp_path):
    made = written(tmp_path, count=3)
    read = pydicom.dcmread(made.dicom)
    assert read.SOPClassUID.name == "Multi-frame True Color Secondary Capture Image Storage"
    assert (read.NumberOfFrames, read.CineRate, float(read.FrameTime)) == (3, 10, 100.0)
    assert str(read.PatientName) == "SYNTHETIC^NO PATIENT" and read.ImageType[2] == "SYNTHETIC"
    assert json.loads(read.DerivationDescription)["seed"] == 7
    wanted = [exports.burnt(one.frame) for one in frames_of(3)]
    assert np.array_equal(read.pixel_array, np.stack(wanted))


@pytest.mark.parametrize(("count", "own"), [(1, False), (3, True)])
def test_dicom_passes_the_standards_own_checker(tmp_path, count, own):
    checker = shutil.which("dciodvfy")
    if checker is None:
        pytest.skip("dciodvfy (Debian: dicom3tools) is not installed")
    order = {"frame": frame_of(mask_of())} if own else {}
    made = written(tmp_path, count, shape=(77, 128), order=order)
    said = subprocess.run([checker, made.dicom], capture_output=True, text=True, check=False)
    assert "Error" not in said.stderr + said.stdout
    name = pydicom.dcmread(made.dicom).PatientName
    assert name == ("SYNTHETIC^ALTERED FRAME" if own else "SYNTHETIC^NO PATIENT")


def test_what_was_padded_does_not_come_home(tmp_path):
    made = written(tmp_path, count=2, shape=(72, 128))
    assert decoded(made.video)[0].shape == (288, 512, 3)
    assert pydicom.dcmread(made.dicom).pixel_array.shape == (2, 72, 128, 3)
    with zipfile.ZipFile(made.zip) as packed:
        mask = np.asarray(Image.open(io.BytesIO(packed.read("masks/0001.png"))))
    assert mask.shape == (72, 128)


def film_of(frames, files):
    with files:
        for one in frames:
            files.add(one)


def test_a_film_that_breaks_leaves_nothing(tmp_path):
    def broken():
        yield from frames_of(3)
        raise UserError("out_of_memory")

    files = FilmFiles(tmp_path, "film", record_of())
    with pytest.raises(UserError):
        film_of(broken(), files)
    assert list(tmp_path.iterdir()) == []


def test_an_encoder_that_dies_leaves_nothing(tmp_path):
    film = FilmVideo(tmp_path / "a.mp4", record_of())

    def killing():
        for one in frames_of(60):
            yield one
            film._writer._process.kill()

    with pytest.raises(UserError) as caught:
        film_of(killing(), film)
    assert caught.value.key == "clip_broken" and list(tmp_path.iterdir()) == []


def test_a_missing_encoder_is_told(tmp_path, monkeypatch):
    def missing():
        raise UserError("ffmpeg_missing")

    monkeypatch.setattr(ffmpeg_calls, "binary", missing)
    files = FilmFiles(tmp_path, "film", record_of())
    with pytest.raises(UserError) as caught:
        film_of(frames_of(2), files)
    assert caught.value.key == "ffmpeg_missing" and list(tmp_path.iterdir()) == []


def test_memory_does_not_grow_with_the_film(tmp_path):
    (one,) = frames_of(1, side=256)

    def peak(count):
        record = record_of()
        tracemalloc.start()
        with FilmDicom(tmp_path / f"{count}.dcm", record) as dicom:
            for index in range(count):
                step = JudgedFrame(index, one.frame, one.mask, one.found, one.dice)
                record.add(step)
                dicom.add(step)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(2)  # what is imported and kept the first time
    assert peak(60) < peak(5) + 2**20  # 60 frames have 11 MB
