"""What `make bench` measures is what it says: the peer's network has its published size, every request is a new one, the tables tell the ratios."""

import io

import numpy as np
from PIL import Image

from benchmarks import serving_speed, u2net
from sticker_studio import images


def test_the_peers_network_has_the_published_size() -> None:
    assert sum(parameter.numel() for parameter in u2net.network().parameters()) == u2net.PARAMETERS


def test_each_request_is_new_to_the_service_and_shows_the_same_picture() -> None:
    jpeg = images.encode_jpeg(np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8))
    one, other = serving_speed.unlike(jpeg), serving_speed.unlike(jpeg)
    assert len({jpeg, one, other}) == 3
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(one))), np.asarray(Image.open(io.BytesIO(jpeg))))


def test_the_table_tells_ratios_and_what_was_the_same_on_both_sides() -> None:
    found = {
        "ready_s": 2.5, "latency_ms": {"service": 60.0, "floor": 40.0, "floor, single looks": 25.0}, "workers": 1, "threads": 2,
        "throughput": {"service": 30.0, "floor": 40.0, "clients": 0.05},
        "memory": {"stickers": 500, "first_mb": 300.0, "last_mb": 301.0, "slope_mb_a_thousand": 0.4},
        "rembg": {"service_s": 0.06, "service_mb": 300.0, "rembg_s": 1.2, "rembg_peak_mb": 1200.0}, "same": serving_speed.same([90]), "machine": "2 cores",
    }  # fmt: skip
    text = serving_speed.markdown(found)
    for told in ("1.50 x the floor", "75% of the floor", "20.0 x faster", "| 25% |", "+0.4 MB a thousand", "WebP method 2, quality 90", "2 of the segmentor"):
        assert told in text
