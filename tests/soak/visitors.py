"""What a visitor of the soak does: a client of the API, or a browser that a person sits at.

Each has a secret: the scans and portraits that it uploads carry it, and it must come back to nobody else.
"""

import contextlib
import io
import json
import random
import re
import secrets
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image, ImageDraw

from tests.scene import scan_makers

SECRETS: set[str] = set()  # of all visitors
SCANS: list[str] = []  # the shipped ones
JOB_SECONDS = 600.0  # after which a job is taken for lost


@dataclass
class Tally:
    """What happened so far, of all visitors together."""

    jobs: int = 0
    refused: int = 0  # told in a sentence that names a way out
    lost: int = 0  # neither answered nor told
    wrong: int = 0  # answered with something else than was asked for
    leaked: int = 0  # another visitor's secret was seen
    slowest_page: float = 0.0
    faults: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, what: str, note: str = "") -> None:
        """Count one more."""
        with self.lock:
            setattr(self, what, getattr(self, what) + 1)
            if note and len(self.faults) < 50:
                self.faults.append(f"{what}: {note[:200]}")


class ApiClient:
    """A script: its jobs one after another, at random, until it is told to stop."""

    def __init__(self, address: str, folder: Path, tally: Tally, seed: int) -> None:
        self.address, self.tally = address, tally
        self.random, self.secret = random.Random(seed), f"s{secrets.token_hex(8)}"
        self.folder = folder / self.secret
        self.folder.mkdir()
        self.shared = folder / "shared"
        self.client: Client | None = None

    def live(self, over: threading.Event) -> None:
        """Come, do a few things, leave in the middle or properly, come again."""
        while not over.is_set():
            try:
                self.client = Client(self.address, verbose=False, httpx_kwargs={"timeout": 120})
            except Exception as error:  # the machine is busy: come again
                self.tally.add("refused", f"no connection: {type(error).__name__}")
                over.wait(2)
                continue
            for _ in range(self.random.randint(1, 6)):
                if over.is_set():
                    break
                self._one()
            self.client.close()
            over.wait(self.random.uniform(0, 2))

    def _one(self) -> None:
        ways = (self.own_scan, self.shared_scan, self.shipped, self.segment, self.draw, self.animate)
        way = self.random.choice((*ways, self.drop))
        self.tally.add("jobs")
        try:
            way()
        except AppError as error:
            told = str(error)
            if "reference" in told or "None" in told:
                self.tally.add("wrong", f"{way.__name__}: {told}")
            else:
                self.tally.add("refused")
        except Exception as error:
            self.tally.add("lost", f"{way.__name__}: {type(error).__name__}: {error}")

    def ask(self, *values: object, api: str) -> object:
        """A call's answer within JOB_SECONDS; nobody else's secret may be in it."""
        assert self.client is not None
        answer = self.client.submit(*values, api_name=api).result(timeout=JOB_SECONDS)
        self._look(json.dumps(answer, default=str))
        return answer

    def _look(self, text: str) -> None:
        if SECRETS & (set(re.findall(r"s[0-9a-f]{16}", text)) - {self.secret}):
            self.tally.add("leaked", text)

    def _expect(self, right: bool, what: str) -> None:
        if not right:
            self.tally.add("wrong", what)

    def own_scan(self) -> None:
        """A scan whose table is called by the secret; the answer must be that table."""
        files = scan_makers.scannet(self.folder, self.secret, labels=("floor", self.secret, "chair"))
        opened = self.ask("", [handle_file(str(path)) for path in files.values()], api="/scene_open")
        self._expect(self.secret in json.dumps(opened), "its own scan has other objects")
        time.sleep(self.random.random())
        self._expect(self.secret in json.dumps(self.ask(6, api="/scene_pick")), "another's object was picked")

    def shared_scan(self) -> None:
        """The file that everybody uploads."""
        files = [handle_file(str(path)) for path in sorted(self.shared.iterdir())]
        answer = self.ask("the chair", "", files, api="/scene_ground")
        self._expect(
            isinstance(answer, dict) and answer.get("label") == "chair", "no chair in the shared scan"
        )

    def shipped(self) -> None:
        """A question to a shipped scan, and its captions."""
        answer = self.ask("the chair", self.random.choice(SCANS), None, api="/scene_ground")
        self._expect(isinstance(answer, dict), "no answer")

    def segment(self) -> None:
        """A frame with a bright patch."""
        self.ask(self._picture(), api="/colonoscopy_segment")

    def draw(self) -> None:
        """Frames for a mask; the zip must hold as many."""
        count = self.random.randint(1, 3)
        image = Image.new("L", (256, 256))
        ImageDraw.Draw(image).ellipse((60, 60, 160, 150), fill=255)
        path = self.folder / f"{secrets.token_hex(4)}.png"
        image.save(path)
        facts, packed = self.ask(
            handle_file(str(path)), count, 1, "arsdm", 2, "ddim", True, api="/colonoscopy_draw"
        )
        self._expect(len(facts) == count, "another number of frames")
        with zipfile.ZipFile(packed) as inside:
            found = [name for name in inside.namelist() if name.startswith("images/")]
            self._expect(len(found) == count, "another number of frames in the zip")
        Path(packed).unlink()

    def animate(self) -> None:
        """A portrait says a word."""
        spoken = ("Hi.", "en", "", "generated", False, True, 0, True)
        known, *files = self.ask(self._picture(), None, None, *spoken, api="/face_animate")
        self._expect(known["ai_generated"] is True, "no mark")
        for file in files:
            if file:
                Path(file["video"] if isinstance(file, dict) else file).unlink(missing_ok=True)

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

    def _picture(self) -> object:
        noise = np.random.default_rng(self.random.randint(0, 99)).integers(0, 255, (256, 256, 3), np.uint8)
        path, data = self.folder / f"{self.secret}.png", io.BytesIO()
        Image.fromarray(noise).save(data, "PNG")
        path.write_bytes(data.getvalue())
        return handle_file(str(path))
