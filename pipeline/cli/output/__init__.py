"""What the commands print: tables that fit the terminal, summaries, values for JSON."""
