# SPDX-License-Identifier: GPL-3.0-or-later
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from inference.errors import NoFaceError, UsageError
from inference.solve import Camera, Quality, Settings, solve_clip, trajectory
from inference.solve.evidence import gather
from inference.solve.expression import EXPRESSION_SIGMA, fit_expression, frame_jacobian
from inference.solve.identity import identity_jacobian, mean_identity
from inference.solve.likeness import with_likeness
from inference.solve.pose import Pose, fit_pose, initial_pose
from inference.solve.prior import LOOKS, usual_rest, without_rest
from models.head import SHAPE_NAMES, load_head
from tests.inference.synthetic import FACING, make_clip, without_face

JAW, BLINK = SHAPE_NAMES.index("jawOpen"), SHAPE_NAMES.index("eyeBlinkLeft")


def turn_between(first, second):
    """Degrees between rotations (T, 3, 3)."""
    return np.degrees(Rotation.from_matrix(first @ np.swapaxes(second, -1, -2)).magnitude())


def test_projection_of_the_axis_and_of_a_known_point():
    camera = Camera(500.0, np.array([319.5, 239.5]))
    assert np.allclose(camera.project(np.array([0, 0, 2.0])), [319.5, 239.5])
    assert np.allclose(camera.project(np.array([0.1, -0.2, 1.0])), [369.5, 139.5])


def test_projection_jacobian_is_the_finite_difference():
    camera = Camera(500.0, np.array([319.5, 239.5]))
    point, step = np.array([0.1, -0.05, 0.7]), 1e-6
    numeric = np.stack(
        [
            (camera.project(point + step * axis) - camera.project(point - step * axis)) / (2 * step)
            for axis in np.eye(3)
        ],
        axis=-1,
    )
    assert np.allclose(camera.projection_jacobian(point), numeric, rtol=1e-6, atol=1e-4)


def test_ray_rotation_takes_the_axis_to_the_ray_and_turns_no_further():
    camera = Camera(500.0, np.array([319.5, 239.5]))
    pixels = np.array([[319.5, 239.5], [10.0, 400.0], [600.0, 20.0]])
    rotation = camera.ray_rotation(pixels)
    ray = np.column_stack([(pixels - camera.principal) / camera.focal, np.ones(3)])
    ray /= np.linalg.norm(ray, axis=1, keepdims=True)
    assert np.allclose(rotation @ [0, 0, 1], ray)
    assert np.allclose(rotation @ np.swapaxes(rotation, 1, 2), np.eye(3))
    assert np.allclose(Rotation.from_matrix(rotation).magnitude(), np.arccos(ray[:, 2]))


def test_frame_jacobian_is_the_finite_difference():
    clip = make_clip(frames=3)
    evidence = gather(clip.observations, clip.camera)
    person = evidence.person(clip.identity)
    analytic, residual = frame_jacobian(evidence, person, clip.weights, clip.pose)
    step = 1e-6
    for unknown in range(analytic.shape[-1]):
        pose, weights = clip.pose, clip.weights.copy()
        if unknown < 6:
            pose = pose.moved(np.tile(step * np.eye(6)[unknown], (3, 1)))
        else:
            weights[:, unknown - 6] += step
        _, moved = frame_jacobian(evidence, person, weights, pose)
        assert np.allclose(analytic[..., unknown], (residual - moved) / step, atol=0.05, rtol=1e-3)


def test_identity_jacobian_is_the_finite_difference():
    clip = make_clip(frames=2)
    evidence = gather(clip.observations, clip.camera)
    analytic = identity_jacobian(
        evidence, evidence.person(clip.identity), clip.weights, clip.pose
    )
    person = evidence.person(clip.identity)

    def project(identity):
        moved = replace(person, neutral=person.neutral + np.tensordot(
            identity - clip.identity, evidence.identity_basis, axes=1))
        return clip.camera.project(clip.pose.apply(moved.express(clip.weights)))

    for unknown in (0, 7, 59):
        step = 1e-5 * np.eye(60)[unknown]
        numeric = (project(clip.identity + step) - project(clip.identity - step)) / 2e-5
        assert np.allclose(analytic[..., unknown], numeric, atol=1e-3)


def test_pose_is_found_from_a_rotation_ten_degrees_off():
    clip = make_clip(frames=20)
    evidence = gather(clip.observations, clip.camera)
    face = evidence.person(clip.identity).express(clip.weights)
    off = Rotation.from_rotvec(np.deg2rad([6, -6, 5])).as_matrix() @ clip.pose.rotation
    pose = fit_pose(evidence, face, initial_pose(evidence, face, off))
    assert turn_between(pose.rotation, clip.pose.rotation).max() < 0.01
    assert np.abs(pose.position - clip.pose.position).max() < 1e-4


