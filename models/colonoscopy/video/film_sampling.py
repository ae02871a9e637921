"""Masks become films: NAME.mp4, NAME_masks/NNNN.png and NAME.json for each, and films.json of a folder's.

A run that was stopped goes on where it was: NAME.json is written last and tells what the film was made from.
`accelerate launch -m models.colonoscopy film ...` shares the work among processes, `--ray` among the workers
of a cluster, `--shard` among runs that somebody else starts.
"""

import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import PartialState
from natsort import natsorted

from models.colonoscopy import pipeline
from models.colonoscopy.data.exports import mask_png
from models.colonoscopy.data.film_exports import FilmRecord, FilmVideo
from models.colonoscopy.data.images import fitted, read_frame
from models.colonoscopy.data.masks import read_drawn
from models.colonoscopy.synthesis.frames_folder import locked, write_list
from models.colonoscopy.synthesis.sampling import Job, shard
from models.colonoscopy.video.base import FilmOrder, check
from models.colonoscopy.video.registry import FILMS
from models.core import device
from models.core.errors import UserError
from models.core.executors import Executor, InProcessExecutor
from models.core.progress import Progress
from models.core.spread import spread

TOLD = 10  # frames between two lines on how far a film is


@dataclass(frozen=True)
class FilmRequest:
    """What all films of a run have in common. order: its mask, last mask and frame are those of the files.

    last: the file of the last outline. frame: of the first frame. outlines: are drawn into the films.
    """

    order: FilmOrder
    model: str
    judge: str = pipeline.JUDGE
    last: Path | None = None
    frame: Path | None = None
    outlines: bool = False


@dataclass(frozen=True)
class EncodedFilm:
    """A film that was made, elsewhere maybe. masks: PNG, none of a method that knows no mask."""

    video: bytes
    masks: tuple[bytes, ...]
    facts: dict[str, Any]


def film_folder(
    wanted: Sequence[Job], request: FilmRequest, out: Path, executor: Executor | None = None, part: str = ""
) -> list[dict[str, object]]:
    """Make the films that are not there yet, and list all that are in out/films.json.

    executor: who makes them; this process alone writes. part: as in `shard`. Raises UserError: shard_wrong,
    folder_in_use, and as `film_one` does.
    """
    executor = executor or InProcessExecutor()
    wanted = shard(wanted, part) if part else wanted
    executor.submit(check_order, request.order, request.model)  # before a folder is made
    state = PartialState(cpu=device.best() == "cpu")
    out.mkdir(parents=True, exist_ok=True)
    # The processes of one run have the folder to themselves; the first holds the lock for all.
    lock = locked(out, part.replace("/", "-of-")) if state.is_main_process else nullcontext()
    with lock, state.split_between_processes(list(wanted)) as mine:
        missing = [job for job in mine if not _done(out / f"{job.name}.mp4", job, request)]
        made = spread(executor, missing, lambda job: (encode, *_asked(request, job)))
        try:
            for number, (job, film) in enumerate(made, 1):
                _write(out / f"{job.name}.mp4", film)
                print(f"{number} of {len(missing)}: {job.name}", file=sys.stderr, flush=True)
            state.wait_for_everyone()
        finally:  # a run that is stopped lists what it has done
            found = write_list(out, "films", lambda: _listed(out)) if state.is_main_process else _listed(out)
    return found


def film_one(job: Job, request: FilmRequest, out: Path, executor: Executor | None = None) -> dict[str, Any]:
    """One film, written to a file that ends in .mp4; its facts.

    Raises as `read_drawn`, `read_frame` and `pipeline.film` do.
    """
    executor = executor or InProcessExecutor()
    executor.submit(check_order, request.order, request.model)
    film: EncodedFilm = executor.submit(encode, *_asked(request, job))
    out.parent.mkdir(parents=True, exist_ok=True)
    _write(out, film)
    return film.facts


def check_order(order: FilmOrder, model: str) -> None:
    """Raises what stands in the way of an order, as `check` and loading do."""
    generator = FILMS.loaded(model)
    check(order, generator.looks if generator.knows_mask else (order.look,))


