"""What a network that restores pictures is asked for: L1, a perceptual loss, and a judge of patches."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from models.colonoscopy.synthesis.whole_frames import TrainingFrames, training_frames
from models.core.nn.patch_discriminator import Adversary
from models.core.perceptual import PerceptualLoss
from models.core.training import first_alone, fit

PERCEPTUAL = 0.2
ALONE = 0.3  # of the budget, before the judge has a say; it learns from half of that on
SHARE, FEATURES = 0.4, 0.3  # of the judge where nothing else is said; weight of its features


class PictureLosses(Adversary, ABC):
    """The losses of restored pictures, and the judge with its optimiser; its state goes into the run's.

    share: of the judge in the gradient on the picture.
    """

    def __init__(self, rate: float, share: float = SHARE) -> None:
        super().__init__(rate)
        self.share = share
        self.perceptual = PerceptualLoss().load_vgg16()

    def prepare(self, accelerator: Accelerator) -> None:
        """Go where the training is."""
        super().prepare(accelerator)
        self.perceptual.to(accelerator.device)

    @abstractmethod
    def __call__(self, network: nn.Module, batch: Any, spent: float) -> dict[str, Tensor]:
        """What `fit` asks of a batch."""

    def losses(self, drawn: Tensor, wanted: Tensor, spent: float) -> dict[str, Tensor]:
        """Of pictures (B, 3, H, W) in -1..1, `drawn` with a gradient. spent: of the budget, 0 to 1."""
        found = {"l1": l1_loss(drawn, wanted), "perceptual": self.perceptual(drawn, wanted)}
        plain = found["l1"] + PERCEPTUAL * found["perceptual"]
        if spent > ALONE / 2:
            found["judge"] = self.teach(wanted, drawn.detach())
        if spent < ALONE:
            return {"loss": plain, **found}
        asked = self.asks(wanted, drawn, plain, self.share, FEATURES)
        return {**found, **asked, "loss": plain + asked["loss"]}


def train_restorer(
    run: str,
    make: Callable[[TrainingFrames], nn.Module],
    crops: Callable[[TrainingFrames, int], Iterator[Any]],
    losses: PictureLosses,
    data: Path,
    minutes: float,
    steps: int = 0,
) -> nn.Module:
    """A network that restores pictures, in runs/RUN, for `minutes` or `steps` in total; the averaged network.

    make, crops: of the training frames, the network as it begins, and endless batches from a seed. losses:
    called as `fit` calls them; their judge learns beside.
    """
    with first_alone():
        frames = training_frames(data)
    network, done = fit(
        run,
        make(frames),
        partial(crops, frames),
        losses,
        rate=losses.rate,
        minutes=minutes,
        steps=steps,
        beside={"judge": losses},
    )
    print(run, done, flush=True)
    return network
