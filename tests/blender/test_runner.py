# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the runner is found, and what it sees of the machine."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from blender_addon import runner
from blender_addon.runner import Runner

REPOSITORY = Path(__file__).resolve().parents[2]
OWN = f"{sys.version_info[0]}.{sys.version_info[1]}"


class TestFindRunner:
    @pytest.fixture
    def addon(self, tmp_path, monkeypatch):
        """An add-on folder inside a checkout that has everything."""
        addon = tmp_path / "checkout" / "blender_addon"
        addon.mkdir(parents=True)
        for file in (".venv/bin/python", "inference/__main__.py"):
            (addon.parent / file).parent.mkdir(parents=True, exist_ok=True)
            (addon.parent / file).write_text("")
        monkeypatch.setattr(runner, "ADDON_FOLDER", addon)
        monkeypatch.delenv(runner.PYTHON_VARIABLE, raising=False)
        return addon

    @pytest.fixture
    def bundled(self, addon):
        """The folder of packages of an installed extension."""
        (addon / "runner/inference").mkdir(parents=True)
        (addon / "runner/inference/__main__.py").write_text("")
        packages = addon / "runner/packages"
        for name in ("cp37", f"cp{OWN.replace('.', '')}", "shared"):
            (packages / name).mkdir(parents=True)
        (packages / "packages.json").write_text(json.dumps({"pythons": ["3.7", OWN]}))
        return packages

    def test_a_checkout_needs_no_setting(self, addon):
        found = runner.find_runner()
        assert found == Runner(addon.parent / ".venv/bin/python", addon.parent)

    def test_the_code_inside_the_extension_comes_first(self, addon):
        (addon / "runner/inference").mkdir(parents=True)
        (addon / "runner/inference/__main__.py").write_text("")
        assert runner.find_runner().folder == addon / "runner"

    def test_the_preference_beats_the_variable(self, addon, tmp_path, monkeypatch):
        preferred, named = tmp_path / "preferred", tmp_path / "named"
        preferred.write_text("")
        named.write_text("")
        monkeypatch.setenv(runner.PYTHON_VARIABLE, str(named))
        assert runner.find_runner(str(preferred)).python == preferred
        assert runner.find_runner().python == named

    def test_says_what_is_missing(self, addon, tmp_path, monkeypatch):
        with pytest.raises(runner.RunnerError, match="preferences name"):
            runner.find_runner(str(tmp_path / "nothing"))
        monkeypatch.setenv(runner.PYTHON_VARIABLE, str(tmp_path / "nothing"))
        with pytest.raises(runner.RunnerError, match="MIEN_PYTHON"):
            runner.find_runner()
        monkeypatch.delenv(runner.PYTHON_VARIABLE)
        (addon.parent / ".venv/bin/python").unlink()
        with pytest.raises(runner.RunnerError, match="name it in the add-on's preferences"):
            runner.find_runner()

    def test_what_came_in_the_extension_needs_no_setting(self, bundled, monkeypatch):
        found = runner.find_runner()
        assert found.is_bundled and found.python == Path(sys.executable)
        assert found.packages == (bundled / f"cp{OWN.replace('.', '')}", bundled / "shared")
        monkeypatch.setenv(runner.PYTHON_VARIABLE, sys.executable)
        assert not runner.find_runner().is_bundled

    def test_packages_for_another_python_are_said(self, bundled):
        (bundled / "packages.json").write_text(json.dumps({"pythons": ["3.7", "3.8"]}))
        words = f"packages for Python 3.7 and 3.8, and this Blender has Python {OWN}"
        with pytest.raises(runner.RunnerError, match=words):
            runner.find_runner()

    @pytest.mark.parametrize("text", ["", "[]", "{}"])
    def test_a_damaged_index_is_said(self, bundled, text):
        (bundled / "packages.json").write_text(text)
        with pytest.raises(runner.RunnerError, match="incomplete: install it again"):
            runner.find_runner()

    def test_blender_as_sys_executable_is_not_run(self, bundled, tmp_path, monkeypatch):
        program = tmp_path / "python" / "bin" / f"python{OWN}"
        program.parent.mkdir(parents=True)
        program.write_text("")
        (tmp_path / "blender").write_text("")
        monkeypatch.setattr(sys, "executable", str(tmp_path / "blender"))
        monkeypatch.setattr(sys, "exec_prefix", str(tmp_path / "python"))
        assert runner.find_runner().python == program
        program.unlink()
        monkeypatch.setattr(sys, "base_exec_prefix", str(tmp_path / "python"))
        with pytest.raises(runner.RunnerError, match="without its Python program"):
            runner.find_runner()


def test_the_bundled_runner_sees_nothing_but_its_own(tmp_path, monkeypatch):
    """Neither Blender's packages, nor the user's, nor what the environment adds."""
    (tmp_path / "inference").mkdir()
    (tmp_path / "inference/__main__.py").write_text("import json, sys; print(json.dumps(sys.path))")
    packages = (tmp_path / "cp311", tmp_path / "shared")
    for folder in (*packages, tmp_path / "elsewhere"):
        folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    its = Runner(Path(sys.executable), tmp_path, packages)
    answer = subprocess.run(its.command(), capture_output=True, check=True, **its.settings())
    path = [Path(place) for place in json.loads(answer.stdout)]
    own = [place for place in path if tmp_path in (place, *place.parents)]
    assert list(dict.fromkeys(own)) == [tmp_path, *packages]
    others = {str(place) for place in path if place not in own}
    assert others and not [p for p in others if "site-packages" in p or "dist-packages" in p]
    assert not list(tmp_path.rglob("__pycache__"))


def test_on_windows_the_runner_is_told_of_blenders_python3_dll(tmp_path, monkeypatch):
    home = tmp_path / "Blender 4.5/4.5/python"
    (home / "bin").mkdir(parents=True)
    library = tmp_path / "Blender 4.5/python3.dll"
    bundled = Runner(home / "bin/python.exe", tmp_path, (tmp_path,))
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(sys, "exec_prefix", str(home))
    monkeypatch.setattr(subprocess, "CREATE_NO_WINDOW", 0, raising=False)
    assert runner.LIBRARY_VARIABLE not in bundled.settings()["env"]
    library.write_text("")
    assert bundled.settings()["env"][runner.LIBRARY_VARIABLE] == str(library)
    other = Runner(bundled.python, tmp_path)
    assert runner.LIBRARY_VARIABLE not in other.settings()["env"]
    (home / "bin/python3.dll").write_text("")
    assert runner.LIBRARY_VARIABLE not in bundled.settings()["env"]


def test_the_runner_loads_what_it_is_told_of(tmp_path):
    """Before any package; a library that is none stands in, and is named."""
    library = tmp_path / "python3.dll"
    library.write_text("no library")
    code = "import inference"
    answer = subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        env={**os.environ, runner.LIBRARY_VARIABLE: str(library)},
        capture_output=True,
        text=True,
    )
    assert answer.returncode and str(library) in answer.stderr
