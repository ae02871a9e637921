"""The cascade's base: SDM at 32 pixels, where composition is cheap to learn. `super_resolution.py` enlarges.

Ho et al., "Cascaded Diffusion Models for High Fidelity Image Generation", JMLR 2022: a small diffusion model
draws the whole frame, others add detail and know how noisy their condition is (noise augmentation). It
is SDM's U-Net (Wang et al., 2022) with its spatially-adaptive decoder under the mask, on pixels folded
2 x 2 into channels, and with an embedding of the clinic's look.
"""

import torch
from diffusers import DDPMScheduler
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, pixel_shuffle, pixel_unshuffle

from models.colonoscopy.synthesis.arsdm import v_of
from models.colonoscopy.synthesis.latent_diffusion import cosine_transform
from models.colonoscopy.synthesis.sdm import HasDevice, SdmConfig, SdmUNet, one_hot
from models.colonoscopy.synthesis.whole_frames import LOOKS

STEPS = 1000
SMALL = 32
FOLD = 2
COMPONENTS = 256  # of the Gaussian's covariance
ANY = len(LOOKS)  # the look that stands for none


def cosine_schedule() -> DDPMScheduler:
    """The squared cosine (Nichol and Dhariwal, 2021), for networks that predict v."""
    return DDPMScheduler(
        num_train_timesteps=STEPS,
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        clip_sample=False,
    )


BASE = SdmConfig(
    channels=3 * FOLD**2,
    beside=3 * FOLD**2,
    labels=2 * FOLD**2,
    width=32,
    multiples=(3, 4, 5),
    blocks=1,
    attention=(2, 4),
    head=32,
    hidden=8,
    labels_by="area",
)


class BaseSdm(HasDevice, PyTorchModelHubMixin):
    """Predicts v of noisy small frames under a mask, in the look of a clinic.

    Were frames Gaussian, with the mean and covariance of the training frames, the best estimate of the clean
    frame would be linear and known without training: shape of the lens, palette and light come from it. The
    U-Net sees that estimate beside the noisy frame and predicts what v lacks. The covariance is kept as its
    first components and, for the rest, as the power at each frequency of the cosine transform.
    """

    mean: Tensor
    basis: Tensor
    power: Tensor
    rest: Tensor
    kept: Tensor
    cosines: Tensor

    def __init__(self, config: SdmConfig = BASE) -> None:
        super().__init__()
        self.config = config
        self.unet = SdmUNet(config)
        self.look = nn.Embedding(ANY + 1, 4 * config.width)
        nn.init.normal_(self.look.weight, std=0.02)
        self.register_buffer("mean", torch.zeros(3, SMALL, SMALL))
        self.register_buffer("basis", torch.zeros(COMPONENTS, 3 * SMALL**2))
        self.register_buffer("power", torch.ones(COMPONENTS))
        self.register_buffer("rest", torch.ones(3, SMALL, SMALL))
        self.register_buffer("kept", cosine_schedule().alphas_cumprod.clone(), persistent=False)
        self.register_buffer("cosines", cosine_transform(SMALL), persistent=False)

    @torch.no_grad()
    def fit_gaussian(self, frames: Tensor) -> "BaseSdm":
        """Set mean and covariance to those of frames (N, 3, SMALL, SMALL), mirrored in all four ways."""
        frames = torch.cat([frames, frames.flip(-1)])
        frames = torch.cat([frames, frames.flip(-2)])
        self.mean.copy_(frames.mean(0))
        rows = (frames - self.mean).flatten(1)
        _, deviations, components = torch.svd_lowrank(rows, COMPONENTS, niter=2)
        self.basis.copy_(components.T)
        self.power.copy_(deviations.square() / len(rows))
        left = (rows - rows @ components @ components.T).view_as(frames)
        self.rest.copy_((self.cosines @ left @ self.cosines.T).square().mean(0))
        return self

    def linear_guess(self, noisy: Tensor, kept: Tensor) -> Tensor:
        """The Gaussian's estimate of the clean frames. kept: (B, 1, 1, 1) alpha bar."""

        def gain(power: Tensor, kept: Tensor) -> Tensor:
            return kept.sqrt() * power / (kept * power + 1 - kept)

        rows = (noisy - kept.sqrt() * self.mean).flatten(1)
        parts = rows @ self.basis.T
        left = (rows - parts @ self.basis).view_as(noisy)
        coarse = (gain(self.power, kept.flatten(1)) * parts) @ self.basis
        fine = (
            self.cosines.T @ (gain(self.rest, kept) * (self.cosines @ left @ self.cosines.T)) @ self.cosines
        )
        return self.mean + coarse.view_as(noisy) + fine

    def forward(self, noisy: Tensor, times: Tensor, label: Tensor, look: Tensor) -> Tensor:
        """noisy: (B, 3, S, S). times: (B,). label: (B, 2, S, S), all 0 for no mask. look: (B,), to ANY."""
        kept = self.kept[times].view(-1, 1, 1, 1)
        with torch.autocast(noisy.device.type, enabled=False):  # it is exact or it is of no use
            guess = self.linear_guess(noisy.float(), kept)
            v = v_of(noisy.float(), guess, kept)
        x = torch.cat([pixel_unshuffle(noisy, FOLD), pixel_unshuffle(guess, FOLD)], 1)
        return v + pixel_shuffle(self.unet(x, times, pixel_unshuffle(label, FOLD), self.look(look)), FOLD)


def small_label(masks: Tensor, size: int) -> Tensor:
    """Masks (B, H, W), 0 to 1, as one-hot maps (B, 2, size, size) of the shares of background and polyp."""
    return adaptive_avg_pool2d(one_hot(masks), size)
