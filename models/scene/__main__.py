"""The scene lab's command line: python -m models.scene COMMAND. The same pipeline as the page."""

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from models.core import device
from models.core.checkpoints import FOLDER
from models.core.cli import add_import, run, run_import
from models.core.errors import UserError
from models.core.methods import show
from models.core.sentences import told
from models.scene.captioning.registry import CAPTIONERS
from models.scene.grounding.registry import GROUNDERS
from models.scene.methods import METHODS
from models.scene.segmentation.registry import SEGMENTERS

if TYPE_CHECKING:
    from models.scene.data.scan import Scan

TASKS = ("scanrefer", "nr3d", "sr3d")
GENERATED = "generated"  # sentences that boxes prove


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    top = argparse.ArgumentParser(prog="python -m models.scene", description=__doc__)
    top.add_argument("--device", default="auto", choices=device.CHOICES)
    commands = top.add_subparsers(dest="command", required=True)

    ground = commands.add_parser("ground", help="the object that a sentence means in a scan")
    ground.add_argument(
        "scan",
        type=Path,
        help="a scan's folder (ScanNet's form) or file (PLY, OBJ, GLB, zip), or a shipped one's name",
    )
    ground.add_argument("sentence")
    _add_proposals(ground)
    ground.add_argument(
        "--model", help=f"several methods with commas, asked side by side: {', '.join(GROUNDERS)}"
    )
    ground.add_argument("--json", action="store_true", help="everything, as one JSON object")

    caption = commands.add_parser("caption", help="what there is to say of an object, or of all")
    caption.add_argument("scan", type=Path, help="a scan's folder or file, or a shipped one's name")
    caption.add_argument(
        "--model",
        default=CAPTIONERS.default,
        help=f"several methods with commas describe one object side by side: {', '.join(CAPTIONERS)}",
    )
    caption.add_argument("--lang", default="en", choices=("en", "zh"), help="of what is said")
    caption.add_argument("--object", type=int, help="its id; without it all objects are described")
    _add_proposals(caption)
    caption.add_argument("--json", action="store_true", help="one JSON object; of all, in Scan2Cap's form")

    segment = commands.add_parser("segment", help="the objects in a raw scan, in ScanNet's benchmark form")
    segment.add_argument("scan", type=Path, help="a scan's folder or file, or a shipped one's name")
    segment.add_argument("--model", default=SEGMENTERS.default, help=", ".join(SEGMENTERS))
    segment.add_argument("--out", type=Path, required=True, help="gets SCENE.txt and predicted_masks/")

    inspect = commands.add_parser("inspect", help="what is read of a scan's files; 2 where they are refused")
    inspect.add_argument("file", type=Path, help="a scan's folder or file (PLY, OBJ, GLB, zip)")
    inspect.add_argument("--json", action="store_true", help="one JSON object")

    rooms = commands.add_parser("rooms", help="make furnished rooms, scanned, in ScanNet's format")
    rooms.add_argument("--count", type=int, default=6, help="how many; the kinds take turns")
    rooms.add_argument("--out", type=Path, required=True, help="the folder that gets a folder for each room")
    rooms.add_argument("--seed", type=int, default=1, help="of the first room of each kind")

    train = commands.add_parser("train", help="train a network on the data folder")
    train.add_argument(
        "name",
        choices=(
            *("shapes", "grounding", "ablation", "comparison", "temperature", "colours"),
            *("captioning", "pointgroup", "votenet", "grounding-2d"),
        ),
        help="temperature: of the shipped methods of grounding, which makes their certainty true; "
        "colours: what people call them",
    )
    train.add_argument("--data", type=Path, required=True)
    train.add_argument("--minutes", type=float, default=60, help="of work in total; a stopped run goes on")
    train.add_argument("--model", help="of grounding and captioning: the method")
    train.add_argument("--out", type=Path, help="the checkpoint's folder")

    evaluate = commands.add_parser("evaluate", help="measure; the last line is one JSON object")
    evaluate.add_argument(
        "name",
        choices=(
            "grounding",
            "grounding-2d",
            "ablation",
            "comparison",
            "kinds",
            "benchmark",
            "executors",
            "captioning",
            "dense-captioning",
            "chinese",
            "self-retrieval",
            "truth",
            "segmentation",
            "detection",
        ),
        help="grounding-2d: in rendered views, lifted by depth; kinds: by kinds of sentences; "
        "truth: how often a caption's colour, class and "
        "neighbour are right; self-retrieval: how often grounding finds the object of a caption",
    )
    evaluate.add_argument(
        "--scan", nargs="+", default=(), help="of self-retrieval: names or folders; else the shipped scans"
    )
    evaluate.add_argument("--data", type=Path)
    evaluate.add_argument("--model", default="instancerefer", help="of grounding: the method")
    evaluate.add_argument(
        "--task", choices=(*TASKS, GENERATED), default="scanrefer", help="generated: of kinds alone"
    )
    evaluate.add_argument(
        "--boxes", type=Path, help="predicted boxes, Mask3D's form; else those of the data folder"
    )
    evaluate.add_argument("--language", type=Path, help="a language file; else the data folder's of the task")

    listed = commands.add_parser("models", help="the methods: paper, checkpoint, data, figures")
    listed.add_argument("--json", action="store_true", help="a JSON list of objects")
    add_import(commands, METHODS)
    return top


