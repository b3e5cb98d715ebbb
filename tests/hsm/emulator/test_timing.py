"""Durations: the published ones, spent after the answer is known and before it is given."""

from hsm.emulator.core import Emulator, Executed
from hsm.emulator.timing import Paced, duration
from hsm.emulator.wire.algorithm import Algorithm
from hsm.emulator.wire.command import Command


def test_durations_are_the_published_ones() -> None:
    assert duration(Executed(Command.SIGN_ECDSA, Algorithm.EC_P256)) == 0.073
    assert duration(Executed(Command.SIGN_PKCS1, Algorithm.RSA_2048)) == 0.139
    assert duration(Executed(Command.WRAP_DATA, Algorithm.AES256_CCM_WRAP)) == 0.010
    assert duration(Executed(Command.ECHO, None)) == duration(None) < 0.004


def test_a_paced_device_takes_its_time(emulator: Emulator) -> None:
    spent: list[float] = []
    paced = Paced(emulator, spent.append)
    assert paced.transceive(b"\x01\0\2hi") == b"\x81\0\2hi"
    assert spent == [duration(Executed(Command.ECHO, None))]
