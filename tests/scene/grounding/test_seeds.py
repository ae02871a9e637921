"""Five seeds: the mean and the spread of a table's columns, of the networks that a training left."""

import json
from types import SimpleNamespace

import pytest

from models.scene.grounding import compared, seeds
from models.scene.grounding.compared import REFERIT_COLUMNS


def test_the_spread_is_that_of_a_sample():
    found = [dict.fromkeys(REFERIT_COLUMNS, value) for value in (40.0, 42.0, 44.0)]
    assert seeds.spread(found) == {
        key: value for column in REFERIT_COLUMNS for key, value in ((column, 42.0), (f"{column} ±", 2.0))
    }


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """Figures of TGNN from three seeds, of ScanRefer from one."""
    monkeypatch.setattr(compared, "RUNS", tmp_path)
    monkeypatch.setattr(seeds, "load", lambda data, task, points: SimpleNamespace(task=task))
    written = {}
    monkeypatch.setattr(seeds, "write", written.setdefault)
    for name, count in {"tgnn": 3, "scanrefer": 1}.items():
        for seed in range(count):
            (compared.folder(name, seed) / "final").mkdir(parents=True)
            for task in ("nr3d", "sr3d"):
                figures = dict.fromkeys(REFERIT_COLUMNS, 40.0 + 2 * seed)
                (compared.folder(name, seed) / f"{task}.json").write_text(json.dumps(figures))
    return written


def test_a_method_of_one_seed_has_no_row(trained, tmp_path):
    rows = seeds.evaluate(tmp_path, None)
    assert [(row["set"], row["model"], row["seeds"]) for row in rows] == [
        ("Nr3D, part test_a", "TGNN", 3),
        ("Sr3D, part test_a", "TGNN", 3),
    ]
    assert rows[0]["overall"] == 42.0
    assert rows[0]["overall ±"] == 2.0
    assert "| Nr3D, part test_a | TGNN | 42.0 ± 2.0 |" in trained["grounding-seeds"]
