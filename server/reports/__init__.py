"""Reports: what an incident did, and what each customer was served, as papers that can be checked.

`document` is a paper before it has a format; `markdown`, `page`, `pdf` and `plain` write it.
`analysis`, `drafting`, `revisions` and `paper` are the incident analysis report; `regulatory` the
clocks of authorities; `customer`, `customer_paper` and `customer_table` what a customer is told
month by month, `verification` computes that again. `desk` is the operator's, `ports` is what the
room needs of others.
"""
