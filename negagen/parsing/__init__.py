"""Text to `Parse`: a spaCy pipeline gives words and tags, the phrase grammar the rest."""

from negagen.parsing.parser import DEFAULT_PIPELINE, Parser, load_parser

__all__ = ["DEFAULT_PIPELINE", "Parser", "load_parser"]
