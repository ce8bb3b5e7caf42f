# SPDX-License-Identifier: GPL-3.0-or-later
"""Wheels for two Pythons in one tree: what is shared, what is not, what is left out."""

import ast
import json
import re
from pathlib import Path

import pytest

from tools import vendoring
from tools.session import ROOT, Failure
from tools.vendoring import PLATFORMS, Platform

TWO = Platform("linux-x64", "manylinux_2_28_x86_64")


@pytest.fixture
def vendored(make_wheel, tmp_path):
    """Vendors made-up packages: {name: {python: {path: text}}}. Gives the result and the folder."""

    def vendor(packages, platform=TWO):
        wheels = {
            python: {
                name: make_wheel(
                    tmp_path / python,
                    f"{name.replace('-', '_')}-1.0-py3-none-any.whl",
                    of_python[python],
                )
                for name, of_python in packages.items()
            }
            for python in platform.pythons
        }
        destination = tmp_path / "packages"
        destination.mkdir()
        return vendoring.vendor(wheels, platform, destination), destination

    return vendor


def files_in(folder: Path) -> set[str]:
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return {name for name in found if ".dist-info/" not in name and name != vendoring.INDEX_NAME}


def both(contents):
    return {"3.11": contents, "3.13": contents}


class TestMerging:
    def test_extensions_of_both_pythons_share_a_folder(self, vendored):
        common = {"tiny/__init__.py": "", "tiny.libs/libopenblas-0123abcd.so": "blas"}
        result, folder = vendored(
            {
                "tiny": {
                    "3.11": {**common, "tiny/core.cpython-311-x86_64-linux-gnu.so": "for 3.11"},
                    "3.13": {**common, "tiny/core.cpython-313-x86_64-linux-gnu.so": "for 3.13"},
                }
            }
        )
        assert files_in(folder) == {
            "shared/tiny/__init__.py",
            "shared/tiny.libs/libopenblas-0123abcd.so",
            "shared/tiny/core.cpython-311-x86_64-linux-gnu.so",
            "shared/tiny/core.cpython-313-x86_64-linux-gnu.so",
        }
        assert result.packages[0].libraries == ("libopenblas-0123abcd.so",)
        assert result.files == 4 + 2  # its metadata and its licence
        assert result.size == sum(
            p.stat().st_size for p in (folder / "shared").rglob("*.*so")
        ) + sum(p.stat().st_size for p in folder.rglob("*.dist-info/**/*") if p.is_file())

    def test_one_name_with_two_contents_parts_the_package(self, vendored):
        common = {"tiny/__init__.py": ""}
        _, folder = vendored(
            {
                "tiny": {
                    "3.11": {**common, "tiny/core.pyd": "for 3.11"},
                    "3.13": {**common, "tiny/core.pyd": "for 3.13"},
                },
                "other": both({"other/__init__.py": "x = 1"}),
            }
        )
        assert files_in(folder) == {
            "cp311/tiny/__init__.py",
            "cp311/tiny/core.pyd",
            "cp313/tiny/__init__.py",
            "cp313/tiny/core.pyd",
            "shared/other/__init__.py",
        }
        assert (folder / "cp313/tiny/core.pyd").read_text() == "for 3.13"

    def test_words_about_the_build_do_not_part_it(self, vendored):
        _, folder = vendored(
            {
                "tiny": {
                    "3.11": {"tiny/__init__.py": "", "tiny/__config__.py": "built by 3.11"},
                    "3.13": {"tiny/__init__.py": "", "tiny/__config__.py": "built by 3.13"},
                }
            }
        )
        assert files_in(folder) == {"shared/tiny/__init__.py", "shared/tiny/__config__.py"}

    def test_microsofts_runtime_lies_beside_onnxruntime(self, vendored):
        data = "msvc_runtime-1.0.data/data"
        _, folder = vendored(
            {
                "msvc-runtime": both(
                    {
                        f"{data}/msvcp140.dll": "the runtime",
                        f"{data}/Scripts/msvcp140.dll": "the runtime",
                        f"{data}/Scripts/vcruntime140.dll": "Python's own",
                        "msvc_runtime.cp311-win_amd64.pyd": "",
                    }
                ),
                "onnxruntime": {
                    python: {"onnxruntime/capi/state.pyd": f"for {python}"}
                    for python in TWO.pythons
                },
            }
        )
        assert files_in(folder) == {
            f"{tag}/onnxruntime/capi/{name}"
            for tag in ("cp311", "cp313")
            for name in ("state.pyd", "msvcp140.dll")
        }

    def test_the_index_names_pythons_and_versions(self, vendored):
        _, folder = vendored({"tiny-thing": both({"tiny.py": ""})})
        index = json.loads((folder / vendoring.INDEX_NAME).read_text())
        assert index == {
            "platform": "linux-x64",
            "pythons": ["3.11", "3.13"],
            "packages": {"tiny-thing": "1.0"},
        }

    def test_a_package_is_described_by_its_wheel(self, vendored):
        result, _ = vendored({"tiny": both({"tiny/__init__.py": "", "tiny/LICENSE.txt": "too"})})
        (package,) = result.packages
        assert (package.name, package.version, package.licence) == ("tiny", "1.0", "MIT")
        assert package.home == "https://example.org/tiny"
        assert package.licence_files == (
            "shared/tiny-1.0.dist-info/licenses/LICENSE",
            "shared/tiny/LICENSE.txt",
        )

    def test_a_path_that_leads_out_is_refused(self, vendored, tmp_path):
        with pytest.raises(Failure, match="leads out of it"):
            vendored({"tiny": both({"../../out.py": "evil"})})
        assert not list(tmp_path.rglob("out.py"))

    def test_a_path_too_long_for_windows_is_refused(self, vendored):
        with pytest.raises(Failure, match="too long for Windows"):
            vendored({"tiny": both({f"tiny/{'long' * 40}.py": ""})})


