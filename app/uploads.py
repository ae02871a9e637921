"""Uploads: each lies alone under a name that nobody can guess, and is claimed by one request, once.

Gradio names an upload by its content, so that visitors with the same file share one; it passes every path
that it serves on to whoever asks for it; and it leaves behind what a broken connection had brought. Here
`receive` takes the place of its function, and `claim` gives a request what was uploaded, and nothing else.
"""

import asyncio
import errno
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path
from typing import Any

from fastapi import HTTPException
from gradio import routes
from gradio.route_utils import FileUploadProgress, GradioMultiPartParser, GradioUploadFile, MultiPartException
from gradio_client.utils import strip_invalid_filename_characters
from python_multipart.multipart import parse_options_header
from starlette.requests import ClientDisconnect, Request

from app import i18n, process_folder
from models.core.errors import UserError
from models.core.upload_validation import MEGABYTE

MAX_REQUEST = 300 * MEGABYTE  # bytes of one request, all its files together
MAX_FILES = 16  # of one request; a ScanNet scene has four
SPARE = 16 * MEGABYTE  # bytes that uploads leave free on the disk
SILENCE = 30.0  # seconds without a byte after which an upload is given up
HELD = 1800.0  # seconds after which one that a request claimed is: longer than any request
UNREAD = 100.0  # seconds after which an upload that no request claimed is deleted
# The same while somebody is here, whose request may still be on its way: a scan of five files by a script
# comes in five requests, which took longer than UNREAD on a machine with much else to do.
WAITING = 600.0
FULL = (errno.ENOSPC, errno.EDQUOT)

_lock = threading.Lock()
_unread: dict[str, float] = {}  # path of each upload that no request claimed yet -> when it was complete


def install() -> None:
    """Let Gradio's upload route take files by `receive`."""
    routes.upload_fn = receive


def folders() -> tuple[Path, ...]:
    """Where uploads lie before and while they are read."""
    return process_folder.served(), process_folder.held()


async def receive(
    request: Request,
    upload_dir: str,
    max_file_size: float,
    upload_id: str | None,
    force_move: bool = True,
    upload_progress: FileUploadProgress | None = None,
) -> tuple[list[str], list[str], list[str]]:
    """Store the files of a multipart request; their paths, and nothing to be moved (Gradio's contract).

    Nothing stays of a request that breaks, is too large, or whose file has no name.
    Raises MultiPartException or HTTPException, which Gradio's route answers with.
    """
    if parse_options_header(request.headers.get("Content-Type", ""))[0] != b"multipart/form-data":
        raise HTTPException(400, "Invalid content type.")
    wanted = int(request.headers.get("Content-Length") or max_file_size)
    if shutil.disk_usage(upload_dir).free < wanted + SPARE:
        raise HTTPException(507, i18n.say(i18n.language(request), "errors.disk_full"))
    if upload_id and upload_progress:
        upload_progress.track(upload_id)
    folder = Path(tempfile.mkdtemp(prefix=secrets.token_urlsafe(24), dir=upload_dir))
    parser = GradioMultiPartParser(
        request.headers,
        _bounded(request),
        max_files=MAX_FILES,
        max_fields=MAX_FILES,
        upload_dir=folder,
        max_file_size=max_file_size,
        upload_id=upload_id,
        upload_progress=upload_progress,
    )
    try:
        form = await parser.parse()
        paths = [
            str(_named(request, folder, number, file)) for number, file in enumerate(form.getlist("files"))
        ]
    except BaseException as error:
        if upload_id and upload_progress:
            upload_progress.set_done(upload_id)
        shutil.rmtree(folder, ignore_errors=True)
        raise _told(request, error) from None
    with _lock:
        _unread.update(dict.fromkeys(paths, time.monotonic()))
    return paths, [], []


def claim(path: str) -> Path:
    """The upload of that path, moved to where only the request that claims it knows it.

    Raises UserError("upload_unknown") where it is none, or was claimed before.
    """
    with _lock:
        if _unread.pop(path, None) is None:
            raise UserError("upload_unknown")
    file = Path(path)
    place = Path(tempfile.mkdtemp(dir=process_folder.held()))
    try:
        mine = file.rename(place / file.name)
    except OSError:  # swept in this moment
        place.rmdir()
        raise UserError("upload_unknown") from None
    _remove_empty(file.parent, file.parent.parent)
    return mine


def drop(file: Path) -> None:
    """Delete a file that was claimed, and the folder that it lay in."""
    file.unlink(missing_ok=True)
    if file.parent.parent == process_folder.held():
        _remove_empty(file.parent)


def sweep(patience: float | None = None) -> None:
    """Delete the uploads that no request has claimed for `patience` seconds, UNREAD where none are given."""
    patience = UNREAD if patience is None else patience
    now = time.monotonic()
    with _lock:
        old = [path for path, since in _unread.items() if now - since > patience]
        for path in old:
            del _unread[path]
    for file in map(Path, old):
        file.unlink(missing_ok=True)
        _remove_empty(file.parent, file.parent.parent)
    for place in process_folder.held().iterdir():
        with suppress(OSError):
            if time.time() - place.stat().st_mtime > HELD:
                shutil.rmtree(place, ignore_errors=True)


def _named(request: Request, folder: Path, number: int, file: Any) -> Path:
    """Where a stored file lies under the name it was sent with."""
    if not isinstance(file, GradioUploadFile) or not file.filename:
        raise HTTPException(400, i18n.say(i18n.language(request), "errors.upload_nameless"))
    name = strip_invalid_filename_characters(Path(file.filename).name)
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise HTTPException(400, i18n.say(i18n.language(request), "errors.upload_nameless"))
    file.file.close()
    place = folder / str(number)
    place.mkdir()
    return Path(str(file.file.name)).rename(place / name)


async def _bounded(request: Request) -> AsyncGenerator[bytes, None]:
    """The request's body as it arrives, given up when it is too large or nothing comes any more."""
    size, body = 0, request.stream().__aiter__()
    while True:
        try:
            piece = await asyncio.wait_for(body.__anext__(), SILENCE)
        except StopAsyncIteration:
            return
        size += len(piece)
        if size > MAX_REQUEST:
            raise MultiPartException(f"Request exceeded maximum allowed size of {MAX_REQUEST} bytes.")
        yield piece


def _told(request: Request, error: BaseException) -> BaseException:
    """The error that Gradio's route answers with."""
    if isinstance(error, OSError) and error.errno in FULL:
        return HTTPException(507, i18n.say(i18n.language(request), "errors.disk_full"))
    if isinstance(error, TimeoutError | ClientDisconnect):  # no fault of ours, nothing to be logged
        return HTTPException(408, i18n.say(i18n.language(request), "errors.upload_broken"))
    if isinstance(error, MultiPartException | HTTPException) or not isinstance(error, Exception):
        return error
    return MultiPartException(i18n.say(i18n.language(request), "errors.upload_broken"))


def _remove_empty(*places: Path) -> None:
    """Remove folders as far as nothing is left in them."""
    for place in places:
        try:
            place.rmdir()
        except OSError:  # another file of the same request waits in it
            return
