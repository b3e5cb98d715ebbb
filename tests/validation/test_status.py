"""The protocol's words, no more and no less."""

from validation.status import Status


def test_the_statuses_are_the_protocols_words() -> None:
    assert {str(status) for status in Status} == {
        "OK",
        "BAD_OTP",
        "REPLAYED_OTP",
        "REPLAYED_REQUEST",
        "DELAYED_OTP",
        "BAD_SIGNATURE",
        "MISSING_PARAMETER",
        "NO_SUCH_CLIENT",
        "OPERATION_NOT_ALLOWED",
        "BACKEND_ERROR",
        "NOT_ENOUGH_ANSWERS",
    }
