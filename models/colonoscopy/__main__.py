"""The colonoscopy lab's command line: python -m models.colonoscopy COMMAND. The same pipeline as the page."""

import argparse
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from models.colonoscopy import LOOKS, MODELS
from models.core import device
from models.core.checkpoints import FOLDER
from models.core.cli import run, sentence
from models.core.errors import UserError

SEGMENTERS = ("polyps", "polyps_guide")
STAGES = ("cascade", "super", "sharpener")
TRAININGS = (*SEGMENTERS, "memory", "autoencoder", "base", "sdm", "adaptive", "arsdm", "ldm", *STAGES)
PARTS = ("fidelity", "realism", "memory", "speed", "use")


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    top = argparse.ArgumentParser(prog="python -m models.colonoscopy", description=__doc__)
    top.add_argument("--device", default="auto", choices=device.CHOICES)
    commands = top.add_subparsers(dest="command", required=True)

    sample = commands.add_parser("sample", help="draw synthetic frames for masks; a stopped run goes on")
    given = sample.add_mutually_exclusive_group(required=True)
    given.add_argument("--mask", type=Path, help="an image, white on the polyp")
    given.add_argument("--masks", type=Path, help="a folder of them, or one that has them in masks/")
    sample.add_argument("--limit", type=_some, help="take only the first masks of the folder")
    sample.add_argument("--count", type=int, default=1, help="frames a mask")
    sample.add_argument("--seed", type=int, default=0, help="of the first frame; the next has the next one")
    sample.add_argument("--model", default=MODELS[0], help=", ".join(MODELS))
    sample.add_argument("--look", default="any", help=f"of which clinic: {', '.join(LOOKS)}")
    sample.add_argument("--steps", type=int, default=20, help="of the sampler, for one frame")
    sample.add_argument("--sampler", default="dpm", help="dpm, which needs few steps, or ddim")
    sample.add_argument(
        "--unmarked", action="store_true", help="no word burnt into the picture; the metadata still tells"
    )
    sample.add_argument("--out", type=Path, required=True, help="gets images/, masks/ and samples.json")

    inpaint = commands.add_parser("inpaint", help="a polyp into frames of one's own, or out of them")
    inpaint.add_argument("--frame", type=Path, required=True, help="an image, or a folder of them")
    inpaint.add_argument(
        "--mask", type=Path, required=True, help="an image, white on the polyp, or a folder of them"
    )
    inpaint.add_argument("--count", type=int, default=1, help="variants of each frame with each mask")
    inpaint.add_argument("--seed", type=int, default=0, help="of the first; the next has the next one")
    inpaint.add_argument("--remove", action="store_true", help="take away the polyp under the mask")
    inpaint.add_argument("--unmarked", action="store_true", help="as in sample")
    inpaint.add_argument("--out", type=Path, required=True, help="gets images/, masks/ and samples.json")

    segment = commands.add_parser("segment", help="the polyps in a frame, or in a folder of frames")
    segment.add_argument("frames", type=Path, help="an image, or a folder of them")
    segment.add_argument("--out", type=Path, required=True, help="the folder that gets a mask of each frame")

    train = commands.add_parser("train", help="train a network on the data folder")
    train.add_argument("name", choices=TRAININGS)
    train.add_argument("--data", type=Path, required=True)
    train.add_argument("--minutes", type=float, default=60, help="of work in total; a stopped run goes on")
    train.add_argument("--out", type=Path, help="the checkpoint's folder")

    evaluate = commands.add_parser("evaluate", help="measure; the last line is one JSON object")
    evaluate.add_argument("name", choices=("synthesis", "segmentation"))
    evaluate.add_argument("--data", type=Path, help="the data folder, which has colonoscopy/ in it")
    evaluate.add_argument(
        "--pairs", type=Path, help="a folder of images/ and masks/ instead of the test sets"
    )
    evaluate.add_argument(
        "--parts",
        default=",".join(PARTS[:-1]),
        help=f"of synthesis, with commas between: {', '.join(PARTS)}; the last takes hours",
    )
    evaluate.add_argument("--limit", type=_some, help="only the first pairs of each set; nothing is recorded")

    sheet = commands.add_parser("sheet", help="one picture of what each model draws for the same masks")
    given = sheet.add_mutually_exclusive_group(required=True)
    given.add_argument("--masks", type=Path, help="a folder of masks")
    given.add_argument("--pairs", type=Path, help="a folder of images/ and masks/: real frames stand beside")
    sheet.add_argument("--limit", type=_some, default=6, help="only the first so many")
    sheet.add_argument("--out", type=Path, required=True, help="the PNG to write")
    return top


def main(arguments: list[str] | None = None) -> int:
    """Runs one command and returns the exit status."""
    return run(parser(), COMMANDS, arguments)


