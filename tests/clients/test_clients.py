"""What every client that nobody here wrote must make of our answers."""

import base64
import contextlib
import secrets
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.clients.client import Client
from tests.clients.conftest import Scene
from tests.clients.freeradius import FreeRadius
from tests.clients.pam_yubico import PamYubico
from tests.clients.ykclient import Ykclient
from tests.clients.yubico_client_on_pypi import YubicoClientOnPyPI
from tests.clients.yubikey_webclient import YubikeyWebClient
from tests.clients.yubiotp import YubiOtp
from tests.system.yubikeys import YubiKey
from validation import modhex
from validation.status import Status

CLIENTS: tuple[Client, ...] = (
    YubicoClientOnPyPI(),
    Ykclient(),
    PamYubico(),
    FreeRadius(),
    YubikeyWebClient(),
    YubiOtp("1.0"),
    YubiOtp("1.1"),
    YubiOtp("2.0"),
)


@pytest.fixture(params=CLIENTS, ids=lambda client: client.name)
def client(request: pytest.FixtureRequest) -> Client:
    found: Client = request.param
    return found


@contextlib.contextmanager
def answered(scene: Scene, *one_of: Status) -> Iterator[None]:
    """Hold that the service gave one answer meanwhile, with one of these statuses.

    Without it a client that never reached the service would pass for one that refuses well.
    """
    before = responses(scene)
    yield
    given = list((responses(scene) - before).elements())
    assert len(given) == 1
    assert given[0] in one_of


def responses(scene: Scene) -> Counter[Status]:
    """Return how many answers of each status were given so far."""
    metrics = scene.keystead.metrics()
    name = "keystead_verify_responses_total"
    return Counter({s: int(metrics.get(f'{name}{{status="{s}"}}', 0)) for s in Status})


def garbled(otp: str) -> str:
    """Return `otp` with its last letter mistyped."""
    letters = modhex.ALPHABET
    return otp[:-1] + letters[(letters.index(otp[-1]) + 1) % len(letters)]


def test_a_good_otp_is_accepted_once(scene: Scene, client: Client) -> None:
    otp = scene.key.press()
    party = scene.party
    with answered(scene, Status.OK):
        answer = client.verify(scene.url, party.client_id, party.api_key, otp)
    assert answer.accepted, answer.said
    # Perl's client has one nonce a second: asked again within it, it repeats its request.
    with answered(scene, Status.REPLAYED_OTP, Status.REPLAYED_REQUEST):
        answer = client.verify(scene.url, party.client_id, party.api_key, otp)
    assert not answer.accepted, answer.said


def test_a_garbled_otp_is_refused(scene: Scene, client: Client) -> None:
    otp = garbled(scene.key.press())
    with answered(scene, Status.BAD_OTP):
        answer = client.verify(scene.url, scene.party.client_id, scene.party.api_key, otp)
    assert not answer.accepted, answer.said


def test_an_otp_of_a_foreign_key_is_refused(scene: Scene, client: Client) -> None:
    otp = YubiKey().press()
    with answered(scene, Status.BAD_OTP):
        answer = client.verify(scene.url, scene.party.client_id, scene.party.api_key, otp)
    assert not answer.accepted, answer.said


def test_a_wrong_api_key_is_refused_and_the_otp_stays_good(scene: Scene, client: Client) -> None:
    otp = scene.key.press()
    wrong = base64.b64encode(secrets.token_bytes(20)).decode()
    with answered(scene, Status.BAD_SIGNATURE):
        answer = client.verify(scene.url, scene.party.client_id, wrong, otp)
    assert not answer.accepted, answer.said
    assert_still_good(scene, client, otp)


def test_an_unknown_client_is_refused_and_the_otp_stays_good(scene: Scene, client: Client) -> None:
    otp = scene.key.press()
    with answered(scene, Status.NO_SUCH_CLIENT):
        answer = client.verify(scene.url, scene.unknown_client_id, scene.party.api_key, otp)
    assert not answer.accepted, answer.said
    assert_still_good(scene, client, otp)


def test_over_the_limit_is_refused_and_the_otp_stays_good(scene: Scene, client: Client) -> None:
    otp = scene.key.press()
    with answered(scene, Status.OPERATION_NOT_ALLOWED):
        answer = client.verify(scene.url, scene.throttled.client_id, scene.throttled.api_key, otp)
    assert not answer.accepted, answer.said
    assert_still_good(scene, client, otp)


def assert_still_good(scene: Scene, client: Client, otp: str) -> None:
    with answered(scene, Status.OK):
        answer = client.verify(scene.url, scene.party.client_id, scene.party.api_key, otp)
    assert answer.accepted, answer.said
