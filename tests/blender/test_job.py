# SPDX-License-Identifier: GPL-3.0-or-later
"""The capture process, played by small programs that stand in for the runner."""

import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from blender_addon.job import Cancelled, Failed, Finished, Job, Notice, Progress
from blender_addon.runner import ADDON_FOLDER, Runner

DEADLINE = 20.0

WRITES = """
    with open(take, "w") as file:
        file.write("written")
    say(event="result", path=take)
"""


@pytest.fixture
def play(tmp_path):
    """Start a job whose runner is the given program; `take` and `say` are at its hand."""
    jobs = []

    def start(program: str, digest=None) -> Job:
        package = tmp_path / "inference"
        package.mkdir()
        (package / "__init__.py").write_text("")
        preamble = (
            "import json, os, sys, time\n"
            "take = sys.argv[sys.argv.index('-o') + 1]\n"
            "def say(**event): print(json.dumps(event), flush=True)\n"
        )
        (package / "__main__.py").write_text(preamble + textwrap.dedent(program))
        runner = Runner(Path(sys.executable), tmp_path)
        take = tmp_path / "clip.mien.npz"
        arguments = ["capture", str(tmp_path / "clip.mp4"), "-o", str(take)]
        jobs.append(Job(runner, arguments, take, digest))
        return jobs[-1]

    yield start
    for started in jobs:
        started.cancel()
        messages(started)


def messages(running: Job) -> list:
    """Everything a job says until it is over."""
    heard = []
    end = time.monotonic() + DEADLINE
    while not running.is_over:
        assert time.monotonic() < end, f"no end after {heard}"
        heard += running.poll()
        time.sleep(0.01)
    return heard


def wait_for_progress(running: Job) -> None:
    end = time.monotonic() + DEADLINE
    while running.progress.stage != "track":
        running.poll()
        assert time.monotonic() < end
        time.sleep(0.01)


def test_tells_what_happened_in_order(play, tmp_path):
    running = play("""
        say(event="progress", stage="track", done=40, total=120)
        say(event="warning", message="dark")
        say(event="progress", stage="solve", done=3, total=None)
        open(take, "w").close()
        say(event="result", path=take)
    """)
    heard = messages(running)
    take = tmp_path / "clip.mien.npz"
    assert heard == [
        Progress("track", 40, 120),
        Notice("dark"),
        Progress("solve", 3, 0),
        Finished(take, {"event": "result", "path": str(take)}),
    ]
    assert heard[0].share == pytest.approx(1 / 3)
    assert running.poll() == []


def test_passes_the_command_line_of_the_design(play, tmp_path):
    running = play("""
        say(event="error", message=" ".join(sys.argv[1:]))
        sys.exit(3)
    """)
    [failed] = messages(running)
    assert failed.message == (
        f"capture {tmp_path / 'clip.mp4'} -o {tmp_path / 'clip.mien.npz'} --json-events"
    )


def test_an_error_event_is_the_message(play):
    running = play("""
        print("Traceback of something", file=sys.stderr)
        say(event="error", message="No face was found in clip.mp4.", exit_code=3)
        sys.exit(3)
    """)
    [failed] = messages(running)
    assert failed.message == "No face was found in clip.mp4."
    assert "Traceback of something" in failed.report


def test_a_crash_is_reported_with_its_last_words(play):
    running = play("""
        say(event="progress", stage="track", done=1, total=2)
        raise MemoryError("no room")
    """)
    heard = messages(running)
    assert isinstance(heard[-1], Failed)
    assert "exit code 1" in heard[-1].message and "MemoryError: no room" in heard[-1].message
    assert "Traceback" in heard[-1].report


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_killed_process_is_a_failure(play):
    running = play("import signal; os.kill(os.getpid(), signal.SIGKILL)")
    [failed] = messages(running)
    assert isinstance(failed, Failed)


def test_garbage_on_stdout_does_not_stop_the_job(play):
    running = play(r"""
        print("Hello from some library")
        sys.stdout.buffer.write(b"\xff\xfe\x00 not text\n")
        print('{"event": "progress"}')
        print('[1, 2]')
        print('{"event": "dance"}', flush=True)
        say(event="progress", stage="track", done=1, total=1)
        open(take, "w").close()
        say(event="result", path=take)
    """)
    [progress, finished] = messages(running)
    assert progress == Progress("track", 1, 1) and isinstance(finished, Finished)


