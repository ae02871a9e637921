"""The command `film`: a mask, or a folder of them, becomes films."""

import argparse
import json
from pathlib import Path
from typing import Any

from models.colonoscopy import LOOKS, MOVES
from models.colonoscopy.command_options import some, told_skipped, usable_masks
from models.colonoscopy.segmentation.registry import SEGMENTERS
from models.colonoscopy.video.registry import FILMS
from models.core.cli import add_ray, executor_at
from models.core.errors import UserError


def add_film(commands: Any) -> None:
    """The command `film`."""
    film = commands.add_parser("film", help="films of a polyp that moves as the camera does")
    given = film.add_mutually_exclusive_group(required=True)
    given.add_argument("--mask", type=Path, help="an image, white on the polyp in the first frame")
    given.add_argument("--masks", type=Path, help="a folder of them: a film each; a stopped run goes on")
    film.add_argument("--mask-last", type=Path, help="the same in the last frame; else the camera moves it")
    film.add_argument("--frame", type=Path, help="an image: the first frame, drawn where none is given")
    film.add_argument("--paint", action="store_true", help="draw the polyp into that frame before")
    film.add_argument("--limit", type=some, help="take only the first masks of the folder")
    film.add_argument("--model", default=FILMS.default, help=", ".join(FILMS))
    film.add_argument("--move", default="forward", help=f"of the camera: {', '.join(MOVES)}")
    film.add_argument("--seconds", type=float, default=4.0, help="of 10 frames each")
    film.add_argument("--seed", type=int, default=0, help="of the first film; the next has the next one")
    film.add_argument("--steps", type=int, default=10, help="of the sampler")
    film.add_argument("--look", default="any", help=f"of which clinic: {', '.join(LOOKS)}")
    film.add_argument("--judge", default=SEGMENTERS.default, help=", ".join(SEGMENTERS))
    film.add_argument("--outlines", action="store_true", help="draw asked and found outlines into the film")
    film.add_argument(
        "--out", type=Path, required=True, help="FILE.mp4, beside it FILE_masks and FILE.json; or a folder"
    )
    add_ray(film)
    film.add_argument("--shard", default="", metavar="I/N", help="as in sample")


def film(options: argparse.Namespace) -> int:
    """What `film` does; its last line is one JSON object. The exit status, as commands give it."""
    from models.colonoscopy.data.masks import read_drawn
    from models.colonoscopy.synthesis import sampling
    from models.colonoscopy.video import film_sampling
    from models.colonoscopy.video.base import FilmOrder

    if options.mask and options.out.suffix.lower() != ".mp4":
        raise UserError("film_name", name=options.out.name)
    files, skipped = usable_masks(options.mask or options.masks, options.limit)
    order = FilmOrder(
        read_drawn(files[0]),
        painted=options.paint,
        move=options.move,
        seconds=options.seconds,
        steps=options.steps,
        look=options.look,
    )
    request = film_sampling.FilmRequest(
        order, FILMS[options.model].name, options.judge, options.mask_last, options.frame, options.outlines
    )
    with executor_at(options.ray) as executor:
        if options.mask:
            job = film_sampling.one_job(options.mask, options.seed, options.out.stem)
            films = [film_sampling.film_one(job, request, options.out, executor)]
        else:
            wanted = sampling.jobs(files, 1, options.seed)
            films = film_sampling.film_folder(wanted, request, options.out, executor, options.shard)
    if not all(film["knows_mask"] for film in films):
        print(f"{request.model} knows no mask: outline, frame, move and look change nothing in its films.")
    print(json.dumps(film_sampling.summary(films, options.out)))
    return told_skipped(skipped)
