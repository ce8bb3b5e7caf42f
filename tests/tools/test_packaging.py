# SPDX-License-Identifier: GPL-3.0-or-later
"""The extension as it is laid out, before and after the packages come in."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import build
import inference
from tools import environments, packaging
from tools.session import ROOT, Failure
from tools.vendoring import PLATFORMS


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Path:
    """The extension's folder, laid out."""
    folder = tmp_path_factory.mktemp("package") / "mien"
    packaging.assemble(folder)
    return folder


class TestPackage:
    def test_the_add_on_lies_at_the_top_and_its_runner_below(self, package):
        wanted = ["blender_manifest.toml", "__init__.py", "LICENSE", "runner/requirements/vision.txt"]
        wanted += ["runner/models/weights/mien.onnx", "runner/models/head/head.npz"]
        assert [name for name in wanted if not (package / name).is_file()] == []

    def test_nothing_of_training_or_testing_is_in_it(self, package):
        names = {path.relative_to(package).as_posix() for path in package.rglob("*")}
        assert not {name for name in names if "__pycache__" in name or "/training" in name}
        imports = {
            line.split()[1].split(".")[0]
            for path in package.rglob("*.py")
            for line in path.read_text(encoding="utf-8").splitlines()
            if re.match(r"\s*(import|from) [a-z]", line)
        }
        assert not imports & {"torch", "numba", "onnx", "pytest", "blender_addon"}

    def test_the_runner_starts_from_it(self, package, tmp_path):
        """With nothing of the repository within reach."""
        result = subprocess.run(
            [sys.executable, "-m", "inference", "--version"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(package / "runner")},
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, result.stderr
        assert result.stdout.strip()

    def test_one_version_is_said_everywhere(self):
        pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
        manifest = packaging.read_manifest(ROOT / "blender_addon")
        assert f'version = "{manifest["version"]}"' in pyproject
        assert inference.__version__ == manifest["version"]

    def test_missing_weights_are_said_before_anything_is_done(self, session, tmp_path, monkeypatch):
        monkeypatch.setattr(packaging, "WEIGHTS", ROOT / "models/weights/none.onnx")
        with pytest.raises(Failure, match="none.onnx, are missing"):
            packaging.assemble(tmp_path / "package")
        assert not (tmp_path / "package").exists()
        with pytest.raises(Failure, match="none.onnx, are missing"):
            build.demo(session, build.Options())


class TestManifest:
    def finished(self, tmp_path, name):
        path = tmp_path / "blender_manifest.toml"
        path.write_bytes((ROOT / "blender_addon/blender_manifest.toml").read_bytes())
        packaging.finish_manifest(path, PLATFORMS[name])
        return tomllib.loads(path.read_text(encoding="utf-8"))

    def test_it_names_the_platform_and_keeps_hidden_folders(self, tmp_path):
        manifest = self.finished(tmp_path, "linux-x64")
        assert manifest["platforms"] == ["linux-x64"]
        assert "blender_version_max" not in manifest
        assert manifest["build"] == {"paths_exclude_pattern": ["__pycache__/"]}
        assert manifest["id"] == "mien" and "files" in manifest["permissions"]

    def test_intel_macs_end_before_blender_5(self, tmp_path):
        assert self.finished(tmp_path, "macos-x64")["blender_version_max"] == "5.0.0"


class TestZip:
    """Another platform's zip, of made-up wheels in a local folder, packed by Blender's own tool."""

    @pytest.fixture
    def out(self, tmp_path, monkeypatch, make_wheel):
        requirements = tmp_path / "requirements"
        requirements.mkdir()
        (requirements / "vision.txt").write_text("tiny==1.0\n")
        contents = {"tiny/__init__.py": "", "tiny/.dylibs/libx264.165.dylib": "a library"}
        for python in ("311", "313"):
            core = {f"tiny/core.cpython-{python}-darwin.so": python}
            name = f"tiny-1.0-cp{python}-cp{python}-macosx_11_0_arm64.whl"
            make_wheel(tmp_path / "index", name, {**contents, **core})
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
        monkeypatch.setattr(packaging, "REQUIREMENTS", requirements)
        monkeypatch.setattr(packaging, "OUT", tmp_path / "out")
        return tmp_path / "out"

    @pytest.fixture
    def kit(self):
        if not environments.BLENDER.python.exists():
            pytest.skip("there is no .venv-blender: run `python build.py setup` once")
        return build.packing_kit()

    def test_it_holds_all_it_needs(self, session, kit, out):
        zip_path = packaging.build_zip(session, kit, PLATFORMS["macos-arm64"])
        assert [path.name for path in out.glob("*.zip")] == [zip_path.name]
        assert re.fullmatch(r"mien-[\d.]+-macos-arm64\.zip", zip_path.name)
        with zipfile.ZipFile(zip_path) as archive:
            names = set(archive.namelist())
            manifest = tomllib.loads(archive.read("blender_manifest.toml").decode())
            licences = archive.read("licences/README.md").decode()
        assert manifest["platforms"] == ["macos-arm64"] and "wheels" not in manifest
        packages = "runner/packages"
        assert names >= {
            "__init__.py",
            "LICENSE",
            "licences/texts.txt",
            packaging.DEFAULT_HEAD,
            "runner/inference/__main__.py",
            "runner/models/weights/mien.onnx",
            f"{packages}/packages.json",
            f"{packages}/shared/tiny/.dylibs/libx264.165.dylib",
            f"{packages}/shared/tiny/core.cpython-311-darwin.so",
            f"{packages}/shared/tiny/core.cpython-313-darwin.so",
            f"{packages}/shared/tiny-1.0.dist-info/licenses/LICENSE",
        }
        assert "| tiny | 1.0 |" in licences and "| x264 |" in licences

    def test_one_too_large_is_refused_and_the_old_one_stays(self, session, kit, out, monkeypatch):
        version = packaging.read_manifest(ROOT / "blender_addon")["version"]
        old = out / f"mien-{version}-macos-arm64.zip"
        old.parent.mkdir()
        old.write_text("the old one")
        monkeypatch.setattr(packaging, "LARGEST_ZIP", 1_000_000)
        with pytest.raises(Failure, match="of which 1 are allowed"):
            packaging.build_zip(session, kit, PLATFORMS["macos-arm64"])
        assert old.read_text() == "the old one"
        assert [path.name for path in out.glob("*.zip")] == [old.name]

    def test_a_wheel_that_is_not_to_be_had_is_named(self, session, kit, out):
        with pytest.raises(Failure, match=r"no tiny==1\.0 for this machine"):
            packaging.build_zip(session, kit, PLATFORMS["windows-x64"])
