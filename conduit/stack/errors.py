"""What the stack and the demo tell the person who started them."""


class CannotStart(Exception):
    """A line for the terminal: what is wrong, and what to set or do."""


class DemoFailed(Exception):
    """A line for the terminal: why there is no video."""
