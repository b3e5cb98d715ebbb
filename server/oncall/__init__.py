"""Who is called about an incident: a rota with overrides, and the steps until somebody answers.

`rota` says whose turn it is at an instant, `escalation` who is called when nobody acknowledges.
Pure: instants are given, nothing is sent. `server.notices.board` reads both from a file.
"""
