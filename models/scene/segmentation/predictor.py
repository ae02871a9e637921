"""The predictor around PointGroup: a raw scan gets its instances, and a benchmark folder can be written."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from models.core.checkpoints import load_checkpoint
from models.core.errors import UserError
from models.core.progress import Progress
from models.core.upload_validation import safe_name
from models.scene.data import nyu40
from models.scene.data.mesh_io import GREY
from models.scene.data.scan import Instance, Scan
from models.scene.objects.point_encoder import ShapeEncoder
from models.scene.segmentation.clusters import Members, suppress
from models.scene.segmentation.gravity_alignment import Level, floor_of, levelled
from models.scene.segmentation.pointgroup import PointGroup, Points, averaged, voxelise
from models.scene.segmentation.shape_labels import named
from models.scene.types import Segmented

CHECKPOINT, SHAPES = "pointgroup", "shapes"
LEAST_SCORE, MOST_OVERLAP = 0.09, 0.3  # the release's, as LEAST_POINTS is
LEAST_POINTS = 100  # of an object, of all of a scan's points
SHOWN_SCORE = (
    0.2  # from there on 84 % of what is found is an object, by IoU 0.25 in 10 val and 4 shipped scans
)
Result = TypeVar("Result")


@dataclass(frozen=True)
class Found:
    """What is in a cloud of N points.

    semantic: (N,) place of each point's class in the network's classes. members, classes, scores: of the
    objects, best first: which points, which class, 0 to 1.
    """

    semantic: NDArray[np.int64]
    members: list[Members]
    classes: list[int]
    scores: list[float]


def find(network: PointGroup, xyz: NDArray[np.float32], colours: NDArray[np.uint8] | None) -> Found:
    """The objects of a cloud, z up, its floor at 0. xyz: (N, 3) metres. colours: (N, 3), None without."""
    return last(finding(network, xyz, colours))


@torch.inference_mode()
def finding(
    network: PointGroup, xyz: NDArray[np.float32], colours: NDArray[np.uint8] | None
) -> Iterator[Progress | Found]:
    """`find` in stages.

    The network sees one point a voxel, the mean of those in it, so that a million points cost what their
    surface costs; the published one all, as it was trained.
    """
    yield Progress(0.1, "find_read")
    points = Points.of(xyz, colours)
    reduced, place = _reduced(points, network.voxel) if network.levelled else (points, torch.arange(len(xyz)))
    reduced = reduced.to(network.linear.weight.device)
    felt = network(reduced)
    yield Progress(0.5, "find_group")
    clusters = network.group(reduced, felt)
    yield Progress(0.7, "find_score")
    scores = network.score(reduced, felt, clusters).sigmoid().cpu().numpy()
    semantic = felt.semantic.argmax(1).cpu().numpy()
    least = 0 if network.levelled else LEAST_POINTS
    likely = np.array(
        [i for i, part in enumerate(clusters) if scores[i] > LEAST_SCORE and len(part) >= least], np.int64
    )
    kept = likely[suppress([clusters[i] for i in likely], scores[likely], MOST_OVERLAP, len(reduced.xyz))]
    yield Found(
        semantic[place.numpy()],
        _of_points([clusters[i] for i in kept], place.numpy(), len(reduced.xyz)),
        [int(semantic[clusters[i][0]]) for i in kept],
        [float(scores[i]) for i in kept],
    )


def _reduced(points: Points, voxel: float) -> tuple[Points, torch.Tensor]:
    """The means of the points in each voxel, and (N,) the voxel of each point."""
    coords, place = voxelise(points.xyz, voxel, points.item)
    count = len(coords)
    xyz, rgb = averaged(points.xyz, place, count), averaged(points.rgb, place, count)
    return Points(xyz, rgb, points.coloured[:count], coords[:, 0]), place


def _of_points(sets: list[Members], place: NDArray[np.int64], voxels: int) -> list[Members]:
    """Sets of voxels as sets of points. place: (N,) the voxel of each point."""
    order = np.argsort(place, kind="stable")
    starts = np.searchsorted(place[order], np.arange(voxels + 1))
    return [
        np.sort(np.concatenate([order[starts[voxel] : starts[voxel + 1]] for voxel in part])) for part in sets
    ]


class Segmenter:
    """Loads the checkpoint once and finds the instances of scans."""

    def __init__(self, checkpoint: str = CHECKPOINT) -> None:
        """Raises UserError("checkpoint_missing" or "checkpoint_broken") naming the file."""
        self.network: PointGroup = load_checkpoint(PointGroup, checkpoint)
        self.shapes: ShapeEncoder = load_checkpoint(ShapeEncoder, SHAPES)

    def __call__(self, scan: Scan) -> Segmented:
        """The scan with the instances that were found; set upright first where its file has no pose.

        Raises UserError("segment_nothing") where there is none.
        """
        return last(self.steps(scan))

    def steps(self, scan: Scan) -> Iterator[Progress | Segmented]:
        """`__call__` in stages: what is done next, and at last the result."""
        yield Progress(0.0, "find_level")
        scan, level, xyz = upright(scan)
        for step in finding(self.network, xyz, scan.colours if has_colour(scan) else None):
            if isinstance(step, Progress):
                yield step
            else:
                if self.network.levelled:
                    step = surest(step, SHOWN_SCORE)
                classes = [self.network.classes[place] for place in step.classes]
                labels = named(self.shapes, [xyz[part] for part in step.members], classes, 0.0)
                yield with_found(scan, level, step, classes, labels)


def upright(scan: Scan) -> tuple[Scan, Level | None, NDArray[np.float32]]:
    """The scan set upright where its file has no pose, how, and its vertices with the floor at 0."""
    if np.array_equal(scan.alignment, np.eye(4)):
        scan, level = levelled(scan)
        return scan, level, scan.aligned
    xyz = scan.aligned
    return scan, None, xyz - np.array((0, 0, floor_of(xyz)), np.float32)


def last(steps: Iterator[Progress | Result]) -> Result:
    """The result that stands behind the stages."""
    *_, result = steps
    assert not isinstance(result, Progress)
    return result


def surest(found: Found, least: float) -> Found:
    """Only the objects with at least that score; they come best first."""
    count = sum(score >= least for score in found.scores)
    return Found(found.semantic, found.members[:count], found.classes[:count], found.scores[:count])


def with_found(
    scan: Scan, level: Level | None, found: Found, classes: list[str], labels: Sequence[str]
) -> Segmented:
    """The scan with these instances. ids are ranks; a vertex of several belongs to the best-scored."""
    if not found.members:
        raise UserError("segment_nothing", name=scan.name)
    vertex_instance = np.full(len(scan.vertices), -1, np.int32)
    for rank in reversed(range(len(found.members))):
        vertex_instance[found.members[rank]] = rank
    aligned = scan.aligned
    instances = tuple(
        Instance(
            rank,
            labels[rank],
            np.concatenate([aligned[part].min(0), aligned[part].max(0)]),
            scan.colours[part].mean(0).astype(np.float32),
            found.scores[rank],
        )
        for rank, part in enumerate(found.members)
    )
    return Segmented(
        replace(scan, vertex_instance=vertex_instance, instances=instances), level, found.members, classes
    )


def has_colour(scan: Scan) -> bool:
    """Whether the colours are the scan's own, and not the grey that stands for none."""
    return bool((scan.colours != np.uint8(GREY)).any())


def write_predictions(segmented: Segmented, folder: Path) -> Path:
    """ScanNet's benchmark form: SCENE.txt and predicted_masks/SCENE_000.txt; returns SCENE.txt.

    Each line is a mask's file, an NYU40 class and a score; a mask is a 0 or 1 for every vertex.
    """
    scan = segmented.scan
    name = safe_name(scan.name)
    (folder / "predicted_masks").mkdir(parents=True, exist_ok=True)
    lines = []
    for instance, members, kind in zip(scan.instances, segmented.masks, segmented.classes, strict=True):
        digits = np.full(len(scan.vertices), ord("0"), np.uint8)
        digits[members] = ord("1")
        file = f"predicted_masks/{name}_{instance.id:03d}.txt"
        rows = np.stack([digits, np.full_like(digits, ord("\n"))], 1)
        (folder / file).write_bytes(rows.tobytes())
        number = nyu40.NAMES.index(kind) + 1
        lines.append(f"{file} {number} {instance.confidence:.4f}\n")
    listing = folder / f"{name}.txt"
    listing.write_text("".join(lines), encoding="ascii")
    return listing
