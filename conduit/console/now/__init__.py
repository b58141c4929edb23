"""Now: the first page of the console. What needs somebody, what runs, how it went, and what it comes to."""
