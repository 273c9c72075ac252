"""Runs move between stores, through a bundle or directly."""