def test_pose_withstands_wrong_points():
    clip = make_clip(frames=10, point_noise=0.3)
    points = clip.observations.points.copy()
    points[:, 100:160] += 40.0  # a seventh of the points sit on a hand
    observations = type(clip.observations)(**dict(vars(clip.observations), points=points))
    evidence = gather(observations, clip.camera)
    face = evidence.person(clip.identity).express(clip.weights)
    pose = fit_pose(evidence, face, initial_pose(evidence, face, clip.pose.rotation))
    assert turn_between(pose.rotation, clip.pose.rotation).max() < 1.0


def test_points_correct_the_networks_expression():
    clip = make_clip(frames=30)
    evidence = gather(clip.observations, clip.camera)
    prior = np.clip(clip.weights + np.where(np.arange(52) == JAW, EXPRESSION_SIGMA, 0.0), 0, 1)
    _, weights = fit_expression(evidence, evidence.person(clip.identity), prior, clip.pose)
    before = np.abs(prior - clip.weights)[:, JAW].mean()
    assert np.abs(weights - clip.weights)[:, JAW].mean() < 0.3 * before


def test_weights_stay_within_bounds():
    clip = make_clip(frames=20, point_noise=3.0, weight_noise=0.3)
    raw = solve_clip(clip.observations).weights_raw
    assert raw.min() == 0.0 and raw.max() <= 1.0


def test_mean_identity_leaves_out_the_odd_frame():
    rng = np.random.default_rng(0)
    identity = rng.normal(size=60)
    seen = identity + rng.normal(0, 0.05, (20, 60))
    seen[3:5] += 3.0
    assert np.abs(mean_identity(seen, np.ones(20)) - identity).mean() < 0.05


def test_clip_with_noise_is_recovered():
    clip = make_clip(frames=90, point_noise=1.0, weight_noise=0.08, identity_noise=0.3)
    performance = solve_clip(clip.observations)
    assert turn_between(performance.pose.rotation, clip.pose.rotation).mean() < 0.5
    lateral = np.abs(performance.pose.position - clip.pose.position)[:, :2]
    assert lateral.mean() < 1e-3
    network_error = np.abs(clip.observations.expression - clip.weights).mean()
    assert np.abs(performance.weights - clip.weights).mean() < 0.6 * network_error
    head = load_head()
    truth, solved = (head.person(i).neutral for i in (clip.identity, performance.identity))
    network = head.person(clip.observations.identity[0]).neutral
    front = head.point_vertices
    error = np.linalg.norm(aligned(solved[front], truth[front]) - truth[front], axis=1).mean()
    before = np.linalg.norm(aligned(network[front], truth[front]) - truth[front], axis=1).mean()
    assert error < 0.75 * before


def aligned(points, onto):
    """Points (N, 3) moved rigidly and scaled onto others: what one camera cannot tell."""
    source, target = points - points.mean(0), onto - onto.mean(0)
    rotation, _ = Rotation.align_vectors(target, source)
    turned = rotation.apply(source)
    return turned * ((turned * target).sum() / (turned**2).sum()) + onto.mean(0)


def test_smoothed_motion_has_no_lag_and_keeps_its_height():
    clip = make_clip(frames=120, point_noise=0.5, weight_noise=0.02)
    weights = solve_clip(clip.observations).weights
    for shape in (JAW, BLINK):
        truth = clip.weights[:, shape] - clip.weights[:, shape].mean()
        solved = weights[:, shape] - weights[:, shape].mean()
        overlap = [np.dot(np.roll(solved, -shift), truth) for shift in (-1, 0, 1)]
        assert np.argmax(overlap) == 1
        lag = 0.5 * (overlap[2] - overlap[0]) / (2 * overlap[1] - overlap[0] - overlap[2])
        assert abs(lag) < 0.1
        assert np.dot(solved, truth) / np.dot(truth, truth) > 0.85


def test_still_face_holds_still():
    clip = make_clip(frames=100, still=True, point_noise=0.3, weight_noise=0.02)
    performance = solve_clip(clip.observations)
    spread, raw_spread = performance.weights.std(0), performance.weights_raw.std(0)
    assert spread.mean() < 0.4 * raw_spread.mean()
    assert spread.max() < 0.008
    mean = Rotation.from_matrix(performance.pose.rotation).mean().as_matrix()
    assert turn_between(performance.pose.rotation, mean).max() < 0.05


