"""Terms that administrators list are refused at once."""

import pytest

from conduit.api.errors import ContentPolicyViolation
from tests.support.envelopes import refused
from videos.models import BlockedTerm
from videos.policy import check_prompt

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


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
        check_prompt(prompt)


@pytest.mark.parametrize(
    ("term", "prompt"),
    [
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

    check_prompt(prompt)


def test_without_listed_terms_everything_passes(db):
    check_prompt("gore")


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


def test_many_terms_cost_one_query(django_assert_num_queries):
    BlockedTerm.objects.bulk_create(BlockedTerm(term=f"term {number}") for number in range(200))

    with django_assert_num_queries(1):
        check_prompt("x" * 2000)
