"""What of the service may be away: the parts that maintenance and incidents are about."""

import enum


class Component(enum.StrEnum):
    """What is not to be relied on meanwhile."""

    VALIDATION = "validation"
    UPLOAD = "upload"
    API_KEYS = "api-keys"
    PROVISIONING = "provisioning"
