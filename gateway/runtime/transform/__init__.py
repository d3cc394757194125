"""Raw values to values as people see them, and back."""
