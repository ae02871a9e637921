"""The lab's door, with stand-ins for the trained networks: what is ordered comes, judged, one by one."""

import numpy as np
import pytest
import torch

from models.colonoscopy import pipeline
from models.colonoscopy.pipeline import Order, Sample
from models.colonoscopy.synthesis.memorization import Memory
from models.core.errors import UserError
from models.core.progress import Progress
from tests.colonoscopy.makers import mask_of, stand_ins  # noqa: F401


@pytest.mark.usefixtures("stand_ins")
def test_each_frame_comes_as_soon_as_it_is_done_and_judged():
    steps = list(pipeline.draw(Order(mask_of(), count=3, seed=5)))
    kinds = [type(step) for step in steps]
    assert kinds == [Progress, Progress, Sample] * 3
    samples = [step for step in steps if isinstance(step, Sample)]
    assert [sample.seed for sample in samples] == [5, 6, 7]
    assert all(sample.dice > 0.99 and np.array_equal(sample.mask, mask_of()) for sample in samples)
    assert samples[0].weights == "0123456789ab" and samples[0].frame.shape == (256, 256, 3)


@pytest.mark.usefixtures("stand_ins")
def test_each_model_draws_each_seed():
    steps = list(pipeline.draw_each(Order(mask_of(), count=2, seed=5), ("arsdm", "sdm")))
    samples = [step for step in steps if isinstance(step, Sample)]
    drawn = [(sample.seed, sample.model) for sample in samples]
    assert drawn == [(5, "arsdm"), (5, "sdm"), (6, "arsdm"), (6, "sdm")]
    told = [step for step in steps if isinstance(step, Progress)]
    assert [step.preview.index for step in told] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert [step.fraction for step in told] == sorted(step.fraction for step in told)
    assert told[-1].fraction == 1


@pytest.mark.usefixtures("stand_ins")
def test_a_mask_of_another_size_is_fitted():
    (sample,) = (
        s for s in pipeline.draw(Order(mask_of(128, 96, (30, 60, 20, 60)), 1)) if isinstance(s, Sample)
    )
    assert sample.mask.shape == (256, 256) and sample.dice > 0.9
    assert sample.mask.mean() == pytest.approx(30 * 40 / (128 * 128), abs=0.01)  # a circle stays one


@pytest.mark.usefixtures("stand_ins")
@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ({"count": 0}, "count_range"),
        ({"count": 10**6}, "count_range"),
        ({"seed": -1}, "seed_range"),
        ({"seed": 2**40}, "seed_range"),
        ({"mask": mask_of(box=(0, 0, 0, 0))}, "mask_empty"),
        ({"mask": ~mask_of(box=(0, 0, 0, 0))}, "mask_full"),
        ({"model": "stable"}, "model_unknown"),
    ],
)
def test_what_cannot_be_drawn_is_refused_before_anything_is(changed, key):
    with pytest.raises(UserError) as refused:
        next(pipeline.draw(Order(**{"mask": mask_of(), "count": 1, **changed})))
    assert refused.value.key == key


def test_memory_knows_its_frames_and_how_usual_a_distance_is():
    torch.manual_seed(0)
    training, unseen = torch.randn(40, 8), torch.randn(50, 8)
    memory = Memory.of(training, unseen)
    assert memory.nearest(training).max() < 1e-3
    by_hand = ((unseen[0] - training) / training.std(0)).square().mean(1).sqrt().min()
    assert float(memory.nearest(unseen[:1])) == pytest.approx(float(by_hand), rel=1e-4)
    assert memory.percentile(0) == 0 and memory.percentile(1e9) == 100
    assert memory.percentile(float(memory.usual[24])) == 50
