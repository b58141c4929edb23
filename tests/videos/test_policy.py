"""Terms that administrators list are refused at once."""

import re

import pytest

from conduit.api.errors import ContentPolicyViolation
from tests.support.envelopes import refused
from tests.support.marks import SOAK_ON_SQLITE
from videos.models import BlockedTerm
from videos.policy import _plain as plain
from videos.policy import blocked_terms, check_prompt

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite, *SOAK_ON_SQLITE]


@pytest.mark.parametrize(
    ("term", "prompt"),
    [
        ("gore", "gore"),
        ("gore", "a cat, GORE, and a dog"),
        ("GoRe", "much gore!"),
        ("gore", "\uff47\uff4f\uff52\uff45"),
        ("gore", "g\u00ado\u200br\u2060e"),
        ("gore", "(gore)"),
        ("gore", "gore's"),
        ("gore", "some_gore_here"),
        ("dead body", "a dead   body"),
        ("dead body", "a Dead\n\tBody."),
        ("dead body", "a dead\u00a0\u3000body"),
        ("  dead  body ", "a dead body"),
        ("stra\u00dfe", "STRASSE"),
        ("caf\u00e9", "cafe\u0301"),
        ("\u210c", "h"),
        ("c++", "c++ code"),
        ("a.b", "an a.b here"),
        ("\u66b4\u529b", "\u4e00\u4e2a\u66b4\u529b\u573a\u666f"),
        ("\u3042\u304f", "\u304a\u3042\u304f\u3060"),
    ],
)
def test_a_listed_term_is_found_whatever_its_case_width_and_spacing(term, prompt):
    BlockedTerm.objects.create(term=term)

    with pytest.raises(ContentPolicyViolation):
        check_prompt(prompt, blocked_terms())


@pytest.mark.parametrize(
    "inside",
    [
        "\u200b", "\u00ad", "\u034f", "\ufe0f", "\u3164", "\u115f", "\u17b4", "\u180b", "\uffa0", "\U000e0061", "\u2800", "\x01", "\x7f",
        "\U000e0100", "\u061c", "\u2069", "\ufff5", "\U0001d173",
        "\u0323", "\u0336", "\u0301", "\u20dd", "\ufe20",
        "\u200b\u0336\ufe0f" * 50,
    ],
)  # fmt: skip
def test_a_listed_term_is_found_with_what_nobody_sees_or_marks_inside(inside):
    BlockedTerm.objects.create(term="forbidden")

    with pytest.raises(ContentPolicyViolation):
        check_prompt(f"a for{inside}bidden scene", blocked_terms())


@pytest.mark.parametrize(
    ("term", "prompt"),
    [
        ("forbidden", "a f\u043erbidden scene"),
        ("forbidden", "a f0rbidden scene"),
        ("forbidden", "unforbidden"),
        ("ano", "un a\u00f1o"),
        ("\u0e01\u0e19", "\u0e01\u0e34\u0e19"),
        ("gore", "gorecki conducts"),
        ("gore", "a phalgore"),
        ("gore", "gore7"),
        ("ass", "a class of grass"),
        ("dead body", "dead bodybuilders"),
        ("a.b", "axb"),
        ("c++", "c"),
        (".*", "anything"),
        ("(", "no brackets"),
        ("\u200b", "anything"),
        ("gore", "g o r e"),
    ],
)
def test_what_only_looks_like_a_listed_term_passes(term, prompt):
    BlockedTerm.objects.create(term=term)

    check_prompt(prompt, blocked_terms())


def test_without_listed_terms_everything_passes(db):
    check_prompt("gore", blocked_terms())


@pytest.mark.parametrize("path", ["/v1/video/generations", "/v1/video/generations/estimate"])
def test_a_refusal_says_content_policy_and_not_which_term(consumer, path):
    BlockedTerm.objects.create(term="gore", note="because")

    answer = consumer.post(path, {"model": "minimax-video", "prompt": "much gore"})

    message = refused(answer, 400, "content_policy_violation", "prompt")
    assert "content policy" in message
    assert "gore" not in message
    assert "because" not in message


def test_a_term_that_was_removed_no_longer_counts(consumer):
    BlockedTerm.objects.create(term="cat").delete()

    consumer.generate("a cat")


def test_of_many_terms_with_common_beginnings_each_is_found_and_nothing_else():
    terms = {"a" * length for length in range(2, 200)} | {"c++", "c+", "dead", "dead body", "dead bodies", "\ufdfa" * 200}
    BlockedTerm.objects.bulk_create(BlockedTerm(term=term) for term in terms)

    for term in terms:
        with pytest.raises(ContentPolicyViolation):
            check_prompt(f"so {term}.", blocked_terms())
    for harmless in ("a", "a" * 200, "c", "c+d", "deadbody", "deaden bodies", "deaf"):
        check_prompt(f"so {harmless}.", blocked_terms())


@pytest.mark.parametrize("prompt", ["\ufdfa" * 7000, "a" + "\u0315\u0300" * 3500, "a" + "\u05b0\u0591" * 3500])
def test_what_is_read_of_a_prompt_is_bounded(prompt):
    """Characters that stand for many, and marks piled on one letter, whose sorting would take the square of their number."""
    assert len(plain(prompt)) <= 18 * len(prompt)
    assert max(map(len, re.findall("[\u0300-\u036f\u0591-\u05bd]+", plain(prompt))), default=0) <= 8


def test_many_terms_cost_one_query(django_assert_num_queries):
    BlockedTerm.objects.bulk_create(BlockedTerm(term=f"term {number}") for number in range(200))

    with django_assert_num_queries(1):
        check_prompt("x" * 2000, blocked_terms())
