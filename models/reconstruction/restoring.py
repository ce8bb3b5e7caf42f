# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m models restore`: exported files as a checkpoint again, for `train --init`."""


def add_arguments(parser):
    parser.add_argument("files", nargs="+", metavar="FILE", help="ONNX files of `models export`")
    parser.add_argument("-o", "--output", required=True, help="the checkpoint to write")
    parser.add_argument(
        "--pool", action="append", required=True, metavar="POOL",
        help="pool of training pictures, for the statistics of normalisation",
    )  # fmt: skip


def run(arguments):
    from .checkpoint import require_folder_of, save_checkpoint
    from .eight_bit import calibration_pictures
    from .unfolding import network_of

    require_folder_of(arguments.output)
    network, fresh = network_of(arguments.files, calibration_pictures(arguments.pool))
    save_checkpoint(arguments.output, network)
    print(f"wrote {arguments.output}" + (f"; untrained: {', '.join(sorted(fresh))}" if fresh else ""))
