"""Calls to addresses that come from outside: links to files, MiniMax's own address, the addresses of webhooks.

A caller who may say where we connect to could have us call our own network, where a caller's address is often all the
authorization that is asked for. So there is one way out for all of them: `transport.Session` connects to nothing that `guard`
has not checked. It stands below every other room, since videos and tasks both use it.
"""
