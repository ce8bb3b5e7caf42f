# SPDX-License-Identifier: GPL-3.0-or-later
"""Where MediaPipe's 478 landmarks lie on Mien's head, found by running it on renders of the head.

    python -m models.synthesis.portraits_correspondence probes --out PROBES
    python models/synthesis/portraits_landmarks.py PROBES -o PROBES/landmarks.npz
    python -m models.synthesis.portraits_correspondence match --probes PROBES -o TABLE.npz
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from models.head import EYE_BONES, GROUP_NAMES, SHAPE_NAMES, Head, group_numbers, load_head
from models.head.topology import Topology
from models.synthesis.landmarks import project
from models.synthesis.raster import interpolate, rasterize, vertex_normals

PROBES = 40
PROBE_SIDE = 640
PROBE_FOCAL = 1600.0
PROBE_DISTANCE = 0.85  # m
PROBE_IDENTITY = 0.7
PROBE_YAW = 0.35
JAW_OPEN = (0.0, 0.25)  # a little apart, so that the two lips are told from each other
IRIS_COSINE = 0.905  # of the angle between the eye's axis and the edge of the iris
LIGHT = np.array([0.3, -0.4, -0.86])  # camera space, towards the light
GROUP_COLOURS = {
    "skin": (140, 165, 215), "lips": (105, 110, 190), "eyelids": (130, 152, 202),
    "ears": (130, 150, 210), "inside_mouth": (50, 45, 110), "eye_left": (235, 235, 235),
    "eye_right": (235, 235, 235), "teeth_upper": (225, 230, 235),
    "teeth_lower": (215, 220, 230), "tongue": (90, 90, 190), "lashes": (40, 40, 40),
    "gums": (110, 100, 190), "brows": (40, 40, 40),
}  # fmt: skip
BROW_COLOUR, IRIS_COLOUR = (60, 75, 100), (60, 45, 35)
BROW_WIDTH = 0.004  # m

# MediaPipe's contours of the subject's left eye, of both brows, its lips, and the iris centres.
UPPER_LID = (466, 388, 387, 386, 385, 384, 398)
LOWER_LID = (249, 390, 373, 374, 380, 381, 382)
LID_CORNERS = (263, 362)
UPPER_LID_RIGHT = (246, 161, 160, 159, 158, 157, 173)
LOWER_LID_RIGHT = (7, 163, 144, 145, 153, 154, 155)
LID_CORNERS_RIGHT = (33, 133)
BROWS = (46, 52, 53, 55, 63, 65, 66, 70, 105, 107, 276, 282, 283, 285, 293, 295, 296, 300, 334, 336)
OUTER_LIP = (0, 17, 37, 39, 40, 61, 84, 91, 146, 181, 185, 267, 269, 270, 291, 314, 321, 375, 405, 409)
INNER_UPPER_LIP = (191, 80, 81, 82, 13, 312, 311, 310, 415)
INNER_LOWER_LIP = (95, 88, 178, 87, 14, 317, 402, 318, 324)
INNER_LIP_CORNERS = (78, 308)
IRIS_CENTRES = (473, 468)  # the subject's left, right
IRIS = tuple(range(468, 478))
SKIN_GROUPS = ("skin", "lips", "eyelids")
# Landmarks that wander between renders by more than this are no use as correspondence.
LARGEST_SPREAD = 0.006  # m


@dataclass(frozen=True)
class Correspondence:
    """landmark (N,) MediaPipe's numbers; corners (N,3) vertices of the head; bary (N,3)."""

    landmark: np.ndarray
    corners: np.ndarray
    bary: np.ndarray

    @staticmethod
    def read(path: Path) -> "Correspondence":
        with np.load(path, allow_pickle=False) as file:
            return Correspondence(file["landmark"], file["corners"], file["bary"])


