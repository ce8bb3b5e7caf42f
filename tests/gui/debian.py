# SPDX-License-Identifier: GPL-3.0-or-later
"""A small Debian with a real Blender in a folder, to be entered by chroot: standard library only.

    python tests/gui/debian.py FOLDER

Debian 13 carries Blender 4.3 with Python 3.13, an X server without a screen (Xvfb), and xdotool,
which moves the mouse and presses keys as X itself knows them. Takes about a minute, 0.3 GB of
download and 1.4 GB of disk; what is there already is kept.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

SUITE = "trixie"
PACKAGES = (
    "blender",
    "imagemagick",  # `import` takes the pictures: Blender's own screenshots come out black here
    "libegl1",
    "libgl1-mesa-dri",  # draws without a GPU
    "libglx-mesa0",
    "python3-numpy",  # which Debian's Blender only recommends
    "xdotool",
    "xvfb",
)
LAST_LINES = 20  # of a failed step's words
STAMP_NAME = "mien-debian.json"
APT_SETTINGS = Path("/etc/apt/apt.conf.d")

# Nothing of this machine is ever mounted where it could be seen from outside: /proc and /sys come
# in a mount namespace that ends with the command, so that the folder can be deleted at any time.
ENTER = (
    'mount -t proc proc "$0/proc" && mount -t sysfs -o ro sysfs "$0/sys" && exec chroot "$0" "$@"'
)


class CannotSetUp(Exception):
    """The machine cannot hold the small Debian. The last line says what it takes."""


def enter(folder: Path, *command: str, offline: bool = False) -> list[str]:
    """The command line that runs a command inside; without any network, if asked."""
    namespaces = ["--mount", *(["--net"] if offline else [])]
    return ["unshare", *namespaces, "sh", "-c", ENTER, str(folder), *command]


def is_ready(folder: Path) -> bool:
    """Whether the folder holds all that is asked for today."""
    try:
        return json.loads((folder / STAMP_NAME).read_text(encoding="utf-8")) == _stamp()
    except (OSError, ValueError):
        return False


def set_up(folder: Path) -> None:
    """Make the small Debian, unless it is there.

    Raises:
        CannotSetUp: this is no machine for it, or a step failed.
    """
    if is_ready(folder):
        print(f"{folder} is ready", flush=True)
        return
    _check_machine()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    if not shutil.which("debootstrap", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"):
        _run(["apt-get", "update", "-qq"], quiet)
        _run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "debootstrap"], quiet)
    print(f"laying out Debian {SUITE} in {folder}", flush=True)
    _run(["debootstrap", "--variant=minbase", SUITE, str(folder)], quiet)
    shutil.copy2("/etc/resolv.conf", folder / "etc/resolv.conf")
    for settings in APT_SETTINGS.glob("9*"):  # what this machine's apt was told about its network
        shutil.copy2(settings, folder / APT_SETTINGS.relative_to("/"))
    print(f"installing {', '.join(PACKAGES)}", flush=True)
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES]
    for step in (["apt-get", "update", "-qq"], install, ["apt-get", "clean"]):
        _run(enter(folder, *step), quiet)
    (folder / STAMP_NAME).write_text(json.dumps(_stamp()), encoding="utf-8")


def _stamp() -> dict:
    return {"suite": SUITE, "packages": list(PACKAGES)}


def _check_machine() -> None:
    wanted = "The tests in a real window need Debian or Ubuntu on x86-64, and to be run as root"
    if sys.platform != "linux" or platform.machine() != "x86_64" or not shutil.which("apt-get"):
        raise CannotSetUp(f"{wanted}: this is {platform.platform(terse=True)}.")
    if os.geteuid() != 0:
        raise CannotSetUp(f"{wanted}: this is user {os.geteuid()}.")
    if subprocess.run(["unshare", "--mount", "--net", "true"], capture_output=True).returncode:
        raise CannotSetUp(f"{wanted}, with the right to make namespaces: unshare is refused here.")


def _run(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode:
        words = "\n".join(done.stdout.splitlines()[-LAST_LINES:])
        raise CannotSetUp(f"{words}\nThis command failed: {' '.join(command)}")


def main() -> int:
    [folder] = sys.argv[1:]
    try:
        set_up(Path(folder).absolute())
    except CannotSetUp as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
