"""What was answered, per minute and client: counted beside the verifications, kept in the store.

`kinds` says what is counted and what it means for availability, `counter` counts, `clerk` brings
the counts to the store, `desk` shows them. `ports` is what the room needs of a store.
"""
