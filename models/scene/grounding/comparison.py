"""The methods of visual grounding, measured beside each other and beside the figures of the talk."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev
from tempfile import TemporaryDirectory
from typing import Any

from models.core.checkpoints import load_checkpoint
from models.core.results import markdown, write
from models.scene.evaluation.grounding import (
    DETECTIONS,
    LANGUAGE,
    TITLES,
    TRUE_BOXES,
    Asked,
    Chooser,
    by_first_label,
    by_network,
    figures,
    load,
)
from models.scene.grounding import registry
from models.scene.grounding.comparison_training import RIVALS, SEEDS, STEPS, folder
from models.scene.open_instancerefer import OpenInstanceRefer
from models.scene.shapes import ShapeEncoder
from models.scene.training.grounding import point_encoder
from models.scene.training.words import WordIndices, WordVectors

# Per cent, as the talk prints them: ScanRefer's val set (Unique, Multiple, Overall, each @0.25 and @0.5).
TALK_SCANREFER: Mapping[str, tuple[float, ...]] = {
    "scanrefer": (65.00, 43.31, 30.63, 19.75, 37.30, 24.32),
    "tgnn": (68.61, 56.80, 29.84, 23.18, 37.37, 29.70),
    "instancerefer": (77.45, 66.83, 31.27, 24.77, 40.23, 32.93),
}
# Easy, hard, view-dependent, view-independent, overall.
TALK_REFERIT: Mapping[str, Mapping[str, tuple[float, ...]]] = {
    "nr3d": {
        "referit3dnet": (43.6, 27.9, 32.5, 37.1, 35.6),
        "tgnn": (44.2, 30.6, 35.8, 38.0, 37.3),
        "instancerefer": (46.0, 31.8, 34.5, 41.9, 38.8),
    },
    "sr3d": {
        "referit3dnet": (44.7, 31.5, 39.2, 40.8, 40.8),
        "tgnn": (48.5, 36.9, 45.8, 45.0, 45.0),
        "instancerefer": (51.1, 40.5, 45.4, 48.1, 48.0),
    },
}
SCANREFER_COLUMNS = tuple(
    (part, f"acc@{bound}") for part in ("unique", "multiple", "overall") for bound in (0.25, 0.5)
)
REFERIT_COLUMNS = ("easy", "hard", "view_dependent", "view_independent", "overall")
UNLEARNED = "first label named (no learning)"
MODULE = "python -m models.scene"
DIFFERS = (
    "What differs from the talk: these are parts of the official sets; the boxes are those named here, not "
    "each paper's own; objects carry any label and not 18 classes; the real clouds have no colour by point; "
    "5,597 human sentences with a known target were there to learn from, and not 36,665 and more."
)


def chooser(name: str, texts: Sequence[str]) -> Chooser:
    """What ships of a method. texts: the sentences that it will be asked."""
    checkpoint = registry.method(name).checkpoint
    if name == "instancerefer":
        return by_network(load_checkpoint(OpenInstanceRefer, checkpoint), WordVectors(texts))
    network = load_checkpoint(RIVALS[name], checkpoint)
    return by_network(network, WordIndices(network.vocabulary, least=1))


def evaluate_method(
    name: str, data: Path, task: str, boxes: Path | None, language: Path | None
) -> dict[str, Any]:
    """Measure what ships of one method, with the keys that InstanceRefer's evaluation has."""
    asked = load(data, task, boxes, language, points=point_encoder())
    found = figures(data, asked, chooser(name, [row["text"] for row in asked.rows]))
    print(markdown([{"method": registry.METHODS[name].title, **_row(task, found)}]))
    return found


def evaluate(data: Path) -> dict[str, Any]:
    """Both tables of the talk: every seed that `train comparison` has made, and what ships."""
    encoder = point_encoder()
    return {
        "scanrefer": _table_one(data, encoder),
        **{task: _table_two(data, task, encoder) for task in ("nr3d", "sr3d")},
    }


# ---- the talk's table 1 ----


