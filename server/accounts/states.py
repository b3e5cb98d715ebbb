"""Accounts as the journal tells of them: what can be changed, nothing secret and no person.

The journal is kept for good and people may ask to be forgotten: of a contact it has the number
and the kinds, of an acceptance the version.
"""

from server.accounts.customer_ports import ContactDetails, CustomerDetails
from server.accounts.limits import LimitFigures
from server.accounts.operator_ports import OperatorDetails
from server.accounts.ports import ClientDetails, LimitOverride
from server.journal.acts import State, Subject
from server.journal.moments import format_moment

KIND = "client"
CUSTOMER = "customer"
CONTACT = "contact"
OPERATOR = "operator"
_LARGEST = 2**53 - 1
"""What every reader of JSON can count to; more sessions at once than that is no limit."""


def client_subject(client_id: int) -> Subject:
    """Return a client as the subject of an act."""
    return Subject(KIND, str(client_id))


def client_state(details: ClientDetails) -> State:
    """Return a client's state. Of its API keys only the numbers: details hold no more."""
    return {
        "name": details.name,
        "active": details.active,
        "version": details.version,
        "signed_only": details.signed_only,
        "phishing_test": details.phishing_test,
        "customer": details.customer_id,
        "limit": None if details.limit is None else _limit_state(details.limit),
        "api_keys": [key.key_id for key in details.api_keys],
    }


def _limit_state(limit: LimitOverride) -> State:
    rate, burst, per_day = LimitFigures.of(limit.policy)
    return {
        "rate": rate,
        "burst": burst if burst <= _LARGEST else None,
        "per_day": per_day,
        "shadow": limit.shadow,
        "reason": limit.reason,
        "expires": None if limit.expires_us is None else format_moment(limit.expires_us),
    }


def customer_subject(customer_id: int) -> Subject:
    """Return a customer as the subject of an act."""
    return Subject(CUSTOMER, str(customer_id))


def customer_state(details: CustomerDetails) -> State:
    """Return a customer's state."""
    name, entity, plan, validation = details.terms
    last = details.acceptances[-1] if details.acceptances else None
    return {
        "name": name,
        "entity": entity.value,
        "plan": plan and {"from": plan.begins.isoformat(), "to": plan.ends.isoformat()},
        "validation": validation,
        "usage_requirements": last
        and {"version": last.version, "accepted": format_moment(last.accepted_us)},
    }


def contact_subject(contact_id: int) -> Subject:
    """Return a contact as the subject of an act."""
    return Subject(CONTACT, str(contact_id))


def contact_state(details: ContactDetails) -> State:
    """Return of a contact what is not about the person."""
    kinds = sorted(kind.value for kind in details.card.kinds)
    return {"customer": details.customer_id, "kinds": kinds}


def operator_subject(name: str) -> Subject:
    """Return an operator as the subject of an act."""
    return Subject(OPERATOR, name)


def operator_state(details: OperatorDetails) -> State:
    """Return an operator's state: of the tokens only numbers and times."""
    return {
        "role": details.role.value,
        "customer": details.customer_id,
        "active": details.active,
        "tokens": [
            {
                "number": token.number,
                "expires": format_moment(token.expires_us),
                "revoked": token.revoked_us is not None,
            }
            for token in details.tokens
        ],
    }
