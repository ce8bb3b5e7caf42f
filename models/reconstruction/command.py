# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m models export`: a checkpoint, or an untrained network, as ONNX files."""

import os


def add_arguments(parser):
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("checkpoint", nargs="?", help="a checkpoint of `models train`")
    source.add_argument(
        "--untrained", action="store_true", help="a seeded untrained network, for tests"
    )
    parser.add_argument("-o", "--output", required=True, help="the ONNX file to write")
    parser.add_argument("--pixels", help="also write the per-pixel answers to this ONNX file")
    parser.add_argument(
        "--faster", metavar="FILE",
        help="also write an ONNX file whose convolutions reckon in eight bits; needs --calibrate",
    )  # fmt: skip
    parser.add_argument(
        "--calibrate", action="append", metavar="POOL",
        help="pool of training pictures that gives the eight bits their ranges",
    )  # fmt: skip
    parser.add_argument("--points", type=int, help="number of points of an untrained network")


def run(arguments):
    from .checkpoint import require_folder_of
    from .export import export_network

    if bool(arguments.faster) != bool(arguments.calibrate):
        raise ValueError("--faster FILE and --calibrate POOL go together")
    network, training = (
        untrained(arguments.points) if arguments.untrained else trained(arguments.checkpoint)
    )
    for path in filter(None, (arguments.output, arguments.pixels, arguments.faster)):
        require_folder_of(path)
    export_network(network, arguments.output, arguments.pixels, training)
    if arguments.faster:
        from .eight_bit import calibration_pictures, write_eight_bit

        pictures = calibration_pictures(arguments.calibrate)
        write_eight_bit(arguments.output, arguments.faster, pictures)
    for path in filter(None, (arguments.output, arguments.pixels, arguments.faster)):
        print(f"wrote {path} ({os.path.getsize(path) / 1e6:.1f} MB)")


def untrained(points):
    """A seeded untrained network with the head's number of points, and no training record."""
    import torch

    from models.head import load_head

    from .config import NetworkConfig
    from .network import ReconstructionNetwork

    torch.manual_seed(0)
    config = NetworkConfig(points=points) if points else NetworkConfig.of(load_head())
    return ReconstructionNetwork(config), None


def trained(path):
    """The network of a checkpoint and what its file should say of the training."""
    from .checkpoint import load_checkpoint, network_from

    content = load_checkpoint(path)
    progress = content.get("progress", {})
    return network_from(content), {k: progress[k] for k in ("steps", "seconds") if k in progress}
