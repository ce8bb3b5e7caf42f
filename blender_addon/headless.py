# SPDX-License-Identifier: GPL-3.0-or-later
"""A take to a .blend and a picture without a window, for scripts and the demo.

    python -m blender_addon.headless TAKE --blend OUT.blend [--render OUT.mp4|OUT.png]
    python -m blender_addon.headless TAKE --pictures FOLDER

Runs in a Python that has the bpy wheel, and builds the scene with the add-on's own code. A movie
or picture shows the footage on the left and the rendered head on the right, frame by frame.
--pictures writes the head alone, 000001.png for the first frame and so on.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from .footage import open_footage
from .take import Take, TakeError, read_take

# Pixels of a rendered panel's height; its width follows the footage.
MOVIE_HEIGHT, STILL_HEIGHT = 360, 512
MOVIE_SUFFIX, STILL_SUFFIX = ".mp4", ".png"

# Frames between two lines of a log.
LOG_INTERVAL = 12

EXIT_BAD_INPUT = 2


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit code."""
    options = _parser().parse_args(arguments)
    try:
        _check(options)
        take = read_take(options.take)
        if options.footage is not None:
            source = replace(take.header.source, file=str(options.footage.resolve()))
            take = replace(take, header=replace(take.header, source=source))
    except (TakeError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    _run(take, options)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m blender_addon.headless", description="Turn a take into a Blender scene."
    )
    parser.add_argument("take", type=Path, metavar="TAKE")
    parser.add_argument("--blend", type=Path, help="the .blend file to write")
    parser.add_argument("--render", type=Path, help="an .mp4 or .png to write")
    parser.add_argument("--pictures", type=Path, help="a folder for a picture of every frame")
    parser.add_argument("--footage", type=Path, help="the footage, if it is no longer where it was")
    parser.add_argument(
        "--size", type=int, nargs=2, metavar=("W", "H"), help="pixels of each panel or picture"
    )
    parser.add_argument("--samples", type=int, metavar="N", help="rays a pixel")
    parser.add_argument(
        "--look",
        type=_look,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a slider of the head: mien_age=0.6, or for a colour mien_iris_colour=0.1,0.2,0.3",
    )
    return parser


