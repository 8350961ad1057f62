"""Speed of the service beside the bare libraries that it is made of, in one run: `make bench`.

The floor does with the same model files, threads, encoder method and quality what can't be left out: it decodes the JPEG, runs the classifier and the segmentor
(ONNX Runtime, on inputs that are ready) as many times as the service does, and encodes the finished 512x512 WebP once. Service and floor take turns, so that
what else the machine does hurts both; figures are ratios of medians. `single looks` is the floor with one run of each network. Throughput: eight clients of the
service against as many floor processes as the service works on requests at a time. Also: time from start to ready, and memory over many stickers (`--long`:
10,000). `--rembg <python>` measures rembg beside it.
"""

import argparse
import io
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import cv2
import httpx
import numpy as np
import onnxruntime as ort
import psutil
from PIL import Image

from benchmarks import u2net
from benchmarks.own_service import ROOT, answers, free_port
from sticker_studio import atomic, images, model_card, registry, scenes
from sticker_studio.settings import Settings
from sticker_studio.types import CLASSIFIER, SEGMENTORS, Style

SIZE_WH: Final = (1920, 1080)
LOOKS: Final = {"classifier": 2, "segmentor": 2}
"""Runs of each network for one sticker: the picture and its middle; the picture and its mirror image."""
WEBP_METHOD: Final = 2
THREADS: Final = 1
CLIENTS: Final = 8
CACHE_BYTES: Final = 1_000_000
"""Of finished stickers that the service keeps at hand: full after some dozens, so that memory does not grow by it."""
PICTURES: Final[tuple[tuple[Style, int], ...]] = (("anime", 4106), ("normal", 4103))
DOCUMENT: Final = ROOT / "docs" / "performance.md"
INTRODUCTION: Final = f"""# Performance

Measured by `make bench ARGS=--write`: a service of its own on the factory models, over HTTP, {SIZE_WH[0]}x{SIZE_WH[1]} JPEG to WhatsApp WebP,
beside the bare libraries in the same run (`benchmarks/serving_speed.py` says what the floor does and leaves out). Times are of a shared
machine and move with it; the ratios are what counts. Every request is a new picture to the service; its cache of results holds 1 MB.
"""


@cache
def jpegs() -> tuple[bytes, ...]:
    """The pictures: generated scenes of families that nothing was trained on."""
    return tuple(images.encode_jpeg(scenes.draw(seed=seed, style=style, split="audit", size_wh=SIZE_WH).image, quality=90) for style, seed in PICTURES)


# --- the floor


@dataclass(frozen=True)
class Network:
    """A model file in ONNX Runtime with an input that is ready."""

    session: ort.InferenceSession
    ready: dict[str, Any] = field(repr=False)

    def run(self, times: int) -> None:
        """So many runs."""
        for _ in range(times):
            self.session.run(None, self.ready)


@cache
def network(name: str) -> Network:
    """A factory model, opened as the service opens it."""
    folder = registry.factory_model(name)
    options = ort.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = ort.InferenceSession(str(folder / model_card.MODEL_NAME), options, providers=["CPUExecutionProvider"])
    side = model_card.read(folder).input_px
    return Network(session, {session.get_inputs()[0].name: np.random.default_rng(0).random((1, 3, side, side), np.float32)})


def floor(job: tuple[bytes, Style, bytes, int], *, looks: dict[str, int] = LOOKS) -> float:
    """Seconds of decode, networks and one encode; a job is the JPEG, the style, the service's sticker (WebP) and its quality."""
    jpeg, style, sticker, quality = job
    classifier, segmentor, finished = network(CLASSIFIER), network(SEGMENTORS[style]), _decoded(sticker)
    started = time.perf_counter()
    picture = Image.open(io.BytesIO(jpeg))
    picture.load()
    classifier.run(looks["classifier"])
    segmentor.run(looks["segmentor"])
    finished.save(io.BytesIO(), "WEBP", quality=quality, alpha_quality=100, method=WEBP_METHOD, exact=False)
    return time.perf_counter() - started


