"""A YubiHSM 2 in software, on the far side of the wire.

`core.Emulator.transceive(bytes) -> bytes` is the whole device: no socket, no file, no clock of its
own. What speaks to it is the same client that speaks to hardware, so there is one client path.
Two fronts: `backend.EmulatorBackend` in the same process, and `keystead emulator`, which speaks
the connector's HTTP. It is no hardware: keys lie in this process' memory, and it says so in its
serial number, part number and attestation root.
"""