def test_the_output_is_read_by_the_job(play):
    """So that Blender need not wait for the disk, nor for the archive to be unpacked."""
    running = play(WRITES, digest=lambda path: path.read_text() + threading.current_thread().name)
    assert messages(running)[-1].value == "written" + "mien-events"


def test_an_output_that_cannot_be_read_is_a_failure(play):
    def refuse(path: Path):
        raise ValueError(f"{path.name} is no take.")

    assert messages(play(WRITES, digest=refuse))[-1].message == "clip.mien.npz is no take."


def test_tells_how_long_a_stage_will_take(play, monkeypatch):
    monkeypatch.setattr("blender_addon.job.SETTLING_SECONDS", 0.1)
    running = play("""
        for done in (0, 1, 20, 40):
            say(event="progress", stage="track", done=done, total=120)
            time.sleep(0.25)
        say(event="progress", stage="solve", done=5, total=10)
    """)
    *progress, solve, _ = messages(running)
    assert [p.seconds_left is not None for p in progress] == [False, True, True, True]
    # A third was done in three quarters of a second.
    assert progress[-1].seconds_left == pytest.approx(1.5, rel=0.5)
    assert solve.seconds_left is None


def test_a_result_may_be_all_there_is(tmp_path):
    package = tmp_path / "inference"
    package.mkdir()
    (package / "__main__.py").write_text('print(\'{"event": "result", "python": "3.11"}\')')
    [finished] = messages(Job(Runner(Path(sys.executable), tmp_path), ["check"]))
    assert finished.output is None and finished.result["python"] == "3.11"


def test_success_without_a_take_is_a_failure(play):
    assert isinstance(messages(play("say(event='result', path=take)"))[-1], Failed)


def test_success_without_a_result_is_a_failure(play):
    assert isinstance(messages(play("open(take, 'w').close()"))[-1], Failed)


def test_cancel_ends_a_willing_process(play):
    running = play("""
        say(event="progress", stage="track", done=1, total=100)
        sys.stdin.read()
    """)
    wait_for_progress(running)
    start = time.monotonic()
    running.cancel()
    assert time.monotonic() - start < 0.2
    assert messages(running) == [Cancelled()]
    running.cancel()


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_cancel_kills_an_unwilling_process(play, monkeypatch):
    monkeypatch.setattr("blender_addon.job.GRACE_SECONDS", 0.3)
    running = play("""
        import signal
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        say(event="progress", stage="track", done=1, total=100)
        time.sleep(60)
    """)
    wait_for_progress(running)
    running.cancel()
    assert messages(running) == [Cancelled()]


def test_the_process_dies_with_its_parent(tmp_path):
    """A Blender that is gone closes the pipe, which the runner takes as the end."""
    package = tmp_path / "inference"
    package.mkdir()
    (package / "__init__.py").write_text("")
    note = tmp_path / "ended"
    (package / "__main__.py").write_text(
        f"import sys\nsys.stdin.read()\nopen({str(note)!r}, 'w').close()\n"
    )
    parent = textwrap.dedent(f"""
        import os, sys, time
        sys.path.insert(0, {str(ADDON_FOLDER.parent)!r})
        from pathlib import Path
        from blender_addon.job import Job
        from blender_addon.runner import Runner
        Job(Runner(Path(sys.executable), Path({str(tmp_path)!r})), ["capture"], Path("take"))
        time.sleep(0.5)
        os._exit(1)
    """)
    subprocess.run([sys.executable, "-c", parent], check=False, timeout=DEADLINE)
    end = time.monotonic() + DEADLINE
    while not note.exists():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_blenders_own_python_paths_do_not_leak(play, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/blender/scripts")
    running = play("""
        say(event="error", message=os.environ["PYTHONPATH"])
        sys.exit(1)
    """)
    [failed] = messages(running)
    assert "/blender/scripts" not in failed.message


def test_a_python_that_is_none(tmp_path):
    file = tmp_path / "python"
    file.write_text("no program")
    [failed] = messages(Job(Runner(file, tmp_path), ["capture"], tmp_path / "b"))
    assert "does not start" in failed.message
