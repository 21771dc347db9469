"""Counts and means against naive ones."""

import random
from collections import Counter

from clipbug.report.charts import learning_curve, score_ruler
from clipbug.report.confusion import confusion_of
from clipbug.report.contents import Card, Curve
from clipbug.report.groups import groups_of
from tests.helpers.report_contents import card


def random_cards(num_answers: int) -> list[Card]:
    draw = random.Random(3)
    names = [f"a{number}" for number in range(num_answers)]
    cards = []
    for number in range(300):
        right, given = draw.choice(names), draw.choice(names)
        cards.append(
            card(
                number, labels={right: 1.0}, answer=given, score=float(right == given), app=draw.choice("xyz")
            )
        )
    return cards


def test_confusion_counts_every_question_once() -> None:
    cards = random_cards(8)
    found = confusion_of(cards)
    naive = Counter((card.expected, card.answer) for card in cards)
    assert sorted(found.answers) == sorted({name for name, _ in naive})
    for right, row in zip(found.answers, found.counts, strict=True):
        assert row[:-1] == tuple(naive[right, given] for given in found.answers)
        assert row[-1] == 0
    assert found.pairs[0][2] == max(count for (right, given), count in naive.items() if right != given)


def test_rare_answers_are_one_column() -> None:
    cards = random_cards(40)
    found = confusion_of(cards)
    frequent = set(found.answers)
    assert len(frequent) == 14
    assert sum(map(sum, found.counts)) == sum(card.expected in frequent for card in cards)


def test_an_answer_named_other_is_an_answer_of_its_own() -> None:
    found = confusion_of([card(labels={"other": 1.0}, answer="other", score=1.0)])
    assert found.counts == ((1, 0),)


def test_one_of_several_labels_counts_as_right() -> None:
    found = confusion_of([card(labels={"no": 1.0, "never": 0.4}, answer="Never ", score=0.4)])
    assert found.answers == ("never",)
    assert found.pairs == ()


def test_groups() -> None:
    cards = random_cards(3)
    for group in groups_of(cards, lambda one: one.app):
        scores = [one.score or 0.0 for one in cards if one.app == group.name]
        assert group.count == len(scores)
        assert group.score == sum(scores) / len(scores)
        assert group.low <= group.score <= group.high
    assert groups_of([card(score=None, labels={})], lambda one: one.app) == []


def test_labels_of_the_ruler_do_not_touch() -> None:
    """Marks at nearly the same score stand on different lines."""
    drawn = str(
        score_ruler(0.5, (0.4, 0.6), {"majority answer": 0.49, "question only": 0.5, "ceiling": 0.51})
    )
    heights = [part.split('y="')[1].split('"')[0] for part in drawn.split('class="label"')[1:]]
    assert len(set(heights)) == 3


def test_curves_of_any_numbers() -> None:
    assert "nan" not in str(learning_curve(Curve("loss", ((1, float("nan")), (2, 1.0), (3, float("inf"))))))
    assert learning_curve(Curve("loss", ((1, float("nan")),))) == ""
    assert str(learning_curve(Curve("flat", ((1, 2.0), (2, 2.0))))).count("<path") == 1
    long = str(learning_curve(Curve("long", tuple((step, step % 7) for step in range(100_000)))))
    assert len(long) < 10_000
