"""Neural models from local paths that judge texts: optional, behind the extra `judges`."""
