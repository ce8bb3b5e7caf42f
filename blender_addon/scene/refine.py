# SPDX-License-Identifier: GPL-3.0-or-later
"""Refining what a take has animated: gain and offset by region, its place in time, fewer keys.

What performs a take together, such as a face and its brows, is refined together.
"""

from __future__ import annotations

import bpy
import numpy as np

from .apply import START_PROPERTY, TAKE_PROPERTY, rig_of
from .camera import CAMERA, FOOTAGE, camera_of
from .curves import OURS, curves_of, interpolation_code, read_keys, replace_keys
from .regions import REGION_TITLES, region_of
from .shape_curves import (
    GAIN,
    OFFSET,
    envelope_of,
    fit_sliders,
    gain_of_curve,
    set_gain_of_curve,
    shape_curves,
)


def regions_of(head: bpy.types.Object) -> list[str]:
    """Titles of the regions in which curves move shapes, from brow to tongue."""
    moved = {region_of(name) for name, _ in shape_curves(head.data.shape_keys)}
    return [title for title in REGION_TITLES if title in moved]


def gain_of(head: bpy.types.Object, region: str) -> tuple[float, float]:
    """Gain and offset of a region; of its first curve, should a hand have changed some."""
    for name, curve in shape_curves(head.data.shape_keys):
        if region_of(name) == region:
            return gain_of_curve(curve)
    return GAIN, OFFSET


def set_gain(head: bpy.types.Object, region: str, gain: float, offset: float) -> None:
    """Let a region's shapes show their captured weights times `gain`, plus `offset`.

    Widens sliders that the weights then leave. A gain is 0 or above; gain 1 and offset 0 take the
    envelope off.
    """
    for mesh in performers_with(head):
        keys = mesh.data.shape_keys
        curves = {name: c for name, c in shape_curves(keys) if region_of(name) == region}
        for curve in curves.values():
            set_gain_of_curve(curve, gain, offset)
        fit_sliders(keys, curves)
        keys.update_tag()


def shift(head: bpy.types.Object, frames: int) -> None:
    """Let a take begin so many frames later: shapes, head, and the footage behind them."""
    meshes = performers_with(head)
    moved = [mesh.data.shape_keys for mesh in meshes]
    moved += {rig for rig in map(rig_of, meshes) if rig is not None and _is_ours(rig)}
    for datablock in moved:
        for curve in curves_of(datablock):
            _shift_curve(curve, frames)
        datablock.update_tag()
    for mesh in meshes:
        if START_PROPERTY in mesh:
            mesh[START_PROPERTY] += frames
    camera = camera_of(head)
    if camera is not None:
        camera[FOOTAGE]["start_frame"] += frames
        for background in camera.data.background_images:
            if background.clip is not None:
                background.clip.frame_start += frames


def bake(head: bpy.types.Object, tolerance: float) -> tuple[int, int]:
    """Write what lies over the shapes' curves into their keys, and thin the keys out.

    Args:
        tolerance: how far a shape's weight may leave what it was; 0 keeps every key.

    Returns:
        The number of keys before and after.
    """
    before = after = 0
    for mesh in performers_with(head):
        for _, curve in shape_curves(mesh.data.shape_keys):
            before += len(curve.keyframe_points)
            points = _shown_keys(curve)
            for modifier in list(curve.modifiers):
                curve.modifiers.remove(modifier)
            if tolerance > 0:
                points = thinned(points, tolerance)
            replace_keys(curve, points, "LINEAR")
            after += len(points)
        mesh.data.shape_keys.update_tag()
    return before, after


def performers_with(head: bpy.types.Object) -> list[bpy.types.Object]:
    """The meshes that perform a take together with this one, itself first.

    They were given the same take at the same time, and share an armature or a camera.
    """
    meshes = [head]
    if not head.get(TAKE_PROPERTY):
        return meshes
    rig, camera = rig_of(head), head.get(CAMERA)
    for other in bpy.data.objects:
        if other == head or other.type != "MESH" or other.data.shape_keys is None:
            continue
        same_take = all(other.get(name) == head[name] for name in (TAKE_PROPERTY, START_PROPERTY))
        same_rig = rig is not None and rig_of(other) == rig
        if same_take and (same_rig or (camera is not None and other.get(CAMERA) == camera)):
            meshes.append(other)
    return meshes


def thinned(points: np.ndarray, tolerance: float) -> np.ndarray:
    """Few of the points (N, 2), such that straight lines between them pass all within tolerance.

    From each point kept, a cone of slopes passes within tolerance of all points so far; the last
    point that lies in the cone of those before it is kept next (the swing filter of Elmeleegy et
    al., "Online piece-wise linear approximation", 2009, ending on given points).
    """
    frames, values = points.T.astype(float).tolist()
    last = len(frames) - 1
    kept, start = [0], 0
    while start < last:
        lowest, highest = -np.inf, np.inf
        end = start + 1
        for i in range(start + 1, last + 1):
            step = frames[i] - frames[start]
            rise = values[i] - values[start]
            if lowest <= rise / step <= highest:
                end = i
            lowest = max(lowest, (rise - tolerance) / step)
            highest = min(highest, (rise + tolerance) / step)
            if lowest > highest:
                break
        kept.append(end)
        start = end
    return points[kept]


def _is_ours(rig: bpy.types.Object) -> bool:
    animation = rig.animation_data
    return animation is not None and animation.action is not None and OURS in animation.action


def _shown_keys(curve: bpy.types.FCurve) -> np.ndarray:
    """Keys (N, 2) of what a curve shows with its modifiers, on the frames of its own keys.

    On every whole frame if a curve bends between its keys, or does more than a gain does.
    """
    points = read_keys(curve)
    envelope = envelope_of(curve)
    kinds = np.empty(len(points), np.int32)
    curve.keyframe_points.foreach_get("interpolation", kinds)
    is_straight = (kinds == interpolation_code("LINEAR")).all()
    if is_straight and all(modifier == envelope for modifier in curve.modifiers):
        if envelope is not None and not envelope.mute:
            gain, offset = gain_of_curve(curve)
            points[:, 1] = points[:, 1] * gain + offset
        return points
    frames = np.arange(np.floor(points[0, 0]), np.ceil(points[-1, 0]) + 1)
    return np.array([(frame, curve.evaluate(frame)) for frame in frames], np.float32)


def _shift_curve(curve: bpy.types.FCurve, frames: int) -> None:
    keys = curve.keyframe_points
    for name in ("co", "handle_left", "handle_right"):
        points = np.empty(2 * len(keys), np.float32)
        keys.foreach_get(name, points)
        points[::2] += frames
        keys.foreach_set(name, points)
    curve.update()
