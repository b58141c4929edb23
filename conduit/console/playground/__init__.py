"""The page at `/`, where people with a key or a client token make videos by hand. It speaks the public API, as any client of it does."""
