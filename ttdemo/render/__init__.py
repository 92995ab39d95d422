"""Drawing: hall, player, colours and video files."""
