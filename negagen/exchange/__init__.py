"""Files of negatives in the formats of other programs, and back.

A format is a module with `LOST` (what it cannot hold), `write` and, where there is a way back, `read`. Everything
goes row by row: no file is held in memory, but SugarCrepe's JSON, which is one object.
"""

from negagen.exchange.exchange import FORMATS, Exchanged, export_file, import_file

__all__ = ["FORMATS", "Exchanged", "export_file", "import_file"]
