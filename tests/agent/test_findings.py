from agent.attached import join, nameless
from agent.findings import Findings, Reason

HOST = "0" * 32


def card(serial: int | None, **unreadable: str) -> Findings:
    return Findings({"device.firmware": "5.4.3", "piv.pin.tries": 3}, unreadable, serial)


def test_two_ways_to_a_key_are_one_key() -> None:
    over_usb = Findings({"device.firmware": "5.4.3", "fido.pin_set": True}, {}, 7)
    (key,) = join([card(7, fido="not-readable-here"), over_usb], HOST)
    assert key.name == "serial:7"
    assert key.findings.facts["fido.pin_set"] is True
    assert key.findings.unreadable == {}


def test_what_neither_way_could_read_keeps_the_cards_reason() -> None:
    over_usb = Findings({"device.firmware": "5.4.3"}, {"fido": "in-use"}, 7)
    (key,) = join([card(7, oath="switched-off", fido="not-readable-here"), over_usb], HOST)
    assert key.findings.unreadable == {"oath": "switched-off", "fido": "not-readable-here"}


def test_a_group_that_was_read_in_part_keeps_the_reason_for_the_rest() -> None:
    (key,) = join([card(7, piv="removed"), Findings({"fido.pin_set": True}, {}, 7)], HOST)
    assert key.findings.unreadable == {"piv": "removed"}


def test_a_device_that_may_not_be_opened_says_why_fido_facts_are_missing() -> None:
    closed = Findings({}, {"fido": Reason.NOT_PERMITTED.value})
    (key,) = join([card(7, fido=Reason.NOT_HERE.value), closed], HOST)
    assert key.findings.unreadable == {"fido": "not-permitted"}


def test_a_key_without_a_serial_has_a_name_of_its_hosts() -> None:
    device = Findings({"fido.aaguid": "f8a011f3-8c0a-4d15-8006-17111f9edc7d"})
    (here,) = join([device], HOST)
    (there,) = join([device], "1" * 32)
    assert here.name.startswith("kind:")
    assert here.name != there.name
    assert join([device], HOST) == [here]


def test_keys_are_not_mixed_up() -> None:
    found = join([card(7), card(8), Findings({"fido.pin_set": False}, {}, 8)], HOST)
    assert [(key.name, "fido.pin_set" in key.findings.facts) for key in found] == [
        ("serial:7", False),
        ("serial:8", True),
    ]


def test_joining_leaves_the_readings_as_they_were() -> None:
    first, second = card(7), Findings({"fido.pin_set": True}, {}, 7)
    join([first, second], HOST)
    assert "fido.pin_set" not in first.facts


def test_a_reader_whose_key_is_held_has_a_name_too() -> None:
    held = Findings({}, {"piv": "in-use"})
    assert join([held], HOST) == []
    assert nameless("a reader", held, HOST).name.startswith("kind:")
