"""``tare doctor``: what this host can measure, and what would spoil it."""

from tare.doctor.diagnosis import decide, diagnose
from tare.doctor.model import Check, Diagnosis, State

__all__ = ["Check", "Diagnosis", "State", "decide", "diagnose"]
