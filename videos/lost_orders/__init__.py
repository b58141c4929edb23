"""Orders whose answer was lost, for operators: which there are, what may have been billed, and what an operator decides."""
