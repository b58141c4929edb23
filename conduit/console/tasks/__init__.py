"""Tasks: the list of all, the search, and what is done to many at once."""
