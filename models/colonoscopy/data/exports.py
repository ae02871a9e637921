"""Drawn frames as files that nobody can mistake for a patient's: PNG, DICOM, and ArSDM's folders in a zip.

"SYNTHETIC" is burnt into a corner, and every file says in its metadata what drew it.
"""

import io
import json
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import fields
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from models.colonoscopy.data.images import Frame, Mask, own_part
from models.colonoscopy.pipeline import Sample

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

WORD = "SYNTHETIC"
NOTE = "Synthetic colonoscopy frame, drawn by a neural network. It shows no patient. Not for diagnosis."
ALTERED = "Altered colonoscopy frame: a neural network drew a part of it. Not for diagnosis."
HEIGHT = 0.06  # of the letters, as a share of the frame's side
SIGNATURE, FACTS = b"\x89PNG\r\n\x1a\n", b"Synthetic\0"  # of a PNG, of the piece of text that has the facts
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def burnt(frame: Frame, words: str = WORD) -> Frame:
    """The frame with words in its lower left corner, light letters on a dark band."""
    image = Image.fromarray(frame)
    pen = ImageDraw.Draw(image, "RGBA")
    font = _font(max(10, round(HEIGHT * min(image.size))))
    left, top, right, bottom = pen.textbbox((0, 0), words, font=font)
    pad = (bottom - top) // 3
    width, height = right - left + 2 * pad, bottom - top + 2 * pad
    pen.rectangle((0, image.height - height, width, image.height), fill=(0, 0, 0, 190))
    pen.text((pad - left, image.height - height + pad - top), words, font=font, fill=(255, 255, 255, 255))
    return np.asarray(image)


@cache
def _font(size: int) -> Any:
    return ImageFont.load_default(size)


def facts(sample: Sample) -> dict[str, Any]:
    """What is known of a sample but its pixels, ready for JSON."""
    known = {f.name: getattr(sample, f.name) for f in fields(sample)}
    for pixels in ("frame", "mask", "found", "before", "shape"):
        del known[pixels]
    rounded = {name: round(known[name], 4) for name in ("dice", "nearest", "percentile", "seconds")}
    return {**known, **rounded, "synthetic": True}


def own(sample: Sample, pixels: Any) -> Any:
    """A frame or mask of a sample without what was padded around it."""
    return pixels[own_part(sample.shape, len(pixels))] if sample.shape else pixels


def stem(sample: Sample, name: str = "polyp") -> str:
    """The name of a sample's files without their ending: its mask's name and its seed."""
    return f"{name}_{sample.seed}"


def note(sample: Sample) -> str:
    """What every file says of itself."""
    return NOTE if sample.kind == "drawn" else ALTERED


def png(sample: Sample, burn: bool = True) -> bytes:
    """The frame as PNG, its facts in the text chunk "Synthetic" and what it is in "Comment"."""
    frame = own(sample, sample.frame)
    return frame_png(burnt(frame) if burn else frame, note(sample), facts(sample))


def frame_png(frame: Frame, comment: str, known: dict[str, Any]) -> bytes:
    """A frame as PNG with what is known of it, where `read_facts` finds it."""
    info = PngInfo()
    info.add_text("Comment", comment)
    info.add_text("Synthetic", json.dumps(known))
    return _encoded(frame, info)


def mask_png(mask: Mask) -> bytes:
    """The mask as PNG, 255 on the polyp."""
    return _encoded(mask.astype(np.uint8) * 255)


def _encoded(pixels: Any, known: PngInfo | None = None) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", pnginfo=known)
    return file.getvalue()


def read_facts(path: Path) -> dict[str, Any] | None:
    """The facts of a PNG written by `png`, None where it is another file or damaged.

    Its pieces are held against their own checksums and no pixel is decoded: a hundred thousand take seconds.
    """
    try:
        data = path.read_bytes()
    except OSError:
        return None
    place, text, found = len(SIGNATURE), b"", None
    while data.startswith(SIGNATURE) and place + 12 <= len(data):
        length = int.from_bytes(data[place : place + 4])
        kind, body = data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        if zlib.crc32(kind + body) != int.from_bytes(data[place + 8 + length : place + 12 + length]):
            return None
        if kind == b"tEXt" and body.startswith(FACTS):
            text = body.removeprefix(FACTS)
        if kind == b"IEND":
            found = json.loads(text or "null")
            break
        place += 12 + length
    return found if isinstance(found, dict) else None


