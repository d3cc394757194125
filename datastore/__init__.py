"""Memory: the journal (what was read and said, in order, with a cursor per consumer) and the small durable facts."""
