"""The colonoscopy lab's named endpoints, called as a stranger's script would."""

import io
import zipfile
from pathlib import Path

import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from app import validation
from app.colonoscopy import mask_presets
from models.colonoscopy.synthesis.registry import GENERATORS
from tests.colonoscopy import stand_in

PRESET = mask_presets.FOLDER / "oval.png"
META = {"_type": "gradio.FileData"}


@pytest.fixture(scope="module")
def address():
    with stand_in.served() as address:
        yield address


@pytest.fixture(scope="module")
def client(address):
    client = Client(address, verbose=False)
    yield client
    client.close()


def draw(client, mask=PRESET, **fields):
    sound = {"count": 1, "seed": 0, "model": "arsdm", "steps": 20, "sampler": "dpm", "burn": True}
    given = handle_file(str(mask)) if mask else None
    return client.predict(given, *{**sound, **fields}.values(), api_name="/colonoscopy_draw")


def test_a_mask_becomes_frames_and_a_zip(client):
    known, packed = draw(client, count=2, seed=11, model="sdm")
    assert [one["seed"] for one in known] == [11, 12]
    assert all(one["synthetic"] and one["model"] == "sdm" and 0 <= one["dice"] <= 1 for one in known)
    assert {"steps", "sampler", "weights", "nearest", "percentile"} <= set(known[0])
    with zipfile.ZipFile(packed) as archive:
        masks = [name for name in archive.namelist() if name.startswith("masks/")]
        mask = np.asarray(Image.open(io.BytesIO(archive.read(masks[0]))).convert("L")) > 127
    assert np.array_equal(mask, validation.drawing(mask_presets.urls()["oval"], 256))


def test_polyps_of_a_frame_are_found(client, tmp_path):
    path = tmp_path / "frame.png"
    Image.fromarray(stand_in.sample().frame).save(path)
    found = client.predict(handle_file(str(path)), api_name="/colonoscopy_segment")
    assert found["area"] == pytest.approx(70 * 80 / 256**2, abs=0.01)
    assert validation.drawing(found["mask"], 256).any()


def test_several_networks_look_into_a_frame(client, tmp_path):
    path = tmp_path / "frame.png"
    Image.fromarray(stand_in.sample().frame).save(path)
    given = [handle_file(str(path))], "pranet,sanet", "centernet"
    (known,), packed = client.predict(*given, api_name="/colonoscopy_find")
    assert set(known["areas"]) == {"pranet", "sanet"} and known["agreement"] == 1
    assert known["areas"]["sanet"] == pytest.approx(70 * 80 / 256**2, abs=0.01)
    assert known["boxes"]["centernet"][0]["box"] == [90.0, 60.0, 170.0, 130.0]
    with zipfile.ZipFile(packed) as archive:
        assert "masks/pranet/frame.png" in archive.namelist()
    with pytest.raises(AppError, match="no model called"):
        client.predict([handle_file(str(path))], "../polyps", "", api_name="/colonoscopy_find")


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"count": 99}, "99 frames cannot be drawn"),
        ({"model": "../arsdm"}, "no model called"),
        ({"sampler": "<script>"}, "no sampler called"),
        ({"steps": 10**9}, "1 to 250 steps"),
        ({"seed": -5}, "seed has to be"),
        ({"mask": None}, "No file arrived"),
    ],
)
def test_what_cannot_be_drawn_is_told(client, fields, told):
    with pytest.raises(AppError, match=told):
        draw(client, **fields)


def grid(client, **fields):
    given = {"mask": PRESET, "seed": 7, "steps": 20, "look": "any", **fields}
    given["mask"] = given["mask"] and handle_file(str(given["mask"]))
    return client.predict(**given, api_name="/colonoscopy_grid")


def test_every_model_draws_one_mask(client):
    known, packed = grid(client)
    models = list(GENERATORS.installed())
    assert len(models) > 1
    assert [(one["seed"], one["model"]) for one in known["frames"]] == [
        (seed, model) for seed in (7, 8) for model in models
    ]
    scores = [one["dice"] for one in known["frames"]]
    assert known["dice"] == {model: scores[at :: len(models)] for at, model in enumerate(models)}
    assert all(0 < score <= 1 for score in scores)
    with zipfile.ZipFile(packed) as archive:
        assert [name for name in archive.namelist() if name.startswith("images/")] == [
            f"images/{at:03d}_{one['model']}_{one['seed']}.png" for at, one in enumerate(known["frames"])
        ]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"mask": None}, "No file arrived"),
        ({"seed": -1}, "seed has to be"),
        ({"seed": "7"}, "seed has to be"),
        ({"steps": 251}, "1 to 250 steps"),
        ({"look": "oslo"}, "no look called"),
    ],
)
def test_what_no_grid_is_drawn_of_is_told(client, fields, told):
    with pytest.raises(AppError, match=told):
        grid(client, **fields)


def film(client, **fields):
    sound = {"mask": PRESET, "mask_last": None, "frame": None, "move": "left", "seconds": 0.5, "seed": 3}
    given = {**sound, "model": "conditioned", "look": "any", "steps": 10, **fields}
    files = {name: given[name] and handle_file(str(given[name])) for name in ("mask", "mask_last", "frame")}
    return client.predict(**{**given, **files}, api_name="/colonoscopy_film")


def test_a_mask_becomes_a_film(client, tmp_path):
    frame = tmp_path / "frame.png"
    Image.fromarray(stand_in.sample().frame).resize((160, 120)).save(frame)
    last = mask_presets.FOLDER / "two.png"
    facts, video, outlined, packed, dicom = film(client, mask_last=last, frame=frame)
    assert facts["frames"] == 5 == len(facts["dice"]) and facts["own_frame"] and facts["last_outline"]
    assert [Path(path).suffix for path in (video, outlined, dicom)] == [".mp4", ".mp4", ".dcm"]
    assert all(b"ftyp" in Path(path).read_bytes()[:12] for path in (video, outlined))
    with zipfile.ZipFile(packed) as archive:
        assert sum(name.startswith("masks/") for name in archive.namelist()) == 5
    unaware = film(client, model="pvdm")[0]
    assert unaware["knows_mask"] is False and unaware["mean_dice"] is None


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"mask": None}, "No file arrived"),
        ({"move": "<script>"}, "No camera moves as"),
        ({"seconds": 10**6}, "0.5 to 30.0 seconds"),
        ({"seconds": "4"}, "0.5 to 30.0 seconds"),
        ({"seed": -1}, "seed has to be"),
        ({"model": "../film_base"}, "no model called"),
        ({"look": "oslo"}, "no look called"),
        ({"steps": 0}, "1 to 250 steps"),
    ],
)
def test_what_cannot_be_filmed_is_told(client, fields, told):
    with pytest.raises(AppError, match=told):
        film(client, **fields)


@pytest.mark.parametrize("path", ["/etc/passwd", "../../etc/passwd", str(Path(__file__).resolve())])
def test_a_mask_is_an_upload_and_never_a_path(address, path):
    url = f"{address}gradio_api/call/colonoscopy_draw"
    data = [{"path": path, "meta": META}, 1, 0, "arsdm", 20, "dpm", True]
    event = httpx.post(url, json={"data": data}, timeout=90)
    answer = event.text
    if event.status_code == 200:
        answer = httpx.get(f"{url}/{event.json()['event_id']}", timeout=90).text
    assert "root:" not in answer
    assert "event: complete" not in answer
