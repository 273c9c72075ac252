"""Requests and answers: who may ask, what is refused, how fast answers go."""
