"""The words an answer's `status` line may hold."""

from enum import StrEnum


class Status(StrEnum):
    """Statuses of the validation protocol; clients take any other word for an error.

    DELAYED_OTP is what the reference server answers when its phishing test refuses.
    """

    OK = "OK"
    BAD_OTP = "BAD_OTP"
    REPLAYED_OTP = "REPLAYED_OTP"
    REPLAYED_REQUEST = "REPLAYED_REQUEST"
    DELAYED_OTP = "DELAYED_OTP"
    BAD_SIGNATURE = "BAD_SIGNATURE"
    MISSING_PARAMETER = "MISSING_PARAMETER"
    NO_SUCH_CLIENT = "NO_SUCH_CLIENT"
    OPERATION_NOT_ALLOWED = "OPERATION_NOT_ALLOWED"
    BACKEND_ERROR = "BACKEND_ERROR"
    NOT_ENOUGH_ANSWERS = "NOT_ENOUGH_ANSWERS"
