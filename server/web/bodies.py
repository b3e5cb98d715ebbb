"""Reads a request's body within a cap and a deadline."""

import asyncio
import enum

from aiohttp import web


class BodyFault(enum.Enum):
    """Why there is no body to work with."""

    TOO_LARGE = enum.auto()
    SLOW = enum.auto()
    BROKEN = enum.auto()  # the peer went away, or the transfer coding makes no sense


async def read_body(request: web.Request, *, cap: int, deadline_s: float) -> bytes | BodyFault:
    """Return the whole body, at most `cap` octets, all of it within `deadline_s` seconds."""
    length = request.content_length
    if length is not None and length > cap:
        return BodyFault.TOO_LARGE
    body = bytearray()
    try:
        async with asyncio.timeout(deadline_s):
            while chunk := await request.content.readany():
                body += chunk
                if len(body) > cap:
                    return BodyFault.TOO_LARGE
    except TimeoutError:
        return BodyFault.SLOW
    except (ConnectionError, web.RequestPayloadError):
        return BodyFault.BROKEN
    return bytes(body)
