"""What the colonoscopy desk takes and refuses, whatever a browser or a script sends."""

import base64
import io
import threading
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from app import i18n, validation
from app.colonoscopy import mask_presets, service, views
from app.colonoscopy.session import ColonoscopySession
from app.components import result_strip
from app.job_queue import JobQueue
from app.session import Visit
from models.colonoscopy import pipeline
from models.colonoscopy.data.images import own_part
from models.core import checkpoints
from models.core.errors import UserError
from models.core.progress import Progress
from tests.colonoscopy import stand_in
from tests.served import until

MASK = np.zeros((256, 256), bool)
MASK[80:140, 90:160] = True


def png(array, mode=None) -> bytes:
    data = io.BytesIO()
    Image.fromarray(array, mode).save(data, "PNG")
    return data.getvalue()


def key_of(work) -> str:
    with pytest.raises(UserError) as caught:
        work()
    for name in i18n.LANGUAGES:
        assert "reference" not in i18n.explain(name, caught.value) and "标识" not in i18n.explain(
            name, caught.value
        )
    return caught.value.key


def test_a_drawing_is_read_as_it_was_drawn():
    url = validation.png_url(png(MASK.astype(np.uint8) * 255))
    assert np.array_equal(validation.drawing(url, 256), MASK)
    assert not validation.drawing("", 256).any()
    assert not validation.drawing(None, 256).any()


def bomb() -> str:
    data = io.BytesIO()
    Image.new("1", (12_000, 12_000)).save(data, "PNG")
    return validation.png_url(data.getvalue())


@pytest.mark.parametrize(
    "sent",
    [
        "x",
        7,
        ["data:image/png;base64,"],
        {"path": "/etc/passwd"},
        "/etc/passwd",
        "file:///etc/passwd",
        "https://example.com/mask.png",
        "data:text/html;base64,PHNjcmlwdD4=",
        "data:image/svg+xml;base64,PHN2Zz4=",
        "data:image/png;base64,",
        "data:image/png;base64,not base64!",
        "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\0" * 40).decode(),
        "data:image/png;base64," + base64.b64encode(b"GIF89a" + b"\0" * 40).decode(),
        validation.png_url(png(np.zeros((64, 64), np.uint8))),
        validation.PNG_URL + "A" * 10**6,
        validation.png_url(png(MASK.astype(np.uint8) * 255)[:-30]),
    ],
)
def test_what_no_pad_sends_is_refused(sent):
    assert key_of(lambda: validation.drawing(sent, 256)) == "pad_broken"


def test_an_image_bomb_in_a_drawing_is_not_decoded():
    assert key_of(lambda: validation.drawing(bomb(), 256)) == "pad_broken"


@pytest.mark.parametrize(
    ("key", "fields"),
    [
        ("count_range", {"count": 0}),
        ("count_range", {"count": service.MOST_FRAMES + 1}),
        ("count_range", {"count": float("nan")}),
        ("count_range", {"count": 1.5}),
        ("count_range", {"count": None}),
        ("count_range", {"count": "4"}),
        ("count_range", {"count": True}),
        ("seed_range", {"seed": -1}),
        ("seed_range", {"seed": 2**31}),
        ("seed_range", {"seed": 1e300}),
        ("seed_range", {"seed": [1]}),
        ("steps_range", {"steps": 0}),
        ("steps_range", {"steps": service.MOST_STEPS + 1}),
        ("steps_range", {"steps": float("inf")}),
        ("model_unknown", {"model": "../../etc/passwd"}),
        ("model_unknown", {"model": None}),
        ("model_unknown", {"model": ["arsdm"]}),
        ("model_unknown", {"model": "x" * 10**6}),
        ("sampler_unknown", {"sampler": "euler"}),
        ("sampler_unknown", {"sampler": {}}),
        ("look_unknown", {"look": "paris"}),
        ("look_unknown", {"look": ["any"]}),
        ("mask_empty", {"mask": np.zeros((256, 256), bool)}),
        ("mask_full", {"mask": np.ones((256, 256), bool)}),
    ],
)
def test_orders_that_cannot_be_filled(key, fields):
    sound = {"mask": MASK, "count": 2, "seed": 5, "model": "arsdm", "steps": 20, "sampler": "dpm"}
    wanted = service.order(**sound)
    assert (wanted.count, wanted.seed, wanted.model) == (2, 5, "arsdm")
    assert key_of(lambda: service.order(**{**sound, **fields})) == key


