"""People through time: who is who from frame to frame, and who of two stands left, right, near and far."""

from stages.people.sides import SIDES
from stages.people.stage import STAGE, PeopleParams

__all__ = ["SIDES", "STAGE", "PeopleParams"]