class TestLeavingOut:
    @pytest.mark.parametrize(
        "path",
        [
            "numpy/_core/tests/test_multiarray.py",
            "numpy/__init__.pyi",
            "numpy-2.4.6.dist-info/RECORD",
            "onnxruntime/transformers/optimizer.py",
            "onnxruntime/capi/libonnxruntime.so.1.31.1",
            "scipy/stats/__init__.py",
            "cv2/data/haarcascade_smile.xml",
            "cv2/opencv_videoio_ffmpeg4140_64.dll",
            "numpy/",
        ],
    )
    def test_left_out(self, path):
        assert vendoring.place(path) is None

    @pytest.mark.parametrize(
        "path",
        [
            "numpy/__init__.py",
            "numpy/_core/tests/_natype.py",
            "numpy/testing/__init__.py",
            "numpy-2.4.6.dist-info/METADATA",
            "numpy-2.4.6.dist-info/licenses/LICENSE.txt",
            "onnxruntime/capi/onnxruntime_pybind11_state.so",
            "onnxruntime/ThirdPartyNotices.txt",
            "scipy/sparse/csgraph/_shortest_path.cpython-311-x86_64-linux-gnu.so",
            "cv2/data/haarcascade_profileface.xml",
            "cv2/.dylibs/libavcodec.62.dylib",
        ],
    )
    def test_kept(self, path):
        assert vendoring.place(path) == path

    def test_the_runner_uses_no_part_of_scipy_that_is_left_out(self):
        used = set()
        for path in self.runner_files():
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    used |= {alias.name for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module:
                    used.add(node.module)
                    used |= {f"{node.module}.{alias.name}" for alias in node.names}
        parts = {name.split(".")[1] for name in used if name.startswith("scipy.")}
        assert "spatial" in parts
        assert not parts & set(vendoring.UNUSED_SCIPY)

    def test_every_cascade_of_the_detector_is_kept(self):
        text = (ROOT / "inference/detect.py").read_text(encoding="utf-8")
        named = set(re.findall(r"haarcascade_\w+\.xml", text))
        assert named and named <= set(vendoring.USED_CASCADES)

    @staticmethod
    def runner_files() -> list[Path]:
        from tools.packaging import HEAD_WORKSHOP

        head = [p for p in (ROOT / "models/head").glob("*.py") if p.name not in HEAD_WORKSHOP]
        return [*(ROOT / "inference").rglob("*.py"), *head]


class TestPlatforms:
    @pytest.mark.parametrize(
        ("system", "machine", "name"),
        [
            ("Linux", "x86_64", "linux-x64"),
            ("Windows", "AMD64", "windows-x64"),
            ("Darwin", "arm64", "macos-arm64"),
            ("Darwin", "x86_64", "macos-x64"),
        ],
    )
    def test_this_machines(self, system, machine, name):
        assert vendoring.platform_of(system, machine) == name

    def test_a_machine_without_an_extension_is_said(self):
        with pytest.raises(Failure, match="no extension for linux-arm64, only for linux-x64"):
            vendoring.platform_of("Linux", "aarch64")

    def test_each_needs_what_the_runner_was_tested_with(self):
        """The platforms' own files may only differ where no wheel of the common version exists."""
        tested = vendoring.read_pins(ROOT / "requirements/vision.txt")
        differences = {
            name: set(vendoring.pins_of(platform, ROOT / "requirements").items()) - tested.items()
            for name, platform in PLATFORMS.items()
        }
        assert {name: {n for n, _ in pins} for name, pins in differences.items()} == {
            "linux-x64": set(),
            "windows-x64": {"msvc-runtime"},
            "macos-arm64": set(),
            "macos-x64": {"onnxruntime"},
        }

    def test_the_platforms_own_pin_goes_over_the_common_one(self, tmp_path):
        (tmp_path / "vision.txt").write_text("# all\ntiny==2.0  # new\nother==1.0\n")
        (tmp_path / "vision-macos-x64.txt").write_text("tiny==1.0\n")
        assert vendoring.pins_of(PLATFORMS["macos-x64"], tmp_path) == {
            "tiny": "1.0",
            "other": "1.0",
        }
