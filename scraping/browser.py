"""The browser: the only place that imports Selenium."""

import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from urllib3.exceptions import HTTPError

from sticker_studio.errors import FetchFailed, Unavailable
from sticker_studio.fetch import USER_AGENT

if TYPE_CHECKING:
    from selenium.webdriver.chrome.webdriver import WebDriver

_log = logging.getLogger(__name__)
_CHROMES: Final = ("google-chrome", "google-chrome-stable", "chromium", "chromium-browser", "chrome")
_REMEDY: Final = "install chromium and chromium-driver (Debian, Ubuntu: apt-get install chromium chromium-driver), or Chrome with its driver on the PATH"
_FLAGS: Final = (
    "--headless=new", "--disable-background-networking", "--no-first-run", "--no-default-browser-check", "--disable-component-update", "--disable-sync",
    "--disable-extensions", "--disable-default-apps", "--metrics-recording-only", "--mute-audio", "--disable-dev-shm-usage", "--disable-gpu",
    "--window-size=1280,1600",
)  # fmt: skip
_LINKS: Final = """
const rows = [];
for (const link of document.querySelectorAll('a[href*="/pin/"]')) {
  const picture = link.querySelector('img');
  if (picture) rows.push({href: link.getAttribute('href') || '', src: picture.getAttribute('src') || '',
    srcset: picture.getAttribute('srcset') || '', alt: picture.getAttribute('alt') || ''});
}
return rows;
"""
_SCROLL: Final = "window.scrollBy(0, Math.round(window.innerHeight * 0.8));"
_AT_END: Final = "return window.scrollY + window.innerHeight >= document.documentElement.scrollHeight - 2;"
_CONSENT: Final = """
for (const button of document.querySelectorAll('[role="dialog"] button, [id*="consent"] button, [data-test-id*="cookie"] button')) {
  if (/^(reject|decline|only necessary|alle ablehnen|tout refuser|ablehnen)/i.test(button.innerText.trim())) { button.click(); return button.innerText; }
}
return '';
"""


class BoardPage:
    """One open page, seen through the attributes that `parsing` reads."""

    def __init__(self, driver: "WebDriver") -> None:
        self._driver = driver

    def open(self, url: str) -> None:
        """Load `url`. Raises `FetchFailed` when the page does not load."""
        self._told(url, lambda: self._driver.get(url))

    @property
    def url(self) -> str:
        """The page's address now, after redirects."""
        return str(self._driver.current_url)

    @property
    def title(self) -> str:
        """The page's title, for messages."""
        return str(self._driver.title)

    def links(self) -> list[dict[str, str]]:
        """Links to pins in the page now: `{"href", "src", "srcset", "alt"}`, in page order."""
        rows = self._script(_LINKS)
        return [{str(key): str(value) for key, value in row.items()} for row in rows]

    def scroll(self) -> None:
        """Move down by most of a window, as a reader does, so that virtualised rows appear in turn."""
        self._script(_SCROLL)

    def at_end(self) -> bool:
        """Whether the window shows the end of the page as it is now; more may be on its way."""
        return bool(self._script(_AT_END))

    def decline_consent(self) -> str:
        """Decline a consent banner if one lies over the page; the text of the button pressed, or empty."""
        return str(self._script(_CONSENT))

    def _script(self, text: str) -> Any:
        return self._told("the board's page", lambda: self._driver.execute_script(text))

    def _told(self, what: str, call: Callable[[], Any]) -> Any:
        """`call()`, a browser's failure in it (no answer, a crashed tab) as `FetchFailed`."""
        from selenium.common.exceptions import WebDriverException

        try:
            return call()
        except (WebDriverException, OSError, HTTPError) as error:
            raise FetchFailed(
                f"{what}: expected an answer of the browser, got {_first_line(error)}; check the address and the network", reason="browser"
            ) from error


def binaries(path: str | None = None) -> tuple[str, str] | None:
    """Browser and driver on the PATH (`path` overrides it), or None when either is missing there."""
    browser = next((found for name in _CHROMES if (found := shutil.which(name, path=path))), None)
    driver = shutil.which("chromedriver", path=path)
    return (browser, driver) if browser and driver else None


@contextmanager
def opened(*, page_time_limit_s: float = 60.0) -> Iterator[BoardPage]:
    """A headless browser with a profile of its own, closed and removed at the end. Raises `Unavailable` naming the remedy."""
    with tempfile.TemporaryDirectory(prefix="sticker-browser-", ignore_cleanup_errors=True) as profile:
        driver = _start(Path(profile))
        try:
            driver.set_page_load_timeout(page_time_limit_s)
            yield BoardPage(driver)
        finally:
            _quit(driver)


def _start(profile: Path) -> "WebDriver":
    try:
        from selenium import webdriver
        from selenium.common.exceptions import WebDriverException
        from selenium.webdriver.chrome.service import Service
    except ImportError as error:
        raise Unavailable(f"expected Selenium for boards on web pages: {error}; pip install 'sticker-studio[scraping]'") from error
    options = webdriver.ChromeOptions()
    for flag in (*_FLAGS, f"--user-data-dir={profile}", f"--user-agent={USER_AGENT}", *_sandbox()):
        options.add_argument(flag)
    found = binaries()
    if found:
        options.binary_location = found[0]
    _log.info("browser: %s", " with ".join(found) if found else "none on the PATH, asking Selenium Manager")
    try:
        return webdriver.Chrome(options=options, service=Service(executable_path=found[1]) if found else Service())
    except (WebDriverException, OSError) as error:
        raise Unavailable(f"expected a browser that starts, got {_first_line(error)}; {_REMEDY}") from error


def _quit(driver: "WebDriver") -> None:
    from selenium.common.exceptions import WebDriverException

    try:
        driver.quit()
    except (WebDriverException, OSError, HTTPError) as error:
        _log.warning("browser: it had ended before it was closed (%s)", _first_line(error))


def _sandbox() -> tuple[str, ...]:
    """Chromium refuses to start its sandbox as root."""
    return ("--no-sandbox",) if os.geteuid() == 0 else ()


def _first_line(error: Exception) -> str:
    return (str(getattr(error, "msg", None) or error) or type(error).__name__).strip().splitlines()[0]
