"""What ImageNet's EfficientNet-Lite0, frozen, sees in views; computed once a view."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from models.core.nn.efficientnet import imagenet
from models.scene.grounding.rendered_views.one_stage import CHANNELS, ViewFeatures
from models.scene.grounding.rendered_views.views import View


@torch.inference_mode()
def features(views: Sequence[View]) -> ViewFeatures:
    """Of one scan (G = 1), in float16 on the CPU. Raises UserError("package_missing")."""
    network = imagenet("lite0")
    where = next(network.parameters()).device
    frames = torch.from_numpy(np.stack([view.colour for view in views])).to(where)
    found: list[Tensor] = network(frames.permute(0, 3, 1, 2).float() / 255)[-len(CHANNELS) :]
    return ViewFeatures(*(level[None].half().cpu() for level in found))
