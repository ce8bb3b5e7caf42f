# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the runner is found, and what it says of itself."""

import sys
from pathlib import Path

import pytest

from blender_addon import runner
from blender_addon.runner import Runner


def test_version_of_a_python_without_the_packages(tmp_path):
    package = tmp_path / "inference"
    package.mkdir()
    (package / "__main__.py").write_text("import onnxruntime_of_nobody")
    with pytest.raises(runner.RunnerError, match="No module named 'onnxruntime_of_nobody'"):
        runner.runner_version(Runner(Path(sys.executable), tmp_path))


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
