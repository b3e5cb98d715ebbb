"""What holds for every test: hypothesis judges results, never speed."""

from hypothesis import settings

# A busy machine makes any single example slow; timing belongs into `make bench`.
settings.register_profile("keystead", deadline=None)
settings.load_profile("keystead")
