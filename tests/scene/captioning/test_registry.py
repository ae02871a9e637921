"""The methods of dense captioning, and the command that takes one by its name."""

import pytest

from models.core.checkpoints import FOLDER, load_checkpoint
from models.core.errors import UserError
from models.scene import __main__ as command
from models.scene.captioning.registry import CAPTIONERS
from tests.scene.scan_makers import scannet


@pytest.mark.parametrize("name", CAPTIONERS.shipped)
def test_every_methods_checkpoint_is_there_without_a_teacher(name: str) -> None:
    assert (FOLDER / CAPTIONERS[name].checkpoint).is_dir()
    network = load_checkpoint(CAPTIONERS[name].kind, CAPTIONERS[name].checkpoint)
    assert getattr(network, "captioner_teacher", None) is None


def test_an_unknown_name_is_told() -> None:
    with pytest.raises(UserError, match="model_unknown"):
        CAPTIONERS.loaded("xtrans2cap_alone")


def test_the_command_asks_the_method_that_is_named(tmp_path, capsys) -> None:
    scannet(tmp_path / "scene", "scene")
    for name in CAPTIONERS.shipped:
        assert (
            command.main(["caption", str(tmp_path / "scene"), "--object", "7", "--model", name, "--json"])
            == 0
        )
        assert f'"checkpoint": "{CAPTIONERS[name].checkpoint}"' in capsys.readouterr().out
