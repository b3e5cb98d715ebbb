"""The accounts room: the clients that may ask for verifications, their API keys and limits."""
