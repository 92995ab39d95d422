"""What each part of a page says, as values for its template."""
