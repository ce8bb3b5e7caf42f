# SPDX-License-Identifier: GPL-3.0-or-later
"""The line of captures: one runs, the others wait, and all can be stopped."""

import sys
import textwrap
import time
from pathlib import Path

import pytest

from blender_addon.captures import Captures, Request, is_last
from blender_addon.job import Cancelled, Failed, Finished, Progress
from blender_addon.runner import Runner

DEADLINE = 20.0

PROGRAM = """
    import json, pathlib, sys, time
    output, wish = sys.argv[2], sys.argv[1]
    def say(**event): print(json.dumps(event), flush=True)
    say(event="progress", stage="track", done=1, total=2)
    if wish == "long":
        sys.stdin.read()
        sys.exit(143)
    if wish == "crash":
        sys.exit(9)
    while wish == "held" and not pathlib.Path(output + ".go").exists():
        time.sleep(0.01)
    pathlib.Path(output).write_text(wish)
    say(event="result")
"""


@pytest.fixture
def ask(tmp_path):
    """Put a request in the line of `captures`: what it does, and what it writes."""
    package = tmp_path / "inference"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text(textwrap.dedent(PROGRAM))

    def ask(captures: Captures, wish: str, output: str, python: str = sys.executable) -> Request:
        path = tmp_path / output
        runner = Runner(Path(python), tmp_path)
        request = Request(output, runner, (wish, str(path)), path)
        captures.ask(request)
        return request

    return ask


@pytest.fixture
def captures():
    line = Captures()
    yield line
    line.cancel_all()


def follow(captures: Captures, until=lambda request, message: False) -> list:
    """All that is heard until the line is idle, or until something is heard."""
    heard, end = [], time.monotonic() + DEADLINE
    while not captures.is_idle:
        assert time.monotonic() < end, heard
        for request, message in captures.poll():
            heard.append((request.title, message))
            if until(request, message):
                return heard
        time.sleep(0.01)
    return heard


def endings(heard: list) -> list[tuple[str, type]]:
    return [(title, type(message)) for title, message in heard if is_last(message)]


def test_one_after_the_other(captures, ask, tmp_path):
    ask(captures, "held", "a")
    ask(captures, "second", "b")
    heard = follow(captures, until=lambda request, message: isinstance(message, Progress))
    assert (captures.title, captures.waiting) == ("a", ("b",))
    (tmp_path / "a.go").touch()
    heard += follow(captures)
    assert endings(heard) == [("a", Finished), ("b", Finished)]
    assert (tmp_path / "a").read_text() == "held" and (tmp_path / "b").read_text() == "second"
    assert captures.job is None and captures.title == "" and captures.poll() == []


def test_one_that_fails_or_is_cancelled_does_not_stop_the_next(captures, ask):
    ask(captures, "crash", "a")
    ask(captures, "nothing", "b", python="/nowhere/python")
    ask(captures, "long", "c")
    ask(captures, "last", "d")

    def runs_long(request, message):
        return request.title == "c" and isinstance(message, Progress)

    heard = follow(captures, until=runs_long)
    captures.cancel()
    heard += follow(captures)
    assert endings(heard) == [("a", Failed), ("b", Failed), ("c", Cancelled), ("d", Finished)]


def test_what_waits_can_be_withdrawn(captures, ask, tmp_path):
    for name in "abc":
        ask(captures, "work", name)
    follow(captures, until=lambda request, message: True)
    captures.withdraw(0)
    assert captures.waiting == ("c",)
    with pytest.raises(IndexError):
        captures.withdraw(1)
    follow(captures)
    assert not (tmp_path / "b").exists() and (tmp_path / "c").exists()


def test_two_never_write_the_same_file(captures, ask):
    ask(captures, "long", "a")
    with pytest.raises(ValueError, match="a is being written already"):
        ask(captures, "again", "a")
    captures.poll()
    with pytest.raises(ValueError):
        ask(captures, "again", "a")
    captures.cancel()
    follow(captures)
    ask(captures, "again", "a")
    assert endings(follow(captures)) == [("a", Finished)]


def test_cancel_all_leaves_nothing_to_follow(captures, ask):
    ask(captures, "long", "a")
    ask(captures, "long", "b")
    captures.poll()
    job = captures.job
    captures.cancel_all()
    assert captures.is_idle and captures.poll() == []
    end = time.monotonic() + DEADLINE
    while not job.is_over:
        assert time.monotonic() < end
        job.poll()
        time.sleep(0.01)
