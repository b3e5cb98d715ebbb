"""Whose usage an answer is: a client's that is there, and nobody's when it may not be."""

import pytest

from server.otp.ports import StoreUnavailableError
from server.otp.settings import VerifierSettings
from tests.server.otp.conftest import OpenRoom
