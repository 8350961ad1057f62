"""`python -m serving`: the sticker service and its page."""

import os
import sys
from typing import Annotated

import typer

from sticker_studio.cli import main
from sticker_studio.settings import Settings

app = typer.Typer(name="serving", help="Stickers over HTTP.", no_args_is_help=True, add_completion=False)


def service_environment(settings: Settings) -> dict[str, str]:
    """What the service's processes need beyond this process's environment.

    BentoML empties `$BENTOML_HOME/prometheus_multiproc_dir` at each start, so that each service needs a home of its own. Two arenas keep glibc from holding
    on to a large picture's memory once for each thread.
    """
    home = settings.home.absolute()
    return {
        "STICKER_HOME": str(home),
        "BENTOML_HOME": str(home / f"bentoml-{settings.service_port}"),
        "BENTOML_DO_NOT_TRACK": "True",
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
        "MALLOC_ARENA_MAX": os.environ.get("MALLOC_ARENA_MAX", "2"),
    }


@app.command()
def serve() -> None:
    """Serve stickers on STICKER_SERVICE_HOST:STICKER_SERVICE_PORT until stopped."""
    settings = Settings.from_env()
    environment = os.environ | service_environment(settings)
    command = [sys.executable, "-m", "bentoml", "serve", "serving.service:StickerService"]
    where = ["--host", settings.service_host, "--port", str(settings.service_port)]
    os.execve(sys.executable, [*command, *where], environment)  # noqa: S606  # this process becomes the server, so that signals reach it


@app.command()
def studio(service: Annotated[str, typer.Option(help="address of the sticker service; by default STICKER_SERVICE_URL")] = "") -> None:
    """Serve the Studio page on STICKER_SERVICE_HOST:STICKER_STUDIO_PORT until stopped."""
    from serving import studio

    settings = Settings.from_env()
    studio.run(settings, service_url=service or settings.service_url)


if __name__ == "__main__":
    main(app)
