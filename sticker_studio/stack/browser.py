"""Chrome or Chromium with its driver: found, or installed where that is possible."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

BROWSERS: Final = ("google-chrome", "google-chrome-stable", "chromium", "chromium-browser", "chrome")
PACKAGES: Final = ("chromium", "chromium-driver")


def on_path(which: Callable[[str], str | None] = shutil.which) -> tuple[str, str] | None:
    """Browser and driver, when both are on the PATH."""
    browser = next(filter(None, map(which, BROWSERS)), None)
    driver = which("chromedriver")
    return (browser, driver) if browser and driver else None


def ensure(say: Callable[[str], None]) -> str:
    """Say, and return, which browser the harvest will drive. Installs Debian's packages when root on Debian or Ubuntu."""
    found = on_path()
    if not found and os.geteuid() == 0 and shutil.which("apt-get") and _debian_like():
        say(f"no browser with its driver on the PATH: installing {' '.join(PACKAGES)}")
        _install()
        found = on_path()
    if found:
        return f"{found[0]} with {found[1]} (on the PATH)"
    return "none on the PATH: Selenium Manager fetches Chrome and its driver at the first harvest (needs the network)"


def _debian_like() -> bool:
    release = Path("/etc/os-release")
    return release.exists() and any(word in release.read_text().lower() for word in ("id=debian", "id=ubuntu", "debian"))


def _install() -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES]):
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, check=False)
