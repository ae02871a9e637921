"""What every file that a person brings must pass before a parser sees it.

The checks that know nothing of scans, clips or images: size, kind by magic
bytes, JSON, zip. They stand here and not beside the page because the command
line opens the same files. Every refusal is a UserError.
"""

import json
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path, PurePosixPath
from typing import Any

from models.core.errors import UserError

MEGABYTE = 2**20
MAX_FILE = 200 * MEGABYTE
MAX_JSON = 32 * MEGABYTE
MAX_ENTRIES = 1000
MAX_UNPACKED = 400 * MEGABYTE
MAX_TEXT_ENTRY = 16 * MEGABYTE
MAX_RATIO = 100

_MAGIC = {
    b"ply\n": "ply",
    b"ply\r": "ply",
    b"glTF": "glb",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
    b"\x1f\x8b": "gz",
}
_END_OF_ZIP = struct.Struct("<4s4H2LH")


def check_file(path: Path, limit: int = MAX_FILE) -> int:
    """The size in bytes of a regular, non-empty file of at most `limit` bytes.

    Raises UserError: file_missing, file_empty, file_too_big.
    """
    try:
        facts = path.stat()
    except (OSError, ValueError):
        raise UserError("file_missing", name=path.name) from None
    if not stat.S_ISREG(facts.st_mode):
        raise UserError("file_missing", name=path.name)
    if facts.st_size == 0:
        raise UserError("file_empty", name=path.name)
    if facts.st_size > limit:
        raise UserError("file_too_big", name=path.name, size=megabytes(facts.st_size), limit=megabytes(limit))
    return facts.st_size


def megabytes(size: int) -> str:
    """A size for a sentence: "0.3", "200"."""
    return f"{size / MEGABYTE:.1f}" if size < 10 * MEGABYTE else f"{size / MEGABYTE:.0f}"


def kind(path: Path) -> str:
    """What a file is by its first bytes: ply, glb, zip, gz, text or other. The name has no say."""
    with path.open("rb") as file:
        head = file.read(4096)
    for magic, name in _MAGIC.items():
        if head.startswith(magic):
            return name
    return "other" if b"\0" in head else "text"


def read_json(path: Path, limit: int = MAX_JSON) -> Any:
    """The value of a JSON file. Raises UserError: json_broken, and those of check_file."""
    check_file(path, limit)
    return parse_json(path.read_bytes(), path.name)


def parse_json(data: bytes, name: str) -> Any:
    """The value of JSON bytes. Raises UserError("json_broken"), also for nesting without end."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise UserError("json_broken", name=name) from None


def safe_name(name: str) -> str:
    """A file name in plain letters, digits, dots, dashes: never hidden, never an option, at most 100 long."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", name)[-100:].lstrip(".-")
    return plain or "file"


def unpack(path: Path, folder: Path, suffixes: Collection[str]) -> tuple[list[Path], list[str]]:
    """Extract the entries of a zip that end in one of `suffixes`: where they lie, and names of the others.

    folder: an empty private directory. The names in it are made here: one numbered
        folder for each folder of the archive, and base names of plain letters.
    Raises UserError, before anything is written where the directory of the zip
    tells: zip_broken, zip_locked, zip_path (absolute or ..), zip_link, zip_nested,
    zip_bomb, zip_many, zip_empty.
    """
    check_file(path)
    _check_directory(path)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            for entry in entries:
                _check_entry(entry, path.name)
            if sum(entry.file_size for entry in entries) > MAX_UNPACKED:
                raise UserError("zip_bomb", name=path.name, limit=megabytes(MAX_UNPACKED))
            meant = [entry for entry in entries if not _is_hidden(entry.filename)]
            wanted = [entry for entry in meant if _suffix(entry.filename) in suffixes]
            if not wanted:
                raise UserError("zip_empty", name=path.name)
            others = [entry.filename for entry in meant if entry not in wanted]
            return _extract(archive, wanted, folder, path.name), [_inside(name).name for name in others]
    except (
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        EOFError,
        NotImplementedError,
        zlib.error,
        OSError,
        ValueError,
    ):
        raise UserError("zip_broken", name=path.name) from None


def _check_directory(path: Path) -> None:
    """Bound the zip's table of contents before zipfile reads it whole; zip64 isn't needed below MAX_FILE."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 2**16 - 2 * _END_OF_ZIP.size))
        tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END_OF_ZIP.size or b"PK\x06\x07" in tail[max(0, at - 20) : at]:
        raise UserError("zip_broken", name=path.name)
    _, _, _, _, count, table_size, _, _ = _END_OF_ZIP.unpack_from(tail, at)
    if count > MAX_ENTRIES or table_size > MAX_ENTRIES * 512:
        raise UserError("zip_many", name=path.name, count=count, limit=MAX_ENTRIES)


def _check_entry(entry: zipfile.ZipInfo, name: str) -> None:
    # orig_filename is what the archive says; zipfile cuts filename at a NUL.
    said = entry.orig_filename.replace("\\", "/")
    if "\0" in said or said.startswith("/") or re.match(r"[A-Za-z]:", said) or ".." in said.split("/"):
        raise UserError("zip_path", name=name)
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise UserError("zip_link", name=name)
    if entry.flag_bits & 0x1:
        raise UserError("zip_locked", name=name)
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UserError("zip_broken", name=name)
    if said.lower().endswith(".zip"):
        raise UserError("zip_nested", name=name)
    # Masks of 0 and 1 shrink a thousandfold and are honest, so text has a size of its own instead of a ratio.
    is_text = said.lower().endswith(".txt")
    swells = entry.file_size > MAX_RATIO * max(entry.compress_size, 1) and entry.file_size > MEGABYTE
    if entry.file_size > MAX_TEXT_ENTRY if is_text else swells:
        raise UserError("zip_bomb", name=name, limit=megabytes(MAX_UNPACKED))


def _inside(name: str) -> PurePosixPath:
    return PurePosixPath(name.replace("\\", "/"))


def _suffix(name: str) -> str:
    return _inside(name).suffix.lower()


def _is_hidden(name: str) -> bool:
    """Whether a system put the entry into the zip, and no person."""
    return "__MACOSX" in _inside(name).parts or _inside(name).name.startswith(".")


def _extract(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo], folder: Path, name: str) -> list[Path]:
    places: dict[PurePosixPath, Path] = {}
    written: list[Path] = []
    for entry in entries:
        inside = _inside(entry.filename)
        place = places.setdefault(inside.parent, folder / f"{len(places):03d}")
        place.mkdir(exist_ok=True)
        target = place / safe_name(inside.name)
        if target.exists():
            target = place / f"{len(written):03d}_{target.name}"
        with archive.open(entry) as source, target.open("xb") as sink:
            left = entry.file_size
            while piece := source.read(MEGABYTE):
                left -= len(piece)
                if left < 0:
                    raise UserError("zip_broken", name=name)
                sink.write(piece)
        if kind(target) == "zip":
            raise UserError("zip_nested", name=name)
        written.append(target)
    return written
