"""What leaves the program says that it is synthetic: in the picture, in PNG, in DICOM, in the zip."""

import io
import json
import shutil
import subprocess
import zipfile

import numpy as np
import pydicom
import pytest
from PIL import Image

from models.colonoscopy.data import exports
from models.colonoscopy.data.images import read_pairs
from tests.colonoscopy.makers import sample_of


def test_the_word_is_burnt_into_the_corner_and_nowhere_else():
    sample = sample_of()
    burnt = exports.burnt(sample.frame)
    changed = (burnt != sample.frame).any(axis=2)
    rows, columns = np.nonzero(changed)
    assert rows.min() > 220 and columns.max() < 128
    assert (burnt[changed].min(axis=1) > 200).sum() > 100  # letters
    assert (burnt[changed].max(axis=1) < 80).sum() > 300  # on a dark band
    assert not (sample.frame != sample_of().frame).any()  # the sample itself is not written on


def test_a_png_carries_its_facts(tmp_path):
    sample = sample_of()
    path = tmp_path / "frame.png"
    path.write_bytes(exports.png(sample))
    facts = exports.read_facts(path)
    assert facts == exports.facts(sample) and facts["seed"] == 3 and facts["synthetic"] is True
    with Image.open(path) as image:
        assert "no patient" in image.text["Comment"]
        assert np.array_equal(np.asarray(image), exports.burnt(sample.frame))
    path.write_bytes(exports.png(sample, burn=False))
    assert np.array_equal(np.asarray(Image.open(path)), sample.frame) and exports.read_facts(path) == facts


def test_facts_of_other_files_are_none(tmp_path):
    path = tmp_path / "frame.png"
    assert exports.read_facts(path) is None
    path.write_bytes(exports.png(sample_of())[:-400])
    assert exports.read_facts(path) is None
    path.write_bytes(exports.mask_png(sample_of().mask))
    assert exports.read_facts(path) is None


def test_dicom_is_derived_of_no_patient_and_new_each_time():
    sample = sample_of()
    first, again = (pydicom.dcmread(io.BytesIO(exports.dicom(sample))) for _ in range(2))
    assert first.SOPClassUID.name == "Secondary Capture Image Storage"
    assert first.ImageType[0] == "DERIVED" and first.ConversionType == "SYN"
    assert str(first.PatientName) == "SYNTHETIC^NO PATIENT" and first.PatientBirthDate == ""
    assert np.array_equal(first.pixel_array, exports.burnt(sample.frame))
    assert json.loads(first.DerivationDescription)["seed"] == 3
    for uid in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"):
        assert first[uid].value != again[uid].value


def test_a_zip_has_arsdms_layout(tmp_path):
    path = tmp_path / "frames.zip"
    exports.write_zip([sample_of(3), sample_of(4, model="sdm"), sample_of(3)], path)
    with zipfile.ZipFile(path) as file:
        file.extractall(tmp_path / "out")
    pairs = list(read_pairs(tmp_path / "out"))
    listed = json.loads((tmp_path / "out" / "samples.json").read_text())
    assert [row["file"] for row in listed] == [f"{pair.name}.png" for pair in pairs] and len(pairs) == 3
    assert [row["seed"] for row in listed] == [3, 4, 3] and listed[1]["model"] == "sdm"
    assert np.array_equal(pairs[0].mask, sample_of().mask)


def test_a_zip_of_dicom_is_one_series(tmp_path):
    path = tmp_path / "frames.zip"
    exports.write_dicom([sample_of(3), sample_of(4)], path)
    with zipfile.ZipFile(path) as file:
        read = [pydicom.dcmread(io.BytesIO(file.read(name))) for name in file.namelist()]
    assert [one.InstanceNumber for one in read] == [1, 2]
    assert read[0].SeriesInstanceUID == read[1].SeriesInstanceUID
    assert read[0].SOPInstanceUID != read[1].SOPInstanceUID


def test_dicom_passes_the_standards_own_checker(tmp_path):
    checker = shutil.which("dciodvfy")
    if checker is None:
        pytest.skip("dciodvfy (Debian: dicom3tools) is not installed")
    (tmp_path / "frame.dcm").write_bytes(exports.dicom(sample_of(shape=(144, 256))))
    said = subprocess.run([checker, tmp_path / "frame.dcm"], capture_output=True, text=True, check=False)
    assert "Error" not in said.stderr + said.stdout


def test_dicom_has_a_date_of_making_and_names_its_letters():
    read = pydicom.dcmread(io.BytesIO(exports.dicom(sample_of())))
    assert len(read.StudyDate) == 8 and len(read.StudyTime) == 6 and read.SpecificCharacterSet == "ISO_IR 192"
    assert "Laterality" not in read and read.BodyPartExamined == "COLON"


def test_what_was_padded_does_not_come_home():
    sample = sample_of(shape=(90, 160))
    read = pydicom.dcmread(io.BytesIO(exports.dicom(sample, burn=False)))
    assert read.pixel_array.shape == (144, 256, 3)
    assert np.array_equal(read.pixel_array, sample.frame[56:200])
