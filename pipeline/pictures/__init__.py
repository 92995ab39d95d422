"""Pictures that show whether a video went well."""
