# SPDX-License-Identifier: GPL-3.0-or-later
"""The head over the footage: Blender's camera sees what the take's pinhole sees."""

import json

import bpy
import fabricate
import numpy as np
import pytest

from blender_addon import reprojection
from blender_addon.scene.apply import ApplySettings, apply_to_head, apply_to_new_head
from blender_addon.take import read_take

MOST = 1.0  # pixels at 512 that the project promises for the 68 points
EXACT = 0.02  # what single precision leaves


def write_take(path, frames=4, size=(640, 360), principal=(300.0, 200.0), focal=700.0, **source):
    """A take of the real head that names the vertices of its 68 points."""
    about = {"file": "", "width": size[0], "height": size[1], "frame_rate": [30000, 1001], **source}
    arrays = fabricate.real_take(frames, source=about)
    arrays["principal"] = np.array(principal, np.float32)
    arrays["focal"] = np.float32(focal)
    with np.load(fabricate.REPOSITORY / "models/head/head.npz") as head:
        arrays["points68_vertex"] = head["points68"].astype(np.int32)
    for row in range(frames):
        arrays["points68"][row] = fabricate.project(arrays, row)[arrays["points68_vertex"]]
    return fabricate.write(path, arrays)


VIEWS = {
    "off centre": {},
    "far off centre": {"principal": (10.0, 350.0)},
    "portrait": {"size": (360, 640), "principal": (200.0, 300.0)},
    "turned": {"size": (360, 640), "principal": (180.0, 330.0), "rotation": 90},
    "large and long": {"size": (3840, 2160), "principal": (1900.0, 1000.0), "focal": 9000.0},
    "square and wide": {"size": (500, 500), "principal": (249.5, 249.5), "focal": 280.0},
}


@pytest.mark.parametrize("start", [1, 1001])
@pytest.mark.parametrize("view", VIEWS)
def test_blenders_camera_sees_what_the_takes_pinhole_sees(empty_scene, tmp_path, view, start):
    take = read_take(write_take(tmp_path / "view.mien.npz", **VIEWS[view]))
    applied = apply_to_new_head(bpy.context, take, "view", ApplySettings(start))
    measured = reprojection.measure(take, applied)
    assert measured.frames == 4
    assert measured.points68 < EXACT < MOST
    assert measured.all_points < EXACT
    assert measured.tracked < EXACT


def test_a_head_elsewhere_is_seen_as_exactly(empty_scene, tmp_path):
    path = write_take(tmp_path / "view.mien.npz")
    take = read_take(path)
    made = apply_to_new_head(bpy.context, take, "first")
    made.rig.location = (5.0, -3.0, 1.0)
    made.rig.rotation_euler = (0.3, 0.2, 2.5)
    made.rig.scale = (4.0, 4.0, 4.0)
    applied = apply_to_head(bpy.context, made.head, take, "second", ApplySettings(50), path)
    assert reprojection.measure(take, applied).points68 < EXACT


def test_it_tells_when_the_head_is_not_there(empty_scene, tmp_path):
    take = read_take(write_take(tmp_path / "view.mien.npz"))
    applied = apply_to_new_head(bpy.context, take, "view")
    applied.rig.location.x += 0.005
    measured = reprojection.measure(take, applied)
    depth = float(take.head_position[:, 2].mean())
    assert measured.points68 == pytest.approx(0.005 * 700 / depth * 512 / 640, rel=0.1)
    assert measured.largest > measured.all_points > MOST


def test_the_command_prints_the_figure(tmp_path, capsys):
    path = write_take(tmp_path / "view.mien.npz", frames=4)
    assert reprojection.main([str(path), "--frames", "3", "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["frames"] == 3 and told["points68"] < EXACT
    assert reprojection.main([str(path)]) == 0
    assert "68 points 0.0" in capsys.readouterr().out
    assert reprojection.main([str(tmp_path / "none.npz")]) == reprojection.EXIT_BAD_INPUT
    assert "error: There is no take" in capsys.readouterr().err
