"""Files of every accepted format, damaged at random: a result or a UserError, in time and within memory.

python -m tests.abuse.fuzz --seconds 120 [--formats png,glb] [--seed 0] [--keep FOLDER]

Each format is tried in a process of its own, so that one that dies is told too. The last line is a JSON
object; what fell is kept, and the exit status is 1.
"""

import argparse
import io
import json
import multiprocessing
import resource
import sys
import tempfile
import time
import traceback
import wave
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image

from models.core.errors import UserError

DEADLINE = 20.0  # seconds that one file may take
MEMORY = 3 * 2**30  # bytes above what the readers take before the first file
INTERESTING = (0, 1, 0x7F, 0x80, 0xFF)
SIZES = (0, 1, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 10**6)

Reader = Callable[[Path], object]


def picture(kind: str) -> Callable[[], bytes]:
    def made() -> bytes:
        file = io.BytesIO()
        y, x = np.mgrid[:48, :64]
        mask = ((x - 30) ** 2 + (y - 22) ** 2 < 200).astype(np.uint8) * 255
        image = Image.fromarray(
            mask if kind in ("PNG", "TIFF", "BMP") else np.dstack([mask, mask, 255 - mask])
        )
        image.save(file, kind)
        return file.getvalue()

    return made


def ply(form: str) -> Callable[[], bytes]:
    def made() -> bytes:
        from tests.scene import scan_makers

        vertices, colours, faces, _ = scan_makers.room()
        return scan_makers.ply(vertices, colours, faces, form=form)

    return made


def splat() -> bytes:
    from tests.scene import test_scan_kinds as kinds

    count = len(kinds.VERTICES)
    return kinds.splat(kinds.COLOURS, np.full(count, 4.0), kinds.VERTICES, np.full(count, 0.02))


def heic() -> bytes:
    from tests.core.heic import heic

    return heic(np.dstack([np.tile(np.arange(64, dtype=np.uint8) * 3, (48, 1))] * 3))


def textured_zip() -> bytes:
    from tests.scene import scan_makers

    vertices, _, faces, _ = scan_makers.room()
    rows = [f"v {x} {y} {z}" for x, y, z in vertices] + ["vt 0 0", "vt 1 1"]
    rows += [f"f {a}/1 {b}/2 {c}/1" for a, b, c in faces + 1]
    return zipped({
        "a.obj": "\n".join(["mtllib a.mtl", "usemtl m", *rows]).encode(),
        "a.mtl": b"newmtl m\nKd 1 0 0\nmap_Kd t.png\n",
        "t.png": picture("PNG")(),
    })  # fmt: skip


def scannet_zip() -> bytes:
    from tests.scene import scan_makers

    with tempfile.TemporaryDirectory() as folder:
        return zipped({path.name: path.read_bytes() for path in scan_makers.scannet(Path(folder)).values()})


