"""PVDM and LVDM as published: generators of films, and their imports."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.colonoscopy import __main__ as command
from models.colonoscopy.video import lvdm, lvdm_autoencoder, pvdm, pvdm_autoencoder
from models.colonoscopy.video.base import FilmFrame, FilmOrder
from models.colonoscopy.video.clip_by_clip import ClipByClip, load_pair
from models.colonoscopy.video.lvdm import VideoUNet
from models.colonoscopy.video.lvdm_autoencoder import LvdmAutoencoder
from models.colonoscopy.video.lvdm_pipeline import LvdmFilms
from models.colonoscopy.video.pvdm import LatentVideoUNet
from models.colonoscopy.video.pvdm_autoencoder import PvdmAutoencoder
from models.colonoscopy.video.pvdm_pipeline import PvdmFilms
from models.colonoscopy.video.registry import FILMS
from models.core.errors import UserError
from models.core.progress import Drawing, Progress
from tests.colonoscopy.video.tiny import TINY_LVDM, TINY_LVDM_AUTOENCODER, TINY_PVDM, TINY_PVDM_AUTOENCODER

ORDER = FilmOrder(np.ones((8, 8), bool), seconds=1.0, seed=3, steps=3)


def films(name: str) -> ClipByClip:
    torch.manual_seed(0)
    if name == "pvdm":
        network = LatentVideoUNet(TINY_PVDM)
        torch.nn.init.normal_(network.out[2].weight, 0, 0.1)
        return PvdmFilms(network, PvdmAutoencoder(TINY_PVDM_AUTOENCODER))
    return LvdmFilms(VideoUNet(TINY_LVDM), LvdmAutoencoder(TINY_LVDM_AUTOENCODER))


@pytest.mark.parametrize("name", ["pvdm", "lvdm"])
def test_a_film_comes_frame_by_frame_with_previews(name):
    steps = list(films(name)(ORDER))
    frames = [step for step in steps if isinstance(step, FilmFrame)]
    assert [one.index for one in frames] == list(range(10))
    assert all(one.frame.shape == (16, 16, 3) and one.frame.dtype == np.uint8 for one in frames)
    assert all(one.mask is None for one in frames)
    told = [step for step in steps if isinstance(step, Progress)]
    shares = [step.fraction for step in told]
    assert shares == sorted(shares) and shares[-1] == pytest.approx(1) and len(shares) == 9
    assert all(isinstance(step.preview, Drawing) for step in told)
    assert [step.preview.index for step in told] == [0] * 3 + [4] * 3 + [8] * 3
    again = [step.frame for step in films(name)(ORDER) if isinstance(step, FilmFrame)]
    assert all(np.array_equal(one.frame, two) for one, two in zip(frames, again, strict=True))
    other = next(step for step in films(name)(replace(ORDER, seed=4)) if isinstance(step, FilmFrame))
    assert not np.array_equal(other.frame, frames[0].frame)


def test_pvdm_goes_on_from_the_clip_before():
    generator, told = films("pvdm"), []
    generator.network.register_forward_pre_hook(lambda module, given: told.append(given[2]))
    list(generator(replace(ORDER, seconds=0.8, steps=1)))
    assert told[0] is None and told[1].shape == (1, 4, TINY_PVDM.tokens)


def test_an_order_out_of_range_is_refused():
    with pytest.raises(UserError, match="seconds_range"):
        next(films("lvdm")(replace(ORDER, seconds=90.0)))


@pytest.mark.parametrize("name", ["pvdm", "lvdm"])
def test_the_authors_weights_are_imported_with_their_autoencoder(name, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TRILAB_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(FILMS, "_loaded", {})
    film, made = films(name), {}
    kinds = {
        "pvdm": (LatentVideoUNet, PvdmAutoencoder, TINY_PVDM, TINY_PVDM_AUTOENCODER),
        "lvdm": (VideoUNet, LvdmAutoencoder, TINY_LVDM, TINY_LVDM_AUTOENCODER),
    }
    for kind, config in zip(kinds[name][:2], kinds[name][2:], strict=True):
        read = kind.from_published.__func__
        monkeypatch.setattr(
            kind, "from_published", classmethod(lambda cls, file, read=read, c=config: read(cls, file, c))
        )
    if name == "pvdm":
        made = {"pvdm": film.network.state_dict(), "pvdm_autoencoder": film.autoencoder.state_dict()}
    else:
        unet = {f"model.diffusion_model.{key}": value for key, value in film.network.state_dict().items()}
        first = {f"first_stage_model.{key}": value for key, value in film.autoencoder.state_dict().items()}
        made = {key: {**unet, **first} for key in ("lvdm", "lvdm_autoencoder")}
    for method, tensors in made.items():
        torch.save(tensors, tmp_path / f"{method}.pth")

    def bring(method: str, wanted: str) -> int:
        return command.main(["import", method, str(tmp_path / f"{method}.pth"), "--name", wanted])

    assert bring(name, "sky") == 0
    assert "sky" in FILMS and "sky" not in FILMS.installed()
    with pytest.raises(UserError, match="autoencoder_missing") as error:
        FILMS.loaded("sky")
    assert error.value.facts["wanted"] == "sky_autoencoder"
    assert bring(f"{name}_autoencoder", "sky_autoencoder") == 0
    assert "sky" in FILMS.installed() and "sky_autoencoder" not in FILMS
    assert next(step for step in FILMS.loaded("sky")(ORDER) if isinstance(step, FilmFrame)).frame.any()
    capsys.readouterr()


def test_the_autoencoder_of_what_ships_is_a_checkpoint_like_others():
    with pytest.raises(UserError, match="checkpoint_missing"):
        load_pair(LatentVideoUNet, PvdmAutoencoder, "pvdm_autoencoder", "nothing")
    assert FILMS["pvdm"].checkpoints == ("pvdm", "pvdm_autoencoder", "colonoscopy_autoencoder")
    assert FILMS["lvdm"].checkpoints == ("lvdm", "colonoscopy_autoencoder")
    for module in (pvdm, pvdm_autoencoder, lvdm, lvdm_autoencoder):
        assert Path(module.__file__).stem in FILMS.published
