"""How commands speak of what the management API calls parameters."""

from collections.abc import Mapping


def texts(option: str) -> list[str]:
    """The values of an option that takes several, with commas between them."""
    return [text.strip() for text in option.split(",")]


def in_options(words: str, options: Mapping[str, str]) -> str:
    """A refusal in the command's own names. `options`: by the parameter's."""
    for parameter, option in options.items():
        words = words.replace(f"`{parameter}`", option)
    return words
