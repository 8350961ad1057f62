"""What a request brings: pictures and fields out of a multipart form, of JSON with base64, or from a web address; read strictly.

BentoML's own reading fetches an address that stands where a file should (a way round every SSRF guard) and turns a broken form into a 500.
"""

import base64
import binascii
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar

from anyio import to_thread
from pydantic import BaseModel, ValidationError
from starlette.datastructures import UploadFile
from starlette.requests import ClientDisconnect, Request

from sticker_studio import fetch
from sticker_studio.errors import FetchFailed, InputError, InputTooLarge, UnsupportedInput

MAX_FIELDS: Final = 40
FETCH_LIMIT_S: Final = 15.0
MULTIPART, JSON = "multipart/form-data", "application/json"

_Options = TypeVar("_Options", bound=BaseModel)


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """What an endpoint takes beside its options: files sent at most once, files sent any number of times, and how many of these."""

    once: Collection[str] = ()
    many: str = ""
    max_many: int = 1
    url: str = ""
    """The field among these that an http(s) address may stand for, in the field `url` (`urls` for many)."""


@dataclass(frozen=True, kw_only=True)
class Intake:
    """A request as it was read: bytes by the name of their field, and the checked options."""

    files: Mapping[str, bytes] = field(default_factory=dict)
    many: tuple[bytes, ...] = ()
    names: tuple[str, ...] = ()
    """What the client called each of `many`."""
    options: Any = None
    wants_json: bool = False
    fresh: bool = False
    """`Cache-Control: no-cache`: make it anew."""

    def file(self, name: str) -> bytes:
        """The file `name`. Raises `InputError` where none was sent."""
        if name not in self.files:
            raise InputError(f"{name}: expected a file in the field {name!r}, got none; send the file itself")
        return self.files[name]