def _look(text: str) -> tuple[str, float | list[float]]:
    name, _, value = text.partition("=")
    try:
        numbers = [float(part) for part in value.split(",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE") from error
    return name, numbers[0] if len(numbers) == 1 else numbers


def _check(options: argparse.Namespace) -> None:
    """Refuse what could only fail after minutes of work."""
    if not (options.blend or options.pictures):
        raise ValueError("say what to write: --blend FILE, or --pictures FOLDER.")
    if options.samples is not None and options.samples < 1:
        raise ValueError("--samples needs a positive number.")
    if options.render and options.render.suffix.lower() not in (MOVIE_SUFFIX, STILL_SUFFIX):
        raise ValueError(f"--render writes {MOVIE_SUFFIX} or {STILL_SUFFIX}, not {options.render}.")
    if options.footage and open_footage(options.footage) is None:
        raise ValueError(f"There is no footage at {options.footage}.")
    if options.size and min(options.size) < 2:
        raise ValueError("--size needs two positive numbers.")


def _run(take: Take, options: argparse.Namespace) -> None:
    import bpy

    from .scene import studio
    from .scene.apply import apply_to_new_head

    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    name = options.take.name.removesuffix(".npz").removesuffix(".mien")
    imported = apply_to_new_head(bpy.context, take, name, path=options.take)
    for warning in imported.warnings:
        print(f"warning: {warning}", file=sys.stderr)

    is_movie = options.render is not None and options.render.suffix.lower() == MOVIE_SUFFIX
    _set_look(imported.head, options.look, is_movie)
    studio.add_lights(scene, imported.rig.location, imported.collection)
    samples = studio.MOVIE_SAMPLES if is_movie else studio.STILL_SAMPLES
    studio.use_cycles(scene, options.samples or samples)
    if options.blend:
        blend = options.blend.resolve()
        blend.parent.mkdir(parents=True, exist_ok=True)
        with _quiet():
            bpy.ops.wm.save_as_mainfile(filepath=str(blend))
    size = options.size or _panel_size(take, MOVIE_HEIGHT if is_movie else STILL_HEIGHT)
    scene.render.resolution_x, scene.render.resolution_y = size
    if options.pictures is not None:
        options.pictures.mkdir(parents=True, exist_ok=True)
        _render_pictures(scene, options.pictures.resolve())
    if options.render is not None:
        _render(scene, take, imported.footage, options.render.resolve(), is_movie)


def _set_look(head, looks: list[tuple[str, float | list[float]]], is_movie: bool) -> None:
    """Move the head's sliders. Movies go without light in the skin, unless asked for it."""
    from .scene.sliders import DEPTH, SLIDERS

    asked = {DEPTH.name: 0.0, **dict(looks)} if is_movie else dict(looks)
    for name in asked.keys() - {slider.name for slider in SLIDERS}:
        print(f"warning: The head has no slider {name}.", file=sys.stderr)
    for slider in SLIDERS:
        if slider.name in asked:
            head[slider.name] = asked[slider.name]


def _panel_size(take: Take, height: int) -> tuple[int, int]:
    """The footage's shape at this height, in even numbers as H.264 wants them."""
    source = take.header.source
    return 2 * round(height * source.width / source.height / 2), height


def _render(scene, take: Take, footage, output: Path, is_movie: bool) -> None:
    from .scene.comparison import SIDE, add_comparison

    if not is_movie:
        scene.frame_end = scene.frame_start
    with tempfile.TemporaryDirectory(prefix="mien-") as folder:
        pictures = _render_pictures(scene, Path(folder))
        comparison = add_comparison(
            scene, take, footage, scene.frame_start, SIDE, pictures=pictures
        )
        _write(comparison, output, is_movie)


def _render_pictures(scene, folder: Path) -> list[Path]:
    """One picture for each frame of the scene, and a line on stderr that says how far it is."""
    import bpy

    first, last = scene.frame_start, scene.frame_end
    scene.render.image_settings.file_format = "PNG"
    # They live for a minute: not worth the time to squeeze them.
    scene.render.image_settings.compression = 0
    pictures = []
    for frame in range(first, last + 1):
        scene.frame_set(frame)
        pictures.append(folder / f"{frame:06d}.png")
        scene.render.filepath = str(pictures[-1])
        with _quiet():
            bpy.ops.render.render(write_still=True, scene=scene.name)
        _tell(frame - first + 1, last - first + 1)
    return pictures


def _tell(done: int, total: int) -> None:
    """How far the rendering is, on stderr: one line that counts up, in a log a few."""
    if sys.stderr.isatty():
        print(f"\rrender {done}/{total}", end="\n" if done == total else "", file=sys.stderr)
    elif done % LOG_INTERVAL == 0 or done == total:
        print(f"render {done}/{total}", file=sys.stderr)


def _write(scene, output: Path, is_movie: bool) -> None:
    """Write the scene's strips; the file appears under its name only once it is whole."""
    import bpy

    from .scene.comparison import write_movie_to

    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(f".{output.stem}.partial{output.suffix}")
    if is_movie:
        write_movie_to(scene, partial)
    else:
        scene.render.image_settings.file_format = "PNG"
        scene.render.use_file_extension = False
        scene.render.filepath = str(partial)
    with _quiet():
        bpy.ops.render.render(animation=is_movie, write_still=not is_movie, scene=scene.name)
    os.replace(partial, output)


@contextlib.contextmanager
def _quiet():
    """Silence what Blender prints for every frame, from below Python."""
    sys.stdout.flush()
    kept = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


if __name__ == "__main__":
    sys.exit(main())
