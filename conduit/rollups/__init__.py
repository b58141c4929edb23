"""Roll-ups: counts by steps of time, which ticks make from rows that are only ever added, and pages read.

The code that adds such a row (an event, a ledger's entry) does nothing for them. Once a second `jobs.roll_up` calls what the rooms
registered (`registry.register`); each goes on from where its `Cursor` stands, in one transaction that counts some rows and moves
the cursor, under the cursor's lock: two at once, or one that is killed anywhere, count nothing twice and miss nothing.

- `steps`: how long the steps are (a minute, ten minutes, six hours), and the spans that pages show (`Span`).
- `histograms`: times in buckets, and the percentiles that are read from them.
- `settling`: up to which id of a table everything is there, whatever commits late.
- `adding`: adding to counts, in one statement for many rows.

What can be made anew: `manage.py rebuild_rollups`. Rows are forgotten by `steps.KEPT`; those of days are kept.
"""
