"""The command line: one file a command. Nothing heavy is imported before a command runs.

`main` is the `negagen` script: negagen's own errors become one line and exit status 2.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from typing import NoReturn

from negagen.errors import NegagenError, PeerError
from negagen.train.launched import is_first_of_host


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0 done, 1 found wanting, 2 an error of use, 130 interrupted."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given or bool(os.environ.get("NEGAGEN_DEBUG"))
    # Taken at any place: it is typed at the end of a line that just failed.
    given = [argument for argument in given if argument != "--debug"]
    for stream in (sys.stdout, sys.stderr):
        # A caption may hold what the terminal's encoding cannot show.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    # spaCy warns of a pipeline's version: a person wants the sentence, not the line of code.
    if is_first_of_host():  # of the processes that torchrun starts on a machine one says it
        warnings.showwarning = lambda message, *_, **__: _say(f"warning: {message}")
    else:
        warnings.simplefilter("ignore")
    from negagen.cli.app import app

    try:
        app(given, prog_name="negagen")
    except NegagenError as error:
        if debug:
            raise
        if not isinstance(error, PeerError):
            _say(f"error: {error}")
        sys.exit(2)
    except KeyboardInterrupt:
        _say("interrupted.")
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python would complain once more when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except Exception as error:  # the last resort: a person gets one line, not a traceback
        if debug:
            raise
        if isinstance(error, ModuleNotFoundError):
            from negagen.cli.extras import needed_for

            if found := needed_for(error):
                _say(f"error: this needs {found[0]}: pip install 'negagen[{found[1]}]'")
                sys.exit(2)
        _say(
            f"error: {type(error).__name__}: {error}\n"
            "This is a fault in negagen. Run it again with --debug for a traceback to report."
        )
        sys.exit(70)
    sys.exit(0)


def _say(message: str) -> None:
    sys.stderr.write(f"{message}\n")
