"""The page of the fleet at `/fleet`: what it says of keys, hosts and advisories. Read-only.

Whatever a laptop reported may have been made up by whoever controls it: `said` makes it harmless
and short before it is shown, and the templates escape it. `places` are the addresses of its parts;
`overview`, `keys`, `key`, `hosts` and `advisories` decide what is on each, `document` makes HTML.
"""
