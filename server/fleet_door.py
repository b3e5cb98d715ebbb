"""The door of endpoint agents, with the room behind it, and what Prometheus sees of it."""

import asyncio
import secrets
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import structlog
from prometheus_client.core import CounterMetricFamily, Metric

from agent.proof_wire import (
    CHALLENGE_CONTEXT,
    CHALLENGES,
    CHANNEL_CONTEXT,
    CHANNELS,
    SIGNATURE_CONTEXT,
    SIGNATURES,
)
from server.clock import Clock
from server.config import Config
from server.fleet.channel.channels import Channels
from server.fleet.health import Judging
from server.fleet.key_signed import KeySigned
from server.fleet.nonces import Nonces
from server.fleet.policy import SERIAL_KEY, SERIAL_KEY_OCTETS, FleetPolicy
from server.fleet.reception import BATCH_S, Reception
from server.fleet.roots_desk import RootsDesk
from server.fleet.server_identity import (
    ServerIdentity,
    Values,
    is_made,
    open_identity,
    reseal,
)
from server.foundation import Store
from server.handed_keys import HandedKeys
from server.journal.acts import Cause
from server.key_room import KeyRoom
from server.local_users import this_process
from server.metrics.tally import Tally
from server.settings.fleet import Fleet
from server.web.fleet import OUTCOMES, FleetDoor
from server.web.fleet_claims import ClaimDoor
from server.web.fleet_proofs import Dialogue, ProofDoor
from server.web.guard import Caps
from server.web.runner import serve

if TYPE_CHECKING:
    from server.web.certificate import ServedCertificate


_log = structlog.stdlib.get_logger(__name__)

_BATCH_S_OF_ONE_WRITER = 0.1
"""Where verifications wait for whoever writes: less at once, more often."""


async def keep_identity(
    stack: AsyncExitStack, store: Values, keys: KeyRoom, *, needed: bool, settle_s: float = 1.0
) -> ServerIdentity | None:
    """Return who this server is to hosts; None when nobody needs it and it was never made.

    Until `stack` ends it is sealed anew whenever other keys seal. settle_s: after other keys were
    told of, for who listens is told before the vault seals with them. VaultError, store errors.
    """
    if not needed and not await is_made(store):
        return None
    cause = Cause(this_process())
    identity = await open_identity(store, keys.vault, cause=cause)
    tasks: set[asyncio.Task[None]] = set()

    async def seal_anew() -> None:
        try:
            await asyncio.sleep(settle_s)
            await reseal(store, keys.vault, identity, cause=cause)
        except Exception as error:  # noqa: BLE001 - tried again at the next change, and the next start
            _log.error("fleet_identity_not_resealed", error=str(error))

    async def other_keys(_keys: HandedKeys) -> None:
        task = asyncio.create_task(seal_anew())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def end() -> None:
        await asyncio.gather(*tasks)

    keys.listen(other_keys)
    stack.push_async_callback(end)
    await reseal(store, keys.vault, identity, cause=cause)
    return identity


async def open_fleet_door(
    stack: AsyncExitStack,
    config: Config,
    store: Store,
    clock: Clock,
    *,
    listener: socket.socket,
    caps: Caps,
    certificate: "ServedCertificate | None",
    judging: Callable[[], Judging],
    identity: ServerIdentity,
) -> Reception:
    """Take enrolments and reports until `stack` ends; what was accepted by then is stored.

    judging: tells by what keys are judged now.
    """
    proposed = secrets.token_bytes(SERIAL_KEY_OCTETS).hex()
    wanted = config.fleet
    policy = FleetPolicy(
        bytes.fromhex(await store.settle_meta(SERIAL_KEY, proposed)),
        wanted.serial,
        wanted.attached,
        wanted.certificate_names,
        wanted.openpgp_fingerprints,
        wanted.interval_seconds,
        identity.public_key,
        wanted.proofs,
        wanted.proof_interval_seconds,
        wanted.claims,
    )
    batch_s = _BATCH_S_OF_ONE_WRITER if config.store.is_sqlite else BATCH_S
    reception = Reception(store, policy, judging=judging, batch_s=batch_s)
    stack.push_async_callback(reception.close)
    proofs = ProofDoor(
        reception,
        identity,
        _dialogues(store, clock, wanted, policy, identity, counted=reception.outcomes),
    )
    claims = ClaimDoor(reception, store)
    # A tally of its own: the other one counts connections of clients.
    door = await serve(
        FleetDoor(reception, identity, [*proofs.handlers(), *claims.handlers()]).app(),
        [listener],
        tally=Tally.in_memory(),
        caps=caps,
        grace_s=config.http.drain_seconds,
        tls=certificate,
    )
    stack.push_async_callback(door.stop)
    return reception


def _dialogues(
    store: Store,
    clock: Clock,
    wanted: Fleet,
    policy: FleetPolicy,
    identity: ServerIdentity,
    *,
    counted: Counter[str],
) -> Sequence[Dialogue]:
    """Return the dialogues by which keys prove themselves: those that the organisation asks for."""
    roots = RootsDesk(store, wanted.trusted_attestation_keys)
    dialogues = []
    if "signed" in wanted.proofs:
        signed = KeySigned(
            store,
            Nonces(clock.monotonic, secrets.token_bytes),
            roots.current,
            server_key=identity.public_key,
            serial_key=policy.serial_key,
            clock=clock,
            counted=counted,
        )
        dialogues += [
            Dialogue(CHALLENGES, CHALLENGE_CONTEXT, signed.challenge),
            Dialogue(SIGNATURES, SIGNATURE_CONTEXT, signed.signature),
        ]
    if "channel" in wanted.proofs:
        channels = Channels(store, roots.current, policy.serial_key, clock=clock, counted=counted)
        dialogues.append(Dialogue(CHANNELS, CHANNEL_CONTEXT, channels.step))
    return dialogues


def fleet_families(outcomes: Mapping[str, int]) -> Iterator[Metric]:
    """Yield what was answered at the door."""
    family = CounterMetricFamily(
        "keystead_fleet_requests",
        "Enrolments and reports of endpoint agents, by outcome.",
        labels=["outcome"],
    )
    for outcome in sorted({*OUTCOMES, *outcomes}):
        family.add_metric([outcome], outcomes.get(outcome, 0))
    yield family
