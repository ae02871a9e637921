"""What a script of the soak does: a client of the API that comes, asks for things at random and leaves.

Each has a secret. Its scan's table is called by it, its portrait carries its number in blocks, its mask lies
where nobody else's does: what comes back must be its own, and its secret must come back to nobody else.
"""

import contextlib
import io
import json
import random
import secrets
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import httpx
import numpy as np
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image, ImageDraw

from app.face import service
from tests.scene import scan_makers
from tests.soak.tally import JOB_SECONDS, Tally

SCANS: list[str] = []  # the shipped ones
BITS = 6  # of a visitor's number in its portrait
PATIENCE = 300.0  # seconds without a byte; the machine has company
SIDE = 256  # pixels of a mask


class ApiClient:
    """A script: its jobs one after another, at random, until it is told to stop. number: below 2**BITS."""

    def __init__(self, address: str, folder: Path, tally: Tally, number: int) -> None:
        self.address, self.tally, self.number = address, tally, number
        self.random, self.secret = random.Random(number), tally.secret()
        self.folder = folder / self.secret
        self.folder.mkdir()
        self.shared = folder / "shared"
        self.client: Client | None = None
        self.leaving = False

    def live(self, over: threading.Event) -> None:
        """Come, do a few things, leave in the middle or properly, come again."""
        while not over.is_set():
            try:
                self.client = Client(
                    self.address,
                    verbose=False,
                    httpx_kwargs={"timeout": PATIENCE},
                    download_files=str(self.folder),
                )
            except Exception as error:
                self.tally.lost("come", error)
                over.wait(2)
                continue
            self.leaving = False
            for _ in range(self.random.randint(1, 6)):
                if over.is_set() or self.leaving:
                    break
                self._one()
            self.client.close()
            over.wait(self.random.uniform(0, 2))

    def _one(self) -> None:
        ways = (self.own_scan, self.shared_scan, self.shipped, self.segment, self.draw, self.animate)
        way = self.random.choice((*ways, self.drop, self.leave))
        began = time.monotonic()
        try:
            way()
        except AppError as error:
            self.tally.told(way.__name__, str(error))
        except Exception as error:
            self.tally.lost(f"{way.__name__} after {time.monotonic() - began:.0f} s", error)
        self.tally.done(way.__name__)

    def ask(self, *values: object, api: str) -> object:
        """A call's answer within JOB_SECONDS; nobody else's secret may be in it."""
        assert self.client is not None
        answer = self.client.submit(*values, api_name=api).result(timeout=JOB_SECONDS)
        self.tally.look(json.dumps(answer, default=str), self.secret)
        return answer

    def own_scan(self) -> None:
        """A scan whose table is called by the secret; the answer must be that table."""
        files = scan_makers.scannet(self.folder, self.secret, labels=("floor", self.secret, "chair"))
        opened = self.ask("", [handle_file(str(path)) for path in files.values()], api="/scene_open")
        self.tally.expect(self.secret in json.dumps(opened), "its own scan has other objects")
        time.sleep(self.random.random())
        self.tally.expect(
            self.secret in json.dumps(self.ask(6, api="/scene_pick")), "another's object was picked"
        )

    def shared_scan(self) -> None:
        """The file that everybody uploads."""
        files = [handle_file(str(path)) for path in sorted(self.shared.iterdir())]
        answer = self.ask("the table", "", files, api="/scene_ground")
        self.tally.expect(
            isinstance(answer, dict) and answer.get("label") == "table", "no table in the shared scan"
        )

    def shipped(self) -> None:
        """A question to a shipped scan, and the caption of what it found."""
        answer = self.ask("the chair", self.random.choice(SCANS), None, api="/scene_ground")
        self.tally.expect(isinstance(answer, dict), "no answer")
        if isinstance(answer, dict) and answer.get("object_id") is not None:
            said = self.ask(answer["object_id"], api="/scene_caption")
            right = isinstance(said, dict) and said.get("object_id") == answer["object_id"]
            self.tally.expect(right, "a caption of something else")

    def segment(self) -> None:
        """A frame of noise; a mask of the size of the pad."""
        found = self.ask(self._noise(), api="/colonoscopy_segment")
        self.tally.expect(isinstance(found, dict) and "mask" in found, "no mask")

    def draw(self) -> None:
        """Frames for the own mask; the zip must hold as many, and that mask."""
        count = self.random.randint(1, 3)
        facts, packed = self.ask(*self._order(count), api="/colonoscopy_draw")  # type: ignore[misc]
        self.tally.expect(len(facts) == count, "another number of frames")
        with zipfile.ZipFile(packed) as inside:
            masks = [name for name in inside.namelist() if name.startswith("masks/")]
            self.tally.expect(len(masks) == count, "another number of frames in the zip")
            found = np.asarray(Image.open(io.BytesIO(inside.read(masks[0]))).convert("L")) > 127
        own = np.asarray(self._mask()) > 127
        if found.shape != own.shape or (found & own).sum() < 0.9 * (found | own).sum():
            self.tally.add("leaked", "another's mask")
        Path(packed).unlink()

    def animate(self) -> None:
        """The portrait with the own number says a word; the film must carry that number."""
        portrait = self.folder / "portrait.png"
        numbered(Image.open(service.example()), self.number).save(portrait)
        spoken = ("Hi.", "en", "", "generated", False, True, 0, True)
        known, *files = self.ask(handle_file(str(portrait)), None, None, *spoken, api="/face_animate")  # type: ignore[misc]
        self.tally.expect(known["ai_generated"] is True, "no mark")
        paths = [Path(one["video"] if isinstance(one, dict) else one) for one in files if one]
        there, frame = cv2.VideoCapture(str(paths[0])).read()
        self.tally.expect(there, "no film")
        if there and number_of(frame) != self.number:
            self.tally.add("leaked", f"the portrait of {number_of(frame)} in the film of {self.number}")
        for path in paths:
            path.unlink(missing_ok=True)

    def drop(self) -> None:
        """An upload that breaks off, an order that nobody waits for."""

        def half() -> Iterator[bytes]:
            yield b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.ply"\r\n\r\n'
            yield bytes(200_000)
            raise ConnectionAbortedError

        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        with contextlib.suppress(httpx.HTTPError, ConnectionAbortedError):
            httpx.post(f"{self.address}gradio_api/upload", content=half(), headers=headers, timeout=60)
        order = {"data": ["the chair", SCANS[0], None]}
        httpx.post(f"{self.address}gradio_api/call/scene_ground", json=order, timeout=120)

    def leave(self) -> None:
        """Orders frames and goes before they are there."""
        assert self.client is not None
        self.client.submit(*self._order(3), api_name="/colonoscopy_draw")
        time.sleep(self.random.uniform(0, 5))
        self.leaving = True

    def _order(self, count: int) -> tuple[object, ...]:
        path = self.folder / f"{secrets.token_hex(4)}.png"
        self._mask().save(path)
        return handle_file(str(path)), count, 1, "arsdm", 2, "ddim", True

    def _mask(self) -> Image.Image:
        """An ellipse at a place of its own."""
        image, row, column = Image.new("L", (SIDE, SIDE)), self.number // 8, self.number % 8
        left, top = 20 + 18 * column, 20 + 18 * row
        ImageDraw.Draw(image).ellipse((left, top, left + 60, top + 50), fill=255)
        return image

    def _noise(self) -> object:
        noise = np.random.default_rng(self.random.randint(0, 99)).integers(0, 255, (SIDE, SIDE, 3), np.uint8)
        path = self.folder / f"{self.secret}.png"
        Image.fromarray(noise).save(path)
        return handle_file(str(path))


def numbered(portrait: Image.Image, number: int) -> Image.Image:
    """The picture with a number as black and white blocks along its upper edge, where no face is."""
    image = portrait.convert("RGB")
    width, height = image.width // BITS, image.height // 16
    for bit in range(BITS):
        box = (bit * width, 0, (bit + 1) * width - 1, height)
        ImageDraw.Draw(image).rectangle(box, fill=(255,) * 3 if number >> bit & 1 else (0,) * 3)
    return image


def number_of(frame: np.ndarray) -> int:
    """The number in the blocks of a film's frame (H, W, 3)."""
    width, height = frame.shape[1] // BITS, frame.shape[0] // 16
    parts = [
        frame[: height // 2, bit * width + width // 4 : (bit + 1) * width - width // 4] for bit in range(BITS)
    ]
    return sum(int(part.mean() > 127) << bit for bit, part in enumerate(parts))
