"""Runs one Python action and speaks the framed runtime protocol on file descriptor 3.

This file only says that the interpreter is up and brings in the rest: a script is compiled at every start, a module is
not, once its byte code is stored (see README.md). The modules have long names because an action's own modules share
`sys.modules` with them.
"""

import posix

# Processes that `multiprocessing` spawns run this file under another name, to have what it defines.
if __name__ == "__main__":
    posix.write(3, b'{"ready":true}\n')

    import oxwhisk_action  # (the platform's next step overlaps with this)

    oxwhisk_action.serve()
