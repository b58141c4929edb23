"""What a browser may do with an answer of the API, should somebody open one as a page: nothing."""

NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
HEADER = "Content-Security-Policy"
