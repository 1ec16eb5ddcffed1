"""Load for a server, over REST: the stages of profile.json, and a verdict at the end.

In an environment of its own, since locust is no part of the package:

    pip install locust
    locust --headless --only-summary --host http://127.0.0.1:8501

`--load-scale 0.1` asks for a tenth of the requests, `--time-scale 0.1` for a tenth of
the time. The exit code is 1 if a limit of the profile was passed.
"""

import itertools
import json
import logging
from pathlib import Path

import gevent
from locust import FastHttpUser, LoadTestShape, constant_throughput, events, task

PROFILE = json.loads(Path(__file__).with_name("profile.json").read_text("utf-8"))

# No two requests alike, so that nothing on the way can answer from a cache.
_SEEDS = itertools.count()

# Callers that begin together would ask together, once a second, for ever. Multiples of
# this fall evenly into a second, however many there are.
_GOLDEN_RATIO = 0.618034
_CALLERS = itertools.count()

# Locust itself stumbles over more in a second.
_MOST_JOINING = 100

_LOGGER = logging.getLogger(__name__)


class Caller(FastHttpUser):
    """Asks once a second, so that there are as many callers as requests a second.

    A caller waits for its answer: where answers take longer than a second, less is
    asked than was meant, and the limit `offered` says so.
    """

    wait_time = constant_throughput(1)

    def on_start(self) -> None:
        """Waits for a moment of its own within the second."""
        gevent.sleep(next(_CALLERS) * _GOLDEN_RATIO % 1)

    @task
    def generate(self) -> None:
        """Asks for one sample and looks at the answer."""
        seed = next(_SEEDS)
        body = {
            "signature_name": PROFILE["signature_name"],
            "instances": [{"seed": seed, "labels": seed % PROFILE["num_classes"]}],
        }
        path = f"/v1/models/{PROFILE['model']}:predict"
        with self.client.post(path, json=body, catch_response=True) as answer:
            if answer.status_code != 200:
                # 0: no answer at all; its reason is kept as it is.
                if answer.status_code:
                    answer.failure(f"{answer.status_code}: {answer.text[:200]}")
                return
            (row,) = answer.json()["predictions"]
            if row.get("error"):
                answer.failure(row["error"])


class Stages(LoadTestShape):
    """The stages one after the other, scaled."""

    def tick(self) -> tuple[int, float] | None:
        """How many callers now, and how many may join in a second; None: the end."""
        options = self.runner.environment.parsed_options
        time = self.get_run_time() / options.time_scale
        for stage in PROFILE["stages"]:
            if time < stage["seconds"]:
                callers = max(
                    1, round(stage["requests_per_second"] * options.load_scale)
                )
                return callers, min(callers, _MOST_JOINING)
            time -= stage["seconds"]
        return None


@events.init_command_line_parser.add_listener
def _add_options(parser) -> None:
    parser.add_argument("--load-scale", type=float, default=1.0, help="of the requests")
    parser.add_argument("--time-scale", type=float, default=1.0, help="of the seconds")


@events.quitting.add_listener
def _judge(environment, **_) -> None:
    total, limits = environment.stats.total, PROFILE["limits"]
    options = environment.parsed_options
    meant = options.time_scale * sum(
        stage["seconds"]
        * max(1, round(stage["requests_per_second"] * options.load_scale))
        for stage in PROFILE["stages"]
    )
    offered = total.num_requests / meant
    p99 = total.get_response_time_percentile(0.99) or 0
    passed = (
        total.num_requests > 0
        and total.fail_ratio <= limits["failed"]
        and p99 <= limits["p99_ms"]
        and offered >= limits["offered"]
    )
    _LOGGER.info(
        "%s: %d requests, %.4f failed, p99 %d ms, %.3f of what was meant",
        "passed" if passed else "FAILED",
        total.num_requests,
        total.fail_ratio,
        p99,
        offered,
    )
    environment.process_exit_code = 0 if passed else 1
