"""Films of what is on the pad: what is ordered, what is refused, what is kept and what goes."""

import io
import threading
import zipfile

import numpy as np
import pytest
from PIL import Image

from app import i18n, process_folder
from app.colonoscopy import film_service, film_views, service
from app.colonoscopy.session import ColonoscopySession
from app.session import Visit
from models.colonoscopy import pipeline
from models.colonoscopy.data.exports import mask_png
from models.colonoscopy.data.film_exports import FilmMade
from models.colonoscopy.video.registry import FILMS
from models.core import checkpoints
from models.core.errors import UserError
from models.core.progress import Drawing, Progress
from tests.colonoscopy import stand_in
from tests.colonoscopy.makers import frame_of, mask_of
from tests.launched import lying

MASK = mask_of()
NOTHING = np.zeros((256, 256), bool)


@pytest.fixture(autouse=True)
def networks(monkeypatch):
    stand_in.stand_in_films(monkeypatch)
    monkeypatch.setattr(pipeline, "looks_like_endoscopy", lambda frame: True)


@pytest.fixture
def session():
    session = Visit().lab(ColonoscopySession)
    yield session
    session.visit.end()


def key_of(work) -> str:
    with pytest.raises(UserError) as caught:
        work()
    for name in i18n.LANGUAGES:
        told = i18n.explain(name, caught.value)
        assert "reference" not in told and "标识" not in told
    return caught.value.key


def order(**fields):
    sound = {"mask": MASK, "move": "left", "seconds": 1.0, "seed": 5, "model": "conditioned"}
    return film_service.order(**{**sound, **fields})


@pytest.mark.parametrize(
    ("key", "fields"),
    [
        ("mask_empty", {"mask": NOTHING}),
        ("mask_full", {"mask": ~NOTHING}),
        ("mask_empty", {"mask_last": NOTHING}),
        ("move_unknown", {"move": "up"}),
        ("move_unknown", {"move": "x" * 10**6}),
        ("move_unknown", {"move": None}),
        ("move_unknown", {"move": ["left"]}),
        ("seconds_range", {"seconds": 0.4}),
        ("seconds_range", {"seconds": 30.5}),
        ("seconds_range", {"seconds": float("nan")}),
        ("seconds_range", {"seconds": float("-inf")}),
        ("seconds_range", {"seconds": 10**400}),
        ("seconds_range", {"seconds": "4"}),
        ("seconds_range", {"seconds": True}),
        ("seconds_range", {"seconds": None}),
        ("seed_range", {"seed": -1}),
        ("seed_range", {"seed": 2**31}),
        ("seed_range", {"seed": 0.5}),
        ("seed_range", {"seed": [1]}),
        ("steps_range", {"steps": 0}),
        ("steps_range", {"steps": float("nan")}),
        ("steps_range", {"steps": 10**9}),
        ("model_unknown", {"model": "../pvdm"}),
        ("model_unknown", {"model": {"a": 1}}),
        ("look_unknown", {"look": "oslo"}),
        ("look_unknown", {"look": ["any"]}),
    ],
)
def test_films_that_cannot_be_made(key, fields):
    assert (order().count, order().seed) == (10, 5)
    assert key_of(lambda: order(**fields)) == key


def test_a_method_that_knows_no_mask_needs_none():
    assert order(mask=NOTHING, model="pvdm").mask.any()


def test_a_film_is_shown_as_it_is_made_and_kept(session):
    *steps, made = film_service.film(session, order(), "conditioned")
    assert all(isinstance(step, Progress) for step in steps) and isinstance(made, FilmMade)
    shown = [step.preview.index for step in steps if isinstance(step.preview, Drawing)]
    assert shown == sorted(shown) and set(shown) == set(range(10))
    assert steps[-1].fraction == 1.0 and session.film is made
    assert made.facts["frames"] == 10 and made.facts["move"] == "left" and made.facts["mean_dice"] > 0.9
    assert {path.parent for path in made.paths} == {session.visit.shown}
    assert not any(session.visit.folder.iterdir())
    *_, second = film_service.film(session, order(move="still"), "lvdm")
    assert not any(path.exists() for path in made.paths) and all(path.exists() for path in second.paths)
    session.visit.end()
    assert session.film is None and not any(path.exists() for path in second.paths)


def test_stop_keeps_what_is_a_film_and_nothing_less(session, monkeypatch):
    stand_in.stand_in_films(monkeypatch, pause=0.05)

    def stopped_at(frames):
        for step in film_service.film(session, order(seconds=20), "conditioned"):
            if isinstance(step, FilmMade):
                return step
            if step.fraction >= frames / 200:
                film_service.stop(session)
        return None

    made = stopped_at(film_service.KEPT + 2)
    assert made is not None and film_service.KEPT <= made.facts["frames"] < 40
    with zipfile.ZipFile(made.zip) as packed:
        assert sum(name.startswith("frames/") for name in packed.namelist()) == made.facts["frames"]
    assert "Stopped" in film_views.finished("en", made, 200)
    assert stopped_at(1) is None and session.film is made
    assert not any(session.visit.folder.iterdir())


def test_a_visitor_who_leaves_ends_the_work_and_nothing_stays(session, monkeypatch):
    stand_in.stand_in_films(monkeypatch, pause=0.02)
    before = lying(process_folder.folder())
    running = film_service.film(session, order(seconds=30), "conditioned")
    for step in running:
        if step.fraction > 0.05:
            break
    session.visit.end()
    assert key_of(lambda: list(running)) == "cancelled"
    assert key_of(lambda: list(film_service.film(session, order(), "conditioned"))) == "cancelled"
    assert lying(process_folder.folder()) <= before and session.film is None


