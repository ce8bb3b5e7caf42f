# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways a run can fail, each with the exit code it ends the process with.

A message is one sentence for the person who started the run: what is wrong and, where there is
one, what to do about it.

Exit codes
----------
0    done
1    an error in Mien itself; the traceback goes to stderr
2    a wrong command line
3    the input cannot be read (:class:`FootageError`, :class:`TakeError` while reading)
4    no face in the input (:class:`NoFaceError`)
5    something of the installation is missing or does not work: a package, the head, the network,
     the asked-for device (:class:`InstallationError`, :class:`NetworkError`)
6    the output cannot be written (:class:`OutputError`)
130  interrupted from the keyboard
143  ended by SIGTERM, or by the parent process closing standard input
"""

INTERNAL_ERROR = 1
USAGE_ERROR = 2
INTERRUPTED = 130
TERMINATED = 143


class RunnerError(Exception):
    """A failure with a sentence for the person and an exit code for the process."""

    exit_code = INTERNAL_ERROR


class UsageError(RunnerError):
    """The command line asks for something that makes no sense."""

    exit_code = USAGE_ERROR


class FootageError(RunnerError):
    """The picture, video or folder cannot be read."""

    exit_code = 3


class TakeError(RunnerError):
    """A file is not a take, or not one this version can read."""

    exit_code = 3


class NoFaceError(RunnerError):
    """The footage could be read but shows no face."""

    exit_code = 4


class InstallationError(RunnerError):
    """A part of Mien, or a package that it needs, is missing or does not work."""

    exit_code = 5


class NetworkError(InstallationError):
    """The network's file or the device to run it on is missing."""


class OutputError(RunnerError):
    """The result cannot be written where it was asked for."""

    exit_code = 6


class Terminated(BaseException):
    """Raised in the main thread on SIGTERM. No Exception, so that nothing swallows it."""
