"""`python -m monitoring export`: the pipeline's figures for Prometheus."""

import logging
import signal
import threading
from typing import Annotated

import typer

from sticker_studio import cli
from sticker_studio.errors import Unavailable
from sticker_studio.settings import Settings

log = logging.getLogger("monitoring")

app = typer.Typer(name="monitoring", help=__doc__, no_args_is_help=True, add_completion=False)


@app.callback()
def _verbs() -> None:
    """Keeps `export` a verb, though it is the only one."""


@app.command()
def export(host: Annotated[str, typer.Option(help="Address to listen on; another than the loopback is for a container's own network.")] = "127.0.0.1") -> None:
    """Serve /metrics on STICKER_EXPORTER_PORT until told to stop; every scrape reads the sources anew."""
    from prometheus_client import CollectorRegistry, start_http_server

    from monitoring.collector import SourcesCollector
    from monitoring.sources import all_sources

    settings = Settings.from_env()
    registry = CollectorRegistry()
    registry.register(SourcesCollector(all_sources(settings)))
    try:
        server, _ = start_http_server(settings.exporter_port, addr=host, registry=registry)
    except OSError as error:
        raise Unavailable(f"port {settings.exporter_port} (STICKER_EXPORTER_PORT): {error}; free it or set another") from error
    log.info("metrics on http://%s:%d/metrics", host, settings.exporter_port)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
    server.shutdown()


if __name__ == "__main__":
    cli.main(app)
