"""rembg on one picture, run by the Python in which rembg is installed (not ours): `python rembg_peer.py model.onnx picture.jpg rounds`.

Prints one JSON line: median seconds of `remove` from the JPEG's bytes to the PNG's, and the process's peak memory in MB.
"""

import json
import os
import statistics
import sys
import time
from pathlib import Path


def main() -> None:
    """Measure."""
    model, picture, rounds = sys.argv[1:]
    os.environ |= {"MODEL_CHECKSUM_DISABLED": "1", "U2NET_HOME": str(Path(model).parent), "REMBG_HOME": str(Path(model).parent)}
    from rembg import new_session, remove  # type: ignore[import-not-found]

    session = new_session("u2net_custom", model_path=model)
    data = Path(picture).read_bytes()
    remove(data, session=session)
    seconds = []
    for _ in range(int(rounds)):
        began = time.perf_counter()
        remove(data, session=session)
        seconds.append(time.perf_counter() - began)
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    peak_mb = int(status["VmHWM"].split()[0]) * 1024 / 1e6  # getrusage would tell the peak of the process that started this one
    print(json.dumps({"seconds": statistics.median(seconds), "peak_mb": peak_mb}))


if __name__ == "__main__":
    main()
