"""The weights that authors published, imported by the command and asked by commands and page."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from app.colonoscopy import find_service, service
from app.colonoscopy.session import ColonoscopySession
from app.colonoscopy.tab import ColonoscopyTab
from app.session import Visit
from models.colonoscopy import __main__ as command
from models.colonoscopy import pipeline
from models.colonoscopy.data import exports
from models.colonoscopy.data.images import squared
from models.colonoscopy.segmentation.base import as_tensor
from models.colonoscopy.segmentation.polyp_pvt import PolypPVT
from models.colonoscopy.segmentation.pranet import PraNet
from models.colonoscopy.segmentation.registry import SEGMENTERS
from models.colonoscopy.segmentation.sanet import SANet
from models.colonoscopy.synthesis.image_pipeline import SIZE, ImageSdm
from models.colonoscopy.synthesis.registry import GENERATORS
from models.colonoscopy.synthesis.sdm import SdmConfig, SdmUNet
from models.core import checkpoints
from tests.colonoscopy.makers import frame_of, mask_of

# Heads have 64 channels and sizes two blocks, as published; the rest is as small as that allows.
SMALL = SdmConfig(width=32, multiples=(1, 1, 1, 2), attention=(8,), hidden=4)


def run(*arguments: object) -> int:
    return command.main([str(argument) for argument in arguments])


@pytest.fixture(scope="module", autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRILAB_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setattr(SEGMENTERS, "_loaded", {})
        patch.setattr(GENERATORS, "_loaded", {})
        yield


@pytest.fixture(scope="module")
def pranet(tmp_path_factory: pytest.TempPathFactory) -> PraNet:
    """PraNet of its published size with weights of chance, imported as "theirs"."""
    torch.manual_seed(0)
    network = PraNet().eval()
    path = tmp_path_factory.mktemp("released") / "PraNet-19.pth"
    torch.save(network.state_dict(), path)
    assert run("import", "pranet", path, "--name", "theirs") == 0
    return network


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> tuple[SdmUNet, Path]:
    """A small SDM whose last layer says something, and the Lightning checkpoint that ArSDM's code saves."""
    torch.manual_seed(0)
    network = SdmUNet(SMALL).eval()
    with torch.no_grad():
        network.out[2].weight.normal_(0, 0.02)
    averaged = {
        f"model_ema.{('diffusion_model.' + n).replace('.', '')}": v for n, v in network.state_dict().items()
    }
    plain = {f"model.diffusion_model.{n}": v + 1 for n, v in network.state_dict().items()}
    beside = {"betas": torch.zeros(1000), "model_ema.decay": torch.tensor(0.9999)}
    path = tmp_path_factory.mktemp("released") / "epoch=94.ckpt"
    torch.save({"epoch": 94, "state_dict": {**plain, **averaged, **beside}}, path)
    return network, path


def test_pranet_segments_a_folder_at_its_own_size(pranet, tmp_path, capsys):
    frames = {name: frame_of(mask_of(), seed) for name, seed in (("a", 1), ("b", 2))}
    (tmp_path / "frames").mkdir()
    for name, frame in frames.items():
        Image.fromarray(frame).save(tmp_path / "frames" / f"{name}.png")
    assert run("segment", tmp_path / "frames", "--model", "theirs,polyps", "--out", tmp_path / "out") == 0
    rows = json.loads((tmp_path / "out" / "found.json").read_text())
    assert len(rows) == 2 and "theirs" in capsys.readouterr().out
    with torch.inference_mode():
        given = as_tensor(squared(frames["a"], 352), torch.zeros(1))
        expected = pranet.likely(pranet(given))[0, 0].numpy()
    found = SEGMENTERS.loaded("theirs")(frames["a"])
    assert found.shape == (352, 352)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_what_was_imported_is_listed(pranet, capsys):
    assert run("models", "--json") == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["theirs"]["task"] == "segmentation" and rows["theirs"]["checkpoint"] == "theirs"
    assert rows["theirs"]["megabytes"] > 100 and rows["theirs"]["paper"] == "Fan et al., MICCAI 2020"
    assert rows["theirs"]["figures"] is None and rows["theirs"]["trained_on"] is None


