"""A plan says everything before anything is done, and never more than is needed."""

import pytest
from yubihsm.defs import AUDIT, COMMAND, OBJECT, ORIGIN

from hsm.ceremony.plan import Act, Plan, plan
from hsm.drift import FACTORY_PLACE, Kind, differences
from hsm.inventory import Found, Inventory
from hsm.manifest import DeviceObject, Manifest, Place, Role, issuing, validation


def _found(one: Role | DeviceObject) -> Found:
    algorithm, origin = validation().object("otp").algorithm, ORIGIN.IMPORTED
    if isinstance(one, DeviceObject):
        algorithm, origin = one.algorithm, ORIGIN.GENERATED
    else:
        algorithm = type(algorithm).AES128_YUBICO_AUTHENTICATION
    rights = (one.domains, int(one.capabilities), int(one.delegated))
    return Found(one.place, algorithm, *rights, origin=int(origin), label=one.name)


def finished(manifest: Manifest) -> Inventory:
    """Return a device that is what a manifest says."""
    everything: list[Role | DeviceObject] = [*manifest.roles, *manifest.objects]
    audited = manifest.options.audited
    return Inventory(
        serial=7,
        firmware=(2, 4, 1),
        part_number=None,
        objects={one.place: _found(one) for one in everything},
        force_audit=manifest.options.force_audit,
        audit={
            int(one): AUDIT.FIXED if one in audited else AUDIT.OFF
            for one in COMMAND
            if one is not COMMAND.ERROR
        },
        algorithms=frozenset(range(1, 56)),
    )


def changed(inventory: Inventory, **fields: object) -> Inventory:
    values = {name: getattr(inventory, name) for name in Inventory.__slots__}
    return Inventory(**values | fields)


def without(inventory: Inventory, *places: Place) -> Inventory:
    objects = {place: one for place, one in inventory.objects.items() if place not in places}
    return changed(inventory, objects=objects)


def acts(made: Plan) -> list[tuple[Act, str]]:
    return [(one.act, one.name) for one in made.steps]


@pytest.mark.parametrize("manifest", [validation(), issuing()], ids=lambda one: one.name)
def test_for_a_finished_device_nothing_is_planned(manifest: Manifest) -> None:
    assert differences(manifest, finished(manifest)) == []
    assert plan(manifest, finished(manifest)) == Plan((), (), ())


def test_the_administrator_comes_first_and_the_factorys_key_last() -> None:
    manifest = validation()
    bare = changed(
        finished(manifest),
        objects={FACTORY_PLACE: Found(FACTORY_PLACE, None)},
        audit=dict.fromkeys(map(int, COMMAND), AUDIT.OFF),
        force_audit=AUDIT.OFF,
    )
    made = acts(plan(manifest, bare))
    assert made[:2] == [(Act.AUDIT, ""), (Act.PUT_ROLE, "admin")]
    assert made[-2:] == [(Act.FORCE_AUDIT, ""), (Act.DELETE_FACTORY_KEY, "")]
    assert sorted(name for act, name in made if act is Act.PUT_ROLE) == sorted(
        one.name for one in manifest.roles
    )
    assert [act for act, _ in made] == sorted((act for act, _ in made), key=list(Act).index)


@pytest.mark.parametrize("name", [one.name for one in validation().roles])
def test_a_missing_role_is_made_and_nothing_else(name: str) -> None:
    manifest = validation()
    made = plan(manifest, without(finished(manifest), manifest.role(name).place))
    assert acts(made) == [(Act.PUT_ROLE, name)]
    assert not made.refusals


@pytest.mark.parametrize("name", ["otp", "data-keys"])
def test_a_missing_key_is_made_by_the_device(name: str) -> None:
    manifest = validation()
    lacking = without(finished(manifest), manifest.object(name).place)
    assert acts(plan(manifest, lacking)) == [(Act.GENERATE, name)]
    left = plan(manifest, lacking, clone=True)
    assert acts(left) == []
    assert any(name in one for one in left.remarks)


def test_a_missing_certificate_is_attested() -> None:
    manifest = validation()
    place = manifest.object("identity-certificate").place
    made = plan(manifest, without(finished(manifest), place))
    assert acts(made) == [(Act.ATTEST, "identity-certificate")]


def test_a_certificate_without_its_key_is_refused() -> None:
    manifest = validation()
    made = plan(manifest, without(finished(manifest), manifest.object("identity").place))
    assert [one.kind for one in made.refusals] == [Kind.IDENTITY]


def test_what_is_fixed_is_refused_even_where_the_rest_could_be_done() -> None:
    manifest = validation()
    strict = changed(
        finished(manifest), audit={**finished(manifest).audit, int(COMMAND.ECHO): AUDIT.FIXED}
    )
    (refusal,) = plan(manifest, strict).refusals
    assert refusal.kind is Kind.FIXED
    assert "stays until the device is reset" in str(refusal)


def test_a_kind_of_object_that_nobody_knows_yet_is_left_alone() -> None:
    manifest = validation()
    strange = Place(99, 5)  # type: ignore[arg-type] # firmware to come
    device = finished(manifest)
    with_it = changed(device, objects={**device.objects, strange: Found(strange, None)})
    made = plan(manifest, with_it)
    assert acts(made) == []
    assert not made.refusals
    assert len(made.remarks) == 1


def test_a_restored_key_is_good_unless_it_is_made_only_once() -> None:
    manifest = validation()
    device = finished(manifest)

    def restored(name: str) -> Inventory:
        one = device.objects[manifest.object(name).place]
        origin = int(ORIGIN.GENERATED | ORIGIN.IMPORTED_WRAPPED)
        values = {field: getattr(one, field) for field in Found.__slots__} | {"origin": origin}
        return changed(device, objects={**device.objects, one.place: Found(**values)})

    assert differences(manifest, restored("otp")) == []
    assert [one.kind for one in differences(manifest, restored("identity"))] == [Kind.ORIGIN]


def test_objects_have_types_that_are_known() -> None:
    assert Place(OBJECT.AUTHENTICATION_KEY, 1) == FACTORY_PLACE
