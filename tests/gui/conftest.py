# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests in a real Blender window: `python build.py test --gui`, which sets MIEN_GUI to the folder
of the small Debian (see debian.py) and MIEN_PACKAGE to the zip. Without it there are none here."""

import os
import shutil
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

collect_ignore_glob = [] if "MIEN_GUI" in os.environ else ["test_*.py"]

INSTALL_SECONDS = 180.0  # it unpacks half a gigabyte
DRAWING_SECONDS = 1.5  # without a GPU
PICTURES = Path(__file__).resolve().parents[2] / "out/gui"


@pytest.fixture(scope="session")
def debian_root() -> Path:
    """The small Debian."""
    return Path(os.environ["MIEN_GUI"])


@pytest.fixture(scope="session")
def home(debian_root):
    """The name of an empty home for Blender, which all tests share: the extension is installed
    into it once."""
    name = f"home-{os.getpid()}"
    yield name
    shutil.rmtree(debian_root / "w" / name, ignore_errors=True)


@pytest.fixture(scope="session")
def installed(debian_root, home) -> str:
    """The home with the extension in it, as Blender's window has installed it."""
    from window import Window

    with Window(debian_root, home) as window:
        shutil.copy(os.environ["MIEN_PACKAGE"], window.folder / "mien.zip")
        install = f"""
with over():
    bpy.ops.extensions.package_install_files(
        filepath="{window.inside}/mien.zip", repo="user_default", enable_on_install=True
    )
assert MODULE in bpy.context.preferences.addons
"""
        window.run(install, INSTALL_SECONDS)
        (window.folder / "mien.zip").unlink()
        assert window.quit() == 0
    return home


@pytest.fixture(scope="session")
def long_clip(tmp_path_factory, carphone) -> Path:
    """The clip twenty times over, for captures that are still at work when something happens."""
    import av

    path = tmp_path_factory.mktemp("footage") / "long.mp4"
    with av.open(str(carphone)) as clip:
        pictures = [frame.to_ndarray(format="rgb24") for frame in clip.decode(video=0)]
    with av.open(str(path), "w") as output:
        stream = output.add_stream("mpeg4", rate=30, bit_rate=2_000_000)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for picture in pictures * 20:
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(stream.encode())
    return path


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Lets the fixtures of a test know that it has failed."""
    report = yield
    item.has_failed = report.failed
    return report


@pytest.fixture
def window(request, debian_root, installed, carphone, long_clip, astronaut):
    """A Blender with the extension, the panel's tab open, and footage in its folder."""
    from window import Window

    with Window(debian_root, installed) as blender:
        footage = blender.folder / "footage"
        shutil.rmtree(footage, ignore_errors=True)
        footage.mkdir()
        shutil.copy(carphone, footage / "clip.mp4")
        shutil.copy(long_clip, footage)
        shutil.copy(astronaut, footage / "portrait.png")
        blender.run("""
def steps():
    window, view, ui, drawing = parts()
    view.spaces.active.show_region_ui = True
    yield 0.3
    ui.active_panel_category = "Mien"
    view.tag_redraw()
    yield 0.3
""")
        yield blender
        if request.node.has_failed and blender.is_running:
            PICTURES.mkdir(parents=True, exist_ok=True)
            blender.picture(PICTURES / f"failed-{request.node.name}.png")


@pytest.fixture(scope="session")
def pictures():
    """Keeps a window's picture, for the documentation and for whoever has to find an error."""

    def keep(blender, name: str) -> None:
        PICTURES.mkdir(parents=True, exist_ok=True)
        time.sleep(DRAWING_SECONDS)
        blender.picture(PICTURES / f"{name}.png")

    return keep
