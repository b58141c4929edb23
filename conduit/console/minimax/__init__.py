"""MiniMax as its calls tell: how many went how, and what was said."""
