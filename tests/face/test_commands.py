"""The command line, run as a person runs it."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from skimage import data

from models.face.__main__ import main, parser
from models.face.sources import film_io


def run(*arguments) -> subprocess.CompletedProcess:
    asked = [sys.executable, "-m", "models.face", *map(str, arguments)]
    return subprocess.run(asked, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def portrait(tmp_path_factory):
    path = tmp_path_factory.mktemp("face") / "portrait.png"
    Image.fromarray(data.astronaut()[:256, 96:352]).save(path)
    return path


@pytest.fixture(scope="module")
def spoken(portrait, tmp_path_factory):
    """A film made by the command, with all that lies beside it."""
    out = tmp_path_factory.mktemp("films") / "talk.mp4"
    text = "Where were you while we were away?"
    return run("animate", "--portrait", portrait, "--text", text, "--panels", "--out", out), out


def test_animate_writes_a_film_and_what_belongs_to_it(spoken):
    done, out = spoken
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-1] == str(out)
    names = {path.name for path in out.parent.iterdir()}
    assert names == {"talk.mp4", "talk_stages.mp4", "talk_blendshapes.csv", "talk_vertices.npz"}
    assert film_io.open_clip(out).width == 256


def test_track_writes_what_it_saw(spoken, portrait, tmp_path, capsys):
    for file, frames in ((portrait, 1), (spoken[1], None)):
        assert main(["track", str(file), "--out", str(tmp_path / "t.npz")]) == 0
        with np.load(tmp_path / "t.npz") as found:
            assert found["vertices"].shape[1:] == (478, 3) and found["seen"].all()
            assert frames is None or len(found["seen"]) == frames
    assert "frames with a face" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["sync", "image"])
def test_evaluate_measures_clips_that_it_is_given(name, spoken, capsys):
    """The film serves as a clip of another person: what is printed last is one JSON object."""
    assert main(["evaluate", name, "--clips", str(spoken[1].parent)]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found
    if name == "sync":
        own = next(row for row in found["motion"] if row["model"] == "FaceMotion")
        assert own["r"] > 0.5  # the same network moved them
        again = next(row for row in found["sync"] if row["film"] == "generated")
        assert again["gap_r"] > 0.5 and 0.5 < again["gap_range"] < 2


def test_what_a_person_causes_is_told_in_a_sentence(tmp_path, portrait):
    done = run("animate", "--portrait", tmp_path / "none.png", "--text", "Hello", "--out", tmp_path / "a.mp4")
    assert done.returncode == 2 and "none.png is not a file" in done.stderr
    assert not list(tmp_path.iterdir())
    done = run("--face-model", portrait, "track", portrait, "--out", tmp_path / "t.npz")
    assert done.returncode == 2 and "face model" in done.stderr


def test_languages_are_listed(capsys):
    assert main(["languages"]) == 0
    listed = {line.split()[0] for line in capsys.readouterr().out.splitlines()}
    assert {"en", "de", "fr", "es", "it", "zh", "ja", "ko", "ru", "tr"} <= listed


def test_one_face_and_one_speech_are_asked_for():
    with pytest.raises(SystemExit):
        parser().parse_args(["animate", "--out", "a.mp4"])
