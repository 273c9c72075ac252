"""Values of a caller, gathered into columns with their labels and descriptors."""
