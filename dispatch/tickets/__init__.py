"""Tickets: one fault for the contract firm to mend.

Pure: `outcome` (values), `limits`, `causes`, `families`, `policy` (what follows from a fault or a limit), `moves` (from a person's act),
`images` (photos without metadata). Shell, inside the caller's transaction: `opening` (a fault's rows, also for ingest), `book` (a person's
act; the api and the firm's pages call it), `maintenance` (orders that shield). `rounds` fires what is due.
"""
