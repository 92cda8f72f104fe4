"""Where a Chromium is on this machine."""

import shutil
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def chromium() -> str | None:
    """Return its path; None where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


if __name__ == "__main__" and chromium() is None:
    sys.stderr.write(
        f"there is no Chromium here: none of {', '.join(NAMES)} is on the PATH (Debian: apt install chromium)\n"
    )
    sys.exit(1)
