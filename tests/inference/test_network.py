# SPDX-License-Identifier: GPL-3.0-or-later
"""Which device the network runs on, with an onnxruntime that says it has more than there is; and
what the network takes for a face."""

import numpy as np
import onnxruntime
import pytest

from inference.errors import NetworkError
from inference.footage import read_picture
from inference.network import WEIGHTS, Network
from inference.preview import faces_of

REAL = onnxruntime.InferenceSession

pytestmark = pytest.mark.skipif(
    not WEIGHTS.exists(), reason="models/weights/mien.onnx does not exist"
)


@pytest.fixture
def cuda(monkeypatch):
    """Pretends that onnxruntime was built for CUDA, and that starting it does what is said."""

    def pretend(raises):
        def start(data, options, providers):
            if raises and providers[0] == "CUDAExecutionProvider":
                raise RuntimeError("libcudnn.so is missing\nand more of it")
            session = REAL(data, options, providers=["CPUExecutionProvider"])
            return session  # as onnxruntime does, without a word

        names = ["CUDAExecutionProvider", "CPUExecutionProvider"]
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: names)
        monkeypatch.setattr(onnxruntime, "InferenceSession", start)

    return pretend


@pytest.mark.parametrize("raises", [False, True])
def test_auto_takes_the_cpu_where_nothing_else_starts(cuda, raises):
    cuda(raises)
    assert Network(device="auto").device == "cpu"


@pytest.mark.parametrize("raises, sentence", [
    (False, "The device cuda does not start on this machine"),
    (True, "libcudnn.so is missing"),
])  # fmt: skip
def test_a_device_asked_for_by_name_is_not_replaced(cuda, raises, sentence):
    cuda(raises)
    with pytest.raises(NetworkError, match=sentence) as told:
        Network(device="cuda")
    assert "choose the device cpu" in str(told.value) and "\n" not in str(told.value)


def test_a_device_that_works_is_taken_by_auto(cuda, monkeypatch):
    cuda(False)

    class Session:
        def __init__(self, data, options, providers):
            self._session, self._providers = REAL(data, options), providers

        def get_providers(self):
            return self._providers

        def __getattr__(self, name):
            return getattr(self._session, name)

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    assert Network().device == "cuda" and Network(device="cpu").device == "cpu"


@pytest.mark.parametrize("rows, columns", [
    (slice(260, 512), slice(0, 512)),
    (slice(0, 512), slice(0, 150)),
    (slice(200, 512), slice(0, 260)),
])  # fmt: skip
def test_what_is_no_face_is_not_taken_for_one(astronaut, rows, columns):
    """The suit, the flag and the shuttle, each of which the network once took for a face."""
    network, image = Network(device="cpu"), read_picture(astronaut)
    for quarter_turns in range(2):
        part = np.ascontiguousarray(np.rot90(image[rows, columns], quarter_turns))
        assert faces_of(network, part) == []


def test_a_face_is_found_however_the_picture_lies(astronaut):
    network, image = Network(device="cpu"), read_picture(astronaut)
    centres = []
    for quarter_turns in range(4):
        (face,) = faces_of(network, np.ascontiguousarray(np.rot90(image, quarter_turns)))
        x, y = face.centre - (len(image) - 1) / 2
        centre = (x + 1j * y) * 1j**quarter_turns  # turned back; y points down
        centres.append([centre.real, centre.imag])
    assert np.ptp(centres, axis=0).max() < 6
