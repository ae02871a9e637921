"""The face lab: speech or text, and a portrait or a video, become a talking face (after GSmoothFace)."""

RATE = 16000  # samples a second of every sound
FPS = 25  # frames a second of every clip
STAGES = ("3d", "blend", "generated")  # of a picture, from the mesh to the finished frame


def frames_of(samples: int) -> int:
    """How many frames a sound of so many samples lasts; at least one."""
    return max(1, round(samples / RATE * FPS))