def write_zip(samples: Iterable[Sample], path: Path, burn: bool = True) -> None:
    """images/ and masks/ with the same stems, as ArSDM's training reads them, and samples.json."""
    listed: list[dict[str, Any]] = []
    with zipfile.ZipFile(path, "w") as file:
        for sample in samples:
            name = f"{stem(sample, f'{len(listed):03d}_{sample.model}')}.png"
            file.writestr(f"images/{name}", png(sample, burn))
            file.writestr(f"masks/{name}", mask_png(own(sample, sample.mask)))
            listed.append({"file": name, **facts(sample)})
        file.writestr("samples.json", json.dumps(listed, indent=1))


def write_dicom(samples: Iterable[Sample], path: Path, burn: bool = True) -> None:
    """A zip of DICOM files, one a sample, all of one new series."""
    from pydicom.uid import generate_uid

    study, series = generate_uid(), generate_uid()
    with zipfile.ZipFile(path, "w") as file:
        for number, sample in enumerate(samples, 1):
            name = f"{stem(sample, f'{number - 1:03d}_{sample.model}')}.dcm"
            file.writestr(name, dicom(sample, study, series, number, burn))


def dicom(
    sample: Sample, study: str | None = None, series: str | None = None, number: int = 1, burn: bool = True
) -> bytes:
    """The frame as DICOM Secondary Capture: derived, every UID new, and of no patient if all of it is."""
    frame = own(sample, sample.frame)
    frame = burnt(frame) if burn else frame
    file = secondary_capture(SECONDARY_CAPTURE, sample.kind == "drawn", facts(sample), study, series, number)
    file.Rows, file.Columns = frame.shape[:2]
    file.PixelData = np.ascontiguousarray(frame).tobytes()
    stream = io.BytesIO()
    file.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def secondary_capture(
    kind: str,
    drawn: bool,
    known: dict[str, Any],
    study: str | None = None,
    series: str | None = None,
    number: int = 1,
) -> "FileDataset":
    """A DICOM file in 8-bit RGB that lacks its pixels and their size. Every UID that isn't given is new.

    kind: its SOP class. drawn: all of it was, so that it shows no patient. known: the facts, ready for JSON.
    """
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(kind)
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    file.SOPClassUID = kind
    file.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    file.StudyInstanceUID, file.SeriesInstanceUID = study or generate_uid(), series or generate_uid()
    file.ImageType = ["DERIVED", "SECONDARY", "SYNTHETIC"]
    file.Modality, file.ConversionType = "OT", "SYN"
    file.PatientName, file.PatientID = f"SYNTHETIC^{'NO PATIENT' if drawn else 'ALTERED FRAME'}", "SYNTHETIC"
    file.PatientBirthDate = file.PatientSex = ""
    # A date of making: viewers list studies by it and hide those without one.
    now = datetime.now()
    file.StudyDate = file.ContentDate = file.InstanceCreationDate = now.strftime("%Y%m%d")
    file.StudyTime = file.ContentTime = file.InstanceCreationTime = now.strftime("%H%M%S")
    file.StudyID, file.AccessionNumber, file.ReferringPhysicianName = "1", "", ""
    file.SpecificCharacterSet = "ISO_IR 192"
    file.BodyPartExamined = "COLON"  # one of a kind, so that no side of the body has to be told
    file.Manufacturer = "Trilab"
    file.SeriesNumber, file.InstanceNumber = 1, number
    file.PatientOrientation = ""
    what = "no patient" if drawn else "altered frame"
    file.SeriesDescription = f"SYNTHETIC, {what}, not for diagnosis"
    file.DerivationDescription = json.dumps(known)[:1024]
    file.ImageComments = NOTE if drawn else ALTERED
    file.BurnedInAnnotation = "NO"  # it asks for text that tells who the patient is
    file.SamplesPerPixel, file.PhotometricInterpretation, file.PlanarConfiguration = 3, "RGB", 0
    file.BitsAllocated = file.BitsStored = 8
    file.HighBit, file.PixelRepresentation = 7, 0
    return file
