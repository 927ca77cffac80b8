"""Finds leaks by the night flow: what still flows when everybody sleeps.

Runs every morning at 06:00 on the readings of the zone meters, in litres per second, one value a minute.
"""

from dataclasses import dataclass
from statistics import median

NIGHT = range(2 * 60, 4 * 60)  # 02:00 to 04:00, minutes of the day
NIGHTS_IN_A_ROW = 3  # one night may be a filling pool, three are a leak
TOLERANCE = 1.25  # a quarter above the expected minimum

EXPECTED_L_S = {"lower": 0.55, "upper": 0.12}


@dataclass(frozen=True)
class Verdict:
    zone: str
    night_flow_l_s: float
    suspicious_nights: int

    @property
    def alarm(self) -> bool:
        return self.suspicious_nights >= NIGHTS_IN_A_ROW


def night_flow(minute_values: list[float]) -> float:
    """Median of the quietest two hours; a single toilet flush does not count."""
    return median(minute_values[minute] for minute in NIGHT)


def judge(zone: str, minute_values: list[float], suspicious_before: int) -> Verdict:
    flow = night_flow(minute_values)
    suspicious = flow > EXPECTED_L_S[zone] * TOLERANCE
    return Verdict(zone, flow, suspicious_before + 1 if suspicious else 0)
