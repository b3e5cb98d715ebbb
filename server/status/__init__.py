"""What everybody may know of the service, as pages, feeds and files: rendered from one value.

`snapshot` is that value: it is read from storage and then stands by itself, so that whoever holds
one shows the same while store, vault and verification are away.
"""
