"""How often results are asked for again, by kind."""

from nodeflow.engine.demand import Demand


def key(number: int) -> bytes:
    return number.to_bytes(32, "big")


def test_as_long_as_nothing_is_known_a_result_is_expected_to_be_of_use() -> None:
    assert Demand().likelihood(key(1), "T") == 1.0


def test_a_kind_that_nobody_asks_for_again_is_expected_to_be_of_ever_less_use() -> None:
    demand = Demand()
    shares = []
    for number in range(4):
        assert not demand.came(key(number), "T")
        shares.append(demand.likelihood(key(9), "T"))
    assert shares == [1 / 2, 1 / 3, 1 / 4, 1 / 5]
    assert demand.likelihood(key(9), "Other") == 1.0


def test_what_was_asked_for_again_speaks_for_its_kind() -> None:
    demand = Demand()
    for number in range(3):
        demand.came(key(number), "T")
    demand.asked_again("T")
    assert demand.likelihood(key(9), "T") == 2 / 4


def test_what_had_to_go_and_came_back_was_asked_for_again_once() -> None:
    demand = Demand()
    demand.came(key(1), "T")
    demand.went(key(1), asked=False)
    assert demand.came(key(1), "T")
    assert demand.likelihood(key(9), "T") == 1.0
    demand.went(key(1), asked=True)
    assert demand.came(key(1), "T")
    assert demand.likelihood(key(9), "T") == 1.0


def test_what_comes_back_is_as_likely_as_not_to_do_so_again_whatever_its_kind_does() -> None:
    demand = Demand()
    for number in range(9):
        demand.came(key(number), "T")
    demand.went(key(1), asked=False)
    assert demand.likelihood(key(9), "T") == 1 / 10
    assert demand.likelihood(key(1), "T") == 1 / 2


def test_what_went_long_ago_is_forgotten() -> None:
    demand = Demand()
    for number in range(5000):
        demand.went(key(number), asked=False)
    assert not demand.came(key(0), "T")
    assert demand.came(key(4999), "T")
