"""Clients that people already have, unmodified from their registries, each in an environment of its own (Makefile, `.clients`)."""
