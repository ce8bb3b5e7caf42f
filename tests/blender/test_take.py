# SPDX-License-Identifier: GPL-3.0-or-later
"""The take reader: what it gives back, and what it refuses in which words."""

import json
from fractions import Fraction

import fabricate
import numpy as np
import pytest

from blender_addon.take import TakeError, read_take


def test_reads_back_every_field(take_file):
    arrays = fabricate.small_take()
    take = read_take(take_file)
    for name, array in arrays.items():
        if name != "header":
            np.testing.assert_allclose(getattr(take, name), array, atol=1e-6, err_msg=name)
    assert take.header.source.frame_rate == Fraction(30000, 1001)
    assert take.header.shape_names == fabricate.SHAPE_NAMES


def test_what_a_take_may_leave_out(take_file, tmp_path):
    take = read_take(take_file)
    assert take.points68_vertex is None
    assert (take.header.source.rotation, take.header.source.container_rotation) == (0, 0)
    source = {**fabricate.header()["source"], "rotation": 270, "container_rotation": -90}
    arrays = fabricate.small_take(source=source)
    arrays["points68_vertex"] = np.arange(68)
    take = read_take(fabricate.write(tmp_path / "full.mien.npz", arrays))
    assert take.points68_vertex.tolist() == list(range(68))
    assert (take.header.source.rotation, take.header.source.container_rotation) == (270, 270)


def test_numbers_of_other_width_are_converted(tmp_path):
    arrays = fabricate.small_take()
    arrays["quads"] = arrays["quads"].astype(np.int64)
    arrays["weights"] = arrays["weights"].astype(np.float64)
    arrays["skin_index"] = arrays["skin_index"].astype(np.uint8)
    take = read_take(fabricate.write(tmp_path / "wide.mien.npz", arrays))
    assert take.quads.dtype == np.int32
    assert take.weights.dtype == np.float32
    assert take.skin_index.dtype == np.int32


def test_quaternions_come_back_with_unit_length(tmp_path):
    arrays = fabricate.small_take()
    arrays["head_rotation"] = arrays["head_rotation"] * np.float32(1.7)
    take = read_take(fabricate.write(tmp_path / "long.mien.npz", arrays))
    np.testing.assert_allclose(np.linalg.norm(take.head_rotation, axis=1), 1.0, atol=1e-6)


def _set(name, index, value):
    def spoil(arrays):
        arrays[name][index] = value

    return spoil


def _words(**changes):
    def spoil(arrays):
        arrays["header"] = fabricate.encode(fabricate.header(**changes))

    return spoil


def _header(content: bytes):
    return lambda arrays: arrays.update(header=np.frombuffer(content, np.uint8))


SOURCE = fabricate.header()["source"]
SPOILED = {
    "no header": (lambda arrays: arrays.pop("header"), "no header"),
    "header no JSON": (_header(b"{nonsense"), "header is damaged"),
    "other format": (_words(format="other"), "another format"),
    "newer version": (_words(version=2), "reads up to 1"),
    "no source": (_header(json.dumps({"format": "mien-take", "version": 1}).encode()), "source"),
    "rate of zero": (_words(source={**SOURCE, "frame_rate": [30, 0]}), "header is damaged"),
    "a name twice": (_words(shape_names=["jawOpen"] * 52), "occurs twice"),
    "one name short": (_words(corrective_names=["one"]), "corrective_weights has shape"),
    "other bones": (_words(bone_names=["a", "b", "c", "d", "e"]), "bones are not"),
    "field missing": (lambda arrays: arrays.pop("skin_weight"), "skin_weight is missing"),
    "no vertices": (lambda arrays: arrays.pop("neutral"), "neutral is missing"),
    "shape off": (lambda a: a.update(weights=a["weights"][:-1]), "weights has shape"),
    "words for numbers": (lambda a: a.update(weights=a["weights"].astype(str)), "weights holds"),
    "fraction for index": (lambda a: a.update(quads=a["quads"] + 0.5), "quads holds"),
    "index outside": (_set("quads", (0, 0), 10**6), "quads points outside"),
    "group outside": (_set("group", 0, 200), "group points outside"),
    "bone outside": (_set("skin_index", (0, 0), -1), "skin_index points outside"),
    "not a number": (_set("weights", (3, 4), np.nan), "weights holds a value"),
    "weight too large": (_set("weights", (3, 4), 11.0), "beyond 10"),
    "clock runs back": (_set("time", 5, 0.0), "time does not increase"),
    "no rotation": (_set("head_rotation", 2, 0.0), "length zero"),
    "no lens": (lambda a: a.update(focal=np.float32(0)), "focal is not positive"),
    "no frames": (lambda a: a.update(time=a["time"][:0]), "time is empty"),
    "turned by a little": (_words(source={**SOURCE, "rotation": 45}), "no quarter turn"),
    "turned by a word": (_words(source={**SOURCE, "container_rotation": "left"}), "damaged"),
    "67 points": (lambda a: a.update(points68_vertex=np.zeros(67, np.int32)), "68"),
    "point outside": (
        lambda a: a.update(points68_vertex=np.full(68, 10**6, np.int32)),
        "points68_vertex points outside",
    ),
    "texture of floats": (lambda a: a.update(texture=np.zeros((4, 4, 3))), "texture is not"),
}


@pytest.mark.parametrize("name", SPOILED)
def test_refuses_in_one_sentence(tmp_path, name):
    spoil, words = SPOILED[name]
    arrays = fabricate.small_take()
    spoil(arrays)
    path = fabricate.write(tmp_path / "spoiled.mien.npz", arrays)
    with pytest.raises(TakeError, match=words) as caught:
        read_take(path)
    message = str(caught.value)
    assert message.startswith("spoiled.mien.npz: ") and message.endswith(".")
    assert "\n" not in message


def test_refuses_what_is_no_archive(tmp_path):
    missing = tmp_path / "missing.mien.npz"
    with pytest.raises(TakeError, match="no take at"):
        read_take(missing)
    for content in (b"", b"not an archive", b"PK\x03\x04 broken"):
        path = tmp_path / "noise.mien.npz"
        path.write_bytes(content)
        with pytest.raises(TakeError, match="not a Mien take"):
            read_take(path)


def test_refuses_a_truncated_take(tmp_path, take_file):
    content = take_file.read_bytes()
    for share in (0.1, 0.5, 0.99):
        path = tmp_path / "cut.mien.npz"
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(TakeError, match="damaged"):
            read_take(path)


def test_refuses_a_damaged_byte_inside(tmp_path, take_file):
    content = bytearray(take_file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path = tmp_path / "flipped.mien.npz"
    path.write_bytes(content)
    with pytest.raises(TakeError, match="damaged"):
        read_take(path)


def test_never_unpickles(tmp_path):
    path = tmp_path / "pickled.mien.npz"
    arrays = fabricate.small_take()
    arrays["weights"] = np.array([[object()]], dtype=object)
    np.savez(path, **arrays)
    with pytest.raises(TakeError):
        read_take(path)


def test_a_lone_array_is_no_take(tmp_path):
    path = tmp_path / "lone.npz"
    with open(path, "wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(TakeError, match="not a Mien take"):
        read_take(path)
