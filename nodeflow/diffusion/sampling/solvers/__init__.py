"""The samplers, one family a file: generators over falling noise levels, and mathematics only."""
