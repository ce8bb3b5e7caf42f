# SPDX-License-Identifier: GPL-3.0-or-later
import io
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from inference.errors import TERMINATED
from inference.events import Events, JsonEvents


def test_json_events_are_one_object_a_line():
    output = io.StringIO()
    events = JsonEvents(output)
    events.progress("track", 1, None)
    events.progress("track", 2, None)  # too soon after the first to be worth a line
    events.progress("track", 3, 3)
    events.warning("Dark.")
    events.result("done", take="a.npz")
    events.error("Bad.", 3)
    assert [json.loads(line) for line in output.getvalue().splitlines()] == [
        {"event": "progress", "stage": "track", "done": 1, "total": None},
        {"event": "progress", "stage": "track", "done": 3, "total": 3},
        {"event": "warning", "message": "Dark."},
        {"event": "result", "take": "a.npz"},
        {"event": "error", "message": "Bad.", "exit_code": 3},
    ]


def test_a_person_reads_the_result_on_stdout_and_the_rest_on_stderr():
    output, log = io.StringIO(), io.StringIO()
    events = Events(output, log)
    events.progress("track", 5, 10)
    events.warning("Dark.")
    events.result("a.npz: a face in 10 of 10 frames")
    assert output.getvalue() == "a.npz: a face in 10 of 10 frames\n"
    assert "track" in log.getvalue() and "warning: Dark." in log.getvalue()


# Jobs that a shell starts in the background ignore Ctrl+C and pass that on to what they start.
LONG_RUN = """
import signal, sys, time
import inference.__main__ as program
import inference.commands
signal.signal(signal.SIGINT, signal.default_int_handler)
def wait(options, events):
    try:
        events.progress("wait", 0, None)
        while True:
            time.sleep(0.02)
    finally:
        open(sys.argv[1], "w").write("cleaned up")
inference.commands.run_capture = wait
sys.exit(program.main(["capture", "clip", "-o", "take", *sys.argv[2:]]))
"""


@pytest.fixture
def long_run(tmp_path):
    """A run of the program that works for ever, its stdin a pipe; and where it notes its end."""
    processes = []

    def start(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-c", LONG_RUN, str(tmp_path / "end"), *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        processes.append(process)
        if "--json-events" in arguments:
            process.stdout.readline()  # it is at work
        else:
            time.sleep(1.5)
        return process, tmp_path / "end"

    yield start
    for process in processes:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            stream.close()


def test_closed_stdin_ends_a_run_that_reports_to_a_program(long_run):
    process, end = long_run("--json-events")
    output, errors = process.communicate(timeout=20)  # closes stdin
    assert process.returncode == TERMINATED
    assert json.loads(output.splitlines()[-1])["event"] == "error"
    assert end.read_text() == "cleaned up" and errors == ""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM to catch")
def test_sigterm_ends_a_run_cleanly(long_run):
    process, end = long_run("--json-events")
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == TERMINATED
    assert end.read_text() == "cleaned up"


def test_ctrl_c_ends_a_run_cleanly(long_run):
    process, end = long_run("--json-events")
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 130
    assert end.read_text() == "cleaned up"


def test_stdin_means_nothing_to_a_run_that_reports_to_a_person(long_run):
    process, _ = long_run()
    process.stdin.close()
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=1)


@pytest.mark.skipif(not hasattr(os, "nice"), reason="priorities of POSIX")
def test_gives_way_once_however_often_it_is_told():
    program = "import os; from inference.events import give_way as g; g(); g(); print(os.nice(0))"
    before = max(os.nice(0), 5)
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert int(said.stdout) == before