@cache
def _decoded(sticker: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(sticker))
    picture.load()
    return picture


def _start_floor() -> None:
    cv2.setNumThreads(1)


# --- the service


@dataclass(frozen=True)
class Running:
    """A service of our own: its address, the processes it consists of, and how long it took to be ready."""

    url: str
    process: psutil.Process
    ready_s: float

    def memory_mb(self) -> float:
        """Unique memory of all its processes."""
        return sum(one.memory_full_info().uss for one in [self.process, *self.process.children(recursive=True)]) / 1e6


@contextmanager
def started(settings: Settings) -> Iterator[Running]:
    """The service on the factory models; its output goes to out/speed-service.log."""
    port, log = free_port(), ROOT / "out" / "speed-service.log"
    url = f"http://127.0.0.1:{port}"
    log.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="sticker-speed-") as home, log.open("wb") as output:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("STICKER_")}
        environment |= {"STICKER_HOME": home, "STICKER_SERVICE_PORT": str(port), "OMP_NUM_THREADS": str(THREADS)}
        environment |= {"STICKER_SERVICE_WORKERS": str(settings.service_workers), "STICKER_SERVICE_THREADS": str(settings.service_threads)}
        environment["STICKER_CACHE_MAX_BYTES"] = str(CACHE_BYTES)
        began = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-m", "serving", "serve"], cwd=ROOT, env=environment, stdout=output, stderr=output)
        try:
            while not answers(url):
                if process.poll() is not None or time.perf_counter() - began > 120:
                    raise SystemExit(f"the service did not start; {log} tells why")
                time.sleep(0.05)
            yield Running(url, psutil.Process(process.pid), time.perf_counter() - began)
        finally:
            process.terminate()
            process.wait(20)


_numbers = count()


