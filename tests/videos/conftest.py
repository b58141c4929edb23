"""Each answer of the API that is met here is held against its document."""

from tests.support.documented import answers_are_documented  # noqa: F401 - a fixture for every test
