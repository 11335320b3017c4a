import json, sys
from urllib.request import Request, urlopen

request = Request(sys.argv[1], headers={"Accept": "application/x-ndjson"})
with urlopen(request, timeout=30) as stream:  # A heartbeat comes every 15 s.
    for line in stream:
        if line.strip():  # An empty line is a heartbeat.
            print(json.loads(line), flush=True)
