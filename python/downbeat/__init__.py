"""downbeat, a periodic scheduler that replaces celery beat.

The package brings the program `downbeat`; `python -m downbeat` runs it as well.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("downbeat")
except PackageNotFoundError:
    # Imported from a source tree.
    __version__ = "unknown"
