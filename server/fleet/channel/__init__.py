"""Facts from the key itself: an SCP11b channel that ends here, through an agent that relays.

`dialogue` is the protocol, without a socket or a clock; `channels` keeps the dialogues that are
under way. What the key says comes encrypted and with its MAC: the host between can end a channel,
and change nothing in it.
"""