def zipped(entries: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:  # stored, so that damage reaches what is inside
        for name, data in entries.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return file.getvalue()


def glb() -> bytes:
    from tests.scene.test_scan_kinds import COLOURS, PICTURE, POSITION, UV, written_glb

    assert PICTURE is not None
    colours = np.concatenate([COLOURS, COLOURS[:, :1]], axis=1)
    arrays = {**POSITION, "COLOR_0": (colours, 5121, True), "TEXCOORD_0": (UV.astype("<f4"), 5126, False)}
    texture = {"index": 0, "extensions": {"KHR_texture_transform": {"scale": [2, 2]}}}
    with tempfile.TemporaryDirectory() as folder:
        path = written_glb(
            Path(folder), arrays, {"pbrMetallicRoughness": {"baseColorTexture": texture}}, picture=True
        )
        return path.read_bytes()


def wav() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setparams((2, 2, 16000, 0, "NONE", ""))
        sound.writeframes(np.random.default_rng(0).integers(-9000, 9000, 8000, np.int16).tobytes())
    return file.getvalue()


def mp4() -> bytes:
    from models.face.sources import film_writer

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.mp4"
        with film_writer.ClipWriter(path, (48, 64), 6) as writer:
            for shade in range(6):
                writer.write(np.full((48, 64, 3), 40 * shade, np.uint8))
        return path.read_bytes()


def read_scan(path: Path) -> object:
    from models.scene.data.scannet import load

    return load([path])


def read_picture(path: Path) -> object:
    from models.core import image_io

    return image_io.read_picture(path)


def read_mask(path: Path) -> object:
    from models.colonoscopy.data import masks

    return masks.read_cleaned(path)


def read_film(path: Path) -> object:
    from models.face.sources import film_io

    return next(film_io.read_clip(film_io.open_clip(path)))


def read_sound(path: Path) -> object:
    from models.face.sources import sound_io

    return sound_io.hear(path)


# Ending, a sound file, and who reads it.
FORMATS: dict[str, tuple[str, Callable[[], bytes], Reader]] = {
    "ply": (".ply", ply("binary_little_endian"), read_scan),
    "ply-ascii": (".ply", ply("ascii"), read_scan),
    "obj": (".zip", textured_zip, read_scan),
    "scannet": (".zip", scannet_zip, read_scan),
    "ply-splat": (".ply", splat, read_scan),
    "glb": (".glb", glb, read_scan),
    "png": (".png", picture("PNG"), read_picture),
    "jpeg": (".jpg", picture("JPEG"), read_picture),
    "gif": (".gif", picture("GIF"), read_picture),
    "webp": (".webp", picture("WEBP"), read_picture),
    "avif": (".avif", picture("AVIF"), read_picture),
    "heic": (".heic", heic, read_picture),
    "tiff": (".tif", picture("TIFF"), read_picture),
    "bmp": (".bmp", picture("BMP"), read_picture),
    "mask": (".png", picture("PNG"), read_mask),
    "mask-tiff": (".tif", picture("TIFF"), read_mask),
    "wav": (".wav", wav, read_sound),
    "mp4": (".mp4", mp4, read_film),
}


def mutants(data: bytes, seed: int) -> Iterator[bytes]:
    """Damaged copies of a file without end: bytes, sizes, cuts, doubled and swapped pieces; headers most."""
    rng = np.random.default_rng(seed)
    while True:
        changed = bytearray(data)
        for _ in range(int(rng.integers(1, 5))):
            size = max(1, len(changed))
            # Half of the damage is done where headers are.
            at = int(rng.integers(min(size, 400) if rng.random() < 0.5 else size))
            match int(rng.integers(7)):
                case 0:
                    changed[at : at + 1] = bytes([int(rng.integers(256))])
                case 1:
                    changed[at : at + 1] = bytes([INTERESTING[int(rng.integers(len(INTERESTING)))]])
                case 2:
                    width = (2, 4)[int(rng.integers(2))]
                    value = SIZES[int(rng.integers(len(SIZES)))] % 256**width
                    changed[at : at + width] = value.to_bytes(width, ("little", "big")[int(rng.integers(2))])
                case 3:
                    del changed[at:]
                case 4:
                    del changed[at : at + int(rng.integers(1, 64))]
                case 5:
                    piece = changed[at : at + int(rng.integers(1, 64))]
                    changed[at:at] = piece * int(rng.integers(1, 4))
                case _:
                    digits = [i for i, c in enumerate(changed[:2000]) if 48 <= c <= 57]
                    if digits:
                        changed[digits[int(rng.integers(len(digits)))]] = int(rng.integers(48, 58))
        yield bytes(changed)


def damaged(data: bytes, ending: str, seed: int) -> Iterator[bytes]:
    """Mutants of a file; of a zip most are sound zips in which one file is damaged."""
    if ending != ".zip":
        yield from mutants(data, seed)
        return
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    inside = {name: mutants(content, seed) for name, content in entries.items()}
    for number, whole in enumerate(mutants(data, seed)):
        name = list(entries)[number % len(entries)]
        yield whole if number % 4 == 3 else zipped({**entries, name: next(inside[name])})


def tried(name: str, seed: int, folder: Path, seconds: float = 1e9, most: int = 10**9) -> dict[str, int]:
    """Try mutants of a format for some seconds; counts of what came. What fell lies in `folder`."""
    ending, make, read = FORMATS[name]
    data = make()
    counts = {"tried": 0, "read": 0, "refused": 0, "fell": 0}
    whole = folder / f"{name}{ending}"
    whole.write_bytes(data)
    read(whole)  # also loads what the reader needs
    started = time.monotonic()
    for number, mutant in enumerate(damaged(data, ending, seed)):
        if number >= most or time.monotonic() - started > seconds:
            return counts
        path = folder / f"{name}-{seed}-{number}{ending}"
        path.write_bytes(mutant)
        fell, begun = "", time.monotonic()
        try:
            read(path)
            counts["read"] += 1
        except UserError:
            counts["refused"] += 1
        except Exception:  # what the fuzzer is there for
            fell = traceback.format_exc()
        if time.monotonic() - begun > DEADLINE:
            fell = fell or "too slow"
        counts["tried"] += 1
        if fell:
            counts["fell"] += 1
            path.with_suffix(".txt").write_text(fell)
            print(f"{path.name}: {fell.splitlines()[-1][:200]}", file=sys.stderr)
        else:
            path.unlink()
    return counts


def _in_a_process(name: str, seed: int, folder: Path, seconds: float, queue: "multiprocessing.Queue") -> None:
    limit = _taken() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    queue.put(tried(name, seed, folder, seconds))


def _taken() -> int:
    """Bytes of address space of this process."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def main() -> int:
    """Try all formats, print a table and JSON; 1 where something fell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="a format")
    parser.add_argument("--formats", default=",".join(FORMATS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="the folder for what fell")
    options = parser.parse_args()
    folder = options.keep or Path(tempfile.mkdtemp(prefix="fuzz-"))
    folder.mkdir(parents=True, exist_ok=True)
    rows: dict[str, dict[str, int]] = {}
    print("| format | tried | read | refused | fell |\n|---|---:|---:|---:|---:|")
    for name in options.formats.split(","):
        queue: multiprocessing.Queue = multiprocessing.Queue()
        child = multiprocessing.Process(
            target=_in_a_process, args=(name, options.seed, folder, options.seconds, queue)
        )
        child.start()
        with suppress(Exception):
            rows[name] = queue.get(timeout=options.seconds + 10 * DEADLINE)
        if name not in rows:  # it died or hangs: the file that it read last is still there
            rows[name] = {"tried": 0, "read": 0, "refused": 0, "fell": 1}
            child.kill()
        child.join()
        print("| " + " | ".join(map(str, (name, *rows[name].values()))) + " |", flush=True)
    print(json.dumps({"seed": options.seed, "seconds": options.seconds, "formats": rows}))
    return int(any(row["fell"] for row in rows.values()))


if __name__ == "__main__":
    sys.exit(main())
