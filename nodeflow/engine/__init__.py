"""Evaluates resolved graphs: keys, caches, plan, execution. Knows no node and no tensor."""
