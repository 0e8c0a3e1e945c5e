"""A sensor: posts the load of this machine once a second. ``python examples/tutorial/sensor.py http://127.0.0.1:8000``"""

import json
import os
import sys
import time
import urllib.error
import urllib.request


def post(url: str, sensor: str, value: float) -> None:
    headers = {
        "Content-Type": "application/json",
        "X-Sensor-Key": os.environ.get("BOARD_SENSOR_KEY", "for trying out"),
    }
    body = json.dumps({"sensor": sensor, "value": value}).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{url}/readings", body, headers), timeout=5) as answer:
        print(sensor, value, answer.read().decode())


if __name__ == "__main__":
    while True:
        try:
            post(sys.argv[1], "load", os.getloadavg()[0])
        except urllib.error.URLError as error:
            print("not now:", error)
        time.sleep(1)
