# SPDX-License-Identifier: GPL-3.0-or-later
"""Fitting the head to a portrait from landmarks: pose, identity, expression and gaze.

    python -m models.synthesis.portraits_registration LANDMARKS.npz --photos DIR \\
        --table TABLE.npz [--own OBSERVED.npz] -o FITS.npz

LANDMARKS are MediaPipe's, by portraits_landmarks; OBSERVED what Mien's own network saw, by
portraits_observation. The first round had to do with MediaPipe alone. Of two tools each errs in its
own way: on AFW the mean of their points lies 3.76 % of the eye distance from the labels, MediaPipe's
4.39 %, the network's 4.10 %. How far lids, lips and brows are apart follows portraits_gaps.

With the pose fixed, a pinhole camera's reprojection error times depth is linear in identity and
expression; pose and shape are solved in turn.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from scipy.optimize import lsq_linear
from tqdm import tqdm

from models.head import (
    EYE_BONES,
    SHAPE_NAMES,
    Head,
    PersonPoints,
    corrective_weights,
    load_head,
    look_weights,
)

from .portraits_correspondence import (
    BROWS,
    INNER_LIP_CORNERS,
    INNER_LOWER_LIP,
    INNER_UPPER_LIP,
    IRIS_CENTRES,
    LID_CORNERS,
    LID_CORNERS_RIGHT,
    LOWER_LID,
    LOWER_LID_RIGHT,
    OUTER_LIP,
    UPPER_LID,
    UPPER_LID_RIGHT,
    Correspondence,
)
from .landmarks import JAW_COUNT, outline_candidates, outline_weights
from .portraits_gaps import (
    BROW_EYES,
    EYES,
    LIP_PAIRS,
    MOUTH_CORNERS,
    Mixture,
    measure,
    mediapipe_points,
    with_gaps,
)

PORTRAIT_FOCAL = 2.2  # focal length over the longer side of the picture: a portrait lens
ROUNDS = 5
# Standard deviation of a landmark, of the distance of the outer eye corners: larger than the
# error that remains, since neighbouring landmarks err together.
NOISE = 0.025
IDENTITY_SIGMA = 1.0
EXPRESSION_SIGMA = 0.5
# Means of the exponential priors, which leave most shapes at zero: sitters smile or rest, and do
# not press or roll their lips. Without this a smile is explained by several shapes that cancel.
EXPRESSION_SCALE = 0.06
EXPRESSION_SCALES = {
    "mouthSmile": 0.5, "cheekSquint": 0.2, "jawOpen": 0.2, "eyeSquint": 0.15, "eyeBlink": 0.1,
    "browDown": 0.1, "browInnerUp": 0.1, "browOuterUp": 0.1, "mouthLowerDown": 0.1,
    "mouthPress": 0.02, "mouthRoll": 0.02, "noseSneer": 0.02, "mouthDimple": 0.03,
    "jawLeft": 0.02, "jawRight": 0.02, "mouthLeft": 0.02, "mouthRight": 0.02,
}  # fmt: skip
IDENTITY_LIMIT = 3.0  # standard deviations
# MediaPipe's face oval marks the outline of the face, not fixed places on the skin.
OVAL = (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
        152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109)  # fmt: skip
OVAL_WEIGHT = 0.25
# Lids, brows and lips move by little more than NOISE. With no more weight than the rest they come
# out nearer to rest than they are (eye openings by half, brow heights by a third), and every
# picture rendered from such a fit then teaches that error.
LIDS = (*UPPER_LID, *LOWER_LID, *LID_CORNERS, *UPPER_LID_RIGHT, *LOWER_LID_RIGHT, *LID_CORNERS_RIGHT)
LIPS = (*OUTER_LIP, *INNER_UPPER_LIP, *INNER_LOWER_LIP, *INNER_LIP_CORNERS)
EXPRESSIVE_WEIGHTS = ((LIDS, 4.0), (BROWS, 2.5), (LIPS, 2.5))
# With the network's points and the gaps there is no more need for that.
EXPRESSIVE_WEIGHTS_OF_TWO = ((LIDS, 1.5), (BROWS, 1.5), (LIPS, 1.5))
# The network's own doubt, as it errs on neighbouring points together.
OWN_NOISE = 1.5
OWN_INNER_WEIGHT = 2.0  # of the iBUG points without the jaw; the gaps were seen in them
GAP_NOISE = 0.002  # of the eye distance
ROBUST = 0.05  # of the eye distance: from here on a point counts for less and less
DISAGREEMENT = 0.15  # of the eye distance: two tools whose points lie further apart see two faces
IRIS_DEPTH = 0.92  # distance of the iris from the eye's centre, of the eyeball's radius
LARGEST_GAZE = 0.6  # rad
CALIBRATION_STEP = 8  # one portrait in so many serves to find the error of the gaze
# Not to be told from other causes in one still picture.
FIXED_SHAPES = ("tongueOut", "jawForward", "mouthClose", "cheekPuff")


@dataclass(frozen=True)
class Fit:
    """The head in one photograph.

    rotation (3,3), translation (3,) m: head to camera; focal px; identity (60,), weights (52,),
    gaze (2,2) rad; residual: mean landmark error over the distance of the outer eye corners.
    """

    rotation: np.ndarray
    translation: np.ndarray
    focal: float
    identity: np.ndarray
    weights: np.ndarray
    gaze: np.ndarray
    residual: float


@dataclass(frozen=True)
class Own:
    """What Mien's network saw: points (P,2) px, sigma (P,) px."""

    points: np.ndarray
    sigma: np.ndarray


