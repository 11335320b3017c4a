"""Follows topics: python3 subscribe.py 'http://127.0.0.1:4000/live?topic=news'"""
import json, random, sys, time
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.parse import unquote
from urllib.request import Request, urlopen


def follow(url):
    """Yields messages and gaps. Reconnects and resumes when the stream ends or breaks."""
    positions, delay = {}, 1.0

    def keep(position, states={}):
        for part in position.split(","):
            topic = part.split("=")[0]
            if states.get(unquote(topic)) != "gap":  # The gap that follows has the position.
                positions[topic] = part

    while True:
        wait = random.uniform(0, delay)
        delay = min(2 * delay, 30.0)
        headers = {"Accept": "application/x-ndjson", "Last-Event-ID": ",".join(positions.values())}
        try:
            with urlopen(Request(url, headers=headers), timeout=30) as stream:  # Two heartbeats.
                for line in stream:
                    if not line.endswith(b"\n"):
                        break  # The connection broke within this line.
                    item = json.loads(line) if line.strip() else {}  # An empty line is a heartbeat.
                    if "data" in item:
                        keep(item["id"])
                        yield item
                    elif "open" in item:
                        keep(item["open"]["position"], item["open"]["states"])
                        delay = 1.0
                    elif "gap" in item:
                        keep(item["gap"]["position"])
                        yield item
                    elif "end" in item:
                        keep(item["end"]["position"])
                        if item["end"]["retryMs"] is None:
                            return
                        wait = item["end"]["retryMs"] / 1000
        except HTTPError as error:
            if error.code < 500:
                raise
            wait += float(error.headers.get("Retry-After", 0))
        except (OSError, HTTPException):
            pass  # The connection broke, or could not be opened.
        time.sleep(wait)


for item in follow(sys.argv[1]):
    print(json.dumps(item), flush=True)
