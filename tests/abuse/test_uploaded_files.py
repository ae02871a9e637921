"""Whose a file is: only what this visitor uploaded for this request is read and deleted, and once."""

import os
import sys
import threading
from pathlib import Path

import gradio as gr
import httpx
import pytest

from app import page, uploads
from tests.abuse.test_page import META, call
from tests.launched import lying
from tests.scene.scan_makers import scannet
from tests.served import until

TAKERS = {
    "scene_open": lambda file: ["", [file]],
    "scene_ground": lambda file: ["the chair", "", [file]],
    "scene_segment": lambda file: ["", [file]],
    "scene_compare": lambda file: ["the chair", "instancerefer", "", [file]],
    "colonoscopy_find": lambda file: [[file], "polyps", ""],
    "colonoscopy_film": lambda file: [file, None, None, "left", 0.5, 0, "conditioned", "any", 1],
    "colonoscopy_segment": lambda file: [file],
    "colonoscopy_grid": lambda file: [file, 0, 1, "any"],
    "colonoscopy_draw": lambda file: [file, 1, 0, "arsdm", 1, "ddim", True],
    "face_animate": lambda file: [
        *(file, None, None, "Good morning.", "en", "", "generated", False, True, 0, True),
    ],
}


def upload(address: str, *files: tuple[str, bytes]) -> list[str]:
    """Paths of what was uploaded, as the page's browser gets them."""
    sent = [("files", (name, data)) for name, data in files]
    return httpx.post(f"{address}gradio_api/upload", files=sent, timeout=90).json()


def test_every_widget_that_takes_files_takes_only_what_was_uploaded_for_it():
    built, _ = page.build()
    takers = (gr.File, gr.UploadButton, gr.Image, gr.Audio, gr.Video)
    asked = {one for event in built.fns.values() for one in event.inputs}
    plain = [one for one in asked if isinstance(one, takers) and not type(one).__module__.startswith("app.")]
    assert len(asked) > 20
    assert plain == []


@pytest.mark.parametrize("name", TAKERS)
def test_a_file_that_the_page_serves_cannot_be_deleted(address, name, monkeypatch, tmp_path):
    from gradio.data_classes import _StaticFiles

    served = tmp_path / "static.min.js"  # beside what is installed, which a failing test should not delete
    served.write_text("x")
    monkeypatch.setattr(_StaticFiles, "all_paths", [*_StaticFiles.all_paths, served])
    assert httpx.get(f"{address}gradio_api/file={served}").status_code == 200
    answer = call(address, name, TAKERS[name]({"path": str(served), "meta": META}))
    assert served.exists()
    assert "event: error" in answer
    assert "Upload it again" in answer


@pytest.mark.parametrize("name", TAKERS)
def test_a_result_of_another_cannot_be_read_or_deleted(address, name):
    folder = Path(os.environ["GRADIO_TEMP_DIR"]) / "of_another"
    folder.mkdir(exist_ok=True)
    result = folder / "synthetic_frames.zip"
    result.write_bytes(b"PK")
    answer = call(address, name, TAKERS[name]({"path": str(result), "meta": META}))
    assert result.exists()
    assert "Upload it again" in answer


def test_the_page_tells_no_path_of_the_machine(address):
    told = httpx.get(f"{address}config", timeout=90).text
    assert "file=" not in told and sys.prefix not in told


def test_the_same_file_from_eight_at_once_is_read_by_all(address, tmp_path):
    files = [(path.name, path.read_bytes()) for path in scannet(tmp_path / "hall", "hall").values()]
    paths = [upload(address, *files) for _ in range(8)]
    assert len({path for some in paths for path in some}) == 8 * len(files)
    told: list[str] = []

    def ask(some: list[str]) -> None:
        told.append(call(address, "scene_open", ["", [{"path": path, "meta": META} for path in some]]))

    hall = [threading.Thread(target=ask, args=(some,)) for some in paths]
    [one.start() for one in hall]
    [one.join() for one in hall]
    assert [one for one in told if "event: complete" not in one] == []


def test_an_upload_is_read_once_and_then_gone(address, tmp_path):
    data = scannet(tmp_path / "once", "once")
    paths = upload(address, *[(path.name, path.read_bytes()) for path in data.values()])
    sent = ["", [{"path": path, "meta": META} for path in paths]]
    assert "event: complete" in call(address, "scene_open", sent)
    assert [path for path in paths if Path(path).exists()] == []
    assert "Upload it again" in call(address, "scene_open", sent)


def test_what_was_read_leaves_neither_file_nor_folder(address):
    before = left(address)
    for _ in range(3):
        path = upload(address, ("broken.png", b"no picture"))[0]
        assert "event: error" in call(address, "colonoscopy_segment", [{"path": path, "meta": META}])
    assert until(lambda: left(address) <= before)


def left(address: str) -> set[Path]:
    """Every file and folder of the process."""
    return lying(*uploads.folders())


def test_an_upload_that_nobody_asks_for_goes_by_itself(address, monkeypatch):
    path = Path(upload(address, ("a.ply", b"ply\n"))[0])
    uploads.sweep()
    assert path.exists()
    monkeypatch.setattr(uploads, "UNREAD", 0.0)
    uploads.sweep()
    assert not path.exists() and not path.parent.parent.exists()


def test_an_upload_without_a_name_is_refused(address):
    body = b'--x\r\nContent-Disposition: form-data; name="files"; filename=""\r\n\r\nabc\r\n--x--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert httpx.post(f"{address}gradio_api/upload", content=body, headers=headers).status_code == 400


def test_two_uploads_of_one_content_are_two(address):
    first, second = (upload(address, ("same.ply", b"ply\nsame"))[0] for _ in range(2))
    assert first != second
    assert Path(first).name == Path(second).name == "same.ply"
