"""Networks that find polyps as boxes: CenterNet, Sparse R-CNN and Deformable DETR."""
