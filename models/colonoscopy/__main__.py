"""The colonoscopy lab's command line: python -m models.colonoscopy COMMAND. The same pipeline as the page."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from models.colonoscopy import LOOKS, film_command
from models.colonoscopy.command_options import some, told_skipped, usable_masks
from models.colonoscopy.detection.registry import DETECTORS
from models.colonoscopy.methods import METHODS
from models.colonoscopy.segmentation.registry import SEGMENTERS
from models.colonoscopy.synthesis.registry import GENERATORS
from models.core import device
from models.core.checkpoints import FOLDER
from models.core.cli import add_import, add_ray, executor_at, run, run_import, tell_read
from models.core.errors import UserError
from models.core.methods import show
from models.core.sentences import sentence, told

SMALL_SEGMENTERS = ("polyps", "polyps_guide")
DETECTOR_NAMES = tuple(name for name, one in DETECTORS.shipped.items() if one.checkpoint == name)
TOGETHER = ("segmenters", "detectors")  # those of the registries that share an encoder
FILM_NETWORKS = ("film_base", "film_detail", "pvdm_autoencoder", "pvdm", "lvdm")
STAGES = ("base", "sharpener", "sdm", "adaptive", "arsdm")  # of the cascade
TRAININGS = (
    *SMALL_SEGMENTERS,
    *TOGETHER,
    *DETECTOR_NAMES,
    *STAGES,
    "autoencoder",
    "ldm",
    "memory",
    *FILM_NETWORKS,
)
FILM_PARTS = ("motion", "reconstruction", "realism", "fidelity", "speed")
PARTS = ("fidelity", "realism", "memory", "speed")
USES = ("use", "use-detectors")


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    top = argparse.ArgumentParser(prog="python -m models.colonoscopy", description=__doc__)
    top.add_argument("--device", default="auto", choices=device.CHOICES)
    commands = top.add_subparsers(dest="command", required=True)

    sample = commands.add_parser("sample", help="draw synthetic frames for masks; a stopped run goes on")
    given = sample.add_mutually_exclusive_group(required=True)
    given.add_argument("--mask", type=Path, help="an image, white on the polyp")
    given.add_argument("--masks", type=Path, help="a folder of them, or one that has them in masks/")
    sample.add_argument("--limit", type=some, help="take only the first masks of the folder")
    sample.add_argument("--count", type=int, default=1, help="frames a mask")
    sample.add_argument("--seed", type=int, default=0, help="of the first frame; the next has the next one")
    sample.add_argument("--model", default=GENERATORS.default, help=", ".join(GENERATORS))
    sample.add_argument("--look", default="any", help=f"of which clinic: {', '.join(LOOKS)}")
    sample.add_argument("--steps", type=int, default=20, help="of the sampler, for one frame")
    sample.add_argument("--sampler", default="dpm", help="dpm, which needs few steps, or ddim")
    sample.add_argument(
        "--unmarked", action="store_true", help="no word burnt into the picture; the metadata still tells"
    )
    sample.add_argument("--out", type=Path, required=True, help="gets images/, masks/ and samples.json")
    add_ray(sample)
    sample.add_argument(
        "--shard", default="", metavar="I/N", help="only the I-th of N equal parts, which may share a folder"
    )

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

    film_command.add_film(commands)

    segment = commands.add_parser("segment", help="the polyps in a frame, or in a folder of frames")
    segment.add_argument("frames", type=Path, help="an image, or a folder of them")
    segment.add_argument(
        "--model", default=SEGMENTERS.default, help=f"{', '.join(SEGMENTERS)}; several with commas"
    )
    segment.add_argument(
        "--detector",
        help=f"boxes too: {', '.join(DETECTORS)}; several with commas",
    )
    segment.add_argument(
        "--out",
        type=Path,
        required=True,
        help="gets the masks, of several models in a folder each, and found.json",
    )

    inspect = commands.add_parser("inspect", help="what is read of a mask or frame; 2 where it is refused")
    inspect.add_argument("file", type=Path)
    inspect.add_argument("--as", dest="role", choices=("mask", "frame"), default="mask")
    inspect.add_argument("--json", action="store_true", help="one JSON object")
    inspect.add_argument("--save", type=Path, help="PNG: the mask as it is used, or the frame as it was read")

    train = commands.add_parser("train", help="train a network on the data folder")
    train.add_argument("name", choices=TRAININGS)
    train.add_argument("--data", type=Path, required=True)
    train.add_argument("--minutes", type=float, default=60, help="of work in total; a stopped run goes on")
    train.add_argument(
        "--steps", type=some, default=2000, help="of segmenters and detectors, in place of minutes"
    )
    train.add_argument("--out", type=Path, help="the checkpoint's folder")

    evaluate = commands.add_parser("evaluate", help="measure; the last line is one JSON object")
    evaluate.add_argument("name", choices=("synthesis", "segmentation", "detection", "video"))
    evaluate.add_argument("--data", type=Path, help="the data folder, which has colonoscopy/ in it")
    evaluate.add_argument(
        "--pairs", type=Path, help="a folder of images/ and masks/ instead of the test sets"
    )
    evaluate.add_argument("--model", help="of segmentation and detection: only these, with commas between")
    evaluate.add_argument(
        "--parts",
        help=f"with commas between, of synthesis: {', '.join(PARTS + USES)}, the last two for hours; "
        f"of video: {', '.join(FILM_PARTS)}",
    )
    evaluate.add_argument("--limit", type=some, help="only the first pairs of each set; nothing is recorded")

    sheet = commands.add_parser("sheet", help="one picture of what each model draws for the same masks")
    given = sheet.add_mutually_exclusive_group(required=True)
    given.add_argument("--masks", type=Path, help="a folder of masks")
    given.add_argument("--pairs", type=Path, help="a folder of images/ and masks/: real frames stand beside")
    sheet.add_argument("--films", action="store_true", help="films over time, with --masks")
    sheet.add_argument(
        "--reconstructions",
        action="store_true",
        help="what the films' autoencoders keep, with --masks",
    )
    sheet.add_argument("--limit", type=some, default=6, help="only the first so many")
    sheet.add_argument("--out", type=Path, required=True, help="the PNG to write")

    listed = commands.add_parser("models", help="the methods: paper, checkpoint, data, figures")
    listed.add_argument("--json", action="store_true", help="a JSON list of objects")
    add_import(commands, METHODS)
    return top


def main(arguments: list[str] | None = None) -> int:
    """Runs one command and returns the exit status."""
    return run(parser(), COMMANDS, arguments)


def _sample(options: argparse.Namespace) -> int:
    from models.colonoscopy.data.masks import read_drawn
    from models.colonoscopy.pipeline import Order
    from models.colonoscopy.synthesis import sampling

    files, skipped = usable_masks(options.mask or options.masks, options.limit)
    order = Order(
        read_drawn(files[0]),
        model=options.model,
        steps=options.steps,
        sampler=options.sampler,
        look=options.look,
    )
    wanted = sampling.jobs(files, options.count, options.seed)
    with executor_at(options.ray) as executor:
        done = sampling.sample(wanted, order, options.out, not options.unmarked, executor, options.shard)
    print(f"{len(done)} frames in {options.out}")
    return told_skipped(skipped)


def _inpaint(options: argparse.Namespace) -> int:
    from models.colonoscopy.data.images import image_files, read_frame
    from models.colonoscopy.data.masks import read_drawn
    from models.colonoscopy.pipeline import Alteration
    from models.colonoscopy.synthesis import sampling

    frames = image_files(options.frame) if options.frame.is_dir() else [options.frame]
    if not frames:
        raise UserError("frames_missing", name=options.frame.name)
    masks, skipped = usable_masks(options.mask)
    order = Alteration(read_frame(frames[0]), read_drawn(masks[0]), remove=options.remove)
    wanted = sampling.alterations(frames, masks, options.count, options.seed)
    done = sampling.sample(wanted, order, options.out, burn=not options.unmarked)
    print(f"{len(done)} frames in {options.out}")
    return told_skipped(skipped)


def _inspect(options: argparse.Namespace) -> None:
    from PIL import Image

    from models.colonoscopy import pipeline
    from models.colonoscopy.data import exports
    from models.colonoscopy.data.images import told_frame
    from models.colonoscopy.data.mask_cleaning import regions
    from models.colonoscopy.data.masks import read_cleaned
    from models.core.notes import note

    if options.role == "mask":
        found = read_cleaned(options.file)
        if options.save:
            options.save.write_bytes(exports.mask_png(found.mask))
        facts = {
            "kind": "mask",
            "size": list(found.mask.shape[::-1]),
            "share": round(float(found.mask.mean()), 6),
        }
        tell_read(facts | {"regions": len(regions(found.mask))}, found.notes, options.json)
        return
    frame, notes = told_frame(options.file)
    if options.save:
        Image.fromarray(frame).save(options.save, "PNG")
    if not pipeline.looks_like_endoscopy(frame):
        notes = (*notes, note("frame_foreign", name=options.file.name))
    seen = pipeline.segment(frame)
    facts = {"kind": "frame", "size": list(frame.shape[1::-1]), "share": round(float(seen.mean()), 6)}
    tell_read(facts | {"regions": len(regions(seen))}, notes, options.json)


def _segment(options: argparse.Namespace) -> int:
    from models.colonoscopy import pipeline
    from models.colonoscopy.data import findings
    from models.colonoscopy.data.images import image_files, told_frame
    from models.core.notes import note

    models = SEGMENTERS.chosen(options.model)
    detectors = DETECTORS.chosen(options.detector) if options.detector else ()
    folder = options.frames.is_dir()
    files = image_files(options.frames) if folder else [options.frames]
    if not files:
        raise UserError("frames_missing", name=options.frames.name)
    rows: list[dict[str, object]] = []
    skipped = 0
    for path in files:
        try:
            frame, notes = told_frame(path)
        except UserError as error:  # one bad file must not end a folder in its middle
            if not folder:
                raise
            skipped += 1
            print(f"{path.name}: {sentence(error)}", file=sys.stderr)
            continue
        if not pipeline.looks_like_endoscopy(frame):
            notes = (*notes, note("frame_foreign", name=path.name))
        for one in notes:
            print(f"{path.name}: {told(one)}", file=sys.stderr)
        found = pipeline.find(path.stem, frame, models, detectors)
        rows.append({"file": path.name, **findings.write_masks(found, options.out)})
        shares = "  ".join(f"{name} {mask.mean():.1%}" for name, mask in found.masks.items())
        boxes = "".join(f"  {name} {len(some)} boxes" for name, some in found.boxes.items())
        print(f"{path.name}  {shares}{boxes}")
    if rows:
        (options.out / "found.json").write_text(json.dumps(rows, indent=1))
    return told_skipped(skipped)


def _train(options: argparse.Namespace) -> None:
    out = options.out or FOLDER / options.name
    if options.name in SMALL_SEGMENTERS:
        from models.colonoscopy.segmentation import training

        training.train(options.name, options.data, out, options.minutes)
    elif options.name == "segmenters":
        from models.colonoscopy.segmentation import joint_training

        joint_training.train(options.data, options.steps, options.out or FOLDER)
    elif options.name in ("detectors", *DETECTOR_NAMES):
        from models.colonoscopy.detection import training as detector_training

        names = DETECTOR_NAMES if options.name == "detectors" else (options.name,)
        detector_training.train(options.data, options.steps, options.out or FOLDER, names)
    elif options.name == "memory":
        from models.colonoscopy.synthesis import memorization, memorization_training

        memorization_training.train(options.data, options.out or FOLDER / memorization.NAME)
    elif options.name in FILM_NETWORKS:
        from models.colonoscopy.video import training as film_training

        film_training.train(options.name, options.data, options.minutes, out)
    else:
        from models.colonoscopy.synthesis import generator_training

        generator_training.train(options.name, options.data, options.minutes, options.out)


def _evaluate(options: argparse.Namespace) -> int:
    from models.colonoscopy.data.images import passed_over
    from models.colonoscopy.data.test_sets import test_sets

    if options.name == "video":
        from models.colonoscopy.video import evaluation as video_evaluation

        if options.data is None:
            raise UserError("data_missing")
        print(json.dumps(video_evaluation.evaluate(options.data, _parts(options, FILM_PARTS))))
        return 0
    sets = test_sets(options.data, options.pairs)
    left = passed_over(options.pairs) if options.pairs else {}
    for name, why in left.items():
        told_why = sentence(why or UserError("pair_alone", name=name))
        print(f"{name}: {told_why}", file=sys.stderr)
    if options.name == "segmentation":
        from models.colonoscopy.segmentation import evaluation

        models = SEGMENTERS.chosen(options.model) if options.model else ()
        found: object = evaluation.evaluate(sets, models, options.limit)
    elif options.name == "detection":
        from models.colonoscopy.detection import evaluation as detection_evaluation

        models = DETECTORS.chosen(options.model) if options.model else ()
        found = detection_evaluation.evaluate(sets, models, options.limit)
    else:
        from models.colonoscopy.synthesis import evaluation as synthesis_evaluation

        parts = _parts(options, PARTS)
        found = synthesis_evaluation.evaluate(sets, options.data, parts, options.limit)
    print(json.dumps(found))
    return told_skipped(len(left))


def _parts(options: argparse.Namespace, usual: Sequence[str]) -> list[str]:
    """What `evaluate --parts` asks for, all that is usual where it isn't given."""
    return [part.strip() for part in options.parts.split(",")] if options.parts else list(usual)


