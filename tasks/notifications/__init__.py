"""Telling others what happened: webhooks of keys, teams and the whole place.

How a webhook comes about:

1. What happened is a row of its own room, written in the transaction in which it happened: an event of a task says there whether
   anybody is to be told of it (`outbox.wanted`), in the statement that writes it.
2. `outbox.FanOut` makes of each such row a message, and a delivery for everybody who asked for it, in one transaction with the mark
   that the row was told. It runs in the process `notifications`.
3. `claims` leases deliveries that are due: a few at a time for each receiver, and of one task only the first that is left.
4. `sending` builds the body from the rows as they are now, signs it and calls the receiver; `outcomes` writes what came of it.

A process that dies at any of these lines leaves rows that another goes on with: a message may come twice, never under another id.
This room knows a task by its plain id; a room that has something to tell registers a source (`sources`).
"""
