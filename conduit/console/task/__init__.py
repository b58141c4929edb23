"""The page of a task: what became of it, step by step, in one page."""
