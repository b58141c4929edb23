"""The audit in the console: what writes it for every page of a model and every log-in, and the page that reads it."""
