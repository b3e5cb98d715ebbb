"""Minting: keys that are made here, handed out once to a station, and proved before they count."""
