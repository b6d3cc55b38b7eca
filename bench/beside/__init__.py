"""What the benchmark of sending is held against: bare loops, and a server that costs as little as can be."""
