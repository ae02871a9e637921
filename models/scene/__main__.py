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
        help="gt for the scan's own instances, pointgroup to find some, or a file or folder of predicted ones",
    )
    ground.add_argument("--json", action="store_true", help="everything, as one JSON object")

    segment = commands.add_parser("segment", help="the objects in a raw scan, in ScanNet's benchmark form")
    segment.add_argument("scan", type=Path, help="a scan's folder or file, labels or none")
    segment.add_argument("--out", type=Path, required=True, help="gets SCENE.txt and predicted_masks/")

    rooms = commands.add_parser("rooms", help="make furnished rooms, scanned, in ScanNet's format")
    rooms.add_argument("--count", type=int, default=6, help="how many; the kinds take turns")
    rooms.add_argument("--out", type=Path, required=True, help="the folder that gets a folder for each room")
    rooms.add_argument("--seed", type=int, default=1, help="of the first room of each kind")

    train = commands.add_parser("train", help="train a network on the data folder")
    train.add_argument("name", choices=("shapes", "grounding", "ablation", "pointgroup"))
    train.add_argument("--data", type=Path, required=True)
    train.add_argument("--minutes", type=float, default=60, help="of work in total; a stopped run goes on")
    train.add_argument("--out", type=Path, help="the checkpoint's folder")

    evaluate = commands.add_parser("evaluate", help="measure; the last line is one JSON object")
    evaluate.add_argument("name", choices=("grounding", "ablation", "benchmark", "segmentation"))
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
    if options.proposals == "pointgroup":
        scan = pipeline.segment(scan).scan
    elif options.proposals != "gt":
        scan = pipeline.with_proposals(scan, Path(options.proposals))
    answer = pipeline.ground(scan, options.sentence)
    if options.json:
        print(json.dumps(as_json(answer)))
    elif not answer.candidates:
        print(f"nothing here is called “{answer.missing}”")
    else:
        for found in answer.candidates:
            print(f"{found.score:6.1%}  {found.label} {found.object_id}")


def _segment(options: argparse.Namespace) -> None:
    from models.scene import pipeline
    from models.scene.segmenter import write_predictions

    found = pipeline.segment(pipeline.open_path(options.scan))
    if found.level is not None:
        print(
            f"unit {found.scan.unit}, tilt {found.level.tilt:.1f} degrees, height {found.level.height:.2f} m"
        )
    for instance in found.scan.instances:
        print(f"{instance.confidence:6.1%}  {instance.label} {instance.id}")
    print(write_predictions(found, options.out))


def _rooms(options: argparse.Namespace) -> None:
    from models.scene.rooms import rooms_command

    rooms_command(options.count, options.out, options.seed)


def _train(options: argparse.Namespace) -> None:
    from models.scene.training import ablation, grounding, pointgroup, shapes

    if options.name == "shapes":
        shapes.train(options.data, options.out or Path("checkpoints/shapes"), options.minutes)
    elif options.name == "grounding":
        grounding.train(options.data, options.out or Path("checkpoints/instancerefer"), options.minutes)
    elif options.name == "pointgroup":
        pointgroup.train(options.data, options.out or Path("checkpoints/pointgroup"), options.minutes)
    else:
        ablation.train(options.data)


def _evaluate(options: argparse.Namespace) -> None:
    from models.scene.evaluation import benchmark, grounding, segmentation

    if options.name == "benchmark":
        found: object = benchmark.measure()
    elif options.name == "segmentation":
        found = segmentation.evaluate(options.data)
    elif options.name == "ablation":
        found = grounding.evaluate_ablation(options.data)
    else:
        found = grounding.evaluate(options.data, options.task, options.boxes, options.language)
    print(json.dumps(found))


COMMANDS = {"ground": _ground, "segment": _segment, "rooms": _rooms, "train": _train, "evaluate": _evaluate}

if __name__ == "__main__":
    sys.exit(main())
