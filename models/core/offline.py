"""Libraries that call home are told not to, before any of them is imported.

onnxruntime sends usage to Microsoft and writes an id of the machine under the user's cache, unless a
variable tells it not to. MediaPipe's tasks send usage to Google from inside their library and have no
switch; what sends it is libcurl, which takes its way from the variables of a proxy. So every https
address lies behind a proxy that no machine can have: port 0 of this one.
"""

import os

NOWHERE = "http://127.0.0.1:0"
SWITCHES = {
    "ORT_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "GRADIO_ANALYTICS_ENABLED": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "DO_NOT_TRACK": "1",
    "https_proxy": NOWHERE,  # libcurl reads the small letters first, httpx both
    "HTTPS_PROXY": NOWHERE,
    "no_proxy": "localhost,127.0.0.1",  # one of the user's own, such as "*", would open the way again
    "NO_PROXY": "localhost,127.0.0.1",
}


def stay_offline() -> None:
    """Set the switches for this process and those that it starts."""
    os.environ.update(SWITCHES)


def allow(*hosts: str) -> None:
    """Let https reach these hosts and their subdomains, and no others."""
    for name in ("no_proxy", "NO_PROXY"):
        os.environ[name] = ",".join((os.environ[name], *hosts))
