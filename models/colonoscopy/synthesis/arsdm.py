"""The losses: SDM's, and what ArSDM adds to it, the adaptive loss and the refinement.

Source: Du et al., "ArSDM: Colonoscopy Images Synthesis with Adaptive Refinement Semantic Diffusion Models",
MICCAI 2023, and its released code.
"""

from collections.abc import Callable

import torch
from diffusers import DDIMScheduler
from torch import Tensor
from torch.nn.functional import avg_pool2d, binary_cross_entropy_with_logits

STEPS = 1000
EVEN = 0.5


def schedule() -> DDIMScheduler:
    """The paper's noise schedule, "scaled linear" from .0015 to .0205, ending in noise alone.

    Two departures, made together (Lin et al., WACV 2024): the last step keeps nothing of the image, so that
    brightness isn't fixed by the mean of the noise, and the network predicts v, because noise can't be
    predicted there.
    """
    return DDIMScheduler(
        num_train_timesteps=STEPS,
        beta_start=0.0015,
        beta_end=0.0205,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
    )


def adaptive_weights(cover: Tensor) -> Tensor:
    """Weights (B, 1, H, W) of the adaptive loss for masks (B, 1, H, W), 0 to 1.

    With a share r of polyp: 1 - r on the polyp, r elsewhere. A mask without polyp, or of nothing else, would
    weigh nothing and never train (as in the release); it weighs EVEN everywhere, the most that an image's
    mean weight 2 r (1 - r) can be.
    """
    share = cover.mean((1, 2, 3), keepdim=True)
    weights = (1 - share) * cover + share * (1 - cover)
    return torch.where((share > 0) & (share < 1), weights, torch.full_like(weights, EVEN))


def denoising_loss(predicted: Tensor, wanted: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean square error (B, C, H, W), each place weighted by (B, 1, H, W) where weights are given.

    The release takes L1 of the noise; the mean of v is what a sampler wants, and the square finds it.
    """
    error = (predicted.float() - wanted.float()).square()
    return error.mean() if weights is None else (weights * error).mean()


def clean_estimate(noisy: Tensor, v: Tensor, kept: Tensor) -> Tensor:
    """The image that (noisy, v) point at. kept: (B,) alpha bar, what is left of the image's variance."""
    kept = kept.view(-1, *[1] * (noisy.dim() - 1)).to(noisy.dtype)
    return kept.sqrt() * noisy - (1 - kept).sqrt() * v


def v_of(noisy: Tensor, clean: Tensor, kept: Tensor) -> Tensor:
    """The v that points at a clean image: `clean_estimate` turned round. kept: of the images' dimensions."""
    return (kept.sqrt() * noisy - clean) / (1 - kept).sqrt()


def refinement_loss(
    frames: Tensor, masks: Tensor, segment: Callable[[Tensor], Tensor], sure: Tensor
) -> Tensor:
    """How far a frozen segmenter's polyp in the drawn frames is from the mask, with a gradient to the frames.

    frames: (B, 3, H, W), 0 to 1. masks: (B, 1, H, W). segment: frames to logits (B, 1, H, W). sure: (B,)
    weights, small where the estimate is still mostly guessed.

    Departure from the release: there the segmenter sees images drawn by the whole reverse chain under
    `no_grad`, so that its loss is a constant and no weight ever hears of it. Here it sees the one-step
    estimate of the clean image at the step that is trained anyway, decoded, and the gradient goes back
    through segmenter, decoder and estimate to the U-Net.
    """
    losses = structure_loss(segment(frames), masks)
    return (sure * losses).sum() / sure.sum().clamp(min=1e-6)


def structure_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """PraNet's loss (Fan et al., MICCAI 2020) of each image, (B,): edges count up to six times, BCE and IoU.

    The release's BCE is one number before it is weighted, which cancels its weights; here they count.
    """
    weights = 1 + 5 * (avg_pool2d(masks, 31, stride=1, padding=15) - masks).abs()
    bce = binary_cross_entropy_with_logits(logits, masks, reduction="none")
    bce = (weights * bce).sum((1, 2, 3)) / weights.sum((1, 2, 3))
    found = torch.sigmoid(logits)
    both = (weights * found * masks).sum((1, 2, 3))
    either = (weights * (found + masks)).sum((1, 2, 3))
    return bce + 1 - (both + 1) / (either - both + 1)