def test_the_page_offers_it_as_judge_and_in_the_comparison(pranet):
    session = Visit().lab(ColonoscopySession)
    chosen = find_service.chosen(["theirs"], [])
    (finding,) = find_service.find(session, [("mine", frame_of(mask_of()))], *chosen)
    assert finding.masks.keys() == {"theirs"}
    assert service.order(mask_of(), 1, 7, "arsdm", 20, "dpm", "theirs").judge == "theirs"
    assert "theirs" in SEGMENTERS.installed()
    session.visit.end()


@pytest.mark.parametrize(("kind", "method"), [(SANet, "sanet"), (PolypPVT, "polyp_pvt")])
def test_the_other_segmenters_come_in_too(kind, method, tmp_path):
    torch.manual_seed(1)
    network = kind().half().eval()
    torch.save({f"module.{name}": value for name, value in network.state_dict().items()}, tmp_path / "x.pth")
    assert run("import", method, tmp_path / "x.pth", "--name", f"my-{method}") == 0
    likely = SEGMENTERS.loaded(f"my-{method}")(frame_of(mask_of()))
    assert likely.shape == (352, 352) and np.isfinite(likely).all()


@pytest.mark.parametrize("form", ["lightning", "plain"])
def test_a_released_sdm_tells_its_sizes(released, form, tmp_path):
    network, path = released
    if form == "plain":
        path = tmp_path / "ema_0.9999_050000.pt"
        torch.save(network.state_dict(), path)
    found = SdmUNet.from_published(path)
    assert found.config == SMALL
    torch.testing.assert_close(found.state_dict(), network.state_dict(), rtol=0, atol=0)


def test_the_published_sizes_are_told_from_the_published_tensors():
    from models.colonoscopy.synthesis.sdm import PUBLISHED, _sizes

    with torch.device("meta"):
        tensors = SdmUNet(PUBLISHED).state_dict()
    assert _sizes(tensors, lambda name: name, "x") == PUBLISHED


def test_arsdm_draws_at_384_pixels_from_the_command_line(released, tmp_path, capsys):
    assert run("import", "arsdm", released[1], "--name", "arsdm384") == 0
    (tmp_path / "m.png").write_bytes(exports.mask_png(mask_of()))
    command = ("sample", "--mask", tmp_path / "m.png", "--model", "arsdm384", "--steps", 2)
    assert run(*command, "--out", tmp_path / "out") == 0
    (row,) = json.loads((tmp_path / "out" / "samples.json").read_text())
    assert row["model"] == "arsdm384"
    assert "arsdm384" in GENERATORS.installed() and "arsdm384" in service.models()


@pytest.mark.parametrize("sampler", ["ddim", "dpm"])
def test_its_sampler_shows_its_work_and_stops(released, sampler):
    generator = ImageSdm(released[0], size=64)
    steps = list(generator(mask_of(), count=1, seed=3, steps=3, sampler=sampler))
    frames = [step.preview.frame for step in steps[:-1]]
    assert len(frames) == 3 and all(frame.shape == (64, 64, 3) for frame in frames)
    assert [round(step.fraction, 2) for step in steps[:-1]] == [0.33, 0.67, 1.0]
    assert np.array_equal(steps[-1][0], frames[-1]) and frames[0].std() > 0
    again = list(generator(mask_of(), count=1, seed=3, steps=3, sampler=sampler))
    assert np.array_equal(again[-1][0], steps[-1][0])


def test_the_pages_service_draws_with_it_and_names_it(released):
    assert run("import", "sdm", released[1], "--name", "sdm384") == 0
    session = Visit().lab(ColonoscopySession)
    *_, sample = service.draw(session, service.order(mask_of(), 1, 7, "sdm384", 1, "dpm"))
    assert isinstance(sample, pipeline.Sample) and sample.frame.shape == (SIZE, SIZE, 3)
    assert sample.found.shape == sample.mask.shape == (SIZE, SIZE)
    assert sample.weights and len(sample.weights) == 12
    assert ColonoscopyTab._model(str, "sdm384") == "SDM (sdm384)"
    session.visit.end()


def test_refusals_are_sentences_with_exit_code_2(tmp_path, capsys):
    (tmp_path / "x.pth").write_bytes(b"nothing")
    assert run("import", "pranet", tmp_path / "x.pth", "--name", "other") == 2
    assert "x.pth is not a checkpoint" in capsys.readouterr().err
    assert run("import", "nobody", tmp_path / "x.pth", "--name", "other") == 2
    assert "pranet" in capsys.readouterr().err
    assert not (checkpoints.home() / "other").exists()
