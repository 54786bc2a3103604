"""Where all programs begin: Ctrl-C ends them silently from here on, whatever is imported.

Python turns SIGINT into KeyboardInterrupt, with a traceback if it comes while modules are imported.  So this is set
right by the first statement of the first module, which lies outside the package: importing that sets no signals.
"""

import _signal  # what `signal` is made of: built in and loaded already, where that one takes milliseconds

if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:  # else it is ignored, which is to stay
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)

from lmzip.cli import lmcat_main, lmunzip_main, lmzip_main, models_main  # noqa: E402 - see above

__all__ = ["lmcat_main", "lmunzip_main", "lmzip_main", "models_main"]
