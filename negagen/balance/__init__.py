"""Blindness: negatives drawn so that a judge of texts alone, without the picture, finds nothing to go by."""