def upload(folder, data: bytes, name: str = "a.png"):
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("size", [(256, 256), (480, 640), (100, 90)])
def test_a_mask_of_any_size_is_fitted_and_the_upload_is_gone(tmp_path, size):
    mask = np.zeros(size, np.uint8)
    mask[size[0] // 4 : size[0] // 2, size[1] // 4 : size[1] // 2] = 255
    path = upload(tmp_path, png(mask))
    found = service.open_mask([path])
    assert found.mask.shape == (256, 256) and found.shape == size
    assert found.mask.mean() == pytest.approx(1 / 16 * min(size) / max(size), abs=0.01)
    assert not path.exists()


@pytest.mark.parametrize(
    ("key", "data"),
    [
        ("mask_empty", png(np.zeros((90, 90), np.uint8))),
        ("mask_full", png(np.full((90, 90), 255, np.uint8))),
        ("mask_shape", png(np.full((20, 20), 255, np.uint8))),
        ("mask_not_one", png(np.random.default_rng(0).integers(0, 255, (90, 90, 3), np.uint8))),
        ("image_unreadable", b"GIF89a" + bytes(50)),
        ("image_kind", b"<svg onload='alert(1)'/>"),
        ("image_too_large", base64.b64decode(bomb().removeprefix(validation.PNG_URL))),
        ("file_empty", b""),
    ],
)
def test_mask_files_that_are_none(tmp_path, key, data):
    path = upload(tmp_path, data)
    assert key_of(lambda: service.open_mask([path])) == key
    assert not path.exists()


def test_no_file_and_a_frame_that_is_none(tmp_path):
    assert key_of(lambda: service.open_mask(None)) == "no_file"
    assert key_of(lambda: service.open_frame([])) == "no_file"
    assert key_of(lambda: service.open_frame([upload(tmp_path, b"%PDF-1.4")])) == "image_kind"
    frame = np.random.default_rng(0).integers(0, 255, (120, 200, 3), np.uint8)
    found, notes = service.open_frame([upload(tmp_path, png(frame))])
    assert found.shape == (120, 200, 3), "its own size"
    pad = service.on_pad(found)
    assert pad.shape == (256, 256, 3) and not pad[:40].any()  # padded above and below
    assert [one.key for one in notes] == ["frame_foreign"]  # noise is no endoscopy
    large = np.zeros((1200, 1600, 3), np.uint8)
    assert service.open_frame([upload(tmp_path, png(large))])[0].shape == (1080, 1440, 3)


def order(**fields):
    sound = {"mask": MASK, "count": 4, "seed": 5, "model": "arsdm", "steps": 20, "sampler": "dpm"}
    return service.order(**{**sound, **fields})


@pytest.mark.parametrize(("remove", "kind"), [(False, "inpainted"), (True, "removed")])
def test_a_frame_of_ones_own_is_altered_at_its_own_size(monkeypatch, remove, kind):
    orders = []

    def inpaint(given):
        orders.append(given)
        yield replace(stand_in.sample(given.seed), frame=given.frame, mask=given.mask, kind=kind)

    monkeypatch.setattr(pipeline, "inpaint", inpaint)
    session = Visit().lab(ColonoscopySession)
    assert key_of(lambda: list(service.alter(session, order(count=1), remove))) == "no_own_frame"
    session.own_frame = np.zeros((120, 200, 3), np.uint8)
    (made,) = service.alter(session, order(count=1, seed=9, look="bkai"), remove)
    assert session.frames[0] is made and made.frame.shape == (120, 200, 3) and made.kind == kind
    (given,) = orders
    inside = MASK[own_part((120, 200), len(MASK))]  # of the square that the pad shows
    assert given.mask.shape == (120, 200) and given.mask.mean() == pytest.approx(inside.mean(), abs=0.01)
    assert (given.seed, given.look, given.remove) == (9, "bkai", remove)
    session.visit.end()
    assert session.own_frame is None


def test_frames_stream_and_are_kept(monkeypatch):
    monkeypatch.setattr(pipeline, "draw", stand_in.drawing())
    session = Visit().lab(ColonoscopySession)
    steps = list(service.draw(session, order()))
    assert [isinstance(step, Progress) for step in steps[:3]] == [True, True, False]
    assert [one.seed for one in session.frames] == [5, 6, 7, 8]


def test_stop_works_at_once_and_keeps_what_is_done(monkeypatch):
    monkeypatch.setattr(pipeline, "draw", stand_in.drawing(steps=4, pause=0.05))
    session = Visit().lab(ColonoscopySession)
    running = service.draw(session, order(count=16))
    for step in running:
        if not isinstance(step, Progress):
            service.stop(session)
    assert len(session.frames) in (1, 2)
    monkeypatch.setattr(pipeline, "draw", stand_in.drawing())
    list(service.draw(session, order(count=1)))  # and the place is free again
    assert len(session.frames) == 1


def test_a_visitor_who_leaves_ends_the_work_and_nothing_stays(monkeypatch):
    closed = threading.Event()

    def draw(_):
        try:
            yield from stand_in.drawing(steps=9, pause=0.02)(order(count=16))
        finally:
            closed.set()

    monkeypatch.setattr(pipeline, "draw", draw)
    session = Visit().lab(ColonoscopySession)
    running = service.draw(session, order(count=16))
    next(running)
    session.visit.end()
    assert key_of(lambda: list(running)) == "cancelled"
    assert closed.wait(5)
    assert session.frames == []
    assert key_of(lambda: list(service.draw(session, order()))) == "cancelled"


def test_a_failure_keeps_what_was_there_and_the_next_order_works(monkeypatch):
    session = Visit().lab(ColonoscopySession)
    monkeypatch.setattr(pipeline, "draw", stand_in.failing("checkpoint_broken", file="checkpoints/arsdm"))
    assert key_of(lambda: list(service.draw(session, order()))) == "checkpoint_broken"
    monkeypatch.setattr(pipeline, "draw", stand_in.drawing())
    list(service.draw(session, order(count=1)))
    assert len(session.frames) == 1


def test_twenty_orders_at_once_are_drawn_or_told_to_wait(monkeypatch):
    monkeypatch.setattr(pipeline, "draw", stand_in.drawing(pause=0.02))
    monkeypatch.setattr(service, "drawing", JobQueue(usual=15))
    told: list[str] = []

    def one():
        try:
            steps = service.draw(Visit().lab(ColonoscopySession), order(count=1))
            told.append(str(sum(not isinstance(one, Progress) for one in steps)))
        except UserError as error:
            told.append(error.key)

    crowd = [threading.Thread(target=one) for _ in range(20)]
    [thread.start() for thread in crowd]
    [thread.join() for thread in crowd]
    assert set(told) == {"1", "busy"}
    assert until(lambda: service.drawing.inside == 0)


def test_the_same_noise_through_another_model(monkeypatch):
    monkeypatch.setattr(pipeline, "draw", stand_in.drawing())
    session = Visit().lab(ColonoscopySession)
    list(service.draw(session, order(count=2)))
    *_, other = service.compare(session, 1, "sdm")
    assert (other.seed, other.model) == (6, "sdm")
    assert len(session.frames) == 2
    assert key_of(lambda: list(service.compare(session, 2, "sdm"))) == "frame_unknown"
    assert key_of(lambda: list(service.compare(session, 0, "../x"))) == "model_unknown"


def test_frames_are_taken_home_marked(monkeypatch):
    monkeypatch.setattr(pipeline, "draw", stand_in.drawing())
    session = Visit().lab(ColonoscopySession)
    assert key_of(lambda: service.pack(session, True)) == "no_frames"
    list(service.draw(session, order(count=2)))
    path = service.pack(session, burn=True)
    assert session.visit.shown in path.parents
    with zipfile.ZipFile(path) as packed:
        names = packed.namelist()
        images = [name for name in names if name.startswith("images/")]
        assert len(images) == 2 and "samples.json" in names
        assert {name.replace("images/", "masks/") for name in images} <= set(names)
        image = Image.open(io.BytesIO(packed.read(images[0])))
        assert "Synthetic" in image.text
        assert not np.array_equal(np.asarray(image), session.frames[0].frame)
    with zipfile.ZipFile(service.pack(session, burn=False, dicom=True)) as packed:
        assert [name[-4:] for name in packed.namelist()] == [".dcm", ".dcm"]
    folder = session.visit.shown
    session.visit.end()
    assert not folder.exists()


def test_without_weights_the_lab_says_which_are_missing(monkeypatch, tmp_path):
    monkeypatch.setattr(checkpoints, "FOLDER", tmp_path)
    assert key_of(service.models) == "checkpoint_missing"


def test_a_card_tells_dice_and_memory_and_draws_both_outlines():
    plain = views.card("en", stand_in.sample())
    assert "Dice score 0.9" in plain.title
    assert "Seed 7 · ArSDM" in plain.lines[0]
    assert "than 64 % of real ones" in plain.lines[1]
    assert plain.drawn.startswith("M") and plain.found.startswith("M") and plain.drawn != plain.found
    near = views.card("en", stand_in.sample(percentile=0.4))
    assert "Close to a training frame: 0.4 %" in near.lines[1]


def test_outlines_follow_edges_holes_and_nothing():
    assert result_strip.outline_path(np.zeros((8, 8), bool)) == ""
    ring = np.ones((9, 9), bool)
    ring[3:6, 3:6] = False
    assert result_strip.outline_path(ring).count("M") == 2


def test_choices_that_are_none():
    class Event:
        def __init__(self, data):
            self._data = data

    for data in (None, {}, {"place": "0"}, {"place": -1}, {"place": 1.0}, {"place": True}, [1]):
        assert result_strip.read_choice(Event(data)) == (None, None)
    assert result_strip.read_choice(Event({"place": 2, "other": 7})) == (2, None)
    assert result_strip.read_choice(Event({"place": 2, "other": "sdm"})) == (2, "sdm")


def test_presets_are_what_their_code_draws_and_can_be_ordered():
    assert len(mask_presets.names()) >= 5
    for name, blobs in mask_presets.SHAPES.items():
        kept = np.asarray(Image.open(mask_presets.FOLDER / f"{name}.png").convert("L")) > 127
        assert np.array_equal(kept, np.asarray(mask_presets.drawn(blobs)))
        assert np.array_equal(validation.drawing(mask_presets.urls()[name], 256), kept)
        order(mask=kept)
