# SPDX-License-Identifier: GPL-3.0-or-later
"""Crop geometry: there and back, upright and centred, and the camera that belongs to a crop."""

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from models.reconstruction.config import CROP_MARGIN, CROP_SIZE
from models.reconstruction.crop import Crops, crop_rotation, face_crops, rotation_to_ray


def some_crops():
    centre, side = np.array([[90.0, 100.0], [40.0, 61.0]]), np.array([130.0, 77.0])
    return Crops(centre, side, np.array([0.4, -2.0]))


def test_picture_and_crop_coordinates_are_inverse():
    points = np.random.default_rng(0).uniform(0, 192, (2, 9, 2))
    crops = some_crops()
    assert np.allclose(crops.to_picture(crops.from_picture(points)), points)


def test_affine_map_agrees_with_crop_coordinates():
    crops = some_crops()
    pixel = np.array([[0.0, 0.0], [127.0, 0.0], [30.0, 99.0]])
    u = (pixel + 0.5) * 2 / CROP_SIZE - 1
    mapped = np.einsum("nij,kj->nki", crops.picture_from_pixel(CROP_SIZE)[:, :, :2], pixel)
    mapped += crops.picture_from_pixel(CROP_SIZE)[:, None, :, 2]
    assert np.allclose(mapped, crops.to_picture(np.stack([u, u])))


def test_a_dot_lands_where_its_crop_coordinates_say():
    crops = Crops(np.array([[90.0, 100.0]]), np.array([120.0]), np.array([0.4]))
    picture = np.zeros((192, 192), np.float32)
    picture[110, 80] = 1.0
    matrix = crops.picture_from_pixel(CROP_SIZE)[0]
    crop = cv2.warpAffine(
        picture, matrix, (CROP_SIZE, CROP_SIZE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    )
    y, x = np.mgrid[:CROP_SIZE, :CROP_SIZE]
    found = np.array([(x * crop).sum(), (y * crop).sum()]) / crop.sum()
    u = crops.from_picture(np.array([[[80.0, 110.0]]]))[0, 0]
    assert np.abs(found - ((u + 1) * CROP_SIZE / 2 - 0.5)).max() < 0.2


def test_face_crop_is_level_and_holds_the_box_with_its_margin():
    rng = np.random.default_rng(1)
    upright = rng.uniform(-30, 30, (1, 68, 2))
    upright[0, 36:42] = [-12, -10]
    upright[0, 42:48] = [12, -10]
    tilted = Crops(np.array([[100.0, 80.0]]), np.array([2.0]), np.array([0.7])).to_picture(upright)
    crops = face_crops(tilted)
    assert np.isclose(crops.roll[0], 0.7)
    u = crops.from_picture(tilted)[0]
    assert np.allclose(u.min(0) + u.max(0), 0)
    assert np.isclose(np.ptp(u, axis=0).max() / 2, 1 / CROP_MARGIN)


def test_crop_rotation_undoes_ray_and_roll():
    rotation = Rotation.random(2, rng=2).as_matrix()
    crops, focal, principal = some_crops(), np.array([300.0, 300.0]), np.array([95.5, 95.5])
    ray = np.concatenate([(crops.centre - principal) / focal[:, None], np.ones((2, 1))], axis=1)
    roll = Rotation.from_rotvec(crops.roll[:, None] * [0, 0, 1]).as_matrix()
    result = crop_rotation(rotation, crops, focal, principal)
    assert np.allclose(rotation_to_ray(ray) @ roll @ result, rotation)
    unknown = crop_rotation(rotation, crops, np.zeros(2), principal)
    assert np.allclose(roll @ unknown, rotation)


def test_rotation_to_ray_is_the_smallest_one():
    ray = np.array([[0.3, -0.2, 1.0], [0.0, 0.0, 2.0], [-1.0, 0.5, 0.4]])
    unit = ray / np.linalg.norm(ray, axis=1, keepdims=True)
    rotation = rotation_to_ray(ray)
    assert np.allclose(rotation @ [0, 0, 1], unit)
    angles = np.linalg.norm(Rotation.from_matrix(rotation).as_rotvec(), axis=1)
    assert np.allclose(angles, np.arccos(unit[:, 2]))
