"""Notices: what is told to whom, and the proof that it was told.

`board` reads who is who, `audience` says who hears of what, `words` puts it into words, `delivery`
is one message to one place with what became of it. `link` is the signed link to acknowledge by,
`acknowledging` what it does. `dispatcher` joins them over `ports`. `addresses` and `signature` are
what a webhook's sender has to mind; those that send are in `server.outgoing`.

Without a store: `board`, `words`, `link`, `signature` and the senders stand alone.
"""