def unlike(jpeg: bytes) -> bytes:
    """The same picture with a comment of its own: the service must not answer from its cache of results."""
    comment = f"{os.getpid()} {next(_numbers)}".encode()
    return jpeg[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + jpeg[2:]


def sticker(client: httpx.Client, url: str, jpeg: bytes) -> httpx.Response:
    """One sticker over HTTP, made anew."""
    files = {"image": ("picture.jpg", unlike(jpeg), "image/jpeg")}
    answer = client.post(f"{url}/sticker", files=files, data={"fallback": "whole"}, timeout=120)
    if answer.status_code != 200:
        raise SystemExit(f"expected a sticker, got {answer.status_code}: {answer.text[:300]}")
    return answer


def jobs(running: Running) -> list[tuple[bytes, Style, bytes, int]]:
    """What the floor is given: the pictures with the style and sticker that the service made of them."""
    with httpx.Client(trust_env=False) as client:
        made = [(jpeg, sticker(client, running.url, jpeg)) for jpeg in jpegs()]
    return [(jpeg, answer.headers["x-sticker-style"], answer.content, int(answer.headers["x-sticker-quality"])) for jpeg, answer in made]


# --- measuring


def latency(running: Running, *, rounds: int) -> dict[str, float]:
    """Medians in ms of service, floor and floor with single looks, which take turns on each picture."""
    single = dict.fromkeys(LOOKS, 1)
    seconds: dict[str, list[float]] = {"service": [], "floor": [], "floor, single looks": []}
    known = jobs(running)
    with httpx.Client(trust_env=False) as client:
        for turn in range(rounds):
            job = known[turn % len(known)]
            seconds["floor"].append(floor(job))
            began = time.perf_counter()
            sticker(client, running.url, job[0])
            seconds["service"].append(time.perf_counter() - began)
            seconds["floor, single looks"].append(floor(job, looks=single))
    return {name: 1000 * statistics.median(values) for name, values in seconds.items()}


def throughput(running: Running, *, each: int, at_a_time: int, turns: int = 3) -> dict[str, float]:
    """Stickers a second of eight clients and of the floor's processes, in turns; and the share of a core that the clients used."""
    known = jobs(running)
    rates: dict[str, list[float]] = {"service": [], "floor": [], "clients": []}
    with ProcessPoolExecutor(at_a_time, mp_context=get_context("spawn"), initializer=_start_floor) as pool, ThreadPoolExecutor(CLIENTS) as clients:
        work = [known[k % len(known)] for k in range(each)]
        list(pool.map(floor, known * at_a_time))
        with httpx.Client(trust_env=False, limits=httpx.Limits(max_connections=CLIENTS)) as client:
            for _ in range(turns):
                used = time.process_time()
                took = _timed(lambda: list(clients.map(lambda job: sticker(client, running.url, job[0]).content, work)))
                rates["clients"].append((time.process_time() - used) / took)
                rates["service"].append(each / took)
                rates["floor"].append(each / _timed(lambda: list(pool.map(floor, work))))
    return {name: statistics.median(values) for name, values in rates.items()}


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def memory(running: Running, *, stickers: int) -> dict[str, float]:
    """MB after so many stickers, and its slope in MB a thousand over the second half (the first fills caches)."""
    samples: list[tuple[int, float]] = []
    with ThreadPoolExecutor(2) as clients, httpx.Client(trust_env=False) as client:
        step = max(10, stickers // 40)
        for done in range(0, stickers, step):
            list(clients.map(lambda k: sticker(client, running.url, jpegs()[k % len(jpegs())]).status_code, range(done, done + step)))
            samples.append((done + step, running.memory_mb()))
    later = samples[len(samples) // 2 :]
    slope = float(np.polyfit([count for count, _ in later], [mb for _, mb in later], 1)[0]) * 1000 if len(later) > 1 else 0.0
    return {"stickers": samples[-1][0], "first_mb": samples[0][1], "last_mb": samples[-1][1], "slope_mb_a_thousand": slope}


def beside_rembg(running: Running, python: str, *, rounds: int = 5) -> dict[str, float]:
    """Seconds a sticker and MB of the service (before and after) and of rembg with its default network's shape, untrained, on the first picture."""
    with tempfile.TemporaryDirectory(prefix="sticker-rembg-") as folder, httpx.Client(trust_env=False) as client:
        model, picture = Path(folder) / "u2net.onnx", Path(folder) / "picture.jpg"
        picture.write_bytes(jpegs()[0])
        u2net.save(model)
        own = [_timed(lambda: sticker(client, running.url, jpegs()[0])) for _ in range(rounds)]
        command = [python, str(ROOT / "benchmarks" / "rembg_peer.py"), str(model), str(picture), str(rounds)]
        told = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": str(THREADS)}, timeout=600)
        peer = json.loads(told.stdout.splitlines()[-1])
        own += [_timed(lambda: sticker(client, running.url, jpegs()[0])) for _ in range(rounds)]
    return {"service_s": statistics.median(own), "service_mb": running.memory_mb(), "rembg_s": peer["seconds"], "rembg_peak_mb": peer["peak_mb"]}


def _rembg_rows(peer: dict[str, float] | None) -> list[tuple[str, ...]]:
    if peer is None:
        return []
    faster, share = peer["rembg_s"] / peer["service_s"], peer["service_mb"] / peer["rembg_peak_mb"]
    return [
        ("rembg (U^2-Net, untrained; a PNG)", f"{1000 * peer['service_s']:.0f} ms", f"{1000 * peer['rembg_s']:.0f} ms", f"{faster:.1f} x faster", ">= 12 x"),
        ("its peak memory", f"{peer['service_mb']:.0f} MB", f"{peer['rembg_peak_mb']:.0f} MB", f"{share:.0%}", "<= 25 %"),
    ]


def markdown(found: dict[str, Any]) -> str:
    """The tables."""
    fast, many, held = found["latency_ms"], found["throughput"], found["memory"]
    single, ratio = fast["floor, single looks"], fast["service"] / fast["floor"]
    rows = (
        ("one caller, p50", f"{fast['service']:.0f} ms", f"{fast['floor']:.0f} ms (single looks: {single:.0f})", f"{ratio:.2f} x the floor", "<= 1.3 x"),
        (f"{CLIENTS} callers", f"{many['service']:.1f}/s", f"{many['floor']:.1f}/s", f"{many['service'] / many['floor']:.0%} of the floor", ">= 70 %"),
        ("start to ready", f"{found['ready_s']:.1f} s", "-", "-", "<= 5 s"),
        (f"memory over {held['stickers']} stickers", f"{held['first_mb']:.0f} to {held['last_mb']:.0f} MB", "-",
         f"{held['slope_mb_a_thousand']:+.1f} MB a thousand", "< 1 MB"),
    )  # fmt: skip
    lines = [INTRODUCTION, "| what | service | floor, or peer | ratio | aim |", "|---|---|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in (*rows, *_rembg_rows(found.get("rembg")))]
    lines += [
        "",
        _callers(found),
        "",
        f"Same on both sides: {found['same']}.",
        "",
        f"Machine: {found['machine']}.",
    ]
    return "\n".join(lines) + "\n"


def _callers(found: dict[str, Any]) -> str:
    workers, threads, used = found["workers"], found["threads"], found["throughput"]["clients"]
    return (
        f"The service had {workers} process(es) of {threads} request(s) at a time, the floor {workers * threads} processes; "
        f"the {CLIENTS} clients used {used:.0%} of a core."
    )


def same(qualities: list[int]) -> str:
    """What service and floor share."""
    sides = ", ".join(f"{name} {model_card.read(registry.factory_model(name)).input_px} px" for name in (CLASSIFIER, *SEGMENTORS.values()))
    looks = " and ".join(f"{count} of the {name}" for name, count in LOOKS.items())
    return (
        f"networks ({sides}), {looks} runs a sticker, {THREADS} ONNX Runtime thread a run, WebP method {WEBP_METHOD}, quality {', '.join(map(str, qualities))}"
    )


def machine() -> str:
    """Cores, load and versions."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("onnxruntime", "opencv-python-headless", "pillow", "numpy", "bentoml"))
    return f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end, Python {platform.python_version()}, {packages}"


def main() -> None:
    """Measure, print the tables, write out/speed.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--stickers", type=int, default=500, help="for the memory")
    parser.add_argument("--long", action="store_true", help="memory over 10,000 stickers")
    defaults = Settings.from_env({})
    parser.add_argument("--workers", type=int, default=defaults.service_workers, help="processes of the service")
    parser.add_argument("--threads", type=int, default=defaults.service_threads, help="requests that a process works on at a time")
    parser.add_argument("--rembg", default="", help="a Python in which rembg is installed: measure it too")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    jpegs()
    settings = defaults.model_copy(update={"service_workers": arguments.workers, "service_threads": arguments.threads})
    with started(settings) as running:
        found: dict[str, Any] = {"ready_s": running.ready_s, "latency_ms": latency(running, rounds=arguments.rounds)}
        found["throughput"] = throughput(running, each=arguments.rounds, at_a_time=arguments.workers * arguments.threads)
        found["memory"] = memory(running, stickers=10_000 if arguments.long else arguments.stickers)
        if arguments.rembg:
            found["rembg"] = beside_rembg(running, arguments.rembg)
        found |= {"same": same([job[3] for job in jobs(running)]), "machine": machine(), "workers": arguments.workers, "threads": arguments.threads}
    atomic.write_text(ROOT / "out" / "speed.json", json.dumps(found, indent=1))
    text = markdown(found)
    if arguments.write:
        atomic.write_text(DOCUMENT, text)
    print(text)


if __name__ == "__main__":
    main()
