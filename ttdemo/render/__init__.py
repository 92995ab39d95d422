"""Drawing: camera, hall, body, colours, video files."""
