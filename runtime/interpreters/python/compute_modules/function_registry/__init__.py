"""Names for types of numbers."""
