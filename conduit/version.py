"""Which release this is: `/openapi.json` and `/docs` show it, CHANGELOG.md tells what each brought."""

VERSION = "1.0.0"
