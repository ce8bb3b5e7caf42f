# SPDX-License-Identifier: GPL-3.0-or-later
"""What the runner says of itself, played by small programs that stand in for it."""

import sys
import textwrap
import time
from pathlib import Path

import pytest

from blender_addon.check import Check
from blender_addon.runner import Runner, RunnerError

DEADLINE = 20.0

RESULT = {
    "event": "result",
    "mien": "1.2.3",
    "python": "3.11.9",
    "device": "cpu",
    "devices": ["cpu", "cuda"],
    "packages": {"numpy": "2.4.6"},
    "network_ms": 12.5,
    "seconds": 4.0,
}


def wait_for(file: Path) -> None:
    end = time.monotonic() + DEADLINE
    while not file.exists():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def check(tmp_path):
    """Starts a check of a runner that consists of these lines of Python."""

    def start(code, **settings):
        package = tmp_path / "inference"
        package.mkdir()
        (package / "__main__.py").write_text("import json, sys\n" + textwrap.dedent(code))
        return Check(Runner(Path(sys.executable), tmp_path), **settings)

    return start


def test_what_it_finds(check):
    found = check(f"""
        assert sys.argv[1:] == ["check", "--json-events"]
        print(json.dumps({{"event": "progress", "stage": "track", "done": 1, "total": 2}}))
        print(json.dumps({RESULT!r}))
    """).wait()
    assert (found.mien, found.python, found.device) == ("1.2.3", "3.11.9", "cpu")
    assert found.devices == ("cpu", "cuda") and found.packages == {"numpy": "2.4.6"}
    assert (found.network_ms, found.seconds) == (12.5, 4.0)


def test_what_is_wrong_in_the_runners_words(check):
    running = check("""
        print(json.dumps({"event": "error", "message": "No network.", "exit_code": 5}))
        sys.exit(5)
    """)
    with pytest.raises(RunnerError, match="^No network.$"):
        running.wait()


def test_a_python_without_the_packages(check):
    with pytest.raises(RunnerError, match="No module named 'onnxruntime_of_nobody'"):
        check("import onnxruntime_of_nobody").wait()


def test_another_versions_answer(check):
    with pytest.raises(RunnerError, match="of another version than the add-on"):
        check("print(json.dumps({'event': 'result', 'mien': '0.0.1'}))").wait()


def test_no_answer_yet_and_none_in_time(check):
    running = check("import time; time.sleep(60)", timeout=1.0)
    assert running.poll() is None
    with pytest.raises(RunnerError, match="gave no answer in 1 s"):
        running.wait()


def test_it_ends_when_told(check, tmp_path):
    running = check("""
        open("started", "w").close()
        sys.stdin.read()
    """)
    wait_for(tmp_path / "started")
    running.end()
    end = time.monotonic() + DEADLINE
    while running._job._process.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_python_that_is_none(tmp_path):
    file = tmp_path / "python"
    file.write_text("no program")
    with pytest.raises(RunnerError, match="does not start"):
        Check(Runner(file, tmp_path)).wait()
