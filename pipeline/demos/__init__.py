"""``ttprep demo``: renders clips or trials, runs the main job on them, says where everything is."""
