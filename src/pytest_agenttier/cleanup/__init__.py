"""What was made is deleted, whatever happened in between."""
