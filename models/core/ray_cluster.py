"""A Ray cluster is joined and left: looked for, entered with its token, asked for the machines it has.

Who reaches Ray's ports runs code there, so a token is asked for unless RAY_AUTH_MODE says otherwise.
"""

import logging
import os
import secrets
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from models.core.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
LOCAL = "local"
# Seconds until nothing is there, until what is there doesn't answer as a Ray, until it has let us go.
KNOCK, JOIN, FAREWELL = 0.8, 45.0, 5.0
CPUS = 4  # of a worker where no GPU is; more make a network on a CPU hardly faster
MOST_SOCKET = 40  # characters of a folder in which Ray's sockets, with their own names, can lie
# Ray ends the process whose head doesn't answer for a minute. The page lives and tells.
WAIT_FOR_HEAD = "RAY_gcs_rpc_server_reconnect_timeout_s"

_folders: list[Path] = []  # of a Ray of our own, which goes with us


@dataclass(frozen=True)
class Share:
    """What each worker of a machine gets. node: Ray's id. address: of the machine."""

    node: str
    address: str
    workers: int
    cpus: int
    gpus: int


def join(address: str) -> None:
    """Join the cluster whose head is at HOST:PORT, or start one on this machine for "local".

    Raises UserError: ray_package, ray_address, ray_missing, ray_token, ray_silent, ray_refused.
    """
    if find_spec("ray") is None:
        raise UserError("ray_package")
    if address != LOCAL:
        _knock(address)
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    os.environ.setdefault(WAIT_FOR_HEAD, str(10**7))
    os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"  # else what is asked after the end starts another Ray
    if address != LOCAL:
        _hide_token()
        _within(JOIN, address, {"address": address})
        return
    folder = _own_folder()
    _write_token(folder / "token")
    known = (str(ROOT), os.environ.get("PYTHONPATH"))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, known))  # where its workers find us
    # On this thread: a Ray of our own ends with the thread that started it.
    _init({"address": LOCAL, "_temp_dir": str(folder), "include_dashboard": False})


def leave() -> None:
    """Leave the cluster; one of our own ends."""
    import ray

    leaving = threading.Thread(target=ray.shutdown, daemon=True)
    leaving.start()
    leaving.join(FAREWELL)  # it waits for a head that is away
    while _folders:
        shutil.rmtree(_folders.pop(), ignore_errors=True)


def shares(wanted: str) -> list[Share]:
    """The machines that are there: a worker for each GPU; where there is none, for each CPUS processors.

    wanted: the device that is asked for, see `device.choose`.
    """
    import ray

    nodes = [node for node in ray.nodes() if node["Alive"]]
    gpus = {node["NodeID"]: int(node["Resources"].get("GPU", 0)) for node in nodes}
    by_gpu = wanted in ("auto", "cuda") and any(gpus.values())
    found = []
    for node in nodes:
        cpus = int(node["Resources"].get("CPU", 0))
        workers = gpus[node["NodeID"]] if by_gpu else -(-cpus // CPUS)
        if workers:
            share = Share(node["NodeID"], node["NodeManagerAddress"], workers, cpus // workers, int(by_gpu))
            found.append(share)
    return found


def _knock(address: str) -> None:
    """Ray itself would wait for minutes where nobody is."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise UserError("ray_address", address=address)
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK).close()
    except OSError as error:
        raise UserError("ray_missing", address=address) from error


def _within(seconds: float, address: str, more: dict[str, Any]) -> None:
    """`ray.init` on a thread, since it waits without an end for what answers, but not as a Ray does."""
    failed: list[UserError] = []

    def work() -> None:
        try:
            _init(more)
        except UserError as error:
            failed.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise UserError("ray_silent", address=address, seconds=round(seconds))
    if failed:
        raise failed[0]


def _init(more: dict[str, Any]) -> None:
    """Raises UserError: ray_token, ray_refused."""
    import ray

    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **more)
    except Exception as error:
        said = list(_told(error))
        key = "ray_token" if any("oken" in one for one in said) else "ray_refused"
        raise UserError(key, address=more["address"], reason=said[-1][:200]) from error


def _told(error: BaseException | None) -> Iterator[str]:
    """The first lines of an error and of those that it came from."""
    while error is not None:
        yield str(error).partition("\n")[0]
        yield from (line for line in str(error).splitlines() if "AuthToken" in line)
        error = error.__cause__ or error.__context__


def _own_folder() -> Path:
    """Where a Ray of our own keeps what it writes, spilled uploads too; short enough for its sockets."""
    place = Path(tempfile.gettempdir())
    folder = Path(tempfile.mkdtemp(prefix="r", dir=place if len(str(place)) < MOST_SOCKET - 9 else "/tmp"))  # noqa: S108
    _folders.append(folder)
    return folder


def _write_token(file: Path) -> None:
    """A token of this start alone, which only its user can read."""
    if "RAY_AUTH_TOKEN" not in os.environ and "RAY_AUTH_TOKEN_PATH" not in os.environ:
        file.touch(mode=0o600)
        file.write_text(secrets.token_hex(32))
        os.environ["RAY_AUTH_TOKEN_PATH"] = str(file)


def _hide_token() -> None:
    """Nobody else on this machine reads the token, which Ray writes for all to read."""
    file = Path(os.environ.get("RAY_AUTH_TOKEN_PATH", Path.home() / ".ray" / "auth_token"))
    if file.is_file() and file.stat().st_uid == os.getuid():
        file.chmod(0o600)
