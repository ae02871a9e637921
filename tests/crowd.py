"""A lecture hall at once: many API clients open the page and ask. `python -m tests.crowd --url http://...`."""

import argparse
import json
import time
from concurrent.futures import ThreadPoolExecutor

from gradio_client import Client

SCAN = "room_office_01"
SENTENCES = (
    "the chair closest to the door",
    "the monitor on the desk",
    "the chair in the corner",
    "the lamp",
)


def visit(url: str, number: int, questions: int) -> dict[str, float]:
    """One client: connect, ask a shipped scan. Seconds of both; raises what failed."""
    started = time.monotonic()
    client = Client(url, verbose=False)
    connected = time.monotonic()
    for asked in range(questions):
        sentence = SENTENCES[(number + asked) % len(SENTENCES)]
        answer = client.predict(sentence, SCAN, None, api_name="/scene_ground")
        if not answer["candidates"]:
            raise RuntimeError("an answer without a candidate")
    return {"connected": connected - started, "answered": time.monotonic() - connected}


def main() -> None:
    """Print one JSON object: how many asked, how many were lost and why, the slowest of both waits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--clients", type=int, default=60)
    parser.add_argument("--questions", type=int, default=3)
    options = parser.parse_args()
    done, lost = [], []
    with ThreadPoolExecutor(options.clients) as pool:
        visits = [
            pool.submit(visit, options.url, number, options.questions) for number in range(options.clients)
        ]
    for one in visits:
        error = one.exception()
        if error is None:
            done.append(one.result())
        else:
            lost.append(f"{type(error).__name__}: {error}"[:120])
    slowest = {key: round(max((one[key] for one in done), default=0), 1) for key in ("connected", "answered")}
    print(json.dumps({"clients": options.clients, "lost": len(lost), "slowest": slowest, "why": lost[:5]}))


if __name__ == "__main__":
    main()