def test_short_gap_is_bridged_and_marked():
    clip = make_clip(frames=60)
    performance = solve_clip(without_face(clip.observations, np.arange(30, 36)))
    assert not performance.found[30:36].any() and performance.found.sum() == 54
    assert np.isnan(performance.points68[30:36]).all()
    assert np.isnan(performance.weights_raw[30:36]).all()
    assert turn_between(performance.pose.rotation, clip.pose.rotation)[30:36].max() < 6.0
    smile = SHAPE_NAMES.index("mouthSmileLeft")
    assert np.abs(performance.weights - clip.weights)[30:36, smile].max() < 0.08


def test_long_gap_fades_to_rest_and_holds_the_head():
    clip = make_clip(frames=150)
    performance = solve_clip(without_face(clip.observations, np.arange(50, 100)))
    assert performance.weights[70:80].max() == 0.0
    turns = turn_between(performance.pose.rotation[51:84], performance.pose.rotation[49])
    assert turns.max() < 1e-3
    steps = turn_between(performance.pose.rotation[1:], performance.pose.rotation[:-1])
    assert steps.max() < 10.0  # it moves to where it is seen again, without a jump
    for values in (performance.weights, performance.pose.position, performance.gaze):
        assert np.isfinite(values).all()


def test_clip_that_begins_and_ends_without_a_face():
    clip = make_clip(frames=60)
    missing = np.r_[0:20, 45:60]
    performance = solve_clip(without_face(clip.observations, missing))
    assert np.isfinite(performance.pose.rotation).all()
    assert performance.weights[0].max() < 0.05
    assert turn_between(performance.pose.rotation[0], performance.pose.rotation[20]) < 1e-3


@pytest.mark.parametrize("frames", [1, 2, 3, 4])
@pytest.mark.parametrize("quality", Quality)
def test_shortest_clips(frames, quality):
    clip = make_clip(frames=frames)
    performance = solve_clip(clip.observations, Settings(quality))
    assert turn_between(performance.pose.rotation, clip.pose.rotation).max() < 3.0
    assert performance.weights.shape == (frames, 52)


def test_one_face_among_lost_frames_is_enough():
    clip = make_clip(frames=10)
    performance = solve_clip(without_face(clip.observations, np.r_[0:4, 5:10]))
    assert performance.found.sum() == 1 and np.isfinite(performance.weights).all()


def test_no_face_is_an_error():
    clip = make_clip(frames=5)
    with pytest.raises(NoFaceError):
        solve_clip(without_face(clip.observations, np.arange(5)))


def test_live_quality_looks_only_back():
    clip = make_clip(frames=60, point_noise=0.5, weight_noise=0.02)
    gaze = clip.observations.gaze.copy()
    gaze[40:] += 0.3
    later = type(clip.observations)(**dict(vars(clip.observations), gaze=gaze))
    live = Settings(Quality.LIVE)
    first, second = (solve_clip(seen, live) for seen in (clip.observations, later))
    assert np.allclose(first.gaze[:40], second.gaze[:40])
    assert not np.allclose(first.gaze[40:], second.gaze[40:])


def test_closed_lids_take_the_evidence_from_the_gaze():
    clip = make_clip(frames=60)
    gaze = np.zeros((60, 2, 2), np.float32)
    expression = np.zeros((60, 52), np.float32)
    closed = np.arange(30, 33)
    gaze[closed, :, 1] = -0.6  # what the network makes of two lids
    expression[closed[:, None], [0, 7]] = 1.0
    head = load_head()
    vertices = head.person(clip.identity).at(head.point_vertices).express(expression)
    pose = Pose(np.tile(FACING, (60, 1, 1)), np.tile([0, 0, 0.6], (60, 1)))
    points = clip.camera.project(pose.apply(vertices)).astype(np.float32)
    fields = dict(vars(clip.observations), gaze=gaze, expression=expression, points=points)
    fields["view_rotation"] = np.tile(FACING, (60, 1, 1)).astype(np.float32)
    fields["view_centre"] = np.tile(clip.camera.principal, (60, 1)).astype(np.float32)
    performance = solve_clip(type(clip.observations)(**fields))
    assert np.abs(performance.gaze[closed]).max() < 0.2


