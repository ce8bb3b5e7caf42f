# SPDX-License-Identifier: GPL-3.0-or-later
"""The exported files answer as the torch network does, and say what they are."""

import json
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from models.__main__ import main
from models.head import load_head
from models.reconstruction.checkpoint import load_checkpoint, network_from, save_checkpoint
from models.reconstruction.config import NetworkConfig
from models.reconstruction.eight_bit import write_eight_bit
from models.reconstruction.export import (
    FACE_OUTPUTS,
    IN_16_BITS,
    METADATA_KEY,
    PIXEL_OUTPUTS,
    export_network,
)
from models.reconstruction.network import ReconstructionNetwork
from models.reconstruction.pixels import GEOMETRY
from models.reconstruction.unfolding import network_of
from models.synthesis.pool import (
    IMAGE_SIDE,
    SEGMENTATION_SIDE,
    SOURCE_BACKGROUND,
    SOURCE_RENDERED,
    Sample,
    write_chunk,
)

TOLERANCE = 1e-3
POINTS = 90


@pytest.fixture(scope="module")
def network():
    """A network whose batch normalisation has seen pictures, so that folding it is put to test."""
    torch.manual_seed(1)
    network = ReconstructionNetwork(NetworkConfig(points=POINTS))
    network.train()
    with torch.no_grad():
        # An untrained normal may be next to zero, and then its direction is anybody's guess.
        network.pixel_head.geometry.answer.bias[sum(GEOMETRY[:2]) + 2] = 1.0
        for _ in range(3):
            network(torch.randint(0, 256, (4, 128, 128, 3), dtype=torch.uint8))
    return network.eval()


