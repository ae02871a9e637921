"""The set loss of DETR's family: each polyp is matched with one prediction, the others shall be silent.

Matching and losses are transformers' (focal loss, L1 and generalised IoU with weights 2, 5 and 2); Sparse
R-CNN and Deformable DETR have the same.
"""

import torch
from torch import Tensor
from transformers.loss.loss_deformable_detr import DeformableDetrHungarianMatcher, DeformableDetrImageLoss

from models.colonoscopy.detection.boxes import middles

WEIGHTS = {"loss_ce": 2.0, "loss_bbox": 5.0, "loss_giou": 2.0}


def set_loss(logits: Tensor, boxes: Tensor, targets: list[Tensor]) -> Tensor:
    """The loss summed over the stages of a decoder.

    logits: (S, B, N, 1) of S stages; boxes: (S, B, N, 4) middle and sides in 0..1. targets: corners (n, 4).
    """
    matcher = DeformableDetrHungarianMatcher(class_cost=2, bbox_cost=5, giou_cost=2)
    criterion = DeformableDetrImageLoss(matcher, 1, 0.25, ["labels", "boxes"])
    wanted = [
        {"class_labels": torch.zeros(len(one), dtype=torch.long, device=one.device), "boxes": middles(one)}
        for one in targets
    ]
    total = logits.new_zeros(())
    for stage_logits, stage_boxes in zip(logits.float(), boxes.float(), strict=True):
        found = criterion({"logits": stage_logits, "pred_boxes": stage_boxes}, wanted)
        total = total + sum(weight * found[name] for name, weight in WEIGHTS.items())
    return total
