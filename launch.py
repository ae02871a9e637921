"""Front door: reads the flags and serves the page."""

import argparse
import os
import sys

from models.core import device, executors, offline
from models.core.cli import add_ray
from models.core.errors import UserError


def main() -> int:
    """Serve until interrupted. The exit code is 2 when a flag asks for what this machine cannot do."""
    flags = _flags()
    # Before torch is imported: idle OpenMP threads must not spin beside other work.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if flags.share:
        offline.allow(
            "gradio.app", "gradio.live", "huggingface.co"
        )  # the relay, and where its program is from
    from app import process_folder

    process_folder.settle()
    from app import i18n, page

    try:
        if flags.ray:
            from models.core.ray_executor import RayExecutor

            executors.choose(RayExecutor(flags.ray, flags.device, warm=page.rehearsals()))
        else:
            device.choose(flags.device)
        page.serve(flags.host, flags.port, flags.share, flags.browser, flags.allowed_host)
    except UserError as error:
        print(i18n.explain("en", error), file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # before the workers were there
        pass
    finally:
        if executor := executors.chosen():
            executor.close()
        process_folder.remove()
    return 0


def _flags() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Serve Trilab on this machine.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (0.0.0.0: the network)")
    parser.add_argument("--port", type=int, default=7860, help="port to listen on (0: any that is free)")
    parser.add_argument(
        "--allowed-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name under which the page may be opened, besides addresses and this machine's own",
    )
    parser.add_argument("--device", default="auto", choices=device.CHOICES, help="where networks run")
    add_ray(parser)
    parser.add_argument("--share", action="store_true", help="open a public link through Gradio's relay")
    parser.add_argument("--browser", action="store_true", help="open the page in this machine's browser")
    return parser.parse_args()


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # threads that still compute would crash while Python takes itself apart