def _add_proposals(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--proposals",
        help="gt for the scan's own instances (the default where it has some), pointgroup to find some (the "
        "default where it has none), or a file or folder of predictions",
    )


def main(arguments: list[str] | None = None) -> int:
    """Runs one command and returns the exit status."""
    return run(parser(), COMMANDS, arguments)


def _opened(options: argparse.Namespace) -> "Scan":
    """The scan with the instances that --proposals asks for."""
    from models.scene import pipeline

    scan = pipeline.open_path(options.scan)
    proposals = options.proposals or ("gt" if scan.instances else "pointgroup")
    if proposals == "pointgroup":
        return pipeline.segment(scan).scan
    return scan if proposals == "gt" else pipeline.with_proposals(scan, Path(proposals))


def _ground(options: argparse.Namespace) -> None:
    from models.scene import pipeline
    from models.scene.types import as_json

    if options.model:
        _compare(options)
        return
    answer = pipeline.ground(_opened(options), options.sentence)
    if options.json:
        print(json.dumps(as_json(answer)))
    elif not answer.candidates:
        print(
            f"nothing here is called “{answer.missing}”"
            if answer.missing
            else "nothing here fits"
            if answer.notes
            else "the sentence names no object here"
        )
    else:
        for found in answer.candidates:
            print(f"{found.score:6.1%}  {found.label} {found.object_id}")
    for one in () if options.json else (*answer.proofs, *answer.notes):
        print(told(one))


def _compare(options: argparse.Namespace) -> None:
    from models.scene import pipeline
    from models.scene.grounding import base

    names = GROUNDERS.chosen(options.model)
    scan = _opened(options)
    found = {name: pipeline.ground_by(name, scan, options.sentence) for name in names}
    if options.json:
        print(json.dumps({"methods": {name: base.as_json(one) for name, one in found.items()}}))
        return
    for name, one in found.items():
        said = f"{one.best.score:6.1%}  {one.best.label} {one.best.object_id}" if one.best else "nothing"
        said = f"{len(one.fits)} fit alike" if one.fits else said
        print(f"{GROUNDERS[name].title:14} {said}  {one.seconds:.2f} s")


def _caption(options: argparse.Namespace) -> None:
    from models.scene import pipeline
    from models.scene.chinese.caption import in_chinese
    from models.scene.types import as_scan2cap

    def put(text: str) -> str:
        return (in_chinese(text) or text) if options.lang == "zh" else text

    names = CAPTIONERS.chosen(options.model)
    if len(names) > 1 and options.object is None:
        raise UserError("object_needed")
    scan = _opened(options)
    if len(names) > 1:
        said = pipeline.captions(names, scan, options.object)
        if options.json:
            print(json.dumps({"methods": {name: asdict(one) for name, one in said.items()}}))
        else:
            print(*(f"{CAPTIONERS[name].title}: {put(one.text)}" for name, one in said.items()), sep="\n")
    elif options.object is not None:
        found = pipeline.caption(scan, options.object, names[0])
        print(json.dumps(asdict(found)) if options.json else put(found.text))
    elif options.json:
        print(json.dumps(as_scan2cap(scan.name, pipeline.describe(scan, names[0]))))
    else:
        for found in pipeline.describe(scan, names[0]):
            print(f"{found.label} {found.object_id}: {put(found.text)}")


def _segment(options: argparse.Namespace) -> None:
    from models.scene import pipeline
    from models.scene.segmentation.predictor import write_predictions

    found = pipeline.segment(pipeline.open_path(options.scan), options.model)
    if found.level is not None:
        print(
            f"unit {found.scan.unit}, tilt {found.level.tilt:.1f} degrees, height {found.level.height:.2f} m"
        )
    for instance in found.scan.instances:
        print(f"{instance.confidence:6.1%}  {instance.label} {instance.id}")
    print(write_predictions(found, options.out))


def _inspect(options: argparse.Namespace) -> None:
    import numpy as np

    from models.core.cli import tell_read
    from models.scene import pipeline

    scan = pipeline.open_path(options.file)
    mean = scan.colours.mean(axis=0) if scan.coloured else None
    facts = {
        "points": len(scan.vertices),
        "extent": [round(float(edge), 4) for edge in np.ptp(scan.aligned, axis=0)],
        "mean_colour": None if mean is None else [round(float(value), 2) for value in mean],
        "labels": scan.labels_from,
        "instances": len(scan.instances),
        "unit": scan.unit,
    }
    tell_read(facts, scan.notes, options.json)


