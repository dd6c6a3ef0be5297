"""Tests of ray_wssis.data.class_maps.matlab.

The file was written by scipy.io.savemat 1.17, compressed: fields in the order of SBD's files.
"""

import base64
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from ray_wssis.data.class_maps.matlab import HEADER, read_segmentation
from ray_wssis.data.class_maps.png import decode
from ray_wssis.data.class_maps.values import Unusable, read_values
from ray_wssis.data.class_maps.voc import read_voc
from ray_wssis.data.problem import Problems
from tests.support.class_maps import MAP, write_voc

FILE = base64.b64decode(
    "TUFUTEFCIDUuMCBNQVQtZmlsZSBQbGF0Zm9ybTogcG9zaXgsIENyZWF0ZWQgb246IFRodSBOb3YgMjYgMTU6MTE6"
    "NTkgMjAyNgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABSU0PAAAA"
    "oQAAAHic42NgYChgZ2BgA9IcQMzEAAGsUD4jEgaJuYck5xSD2SwMQlBxMyB2yi/NS0ksykwthhrAEJyanpuaV5JY"
    "kpmfBxFxTixJTc8HqQkoSi0GygHF+IA4gw1hPyOa/SJI9jNA1XswINRzMqGqZ4HKwdSDpCUYcINR80bNGzVv1LxR"
    "80aoeQykmccIBUxQADLPAI95TAyo9RcTEDICBQGDTiEh"
)


def test_a_file_in_the_layout_of_sbd() -> None:
    assert (read_segmentation(FILE) == MAP).all()


def test_an_uncompressed_file_says_the_same() -> None:
    bare = FILE[:HEADER] + zlib.decompress(FILE[HEADER + 8 :])
    assert (read_segmentation(bare) == MAP).all()


@pytest.mark.parametrize("length", range(len(FILE)))
def test_a_file_that_ends_too_early_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match=r"it (is|ends|has)"):
        read_segmentation(FILE[:length])


def test_damaged_and_other_files_are_refused(tmp_path: Path) -> None:
    inside = zlib.decompress(FILE[HEADER + 8 :])
    for wrong in (inside.replace(b"GTcls", b"GTins"), inside.replace(b"Segm", b"Bund")):
        packed = zlib.compress(wrong)
        file = FILE[:HEADER] + struct.pack("<II", 15, len(packed)) + packed
        with pytest.raises(ValueError, match="it has no GTcls with Segmentation"):
            read_segmentation(file)
    (tmp_path / "a.mat").write_bytes(b"MATLAB 7.3")
    with pytest.raises(Unusable, match=r"no MATLAB file of version 5"):
        read_values(str(tmp_path / "a.mat"))


def test_a_voc_tree_may_have_the_folder_of_sbd(tmp_path: Path) -> None:
    root = write_voc(tmp_path, "1", "2", "3")
    (root / "SegmentationClassAug/2007_000002.png").unlink()
    (root / "cls").mkdir()
    for name in "12":
        (root / f"cls/2007_00000{name}.mat").write_bytes(FILE)
    problems = Problems()
    strong, weak = read_voc(root, ["2007_000001", "2007_000002"], problems)
    assert not problems.found
    assert strong.tags == (0, 15)  # of its own map, not of SBD's
    assert weak.class_map is not None and np.array_equal(decode(weak.class_map), MAP)
