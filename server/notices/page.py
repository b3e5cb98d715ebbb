"""The page behind a link to acknowledge by: words, and a button that sends a POST.

One file of its own, so that the prober serves the same page. Without scripts, and nothing on it is
loaded from anywhere: its style is allowed by its hash.
"""

import base64
import hashlib
from html import escape
from http import HTTPStatus
from typing import NamedTuple

from server.notices.acknowledging import Found, Verdict

FIELD = "acknowledge"
VALUE = "yes"
FORM = f"{FIELD}={VALUE}".encode()
"""What the button sends. An empty POST is nobody's button."""

FORM_TYPE = "application/x-www-form-urlencoded"
MAX_FORM = 256

_STYLE = """
:root{color-scheme:light dark}
body{font:1.1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:2rem auto;padding:0 1rem;
background:#fff;color:#1a1a1a}
h1{font-size:1.4rem}
button{font:inherit;font-weight:600;padding:.8rem 1.6rem;border:0;border-radius:.4rem;
background:#00662f;color:#fff;cursor:pointer}
button:focus-visible{outline:3px solid #1a6fd4;outline-offset:3px}
@media (prefers-color-scheme:dark){body{background:#161616;color:#eee}
button{background:#7fe3a5;color:#10220f}button:focus-visible{outline-color:#8ab8ff}}
""".strip()
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self';"
        " base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",  # the address of this page is a key
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
}

_COMPONENTS = {
    "validation": "Validation",
    "upload": "Upload",
    "api-keys": "API keys",
    "provisioning": "Provisioning",
}


class Page(NamedTuple):
    """A page, to be sent with HEADERS as text/html in UTF-8."""

    status: HTTPStatus
    html: str


def show(found: Found) -> Page:
    """Return the page of what is behind a link."""
    match found.verdict:
        case Verdict.REFUSED:
            words = f"<p>{escape(found.words.capitalize())}.</p>{_OTHERWISE}"
            return _page(HTTPStatus.NOT_FOUND, "This link does not work", words)
        case Verdict.READY:
            said = (
                f"<p>Nobody has acknowledged it yet. You are <strong>{escape(found.person)}"
                "</strong>: the button says in your name that you work on it.</p>"
                '<form method="post">'
                f'<input type="hidden" name="{FIELD}" value="{VALUE}">'
                "<button>Acknowledge</button></form>"
            )
        case Verdict.DONE:
            said = f"<p><strong>Acknowledged by {escape(found.person)}.</strong> It is yours.</p>"
        case Verdict.ANSWERED:
            by = f" by {escape(found.by)}" if found.by else ""
            said = f"<p>It was acknowledged{by}. There is nothing to do here.</p>"
        case Verdict.OVER:
            said = "<p>It is over. There is nothing to do here.</p>"
    component = _COMPONENTS.get(found.component, found.component)
    about = f"<p>Severity {found.severity}, {escape(component)}: {escape(found.title)}</p>"
    return _page(HTTPStatus.OK, f"Incident {found.incident_id}", about + said)


def unavailable() -> Page:
    """Return the page for when it cannot be found out: the store is away."""
    words = f"<p>Nothing was changed, or it is not known. Try again in a moment.</p>{_OTHERWISE}"
    return _page(HTTPStatus.SERVICE_UNAVAILABLE, "Not now", words)


def slow_down(wait_s: int) -> Page:
    """Return the page for who came with too many wrong links."""
    words = f"<p>Too many links that do not work came from there. Wait {wait_s} seconds.</p>"
    return _page(HTTPStatus.TOO_MANY_REQUESTS, "Too many", words)


def not_the_button() -> Page:
    """Return the page for a POST that is not the button's."""
    return _page(
        HTTPStatus.BAD_REQUEST,
        "That was not the button",
        "<p>Nothing was changed. Open the link and use the button on the page.</p>",
    )


_OTHERWISE = "<p>Otherwise: <code>keystead incident acknowledge</code>.</p>"


def _page(status: HTTPStatus, title: str, body: str) -> Page:
    html = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)} - Keystead</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{body}</main></body></html>\n"
    )
    return Page(status, html)
