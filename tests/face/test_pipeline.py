"""The lab's one door with the weights that ship: a portrait and a sentence become a film that speaks."""

import csv
import subprocess

import numpy as np
import pytest
from PIL import Image
from scipy.io import wavfile
from skimage import data

from models.core import ffmpeg_calls
from models.core.errors import UserError
from models.core.progress import Beginning, Left, Progress
from models.face import FPS, RATE, STAGES, frames_of
from models.face.pipeline import animate
from models.face.sources import film_io, film_writer, mesh, portrait_io, source, tracking
from models.face.sources.tracking import track_video
from models.face.speech import voices
from models.face.types import Made, Order

TEXT = "My mother bought a bottle of water, and a bag of apples."


@pytest.fixture(scope="module")
def portrait(tmp_path_factory):
    path = tmp_path_factory.mktemp("face") / "portrait.png"
    Image.fromarray(data.astronaut()[:256, 96:352]).save(path)
    return path


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    """A sentence and then a second and a half of silence."""
    samples = np.concatenate([voices.speak(TEXT, "en"), np.zeros(3 * RATE // 2, np.float32)])
    path = tmp_path_factory.mktemp("speech") / "speech.wav"
    wavfile.write(path, RATE, (samples * 32767).astype(np.int16))
    return path, samples


@pytest.fixture(scope="module")
def steps(portrait, speech, tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    return list(animate(Order(portrait=portrait, audio=speech[0]), folder)), folder


@pytest.fixture(scope="module")
def made(steps) -> Made:
    return steps[0][-1]


def test_the_first_second_comes_before_the_rest(steps):
    told = [step for step in steps[0] if isinstance(step, Progress)]
    fractions = [step.fraction for step in told]
    assert fractions == sorted(fractions) and fractions[-1] < 1
    shown = [index for index, step in enumerate(told) if isinstance(step.preview, Beginning)]
    assert len(shown) == 1 and fractions[shown[0]] < 0.5
    assert told[shown[0]].preview.boxes == steps[0][-1].mouths[:FPS]
    assert any(isinstance(step.preview, Left) and step.preview.seconds >= 0 for step in told)


def test_the_film_is_as_long_as_the_sound(made, speech):
    count = frames_of(len(speech[1]))
    assert made.frames == count and made.seconds == count / FPS
    for path in (made.video, made.panels):
        assert abs(film_io.open_clip(path).seconds - count / FPS) < 0.04
        said = subprocess.run(
            [ffmpeg_calls.binary(), "-i", str(path)], capture_output=True, text=True, check=False
        )
        assert "25 fps" in said.stderr and "AI-generated" in said.stderr
    assert not made.faceless and set(made.took) >= {"speech", "motion", "blend", "generated", "3d", "writing"}


def test_the_lips_of_the_finished_film_move_with_the_sound_and_rest_in_silence(made, speech):
    track = track_video(film_io.read_clip(film_io.open_clip(made.video)))
    assert track.seen.all()
    gap = mesh.lip_gap(track.vertices)
    with np.load(made.vertices) as file:
        predicted = mesh.lip_gap(file["vertices"].astype(np.float32))
    assert np.corrcoef(gap, predicted)[0, 1] > 0.8
    speaking = len(gap) - 3 * FPS // 2
    assert gap[:speaking].std() > 3 * gap[-FPS:].std()
    assert gap[-FPS:].mean() < gap[:speaking].mean()
    frames = speech[1][: speaking * RATE // FPS].reshape(speaking, -1)
    loud = np.log(np.square(frames).mean(1) + 1e-6)
    r = np.corrcoef(gap[:speaking], loud)[0, 1]
    rng = np.random.default_rng(0)
    shuffled = [
        np.corrcoef(np.roll(gap[:speaking], k), loud)[0, 1] for k in rng.integers(12, speaking - 12, 40)
    ]
    assert r > np.quantile(shuffled, 0.9)


def test_blendshapes_and_vertices_are_taken_home(made):
    with made.blendshapes.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == made.frames and list(rows[0])[2:] == list(mesh.BLENDSHAPES[1:])
    opened = np.array([float(row["jawOpen"]) for row in rows])
    assert opened.std() > 0.01 and opened.min() >= 0 and opened.max() <= 1
    with np.load(made.vertices) as file:
        assert file["vertices"].shape == (made.frames, 478, 3) and file["triangles"].shape == (898, 3)


def test_the_mouth_of_each_frame_is_told(made):
    track = track_video(film_io.read_clip(film_io.open_clip(made.video)))
    lips = track.pixels()[:, list(mesh.LIPS), :2]
    boxes = np.array(made.mouths)
    low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    assert len(boxes) == made.frames
    assert (lips.min(1) > low).all() and (lips.max(1) < high).all()
    assert np.abs(lips.mean(1) - (low + high) / 2).max() < 0.2 * boxes[:, 2].min()


def test_nothing_but_the_result_is_left(steps):
    made, folder = steps[0][-1], steps[1]
    kept = {made.video, made.panels, made.blendshapes, made.vertices}
    assert set(folder.iterdir()) - kept <= {folder / "first_second.mp4"}


def test_a_stopped_film_leaves_nothing_half_written(portrait, speech, tmp_path):
    work = animate(Order(portrait=portrait, audio=speech[0]), tmp_path)
    for step in work:
        if isinstance(step.preview, Left):
            break
    work.close()
    assert not list(tmp_path.glob("*.part*")) and not (tmp_path / "talking_face.mp4").exists()


def test_a_video_keeps_its_size_and_its_faceless_frames(tmp_path, speech):
    face, path = data.astronaut()[:256, 96:352], tmp_path / "clip.mp4"
    with film_writer.ClipWriter(path, (256, 256), 30) as writer:
        for index in range(30):
            writer.write(np.full_like(face, 80) if 10 <= index < 13 else face)
    short = tmp_path / "short.wav"
    wavfile.write(short, RATE, (speech[1][:RATE] * 32767).astype(np.int16))
    order = Order(video=path, audio=short, stage="blend", panels=False, beside=True)
    made = list(animate(order, tmp_path))[-1]
    assert made.faceless == (10, 11, 12) and made.panels is None
    frames = list(film_io.read_clip(film_io.open_clip(made.video)))
    assert len(frames) == 25 and frames[0].shape == (256, 256, 3)
    assert frames[11][:200].std() < 5
    own = list(film_io.read_clip(film_io.open_clip(made.source)))
    assert len(own) == len(frames) == len(made.mouths)
    assert own[11].std() < 5 < 10 < own[9].std()  # in step with it


@pytest.mark.parametrize(
    ("order", "key"),
    [
        (Order(), "face_input"),
        (Order(portrait="a", video="b"), "face_both"),
        (Order(portrait="a"), "speech_input"),
        (Order(portrait="a", audio="b", text="c"), "speech_both"),
        (Order(portrait="a", text="c", stage="4d"), "stage_unknown"),
        (Order(portrait="a", text="c", articulation=0.1), "articulation_range"),
        (Order(portrait="a", text="c", articulation=float("nan")), "articulation_range"),
        (Order(portrait="a", text="c", language="tlh"), "language_unknown"),
    ],
)
def test_an_order_that_makes_no_sense_is_told(order, key, tmp_path):
    with pytest.raises(UserError) as caught:
        list(animate(order, tmp_path))
    assert caught.value.key == key


def test_silence_is_a_closed_mouth(portrait, tmp_path):
    wavfile.write(tmp_path / "still.wav", RATE, np.zeros(RATE, np.int16))
    sound = tmp_path / "still.wav"
    order = Order(portrait=portrait, audio=sound, stage="blend", panels=False, beside=True)
    made = list(animate(order, tmp_path))
    with Image.open(portrait) as image, Image.open(made[-1].source) as own:
        assert own.size == image.size
        assert np.abs(np.asarray(own, int) - np.asarray(image, int)).mean() < 3
    with np.load(made[-1].vertices) as file:
        assert mesh.lip_gap(file["vertices"].astype(np.float32)).max() < 0.1


def test_a_portrait_whose_voice_is_left_out_is_read_and_tracked_once(portrait, tmp_path, monkeypatch):
    done = []

    def counted(module, name):
        work = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *given: done.append(name) or work(*given))

    counted(portrait_io, "read_portrait")
    counted(source, "track_image")
    counted(tracking, "track_image")
    monkeypatch.setattr(voices, "speak", lambda *_: np.zeros(RATE // 5, np.float32))
    order = Order(portrait=portrait, text="Hi.", stage="blend", panels=False)
    told = list(animate(order, tmp_path))
    assert done == ["read_portrait", "track_image"]
    assert [step.key for step in told[:2]] == ["face_reads", "face_listens"]


def test_stages_are_named():
    assert STAGES == ("3d", "blend", "generated")