def _sheet(options: argparse.Namespace) -> None:
    from models.colonoscopy.data.images import read_pairs
    from models.colonoscopy.data.masks import mask_files, read_drawn
    from models.colonoscopy.synthesis.contact_sheet import write_sheet
    from models.colonoscopy.synthesis.whole_frames import whole

    if options.masks:
        masks = [read_drawn(path) for path in mask_files(options.masks)[: options.limit]]
    if options.masks and (options.films or options.reconstructions):
        from models.colonoscopy.video.contact_sheet import write_film_sheet, write_reconstructions

        (write_film_sheet if options.films else write_reconstructions)(masks, options.out)
    elif options.pairs:
        pairs = list(read_pairs(options.pairs, options.limit))
        squares = [whole(pair.frame, pair.mask) for pair in pairs]
        write_sheet([one.mask for one in squares], options.out, [one.frame for one in squares])
    else:
        write_sheet(masks, options.out)
    print(options.out)


def _models(options: argparse.Namespace) -> None:
    show("colonoscopy", METHODS, options.json)


def _import(options: argparse.Namespace) -> None:
    run_import("colonoscopy", METHODS, options)


COMMANDS = {
    "models": _models,
    "import": _import,
    "sample": _sample,
    "inpaint": _inpaint,
    "film": film_command.film,
    "segment": _segment,
    "inspect": _inspect,
    "train": _train,
    "evaluate": _evaluate,
    "sheet": _sheet,
}

if __name__ == "__main__":
    sys.exit(main())
