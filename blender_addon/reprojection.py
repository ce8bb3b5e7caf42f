# SPDX-License-Identifier: GPL-3.0-or-later
"""How exactly Blender's camera sees the head where the take says: `python -m
blender_addon.reprojection TAKE [--frames N] [--json]`.

Builds the take's scene with the add-on's own code. In each frame, what Blender evaluates (shape
keys, drivers, armature) is seen through Blender's camera, and compared with the take's face
projected by the take's own pinhole. Prints the root mean square distance in pixels of a picture
whose longer side has 512. It is small if the scene shows the take; how well the take fits the
footage is another matter, told by the distance to the points that were tracked.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .take import Take, TakeError, read_take

PICTURE = 512  # pixels of the longer side that distances are counted in
MOST_FRAMES = 100
EXIT_BAD_INPUT = 2


@dataclass(frozen=True)
class Reprojection:
    """Distances in pixels at 512: of Blender's picture from the take's, and from the tracked."""

    frames: int
    points68: float | None  # of the 68 points; None if the take does not name their vertices
    all_points: float  # of all vertices that move with the head alone
    largest: float  # of those, the furthest in any frame
    tracked: float | None  # of the 68 points from where tracking saw them


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m blender_addon.reprojection")
    parser.add_argument("take", type=Path, metavar="TAKE")
    parser.add_argument(
        "--frames", type=int, default=MOST_FRAMES, help="look at no more frames than this"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON object")
    options = parser.parse_args(arguments)
    try:
        take = read_take(options.take)
    except TakeError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT

    import bpy

    from .scene.apply import apply_to_new_head

    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    applied = apply_to_new_head(bpy.context, take, options.take.stem)
    measured = measure(take, applied, options.frames)
    if options.json:
        print(json.dumps({"blender": bpy.app.version_string, **vars(measured)}))
    else:
        print(_sentence(measured))
    return 0


def measure(take: Take, applied, most_frames: int = MOST_FRAMES) -> Reprojection:
    """Compare a scene with the take that was applied in it, at the take's rate and by its camera.

    Args:
        applied: what `scene.apply` returned; the head must have been made for the take.
    """
    import bpy

    scene = bpy.context.scene
    source = take.header.source
    scale = PICTURE / max(source.width, source.height)
    # The collar moves with the neck, by design.
    on_neck = np.where(take.skin_index == 0, take.skin_weight, 0.0).sum(axis=1) > 0
    points = take.points68_vertex
    rows = np.unique(np.linspace(0, len(take.time) - 1, min(most_frames, len(take.time))).round())
    all_squares, point_squares, tracked_squares = [], [], []
    for row in rows.astype(int):
        scene.frame_set(int(applied.performance.frame[row]))
        seen = seen_by_blender(scene, applied.camera, evaluated_vertices(applied.head))
        away = np.square(scale * (seen - projected(take, row))).sum(axis=1)
        all_squares.append(away[~on_neck])
        if points is not None:
            point_squares.append(away[points])
            tracked = np.square(scale * (seen[points] - take.points68[row])).sum(axis=1)
            tracked_squares.append(tracked[np.isfinite(tracked)])
    return Reprojection(
        frames=len(rows),
        points68=_root_mean(point_squares),
        all_points=_root_mean(all_squares),
        largest=float(np.sqrt(np.max(all_squares))),
        tracked=_root_mean(tracked_squares),
    )


def evaluated_vertices(thing) -> np.ndarray:
    """World positions (V, 3) of an object's vertices with all that deforms them."""
    import bpy

    shown = thing.evaluated_get(bpy.context.evaluated_depsgraph_get())
    mesh = shown.to_mesh()
    positions = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", positions)
    matrix = np.array(shown.matrix_world, np.float64)
    shown.to_mesh_clear()
    return positions.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3]


def seen_by_blender(scene, camera, points: np.ndarray) -> np.ndarray:
    """Where a camera sees world points (N, 3), in pixels (N, 2) of the scene's picture.

    By Blender's own `world_to_camera_view`; the centre of the top-left pixel is (0, 0).
    """
    from bpy_extras.object_utils import world_to_camera_view
    from mathutils import Vector

    width, height = scene.render.resolution_x, scene.render.resolution_y
    seen = np.array([world_to_camera_view(scene, camera, Vector(point)) for point in points])
    return np.column_stack([seen[:, 0] * width, (1 - seen[:, 1]) * height]) - 0.5


def projected(take: Take, row: int) -> np.ndarray:
    """Where the take says that a row's vertices are seen, (V, 2) pixels, as docs/take_format.md
    writes it."""
    vertices = take.neutral + np.tensordot(take.weights[row].astype(float), take.shapes, 1)
    if len(take.correctives):
        vertices += np.tensordot(take.corrective_weights[row].astype(float), take.correctives, 1)
    for side, name in enumerate(("eye.L", "eye.R")):
        bone = take.header.bone_names.index(name)
        centre = take.bone_head[bone]
        turned = _turned(take.eye_rotation[row, side], vertices - centre) + centre
        share = np.where(take.skin_index == bone, take.skin_weight, 0.0).sum(axis=1)[:, None]
        vertices = share * turned + (1 - share) * vertices
    seen = _turned(take.head_rotation[row], vertices) + take.head_position[row]
    return take.focal * seen[:, :2] / seen[:, 2:] + take.principal


def _turned(quaternion: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points (N, 3) turned by a unit quaternion (4,), by the sandwich product."""
    w, axis = float(quaternion[0]), quaternion[1:].astype(float)
    twice = 2.0 * np.cross(axis, points)
    return points + w * twice + np.cross(axis, twice)


def _root_mean(squares: list[np.ndarray]) -> float | None:
    values = np.concatenate(squares) if squares else np.zeros(0)
    return float(np.sqrt(values.mean())) if len(values) else None


def _sentence(measured: Reprojection) -> str:
    parts = [f"{measured.frames} frames, RMS in pixels at {PICTURE}:"]
    if measured.points68 is not None:
        parts.append(f"68 points {measured.points68:.4f},")
    parts.append(f"all points {measured.all_points:.4f} (largest {measured.largest:.4f})")
    if measured.tracked is not None:
        parts.append(f"; the 68 points from those that were tracked {measured.tracked:.2f}")
    return " ".join(parts).replace(" ;", ";")


if __name__ == "__main__":
    sys.exit(main())
