# SPDX-License-Identifier: GPL-3.0-or-later
"""A faster ONNX file: the convolutions in eight bits, everything else as it was.

Static post-training quantisation (Jacob et al. 2018, arXiv 1712.05877) by onnxruntime: the ranges
of the feature maps are those that training pictures give, weights have one scale for each output
channel. The layers that answer stay in 32 bits: one step of an eight-bit point is a pixel, and in
eight bits they make points and pose a fifth worse.
"""

import os
import tempfile

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from .export import store_in_16_bits

CALIBRATION_PICTURES = 512
BATCH = 16
# What lies between two convolutions goes on in eight bits rather than there and back.
BETWEEN = ("Relu", "Add", "AveragePool", "Concat", "Resize")


def write_eight_bit(path, faster_path, pictures):
    """Read the ONNX file `path` and write its faster variant, whole or not at all.

    pictures: uint8 (N,128,128,3) crops of faces as training sees them, for the ranges. Inputs,
    outputs and metadata stay the same.
    """
    with tempfile.TemporaryDirectory() as folder:
        folded, quantised = (os.path.join(folder, name) for name in ("folded.onnx", "int8.onnx"))
        quant_pre_process(path, folded, skip_symbolic_shape=True)
        graph = onnx.load(folded).graph
        quantize_static(
            folded, quantised, Pictures(pictures),
            nodes_to_quantize=[node.name for node in eight_bit_nodes(graph)],
            op_types_to_quantize=["Conv", *BETWEEN],
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, per_channel=True,
            # Seven bits of weight: on processors without dot products of bytes (before VNNI) two
            # products of eight are added in sixteen bits, and would overflow unnoticed.
            reduce_range=True,
        )  # fmt: skip
        model = onnx.load(quantised)
    store_in_16_bits(model.graph)
    properties = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    onnx.helper.set_model_props(model, properties)
    onnx.checker.check_model(model)
    beside = f"{faster_path}.partial"
    onnx.save(model, beside)
    os.replace(beside, faster_path)


def eight_bit_nodes(graph):
    """The convolutions of a graph, and what is fed by nothing but them and one another."""
    eight_bit, fixed = set(), constants(graph)  # names of tensors
    for node in graph.node:  # in order of evaluation
        fed = [name for name in node.input if name and name not in fixed]
        between = node.op_type in BETWEEN and fed and all(name in eight_bit for name in fed)
        if node.op_type == "Conv" or between:
            eight_bit.update(node.output)
            yield node


def constants(graph):
    """Names of the tensors that no picture changes."""
    return {tensor.name for tensor in graph.initializer} | {
        node.output[0] for node in graph.node if node.op_type == "Constant"
    }


class Pictures(CalibrationDataReader):
    """Hands out (N,128,128,3) pictures in batches."""

    def __init__(self, pictures):
        self.parts = iter([pictures[i : i + BATCH] for i in range(0, len(pictures), BATCH)])

    def get_next(self):
        """The next batch as the network's inputs; None after the last."""
        part = next(self.parts, None)
        return None if part is None else {"image": part}


def calibration_pictures(folders, count=CALIBRATION_PICTURES):
    """`count` crops uint8 (count,128,128,3) from pools, as training sees them; always the same.

    Only such as hold a face: nothing holds the features of others within bounds, and a single
    blank wall can stretch the range of a layer forty times, for which all faces would pay.
    Raises FileNotFoundError or ValueError for a pool without a finished chunk to train on.
    """
    from models.head import load_head
    from models.synthesis.pool import SOURCE_BACKGROUND, chunk_paths, open_chunk
    from models.training.batches import TrainingBatches
    from models.training.config import TrainingConfig
    from models.training.labels import MirrorTables
    from models.training.pool import PoolShare, check_points, held_out

    head = load_head()
    shares = [PoolShare.parse(folder) for folder in folders]
    for share in shares:
        check_points(share, len(head.point_vertices))
        chunks = (open_chunk(path) for path in chunk_paths(share.folder) if not held_out(path))
        if not any((chunk.source != SOURCE_BACKGROUND).any() for chunk in chunks):
            raise ValueError(f"{share.folder} holds no chunk with faces to train on")
    batches = iter(TrainingBatches(shares, MirrorTables.of(head), TrainingConfig(batch=BATCH)))
    faces = []
    while sum(map(len, faces)) < count:
        batch = next(batches)
        faces.append(batch["image"].numpy()[batch["face"].numpy() > 0.5])
    return np.concatenate(faces)[:count]
