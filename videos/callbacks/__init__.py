"""MiniMax's callbacks: the URL that belongs to one order of one clip, and what follows when it is called.

A callback is never believed: it is a hint to ask MiniMax now, and it may tell the id of a job whose create was never answered, which
counts when MiniMax, asked for it, knows it. So those that come twice, late or in another order do no harm.
"""
