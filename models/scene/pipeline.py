"""The scene lab's one door: open a scan, ask it a sentence. Networks load at first use."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from models.core.checkpoints import CheckpointCard, all_cards
from models.core.errors import UserError
from models.core.import_lock import LOADING
from models.core.progress import Progress
from models.scene.captioning.registry import CAPTIONERS
from models.scene.captioning.structure import described, of_structure
from models.scene.data.scan import Scan
from models.scene.grounding.registry import GROUNDERS
from models.scene.segmentation.registry import SEGMENTERS
from models.scene.types import Answer, Caption, Segmented

if TYPE_CHECKING:
    from models.scene.grounding.base import Grounding
    from models.scene.grounding.instancerefer.predictor import Grounder

SCANS = Path(__file__).resolve().parents[2] / "assets" / "scans"


def examples() -> list[str]:
    """Names of the scans that ship, sorted."""
    return sorted(path.name for path in SCANS.iterdir() if path.is_dir()) if SCANS.is_dir() else []


def open_example(name: str) -> Scan:
    """A shipped scan. Raises UserError("unknown_scan") for any other name."""
    from models.scene.data.scannet import load_folder

    if name not in examples():
        raise UserError("unknown_scan")
    return load_folder(SCANS / name)


def open_upload(paths: Sequence[Path], workdir: Path) -> Scan:
    """A visitor's scan from its files or from one zip, unpacked under `workdir`."""
    from models.scene.data.scannet import load

    return load(paths, workdir=workdir)


def open_path(path: Path) -> Scan:
    """A scan of the command line: a folder, a file, or the name of one that ships."""
    from models.scene.data.scannet import load_folder

    return open_example(path.name) if str(path) in examples() and not path.exists() else load_folder(path)


def with_proposals(scan: Scan, path: Path) -> Scan:
    """The scan with predicted instances: a file of boxes (Mask3D's form) or a ScanNet-benchmark folder.

    Raises UserError("predictions_missing") where the file says nothing of this scan.
    """
    from models.scene.data.proposals import read_proposals, with_predictions

    if path.is_dir():
        return with_predictions(scan, path)
    found = read_proposals(path).get(scan.name)
    if not found:
        raise UserError("predictions_missing", scan=scan.name)
    return replace(scan, instances=tuple(found), vertex_instance=np.full(len(scan.vertices), -1, np.int32))


def segment(scan: Scan, method: str = SEGMENTERS.default) -> Segmented:
    """A raw scan with the instances that a method finds, set upright where its file has no pose.

    Raises UserError: model_unknown, segment_nothing, checkpoint_missing, checkpoint_broken.
    """
    return SEGMENTERS.loaded(method)(scan)


def segmenting(scan: Scan, method: str = SEGMENTERS.default) -> Iterator[Progress | Segmented]:
    """`segment` in stages, each told before it begins; the last that comes is the result."""
    yield Progress(0.0, "find_load")
    yield from SEGMENTERS.loaded(method).steps(scan)


def ground(scan: Scan, sentence: str, checkpoint: str = "instancerefer") -> Answer:
    """The object that a sentence means in a scan. `candidates` is () when it names nothing there.

    Raises UserError: thing_unknown, scan_unlabelled, checkpoint_missing, checkpoint_broken.
    """
    from models.scene.grounding.sentence_reading import read_sentence

    read = read_sentence(sentence, scan)
    return read.told(grounder(checkpoint)(scan, read.text, read.labels))


def ground_by(method: str, scan: Scan, sentence: str) -> "Grounding":
    """What one of the methods of grounding/registry.py answers.

    Raises UserError: model_unknown, thing_unknown, scan_unlabelled, checkpoint_missing, checkpoint_broken.
    """
    from models.scene.grounding.sentence_reading import understood

    return replace(GROUNDERS.loaded(method)(scan, understood(sentence)[0]), sentence=sentence)


def compare(methods: Sequence[str], scan: Scan, sentence: str) -> "tuple[Grounding, ...]":
    """What each of several methods answers, in their order. Raises as `ground_by` does."""
    return tuple(ground_by(method, scan, sentence) for method in methods)


def grounder(checkpoint: str) -> "Grounder":
    """The shipped InstanceRefer's predictor, loaded once for a process."""
    with LOADING:
        from models.scene.grounding.instancerefer.predictor import load

        return load(checkpoint)


def caption(scan: Scan, object_id: int, method: str = CAPTIONERS.default) -> Caption:
    """What there is to say of an object of a scan; of a wall, floor or ceiling that it is one.

    Raises UserError: model_unknown, object_unknown, scan_unlabelled, checkpoint_missing, checkpoint_broken.
    """
    return of_structure(scan, object_id) or CAPTIONERS.loaded(method)(scan, object_id)


def captions(methods: Sequence[str], scan: Scan, object_id: int) -> dict[str, Caption]:
    """What each of several methods says of an object, by its name. Raises as `caption` does."""
    return {method: caption(scan, object_id, method) for method in methods}


def describe(scan: Scan, method: str = CAPTIONERS.default) -> Iterator[Caption]:
    """A caption of every object but walls, floor and ceiling, each as soon as it is there.

    Raises UserError: model_unknown, scan_unlabelled, checkpoint_missing, checkpoint_broken.
    """
    return CAPTIONERS.loaded(method).describe(scan)


def warm_up(name: str) -> None:
    """Get the networks of questions and descriptions ready, by asking them of a shipped scan.

    Raises as `open_example`, `ground` and `caption` do.
    """
    scan = open_example(name)
    ground(scan, "the door")
    caption(scan, described(scan)[0].id)


def checkpoints() -> list[CheckpointCard]:
    """Cards of the checkpoints that can answer."""
    return all_cards("scene")