def test_what_a_face_never_loses_is_not_expression():
    weights = np.zeros((60, 52))
    weights[:, 3] = 0.2  # always there
    weights[:, 5] = 0.6  # held: more than anybody's looks
    weights[20:30, 7] = 0.9  # comes and goes
    time = np.arange(60) / 30
    left = without_rest(weights, usual_rest(weights, time))
    assert left[:, 3].max() == 0
    assert np.allclose(left[:, 5], 0.3 / 0.7)
    assert np.array_equal(left[:, 7], weights[:, 7])
    assert not usual_rest(weights[:10], time[:10]).any(), "too short to say"
    assert without_rest(np.ones((1, 52)), np.full(52, 0.3)).min() == 1, "full stays full"


def test_the_chosen_frame_is_neutral():
    clip = make_clip(frames=60)
    smile = SHAPE_NAMES.index("mouthSmileLeft")
    expression = clip.observations.expression.copy()
    expression[:, smile] = np.linspace(0.2, 0.8, 60)
    seen = replace(clip.observations, expression=expression, frame=100 + np.arange(60))
    chosen = solve_clip(seen, Settings(neutral=130)).weights[:, smile]
    assert chosen[30] < solve_clip(seen).weights[30, smile] - 0.1
    with pytest.raises(UsageError, match="Frame 30 "):
        solve_clip(seen, Settings(neutral=30))


def test_long_clips_are_solved_in_parts_without_a_seam(monkeypatch):
    clip = make_clip(frames=300, point_noise=0.5, weight_noise=0.02)
    whole = solve_clip(clip.observations)
    monkeypatch.setattr(trajectory, "FRAMES", 120)
    monkeypatch.setattr(trajectory, "OVERLAP", 60)
    parts = solve_clip(clip.observations)
    assert turn_between(parts.pose.rotation, whole.pose.rotation).max() < 0.5
    assert np.abs(parts.weights - whole.weights).mean() < 0.003
    unrest = [np.abs(np.diff(p.weights, 2, axis=0)) for p in (parts, whole)]
    assert unrest[0][58:242].max() < 1.2 * unrest[1].max()


def test_what_is_within_the_noise_is_taken_for_still_and_what_is_not_is_followed():
    """The multiresolution criterion: a slow smile whose every frame is within the noise."""
    clip = make_clip(frames=120, still=True, point_noise=0.3, weight_noise=0.03)
    smile = SHAPE_NAMES.index("mouthSmileRight")
    slow = 0.3 * np.sin(np.pi * np.arange(120) / 119) ** 2
    expression = clip.observations.expression.copy()
    expression[:, smile] += slow
    head = load_head()
    weights = clip.weights.copy()
    weights[:, smile] = slow
    face = head.person(clip.identity).at(head.point_vertices).express(weights)
    noise = np.random.default_rng(1).normal(0, 0.3, (120, len(head.point_vertices), 2))
    points = (clip.camera.project(clip.pose.apply(face)) + noise).astype(np.float32)
    solved = solve_clip(replace(clip.observations, expression=expression, points=points)).weights
    track = solved[:, smile] - solved[:, smile].mean()
    assert np.dot(track, slow) / np.dot(slow - slow.mean(), slow) > 0.85
    still = np.delete(solved, smile, axis=1)
    assert still.std(axis=0).max() < 0.02


@pytest.mark.parametrize("moving", ["head", "face"])
def test_neither_head_nor_face_moves_with_the_other(moving):
    still, talking = (make_clip(frames=90, still=s) for s in (True, False))
    weights = still.weights if moving == "head" else talking.weights
    pose = talking.pose if moving == "head" else still.pose
    seen = seen_as(still, weights, pose, noise=0.5)
    performance = solve_clip(seen)
    if moving == "head":
        assert performance.weights.std(axis=0).max() < 0.03
    else:
        mean = Rotation.from_matrix(performance.pose.rotation).mean().as_matrix()
        assert turn_between(performance.pose.rotation, mean).max() < 0.6
        assert np.ptp(performance.pose.position[:, :2], axis=0).max() < 1e-3


def seen_as(clip, weights, pose, noise):
    """What is seen of the person of a clip with other weights (T, 52) and pose; noise in pixels."""
    head = load_head()
    rng = np.random.default_rng(2)
    weights = weights.copy()
    weights[:, LOOKS] = 0.0
    face = head.person(clip.identity).at(head.point_vertices).express(weights)
    points = clip.camera.project(pose.apply(face))
    centre = (points[:, :68].min(axis=1) + points[:, :68].max(axis=1)) / 2
    view = np.swapaxes(clip.camera.ray_rotation(centre), 1, 2) @ pose.rotation
    seen = points + rng.normal(0, noise, points.shape)
    said = weights + rng.normal(0, 0.03, weights.shape)
    return replace(
        clip.observations, points=seen.astype(np.float32), expression=said.astype(np.float32),
        gaze=np.zeros((len(weights), 2, 2), np.float32), view_rotation=view.astype(np.float32),
        view_centre=centre.astype(np.float32),
        sigma=np.full(points.shape[:2], noise, np.float32),
    )  # fmt: skip


