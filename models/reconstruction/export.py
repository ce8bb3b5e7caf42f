# SPDX-License-Identifier: GPL-3.0-or-later
"""The network as ONNX files: one with points and parameters, one with per-pixel answers."""

import json
import os
import warnings
from dataclasses import asdict

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn

from .config import CROP_MARGIN, CROP_SIZE, SEGMENTATION_CLASSES

OPSET = 17
METADATA_KEY = "mien"
FORMAT = "mien-network"
VERSION = 1
FACE_OUTPUTS = (
    "points", "point_sigma", "identity", "expression", "gaze", "rotation", "face",
)  # fmt: skip
PIXEL_OUTPUTS = ("segmentation", "canonical", "depth", "normal")
IN_16_BITS, SCALE = "_in_16_bits", "_scale"  # endings of the names of constants stored so
LARGE = 1024  # numbers from which a constant is stored in 16 bits


class FaceGraph(nn.Module):
    """Points and parameters only; what plain capture runs on every frame."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, image):
        levels = self.network.backbone(image)
        answer = self.network.reconstruct(image, levels, *self.network.pyramid(levels)).finished()
        return tuple(answer[name] for name in FACE_OUTPUTS)


class PixelGraph(nn.Module):
    """What the per-pixel heads say; nothing that plain capture needs."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, image):
        levels = self.network.backbone(image)
        answer = self.network.pixel_head(image, levels, *self.network.pyramid(levels)).finished()
        return tuple(answer[name] for name in PIXEL_OUTPUTS)


def export_network(network, path, pixels_path=None, training=None):
    """Write `network` to `path` and, if given, its per-pixel answers to `pixels_path`.

    training: plain values about the training (steps, seconds) for the file's metadata; None marks
    an untrained network. Raises ValueError if per-pixel answers are asked of a network without.
    """
    if pixels_path and not network.config.pixel_widths:
        raise ValueError("this network has no per-pixel heads to export")
    network = network.eval().to("cpu", torch.float32)
    metadata = {
        "format": FORMAT,
        "version": VERSION,
        "trained": training is not None,
        "points": network.config.points,
        "network": asdict(network.config),
        "crop_size": CROP_SIZE,
        "crop_margin": CROP_MARGIN,
        "segmentation_classes": list(SEGMENTATION_CLASSES),
        "training": training or {},
    }
    write_graph(FaceGraph(network), path, FACE_OUTPUTS, metadata)
    if pixels_path:
        write_graph(PixelGraph(network), pixels_path, PIXEL_OUTPUTS, metadata)


def write_graph(module, path, outputs, metadata):
    """Trace `module` for any number of pictures and write it, whole or not at all.

    Uses the tracing exporter: it needs no package beyond onnx and folds batch normalisation into
    the convolutions.
    """
    image = torch.zeros(2, CROP_SIZE, CROP_SIZE, 3, dtype=torch.uint8)
    beside = f"{path}.partial"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # sizes that are meant to be fixed
        torch.onnx.export(
            module.eval(),
            (image,),
            beside,
            dynamo=False,
            opset_version=OPSET,
            input_names=["image"],
            output_names=list(outputs),
            dynamic_axes={name: {0: "faces"} for name in ("image", *outputs)},
        )
    model = onnx.load(beside)
    store_in_16_bits(model.graph)
    onnx.helper.set_model_props(model, {METADATA_KEY: json.dumps(metadata, sort_keys=True)})
    onnx.checker.check_model(model)
    onnx.save(model, beside)
    os.replace(beside, path)


def store_in_16_bits(graph):
    """Keep the large constants of a graph in 16 bits, half the file, and reckon in 32 as before.

    As integers, with a scale for each row; nodes that onnxruntime works out once, when it opens the
    file, make them what they were to a 65,000th of the row's largest. (Halves of a float keep eleven
    bits; with them answers for some faces moved by more than a thousandth.)
    """
    widened = []
    for constant in list(graph.initializer):
        values = numpy_helper.to_array(constant)
        if values.dtype != np.float32 or values.size < LARGE:
            continue
        name, stored, scale = (f"{constant.name}{ending}" for ending in ("", IN_16_BITS, SCALE))
        largest = np.abs(values).max(axis=tuple(range(1, values.ndim)), keepdims=True)
        steps = np.maximum(largest, np.finfo(np.float32).tiny) / np.iinfo(np.int16).max
        whole = np.rint(values / steps).astype(np.int16)
        constant.CopyFrom(numpy_helper.from_array(whole, stored))
        graph.initializer.append(numpy_helper.from_array(steps.astype(np.float32), scale))
        make = onnx.helper.make_node
        widened += [
            make("Cast", [stored], [f"{stored}_cast"], f"/{stored}/Cast", to=onnx.TensorProto.FLOAT),
            make("Mul", [f"{stored}_cast", scale], [name], f"/{stored}/Mul"),
        ]
    for node in reversed(widened):
        graph.node.insert(0, node)
