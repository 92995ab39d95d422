"""Makes the pages of the site that nobody writes by hand: commands, manifest, notebooks."""
