"""The scene lab's command line: python -m models.scene COMMAND. The same pipeline as the page."""

import argparse
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from models.core import device
from models.core.errors import UserError

WORDS = Path(__file__).parents[2] / "app" / "words" / "en.json"
TASKS = ("scanrefer", "nr3d", "sr3d")


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    top = argparse.ArgumentParser(prog="python -m models.scene", description=__doc__)
    top.add_argument("--device", default="auto", choices=device.CHOICES)
    commands = top.add_subparsers(dest="command", required=True)

    ground = commands.add_parser("ground", help="the object that a sentence means in a scan")
    ground.add_argument(
        "scan", type=Path, help="a scan's folder (ScanNet's form) or file (PLY, OBJ, GLB, zip)"
    )
    ground.add_argument("sentence")
    ground.add_argument(
        "--proposals",
        default="gt",
        help="gt for the scan's own instances, or a file or folder of predicted ones",
    )
    ground.add_argument("--json", action="store_true", help="everything, as one JSON object")

    rooms = commands.add_parser("rooms", help="make furnished rooms, scanned, in ScanNet's format")
    rooms.add_argument("--count", type=int, default=6, help="how many; the kinds take turns")
    rooms.add_argument("--out", type=Path, required=True, help="the folder that gets a folder for each room")
    rooms.add_argument("--seed", type=int, default=1, help="of the first room of each kind")

    train = commands.add_parser("train", help="train a network on the data folder")
    train.add_argument("name", choices=("shapes", "grounding", "ablation"))
    train.add_argument("--data", type=Path, required=True)
    train.add_argument("--minutes", type=float, default=60, help="of work in total; a stopped run goes on")
    train.add_argument("--out", type=Path, help="the checkpoint's folder")

    evaluate = commands.add_parser("evaluate", help="measure; the last line is one JSON object")
    evaluate.add_argument("name", choices=("grounding", "ablation", "benchmark"))
    evaluate.add_argument("--data", type=Path)
    evaluate.add_argument("--task", choices=TASKS, default="scanrefer")
    evaluate.add_argument(
        "--boxes", type=Path, help="predicted boxes, Mask3D's form; else those of the data folder"
    )
    evaluate.add_argument("--language", type=Path, help="a language file; else the data folder's of the task")
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


def _ground(options: argparse.Namespace) -> None:
    from models.scene import pipeline
    from models.scene.answer import as_json

    scan = pipeline.open_path(options.scan)
    if options.proposals != "gt":
        scan = pipeline.with_proposals(scan, Path(options.proposals))
    answer = pipeline.ground(scan, options.sentence)
    if options.json:
        print(json.dumps(as_json(answer)))
    elif not answer.candidates:
        print(f"nothing here is called “{answer.missing}”")
    else:
        for found in answer.candidates:
            print(f"{found.score:6.1%}  {found.label} {found.object_id}")


def _rooms(options: argparse.Namespace) -> None:
    from models.scene.rooms import rooms_command

    rooms_command(options.count, options.out, options.seed)


def _train(options: argparse.Namespace) -> None:
    from models.scene.training import ablation, grounding, shapes

    if options.name == "shapes":
        shapes.train(options.data, options.out or Path("checkpoints/shapes"), options.minutes)
    elif options.name == "grounding":
        grounding.train(options.data, options.out or Path("checkpoints/instancerefer"), options.minutes)
    else:
        ablation.train(options.data)


def _evaluate(options: argparse.Namespace) -> None:
    from models.scene.evaluation import benchmark, grounding

    if options.name == "benchmark":
        found: object = benchmark.measure()
    elif options.name == "ablation":
        found = grounding.evaluate_ablation(options.data)
    else:
        found = grounding.evaluate(options.data, options.task, options.boxes, options.language)
    print(json.dumps(found))


COMMANDS = {"ground": _ground, "rooms": _rooms, "train": _train, "evaluate": _evaluate}

if __name__ == "__main__":
    sys.exit(main())
