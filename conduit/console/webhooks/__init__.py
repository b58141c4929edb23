"""Webhook endpoints: who is told of what, what came of it, and what can be done about it."""
