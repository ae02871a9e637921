"""The face lab's command line: python -m models.face COMMAND. The same pipeline as the page."""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from models.core import device
from models.core.checkpoints import FOLDER
from models.core.cli import add_ray, executor_at, run
from models.core.methods import show
from models.core.progress import Progress
from models.face import FPS, STAGES
from models.face.methods import METHODS
from models.face.sources import face_model
from models.face.types import ARTICULATION

WITHOUT = ("grid_others", "vidtimit", "lipreading_course")
TRAININGS = ("motion", "generator", "sync", "voice")
EVALUATIONS = ("sync", "image", "speed", "voices")


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    top = argparse.ArgumentParser(prog="python -m models.face", description=__doc__)
    top.add_argument("--device", default="auto", choices=device.CHOICES)
    top.add_argument("--face-model", type=Path, help="a face_landmarker.task of your own")
    commands = top.add_subparsers(dest="command", required=True)

    animate = commands.add_parser("animate", help="a face says what is heard or written")
    face = animate.add_mutually_exclusive_group(required=True)
    face.add_argument("--portrait", type=Path, help="a picture of one face")
    face.add_argument("--video", type=Path, help="a video of one face, whose head motion is kept")
    speech = animate.add_mutually_exclusive_group(required=True)
    speech.add_argument("--audio", type=Path, help="speech, in any format that ffmpeg reads")
    speech.add_argument("--text", default="", help="a sentence to be spoken")
    animate.add_argument("--lang", default="en", help="of the text; `languages` lists them")
    animate.add_argument("--voice", default="", help="of the text; one that fits the face if left out")
    animate.add_argument("--stage", default="generated", choices=STAGES, help="what the film shows")
    animate.add_argument(
        "--panels", action="store_true", help="the three stages side by side, OUT_stages.mp4"
    )
    animate.add_argument(
        "--unmarked", action="store_true", help="no word in the picture; the metadata still tells"
    )
    animate.add_argument("--seed", type=int, default=0, help="of blinks and head motion")
    animate.add_argument(
        "--articulation",
        type=float,
        default=1.0,
        help=f"how far the mouth moves, {ARTICULATION[0]} to {ARTICULATION[1]}; 1 as far as people's does",
    )
    animate.add_argument("--out", type=Path, required=True, help="the mp4; what else is made lies beside it")
    add_ray(animate)

    commands.add_parser("languages", help="the languages and voices that texts are spoken in")

    inspect = commands.add_parser("inspect", help="what is read of a picture, film or sound; 2 where refused")
    inspect.add_argument("file", type=Path)
    inspect.add_argument("--json", action="store_true", help="one JSON object")
    inspect.add_argument("--save", type=Path, help="PNG: the picture or first frame as it was read")

    track = commands.add_parser("track", help="the face of a picture or video: vertices, pose, blendshapes")
    track.add_argument("file", type=Path)
    track.add_argument("--out", type=Path, required=True, help="the npz to write")

    train = commands.add_parser("train", help="train a network on the data folder")
    train.add_argument("name", choices=TRAININGS)
    train.add_argument("--data", type=Path, required=True)
    train.add_argument(
        "--minutes",
        type=float,
        default=40,
        help="of work in total, of generator and sync; a stopped run goes on",
    )
    train.add_argument("--without", choices=WITHOUT, help="of motion: a set that it may not see")
    train.add_argument("--out", type=Path, help="the checkpoint's folder")

    evaluate = commands.add_parser("evaluate", help="measure; the last line is one JSON object")
    evaluate.add_argument("name", choices=EVALUATIONS)
    evaluate.add_argument("--data", type=Path, help="the data folder, which has face/ in it")
    evaluate.add_argument("--lang", help="of voices: one language alone, by its code")
    evaluate.add_argument("--clips", type=Path, help="a folder of clips (mp4) of other people instead")

    sheet = commands.add_parser("sheet", help="frames of the example portrait, each in its three stages")
    sheet.add_argument("--out", type=Path, required=True, help="the PNG to write")

    listed = commands.add_parser("models", help="the methods: paper, checkpoint, data, figures")
    listed.add_argument("--json", action="store_true", help="a JSON list of objects")
    return top


def main(arguments: list[str] | None = None) -> int:
    """Runs one command and returns the exit status."""
    return run(parser(), {name: partial(_run, work) for name, work in COMMANDS.items()}, arguments)


def _run(work: Callable[[argparse.Namespace], None], options: argparse.Namespace) -> None:
    if options.face_model:
        face_model.choose(options.face_model)
    work(options)


