"""A module that raises."""

raise ValueError("not today")
