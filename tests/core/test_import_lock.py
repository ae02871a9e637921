"""Two labs that are used for the first time at the same moment."""

import subprocess
import sys
import textwrap

CODE = """
    import threading
    from models.colonoscopy import pipeline as colonoscopy
    from models.core.errors import UserError
    from models.scene.captioning.registry import CAPTIONERS
    from models.core.text import phrase_vectors
    import numpy as np

    failed = []

    def attempt(work):
        try:
            work()
        except UserError:
            pass  # a checkpoint that is not there is told
        except Exception as error:
            failed.append(repr(error))

    mask = np.zeros((256, 256), bool)
    mask[60:130, 60:130] = True
    works = [
        lambda: phrase_vectors(["chair"]),
        lambda: CAPTIONERS.loaded("xtrans2cap"),
        lambda: next(colonoscopy.draw(colonoscopy.Order(mask, 1, 1, "arsdm", 2, "dpm"))),
    ]
    threads = [threading.Thread(target=attempt, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(failed)
"""


def test_first_uses_at_once_do_not_meet_half_a_library():
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CODE)], capture_output=True, text=True, timeout=300, check=True
    )
    assert done.stdout.strip().splitlines()[-1] == "[]"
