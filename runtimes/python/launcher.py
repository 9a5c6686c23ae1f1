"""Runs one Python action and speaks the framed runtime protocol on file descriptor 3.

This file only says that the interpreter is up and brings in the rest: a script is compiled at every start, a module is
not, once its byte code is stored (see README.md). The modules have long names because an action's own modules share
`sys.modules` with them.
"""

import posix

posix.write(3, b'{"ready":true}\n')

import oxwhisk_action  # noqa: E402  (the platform's next step overlaps with this)

oxwhisk_action.serve()
