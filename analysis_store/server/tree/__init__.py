"""The runs of a store as Tiled serves them."""
