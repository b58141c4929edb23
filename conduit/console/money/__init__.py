"""Money: what was charged and what MiniMax bills, by day, key, team and model, as pages and as CSV."""
