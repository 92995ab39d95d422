"""Turn bytes into text, XML and JSON with line numbers, and names into videos; refuse what is hostile."""
