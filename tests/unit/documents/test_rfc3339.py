from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_monitor.documents.rfc3339 import format_time, parse_time, without_leap_second


@pytest.mark.parametrize(
    ("given_text", "text"),
    [
        ("2022-01-04T10:34:31Z", "2022-01-04T10:34:31Z"),
        ("2022-01-04T10:34:31.100Z", "2022-01-04T10:34:31.1Z"),
        ("2022-01-04T10:34:31.000Z", "2022-01-04T10:34:31Z"),
        ("2022-01-04T10:34:31.123456789Z", "2022-01-04T10:34:31.123456789Z"),
        ("2022-01-04T10:34:31.1234567891Z", "2022-01-04T10:34:31.123456789Z"),
        ("2022-01-04T10:34:31+00:00", "2022-01-04T10:34:31Z"),
        ("2022-01-04T10:34:31-00:00", "2022-01-04T10:34:31Z"),
        ("2022-01-04T10:34:31.5-03:30", "2022-01-04T10:34:31.5-03:30"),
        ("2022-01-04T10:34:31+23:59", "2022-01-04T10:34:31+23:59"),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"),
    ],
)
def test_a_date_keeps_its_offset_and_loses_trailing_zeros(given_text: str, text: str) -> None:
    read, moment = parse_time(given_text)
    assert read == text
    assert moment is not None
    assert moment.utcoffset() == UTC.utcoffset(None)
    assert parse_time(read) == (text, moment)


@pytest.mark.parametrize(
    ("leap_second", "text"),
    [
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
        ("2016-12-31T23:59:60.250Z", "2017-01-01T00:00:00.25Z"),
        ("1990-12-31T15:59:60-08:00", "1990-12-31T16:00:00-08:00"),
        ("2015-07-01T05:29:60+05:30", "2015-07-01T05:30:00+05:30"),
    ],
)
def test_a_leap_second_is_read_as_the_second_after_it(leap_second: str, text: str) -> None:
    assert parse_time(leap_second) == parse_time(text)
    assert parse_time(leap_second)[0] == text
    assert without_leap_second(leap_second) == text


@pytest.mark.parametrize(
    "text",
    [
        "2016-12-31T23:59:61Z",
        "2016-12-31T12:00:60Z",
        "2016-12-30T23:59:60Z",
        "2016-12-31T23:58:60Z",
        "2016-12-31T23:59:60+01:00",
        "9999-12-31T23:59:60Z",
    ],
)
def test_other_seconds_beyond_59_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="RFC 3339"):
        parse_time(text)
    assert without_leap_second(text) == text


def test_the_datetime_is_in_utc_with_microseconds() -> None:
    assert parse_time("2022-01-04T10:34:31.1234567-03:30")[1] == datetime(2022, 1, 4, 14, 4, 31, 123456, UTC)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00Z", "0000-02-29T00:00:00Z", "0001-06-01T00:00:00+05:00"])
def test_the_years_0_and_1_are_no_date(text: str) -> None:
    assert parse_time(text) == (text, None)


def test_the_last_evening_of_time_west_of_greenwich_has_a_datetime() -> None:
    text, moment = parse_time("9999-12-31T23:59:59-01:00")
    assert text == "9999-12-31T23:59:59-01:00"
    assert moment == datetime.max.replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2022-01-04",
        "2022-01-04T10:34Z",
        "2022-01-04T10:34:31",
        "2022-01-04 10:34:31Z",
        "2022-01-04t10:34:31z",
        "2022-01-04T10:34:31,5Z",
        "2022-01-04T1:34:31Z",
        "2022-1-4T10:34:31Z",
        "2022-01-04T24:00:00Z",
        "2022-02-29T00:00:00Z",
        "2022-13-01T00:00:00Z",
        "2022-01-04T10:34:31+0100",
        "2022-01-04T10:34:31+24:00",
        "2022-01-04T10:34:31+01:60",
        "10000-01-01T00:00:00Z",
        "-0001-01-01T00:00:00Z",
        " 2022-01-04T10:34:31Z",
        "2022-01-04T10:34:31Z\n",
        "2022-01-04T10:34:31.Z",
        "٢٠٢٢-01-04T10:34:31Z",
    ],
)
def test_nothing_but_rfc_3339_is_a_date(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_time(text)


@given(st.datetimes(min_value=datetime(2, 1, 2), timezones=st.just(UTC)))  # noqa: DTZ001
def test_any_moment_is_read_as_it_was_written(moment: datetime) -> None:
    text = format_time(moment)
    assert parse_time(text) == (text, moment)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(ValueError):
        parse_time(text)
