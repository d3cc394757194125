"""Rules over the live stream: what they read, what they say, what they make."""
