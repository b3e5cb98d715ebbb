"""What each application of a key is asked, and what its answers mean.

A script is a generator: it yields commands, gets answers, and notes what they tell. It opens
nothing and knows no clock, so its tests are answers that were recorded.
"""
