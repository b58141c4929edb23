"""What a browser would send of a page's form as it came."""

from html.parser import HTMLParser

_UNSENT = ("submit", "button", "image", "file", "reset")


class _Fields(HTMLParser):
    def __init__(self, form_id: str) -> None:
        super().__init__()
        self.form_id, self.inside = form_id, False
        self.sent: dict[str, list[str]] = {}
        self._select: str | None = None
        self._text: str | None = None

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        if tag == "form":
            self.inside = given.get("id") == self.form_id
        name = given.get("name", "")
        if not self.inside:
            return
        if tag == "input" and name and given.get("type") not in _UNSENT and "disabled" not in given:
            if given.get("type") not in ("checkbox", "radio"):
                self._send(name, given.get("value", ""))
            elif "checked" in given:
                self._send(name, given.get("value", "on"))
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select and "selected" in given:
            self._send(self._select, given.get("value", ""))
        elif tag == "textarea":
            self._text = name
            self._send(name, "")

    def handle_data(self, data: str) -> None:
        if self._text:
            self.sent[self._text][-1] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.inside = False
        elif tag == "select":
            self._select = None
        elif tag == "textarea" and self._text:
            self.sent[self._text][-1] = self.sent[self._text][-1].removeprefix("\n").removeprefix("\r\n")
            self._text = None

    def _send(self, name: str, value: str) -> None:
        self.sent.setdefault(name, []).append(value)


def filled_in(page: str, form_id: str) -> dict[str, list[str]]:
    """The fields of that form with their values, several where several are chosen."""
    fields = _Fields(form_id)
    fields.feed(page)
    return fields.sent