def _table_one(data: Path, encoder: ShapeEncoder) -> dict[str, Any]:
    mask3d = load(data, "scanrefer", points=encoder)
    sources: dict[str, Asked] = {"Mask3D": mask3d}
    own = pointgroup_boxes(data)
    with TemporaryDirectory() as temporary:
        boxes = Path(temporary) / "boxes.json"
        boxes.write_text(json.dumps(own))
        found = load(data, "scanrefer", boxes, points=encoder)
    part = [row for row in mask3d.rows if row["scene_id"] in found.offered]
    sources["Mask3D, scenes with points"] = replace(mask3d, rows=part)
    sources["PointGroup, the same scenes"] = replace(found, rows=part)
    rows: list[dict[str, Any]] = []
    result: dict[str, Any] = {}
    for source, asked in sources.items():
        texts = [row["text"] for row in asked.rows]
        plain = figures(data, asked, by_first_label)
        rows.append(
            {"boxes": source, "method": "first label named (no learning)", **_row("scanrefer", plain)}
        )
        for name in registry.METHODS:
            measured = figures(data, asked, chooser(name, texts))
            result[f"{source}: {name}"] = measured
            row = {"boxes": source, "method": f"{registry.METHODS[name].title}, shipped"}
            rows.append({**row, **_row("scanrefer", measured)})
            if source == "Mask3D":
                rows += _seeded(data, "scanrefer", asked, name, {"boxes": source})
    for name, talk in TALK_SCANREFER.items():
        columns = [f"{part} {bound.removeprefix('acc')}" for part, bound in SCANREFER_COLUMNS]
        title = registry.METHODS[name].title + (" + BERT" if name == "tgnn" else "")
        rows.append(
            {
                "boxes": "the paper's own",
                "method": f"{title}, the talk",
                **dict(zip(columns, talk, strict=True)),
            }
        )
    return _written("scanrefer", rows, DETECTIONS) | {"shipped": result}


# ---- the talk's table 2 ----


def _table_two(data: Path, task: str, encoder: ShapeEncoder) -> dict[str, Any]:
    asked = load(data, task, points=encoder)
    texts = [row["text"] for row in asked.rows]
    rows: list[dict[str, Any]] = [{"method": UNLEARNED, **_row(task, figures(data, asked, by_first_label))}]
    result: dict[str, Any] = {}
    for name, method in registry.METHODS.items():
        result[name] = figures(data, asked, chooser(name, texts))
        rows.append({"method": f"{method.title}, shipped", **_row(task, result[name])})
        rows += _seeded(data, task, asked, name, {})
        if name in TALK_REFERIT[task]:
            talk = dict(zip(REFERIT_COLUMNS, TALK_REFERIT[task][name], strict=True))
            rows.append({"method": f"{method.title}, the talk", **talk})
    return _written(task, rows, TRUE_BOXES) | {"shipped": result}


# ---- rows ----


def _seeded(data: Path, task: str, asked: Asked, name: str, head: Mapping[str, str]) -> list[dict[str, Any]]:
    """One row: mean and spread over the seeds that were trained for the same number of steps; [] for none."""
    measured = []
    for seed in range(SEEDS):
        path = folder(name, seed) / "final"
        if path.exists():
            kind = OpenInstanceRefer if name == "instancerefer" else RIVALS[name]
            network = kind.from_pretrained(path).eval()
            words = WordIndices.load(path / "words.json")
            measured.append(_row(task, figures(data, asked, by_network(network, words))))
    if not measured:
        return []
    count = len(measured)
    seeds = f"{count} seeds" if count > 1 else "one seed"
    title = f"{registry.METHODS[name].title}, {STEPS} steps, {seeds}"
    row = {key: _spread([each[key] for each in measured]) for key in measured[0] if key != "n"}
    return [{**head, "method": title, **row, "n": measured[0]["n"]}]


def _spread(values: Sequence[float]) -> str:
    return f"{mean(values):.1f}" + (f" ± {stdev(values):.1f}" if len(values) > 1 else "")


def _row(task: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """Figures in the talk's order of columns."""
    if task == "scanrefer":
        parts = {f"{p} {b.removeprefix('acc')}": found[p][b] for p, b in SCANREFER_COLUMNS}
    else:
        parts = {part: found[part] for part in REFERIT_COLUMNS}
    return {**parts, "n": found["n"]}


def _written(task: str, rows: list[dict[str, Any]], protocol: str) -> dict[str, Any]:
    table = markdown(rows)
    print(table, flush=True)
    same = (
        f"Rows with a number of steps: all methods on the same sentences, scenes and batches, {STEPS} steps "
        "of 48, words learned; mean and standard deviation over the seeds. Shipped: each to its own best; "
        "InstanceRefer was trained longest."
    )
    command = f"`{MODULE} train comparison --data DIR && {MODULE} evaluate comparison --data DIR`"
    parts = (f"## Grounding, methods compared: {TITLES[task]}", protocol, same, DIFFERS, table, command)
    write(f"comparison-{task}", "\n\n".join(parts))
    return {"set": LANGUAGE[task], "rows": rows}


def pointgroup_boxes(data: Path) -> dict[str, list[dict[str, Any]]]:
    """What PointGroup finds in the real val clouds, in the form of Mask3D's file."""
    from models.scene.evaluation.segmentation import found_in, val_scenes
    from models.scene.segmenter import Segmenter

    segmenter = Segmenter()
    return {scene.name: found_in(segmenter, scene) for scene in val_scenes(data, segmenter.network.classes)}