def _animate(options: argparse.Namespace) -> None:
    from models.face.pipeline import animate
    from models.face.types import Order

    order = Order(
        portrait=options.portrait,
        video=options.video,
        audio=options.audio,
        text=options.text,
        language=options.lang,
        voice=options.voice,
        stage=options.stage,
        panels=options.panels,
        marked=not options.unmarked,
        seed=options.seed,
        articulation=options.articulation,
    )
    out: Path = options.out
    out.parent.mkdir(parents=True, exist_ok=True)
    with executor_at(options.ray) as executor, tempfile.TemporaryDirectory(dir=out.parent) as folder:
        for step in executor.stream(animate, order, Path(folder)):
            if isinstance(step, Progress):
                print(f"\r{step.fraction:4.0%}", end="", file=sys.stderr, flush=True)
                continue
            print("\r", end="", file=sys.stderr)
            step.video.replace(out)
            if step.panels:
                step.panels.replace(out.with_name(f"{out.stem}_stages.mp4"))
            step.blendshapes.replace(out.with_name(f"{out.stem}_blendshapes.csv"))
            step.vertices.replace(out.with_name(f"{out.stem}_vertices.npz"))
            work = sum(step.took.values())
            print(f"{step.seconds:.2f} s of film in {work:.1f} s: {json.dumps(step.took)}")
            if step.faceless:
                print(f"{len(step.faceless)} frames without a face: {', '.join(map(str, step.faceless))}")
            if step.covered:
                print(f"{len(step.covered)} frames of a covered mouth: {', '.join(map(str, step.covered))}")
            print(out)


def _languages(_: argparse.Namespace) -> None:
    from models.face.speech.voices import offered

    for voice in offered():
        print(f"{voice.language:4} {voice.name:12} {voice.kind:7} {voice.engine:9} {voice.label}")


def _inspect(options: argparse.Namespace) -> None:
    from PIL import Image

    from models.core.cli import tell_read
    from models.face.sources.upload import look_at

    found = look_at(options.file)
    if options.save and found.first is not None:
        Image.fromarray(found.first).save(options.save, "PNG")
    size = None if found.first is None else list(found.first.shape[1::-1])
    facts = {"kind": found.kind, "size": size, "seconds": found.seconds, "faces": found.faces}
    tell_read(facts, found.notes, options.json)


def _track(options: argparse.Namespace) -> None:
    import numpy as np

    from models.core.errors import UserError
    from models.face.sources import film_io, portrait_io, tracking

    try:
        track = tracking.track_image(portrait_io.read_portrait(options.file))
    except UserError as error:
        if error.key not in ("image_unreadable", "image_kind"):
            raise
        track = tracking.track_video(film_io.read_clip(film_io.open_clip(options.file)))
    np.savez_compressed(
        options.out,
        vertices=track.vertices,
        poses=track.poses,
        blendshapes=track.blendshapes,
        seen=track.seen,
        size=np.array(track.size),
        fps=FPS,
    )
    print(f"{int(track.seen.sum())} of {len(track.seen)} frames with a face in {options.out}")


def _train(options: argparse.Namespace) -> None:
    from models.face.motion import training as motion_training
    from models.face.rendering import training as rendering_training
    from models.face.speech import voice_matching_training
    from models.face.sync import training as sync_training

    name = f"face_{options.name}"
    if options.name == "motion":
        without = f"_without_{options.without}" if options.without else ""
        motion_training.train(options.data, options.out or FOLDER / f"{name}{without}", options.without)
    elif options.name == "voice":
        voice_matching_training.train(options.data, options.out or FOLDER / name)
    else:
        training = rendering_training if options.name == "generator" else sync_training
        training.train(options.data, options.out or FOLDER / name, options.minutes)


def _evaluate(options: argparse.Namespace) -> None:
    from models.face import speed
    from models.face.motion import evaluation as motion_evaluation
    from models.face.rendering import evaluation as rendering_evaluation
    from models.face.speech import evaluation as speech_evaluation
    from models.face.sync import evaluation

    if options.name == "voices":
        found = speech_evaluation.evaluate(options.lang)
    elif options.name == "sync":
        found = {
            **motion_evaluation.evaluate(options.data, options.clips),
            **evaluation.evaluate(options.data, options.clips),
        }
    else:
        found = (rendering_evaluation if options.name == "image" else speed).evaluate(
            options.data, options.clips
        )
    print(json.dumps(found))


def _sheet(options: argparse.Namespace) -> None:
    from models.face.rendering.contact_sheet import write_sheet

    write_sheet(options.out)
    print(options.out)


def _models(options: argparse.Namespace) -> None:
    show("face", METHODS, options.json)


COMMANDS = {
    "models": _models,
    "animate": _animate,
    "languages": _languages,
    "inspect": _inspect,
    "track": _track,
    "train": _train,
    "evaluate": _evaluate,
    "sheet": _sheet,
}

if __name__ == "__main__":
    sys.exit(main())
