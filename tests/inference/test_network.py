# SPDX-License-Identifier: GPL-3.0-or-later
"""Which device the network runs on, with an onnxruntime that says it has more than there is."""

import onnxruntime
import pytest

from inference.errors import NetworkError
from inference.network import WEIGHTS, Network

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
