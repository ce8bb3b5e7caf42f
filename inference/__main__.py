# SPDX-License-Identifier: GPL-3.0-or-later
"""Mien's runner: the command line. Exit codes are listed in inference/errors.py.

Commands and options are in inference/arguments.py. They load only within :func:`main`, which can so
say what is wrong with an installation that lacks a package.
"""

from __future__ import annotations

import sys
import traceback

from inference.errors import (
    INTERNAL_ERROR,
    INTERRUPTED,
    TERMINATED,
    InstallationError,
    RunnerError,
    Terminated,
)
from inference.events import Events, JsonEvents, end_with_parent, give_way, terminate_cleanly
from inference.packages import why_not

JSON_EVENTS = "--json-events"


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    wants_json_events = JSON_EVENTS in arguments
    events = JsonEvents() if wants_json_events else Events()
    try:
        from inference.arguments import build_parser
    except ImportError as error:
        events.error(why_not(error), InstallationError.exit_code)
        return InstallationError.exit_code
    options = build_parser().parse_args(arguments)
    terminate_cleanly()
    if wants_json_events:
        end_with_parent()
        give_way()
    try:
        options.run(options, events)
    except RunnerError as error:
        events.error(str(error), error.exit_code)
        return error.exit_code
    except KeyboardInterrupt:
        events.error("Interrupted.", INTERRUPTED)
        return INTERRUPTED
    except Terminated:
        events.error("Ended from outside.", TERMINATED)
        return TERMINATED
    except BrokenPipeError:
        return TERMINATED
    except Exception as error:
        traceback.print_exc()
        events.error(f"An error in Mien itself: {error!r}.", INTERNAL_ERROR)
        return INTERNAL_ERROR
    finally:
        events.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
