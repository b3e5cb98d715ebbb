"""What clients that nobody here wrote make of our answers over TLS, some of which speak no HTTP."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.clients.client import Client
from tests.clients.conftest import SecureScene
from tests.clients.pam_yubico import PamYubico
from tests.clients.test_clients import answered, garbled, responses
from tests.clients.ykclient import Ykclient
from tests.clients.yub_on_npm import Yub
from tests.clients.yubico_client_on_pypi import YubicoClientOnPyPI
from tests.clients.yubikey_webclient import YubikeyWebClient
from validation.status import Status

Trusting = Callable[[Path], Client]
"""Makes a client that trusts the authority whose certificate lies there."""


@pytest.fixture(scope="session")
def yub_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("npm") / "yub"


@pytest.fixture(params=["yubico-client", "ykclient", "pam_yubico", "webclient", "yub"])
def trusting(request: pytest.FixtureRequest, yub_folder: Path) -> Trusting:
    made: dict[str, Trusting] = {
        "yubico-client": YubicoClientOnPyPI,
        "ykclient": Ykclient,
        "pam_yubico": PamYubico,
        "webclient": YubikeyWebClient,
        "yub": lambda authority: Yub(authority, yub_folder),
    }
    return made[request.param]


def test_a_good_otp_is_accepted_once_over_https(secure: SecureScene, trusting: Trusting) -> None:
    scene, client = secure.scene, trusting(secure.authority)
    assert scene.url.startswith("https://")
    otp, party = scene.key.press(), scene.party
    with answered(scene, Status.OK):
        answer = client.verify(scene.url, party.client_id, party.api_key, otp)
    assert answer.accepted, answer.said
    # Perl's client has one nonce a second: asked again within it, it repeats its request.
    with answered(scene, Status.REPLAYED_OTP, Status.REPLAYED_REQUEST):
        answer = client.verify(scene.url, party.client_id, party.api_key, otp)
    assert not answer.accepted, answer.said


def test_a_garbled_otp_is_refused_over_https(secure: SecureScene, trusting: Trusting) -> None:
    scene, client = secure.scene, trusting(secure.authority)
    otp = garbled(scene.key.press())
    with answered(scene, Status.BAD_OTP):
        answer = client.verify(scene.url, scene.party.client_id, scene.party.api_key, otp)
    assert not answer.accepted, answer.said


def test_a_client_that_does_not_know_our_authority_sends_nothing(
    secure: SecureScene, trusting: Trusting, tmp_path: Path
) -> None:
    scene = secure.scene
    client = trusting(Authority().write(tmp_path / "foreign.pem"))
    otp, before = scene.key.press(), responses(scene)
    answer = client.verify(scene.url, scene.party.client_id, scene.party.api_key, otp)
    assert not answer.accepted, answer.said
    assert responses(scene) == before
