"""Devices from the host's side: connections, sessions with one owner, pools. `errors` first."""
