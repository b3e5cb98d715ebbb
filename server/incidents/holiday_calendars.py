"""The lists of legal public holidays to choose from, out of the `holidays` library.

A due time that was computed is kept with the fingerprint of the days it was computed from: a
later list may know better, and changes nothing that was told before.
"""

import enum
import hashlib
from collections.abc import Iterable
from datetime import date
from functools import lru_cache

from server.incidents.business_calendar import BusinessCalendar, Entity

_OFFICES_OPEN = "Susan B. Anthony Day"
"""On the library's list for California, and a day on which the state's offices are open."""


class HolidayCalendar(enum.Enum):
    """Whose holidays, and read how."""

    US_FEDERAL = "us-federal"
    """5 U.S.C. 6103(a), with the Friday or Monday on which a weekend's holiday is observed."""
    US_FEDERAL_UNOBSERVED = "us-federal-unobserved"
    US_CA = "us-ca"
    """California's: no Columbus Day; Cesar Chavez Day, Diwali, the day after Thanksgiving."""
    SE_PUBLIC = "se-public"
    """Lag (1989:253): Midsummer, Christmas and New Year's Eve are Business Days."""
    SE_DE_FACTO = "se-de-facto"
    """The same and the three eves."""

    def is_holiday(self, day: date) -> bool:
        """Whether nobody works on a date, weekends apart."""
        return day in _year(self, day.year)

    def fingerprint(self, years: Iterable[int]) -> str:
        """Return what tells this list of these years from any other: 16 hexadecimal digits."""
        days = sorted(day for year in set(years) for day in _year(self, year))
        text = f"{self.value}\n" + "".join(f"{day.isoformat()}\n" for day in days)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


DEFAULT = {Entity.INC: HolidayCalendar.US_FEDERAL, Entity.AB: HolidayCalendar.SE_PUBLIC}
"""The entities' own lists, read to the letter."""


def business_calendar(entity: Entity, calendar: HolidayCalendar | None = None) -> BusinessCalendar:
    """Return an entity's calendar with its own list of holidays or another."""
    return BusinessCalendar(entity.zone, (calendar or DEFAULT[entity]).is_holiday)


@lru_cache(maxsize=256)
def _year(calendar: HolidayCalendar, year: int) -> frozenset[date]:
    """Return the holidays in one year. Observed days may belong to a neighbour's list."""
    # Late: lists of two hundred countries take a while to load, and names need none of them.
    import holidays  # noqa: PLC0415

    years = range(year - 1, year + 2)
    match calendar:
        case HolidayCalendar.US_FEDERAL | HolidayCalendar.US_FEDERAL_UNOBSERVED:
            observed = calendar is HolidayCalendar.US_FEDERAL
            listed = holidays.country_holidays("US", years=years, observed=observed)
        case HolidayCalendar.US_CA:
            listed = holidays.country_holidays("US", subdiv="CA", years=years)
        case HolidayCalendar.SE_PUBLIC:
            listed = holidays.country_holidays("SE", years=years, categories=("public",))
        case HolidayCalendar.SE_DE_FACTO:
            eves = ("public", "de_facto")
            listed = holidays.country_holidays("SE", years=years, categories=eves)
    return frozenset(
        day for day, name in listed.items() if day.year == year and name != _OFFICES_OPEN
    )
