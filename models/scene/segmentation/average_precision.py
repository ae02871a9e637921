"""ScanNet's instance benchmark (Dai et al., CVPR 2017, and its evaluation script): AP at a bound on overlap.

Where a cloud is thinned object by object, every point counts for the vertices that it stands for, so that
overlaps are about those of the full scan.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.scene.segmentation.clusters import Members, overlaps

SMALLEST = 100.0


@dataclass(frozen=True)
class Judged:
    """One scene. weight: (N,) what each point counts. void: (N,) whether a point is of no judged class.

    truth: (class, its points). found: (class, its points, score).
    """

    weight: NDArray[np.float64]
    void: NDArray[np.bool_]
    truth: Sequence[tuple[str, Members]]
    found: Sequence[tuple[str, Members, float]]


def average_precision(scenes: Sequence[Judged], kind: str, bound: float) -> float:
    """AP of a class, 0 to 1; nan where no scene has it."""
    scores: list[float] = []
    right: list[bool] = []
    missed = objects = 0
    for scene in scenes:
        matched, lost = _matched(scene, kind, bound)
        objects += lost + sum(hit for _, hit in matched)
        missed += lost
        scores += [score for score, _ in matched]
        right += [hit for _, hit in matched]
    if not objects:
        return float("nan")
    return _area(np.array(scores), np.array(right, bool), missed) if scores else 0.0


def _matched(scene: Judged, kind: str, bound: float) -> tuple[list[tuple[float, bool]], int]:
    """(score, right or wrong) of the predictions of a class in a scene, and how many objects were missed.

    Objects and predictions below SMALLEST don't count, nor does a wrong prediction that lies on void or on
    such an object by more than `bound`. Of several predictions of one object the best is right.
    """
    weight = scene.weight
    found = [(m, s) for label, m, s in scene.found if label == kind and weight[m].sum() >= SMALLEST]
    truth = [members for label, members in scene.truth if label == kind]
    iou = overlaps([members for members, _ in found], truth, weight)
    big = np.array([weight[members].sum() >= SMALLEST for members in truth], bool)
    taken = np.zeros(len(found), bool)
    result: list[tuple[float, bool]] = []
    missed = 0
    for place in np.flatnonzero(big):
        hits = np.flatnonzero((iou[:, place] > bound) & ~taken)
        taken[hits] = True
        ranked = sorted((found[hit][1] for hit in hits), reverse=True)
        missed += not ranked
        result += [(score, rank == 0) for rank, score in enumerate(ranked)]
    small = [members for members, counts in zip(truth, big, strict=True) if not counts]
    aside = scene.void.copy()
    for members in small:
        aside[members] = True
    for place in np.flatnonzero(~taken):
        members, score = found[place]
        of_others = big.any() and iou[place, big].max() > bound
        if not of_others and weight[members][aside[members]].sum() <= bound * weight[members].sum():
            result.append((score, False))
    return result, missed


def _area(scores: NDArray[np.float64], right: NDArray[np.bool_], missed: int) -> float:
    """Area under precision over recall, by the benchmark's rule: half-way between distinct scores."""
    order = np.argsort(scores, kind="stable")
    scores, right = scores[order], right[order]
    _, starts = np.unique(scores, return_index=True)
    hits = np.array([right[start:].sum() for start in starts], float)
    precision = hits / (len(scores) - starts)
    recall = hits / (right.sum() + missed)
    precision, recall = np.append(precision, 1.0), np.append(recall, 0.0)
    ends = np.concatenate([recall[:1], recall, [0.0]])
    return float(precision @ ((ends[:-2] - ends[2:]) / 2))
