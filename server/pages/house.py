"""Where pages are made: templates that escape by default, and the one style that a page may have.

A page is one document with its style in it, no script, nothing from anywhere else. Its
Content-Security-Policy allows that one style by its digest and nothing beside it, so that a text
which somebody smuggled in could not do anything even if it were not escaped.
"""

import base64
import hashlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

_LOOK = "look.css"


class House(NamedTuple):
    """Templates, the style that they have in them, and the policy that allows it alone.

    policy: for a page's own `meta`; what only a header can say is in `header`.
    """

    environment: "Environment"
    style: "Markup"
    policy: str

    @property
    def header(self) -> str:
        """The header Content-Security-Policy that goes with the pages."""
        return f"{self.policy}; frame-ancestors 'none'"


def furnish(package: str, sheet: str, *, forms: bool = False) -> House:
    """Return the house of a package's templates. sheet: its style, after what all pages share.

    forms: whether its pages may send forms, to where they came from.
    """
    # Late: no start has to wait for it.
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415
    from markupsafe import Markup  # noqa: PLC0415

    loader = PackageLoader(package)
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shared, _, _ = PackageLoader("server.pages").get_source(environment, _LOOK)
    own, _, _ = loader.get_source(environment, sheet)
    source = shared + own
    digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
    takers = "'self'" if forms else "'none'"
    policy = (
        f"default-src 'none'; img-src data:; base-uri 'none'; form-action {takers};"
        f" style-src 'sha256-{digest}'"
    )
    style = Markup(source)  # noqa: S704 - our own files
    return House(environment, style, policy)
