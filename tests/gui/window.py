# SPDX-License-Identifier: GPL-3.0-or-later
"""A Blender in a window of its own, with a hand on its mouse and an eye on its picture.

Xvfb and Blender run in the small Debian (see debian.py), Blender without any network. The mouse
and the keys are X's own, so Blender cannot tell them from a person's; what is under the mouse,
and what came of it, Blender is asked through driver.py.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
import uuid
from pathlib import Path

import debian

HERE = Path(__file__).resolve().parent
WIDTH, HEIGHT = 1280, 1200
MARK = "MIEN_GUI_RUN"  # in the environment of all that a window starts, whoever starts it

START_SECONDS = 60.0
ANSWER_SECONDS = 30.0
POLL_SECONDS = 0.02
QUIT_SECONDS = 15.0

# Hovering over the sidebar: down each of these parts of its width, row by row.
LEFT, MIDDLE, RIGHT = 0.3, 0.6, 0.86
ROW_PIXELS = 14  # less than a button is high
HOVER = """
import subprocess
def steps():
    left, top, width, height = sidebar()
    def move(x, y):
        subprocess.Popen(["xdotool", "mousemove", str(x), str(y)])
    # What was under the mouse before must not be taken for what is there.
    move(left // 2, top + height // 2)
    for _ in range(100):
        yield 0.1
        if not under_the_mouse():
            break
    for column in {columns}:
        x = left + int(width * column)
        for y in range(max({below}, top) + 4, top + height, {row}):
            move(x, y)
            yield 0.04
            if {wanted!r} not in under_the_mouse():
                continue
            # On a busy machine Blender is behind: go back to where it was.
            for back in range(5):
                move(x, y - back * {row})
                yield 0.3
                if {wanted!r} in under_the_mouse():
                    return [x, y - back * {row}]
    return None
"""


class BlenderError(AssertionError):
    """What Blender was asked raised an error there, or Blender has gone."""


class Window:
    """One Blender and its screen. Use as a context: at its end nothing of it runs any more.

    `folder` is seen by Blender as `inside`: what both need lies there.
    """

    def __init__(self, root: Path, home: str | None = None) -> None:
        """Start both.

        Args:
            root: of the small Debian.
            home: the name of an earlier window's folder, to find its preferences, extensions and
                files again.
        """
        self._root = root
        self.mark = uuid.uuid4().hex[:12]
        self.name = home or self.mark
        self.inside = Path("/w") / self.name
        self.folder = root / "w" / self.name
        self.folder.mkdir(parents=True, exist_ok=True)
        self._number = 0
        shutil.copy2(HERE / "driver.py", self.folder)
        self._screen, self._display = self._start_screen()
        self._log = (self.folder / "blender.log").open("ab")
        try:
            self._blender = self._start_blender()
            self.run("None", START_SECONDS)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Window:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    # --- Asking ---------------------------------------------------------------------------------

    def run(self, source: str, seconds: float = ANSWER_SECONDS):
        """The answer to a question (see driver.py).

        Raises:
            BlenderError: an error there, or no answer within these seconds.
        """
        self._number += 1
        question, answer = self.folder / "question.json", self.folder / "answer.json"
        beside = question.with_suffix(".part")
        beside.write_text(json.dumps({"number": self._number, "source": source}))
        beside.replace(question)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if answer.exists():
                content = json.loads(answer.read_text())
                answer.unlink()
                if content["number"] == self._number:
                    if "error" in content:
                        raise BlenderError(content["error"])
                    return content["value"]
            if self._blender.poll() is not None:
                raise BlenderError(f"Blender has ended.\n{self.log()}")
            time.sleep(POLL_SECONDS)
        raise BlenderError(f"no answer in {seconds:.0f} s to: {source}\n{self.log()}")

    def wait(self, expression: str, seconds: float = ANSWER_SECONDS):
        """Ask again and again until the answer is true; gives the answer."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            answer = self.run(expression)
            if answer:
                return answer
            time.sleep(POLL_SECONDS)
        raise BlenderError(f"not within {seconds:.0f} s: {expression}\n{self.log()}")

    def log(self, characters: int = 3000) -> str:
        """The end of what Blender printed."""
        text = (self.folder / "blender.log").read_bytes().decode(errors="replace")
        return text[-characters:]

    # --- The hand -------------------------------------------------------------------------------

    def find(
        self, wanted: str, columns: tuple[float, ...] = (LEFT, RIGHT, MIDDLE), below: int = 0
    ) -> tuple[int, int] | None:
        """Where in the window a button or property of the sidebar is: hover over all of it, or
        over these columns below a height, until Blender says that these words are under the
        mouse. None if they are nowhere."""
        source = HOVER.format(wanted=wanted, columns=columns, below=below, row=ROW_PIXELS)
        found = self.run(source, seconds=90)
        return tuple(found) if found else None

    def click(self, wanted: str, **where) -> tuple[int, int]:
        """Click on a button or property of the sidebar; `where` as for `find`. Gives its place.

        Raises:
            BlenderError: it is nowhere.
        """
        place = self.find(wanted, **where)
        if place is None:
            raise BlenderError(f"nothing in the sidebar is {wanted}")
        self.click_at(*place)
        return place

    def write(self, wanted: str, text: str) -> None:
        """Click into a text field of the sidebar, and write into it in place of what is there."""
        self.click(wanted)
        self.xdotool("sleep", 0.2, "key", "ctrl+a", "type", "--delay", 8, text)
        self.xdotool("sleep", 0.1, "key", "Return")

    def click_at(self, x: int, y: int) -> None:
        # Blender wants to see the mouse come before it is pressed.
        self.xdotool("mousemove", x - 2, y, "sleep", 0.1, "mousemove", x, y, "sleep", 0.15)
        self.xdotool("mousedown", 1, "sleep", 0.1, "mouseup", 1)

    def press(self, *keys: str) -> None:
        """Press keys (X's names, such as Escape or ctrl+z) over the 3D view."""
        x, y, _, height = self.run("sidebar()")
        self.xdotool("mousemove", x // 2, y + height // 2, "sleep", 0.1, "key", *keys)

    def xdotool(self, *words) -> None:
        command = self._inside("xdotool", *map(str, words))
        subprocess.run(command, check=True, capture_output=True, timeout=30)

    # --- The eye --------------------------------------------------------------------------------

    def picture(self, path: Path, crop: tuple[int, int, int, int] | None = None) -> Path:
        """The screen as it is now, or a part of it (x, y, width, height), as a PNG."""
        command = self._inside("import", "-window", "root", str(self.inside / "picture.png"))
        if crop:
            x, y, width, height = crop
            command[-1:-1] = ["-crop", f"{width}x{height}+{x}+{y}", "+repage"]
        subprocess.run(command, check=True, capture_output=True, timeout=30)
        shutil.move(self.folder / "picture.png", path)
        return path

    # --- What runs ------------------------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        return self._blender.poll() is None

    def processes(self, words: str) -> list[int]:
        """The processes started by this window's Blender, or by what it started, whose command
        line holds these words."""
        found = []
        for process in Path("/proc").iterdir():
            if process.name.isdigit() and int(process.name) != os.getpid():
                try:
                    mine = f"{MARK}={self.mark}".encode() in (process / "environ").read_bytes()
                    command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                except OSError:
                    continue  # it has ended meanwhile
                if mine and words in command:
                    found.append(int(process.name))
        return found

    def memory_map(self, process: int) -> str:
        """What files a process has mapped, its libraries among them."""
        return Path(f"/proc/{process}/maps").read_text()

    def quit(self) -> int:
        """Quit Blender as its menu does; the exit code."""
        self.xdotool("mousemove", 300, 500, "sleep", 0.1, "key", "ctrl+q")
        return self._blender.wait(QUIT_SECONDS)

    def close(self) -> None:
        """End all that this window started, at once."""
        for process in self.processes(""):
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue
        for child in (getattr(self, "_blender", None), self._screen):
            if child is not None:
                child.kill()
                child.wait()
        self._log.close()

    def _start_screen(self) -> tuple[subprocess.Popen, str]:
        ours, theirs = os.pipe()
        command = debian.enter(self._root, "env", "-i", *self._variables(), "Xvfb")
        command += ["-displayfd", str(theirs), "-screen", "0", f"{WIDTH}x{HEIGHT}x24"]
        command += ["-nolisten", "tcp"]
        screen = subprocess.Popen(
            command, pass_fds=[theirs], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(theirs)
        with os.fdopen(ours) as answer:
            number = answer.readline().strip()
        if not number:
            raise BlenderError("Xvfb does not start")
        return screen, f":{number}"

    def _start_blender(self) -> subprocess.Popen:
        command = self._inside("blender", "--window-geometry", "0", "0", str(WIDTH), str(HEIGHT))
        command += ["--python", str(self.inside / "driver.py"), "--", str(self.inside)]
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log
        )

    def _inside(self, *command: str) -> list[str]:
        variables = [*self._variables(), f"DISPLAY={self._display}"]
        return debian.enter(self._root, "env", "-i", *variables, *command, offline=True)

    def _variables(self) -> list[str]:
        return [
            "PATH=/usr/bin:/bin",
            f"HOME={self.inside}",
            f"BLENDER_USER_RESOURCES={self.inside}/user",
            "LIBGL_ALWAYS_SOFTWARE=1",
            f"{MARK}={self.mark}",
        ]
