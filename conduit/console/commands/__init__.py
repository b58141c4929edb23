"""Commands that change something or open a way to, each with its rows in the audit: those of Django and of libraries in our place."""
