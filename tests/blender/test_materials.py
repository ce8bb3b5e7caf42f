# SPDX-License-Identifier: GPL-3.0-or-later
"""Materials: every slot draws, and the sliders act."""

import time

import bpy
import fabricate
import numpy as np
import pytest

from blender_addon.scene import skin, studio
from blender_addon.scene.character import add_posable_head
from blender_addon.scene.sliders import AGE, DEPTH, IRIS, SKIN_TONE, SLIDERS, STUBBLE
from blender_addon.take import read_take

SIZE = 72
# Regions of the picture below, in rows from the bottom and columns, as shares of the picture.
LEFT_EYE, FOREHEAD, CHIN = (0.60, 0.64, 0.27), (0.84, 0.50, 0.2), (0.09, 0.5, 0.1)


@pytest.fixture(scope="module")
def head_file(tmp_path_factory):
    return fabricate.make_head_take(tmp_path_factory.mktemp("head") / "head.mien.npz")


@pytest.fixture
def head(empty_scene, head_file):
    """The default head before a camera that fills the picture with its face."""
    scene = empty_scene.context.scene
    made = add_posable_head(empty_scene.context, read_take(head_file), "Mien")
    lens = bpy.data.cameras.new("lens")
    lens.type, lens.ortho_scale = "ORTHO", 0.17
    camera = bpy.data.objects.new("camera", lens)
    camera.location, camera.rotation_euler = (0.0, -1.0, -0.02), (np.pi / 2, 0.0, 0.0)
    scene.collection.objects.link(camera)
    scene.camera = camera
    studio.add_lights(scene, made.rig.location, made.collection)
    studio.use_cycles(scene, samples=4)
    scene.render.resolution_x = scene.render.resolution_y = SIZE
    return made.head


@pytest.fixture
def draw(tmp_path):
    """Render; gives (H, W, 3) with the bottom row first."""

    def render() -> np.ndarray:
        path = tmp_path / "picture.png"
        bpy.context.scene.render.filepath = str(path)
        bpy.ops.render.render(write_still=True)
        image = bpy.data.images.load(str(path))
        picture = np.array(image.pixels).reshape(SIZE, SIZE, 4)[..., :3]
        bpy.data.images.remove(image)
        return picture

    return render


def set_slider(head, slider, value) -> None:
    head[slider.name] = value
    head.update_tag()
    bpy.context.view_layer.update()


def region(picture, place) -> np.ndarray:
    row, column, reach = (int(SIZE * part) for part in place)
    return picture[
        row - reach // 2 : row + reach // 2 + 1, column - reach // 2 : column + reach // 2 + 1
    ]


def test_skin_tone_changes_the_skin_at_once(head, draw):
    levels = []
    for tone in (0.0, 0.5, 1.0):
        set_slider(head, SKIN_TONE, tone)
        levels.append(region(draw(), FOREHEAD).mean())
    assert levels[0] > 1.2 * levels[1] > 1.2 * 1.2 * levels[2]


def test_stubble_darkens_the_chin_alone(head, draw):
    bare = draw()
    set_slider(head, STUBBLE, 1.0)
    bearded = draw()
    assert region(bearded, CHIN).mean() < 0.85 * region(bare, CHIN).mean()
    assert region(bearded, FOREHEAD).mean() == pytest.approx(
        region(bare, FOREHEAD).mean(), rel=0.02
    )


def test_the_iris_has_its_colour(head, draw):
    set_slider(head, IRIS, (0.8, 0.02, 0.02))
    red = draw()
    set_slider(head, IRIS, (0.02, 0.02, 0.8))
    blue = draw()
    assert (red - blue)[..., 0].max() > 0.1 and (blue - red)[..., 2].max() > 0.1
    assert region(red, FOREHEAD).mean() == pytest.approx(region(blue, FOREHEAD).mean(), rel=0.02)


def test_age_draws_lines(head, draw):
    def roughness(picture) -> float:
        return float(np.abs(np.diff(region(picture, FOREHEAD).mean(axis=2), axis=0)).mean())

    set_slider(head, AGE, 0.0)
    young = roughness(draw())
    set_slider(head, AGE, 1.0)
    assert roughness(draw()) > 1.2 * young


def test_two_heads_have_looks_of_their_own(head, draw, head_file):
    before = region(draw(), FOREHEAD).mean()
    other = add_posable_head(bpy.context, read_take(head_file), "Other")
    other.rig.location.x = 3.0
    set_slider(other.head, SKIN_TONE, 1.0)
    assert region(draw(), FOREHEAD).mean() == pytest.approx(before, rel=0.02)


def test_the_viewports_engine_draws_every_slot(head, draw):
    bpy.context.scene.render.engine = "BLENDER_WORKBENCH"
    bpy.context.scene.display.shading.color_type = "MATERIAL"
    picture = draw()
    assert picture.std() > 0.05
    for material in head.data.materials:
        colour = tuple(material.diffuse_color)
        assert colour[:3] != (0.8, 0.8, 0.8), material.name  # Blender's own


def test_eevee_draws_much_the_same(head, draw):
    """And compiles the shaders in seconds even where the processor stands in for a GPU."""
    set_slider(head, DEPTH, 0.0)
    traced = draw()
    scene = bpy.context.scene
    # Named "next" for as long as there were two: 4.2 to 4.5.
    is_next = bpy.app.version < (5, 0, 0)
    scene.render.engine = "BLENDER_EEVEE_NEXT" if is_next else "BLENDER_EEVEE"
    scene.eevee.taa_render_samples, scene.eevee.use_shadows = 2, False
    start = time.process_time()
    drawn = draw()
    assert time.process_time() - start < 90
    colours = [region(picture, FOREHEAD).mean(axis=(0, 1)) for picture in (traced, drawn)]
    np.testing.assert_allclose(colours[1], colours[0], atol=0.15)


def test_no_shader_has_a_broken_link(head):
    trees = [material.node_tree for material in head.data.materials]
    trees += [tree for tree in bpy.data.node_groups if tree.name.startswith(skin.NODE_GROUP)]
    assert len(trees) > 10
    for tree in trees:
        assert tree.nodes and all(link.is_valid for link in tree.links)


def test_sliders_have_ranges_and_words(head):
    for slider in SLIDERS:
        words = head.id_properties_ui(slider.name).as_dict()
        assert words["description"] == slider.description
        assert (words["min"], words["max"]) == (0.0, 1.0)


def test_regions_lie_where_they_belong(head_file):
    take = read_take(head_file)
    regions = skin._regions(take, np.stack([take.quads[:, 0], take.quads[:, 1]], axis=1))
    lips, flush, beard, lines = regions.T
    height = take.neutral[:, 1]
    mouth = height[lips > 0.6].mean()
    assert -0.075 < mouth < -0.055
    assert height[beard > 0.5].max() < 0.02 and height[lines > 0.5].min() > -0.02
    assert ((0 <= regions) & (regions <= 1)).all()
    assert (beard[lips > 0.6] < 0.1).all()
    mirrored = take.neutral * (-1, 1, 1)
    for left in np.flatnonzero((beard > 0.5) & (take.neutral[:, 0] > 0.02))[::20]:
        right = np.linalg.norm(mirrored - take.neutral[left], axis=1).argmin()
        assert beard[right] == pytest.approx(beard[left], abs=0.15)  # the nearest, not its mirror
