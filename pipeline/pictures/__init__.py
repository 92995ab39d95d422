"""Pictures that show whether a video went well: previews, the start of a trial."""