@pytest.fixture(scope="module")
def files(network, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    checkpoint, face, pixels = folder / "c.pt", folder / "face.onnx", folder / "pixels.onnx"
    save_checkpoint(checkpoint, network, progress={"steps": 7, "seconds": 1.5})
    assert main(["export", str(checkpoint), "-o", str(face), "--pixels", str(pixels)]) == 0
    return face, pixels


def pictures(count):
    random = np.random.default_rng(count)
    return random.integers(0, 256, (count, 128, 128, 3), dtype=np.uint8)


@pytest.mark.parametrize("count", [1, 5])
def test_onnxruntime_agrees_with_torch(network, files, count):
    image = pictures(count)
    with torch.no_grad():
        answer, pixels = network(torch.from_numpy(image))
    expected = answer.finished()
    assert list(expected) == list(FACE_OUTPUTS)
    session = onnxruntime.InferenceSession(files[0], providers=["CPUExecutionProvider"])
    for name, value in zip(FACE_OUTPUTS, session.run(list(FACE_OUTPUTS), {"image": image})):
        assert value.shape == expected[name].shape, name
        assert np.abs(value - expected[name].numpy()).max() <= TOLERANCE, name
    session = onnxruntime.InferenceSession(files[1], providers=["CPUExecutionProvider"])
    expected = pixels.finished()
    assert list(expected) == list(PIXEL_OUTPUTS)
    for name, value in zip(PIXEL_OUTPUTS, session.run(list(PIXEL_OUTPUTS), {"image": image})):
        assert value.shape == expected[name].shape, name
        assert np.abs(value - expected[name].numpy()).max() <= TOLERANCE, name


def test_restored_files_answer_as_the_network_did_and_are_normalised(network, files, tmp_path):
    image = pictures(40)
    restored, fresh = network_of(files, image)
    assert fresh == set() and restored.config == network.config
    with torch.no_grad():
        expected, answered = (net(torch.from_numpy(image)) for net in (network, restored))
        for one, other in zip((*expected[0], *expected[1]), (*answered[0], *answered[1])):
            assert (one - other).abs().max() <= TOLERANCE
        features = restored.backbone(torch.from_numpy(image))
        normalised_by_themselves = restored.backbone.train()(torch.from_numpy(image))
    for one, other in zip(features, normalised_by_themselves):
        assert (one - other).abs().max() <= TOLERANCE
    apart = tmp_path / "apart.onnx"
    network.config, whole = replace(network.config, pixel_widths=()), network.config
    export_network(network, apart)
    network.config = whole
    restored, fresh = network_of([apart, files[1]], image[:4])
    assert fresh == set() and restored.config == whole, "parts of two trainings"
    _, fresh = network_of(files[:1], image[:4])
    assert fresh == {"pixel_head"}
    other, beside = ReconstructionNetwork(network.config), tmp_path / "other.onnx"
    export_network(other, tmp_path / "unused.onnx", beside)
    with pytest.raises(ValueError, match="another backbone than the file before it"):
        network_of([files[0], beside], image[:4])


def test_outputs_are_what_the_contract_says(files):
    session = onnxruntime.InferenceSession(files[0], providers=["CPUExecutionProvider"])
    image = pictures(3)
    out = dict(zip(FACE_OUTPUTS, session.run(list(FACE_OUTPUTS), {"image": image})))
    assert out["points"].shape == (3, POINTS, 2) and out["point_sigma"].shape == (3, POINTS)
    assert out["identity"].shape == (3, 60) and out["gaze"].shape == (3, 2, 2)
    assert (out["point_sigma"] > 0).all()
    assert ((out["expression"] >= 0) & (out["expression"] <= 1)).all()
    assert ((out["face"] >= 0) & (out["face"] <= 1)).all()
    gram = out["rotation"] @ out["rotation"].transpose(0, 2, 1)
    assert np.abs(gram - np.eye(3)).max() < 1e-5
    assert np.allclose(np.linalg.det(out["rotation"]), 1, atol=1e-5)
    session = onnxruntime.InferenceSession(files[1], providers=["CPUExecutionProvider"])
    out = dict(zip(PIXEL_OUTPUTS, session.run(list(PIXEL_OUTPUTS), {"image": image})))
    assert out["segmentation"].shape == (3, 8, 128, 128) and out["depth"].shape == (3, 64, 64)
    assert out["canonical"].shape == out["normal"].shape == (3, 3, 64, 64)
    assert np.allclose(out["segmentation"].sum(axis=1), 1, atol=1e-5)
    assert np.allclose(np.linalg.norm(out["normal"], axis=1), 1, atol=1e-5)


def test_a_network_without_per_pixel_heads_has_none_to_export(tmp_path, capsys):
    plain = ReconstructionNetwork(NetworkConfig(points=POINTS, pixel_widths=())).eval()
    save_checkpoint(tmp_path / "c.pt", plain)
    words = ["export", str(tmp_path / "c.pt"), "-o", str(tmp_path / "face.onnx")]
    assert main([*words, "--pixels", str(tmp_path / "pixels.onnx")]) == 2
    assert "no per-pixel heads" in capsys.readouterr().err
    assert main(words) == 0
    _, fresh = network_of([tmp_path / "face.onnx"], pictures(4))
    assert fresh == set()


def test_metadata_tells_trained_from_untrained(files, tmp_path):
    session = onnxruntime.InferenceSession(files[0], providers=["CPUExecutionProvider"])
    metadata = json.loads(session.get_modelmeta().custom_metadata_map[METADATA_KEY])
    assert metadata["trained"] and metadata["points"] == POINTS
    assert metadata["training"] == {"steps": 7, "seconds": 1.5}
    path = tmp_path / "untrained.onnx"
    assert main(["export", "--untrained", "--points", "70", "-o", str(path)]) == 0
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    metadata = json.loads(session.get_modelmeta().custom_metadata_map[METADATA_KEY])
    assert not metadata["trained"] and metadata["points"] == 70


def blotches(count):
    """Pictures that differ as pictures do: large soft blotches of any colour."""
    small = torch.rand(count, 3, 4, 4, generator=torch.Generator().manual_seed(count))
    large = torch.nn.functional.interpolate(small, (128, 128), mode="bilinear")
    return (255 * large).permute(0, 2, 3, 1).to(torch.uint8).contiguous().numpy()


def run(path, image):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return dict(zip(FACE_OUTPUTS, session.run(list(FACE_OUTPUTS), {"image": image})))


def test_eight_bit_convolutions_answer_nearly_the_same(files, tmp_path):
    """Within a fifth of what tells one picture from another; the metadata stays."""
    faster = tmp_path / "faster.onnx"
    write_eight_bit(str(files[0]), str(faster), blotches(64))
    image = blotches(24)
    full, eight = run(files[0], image), run(faster, image)
    for name in ("points", "identity", "expression", "gaze", "rotation"):
        spread = full[name].std(axis=0).mean()
        assert 0 < np.abs(eight[name] - full[name]).mean() < 0.2 * spread, name
    before, after = onnx.load(files[0]), onnx.load(faster)
    assert list(after.metadata_props) == list(before.metadata_props)
    weights = {t.name: onnx.numpy_helper.to_array(t) for t in after.graph.initializer}
    scales = {n.output[0]: n.input[0] for n in after.graph.node if n.op_type == "DequantizeLinear"}
    convolutions = [n for n in after.graph.node if n.op_type == "Conv"]
    assert len(convolutions) == sum(n.op_type == "Conv" for n in before.graph.node)
    for node in convolutions:
        weight = weights[scales[node.input[1]]]
        assert weight.dtype == np.int8 and 60 < np.abs(weight.astype(int)).max() <= 64
    for node in after.graph.node:
        if node.op_type in ("Gemm", "MatMul"):
            large, small = weights.get(f"{node.input[1]}{IN_16_BITS}"), weights.get(node.input[1])
            if large is None and small is None:  # of two things that the picture shows
                assert node.op_type == "MatMul" and node.input[1] not in scales
            else:
                assert (small if large is None else large).dtype in (np.int16, np.float32)


def sample(source):
    """A picture of noise, said to be of this source."""
    points = len(load_head().point_vertices)
    face = source != SOURCE_BACKGROUND
    return Sample(
        image=pictures(3)[0].repeat(2, 0).repeat(2, 1)[:IMAGE_SIDE, :IMAGE_SIDE],
        points=np.random.default_rng(0).uniform(60, 130, (points, 2)).astype(np.float32),
        visible=np.ones(points, np.uint8), identity=np.zeros(60, np.float32),
        expression=np.zeros(52, np.float32), gaze=np.zeros((2, 2), np.float32),
        rotation=np.eye(3, dtype=np.float32), face=int(face),
        segmentation=np.zeros((SEGMENTATION_SIDE, SEGMENTATION_SIDE), np.uint8),
        source=source, focal=400.0,
    )  # fmt: skip


def test_the_command_writes_the_faster_file_from_a_pool(tmp_path, capsys):
    """From its faces alone, and none that is held out."""
    pool, full, faster = tmp_path / "pool", tmp_path / "full.onnx", tmp_path / "faster.onnx"
    words = ["export", "--untrained", "-o", str(full), "--faster", str(faster)]
    assert main(words) == 2, "nothing to calibrate with"
    write_chunk(pool, 0, [sample(SOURCE_RENDERED)])
    write_chunk(pool, 1, [sample(SOURCE_BACKGROUND)])
    assert main([*words, "--calibrate", str(pool)]) == 2
    assert not faster.exists()
    write_chunk(pool, 2, [sample(SOURCE_RENDERED)])
    assert main([*words, "--calibrate", str(pool)]) == 0
    assert faster.stat().st_size < full.stat().st_size
    points = len(load_head().point_vertices)
    assert run(faster, pictures(2))["points"].shape == (2, points, 2)
    assert "no chunk with faces to train on" in capsys.readouterr().err


def test_averaged_weights_are_what_is_used(network, tmp_path):
    average = {k: v + 1 if v.is_floating_point() else v for k, v in network.state_dict().items()}
    save_checkpoint(tmp_path / "c.pt", network, average=average)
    loaded = network_from(load_checkpoint(tmp_path / "c.pt")).state_dict()
    assert all(torch.equal(loaded[k], average[k]) for k in average)


def test_bad_input_is_one_sentence(tmp_path, capsys):
    out = tmp_path / "x.onnx"
    assert main(["export", str(tmp_path / "none.pt"), "-o", str(out)]) == 2
    (tmp_path / "text.pt").write_text("not a checkpoint")
    assert main(["export", str(tmp_path / "text.pt"), "-o", str(out)]) == 2
    missing = str(tmp_path / "none" / "x.onnx")
    assert main(["export", "--untrained", "--points", "70", "-o", missing]) == 2
    assert not out.exists() and not list(tmp_path.glob("*.partial"))
    lines = capsys.readouterr().err.strip().splitlines()
    assert len([line for line in lines if line.startswith("models export:")]) == 3


def test_what_cannot_be_restored_is_one_sentence(files, tmp_path, capsys):
    pool, out = tmp_path / "pool", tmp_path / "c.pt"
    write_chunk(pool, 2, [sample(SOURCE_RENDERED)])
    nameless, text = tmp_path / "nameless.onnx", tmp_path / "text.onnx"
    model = onnx.load(files[0])
    del model.metadata_props[:]
    onnx.save(model, nameless)
    text.write_text("not a network")
    for path in (tmp_path / "none.onnx", nameless, text):
        assert main(["restore", str(path), "--pool", str(pool), "-o", str(out)]) == 2, path
    missing = str(tmp_path / "none" / "c.pt")
    assert main(["restore", str(files[0]), "--pool", str(pool), "-o", missing]) == 2
    assert not out.exists()
    lines = capsys.readouterr().err.strip().splitlines()
    assert len([line for line in lines if line.startswith("models restore:")]) == 4
