"""Newsletter: a newsroom's daily email, from stories to readers whose consent is on record."""
