"""Accounts at MiniMax as rows: what each may be used for, which one a clip is ordered with, and how it is.

A clip's account is written in the statement that stores the intent to order it, and stays its own: it is asked for, fetched and
called off with that account, whatever key the account has by then.
"""
