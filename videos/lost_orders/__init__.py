"""Orders whose answer was lost, for those who run the place: which there are, what may have been billed, and what an operator decides."""
