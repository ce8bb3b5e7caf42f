# SPDX-License-Identifier: GPL-3.0-or-later
"""Each label that is a little off is found out, by its own figure."""

import json
from dataclasses import replace

import numpy as np
import pytest

from models.__main__ import main
from models.evaluation.label_exactness import measure
from models.head import load_head
from models.synthesis import pool
from models.synthesis.renderer import PeopleRenderer


@pytest.fixture(scope="module")
def head():
    return load_head()


@pytest.fixture(scope="module")
def samples():
    renderer = PeopleRenderer(surface=True)
    return [s for k in range(4) for s in renderer.samples(np.random.default_rng([3, k]), 2)]


@pytest.fixture(scope="module")
def figures(samples, head):
    return measure(samples, head)


def changed(samples, head, change):
    return measure([change(sample) for sample in samples], head)


def resurfaced(sample, **fields):
    surface = sample.surface.copy()
    for name, value in fields.items():
        surface[name] = value(surface[name])
    return replace(sample, surface=surface)


def test_rendered_people_are_exact(figures):
    assert figures["exact"] and figures["faces"] == 8 and figures["cells"] > 2000
    assert figures["border_all_points"] > 60


def test_points_beside_their_parameters(samples, head):
    noise = np.random.default_rng(0).normal(0, 0.01, samples[0].points.shape)
    off = changed(samples, head, lambda s: replace(s, points=s.points + noise))
    assert not off["exact"] and off["point_worst"] > 0.01

    # No point lies on the eyeballs; what their surface says of itself tells where they look.
    turned = changed(samples, head, lambda s: replace(s, gaze=s.gaze + np.float32(0.1)))
    assert turned["place_worst"] > 0.3
    smiling = changed(samples, head, lambda s: replace(s, expression=s.expression * 0.99))
    assert smiling["point_worst"] > 0.01


def test_a_shifted_segmentation(samples, head, figures):
    off = changed(samples, head, lambda s: replace(s, segmentation=np.roll(s.segmentation, 2, 0)))
    assert not off["exact"]
    assert off["border_all_share"] < 0.8 and off["border_all_median"] > 1
    assert off["point_worst"] == figures["point_worst"]


def test_a_swapped_class(samples, head):
    lips_are_skin = np.array([0, 1, 2, 1, 4, 5, 6, 7], np.uint8)
    off = changed(samples, head, lambda s: replace(s, segmentation=lips_are_skin[s.segmentation]))
    assert off["class_share"] < 0.995 and not off["exact"]


@pytest.mark.parametrize("shift", [(0, 1), (1, 0)])
def test_a_shifted_surface(samples, head, shift):
    off = changed(samples, head, lambda s: replace(s, surface=np.roll(s.surface, shift, (0, 1))))
    assert not off["exact"] and off["place_worst"] > 3


def test_places_depths_and_normals_each_for_itself(samples, head, figures):
    def known(values, new):
        return np.where(values == pool.NOWHERE, values, new)

    off = changed(samples, head, lambda s: resurfaced(s, canonical=lambda c: known(c, c + 8)))
    assert off["place_worst"] > 0.3 and not off["exact"]
    off = changed(samples, head, lambda s: resurfaced(s, depth=lambda d: known(d, -d)))
    assert off["depth_worst"] > 10 and off["point_depth_median"] > 3
    assert off["place_worst"] == figures["place_worst"]
    off = changed(samples, head, lambda s: resurfaced(s, normal=lambda n: n[..., [1, 0, 2]]))
    assert off["normal_median"] > 10 and not off["exact"]


def test_without_labels_of_the_surface(samples, head):
    bare = changed(samples, head, lambda s: replace(s, surface=None))
    assert "place_worst" not in bare and "point_worst" in bare and bare["exact"]
    with pytest.raises(ValueError, match="no faces"):
        measure([], head)


def test_command(tmp_path, capsys, samples):
    pool.write_chunk(tmp_path / "pool", 0, samples[:3])
    main(["evaluate", "labels", str(tmp_path / "pool"), "--count", "2",
          "--json", str(tmp_path / "f.json")])  # fmt: skip
    assert "2 faces" in capsys.readouterr().out
    assert json.loads((tmp_path / "f.json").read_text())["point_worst"] < 0.01