def _some(text: str) -> int:
    """A number from 1 on, for argparse."""
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _sample(options: argparse.Namespace) -> None:
    from models.colonoscopy.data.masks import read_drawn
    from models.colonoscopy.pipeline import Order
    from models.colonoscopy.synthesis import sampling

    files = usable_masks(options.mask or options.masks, options.limit)
    order = Order(
        read_drawn(files[0]),
        model=options.model,
        steps=options.steps,
        sampler=options.sampler,
        look=options.look,
    )
    wanted = sampling.jobs(files, options.count, options.seed)
    done = sampling.sample(wanted, order, options.out, burn=not options.unmarked)
    print(f"{len(done)} frames in {options.out}")


def _inpaint(options: argparse.Namespace) -> None:
    from models.colonoscopy.data.images import image_files, read_frame
    from models.colonoscopy.data.masks import read_drawn
    from models.colonoscopy.pipeline import Alteration
    from models.colonoscopy.synthesis import sampling

    frames = image_files(options.frame) if options.frame.is_dir() else [options.frame]
    if not frames:
        raise UserError("frames_missing", name=options.frame.name)
    masks = usable_masks(options.mask)
    order = Alteration(read_frame(frames[0]), read_drawn(masks[0]), remove=options.remove)
    wanted = sampling.alterations(frames, masks, options.count, options.seed)
    done = sampling.sample(wanted, order, options.out, burn=not options.unmarked)
    print(f"{len(done)} frames in {options.out}")


def usable_masks(given: Path, limit: int | None = None) -> list[Path]:
    """A mask file, or those of a folder that frames can be drawn for; the others are told of.

    Raises UserError: masks_missing for none, and for one file as `read_drawn` does.
    """
    from models.colonoscopy.data.masks import mask_files, read_drawn

    if not given.is_dir():
        read_drawn(given)
        return [given]
    usable = []
    for path in mask_files(given)[:limit]:  # one bad file must not end a long run in its middle
        try:
            read_drawn(path)
            usable.append(path)
        except UserError as error:
            print(f"{path.name}: {sentence(error)}", file=sys.stderr)
    if not usable:
        raise UserError("masks_missing", name=given.name)
    return usable


def _segment(options: argparse.Namespace) -> None:
    from models.colonoscopy import pipeline
    from models.colonoscopy.data import exports
    from models.colonoscopy.data.images import image_files, read_frame

    files = image_files(options.frames) if options.frames.is_dir() else [options.frames]
    options.out.mkdir(parents=True, exist_ok=True)
    for path in files:
        found = pipeline.segment(read_frame(path))
        (options.out / f"{path.stem}.png").write_bytes(exports.mask_png(found))
        print(f"{found.mean():6.1%}  {path.name}")


def _train(options: argparse.Namespace) -> None:
    from models.colonoscopy.segmentation import training
    from models.colonoscopy.synthesis import train_memorization, training_plan
    from models.colonoscopy.synthesis.memorization import NAME

    out = options.out or FOLDER / options.name
    if options.name in SEGMENTERS:
        training.train(options.name, options.data, out, options.minutes)
    elif options.name in STAGES:
        from models.colonoscopy.synthesis import sharpener_training
        from models.colonoscopy.synthesis import training as cascade_training

        trainers = {
            "cascade": cascade_training.train_base,
            "super": cascade_training.train_super,
            "sharpener": sharpener_training.train_sharpener,
        }
        network = trainers[options.name](options.data, options.minutes)
        prefix = "" if options.name == "cascade" else "colonoscopy_"
        out = options.out or FOLDER / f"{prefix}{options.name}"
        network.half().save_pretrained(out)  # type: ignore[operator]
    elif options.name == "memory":
        train_memorization.train(options.data, options.out or FOLDER / NAME)
    else:
        prefix = "colonoscopy_" if options.name in ("autoencoder", "base", "ldm") else ""
        training_plan.train(
            options.name, options.data, options.minutes, options.out or FOLDER / f"{prefix}{options.name}"
        )


def _evaluate(options: argparse.Namespace) -> None:
    from models.colonoscopy.data.test_sets import test_sets
    from models.colonoscopy.segmentation import evaluation
    from models.colonoscopy.synthesis import evaluation as synthesis_evaluation

    sets = test_sets(options.data, options.pairs)
    if options.name == "segmentation":
        found: object = evaluation.evaluate(sets, options.limit)
    else:
        parts = [part.strip() for part in options.parts.split(",")]
        found = synthesis_evaluation.evaluate(sets, options.data, parts, options.limit)
    print(json.dumps(found))


def _sheet(options: argparse.Namespace) -> None:
    from models.colonoscopy.data.images import read_pairs
    from models.colonoscopy.data.masks import mask_files, read_drawn
    from models.colonoscopy.synthesis.contact_sheet import write_sheet

    if options.pairs:
        pairs = list(read_pairs(options.pairs, options.limit))
        write_sheet([pair.mask for pair in pairs], options.out, [pair.frame for pair in pairs])
    else:
        write_sheet([read_drawn(path) for path in mask_files(options.masks)[: options.limit]], options.out)
    print(options.out)


COMMANDS = {
    "sample": _sample,
    "inpaint": _inpaint,
    "segment": _segment,
    "train": _train,
    "evaluate": _evaluate,
    "sheet": _sheet,
}

if __name__ == "__main__":
    sys.exit(main())
