"""Keys and teams: the lists of them, and what is done to several at once."""
