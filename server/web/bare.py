"""Answers of the HTTP layer itself: tiny texts that echo nothing of the request.

aiohttp's own pages name the server's version, the parser's complaint with a piece of the
request line, or the value of a header. A request line here holds an OTP.
"""

from http import HTTPStatus

from aiohttp import hdrs, web

SERVER_NAME = "keystead"
"""What the Server header says: no version, of nothing."""


def bare_answer(status: int, *, allow: str = "", close: bool = False) -> web.Response:
    """Return a plain answer whose body is the status's own name.

    allow: the Allow header of a 405; close: end the connection after it.
    """
    headers = {
        hdrs.CONTENT_TYPE: "text/plain; charset=utf-8",
        hdrs.CACHE_CONTROL: "no-store",
        hdrs.SERVER: SERVER_NAME,
    }
    if allow:
        headers[hdrs.ALLOW] = allow
    answer = web.Response(
        status=status, body=f"{HTTPStatus(status).phrase}\n".encode(), headers=headers
    )
    if close:
        # Said aloud also to a peer whose version of HTTP is unknown because it spoke none.
        answer.headers[hdrs.CONNECTION] = "close"
        answer.force_close()
    return answer
