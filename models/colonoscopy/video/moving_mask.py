"""Where the polyp is in each frame of a film: carried by the camera, or from one outline to another."""

import cv2
import numpy as np

from models.colonoscopy.data.images import Mask
from models.colonoscopy.video.camera import Field, grid, inside, sampled

REACH = 0.5  # of the polyp's size: how far around it tissue goes along when it moves by itself


def between(first: Mask, last: Mask, share: float) -> Mask:
    """An outline on the way from one mask (S, S) to another: its middle moves, its shape becomes the other.

    Shapes are mixed by their signed distances (Raya and Udupa, 1990), after both middles lie on one place.
    """
    here, there = middle(first), middle(last)
    place = here * (1 - share) + there * share
    mixed = (1 - share) * _distance(_shifted(first, place - here)) + share * _distance(
        _shifted(last, place - there)
    )
    return mixed > 0


def middle(mask: Mask) -> Field:
    """The centre (x, y) of a mask's pixels, -1..1."""
    x, y = grid(mask.shape[0])
    return np.array([x[mask].mean(), y[mask].mean()], np.float32)


def keyed(camera: Field, first: Mask, now: Mask) -> Field:
    """Where pixels (S, S, 2) come from if the polyp goes from mask to mask and the rest with the camera.

    Under the mask of now the frame moves and grows as the outline does; around it that fades out.
    """
    here, there = middle(first), middle(now)
    grown = np.sqrt(now.sum() / first.sum())
    own = here + (np.stack(grid(now.shape[0]), -1) - there) / grown
    outside = cv2.distanceTransform((~now).astype(np.uint8), cv2.DIST_L2, 5)
    reach = REACH * np.sqrt(now.sum())
    weight = np.clip(1 - outside / reach, 0, 1)[..., None] ** 2
    return np.asarray(weight * own + (1 - weight) * camera, np.float32)


def carried_mask(mask: Mask, came: Field) -> Mask:
    """The mask (S, S) as it is seen by a camera. came: (S, S, 2), where each pixel was."""
    return (sampled(mask.astype(np.float32), came) > 0.5) & inside(came)


def _shifted(mask: Mask, by: Field) -> Mask:
    """The mask moved by (x, y); what leaves the frame is cut off."""
    places = np.asarray(np.stack(grid(mask.shape[0]), -1) - by, np.float32)
    return (sampled(mask.astype(np.float32), places) > 0.5) & inside(places)


def _distance(mask: Mask) -> Field:
    """Pixels to the outline, above 0 inside."""
    inner = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)
    outer = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5)
    return np.asarray(inner - outer, np.float32)
