"""The address of a webhook, as it may be written: https, a host, no secrets in it.

Read by the library that also sends, so that no two readers of one URL see two hosts in it.
"""

from collections.abc import Collection
from typing import NamedTuple, Self

from yarl import URL

from server.notices.addresses import ForbiddenAddressError, check_address, read_address

MAX_URL = 2048


class HookUrlError(ValueError):
    """A webhook is not told at such a URL. The message says why."""


class HookUrl(NamedTuple):
    """A webhook's URL. host: in small letters, without brackets."""

    url: URL
    host: str

    @classmethod
    def parse(cls, text: str, internal: Collection[str]) -> Self:
        """Check a URL's form, and its host when that is an address; HookUrlError.

        internal: hosts of our own; they alone may be told over plain HTTP.
        """
        try:
            url = URL(text)
            host = (url.host or "").lower()
            port = url.port
        except ValueError:
            raise HookUrlError("that is no URL. Write https://hooks.example.org/path") from None
        if len(text) > MAX_URL or not text.isascii() or not text.isprintable() or " " in text:
            raise HookUrlError(f"a webhook's URL is plain ASCII, of at most {MAX_URL} characters")
        if url.scheme not in {"https", "http"} or not host or port is None:
            raise HookUrlError("a webhook is told over https: write https://hooks.example.org/path")
        if url.scheme == "http" and host not in internal:
            raise HookUrlError(
                f"{host} is told over https, unless it is one of internal_hosts: write https://"
            )
        if url.user is not None or url.password is not None or url.fragment:
            raise HookUrlError("a webhook's URL has no user, password or #fragment in it")
        address = read_address(host)
        if address is not None:
            try:
                check_address(host, address, internal)
            except ForbiddenAddressError as error:
                raise HookUrlError(str(error)) from None
        return cls(url, host)
