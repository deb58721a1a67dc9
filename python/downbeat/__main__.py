"""Runs the program that came with this package, in place of Python."""

import os
import sys
from importlib import metadata


def candidates():
    """Where an installer may have put the program, the likeliest first."""
    try:
        files = metadata.files("downbeat") or []
    except metadata.PackageNotFoundError:
        files = []
    recorded = [os.path.realpath(file.locate()) for file in files if file.match("bin/downbeat")]
    # `pip install --target` moves it after it has recorded it.
    package = os.path.dirname(os.path.realpath(__file__))
    return [*recorded, os.path.join(os.path.dirname(package), "bin", "downbeat")]


def main():
    paths = candidates()
    program = next((path for path in paths if os.path.isfile(path)), None)
    if program is None:
        sys.exit(
            f"downbeat: the program is missing, it should be {' or '.join(paths)}; "
            "install it again: pip install --force-reinstall downbeat"
        )
    try:
        os.execv(program, [program, *sys.argv[1:]])
    except OSError as error:
        sys.exit(f"downbeat: {program} cannot be run: {error.strerror}")


if __name__ == "__main__":
    main()