async def read(request: Request, accepted: Accepted, options: type[_Options], *, max_bytes: int, allow: frozenset[str]) -> Intake:
    """Read and check a request. Raises `InputError` and its kin, telling what was expected."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind == MULTIPART:
        sent = await _form(request, accepted)
    elif kind == JSON:
        sent = _json(await _body(request), accepted)
    else:
        raise UnsupportedInput(f"expected {MULTIPART} or {JSON}, got {kind or 'no content type'}; send the picture as the file field of a form, or as base64")
    fields = dict(sent.options)
    addresses = _addresses(fields, accepted)
    fetched = [await to_thread.run_sync(partial(fetched_picture, address, max_bytes=max_bytes, allow=allow)) for address in addresses]
    chosen = checked(options, fields)
    wants_json, fresh = JSON in request.headers.get("accept", ""), "no-cache" in request.headers.get("cache-control", "")
    if accepted.many:
        many, names = (*sent.many, *fetched), (*sent.names, *(address.rpartition("/")[2] for address in addresses))
        if len(many) > accepted.max_many:
            raise InputTooLarge(f"{accepted.many}: expected at most {accepted.max_many} pictures, got {len(many)}; send the rest in another request")
        return Intake(files=sent.files, many=many, names=names, options=chosen, wants_json=wants_json, fresh=fresh)
    files = {**sent.files, **({accepted.url: fetched[0]} if fetched else {})}
    return Intake(files=files, options=chosen, wants_json=wants_json, fresh=fresh)


def fetched_picture(address: str, *, max_bytes: int, allow: frozenset[str]) -> bytes:
    """What a caller's address holds; its failure is the caller's error. Raises `FetchRefused`, `InputError`, `InputTooLarge`."""
    try:
        return fetch.fetch(address, max_bytes=max_bytes, time_limit_s=FETCH_LIMIT_S, allow=allow).data
    except FetchFailed as error:
        kind = InputTooLarge if error.reason == "too large" else InputError
        raise kind(f"url: {error}") from error


def checked(options: type[_Options], fields: Mapping[str, Any]) -> _Options:
    """The options of a request. Raises `InputError` naming each that is wrong or unknown."""
    try:
        return options.model_validate(fields)
    except ValidationError as error:
        problems = ", and ".join(f"{'.'.join(map(str, e['loc'])) or 'options'}: {e['msg']}, got {str(e['input'])[:60]!r}" for e in error.errors())
        raise InputError(f"{problems}; the options are {', '.join(options.model_fields) or 'none'}") from error


def _addresses(fields: dict[str, Any], accepted: Accepted) -> list[str]:
    """The addresses in `fields`, taken out of them."""
    name = ("urls" if accepted.many else "url") if accepted.url else ""
    if not name or name not in fields:
        return []
    value = fields.pop(name)
    found = value if isinstance(value, list) else str(value).split() if accepted.many else [value]
    if not all(isinstance(address, str) for address in found):
        raise InputError(f"{name}: expected http or https addresses, got {str(value)[:60]!r}; give full web addresses as text")
    if len(found) > accepted.max_many:
        raise InputTooLarge(f"{name}: expected at most {accepted.max_many}, got {len(found)}; send the rest in another request")
    return list(found)


async def _form(request: Request, accepted: Accepted) -> Intake:
    try:
        form = await request.form(max_files=len(accepted.once) + accepted.max_many, max_fields=MAX_FIELDS)
    except ClientDisconnect as error:
        raise InputError("expected a whole request, got one that ended early; send it again") from error
    except Exception as error:
        raise InputError(f"expected a well-formed multipart form, got: {getattr(error, 'detail', error)}; send each file once, in its own field") from error
    files: dict[str, bytes] = {}
    fields: dict[str, Any] = {}
    many: list[tuple[bytes, str]] = []
    for name, value in form.multi_items():
        if name in (*accepted.once, accepted.many) and _left_empty(value):
            continue
        if isinstance(value, UploadFile):
            if name == accepted.many and name:
                many.append((await value.read(), value.filename or ""))
                continue
            _refuse_unknown_file(name, accepted, files)
            files[name] = await value.read()
        elif name in fields:
            raise InputError(f"{name}: expected each field once, got it twice; leave one out")
        elif name in accepted.once or (name == accepted.many and name):
            raise InputError(
                f"{name}: expected a file in the field {name!r}, got text; send the file itself{', or its address as url' if accepted.url else ''}"
            )
        else:
            fields[name] = value
    return Intake(files=files, many=tuple(data for data, _ in many), names=tuple(name for _, name in many), options=fields)


def _left_empty(value: UploadFile | str) -> bool:
    """How a browser sends a file field in which nothing was chosen."""
    return not value.filename and not value.size if isinstance(value, UploadFile) else value == ""


def _refuse_unknown_file(name: str, accepted: Accepted, files: Mapping[str, bytes]) -> None:
    known = [*accepted.once, *([accepted.many] if accepted.many else [])]
    if name not in accepted.once:
        raise InputError(f"expected files in {', '.join(known) or 'no field'}, got one in {name[:40]!r}; send it under a known name")
    if name in files:
        raise InputError(f"{name}: expected one file, got two; leave one out")


async def _body(request: Request) -> bytes:
    try:
        return await request.body()
    except ClientDisconnect as error:
        raise InputError("expected a whole request, got one that ended early; send it again") from error


def _json(body: bytes, accepted: Accepted) -> Intake:
    try:
        sent: Any = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InputError(f"expected a JSON object, got: {error}; check the body") from error
    if not isinstance(sent, dict):
        raise InputError(f"expected a JSON object, got {type(sent).__name__}; send fields by name")
    files = {name: _decoded(name, sent.pop(name)) for name in accepted.once if sent.get(name) is not None}
    pictures = sent.pop(accepted.many, []) if accepted.many else []
    if not isinstance(pictures, list):
        raise InputError(f"{accepted.many}: expected a list of base64 pictures, got {type(pictures).__name__}; send a list")
    many = tuple(_decoded(f"{accepted.many}[{number}]", picture) for number, picture in enumerate(pictures[: accepted.max_many + 1]))
    return Intake(files=files, many=many, names=("",) * len(many), options={name: value for name, value in sent.items() if value is not None})


def _decoded(name: str, text: Any) -> bytes:
    """Base64, plain or as a data URL."""
    if not isinstance(text, str):
        raise InputError(f"{name}: expected base64 text, got {type(text).__name__}; encode the file's bytes")
    try:
        return base64.b64decode(text.rpartition(",")[2] if text.startswith("data:") else text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError(f"{name}: expected base64, got: {error}; encode the file's bytes, or send its address as url") from error
