"""The key file: read strictly, refused with the line at fault, never a secret in an error."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hsm.vault import OtpKeySecrets
from server.otp import ksm
from server.otp.ksm import KsmError, KsmKey, parse_ksm
from validation.modhex import ALPHABET

PRIVATE_ID = "9a4ab6f2dc3b"
AES_KEY = "da5c8ae3dc1f14d4b2a1f3c5e7a90b2c"
LINE = f"1,cccccccccccb,{PRIVATE_ID},{AES_KEY},3d2e5ab1f4bf,2009-12-07T16:55:21,"


def test_the_reference_tools_own_output_is_read() -> None:
    text = (
        "# ykksm 1\n"
        "# serialnr,identity,internaluid,aeskey,lockpw,created,accessed[,progflags]\n"
        f"{LINE}\n"
        "\n"
        f"2,cccccccccccd,{PRIVATE_ID},{AES_KEY},3d2e5ab1f4bf,2009-12-07T16:55:21,,0\n"
        "# the end\n"
    )
    keys = list(parse_ksm(text))
    assert [(key.line, key.serial, key.public_id) for key in keys] == [
        (3, "1", "cccccccccccb"),
        (5, "2", "cccccccccccd"),
    ]
    assert keys[0].secrets == OtpKeySecrets(bytes.fromhex(AES_KEY), bytes.fromhex(PRIVATE_ID))


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_windows_line_ends_and_a_byte_order_mark_are_read(newline: str) -> None:
    text = "\ufeff" + newline.join([LINE, LINE.replace("cb,", "cd,")])
    assert len(list(parse_ksm(text))) == 2


def test_an_empty_file_holds_no_keys() -> None:
    assert not list(parse_ksm(""))
    assert not list(parse_ksm("\n# nothing\n   \n"))


@pytest.mark.parametrize(
    ("line", "word"),
    [
        (LINE.replace("1,", "one,", 1), "serialnr"),
        (LINE.replace("cccccccccccb", "c" * 17), "publicname"),
        (LINE.replace("cccccccccccb", "ccca"), "publicname"),
        (LINE.replace(PRIVATE_ID, PRIVATE_ID[1:]), "internalname"),
        (LINE.replace(PRIVATE_ID, " " + PRIVATE_ID[1:]), "internalname"),
        (LINE.replace(AES_KEY, AES_KEY + "00"), "aeskey"),
        (LINE.replace(AES_KEY, AES_KEY[:-1] + "g"), "aeskey"),
        (LINE.replace(AES_KEY, AES_KEY[:-1] + "\uff11"), "aeskey"),
        (LINE.replace("3d2e5ab1f4bf", "lock"), "lockcode"),
        (LINE.replace("2009-12-07T16:55:21", "yesterday"), "created"),
        (LINE + "today", "accessed"),
        (LINE + ",0;1", "progflags"),
        (LINE + ",0,1", "9 fields"),
        ("a key", "1 fields"),
        ("-----BEGIN PGP MESSAGE-----", "gpg --decrypt"),
        ("#" * 1025, "1024 characters"),
    ],
)
def test_a_bad_line_is_named_and_its_secrets_are_not(line: str, word: str) -> None:
    with pytest.raises(KsmError, match=word) as raised:
        list(parse_ksm(f"{LINE.replace('cb,', 'cd,')}\n# \n{line}\n"))
    assert raised.value.line == 3
    message = str(raised.value)
    assert message.startswith("line 3: ")
    for secret in (AES_KEY[:8], PRIVATE_ID[:6], "3d2e5ab1f4bf"):
        assert secret not in message


def test_a_public_id_twice_is_refused_with_both_lines() -> None:
    with pytest.raises(KsmError, match=r"line 3: the public id 'cccccccccccb' is on line 1"):
        list(parse_ksm(f"{LINE}\n\n{LINE.upper().replace('T16', 'T16')}\n"))


def test_too_many_keys_are_refused_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ksm, "MAX_KEYS", 2)
    lines = [LINE.replace("cccb,", f"ccc{letter},") for letter in "cbd"]
    assert len(list(parse_ksm("\n".join(lines[:2])))) == 2
    with pytest.raises(KsmError, match="line 3: more than 2 keys; split the file"):
        list(parse_ksm("\n".join(lines)))


def test_secrets_are_not_in_a_keys_repr() -> None:
    (key,) = parse_ksm(LINE)
    assert AES_KEY not in repr(key)
    assert bytes.fromhex(AES_KEY).__repr__() not in repr(key)


@settings(deadline=None)
@given(
    st.integers(0, 10**12).map(str) | st.just(""),
    st.text(ALPHABET, max_size=16),
    st.binary(min_size=16, max_size=16),
    st.binary(min_size=6, max_size=6),
)
def test_what_is_written_is_read_back(
    serial: str, public_id: str, aes_key: bytes, private_id: bytes
) -> None:
    key = KsmKey(1, serial, public_id, OtpKeySecrets(aes_key, private_id))
    assert list(parse_ksm(key.format())) == [key]


@settings(deadline=None)
@given(st.text(max_size=200) | st.text("0123456789abcdef,cbd\n#", max_size=400))
def test_any_text_is_read_or_refused(text: str) -> None:
    keys: list[KsmKey] = []
    line = 1
    try:
        keys.extend(parse_ksm(text))
    except KsmError as error:
        line = error.line
    assert 1 <= line <= text.count("\n") + 1
    assert len({key.public_id for key in keys}) == len(keys)


@pytest.mark.parametrize("text", [f"# old\r{LINE}\n", f"{LINE}\r{LINE}", "#\r\r\n"])
def test_a_carriage_return_hides_no_key(text: str) -> None:
    with pytest.raises(KsmError, match="carriage return"):
        list(parse_ksm(text))
