# SPDX-License-Identifier: GPL-3.0-or-later
"""Fitting the head to a portrait from landmarks: pose, identity, expression and gaze.

    python -m models.synthesis.portraits_registration LANDMARKS.npz --photos DIR \\
        --table TABLE.npz -o FITS.npz

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


class Registrar:
    """Fits with one correspondence table."""

    def __init__(self, head: Head, table: Correspondence, gaze_offset: np.ndarray | None = None):
        """gaze_offset (2,) rad: what to take off the yaw and pitch of every gaze."""
        self.head, self.table = head, table
        self.gaze_offset = np.zeros(2) if gaze_offset is None else gaze_offset

        self.vertices, corners = np.unique(table.corners, return_inverse=True)
        self.corners = corners.reshape(table.corners.shape)
        self.identity = self._at(head.identity_basis[:, self.vertices])
        oval = np.isin(table.landmark, OVAL)
        self.weight = np.where(oval, OVAL_WEIGHT, 1.0)
        for landmarks, weight in EXPRESSIVE_WEIGHTS:
            self.weight[np.isin(table.landmark, landmarks)] = weight
        self.firm = ~oval
        self.eye_radius = np.mean(
            [np.linalg.norm(head.mean[v] - head.bone_mean[0, b], axis=1).mean()
             for v, b in zip(head.eye_vertices, EYE_BONES, strict=True)]
        )  # fmt: skip
        look = np.flatnonzero(look_weights(np.ones((2, 2))) + look_weights(-np.ones((2, 2))))
        fixed = [SHAPE_NAMES.index(name) for name in FIXED_SHAPES]
        self.free_shapes = np.setdiff1d(np.arange(len(SHAPE_NAMES)), np.append(look, fixed))
        self.expression_scale = np.array([_scale(SHAPE_NAMES[s]) for s in self.free_shapes])

    def fit(self, landmarks: np.ndarray, width: int, height: int) -> Fit:
        """landmarks (478,2) px in a picture of the given size."""
        focal = PORTRAIT_FOCAL * max(width, height)
        centre = np.array([(width - 1) / 2, (height - 1) / 2])
        seen = landmarks[self.table.landmark].astype(float)
        eye_distance = np.linalg.norm(landmarks[LID_CORNERS_RIGHT[0]] - landmarks[LID_CORNERS[0]])
        identity, weights = np.zeros(len(self.identity)), np.zeros(len(SHAPE_NAMES))
        gaze = np.zeros((2, 2))
        pose = None
        for _ in range(ROUNDS):
            person = self._person(identity)
            points = person.express(weights[None])[0]
            rotation, translation, pose = _pose(points, seen, self.firm, focal, centre, pose)
            gaze = self._gaze(landmarks, identity, rotation, translation, focal, centre)
            # The person's own shapes are those of the identity that the last round found, and so
            # are the correctives that the last weights call for.
            start = person.neutral - np.tensordot(identity, self.identity, 1)
            start += np.tensordot(corrective_weights(weights), person.correctives, 1)
            identity, weights = self._shape(
                start, person.shapes, seen, rotation, translation, focal, centre,
                look_weights(gaze), eye_distance,
            )  # fmt: skip
        camera = self._person(identity).express(weights[None])[0] @ rotation.T + translation
        error = np.linalg.norm(camera[:, :2] / camera[:, 2:] * focal + centre - seen, axis=1)
        residual = float(error[self.firm].mean() / eye_distance)
        return Fit(rotation, translation, focal, identity, weights, gaze, residual)

    def _at(self, rows: np.ndarray) -> np.ndarray:
        """The table's points (…,N,3) of what is known at its vertices (…,W,3)."""
        return (rows[..., self.corners, :] * self.table.bary[..., None]).sum(axis=-2)

    def _person(self, identity: np.ndarray) -> PersonPoints:
        person = self.head.person(identity).at(self.vertices)
        return PersonPoints(*map(self._at, (person.neutral, person.shapes, person.correctives)))

    def _shape(self, mean, shapes, seen, rotation, translation, focal, centre, look, eye_distance):
        """Bounded least squares for identity and expression at a fixed pose.

        mean (N,3) m: the points of identity zero; shapes (52,N,3) m.
        """
        start = (mean + np.tensordot(look, shapes, 1)) @ rotation.T + translation
        basis = np.concatenate([self.identity, shapes[self.free_shapes]]) @ rotation.T
        depth = start[:, 2:]
        scale = self.weight[:, None] / depth / (NOISE * eye_distance)
        offset = seen - centre
        system = (focal * basis[..., :2] - offset * basis[..., 2:]) * scale
        right = (offset * depth - focal * start[:, :2]) * scale
        system = system.reshape(len(basis), -1).T
        count = len(self.identity)
        prior = np.append(np.full(count, 1 / IDENTITY_SIGMA),
                          np.full(len(self.free_shapes), 1 / EXPRESSION_SIGMA))  # fmt: skip
        normal = system.T @ system + np.diag(prior**2)
        root = np.linalg.cholesky(normal)
        lower = np.append(np.full(count, -IDENTITY_LIMIT), np.zeros(len(self.free_shapes)))
        upper = np.append(np.full(count, IDENTITY_LIMIT), np.ones(len(self.free_shapes)))
        sparse = np.append(np.zeros(count), 1 / self.expression_scale)
        pull = np.linalg.solve(root, system.T @ right.ravel() - sparse)
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


def _pose(points, seen, firm, focal, centre, previous):
    """Rotation, translation and OpenCV's vectors of the head from its firm landmarks."""
    intrinsics = np.array([[focal, 0, centre[0]], [0, focal, centre[1]], [0, 0, 1]])
    flags = cv2.SOLVEPNP_ITERATIVE if previous else cv2.SOLVEPNP_EPNP
    turn, shift = previous or (None, None)
    _, turn, shift = cv2.solvePnP(
        points[firm], seen[firm], intrinsics, None, turn, shift, previous is not None, flags=flags
    )
    if previous is None:  # EPnP is only the start
        return _pose(points, seen, firm, focal, centre, (turn, shift))
    return cv2.Rodrigues(turn)[0], shift[:, 0], (turn, shift)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("landmarks", type=Path)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    with np.load(arguments.landmarks, allow_pickle=False) as file:
        names, points = file["name"], file["points"]
    sizes = [cv2.imread(str(arguments.photos / str(name))).shape[1::-1] for name in names]
    head, table = load_head(), Correspondence.read(arguments.table)

    def fit_all(registrar: Registrar, step: int = 1) -> list[Fit]:
        rows = range(0, len(names), step)
        return [registrar.fit(points[row, :, :2], *sizes[row]) for row in tqdm(rows, unit="portrait")]

    offset = gaze_error(fit_all(Registrar(head, table), CALIBRATION_STEP))
    fits = fit_all(Registrar(head, table, offset))
    fields = {field: np.array([getattr(fit, field) for fit in fits]) for field in Fit.__annotations__}
    np.savez(arguments.output, name=names, **fields)
    print(f"{len(fits)} portraits, median residual {np.median(fields['residual']):.4f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