@dataclass(frozen=True)
class Evidence:
    """What a fit follows, S sites: those of the table, then the network's points where it looked,
    the inner iBUG points first and the jaw last.

    seen (S,2) px; weight (S,) in units of 1 / NOISE; firm (S,): whether the site is a fixed place of
    the head; gaps (G,S): the differences of sites that are known better than the sites are.
    """

    seen: np.ndarray
    weight: np.ndarray
    firm: np.ndarray
    gaps: np.ndarray


class Registrar:
    """Fits with one correspondence table."""

    def __init__(self, head: Head, table: Correspondence, gaze_offset: np.ndarray | None = None,
                 table_offset: np.ndarray | None = None, mixture: Mixture | None = None):  # fmt: skip
        """gaze_offset (2,) rad: what to take off the yaw and pitch of every gaze. table_offset (N,2):
        what to take off the landmarks of the table, in the frame of the eyes (`typical_offset`).
        mixture: of the two tools' gaps; needed where the network's points are followed."""
        self.head, self.table, self.mixture = head, table, mixture
        self.gaze_offset = np.zeros(2) if gaze_offset is None else gaze_offset
        self.table_offset = np.zeros((len(table.landmark), 2)) if table_offset is None else table_offset

        tracked = head.point_vertices[JAW_COUNT:]
        jaw = outline_candidates(head)
        parts = [table.corners.ravel(), tracked, jaw.ravel()]
        self.vertices, place = np.unique(np.concatenate(parts), return_inverse=True)
        ends = np.cumsum([len(part) for part in parts])
        self.corners = place[: ends[0]].reshape(table.corners.shape)
        self.tracked = place[ends[0] : ends[1]]
        self.jaw = place[ends[1] :].reshape(jaw.shape)
        self.identity = head.identity_basis[:, self.vertices].astype(float)
        self.oval = np.isin(table.landmark, OVAL)
        self.eye_radius = np.mean(
            [np.linalg.norm(head.mean[v] - head.bone_mean[0, b], axis=1).mean()
             for v, b in zip(head.eye_vertices, EYE_BONES, strict=True)]
        )  # fmt: skip
        look = np.flatnonzero(look_weights(np.ones((2, 2))) + look_weights(-np.ones((2, 2))))
        fixed = [SHAPE_NAMES.index(name) for name in FIXED_SHAPES]
        self.free_shapes = np.setdiff1d(np.arange(len(SHAPE_NAMES)), np.append(look, fixed))
        self.expression_scale = np.array([_scale(SHAPE_NAMES[s]) for s in self.free_shapes])

    def fit(self, landmarks: np.ndarray, width: int, height: int, own: Own | None = None) -> Fit:
        """landmarks (478,2) px in a picture of the given size."""
        focal = PORTRAIT_FOCAL * max(width, height)
        centre = np.array([(width - 1) / 2, (height - 1) / 2])
        eye_distance = np.linalg.norm(_eye_line(landmarks))
        evidence = self.evidence(landmarks, own)
        trust = np.ones(len(evidence.seen))
        identity, weights = np.zeros(len(self.identity)), np.zeros(len(SHAPE_NAMES))
        gaze = np.zeros((2, 2))
        pose, jaw = None, None
        person = self.head.person(identity).at(self.vertices)
        for _ in range(ROUNDS):
            points = person.express(weights[None])[0]
            if own is not None:
                jaw = self._jaw_weights(points, pose, focal, centre)
            sites = self._at(points, jaw)
            rotation, translation, pose = _pose(sites, evidence, focal, centre, pose)
            gaze = self._gaze(landmarks, identity, rotation, translation, focal, centre)
            # The person's own shapes are those of the identity that the last round found, and so
            # are the correctives that the last weights call for.
            start = person.neutral - np.tensordot(identity, self.identity, 1)
            start += np.tensordot(corrective_weights(weights), person.correctives, 1)
            identity, weights = self._shape(
                *(self._at(rows, jaw) for rows in (start, self.identity, person.shapes)), evidence,
                trust, rotation, translation, focal, centre, look_weights(gaze), eye_distance,
            )  # fmt: skip
            person = self.head.person(identity).at(self.vertices)
            sites = self._at(person.express(weights[None])[0], jaw)
            camera = sites @ rotation.T + translation
            error = camera[:, :2] / camera[:, 2:] * focal + centre - evidence.seen
            error = np.linalg.norm(error, axis=1) / eye_distance
            trust = 1 / np.sqrt(1 + (error / ROBUST) ** 2)
        residual = float(error[evidence.firm].mean())
        return Fit(rotation, translation, focal, identity, weights, gaze, residual)

    def evidence(self, landmarks: np.ndarray, own: Own | None) -> Evidence:
        """What to follow: landmarks (478,2) px by MediaPipe, and what the network saw."""
        x = _eye_line(landmarks)
        axes = np.stack([x, [-x[1], x[0]]])
        seen = landmarks[self.table.landmark] - self.table_offset @ axes
        weight = np.where(self.oval, OVAL_WEIGHT, 1.0)
        for group, value in EXPRESSIVE_WEIGHTS if own is None else EXPRESSIVE_WEIGHTS_OF_TWO:
            weight[np.isin(self.table.landmark, group)] = value
        if own is None:
            return Evidence(seen, weight, ~self.oval, np.zeros((0, len(seen))))
        marks = own.points[:68].astype(float)
        gaps = self.mixture(measure(marks), measure(mediapipe_points(landmarks)))
        points = own.points.astype(float)
        points[:68] = with_gaps(marks, gaps)
        trust = NOISE * np.linalg.norm(x) / (OWN_NOISE * own.sigma.astype(float))
        trust[JAW_COUNT:68] *= OWN_INNER_WEIGHT
        order = np.roll(np.arange(len(points)), -JAW_COUNT)
        differences = np.zeros((len(_GAP_ROWS), len(seen) + len(points)))
        differences[:, len(seen) : len(seen) + _GAP_ROWS.shape[1]] = _GAP_ROWS
        return Evidence(
            np.concatenate([seen, points[order]]), np.concatenate([weight, trust[order]]),
            np.concatenate([~self.oval, order >= JAW_COUNT]), differences,
        )  # fmt: skip

    def _at(self, rows: np.ndarray, jaw: np.ndarray | None) -> np.ndarray:
        """The sites (…,S,3) of what is known at self.vertices (…,W,3); jaw: weights (17,C) of the
        candidates of the outline, None without the network's points."""
        of_table = (rows[..., self.corners, :] * self.table.bary[..., None]).sum(axis=-2)
        if jaw is None:
            return of_table
        of_jaw = (rows[..., self.jaw, :] * jaw[..., None]).sum(axis=-2)
        return np.concatenate([of_table, rows[..., self.tracked, :], of_jaw], axis=-2)

    def _jaw_weights(self, points, pose, focal, centre) -> np.ndarray:
        """(17,C) for a head of which self.vertices (W,3) are known; as seen from the front before
        there is a pose."""
        if pose is None:
            return np.eye(1, self.jaw.shape[1]).repeat(JAW_COUNT, axis=0)
        camera = np.ones((len(self.head.mean), 3))
        camera[self.vertices] = points @ cv2.Rodrigues(pose[0])[0].T + pose[1][:, 0]
        intrinsics = np.array([[focal, 0, centre[0]], [0, focal, centre[1]], [0, 0, 1]])
        return outline_weights(self.head, camera, intrinsics)

    def _shape(self, mean, identity, shapes, evidence, trust, rotation, translation, focal, centre,
               look, eye_distance):  # fmt: skip
        """Bounded least squares for identity and expression at a fixed pose.

        mean (S,3) m: the sites of identity zero; identity (60,S,3), shapes (52,S,3) m; trust (S,).
        """
        start = (mean + np.tensordot(look, shapes, 1)) @ rotation.T + translation
        basis = np.concatenate([identity, shapes[self.free_shapes]]) @ rotation.T
        depth = start[:, 2:]
        offset = evidence.seen - centre
        system = (focal * basis[..., :2] - offset * basis[..., 2:]) / (depth * eye_distance)
        right = (offset - focal * start[:, :2] / depth) / eye_distance
        scale = (evidence.weight * trust / NOISE)[:, None]
        rows = np.concatenate([system * scale, np.matmul(evidence.gaps, system) / GAP_NOISE], axis=1)
        right = np.concatenate([right * scale, evidence.gaps @ right / GAP_NOISE])
        rows = rows.reshape(len(basis), -1).T
        count = len(identity)
        prior = np.append(np.full(count, 1 / IDENTITY_SIGMA),
                          np.full(len(self.free_shapes), 1 / EXPRESSION_SIGMA))  # fmt: skip
        normal = rows.T @ rows + np.diag(prior**2)
        root = np.linalg.cholesky(normal)
        lower = np.append(np.full(count, -IDENTITY_LIMIT), np.zeros(len(self.free_shapes)))
        upper = np.append(np.full(count, IDENTITY_LIMIT), np.ones(len(self.free_shapes)))
        sparse = np.append(np.zeros(count), 1 / self.expression_scale)
        pull = np.linalg.solve(root, rows.T @ right.ravel() - sparse)
        solution = lsq_linear(root.T, pull, (lower, upper), method="bvls").x
        weights = look.astype(float)
        weights[self.free_shapes] = solution[count:]
        return solution[:count], weights

    def _gaze(self, landmarks, identity, rotation, translation, focal, centre) -> np.ndarray:
        """Both eyes' direction where the rays through the irises meet the eyeballs."""
        eyes, _ = self.head.bones(identity)
        angles = []
        for bone, iris in zip(EYE_BONES, IRIS_CENTRES, strict=True):
            eye = rotation @ eyes[bone] + translation
            ray = np.append((landmarks[iris] - centre) / focal, 1.0)
            ray /= np.linalg.norm(ray)
            radius = IRIS_DEPTH * self.eye_radius
            along = ray @ eye
            miss = eye @ eye - along**2
            point = ray * (along - np.sqrt(max(radius**2 - miss, 0.0)))
            x, y, z = rotation.T @ (point - eye)
            angles.append([np.arctan2(x, z), np.arctan2(y, np.hypot(x, z))])
        # Irises of small faces are noisy; portraits look into the distance with both eyes.
        mean = np.mean(angles, axis=0) - self.gaze_offset
        mean = np.clip(mean, -LARGEST_GAZE, LARGEST_GAZE)
        return np.stack([mean, mean])