def encode(
    order: FilmOrder, model: str, judge: str, outlines: bool, shape: tuple[int, int], name: str
) -> EncodedFilm:
    """The film of an order. shape: (height, width) of its mask. name: what is told of it is called so."""
    record = FilmRecord(order, model, FILMS.weights(model), judge, shape)
    masks: list[bytes] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        with FilmVideo(path, record, outlines) as video:
            for step in pipeline.film(order, model, judge):
                if isinstance(step, Progress):
                    continue
                record.add(step)
                video.add(step)
                if step.mask is not None:
                    masks.append(mask_png(record.own(step.mask)))
                if record.frames % TOLD == 0:
                    print(f"{name}: frame {record.frames} of {order.count}", file=sys.stderr, flush=True)
        facts = {**record.facts(), "outlines": outlines, "inputs": fingerprint(order)}
        return EncodedFilm(path.read_bytes(), tuple(masks), facts)


def _asked(request: FilmRequest, job: Job) -> tuple[FilmOrder, str, str, bool, tuple[int, int], str]:
    """What `encode` is asked for a job: masks lie over the frame where there is one."""
    frame = read_frame(request.frame) if request.frame else None
    mask = read_drawn(job.mask)
    last = read_drawn(request.last) if request.last else None
    height, width = mask.shape if frame is None else frame.shape[:2]
    mask = fitted(mask, height, width)
    last = None if last is None else fitted(last, height, width)
    order = replace(request.order, mask=mask, mask_last=last, frame=frame, seed=job.seed)
    return order, request.model, request.judge, request.outlines, (height, width), job.name


def fingerprint(order: FilmOrder) -> str:
    """12 hex digits of the pictures that a film is made from."""
    sha = hashlib.sha256()
    for pixels in (order.mask, order.mask_last, order.frame):
        if pixels is not None:
            sha.update(repr(pixels.shape).encode() + np.ascontiguousarray(pixels).tobytes())
        sha.update(b"|")
    return sha.hexdigest()[:12]


def _write(video: Path, film: EncodedFilm) -> None:
    """The files of a film; its facts come last, so that a film without them is known to be half there."""
    facts, masks = video.with_suffix(".json"), video.with_name(f"{video.stem}_masks")
    facts.unlink(missing_ok=True)
    shutil.rmtree(masks, ignore_errors=True)
    if film.masks:
        masks.mkdir()
    for index, mask in enumerate(film.masks):
        (masks / f"{index:04d}.png").write_bytes(mask)
    video.write_bytes(film.video)
    partial = facts.with_suffix(".part")
    partial.write_text(json.dumps(film.facts, indent=1), encoding="utf-8")
    partial.replace(facts)


def _done(video: Path, job: Job, request: FilmRequest) -> bool:
    """Whether a job's film is there, made by this very model from these very pictures."""
    known = _facts(video.with_suffix(".json"))
    if known is None or not video.is_file():
        return False
    order = _asked(request, job)[0]
    wanted = {name: getattr(order, name) for name in ("seed", "steps", "move", "look", "seconds")}
    wanted["painted"] = order.frame is not None and order.painted
    wanted |= {"model": request.model, "judge": request.judge, "weights": FILMS.weights(request.model)}
    wanted |= {"outlines": request.outlines, "inputs": fingerprint(order)}
    return all(known.get(name) == value for name, value in wanted.items())


def _facts(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("kind") == "film" else None


def _listed(folder: Path) -> list[dict[str, object]]:
    """The facts of all films of a folder."""
    found = [(path, _facts(path)) for path in natsorted(folder.glob("*.json"))]
    return [{"file": f"{path.stem}.mp4", **known} for path, known in found if known is not None]


def one_job(mask: Path, seed: int, name: str) -> Job:
    """The job of a single film. Raises UserError("seed_range")."""
    if not 0 <= seed <= pipeline.MAX_SEED:
        raise UserError("seed_range", limit=pipeline.MAX_SEED)
    return Job(mask, name, seed)


def summary(films: Sequence[Mapping[str, Any]], out: Path) -> dict[str, Any]:
    """What a run tells last of its films. mean_dice: of the films that know their masks, else None."""
    known = [film["mean_dice"] for film in films if film["mean_dice"] is not None]
    mean = round(float(np.mean(known)), 4) if known else None
    frames = sum(film["frames"] for film in films)
    return {"films": len(films), "frames": frames, "mean_dice": mean, "out": str(out)}
