# SPDX-License-Identifier: GPL-3.0-or-later
"""A checkpoint or an ONNX file as one function from pictures to answers."""

import os

import numpy as np

BATCH = 32


def load_predictor(path, pixels=None, threads=1):
    """predict(image uint8 (N,128,128,3)) -> dictionary of arrays named as the ONNX outputs.

    path: an ONNX file of `models export`, or a checkpoint (then with the per-pixel outputs, if its
    network has them). pixels: the ONNX file with those. Raises FileNotFoundError or ValueError.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f"there are no weights {path}")
    if str(path).endswith(".onnx"):
        sessions = [onnx_session(p, threads) for p in (path, pixels) if p]
        return lambda image: batched(lambda part: run_sessions(sessions, part), image)
    return checkpoint_predictor(path, threads)


def onnx_session(path, threads):
    """An onnxruntime session on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises its own kinds, none of them public
        raise ValueError(f"{path} is not a readable ONNX file: {error}") from error


def run_sessions(sessions, image):
    """The outputs of all sessions for one batch."""
    answer = {}
    for session in sessions:
        names = [output.name for output in session.get_outputs()]
        answer.update(zip(names, session.run(names, {"image": image})))
    return answer


def checkpoint_predictor(path, threads):
    """The predictor of a torch checkpoint, averaged weights."""
    import torch

    from models.reconstruction.checkpoint import load_checkpoint, network_from
    from models.reconstruction.network import answers

    torch.set_num_threads(threads)
    network = network_from(load_checkpoint(path))
    return lambda image: batched(lambda part: answers(network, part, "cpu"), image)


def batched(predict, image):
    """Run `predict` on parts of many pictures and join its answers."""
    parts = [predict(image[i : i + BATCH]) for i in range(0, len(image), BATCH)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
