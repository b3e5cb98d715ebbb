"""The ledger as lines of JSON, in the form of the journal's exports."""

from server.journal.checkpoint import ChainName
from server.journal.export import Form
from server.ledger.entry import TYPE, Entry

LEDGER_FORM = Form(ChainName.LEDGER, TYPE, Entry.of_json)
