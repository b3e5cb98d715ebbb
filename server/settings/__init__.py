"""The sections of the configuration, each frozen, typed and checked; `server.config` joins them.

Every field says what it means and what to write, because the errors quote it. A secret is never a
value here: secrets are files, and the configuration only names them.
"""