def _scale(shape: str) -> float:
    """The prior mean of a shape's weight, by the beginning of its name."""
    return next((v for k, v in EXPRESSION_SCALES.items() if shape.startswith(k)), EXPRESSION_SCALE)


def gaze_error(fits: list[Fit]) -> np.ndarray:
    """(2,) rad: mean gaze relative to the direction of the camera.

    Sitters look into the camera on the whole, so what remains is the error of where the head has
    its eyeballs and MediaPipe its irises.
    """
    to_camera = np.array([-f.rotation.T @ f.translation / np.linalg.norm(f.translation) for f in fits])
    x, y, z = to_camera.T
    wanted = np.stack([np.arctan2(x, z), np.arcsin(y)], axis=1)
    return np.median(np.array([f.gaze[0] for f in fits]) - wanted, axis=0)


def typical_offset(registrar: Registrar, fits: list[Fit], seen: list[np.ndarray], centres) -> np.ndarray:
    """(N,2): medians of MediaPipe's landmarks minus the fitted table's places.

    In the frame of the eyes' outer corners, of their distance: x from the right eye to the left, y
    down. The table was found on renders of the bare head; the network's points, whose places on the
    head are exact, say where the landmarks lie on people. seen: landmarks (478,2) px each; centres
    (2,) px each.
    """
    offsets = []
    for fit, landmarks, centre in zip(fits, seen, centres, strict=True):
        person = registrar.head.person(fit.identity).at(registrar.vertices)
        sites = registrar._at(person.express(fit.weights[None])[0], None)
        camera = sites @ fit.rotation.T + fit.translation
        away = landmarks[registrar.table.landmark] - (camera[:, :2] / camera[:, 2:] * fit.focal + centre)
        x = _eye_line(landmarks)
        offsets.append(away @ np.stack([x, [-x[1], x[0]]], axis=1) / (x @ x))
    return np.median(offsets, axis=0)


