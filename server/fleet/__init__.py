"""The fleet: which YubiKeys there are, and which of them an advisory hits.

`product_lines` tells the lines of products apart, as far as what a key says of itself allows.
`advisory` is what an advisory says, `advisory_file` the signed file that holds all of them,
`conditions` when an affected key is in danger, and `exposure` puts it together for one key.
"""
