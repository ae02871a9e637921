"""The way back from noise to an image, the same for every network that denoises: DPM-Solver++ or DDIM."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler
from torch import Tensor

from models.colonoscopy.synthesis.arsdm import clean_estimate

PREVIEWS = 5  # a stage, about

Predict = Callable[[Tensor, Tensor], Tensor]  # of a noisy image (1, ...) at times (1,): v, or the noise


def denoise(
    schedule: DDIMScheduler | DDPMScheduler,
    predict: Predict,
    noisy: Tensor,
    generator: torch.Generator,
    *,
    steps: int,
    sampler: str,
    until: int = 0,
    since: int = 0,
) -> Iterator[tuple[float, Tensor]]:
    """The share of steps done and the clean image expected then, now and again; the last is the image.

    schedule: the one that the network learned under; it says whether v or the noise is predicted. noisy:
    (1, ...), noise alone. sampler: "dpm", of second order, or "ddim", which adds fresh noise at each step as
    the paper does (eta 1). until: of "dpm", the time at which the network is asked last, where another one
    draws what is finer; 0 for the schedule's own. since: of "dpm", the time at which it is asked first, where
    `noisy` is an image under as much noise; 0 for the schedule's last.
    """
    options: dict[str, Any] = {}
    scheduler: Any
    if sampler == "ddim":
        scheduler = DDIMScheduler.from_config(schedule.config)
        # Where nothing is left of the image an eta of 1 is the root of a rounded 0.
        options = {"eta": 0.9999, "generator": generator}
    else:
        scheduler = DPMSolverMultistepScheduler.from_config(
            schedule.config, timestep_spacing="trailing", steps_offset=0
        )
    last = schedule.config.num_train_timesteps - 1
    if until:
        scheduler.set_timesteps(timesteps=torch.linspace(last, until, steps).round().long())
    elif since:
        scheduler.set_timesteps(timesteps=torch.linspace(since, 0, steps + 1)[:-1].round().long())
    else:
        scheduler.set_timesteps(steps)
    kept = schedule.alphas_cumprod.to(noisy.device)
    every = max(1, steps // PREVIEWS)
    for done, time in enumerate(scheduler.timesteps.tolist(), 1):
        times = torch.tensor([time], device=noisy.device)
        predicted = predict(noisy, times)
        if (done - 1) % every == 0 and done < steps:
            yield done / steps, _expected(schedule, noisy, predicted, kept[times])
        noisy = scheduler.step(predicted, time, noisy, **options).prev_sample
    yield 1.0, noisy


def guided(
    predict: Callable[[Tensor, Tensor, Tensor], Tensor],
    label: Tensor,
    guidance: float,
    other: Tensor | None = None,
) -> Predict:
    """A network under a label (1, ...): classifier-free guidance (Ho and Salimans, 2022).

    predict: of noisy images (B, ...), times (B,) and labels (B, ...). guidance: above 1 the difference that
    the label makes is exaggerated, at twice the time. other: what the label differs from; zeros, which are
    no label, if None.
    """
    if guidance == 1:
        return lambda noisy, times: predict(noisy, times, label)
    both = torch.cat([torch.zeros_like(label) if other is None else other, label])

    def exaggerated(noisy: Tensor, times: Tensor) -> Tensor:
        alone, told = predict(noisy.expand(2, *noisy.shape[1:]), times.expand(2), both).chunk(2)
        return alone + guidance * (told - alone)

    return exaggerated


def _expected(
    schedule: DDIMScheduler | DDPMScheduler, noisy: Tensor, predicted: Tensor, kept: Tensor
) -> Tensor:
    """The clean image that a prediction points at. kept: (1,) alpha bar."""
    if schedule.config.prediction_type == "v_prediction":
        return clean_estimate(noisy, predicted, kept)
    return (noisy - (1 - kept).sqrt() * predicted) / kept.sqrt()
