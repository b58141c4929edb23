"""What any open connection needs, once for all: the hub's, plain streams' and the console's. Knows nothing else of ours, nor of Django."""