def test_a_cut_is_jumped_and_both_sides_are_smooth():
    clip = make_clip(frames=80, still=True, point_noise=0.3, weight_noise=0.02)
    shift = np.where(np.arange(80) < 40, 0.0, 120.0)[:, None, None]
    points = (clip.observations.points + shift * [1.0, 0.0]).astype(np.float32)
    centre = clip.observations.view_centre + shift[:, 0].astype(np.float32) * np.float32([1, 0])
    jump = replace(clip.observations, points=points, view_centre=centre)
    cut = replace(jump, shot=np.repeat([0, 1], 40).astype(np.int32))
    across = solve_clip(cut).pose.position[:, 0]
    assert np.ptp(across[:40]) < 1e-3 and np.ptp(across[40:]) < 1e-3
    assert across[40] - across[39] > 0.05


@pytest.mark.parametrize("focal", [0.9, 1.2, 3.0])
def test_the_lens_is_found(focal):
    clip = make_clip(frames=60, point_noise=0.5, weight_noise=0.03, focal=focal)
    found = solve_clip(clip.observations).camera.focal / clip.camera.focal
    assert 0.75 < found < 1.35


def test_the_clips_own_points_are_no_expression():
    """Points that lie elsewhere throughout are how the face is; expression is read from there."""
    clip = make_clip(frames=90, point_noise=0.3)
    offset = np.random.default_rng(4).normal(0, 2.0, clip.observations.points.shape[1:])
    seen = replace(clip.observations, points=clip.observations.points + offset.astype(np.float32))
    error = np.abs(solve_clip(seen).weights - clip.weights).mean()
    person = with_likeness_error(seen, clip)
    assert error < 0.03 and person < 0.6


def with_likeness_error(seen, clip):
    """What is left of the residual of the points, over what there is without likeness."""
    evidence = gather(seen, clip.camera)
    person = evidence.person(clip.identity)
    closer = with_likeness(evidence, person, clip.weights, clip.pose)

    def residual(points):
        in_camera = clip.pose.apply(points.express(clip.weights))
        return np.abs(evidence.pixels - clip.camera.project(in_camera)).mean()

    return residual(closer) / residual(person)


def test_shake_is_followed_while_the_face_is_still():
    clip = make_clip(frames=100, still=True, point_noise=0.3)
    time = np.arange(100) / 30
    shake = np.stack([np.sin(2 * np.pi * 3.1 * time), np.cos(2 * np.pi * 2.3 * time)], axis=-1)
    points = clip.observations.points + shake[:, None].astype(np.float32)
    seen = solve_clip(replace(clip.observations, points=points)).points68
    steady = seen - shake[:, None]
    assert np.sqrt(((steady - steady.mean(0)) ** 2).mean()) < 0.15, "of 0.3 px noise, 0.7 px shake"
    inner = seen - seen.mean(axis=1, keepdims=True)
    assert np.sqrt(((inner - inner.mean(0)) ** 2).mean()) < 0.1


def test_smoothing_is_as_strong_as_asked():
    clip = make_clip(frames=60, point_noise=1.0, weight_noise=0.05)
    raw, weak, strong = (solve_clip(clip.observations, Settings(smoothing=s)) for s in (0, 0.3, 1))
    assert np.allclose(raw.weights[:, JAW], raw.weights_raw[:, JAW])
    unrest = [np.abs(np.diff(p.weights, 2, axis=0)).mean() for p in (raw, weak, strong)]
    assert unrest[0] > 1.2 * unrest[1] > 1.2 * 1.3 * unrest[2]


def test_progress_goes_from_nothing_to_all_frames_and_never_back():
    for frames, quality in ((12, Quality.TAKE), (150, Quality.TAKE), (150, Quality.LIVE)):
        told = []
        solve_clip(
            make_clip(frames=frames, point_noise=0.5).observations,
            Settings(quality=quality),
            progress=lambda *done: told.append(done),
        )
        assert told[0] == (0, frames) and told[-1] == (frames, frames)
        assert all(a < b for (a, _), (b, _) in zip(told, told[1:], strict=False))
        assert len(told) > 2
