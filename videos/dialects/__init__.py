"""Other wires of the same tasks: what other gateways' clients send and read, over the same ids, money, limits and events."""
