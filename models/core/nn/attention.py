"""Attention as the processor at hand does it fastest."""

from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Queries, keys and values (..., N, head) to (..., N, head).

    torch's fused attention saves memory, but its way back on a CPU takes three times as long as this one's.
    """
    if q.device.type == "cpu" and q.requires_grad:
        scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
        return scores.softmax(-1).to(v.dtype) @ v
    return scaled_dot_product_attention(q, k, v)
