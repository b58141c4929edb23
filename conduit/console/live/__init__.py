"""What pages of the console are told while they are open: over a socket, or every few seconds when that is away.

One pump for each web process reads the database for all sockets; nothing here writes, and nothing waits for a reader.
"""
