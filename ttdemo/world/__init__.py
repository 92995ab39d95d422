"""What happens in a clip, in metres and frames, before a pixel is drawn."""
