"""Faults of the machine while the page is served: the job says so in a sentence, and the next one works."""

import io
import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from PIL import Image, ImageDraw

from models.core.upload_validation import MEGABYTE
from models.scene import pipeline
from tests.abuse.test_page import META, call
from tests.abuse.test_uploaded_files import upload
from tests.launched import launched
from tests.served import SCANS, name_matcher, until


def _can_mount() -> bool:
    """Whether a process may have a small disk of its own here."""
    tried = subprocess.run(
        ["unshare", "-m", "sh", "-c", "mount -t tmpfs tmpfs /mnt"], capture_output=True, check=False
    )
    return tried.returncode == 0


def mask() -> bytes:
    """A drawn polyp as a PNG."""
    image, data = Image.new("L", (256, 256)), io.BytesIO()
    ImageDraw.Draw(image).ellipse((60, 60, 160, 150), fill=255)
    image.save(data, "PNG")
    return data.getvalue()


def fill(path: Path) -> None:
    """Write until the disk takes no more."""
    with path.open("wb", buffering=0) as filler, suppress(OSError):
        while filler.write(bytes(MEGABYTE // 4)):
            pass


@pytest.mark.skipif(
    shutil.which("unshare") is None or not _can_mount(), reason="this user may not mount a small disk"
)
def test_a_full_disk_while_drawing_and_while_uploading(tmp_path):
    small = ("unshare", "-m", "sh", "-c", 'mount -t tmpfs -o size=80m tmpfs "$TMPDIR" && exec "$@"', "-")
    with launched(tmp_path, before=small, program=("tests/stand_in_server.py",)) as server:
        disk = Path(f"/proc/{server.process.pid}/root{server.temp}")
        paths = [upload(server.address, ("mask.png", mask()))[0] for _ in range(2)]
        fill(disk / "filler")
        orders = [[{"path": path, "meta": META}, 1, 0, "arsdm", 1, "ddim", True] for path in paths]
        assert "disk of the machine is full" in call(server.address, "colonoscopy_draw", orders[0])
        sent = [("files", ("mask.png", mask()))]
        refused = httpx.post(f"{server.address}gradio_api/upload", files=sent, timeout=90)
        assert refused.status_code == 507 and "disk of the machine is full" in refused.text
        (disk / "filler").unlink()
        assert "event: complete" in call(server.address, "colonoscopy_draw", orders[1])
        assert httpx.post(f"{server.address}gradio_api/upload", files=sent, timeout=90).status_code == 200


def test_a_gpu_out_of_memory_is_a_sentence_and_the_next_question_works(address, monkeypatch):
    class OutOfMemoryError(RuntimeError):
        """As torch's: it is known by its name, because torch is not imported here."""

    def full(scan, sentence):
        raise OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(pipeline, "ground", full)
    told = call(address, "scene_ground", ["the chair", SCANS[0], None])
    assert "ran out of memory" in told and "CUDA" not in told
    monkeypatch.setattr(pipeline, "ground", name_matcher)
    assert "event: complete" in call(address, "scene_ground", ["the chair", SCANS[0], None])


def test_a_disk_that_fills_during_an_upload_keeps_nothing_of_it(address, monkeypatch):
    import errno

    from starlette.datastructures import UploadFile

    async def full(self, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    before = set(Path(os.environ["GRADIO_TEMP_DIR"]).iterdir())
    monkeypatch.setattr(UploadFile, "write", full)
    answer = httpx.post(f"{address}gradio_api/upload", files=[("files", ("a.ply", b"ply\n"))], timeout=60)
    assert answer.status_code == 507 and "disk of the machine is full" in answer.text
    assert until(lambda: set(Path(os.environ["GRADIO_TEMP_DIR"]).iterdir()) <= before)
