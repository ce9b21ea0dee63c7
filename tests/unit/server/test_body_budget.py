from workflow_monitor.server.body_budget import SMALL_BODY, BodyBudget

MEBIBYTE = 2**20


def test_bodies_share_the_budget_and_return_their_part() -> None:
    budget = BodyBudget(3 * MEBIBYTE)
    first = budget.resize(0, MEBIBYTE)
    assert first == MEBIBYTE
    assert budget.resize(first, 2 * MEBIBYTE) == 2 * MEBIBYTE
    assert budget.resize(0, MEBIBYTE) == MEBIBYTE
    assert budget.resize(0, MEBIBYTE) is None
    assert budget.used == 3 * MEBIBYTE
    assert budget.resize(2 * MEBIBYTE, 0) == 0
    assert budget.resize(0, MEBIBYTE) == MEBIBYTE


def test_small_bodies_are_always_accepted() -> None:
    budget = BodyBudget(MEBIBYTE)
    budget.resize(0, MEBIBYTE)
    assert budget.resize(0, SMALL_BODY) == 0
    assert budget.resize(0, SMALL_BODY + 1) is None


def test_a_single_body_is_always_accepted() -> None:
    budget = BodyBudget(MEBIBYTE)
    first = budget.resize(0, 5 * MEBIBYTE)
    assert first == 5 * MEBIBYTE
    assert budget.resize(first, 6 * MEBIBYTE) == 6 * MEBIBYTE
    assert budget.resize(0, MEBIBYTE) is None