def _eye_line(landmarks: np.ndarray) -> np.ndarray:
    """(2,) px from the outer corner of the right eye to that of the left."""
    return (landmarks[LID_CORNERS[0]] - landmarks[LID_CORNERS_RIGHT[0]]).astype(float)


def _gap_rows() -> np.ndarray:
    """(G,51): lids, lips, the mouth's corners, and each point of a brow above its eye, as
    differences of the iBUG points 17 to 67."""
    pairs = [pair for _, pairs in EYES for pair in pairs] + [*LIP_PAIRS, MOUTH_CORNERS]
    rows = np.zeros((len(pairs), 68))
    for row, (one, other) in zip(rows, pairs, strict=True):
        row[one], row[other] = 1, -1
    rows = [rows]
    for brow, eye in BROW_EYES:
        above = np.eye(68)[brow]
        above[:, eye] = -1 / 6
        rows.append(above)
    return np.concatenate(rows)[:, JAW_COUNT:]


_GAP_ROWS = _gap_rows()


def _pose(points, evidence, focal, centre, previous):
    """Rotation, translation and OpenCV's vectors of the head from its firm landmarks."""
    intrinsics = np.array([[focal, 0, centre[0]], [0, focal, centre[1]], [0, 0, 1]])
    flags = cv2.SOLVEPNP_ITERATIVE if previous else cv2.SOLVEPNP_EPNP
    turn, shift = previous or (None, None)
    firm = evidence.firm
    _, turn, shift = cv2.solvePnP(
        points[firm], evidence.seen[firm], intrinsics, None, turn, shift, previous is not None,
        flags=flags,
    )  # fmt: skip
    if previous is None:  # EPnP is only the start
        return _pose(points, evidence, focal, centre, (turn, shift))
    return cv2.Rodrigues(turn)[0], shift[:, 0], (turn, shift)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("landmarks", type=Path)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--own", type=Path, help="what portraits_observation wrote")
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    with np.load(arguments.landmarks, allow_pickle=False) as file:
        names, points = file["name"], file["points"][..., :2].astype(float)
    own, mixture = [None] * len(names), None
    if arguments.own:
        names, points, own = _seen_by_both(names, points, arguments.own)
        seen_by_own = measure(np.stack([seen.points[:68] for seen in own]).astype(float))
        mixture = Mixture.of(seen_by_own, measure(mediapipe_points(points)))
    sizes = [cv2.imread(str(arguments.photos / str(name))).shape[1::-1] for name in names]
    head, table = load_head(), Correspondence.read(arguments.table)

    def fit_all(registrar: Registrar, step: int = 1) -> list[Fit]:
        rows = range(0, len(names), step)
        return [registrar.fit(points[row], *sizes[row], own[row]) for row in tqdm(rows, unit="portrait")]

    first = Registrar(head, table, mixture=mixture)
    tried = fit_all(first, CALIBRATION_STEP)
    offset = None
    if arguments.own:
        centres = [(np.array(size) - 1) / 2 for size in sizes[::CALIBRATION_STEP]]
        offset = typical_offset(first, tried, points[::CALIBRATION_STEP], centres)
    fits = fit_all(Registrar(head, table, gaze_error(tried), offset, mixture))
    fields = {field: np.array([getattr(fit, field) for fit in fits]) for field in Fit.__annotations__}
    np.savez(arguments.output, name=names, **fields)
    print(f"{len(fits)} portraits, median residual {np.median(fields['residual']):.4f}")
    return 0


def _seen_by_both(names, points, path: Path):
    """Names, landmarks and what the network saw of the portraits in which both tools found the same
    face."""
    with np.load(path, allow_pickle=False) as file:
        seen = {str(n): Own(p, s) for n, p, s in zip(file["name"], file["points"], file["sigma"], strict=True)}

    def agreed(name, landmarks) -> bool:
        own = seen.get(str(name))
        if own is None:
            return False
        apart = own.points[JAW_COUNT:68] - mediapipe_points(landmarks)[JAW_COUNT:]
        return np.linalg.norm(apart, axis=1).mean() < DISAGREEMENT * np.linalg.norm(_eye_line(landmarks))

    both = np.array([agreed(*pair) for pair in zip(names, points, strict=True)])
    return names[both], points[both], [seen[str(name)] for name in names[both]]


if __name__ == "__main__":
    sys.exit(main())
