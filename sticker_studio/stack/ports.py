"""A taken port is named with its setting before anything starts."""

import socket
from collections.abc import Iterable

from sticker_studio.errors import Unavailable
from sticker_studio.settings import PREFIX, Settings
from sticker_studio.stack.programs import HOST


def taken(port: int) -> bool:
    """Whether something listens on loopback `port` already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False


def problems(settings: Settings, fields: Iterable[str]) -> list[str]:
    """One sentence for each port that cannot be used, naming its setting."""
    found: list[str] = []
    seen: dict[int, str] = {}
    for field in fields:
        port, name = getattr(settings, field), f"{PREFIX}{field.upper()}"
        if port in seen:
            found.append(f"{name} and {seen[port]} are both {port}")
        elif taken(port):
            found.append(f"port {port} ({name}) is taken")
        seen[port] = name
    return found


def check(settings: Settings, fields: Iterable[str]) -> None:
    """Raises `Unavailable` naming every unusable port and its setting."""
    found = problems(settings, fields)
    if found:
        example = found[0].split("(")[-1].split(")")[0].split(" ")[0]
        raise Unavailable(f"expected free ports, but {'; '.join(found)}. Stop what listens there, or choose another: {example}=<port> make up")
