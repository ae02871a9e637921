"""One lock for the first use of heavy libraries.

transformers fills its modules in when they are asked for, and diffusers asks it for many: two threads that
do so at once, as two visitors of two labs may, find half a module. Whoever imports or loads takes turns.
"""

import threading

LOADING = threading.RLock()
