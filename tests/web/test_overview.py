"""The first page never takes what is unknown for none."""

from collections.abc import Iterator

import pytest

from exporter.model import Answer
from exporter.status import Search
from tests.statuses import AUDIT, PAYMENTS, answered, invited, status
from tests.web.test_pages import DENIED, Site


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """Pages that are served for all tests of the module."""
    site = Site()
    yield site
    site.server.stop(5)


def test_nothing_is_known_of_invitations_before_the_first_answer(site: Site) -> None:
    """Neither while the first round is under way, nor where it failed, nor before discovery."""
    site.polled(PAYMENTS, AUDIT)
    assert "Pending invitations unknown Oldest data" in site.words("/")
    site.polled(PAYMENTS, eu_west_1=[DENIED], us_east_1=[DENIED])
    assert "Pending invitations unknown Oldest data" in site.words("/")
    site.status = status(search=Search(known=False, repeats=True, last_success=0.0, failure=None))
    assert "Pending invitations unknown Oldest data" in site.words("/")


def test_what_is_counted_says_what_is_not(site: Site) -> None:
    """None, of which all is known, is 0; else it is none that was seen."""
    site.polled(PAYMENTS, eu_west_1=[answered()], us_east_1=[Answer(enabled=False)])
    assert "Pending invitations 0 Oldest data" in site.words("/")
    site.polled(PAYMENTS, eu_west_1=[answered()], us_east_1=[DENIED])
    assert "Pending invitations none seen of 1 target nothing is known" in site.words("/")
    site.polled(PAYMENTS, AUDIT, eu_west_1=[answered(invited())])
    words = site.words("/")
    assert "Pending invitations 1 the oldest sent 1d 0h ago" in words
    assert "of 2 targets nothing is known Oldest data" in words
