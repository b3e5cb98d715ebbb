"""Maintenance as it was announced: a history that only grows, and what of it counts.

`plan` has the values and the table of states, `decisions` says what may be changed, `counting` what
is left out of availability and in which phase a moment lies. `desk` is the operator's, `watch`
keeps a process up to date, `feed` writes the calendar. `ports` is what the room needs of a store.
"""
