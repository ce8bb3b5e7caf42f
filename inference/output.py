# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from inference.errors import OutputError

FILE_MODE = 0o666
"""Of new files before the user's umask; temporary files are made readable by their owner only."""


def check_writable(path: Path) -> None:
    """Raise OutputError, before any work is done, where ``path`` could not be written."""
    if path.is_dir():
        raise OutputError(f"{path} is a folder, not a file to write to.")
    if not path.resolve().parent.is_dir():
        raise OutputError(f"There is no folder {path.resolve().parent} to write to.")
    if not os.access(path.resolve().parent, os.W_OK):
        raise OutputError(f"The folder {path.resolve().parent} cannot be written to.")


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A binary file that takes the place of ``path`` when the block ends without an error.

    Written beside it under a temporary name, which is removed when the block fails.

    Raises:
        OutputError: the file cannot be written.
    """
    temporary: Path | None = None
    try:
        with tempfile.NamedTemporaryFile(
            dir=path.resolve().parent, prefix=f".{path.name}.", delete=False
        ) as file:
            temporary = Path(file.name)
            yield file
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(FILE_MODE & ~umask)
        os.replace(temporary, path)
        temporary = None
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
