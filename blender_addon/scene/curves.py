# SPDX-License-Identifier: GPL-3.0-or-later
"""F-curves written in bulk, by one path for Blender 4.2 to 5.2.

`keyframe_insert` takes seconds for a take; filling the key points through `foreach_set` takes
milliseconds. Actions hold their curves directly up to 4.3, in a slot's channel bag since 4.4.
"""

from __future__ import annotations

from dataclasses import dataclass

import bpy
import numpy as np

# A custom property that tells this add-on's actions from an animator's.
OURS = "mien_action"


@dataclass(frozen=True)
class Channel:
    """The values of one animated number over the frames."""

    data_path: str
    values: np.ndarray  # (N,)
    index: int = 0
    interpolation: str = "LINEAR"
    group: str = ""  # under which editors list it


def vector_channels(data_path: str, values: np.ndarray, group: str = "") -> list[Channel]:
    """One channel for each column of values (N, C)."""
    return [Channel(data_path, column, index, group=group) for index, column in enumerate(values.T)]


def write_action(
    datablock: bpy.types.ID,
    name: str,
    frames: np.ndarray,
    channels: list[Channel],
    anew: bool = False,
) -> bpy.types.Action:
    """Give a datablock an action with one key per frame and channel.

    An action serves one datablock: Blender 4.2 and 4.3 cannot share one between a mesh's shape
    keys and an object. An action that was there stays in the file. If it is not this add-on's, it
    plays on below the new one, from a track of the nonlinear animation: what the channels do not
    hold still moves as before.

    Args:
        datablock: what the data paths start from.
        frames: (N,) scene frames, increasing.
        anew: write into this add-on's action that the datablock has, if it has one. What was
            laid over its curves, such as a gain, stays.
    """
    action = datablock.animation_data.action if anew and datablock.animation_data else None
    if action is None or OURS not in action or not curves_of(datablock):
        _set_aside(datablock)
        action = bpy.data.actions.new(name)
        action[OURS] = True
        home = _new_home(datablock, action)
    else:
        home = _kept_home(datablock, channels)
    points = np.empty((len(frames), 2), np.float32)
    points[:, 0] = frames
    for channel in channels:
        points[:, 1] = channel.values
        curve = anew and home.fcurves.find(channel.data_path, index=channel.index)
        if curve:
            curve.keyframe_points.clear()
        else:
            curve = home.fcurves.new(channel.data_path, index=channel.index)
            if channel.group:
                curve.group = home.groups.get(channel.group) or home.groups.new(channel.group)
        _fill(curve, points, channel.interpolation)
    return action


def foreign_action(datablock: bpy.types.ID) -> bpy.types.Action | None:
    """The action that moves a datablock, if it is not this add-on's."""
    animation = datablock.animation_data
    action = animation.action if animation else None
    return action if action is not None and OURS not in action else None


def curves_of(datablock: bpy.types.ID) -> list[bpy.types.FCurve]:
    """The curves of the action that moves a datablock; none without one."""
    animation = datablock.animation_data
    if animation is None or animation.action is None:
        return []
    return [curve for home in _homes(animation) for curve in home.fcurves]


def read_keys(curve: bpy.types.FCurve) -> np.ndarray:
    """(N, 2) frames and values of a curve's keys."""
    points = np.empty(2 * len(curve.keyframe_points), np.float32)
    curve.keyframe_points.foreach_get("co", points)
    return points.reshape(-1, 2)


def replace_keys(curve: bpy.types.FCurve, points: np.ndarray, interpolation: str) -> None:
    """Let a curve hold these keys (N, 2) alone."""
    curve.keyframe_points.clear()
    _fill(curve, points.astype(np.float32), interpolation)


def _set_aside(datablock: bpy.types.ID) -> None:
    """Take the action off a datablock; see `write_action`."""
    animation = datablock.animation_data
    if animation is None or animation.action is None:
        return
    animation.use_tweak_mode = False
    action = animation.action
    if action.library is None:
        action.use_fake_user = True
    if OURS in action:
        return
    start, end = action.frame_range
    strip = animation.nla_tracks.new().strips.new(action.name, int(start), action)
    strip.frame_start_raw, strip.frame_end_raw = start, end
    if hasattr(strip, "action_slot"):
        strip.action_slot = animation.action_slot
    animation.action = None


def _new_home(datablock: bpy.types.ID, action: bpy.types.Action):
    """What has the curves of `datablock` in a new action, and their groups."""
    animation = datablock.animation_data or datablock.animation_data_create()
    animation.action = action
    if not hasattr(action, "slots"):
        return action
    slot = action.slots.new(id_type=datablock.id_type, name=datablock.name)
    animation.action_slot = slot
    strip = action.layers.new("Layer").strips.new(type="KEYFRAME")
    return strip.channelbag(slot, ensure=True)


def _kept_home(datablock: bpy.types.ID, channels: list[Channel]):
    """What has the curves of `datablock` in the action it has, without those not wanted."""
    home = _homes(datablock.animation_data)[0]
    wanted = {(channel.data_path, channel.index) for channel in channels}
    for curve in list(home.fcurves):
        if (curve.data_path, curve.array_index) not in wanted:
            home.fcurves.remove(curve)
    return home


def _homes(animation: bpy.types.AnimData) -> list:
    """What in an action has the curves of what it moves: itself, or since 4.4 bags of them."""
    action = animation.action
    if not hasattr(action, "slots"):
        return [action]
    slot = animation.action_slot
    if slot is None:
        return []
    bags = [strip.channelbag(slot) for layer in action.layers for strip in layer.strips]
    return [bag for bag in bags if bag is not None]


def _fill(curve: bpy.types.FCurve, points: np.ndarray, interpolation: str) -> None:
    keys = curve.keyframe_points
    keys.add(len(points))
    keys.foreach_set("co", points.ravel())
    keys.foreach_set(
        "interpolation", np.full(len(points), interpolation_code(interpolation), np.int32)
    )
    # New keys are selected, and the next move in an editor would take them all along.
    nothing = np.zeros(len(points), bool)
    for part in ("control_point", "left_handle", "right_handle"):
        keys.foreach_set(f"select_{part}", nothing)
    curve.update()


def interpolation_code(interpolation: str) -> int:
    """The number by which `foreach_get` and `foreach_set` know an interpolation."""
    items = bpy.types.Keyframe.bl_rna.properties["interpolation"].enum_items
    return items[interpolation].value
