"""The figures of drawn mouths: scores of pictures that are known, and who is measured."""

import numpy as np
import pytest
import torch

from models.core.perceptual import Lpips
from models.face.rendering import evaluation
from models.face.rendering.contact_sheet import MOMENTS, moments
from models.face.sources import mesh
from tests.face.made_face import own, picture, pixels, pose


def test_the_same_picture_scores_best():
    real = picture((60, 80))
    found = evaluation.scored(real, [real])[0]
    assert found["ssim"] == pytest.approx(1) and found["sharpness"] == pytest.approx(1)
    assert found["psnr"] > 60


def test_pictures_scored_together_are_scored_as_alone_and_the_real_one_is_looked_at_once(
    monkeypatch,
):
    torch.manual_seed(0)
    network, looked = Lpips(), []
    features = network.features
    monkeypatch.setattr(network, "features", lambda seen: looked.append(len(seen)) or features(seen))
    monkeypatch.setattr(evaluation, "_lpips", lambda: network)
    monkeypatch.setattr(evaluation, "lpips_installed", lambda: True)
    real = picture((60, 80))
    shown = [real, np.roll(real, 2, 1), np.full_like(real, 90)]
    together = evaluation.scored(real, shown)
    assert looked == [1, 3]
    alone = [evaluation.scored(real, [one])[0] for one in shown]
    assert together == [pytest.approx(scores, rel=1e-4, abs=1e-6) for scores in alone]
    distances = [scores["lpips"] for scores in together]
    assert distances[0] == 0 and len(set(distances)) == 3


def test_noise_costs_psnr_as_its_definition_says():
    real = np.full((60, 80, 3), 100, np.uint8)
    assert evaluation.scored(real, [real + 10])[0]["psnr"] == pytest.approx(20 * np.log10(255 / 10), abs=1e-6)


def test_a_blurred_picture_is_less_sharp():
    real = picture((60, 80))
    soft = ((real.astype(int) + np.roll(real, 1, 1) + np.roll(real, -1, 1)) // 3).astype(np.uint8)
    assert evaluation.scored(real, [soft])[0]["sharpness"] < 0.8


def test_the_box_holds_the_lips_and_not_the_eyes():
    rows, columns = evaluation.mouth_box(pose(), own(), (320, 320))
    face = pixels(open_by=0.8)
    lips = face[list(mesh.OUTER_LIPS), :2]
    assert columns.start < lips[:, 0].min() and lips[:, 0].max() < columns.stop
    assert rows.start < lips[:, 1].min() and lips[:, 1].max() < rows.stop
    assert face[list(mesh.LEFT_EYE), 1].max() < rows.start


def test_who_was_seen_moves_nobody_who_is_measured():
    assert evaluation.motion_of("vidtimit") == "face_motion_without_vidtimit"
    assert evaluation.motion_of("grid_s1") == evaluation.motion_of("somebody_elses_folder") == "face_motion"


def test_a_score_that_some_frames_lack_is_averaged_over_the_others():
    assert evaluation._means([{"psnr": 20.0}, {"psnr": 30.0, "identity": 0.2}]) == {
        "psnr": 25.0,
        "identity": 0.2,
    }


def test_moments_run_from_shut_to_wide_in_their_order():
    gaps = np.abs(np.sin(np.arange(80) / 6))
    picked = moments(gaps)
    assert len(picked) == MOMENTS and picked == sorted(picked)
    assert gaps[picked].min() < 0.1 and gaps[picked].max() > 0.9
    assert moments(np.arange(MOMENTS, dtype=float)) == list(range(MOMENTS))
