"""Who may do what: roles, the permissions they carry, and the customer an operator is kept to.

Whatever is not granted here is denied. The roles' table in docs/accounts.md is held against this.
"""

import enum
from collections.abc import Mapping
from typing import NamedTuple

from server.journal.acts import Actor


class Permission(enum.StrEnum):
    """What a route of the admin API asks for: room and verb."""

    SELF_READ = "self.read"
    STATUS_READ = "status.read"
    CUSTOMER_READ = "customer.read"
    CUSTOMER_WRITE = "customer.write"
    CONTACT_READ = "contact.read"
    CONTACT_WRITE = "contact.write"
    CLIENT_READ = "client.read"
    CLIENT_WRITE = "client.write"
    CLIENT_LIMIT = "client.limit"
    CLIENT_ASSIGN = "client.assign"
    KEY_READ = "key.read"
    KEY_SWITCH = "key.switch"
    KEY_IMPORT = "key.import"
    KEY_MINT = "key.mint"
    MOVING_IMPORT = "moving.import"
    MOVING_EXPORT = "moving.export"
    JOURNAL_READ = "journal.read"
    JOURNAL_SIGN = "journal.sign"
    LEDGER_ERASE = "ledger.erase"
    BACKUP_WRITE = "backup.write"
    MAINTENANCE_READ = "maintenance.read"
    MAINTENANCE_WRITE = "maintenance.write"
    INCIDENT_READ = "incident.read"
    INCIDENT_WRITE = "incident.write"
    INCIDENT_AMEND = "incident.amend"
    NOTICE_READ = "notice.read"
    NOTICE_TEST = "notice.test"
    FENCE_READ = "fence.read"
    FENCE_LIFT = "fence.lift"
    VAULT_READ = "vault.read"
    VAULT_ROTATE = "vault.rotate"
    FLEET_READ = "fleet.read"
    FLEET_WRITE = "fleet.write"
    FLEET_ERASE = "fleet.erase"
    FLEET_DECIDE = "fleet.decide"
    OPERATOR_READ = "operator.read"
    OPERATOR_WRITE = "operator.write"
    PROBE_READ = "probe.read"
    PROBE_WRITE = "probe.write"


class Role(enum.StrEnum):
    """What an operator is there for."""

    VIEWER = "viewer"
    SUPPORT = "support"
    OPERATOR = "operator"
    APPROVER = "approver"
    ADMIN = "admin"
    PROBER = "prober"
    """No person: the process that probes. It hands in what it found, and can do nothing else."""


_VIEWER = frozenset(
    {
        Permission.SELF_READ,
        Permission.STATUS_READ,
        Permission.CUSTOMER_READ,
        Permission.CLIENT_READ,
        Permission.KEY_READ,
        Permission.MAINTENANCE_READ,
        Permission.INCIDENT_READ,
        Permission.FENCE_READ,
        Permission.PROBE_READ,
    }
)
# Contacts are people: who only looks at figures has no need of their names and numbers.
_SUPPORT = _VIEWER | {
    Permission.CONTACT_READ,
    Permission.CONTACT_WRITE,
    Permission.FLEET_READ,
    Permission.NOTICE_READ,
    Permission.KEY_SWITCH,
    Permission.INCIDENT_WRITE,
}
_OPERATOR = _SUPPORT | {
    Permission.CUSTOMER_WRITE,
    Permission.CLIENT_WRITE,
    Permission.CLIENT_LIMIT,
    Permission.CLIENT_ASSIGN,
    Permission.KEY_IMPORT,
    Permission.KEY_MINT,
    Permission.FLEET_WRITE,
    Permission.MOVING_IMPORT,
    Permission.MAINTENANCE_WRITE,
    Permission.INCIDENT_AMEND,
    Permission.NOTICE_TEST,
    Permission.JOURNAL_READ,
    Permission.VAULT_READ,
}
# Whoever approves what others do does not do it alone as well: they read, decide, and sign.
_APPROVER = _VIEWER | {
    Permission.CONTACT_READ,
    Permission.FLEET_READ,
    Permission.FLEET_DECIDE,
    Permission.NOTICE_READ,
    Permission.JOURNAL_READ,
    Permission.JOURNAL_SIGN,
    Permission.VAULT_READ,
    Permission.OPERATOR_READ,
}

GRANTS: Mapping[Role, frozenset[Permission]] = {
    Role.VIEWER: _VIEWER,
    Role.SUPPORT: _SUPPORT,
    Role.OPERATOR: _OPERATOR,
    Role.APPROVER: _APPROVER,
    Role.ADMIN: frozenset(Permission),
    Role.PROBER: frozenset({Permission.SELF_READ, Permission.PROBE_WRITE}),
}


class Caller(NamedTuple):
    """Who makes a request. customer: the only one whose things exist for them, None for all."""

    actor: Actor
    role: Role
    customer: int | None = None

    def may(self, permission: Permission) -> bool:
        """Tell whether the role carries a permission."""
        return permission in GRANTS[self.role]

    def sees(self, customer_id: int | None) -> bool:
        """Tell whether things of a customer (None: of nobody) exist for this caller."""
        return self.customer is None or self.customer == customer_id
