"""The inside of the mouth for the blend: the person's own teeth where they were seen, drawn ones elsewhere.

Upper teeth hold on to the skull and not to the lips, the tongue and the lower
teeth to the jaw. So both are pictures on a plane behind the lips, in cm of the
face's own space, and lips open before them.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from models.face.rendering.crops import SIDE, Crop, maps
from models.face.sources import mesh

MOUTHLIKE = 0.4  # share of what was seen that is as pale as teeth or as dark as a mouth, at least
SEEN = 0.3  # cm between the lips from which a mouth shows its inside
BEHIND = 0.5  # cm from the lips' line to the plane
ABOVE, BELOW = 1.6, 3.6  # cm of the plane over and under the line of the closed lips
FINEST = 40.0  # pixels a cm of the plane, at most
EDGE = 0.2  # cm that the upper teeth reach below the closed lips' line
ROUND = 0.22  # cm that their edge rises towards the corners
TEETH = (0.0, 0.86, 1.52, 2.22, 2.85)  # cm from the middle to the gaps between upper teeth
# Shares of the skin's light, as measured in clips of people who speak: a median of 0.68 between the lips,
# hardly ever below 0.4, hardly a tooth above 1.05.
TOOTH = np.array([1.0, 0.95, 0.86])  # of the skin's brightest colour
FLESH = np.array([0.72, 0.46, 0.48])  # of skin: tongue
DEEP = np.array([0.38, 0.24, 0.26])  # of skin: the cavity
DIM, BRIGHT = 0.5, 0.6  # light in a mouth that is hardly open, and cm between the lips that add all of it
LINE = np.array([0.5, 0.33, 0.34])  # of skin: where closed lips meet


@dataclass(frozen=True)
class Plane:
    """A picture of the plane.

    middle: (3,) its origin in cm. half: half the mouth's width in cm. fine: pixels a cm.
    """

    middle: np.ndarray
    half: float
    fine: float

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return round(2.5 * self.half * self.fine), round((ABOVE + BELOW) * self.fine)

    def axes(self) -> tuple[np.ndarray, np.ndarray]:
        """u (1, w) and v (h, 1): cm from the middle to the right, and down from the closed lips' line."""
        width, height = self.size
        u = (np.arange(width) - (width - 1) / 2) / self.fine
        return u[None], (np.arange(height) / self.fine - ABOVE)[:, None]

    def matrix(self, pose: np.ndarray) -> np.ndarray:
        """(2, 3): the picture's pixels to those of a frame in which the face has a pose (3, 4)."""
        width, height = self.size
        places = np.array([(0, 0), (width, 0), (0, height)], np.float32)
        u, v = (places[:, 0] - (width - 1) / 2) / self.fine, places[:, 1] / self.fine - ABOVE
        own = self.middle + np.stack([u, -v, np.zeros(3)], axis=1)
        there = np.ascontiguousarray(mesh.project(pose, own)[:, :2])
        return np.asarray(cv2.getAffineTransform(places, there))


