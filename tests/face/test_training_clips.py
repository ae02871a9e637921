"""Reading clips for training: what is the same is read once, lags are taken out, blendshapes are renamed."""

import zipfile

import numpy as np
import pytest

from models.core.errors import UserError
from models.face.sources import clips, mesh
from models.face.sources.tracking import Track
from models.face.speech.features import Heard


def heard(frames):
    return Heard(
        np.arange(frames * 384, dtype=np.float32).reshape(frames, 384) / 1000,
        np.zeros((frames, 160), np.float32),
        np.zeros(frames, np.float32),
        np.ones(frames, bool),
    )


def track(frames):
    vertices = np.random.default_rng(0).standard_normal((frames, 478, 3)).astype(np.float32)
    return Track(vertices, np.zeros((frames, 3, 4)), np.zeros((frames, 52)), np.ones(frames, bool), (4, 4))


@pytest.fixture
def listened(monkeypatch, tmp_path):
    """Nothing is really heard or tracked; what was asked for is noted."""
    asked = []
    monkeypatch.setattr(clips, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(clips, "read_sound", lambda path: asked.append(path.stem))
    monkeypatch.setattr(clips, "listen", lambda sound: heard(12))
    monkeypatch.setattr(clips, "open_clip", lambda path: path)
    monkeypatch.setattr(clips, "read_clip", lambda path: path)
    monkeypatch.setattr(clips, "track_video", lambda path: track(10))
    return asked


def test_the_same_recording_is_read_once(listened, tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    for name, data in {"a": b"1", "b": b"1", "c": b"2", "c_temp": b"3", "d_temp": b"4"}.items():
        (folder / f"{name}.mp4").write_bytes(data)
    found = list(clips.read_folder(folder, "set"))
    assert [one.name for one in found] == ["a", "c", "d_temp"]
    assert all(len(one) == len(one.track.seen) == 10 for one in found), "cut to the shorter of both"
    list(clips.read_folder(folder, "set"))
    assert listened == ["a", "c", "d_temp"], "what was heard is kept"


def test_an_empty_folder_is_told(tmp_path):
    with pytest.raises(UserError) as caught:
        list(clips.read_folder(tmp_path / "none", "none"))
    assert caught.value.key == "clips_missing"


@pytest.mark.parametrize("lag", [-2, 0, 3])
def test_shifting_brings_sound_and_picture_together(lag):
    one = clips.Clip("s", "n", "p", None, heard(20), track(20))  # type: ignore[arg-type]
    moved = one.shifted(lag)
    assert len(moved) == len(moved.track.seen) == 20 - abs(lag)
    # What is heard at frame t belongs to the picture of frame t - lag.
    np.testing.assert_array_equal(moved.heard.whisper[0], one.heard.whisper[max(lag, 0)])
    np.testing.assert_array_equal(moved.track.vertices[0], one.track.vertices[max(-lag, 0)])


def test_what_is_kept_comes_back(tmp_path):
    sound = heard(5)
    clips.save_heard(tmp_path / "one.npz", sound)
    again = clips.load_heard(tmp_path / "one.npz")
    np.testing.assert_allclose(again.whisper, sound.whisper, rtol=1e-3)
    assert not list(tmp_path.glob("*.part*"))


def test_their_blendshapes_get_our_names(tmp_path):
    words = [
        "jawOpen",
        "mouth_stretch_c",
        "valid",
        "mouthFunnel",
        "max(a,b)",
        "eyeBlinkLeft",
        "lid",
        "Invalid",
    ]
    space = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    strings = "".join(f"<si><t>{word}</t></si>" for word in words)
    cells = [
        ("A3", 0),
        ("C3", 1),
        ("G3", 2),
        ("A4", 3),
        ("C4", 4),
        ("G4", 2),
        ("A5", 5),
        ("C5", 6),
        ("G5", 7),
    ]
    rows = "".join(
        "<row>" + "".join(f'<c r="{r}" t="s"><v>{v}</v></c>' for r, v in cells if r[1] == n) + "</row>"
        for n in "345"
    )
    with zipfile.ZipFile(tmp_path / "map.xlsx", "w") as book:
        book.writestr("xl/sharedStrings.xml", f"<sst {space}>{strings}</sst>")
        book.writestr(
            "xl/worksheets/sheet1.xml", f"<worksheet {space}><sheetData>{rows}</sheetData></worksheet>"
        )
    rules = clips._arkit_rules(tmp_path / "map.xlsx")
    assert rules == {"jawOpen": ["mouth_stretch_c"], "mouthFunnel": ["a", "b"]}
    assert set(rules) <= set(mesh.BLENDSHAPES)
