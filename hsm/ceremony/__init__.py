"""Ceremonies: a device is made what its manifest says, by steps that can be told beforehand.

`plan` is pure: manifest and inventory in, steps and refusals out. `perform` takes the steps one
after the other and writes the transcript; it may be cut off anywhere and begun again. `verify`
checks a transcript later, without the device.
"""
