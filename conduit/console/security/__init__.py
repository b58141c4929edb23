"""Who may enter the console, and what he may do there."""