class Inside:
    """What a person's mouth shows, prepared once.

    image (H, W, 3) uint8 and pixels (478, 3): a frame in which the mouth is open, if there is one, else any.
    rest: the face with closed lips, (478, 3) cm.
    """

    def __init__(self, image: np.ndarray, pixels: np.ndarray, rest: np.ndarray) -> None:
        pose = mesh.align(pixels)
        scale = float(np.linalg.norm(pose[:, 0]))
        line = rest[[mesh.UPPER_INNER, mesh.LOWER_INNER]].mean(0) - (0, 0, BEHIND)
        left, right = rest[list(mesh.MOUTH_CORNERS)]
        self.plane = Plane(line, float(np.linalg.norm(right - left)) / 2, min(scale, FINEST))
        self.lower_rest = rest[mesh.LOWER_INNER]
        self.skin = _skin(image, pixels)
        self.tooth = 0.95 * float(self.skin.max()) * TOOTH
        self.seen: np.ndarray | None = None
        self.teeth: np.ndarray | None = None
        if visible_gap(pixels) > SEEN * scale:
            self.seen = self._seen(image, pixels, pose)
        if self.seen is not None:
            self.tooth = _teeth_seen(self.seen, self.tooth)
        self.upper = self._drawn_upper()
        self.lower = self._drawn_lower()

    def paint(self, frame: np.ndarray, target: np.ndarray, pose: np.ndarray, was_open: float) -> None:
        """Fill the opening between the lips of a face (478, 3) px in a frame (H, W, 3), in place.

        was_open: cm between the lips before they were moved; teeth pressed into the line of closed lips are
        painted over.
        """
        scale = float(np.linalg.norm(pose[:, 0]))
        gap = visible_gap(target) / scale
        shown = float(np.clip((gap - 0.03) / 0.1, 0, 1))
        pressed = (1 - shown) * float(np.clip((was_open - 0.08) / 0.15, 0, 1))
        if max(shown, pressed) < 0.02:
            return
        ring = target[list(mesh.INNER_LIPS), :2]
        low = np.maximum(np.floor(ring.min(0)).astype(int) - 6, 0)
        high = np.minimum(np.ceil(ring.max(0)).astype(int) + 7, frame.shape[1::-1])
        if (high <= low).any():
            return
        size = tuple(int(side) for side in high - low)
        part = frame[low[1] : high[1], low[0] : high[0]]
        opening = np.zeros(size[::-1], np.uint8)
        cv2.fillPoly(opening, [np.round((ring - low) * 16).astype(np.int32)], 255, cv2.LINE_AA, shift=4)
        mask = opening.astype(np.float32) / 255
        colours = self._composed(low, size, target, pose, mask, gap)
        soft = cv2.GaussianBlur(mask, (0, 0), max(0.5, 0.02 * scale))[..., None] * shown
        out = part * (1 - soft) + colours * soft
        if pressed > 0.02:
            line = np.zeros(size[::-1], np.uint8)
            middle = (ring[1:10] + ring[:10:-1]) / 2
            places = np.concatenate([ring[:1], middle, ring[10:11]]) - low
            thick = max(1, round(0.13 * scale))
            cv2.polylines(
                line, [np.round(places * 16).astype(np.int32)], False, 255, thick, cv2.LINE_AA, shift=4
            )
            drawn = cv2.GaussianBlur(line.astype(np.float32) / 255, (0, 0), max(0.6, 0.05 * scale))
            drawn = drawn[..., None] * pressed
            out = out * (1 - drawn) + self.skin * LINE * drawn
        part[:] = np.clip(out + 0.5, 0, 255).astype(np.uint8)

    def sure(self, crop: Crop, target: np.ndarray, pose: np.ndarray) -> np.ndarray:
        """Where a square of a painted frame shows teeth that the camera saw, (SIDE, SIDE) float32, 0 to 1."""
        if self.teeth is None:
            return np.zeros((SIDE, SIDE), np.float32)
        matrix = crop.matrix() @ np.vstack([self.plane.matrix(pose), (0, 0, 1)])
        there = cv2.warpAffine(self.teeth, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR)
        return np.asarray(there * (maps(target, crop)[..., 1] / np.float32(255)), np.float32)

    def _composed(
        self,
        low: np.ndarray,
        size: tuple[int, ...],
        target: np.ndarray,
        pose: np.ndarray,
        mask: np.ndarray,
        gap: float,
    ) -> np.ndarray:
        """Colours (h, w, 3) float32 behind the lips: cavity, what goes with the jaw, what with the skull."""
        scale = float(np.linalg.norm(pose[:, 0]))
        skull = self.plane.matrix(pose)
        skull[:, 2] -= low
        jaw = skull.copy()
        jaw[:, 2] += target[mesh.LOWER_INNER, :2] - mesh.project(pose, self.lower_rest[None])[0, :2]
        out = np.broadcast_to((self.skin * DEEP).astype(np.float32), (*size[::-1], 3))
        for picture, matrix in ((self.lower, jaw), (self.upper, skull)):
            out = _over(out, cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_LINEAR))
        # Lips and corners take light away from what lies behind them, the upper lip most.
        light = cv2.GaussianBlur(mask, (0, 0), max(0.8, 0.16 * scale))
        light = np.roll(light, max(1, round(0.06 * scale)), axis=0)
        out = out * np.clip(0.42 + 0.65 * light, 0, 1)[..., None]
        if self.seen is not None:
            out = _over(out, cv2.warpAffine(self.seen, skull, size, flags=cv2.INTER_LINEAR))
        return np.asarray(out * min(1.0, DIM + gap / BRIGHT), np.float32)

    def _drawn_upper(self) -> np.ndarray:
        """Upper teeth, (h, w, 4) float32: colours times opacity, and opacity."""
        u, v = self.plane.axes()
        beside = np.abs(u) / self.plane.half
        edge = EDGE - ROUND * beside**2
        opaque = np.clip((edge - v) * self.plane.fine + 0.5, 0, 1)
        bright = np.clip(1.05 - 0.7 * beside**2, 0.15, 1)
        gaps = np.min([np.abs(np.abs(u) - at) for at in TEETH], axis=0)
        lines = 1 - 0.2 * np.exp(-((gaps / 0.05) ** 2))
        rounded = np.clip(1.0 - 0.18 * np.clip((v - edge + 0.15) / 0.15, 0, 1), 0, 1)
        return _layer((bright * lines * rounded)[..., None] * self.tooth, opaque)

    def _drawn_lower(self) -> np.ndarray:
        """Tongue, and the lower teeth before it; as `_drawn_upper`, for a jaw at rest."""
        u, v = self.plane.axes()
        beside = np.abs(u) / self.plane.half
        round_tongue = ((u / (0.62 * self.plane.half)) ** 2 + ((v - 0.1) / 1.1) ** 2) ** 0.5
        tongue = np.clip((1.05 - round_tongue) / 0.3, 0, 1) * 0.9
        flesh = (np.clip(1.15 - 0.4 * round_tongue, 0.4, 1.1))[..., None] * self.skin * FLESH
        edge = -0.12 + 0.16 * beside**2
        opaque = np.clip((v - edge) * self.plane.fine + 0.5, 0, 1) * np.clip((0.75 - beside) / 0.15, 0, 1)
        bright = 0.82 * np.clip(1 - 0.6 * beside**2, 0.2, 1)
        gaps = np.abs((np.abs(u) + 0.28) % 0.56 - 0.28)
        lines = 1 - 0.2 * np.exp(-((gaps / 0.05) ** 2))
        teeth = _layer((bright * lines * np.ones_like(v))[..., None] * self.tooth, opaque)
        return _over_layer(_layer(flesh, tongue), teeth)

    def _seen(self, image: np.ndarray, pixels: np.ndarray, pose: np.ndarray) -> np.ndarray | None:
        """What was seen between the lips of an open mouth, going on a little upwards behind the lip.

        None where it doesn't look like the inside of one. Sets `teeth` too.
        """
        size = self.plane.size
        matrix = self.plane.matrix(pose)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        colours = cv2.warpAffine(image, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        back = cv2.invertAffineTransform(matrix)
        ring = pixels[list(mesh.INNER_LIPS), :2] @ back[:, :2].T + back[:, 2]
        inside = np.zeros(size[::-1], np.uint8)
        cv2.fillPoly(inside, [np.round(ring * 16).astype(np.int32)], 255, cv2.LINE_8, shift=4)
        fine = self.plane.fine
        thin = max(1, round(0.05 * fine))
        inside = cv2.erode(inside, np.ones((2 * thin + 1, 2 * thin + 1), np.uint8), borderValue=0)
        known = inside.astype(np.float32) / 255
        if known.sum() < 12:
            return None
        weights = cv2.GaussianBlur(known, (0, 0), 0.12 * fine)
        spread = cv2.GaussianBlur(colours * known[..., None], (0, 0), 0.12 * fine)
        spread = spread / np.maximum(weights, 1e-3)[..., None]
        soft = cv2.GaussianBlur(known, (0, 0), max(0.6, 0.04 * fine))
        filled = colours * soft[..., None] + spread * (1 - soft[..., None])
        above = np.cumsum(known[::-1], axis=0)[::-1] > 0  # rows above the opening, and the opening
        reach = np.clip(weights * 2.2, 0, 1)
        shown = np.maximum(soft, np.where(above, reach, 0) * (weights > 0.02))
        teeth, dark = _looks_like(filled, self.skin)
        if float((np.maximum(teeth, dark) * known).sum()) < MOUTHLIKE * float(known.sum()):
            return None
        wide = 2 * max(1, round(0.2 * fine)) + 1  # the shadows between teeth are theirs
        teeth = cv2.morphologyEx(teeth, cv2.MORPH_CLOSE, np.ones((wide, wide), np.uint8))
        self.teeth = np.asarray(shown * cv2.GaussianBlur(teeth, (0, 0), 0.05 * fine), np.float32)
        return _layer(filled, shown)


def _looks_like(colours: np.ndarray, skin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How much colours (h, w, 3) look like teeth, and like the depth of a mouth: (h, w) each, 0 to 1.

    A lip that was taken for the inside of a mouth is neither.
    """
    light = colours.mean(2) / max(float(skin.mean()), 1.0)
    strength = np.ptp(colours, axis=2) / np.maximum(colours.max(2), 1.0)
    usual = float(np.ptp(skin) / max(skin.max(), 1.0))
    pale = np.clip((0.85 * usual - strength) / max(0.25 * usual, 0.02), 0, 1)
    teeth = np.clip((light - 0.6) / 0.15, 0, 1) * pale
    return teeth.astype(np.float32), np.clip((0.6 - light) / 0.15, 0, 1).astype(np.float32)


def visible_gap(pixels: np.ndarray) -> float:
    """Pixels between the lips as the picture shows them; lips that lie at different depths may be shut."""
    return float(np.linalg.norm(pixels[mesh.UPPER_INNER, :2] - pixels[mesh.LOWER_INNER, :2]))


def _layer(colours: np.ndarray, opaque: np.ndarray) -> np.ndarray:
    """Colours (h, w, 3) times opacity (h, w), and the opacity as a fourth channel."""
    return np.concatenate([colours * opaque[..., None], opaque[..., None]], axis=2).astype(np.float32)


def _over(ground: np.ndarray, layer: np.ndarray) -> np.ndarray:
    """A layer laid over colours (h, w, 3)."""
    return np.asarray(ground * (1 - layer[..., 3:]) + layer[..., :3], np.float32)


def _over_layer(below: np.ndarray, above: np.ndarray) -> np.ndarray:
    """Two layers as one."""
    return np.asarray(below * (1 - above[..., 3:]) + above, np.float32)


def _teeth_seen(seen: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
    """(3,) the colour of teeth in what was seen (h, w, 4), if it is about as light as teeth would be."""
    shown = seen[seen[..., 3] > 0.9][:, :3]
    if len(shown) < 12:
        return otherwise
    light = shown.mean(1)
    colour = np.median(shown[light >= np.quantile(light, 0.7)], axis=0)
    return colour if 0.6 < colour.mean() / otherwise.mean() < 1.6 else otherwise


def _skin(image: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """(3,) the median colour of the cheeks and the chin beside the mouth."""
    places = np.round(pixels[[50, 280, 205, 425, 199, 202, 422, 57, 287], :2]).astype(int)
    height, width = image.shape[:2]
    x, y = places[:, 0].clip(0, width - 1), places[:, 1].clip(0, height - 1)
    return np.asarray(np.median(image[y, x], axis=0), np.float64)
