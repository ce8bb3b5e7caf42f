# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m models render | train | curves | ablate | average | export | restore | evaluate | head-sheet`: one command line over the sub-packages.

Each verb's module is imported only when that verb is asked for, so that rendering does not wait
for torch and evaluating an ONNX file does not need it. A verb's module offers
`add_arguments(parser)` and `run(arguments) -> int | None` (the exit code; None means 0) and
raises `ValueError` or `OSError` with one clear sentence for input it cannot use.
"""

import argparse
import importlib
import sys

VERBS = {
    "render": ("models.synthesis.command", "make training pictures"),
    "train": ("models.training.command", "train the network on pools of pictures"),
    "curves": ("models.training.curves", "draw the logs of trainings"),
    "ablate": ("models.training.ablation", "measure what pictures and choices are worth"),
    "average": ("models.reconstruction.averaging", "the mean of two checkpoints' weights"),
    "export": ("models.reconstruction.command", "write the network as ONNX"),
    "restore": ("models.reconstruction.restoring", "make a checkpoint of exported files again"),
    "evaluate": ("models.evaluation.command", "measure the network"),
    "head-sheet": ("models.head_sheet", "draw people and expressions of the head model"),
}
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT, the shell's convention


def parse(arguments):
    """The verb's module and its parsed arguments for a list of command-line words."""
    parser = argparse.ArgumentParser(prog="python -m models", description=__doc__.split("\n")[0])
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="|".join(VERBS))
    asked = next((word for word in arguments if not word.startswith("-")), None)
    module = None
    for verb, (module_name, summary) in VERBS.items():
        verb_parser = verbs.add_parser(verb, help=summary, description=summary)
        if verb == asked:
            module = importlib.import_module(module_name)
            module.add_arguments(verb_parser)
    return module, parser.parse_args(arguments)


def main(arguments=None):
    """Run one verb; returns the process's exit code."""
    module, parsed = parse(sys.argv[1:] if arguments is None else arguments)
    try:
        return module.run(parsed) or 0
    except (ValueError, OSError, FloatingPointError) as error:
        print(f"models {parsed.verb}: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
