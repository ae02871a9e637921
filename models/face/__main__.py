"""The face lab's command line: python -m models.face COMMAND. The same pipeline as a page would use."""

import argparse
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("GLOG_minloglevel", "2")

from models.core import device
from models.core.checkpoints import FOLDER
from models.core.errors import UserError

WORDS = Path(__file__).parents[2] / "app" / "words" / "en.json"


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    top = argparse.ArgumentParser(prog="python -m models.face", description=__doc__)
    top.add_argument("--device", default="auto", choices=device.CHOICES)
    commands = top.add_subparsers(dest="command", required=True)

    animate = commands.add_parser("animate", help="a portrait and a sound become a video")
    animate.add_argument("--portrait", type=Path, required=True, help="PNG, JPEG or WebP of one face")
    animate.add_argument("--audio", type=Path, required=True, help="a sound, or a video that has one")
    animate.add_argument("--stage", choices=("3d",), default="3d", help="3d: the mesh, shaded")
    animate.add_argument("--out", type=Path, required=True, help="the mp4 to write")

    track = commands.add_parser("track", help="the face of a video: vertices and blendshapes of each frame")
    track.add_argument("video", type=Path)
    track.add_argument("--out", type=Path, required=True, help="gets blendshapes.csv and vertices.npz")

    train = commands.add_parser("train", help="train a network on the data folder")
    train.add_argument("name", choices=("face_motion",))
    train.add_argument("--data", type=Path, required=True)
    train.add_argument("--minutes", type=float, default=10, help="of work in total; a stopped run goes on")
    train.add_argument("--out", type=Path, help="the checkpoint's folder")

    evaluate = commands.add_parser("evaluate", help="measure; the last line is one JSON object")
    evaluate.add_argument("name", choices=("sync",), help="sync: do the lips move with the sound")
    evaluate.add_argument("--data", type=Path, required=True)
    evaluate.add_argument("--clips", type=Path, help="a folder of videos of other people, measured as well")
    return top


def main(arguments: list[str] | None = None) -> int:
    """Runs one command and returns the exit status; what a person caused is told in a sentence."""
    options = parser().parse_args(arguments)
    try:
        device.choose(options.device)
        COMMANDS[options.command](options)
    except UserError as error:
        sentence = json.loads(WORDS.read_text(encoding="utf-8"))["errors"][error.key]
        print(sentence.format(**error.facts), file=sys.stderr)
        return 2
    return 0


def _animate(options: argparse.Namespace) -> None:
    from models.face import pipeline

    for step in pipeline.animate(options.portrait, options.audio, options.out):
        if isinstance(step, pipeline.Animated):
            print(f"{step.path}: {step.frames} frames, {step.seconds:.2f} s")


def _track(options: argparse.Namespace) -> None:
    from models.face import pipeline

    found = pipeline.track(options.video)
    options.out.mkdir(parents=True, exist_ok=True)
    pipeline.write_blendshapes(found, options.out / "blendshapes.csv")
    pipeline.write_vertices(found, options.out / "vertices.npz")
    print(f"{len(found.seen)} frames, {int((~found.seen).sum())} of them without a face; {options.out}")


def _train(options: argparse.Namespace) -> None:
    from models.face.training import motion

    motion.train(options.data, options.out or FOLDER / motion.NAME, options.minutes)


def _evaluate(options: argparse.Namespace) -> None:
    from models.face.evaluation import sync

    print(json.dumps(sync.evaluate(options.data, options.clips)))


COMMANDS = {"animate": _animate, "track": _track, "train": _train, "evaluate": _evaluate}

if __name__ == "__main__":
    sys.exit(main())
