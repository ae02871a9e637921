"""`models` of each lab: a row a method, as its checkpoint's card tells."""

import json
import re
from importlib import import_module

import pytest

from models.core import checkpoints, methods

KEYS = {"name", "task", "paper", "checkpoint", "megabytes", "trained_on", "figures"}


@pytest.mark.parametrize("lab", ["scene", "colonoscopy", "face"])
def test_the_methods_of_a_lab_are_listed(lab, capsys):
    command = import_module(f"models.{lab}.__main__")
    assert command.main(["models", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert all(row.keys() == KEYS for row in rows)
    shipped = [row for row in rows if row["checkpoint"]]
    assert shipped and all(row["megabytes"] > 0 and row["trained_on"] for row in shipped)
    assert all(re.search(r"\d", row["figures"]) for row in shipped), "each card tells what was measured"
    assert {row["checkpoint"] for row in shipped} <= {card.name for card in checkpoints.all_cards(lab)}
    assert command.main(["models"]) == 0 and rows[0]["name"] in capsys.readouterr().out


def test_a_section_holds_its_tables_and_ends_at_the_next():
    text = "**Data.** One.\n\n**Measured** with it:\n\n| a |\n| --- |\n| **1** |\n\n**Speed.** Two."
    assert methods._section(text, "Measured") == "with it:\n\n| a |\n| --- |\n| **1** |"
    assert methods._section(text, "Data") == "One." and methods._section(text, "Use") is None