def _rooms(options: argparse.Namespace) -> None:
    from models.scene.synthetic_rooms import rooms_command

    rooms_command(options.count, options.out, options.seed)


def _train(options: argparse.Namespace) -> None:
    from models.scene.captioning import colour_training, training
    from models.scene.grounding import ablation_training, calibration, comparison_training
    from models.scene.grounding import training as grounding_training
    from models.scene.grounding.rendered_views import training as views_training
    from models.scene.objects import training as objects_training
    from models.scene.segmentation import detection_evaluation, evaluation, votenet_training
    from models.scene.segmentation import training as segmentation_training

    if options.name == "shapes":
        objects_training.train(options.data, options.out or FOLDER / "shapes", options.minutes)
    elif options.name == "grounding":
        method = GROUNDERS[options.model or GROUNDERS.default]
        out = options.out or FOLDER / method.checkpoint
        if method.name == GROUNDERS.default:
            grounding_training.train(options.data, out, options.minutes)
        else:
            comparison_training.train(options.data, method.name, out, options.minutes)
    elif options.name == "grounding-2d":
        views_training.train(options.data, options.out or FOLDER / "grounding_2d", options.minutes)
    elif options.name == "comparison":
        comparison_training.train_comparison(options.data)
    elif options.name == "temperature":
        calibration.train(options.data)
    elif options.name == "colours":
        colour_training.train(options.data)
    elif options.name == "captioning":
        said_by = CAPTIONERS[options.model or CAPTIONERS.default]
        if said_by.name == "scan2cap":
            training.train_scan2cap(options.data, options.out or FOLDER / said_by.checkpoint)
        else:  # TransCap is a stage of X-Trans2Cap
            training.train(options.data, options.out or FOLDER / CAPTIONERS[CAPTIONERS.default].checkpoint)
    elif options.name == "votenet":
        check = detection_evaluation.quick_check(options.data)
        votenet_training.train(options.data, options.out or FOLDER / "votenet", options.minutes, check)
    elif options.name == "pointgroup":
        check = evaluation.quick_check(options.data)
        segmentation_training.train(
            options.data, options.out or FOLDER / "pointgroup", options.minutes, check
        )
    else:
        ablation_training.train(options.data)


def _evaluate(options: argparse.Namespace) -> None:
    from models.scene import benchmark, executors_benchmark
    from models.scene.captioning import dense_evaluation, self_retrieval
    from models.scene.captioning import evaluation as captioning_evaluation
    from models.scene.chinese import evaluation as chinese_evaluation
    from models.scene.grounding import comparison, kinds_evaluation
    from models.scene.grounding import evaluation as grounding_evaluation
    from models.scene.grounding.rendered_views import evaluation as views_evaluation
    from models.scene.segmentation import detection_evaluation, evaluation

    if options.task == GENERATED and options.name != "kinds":
        raise UserError("task_of_kinds")
    if options.name == "benchmark":
        found: object = benchmark.measure()
    elif options.name == "executors":
        found = executors_benchmark.measure()
    elif options.name == "captioning":
        found = captioning_evaluation.evaluate(options.data, options.language)
    elif options.name == "chinese":
        found = chinese_evaluation.evaluate()
    elif options.name == "dense-captioning":
        found = dense_evaluation.evaluate(options.data)
    elif options.name == "self-retrieval":
        found = self_retrieval.evaluate(options.scan)
    elif options.name == "truth":
        found = captioning_evaluation.evaluate_truth(options.data)
    elif options.name == "segmentation":
        found = evaluation.evaluate(options.data)
    elif options.name == "detection":
        found = detection_evaluation.evaluate(options.data)
    elif options.name == "ablation":
        found = grounding_evaluation.evaluate_ablation(options.data)
    elif options.name == "grounding-2d":
        found = views_evaluation.evaluate(options.data)
    elif options.name == "comparison":
        found = comparison.evaluate(options.data)
    elif options.name == "kinds":
        found = kinds_evaluation.evaluate(options.data, options.task, options.language)
    elif options.model != "instancerefer":
        found = comparison.evaluate_method(
            options.model, options.data, options.task, options.boxes, options.language
        )
    else:
        found = grounding_evaluation.evaluate(options.data, options.task, options.boxes, options.language)
    print(json.dumps(found))


def _models(options: argparse.Namespace) -> None:
    show("scene", METHODS, options.json)


def _import(options: argparse.Namespace) -> None:
    run_import("scene", METHODS, options)


COMMANDS = {
    "models": _models,
    "import": _import,
    "ground": _ground,
    "caption": _caption,
    "segment": _segment,
    "inspect": _inspect,
    "rooms": _rooms,
    "train": _train,
    "evaluate": _evaluate,
}

if __name__ == "__main__":
    sys.exit(main())