def test_a_failure_keeps_the_film_before_and_the_next_works(session, monkeypatch):
    *_, made = film_service.film(session, order(), "conditioned")

    def breaks(given):
        yield from list(stand_in.Filming()(given))[:8]
        raise UserError("out_of_memory")

    breaks.knows_mask, breaks.looks = True, ("any",)
    with monkeypatch.context() as patch:
        patch.setattr(FILMS, "loaded", lambda name: breaks)
        assert key_of(lambda: list(film_service.film(session, order(), "conditioned"))) == "out_of_memory"
    assert session.film is made and all(path.exists() for path in made.paths)
    assert not any(session.visit.folder.iterdir())
    assert len(list(film_service.film(session, order(), "conditioned"))) > 1


def test_a_missing_checkpoint_is_told(session, monkeypatch, tmp_path):
    monkeypatch.undo()
    monkeypatch.setattr(checkpoints, "FOLDER", tmp_path)
    monkeypatch.setattr(FILMS, "_loaded", {})
    assert key_of(lambda: list(film_service.film(session, order(), "pvdm"))) == "checkpoint_missing"
    assert key_of(lambda: list(film_service.film(session, order(), "gan"))) == "model_unknown"


def test_frames_can_be_drawn_while_a_film_is_made(session, monkeypatch):
    monkeypatch.setattr(pipeline, "draw", stand_in.drawing())
    running = film_service.film(session, order(seconds=30), "conditioned")
    next(running)
    wanted = service.order(MASK, 1, 5, "arsdm", 20, "dpm")
    drawn = threading.Thread(target=lambda: list(service.draw(session, wanted)))
    drawn.start()
    drawn.join(20)
    assert len(session.frames) == 1
    running.close()
    assert not any(session.visit.folder.iterdir())


def file_of(folder, pixels, name):
    path = folder / name
    path.write_bytes(mask_png(pixels) if pixels.ndim == 2 else encoded(pixels))
    return str(path)


def encoded(pixels) -> bytes:
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG")
    return data.getvalue()


def test_files_of_a_script_lie_over_one_another(tmp_path):
    wide = mask_of(180, 320, (60, 120, 80, 180))
    alone = film_service.bring(file_of(tmp_path, wide, "a.png"), None, None)
    assert alone.shape == (180, 320) and alone.mask.shape == (256, 256) and alone.frame is None
    frame = np.asarray(Image.fromarray(frame_of(MASK)).resize((400, 300)))
    files = [file_of(tmp_path, pixels, name) for pixels, name in ((wide, "a"), (MASK, "b"), (frame, "c"))]
    brought = film_service.bring(*files)
    assert brought.shape == (300, 400) and brought.frame.shape == (400, 400, 3)
    rows, columns = np.nonzero(brought.mask)
    assert (rows.min() - 32) / 192 == pytest.approx(60 / 180, abs=0.02)  # as far down as in its own picture
    assert columns.max() / 256 == pytest.approx(180 / 320, abs=0.02)
    assert brought.mask_last is not None and not any(tmp_path.iterdir())


def test_of_files_that_are_refused_none_stays(tmp_path):
    good = file_of(tmp_path, MASK, "a.png")
    (tmp_path / "b.png").write_bytes(b"%PDF-1.4")
    frame = file_of(tmp_path, frame_of(MASK), "c.png")
    assert key_of(lambda: film_service.bring(good, str(tmp_path / "b.png"), frame)) == "image_kind"
    assert not any(tmp_path.iterdir())
    assert key_of(lambda: film_service.bring(None, None, None)) == "no_file"


def test_a_film_takes_the_sides_of_what_was_brought(session):
    frame = frame_of(mask_of(120, 200, (40, 80, 60, 100)))
    square = service.letterboxed(frame)
    assert film_service.shape_of(session, order(frame=square)) == (200, 200)
    session.mask_shape = (128, 256)
    inside = mask_of(256, 256, (100, 150, 80, 180))
    assert film_service.shape_of(session, order(mask=inside)) == (128, 256)
    assert film_service.shape_of(session, order(mask=MASK | inside)) is None  # drawn beside it
    *_, made = film_service.film(session, order(mask=inside), "conditioned", shape=(128, 256))
    with zipfile.ZipFile(made.zip) as packed:
        assert Image.open(io.BytesIO(packed.read("frames/0000.png"))).size == (256, 128)


@pytest.mark.parametrize("name", list(i18n.LANGUAGES))
def test_what_is_told_of_a_film(session, name):
    *_, made = film_service.film(session, order(), "conditioned")
    assert "10" in film_views.finished(name, made, 10) and "Dice 1.00" in film_views.finished(name, made, 10)
    log = film_views.log(name, made)
    assert "0123456789ab" in log and "10 fps" in log
    assert [one.file.suffix for one in film_views.taken(name, made)] == [".mp4", ".mp4", ".zip", ".dcm"]
    *_, unaware = film_service.film(session, order(), "pvdm")
    assert "Dice 1" not in film_views.finished(name, unaware, 10)
    picture = film_views.last_outline(name, MASK)
    assert "data:image/jpeg" in picture and "9.2" in picture and film_views.last_outline(name, None) == ""
