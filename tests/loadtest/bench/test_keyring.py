"""The bench's keys: every request is fresh, signed, and of a key that is not in flight."""

from urllib.parse import parse_qsl

from loadtest.bench.keyring import Keyring, Party, sessions_used, targets
from validation.otp import OtpCipher, parse_otp
from validation.request import Protocol, VerifyRequest, parse_request
from validation.signature import ApiKey

API_KEY = ApiKey(b"an api key of a test")
PARTY = Party(7, API_KEY)
KEYS = 20


def requests(count: int, session: int = 1) -> list[VerifyRequest]:
    parsed = []
    for target in targets(Keyring(b"seed", KEYS), [PARTY], session=session, count=count):
        path, _, query = target.partition("?")
        assert path == "/wsapi/2.0/verify"
        request = parse_request(query, Protocol.V2)
        assert isinstance(request, VerifyRequest)
        parsed.append(request)
    return parsed


def test_every_request_is_signed() -> None:
    for request in requests(KEYS):
        assert API_KEY.verifies(request.signed_line, request.signature)


def test_a_key_comes_again_only_after_all_the_others() -> None:
    public_ids = [request.otp.public_id for request in requests(3 * KEYS)]
    for start in range(0, 3 * KEYS, KEYS):
        assert len(set(public_ids[start : start + KEYS])) == KEYS


def test_several_parties_ask_in_turn_each_with_its_own_signature() -> None:
    parties = [PARTY, Party(8, ApiKey(b"another key of a test"))]
    for number, target in enumerate(targets(Keyring(b"s", KEYS), parties, session=1, count=6)):
        request = parse_request(target.partition("?")[2], Protocol.V2)
        assert isinstance(request, VerifyRequest)
        assert request.client_id == parties[number % 2].client_id
        assert parties[number % 2].api_key.verifies(request.signed_line, request.signature)


def test_the_ksm_lines_open_the_otps_and_each_keys_counters_only_go_up() -> None:
    keyring = Keyring(b"seed", KEYS)
    ciphers = {}
    for line in keyring.ksm_lines(0, KEYS):
        _, public_id, private_hex, aes_hex, *_ = line.split(",")
        ciphers[public_id] = (OtpCipher(bytes.fromhex(aes_hex)), bytes.fromhex(private_hex))
    count = 300 * KEYS
    session = 4
    last: dict[str, tuple[int, int]] = {}
    for target in targets(keyring, [PARTY], session=session, count=count):
        otp = parse_otp(dict(parse_qsl(target.partition("?")[2]))["otp"])
        cipher, private_id = ciphers[otp.public_id]
        fields = cipher.open(otp.ciphertext, private_id)
        counters = (fields.session, fields.use)
        assert counters > last.get(otp.public_id, (session - 1, 255))
        assert fields.session < session + sessions_used(KEYS, count)
        last[otp.public_id] = counters
