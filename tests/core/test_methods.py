"""`models` of each lab: a row a method, as its checkpoint's card tells."""

import json
from importlib import import_module

import pytest

from models.core import checkpoints

KEYS = {"name", "task", "paper", "checkpoint", "megabytes", "trained_on", "figures"}


@pytest.mark.parametrize("lab", ["scene", "colonoscopy", "face"])
def test_the_methods_of_a_lab_are_listed(lab, capsys):
    command = import_module(f"models.{lab}.__main__")
    assert command.main(["models", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert all(row.keys() == KEYS for row in rows)
    shipped = [row for row in rows if row["checkpoint"]]
    assert shipped and all(row["megabytes"] > 0 and row["trained_on"] for row in shipped)
    assert {row["checkpoint"] for row in shipped} <= {card.name for card in checkpoints.all_cards(lab)}
    assert command.main(["models"]) == 0 and rows[0]["name"] in capsys.readouterr().out
