"""What holds for every test: hypothesis judges results, never speed; hang-ups are heard."""

import signal

from hypothesis import settings

# A busy machine makes any single example slow; timing belongs into `make bench`.
settings.register_profile("keystead", deadline=None)
settings.load_profile("keystead")

# A service that is started under nohup(1) leaves SIGHUP alone, as it should. Services that tests
# start are asked to reload by it: what this run was started under is not theirs to inherit.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