def probe(head: Head, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A shaded head: BGR picture and, for every pixel, triangle (-1: none) and barycentrics."""
    weights = np.zeros(len(SHAPE_NAMES))
    weights[SHAPE_NAMES.index("jawOpen")] = rng.uniform(*JAW_OPEN)
    identity = rng.normal(0, PROBE_IDENTITY, len(head.identity_basis))
    vertices = head.evaluate(identity, weights, np.zeros((2, 2)))
    turn = Rotation.from_euler("y", rng.uniform(-PROBE_YAW, PROBE_YAW))
    facing = Rotation.from_euler("x", np.pi)
    camera = (facing * turn).apply(vertices) + [0, 0, PROBE_DISTANCE]
    middle = (PROBE_SIDE - 1) / 2
    intrinsics = np.array([[PROBE_FOCAL, 0, middle], [0, PROBE_FOCAL, middle], [0, 0, 1]])
    screen = np.concatenate([project(camera, intrinsics), camera[:, 2:]], axis=1)
    solid = ~np.isin(head.triangle_group, group_numbers("lashes", "brows"))
    kept = np.flatnonzero(solid)
    triangle, bary, _ = rasterize(screen, head.triangles[kept], PROBE_SIDE, PROBE_SIDE)
    triangle = np.where(triangle >= 0, kept[triangle], -1).astype(np.int32)

    normals = interpolate(vertex_normals(camera, head.triangles), triangle, bary, head.triangles)
    palette = np.array([GROUP_COLOURS[name] for name in GROUP_NAMES], float)
    colour = palette[head.triangle_group[triangle]]
    place = interpolate(head.mean, triangle, bary, head.triangles)
    colour[_on_brow(head, place)] = BROW_COLOUR
    colour[_on_iris(head, place, triangle)] = IRIS_COLOUR
    light = 0.35 + 0.65 * np.clip(normals @ LIGHT, 0, 1)
    image = np.where(triangle[..., None] >= 0, colour * light[..., None], 90)
    return cv2.GaussianBlur(image.astype(np.uint8), (3, 3), 0), triangle, bary


def _on_brow(head: Head, place: np.ndarray) -> np.ndarray:
    on = np.zeros(place.shape[:2], bool)
    for brow in (head.points68[17:22], head.points68[22:27]):
        line = head.mean[brow]
        for start, end in zip(line, line[1:], strict=False):
            for point in np.linspace(start, end, 6):
                on |= np.linalg.norm(place - point, axis=-1) < BROW_WIDTH
    return on


def _on_iris(head: Head, place: np.ndarray, triangle: np.ndarray) -> np.ndarray:
    group = head.triangle_group[triangle]
    on = np.zeros(place.shape[:2], bool)
    for bone, name in zip(EYE_BONES, ("eye_left", "eye_right"), strict=True):
        ray = place - head.bone_mean[0, bone]
        cosine = ray[..., 2] / (np.linalg.norm(ray, axis=-1) + 1e-9)
        on |= (group == GROUP_NAMES.index(name)) & (cosine > IRIS_COSINE) & (triangle >= 0)
    return on


def write_probes(folder: Path, seed: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    head, rng = load_head(), np.random.default_rng(seed)
    for index in range(PROBES):
        image, triangle, bary = probe(head, rng)
        name = f"{index:03d}"
        cv2.imwrite(str(folder / f"{name}.png"), image)
        np.savez_compressed(folder / f"{name}.npz", triangle=triangle, bary=bary)


def match(folder: Path) -> Correspondence:
    """Votes of all probes for where each landmark lies on the mean head."""
    head = load_head()
    with np.load(folder / "landmarks.npz", allow_pickle=False) as file:
        names, points = file["name"], file["points"]
    votes = np.full((len(names), points.shape[1], 3), np.nan)
    for row, name in enumerate(names):
        with np.load(folder / (Path(str(name)).stem + ".npz")) as file:
            triangle, bary = file["triangle"], file["bary"]
        column, line = np.round(points[row]).astype(int).clip(0, PROBE_SIDE - 1).T
        hit = triangle[line, column]
        corners = head.mean[head.triangles[hit]]
        place = (corners * bary[line, column][..., None]).sum(axis=1)
        on_skin = (hit >= 0) & np.isin(head.triangle_group[hit], group_numbers(*SKIN_GROUPS))
        votes[row, on_skin] = place[on_skin]
    return _settle(head, votes)


def _settle(head: Head, votes: np.ndarray) -> Correspondence:
    triangles = head.triangles[np.isin(head.triangle_group, group_numbers(*SKIN_GROUPS))]
    lines = _margins(head)
    places = _symmetric(np.nanmedian(votes, axis=0))
    rows = []
    for landmark, place in enumerate(places):
        seen = votes[np.isfinite(votes[:, landmark, 0]), landmark]
        if landmark in IRIS or len(seen) < len(votes) // 2:
            continue
        if landmark in lines:  # on a margin: the nearest vertex of it, so that it moves with it
            line = lines[landmark]
            vertex = line[np.argmin(np.linalg.norm(head.mean[line] - place, axis=1))]
            rows.append((landmark, (vertex,) * 3, (1.0, 0.0, 0.0)))
            continue
        if np.median(np.linalg.norm(seen - place, axis=1)) > LARGEST_SPREAD:
            continue
        rows.append((landmark, *_closest(head.mean, triangles, place)))
    landmark, corners, bary = zip(*rows, strict=True)
    return Correspondence(np.array(landmark), np.array(corners), np.array(bary))


def _symmetric(places: np.ndarray) -> np.ndarray:
    """Each place (L,3) averaged with the mirror image of its partner, the nearest to its own."""
    flipped = places * [-1, 1, 1]
    distance = np.linalg.norm(places[:, None] - flipped[None], axis=-1)
    partner = np.nan_to_num(distance, nan=np.inf).argmin(axis=1)
    return (places + flipped[partner]) / 2


def _margins(head: Head) -> dict[int, np.ndarray]:
    """Landmark -> the vertices of the lid or lip margin it belongs on."""
    topology = Topology(head.quads[np.isin(head.group, group_numbers(*SKIN_GROUPS, "inside_mouth"))])
    p = head.points68
    lids = {}
    for loop_point, corners, upper, lower, ends in (
        (43, p[[42, 45]], UPPER_LID, LOWER_LID, LID_CORNERS),
        (37, p[[36, 39]], UPPER_LID_RIGHT, LOWER_LID_RIGHT, LID_CORNERS_RIGHT),
        (62, p[[60, 64]], INNER_UPPER_LIP, INNER_LOWER_LIP, ()),
    ):
        loop = np.array(topology.loop_through(int(p[loop_point])))
        (x0, y0), (x1, y1) = head.mean[corners, :2]
        x, y = head.mean[loop, :2].T
        above = y > y0 + (x - x0) * (y1 - y0) / (x1 - x0)
        lids |= {upper: loop[above], lower: loop[~above], ends: corners}
    return {landmark: line for group, line in lids.items() for landmark in group}


def _closest(positions, triangles, place) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Corners and barycentrics of the surface point nearest to place, to the mesh's fineness."""
    centres = positions[triangles].mean(axis=1)
    best = (np.inf, None, None)
    for index in np.argsort(np.linalg.norm(centres - place, axis=1))[:12]:
        a, b, c = positions[triangles[index]]
        system = np.stack([b - a, c - a], axis=1)
        u, v = np.linalg.lstsq(system, place - a, rcond=None)[0]
        weights = np.clip([1 - u - v, u, v], 0, 1)
        weights /= weights.sum()
        distance = np.linalg.norm(weights @ positions[triangles[index]] - place)
        if distance < best[0]:
            best = (distance, tuple(triangles[index]), tuple(weights))
    return best[1], best[2]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    probes = commands.add_parser("probes")
    probes.add_argument("--out", type=Path, required=True)
    matching = commands.add_parser("match")
    matching.add_argument("--probes", type=Path, required=True)
    matching.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    if arguments.command == "probes":
        write_probes(arguments.out)
        return 0
    table = match(arguments.probes)
    np.savez(arguments.output, landmark=table.landmark, corners=table.corners, bary=table.bary)
    print(f"{len(table.landmark)} landmarks placed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
