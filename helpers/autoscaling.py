"""An autoscaler's control loop before a queue: replicas, waiting times, instance-hours.

Built in view in chapter 15.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from helpers.training_memory import CostError, _positive


@dataclass(frozen=True)
class Served:
    """What a day of requests met.

    waits     seconds in the queue, float64 (requests,)
    replicas  paid replicas in each period of the control loop, int (periods,)
    period    seconds of one period
    changes   how often the number of replicas was changed
    """

    waits: np.ndarray
    replicas: np.ndarray
    period: float
    changes: int

    @property
    def hours(self) -> float:
        """Instance-hours paid, start-up included."""
        return float(self.replicas.sum() * self.period / 3600)

    @property
    def p99(self) -> float:
        """Wait that 99 % of the requests do not exceed, seconds."""
        return float(np.quantile(self.waits, 0.99))


def desired_replicas(
    current: int, utilization: float, target: float, tolerance: float = 0.1
) -> int:
    """ceil(current * utilization / target), or `current` where the ratio is near 1.

    Both shares of 1, as the HorizontalPodAutoscaler has it
    (https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#algorithm-details).
    Raises `CostError` for a target that is not above 0.
    """
    _positive(current=current, target=target)
    ratio = utilization / target
    if abs(ratio - 1) <= tolerance:
        return current
    return math.ceil(current * ratio - 1e-9)


# Passengers of New York's taxis by half-hour, 1 July 2014, 00:00, to 4 July, 00:00 (Tuesday to
# Thursday), as counted in the Numenta Anomaly Benchmark (data/realKnownCause/nyc_taxi.csv, MIT
# licence, https://github.com/numenta/NAB), from the trip records of the city's taxi commission.
_PASSENGERS = """
10844 8127 6210 4656 3820 2873 2369 2064 2221 2158 2515 4364 6526 11039 13857 15865 17920 20346
19539 20107 18984 17720 17249 18463 18908 18886 18178 19459 19546 20591 19380 18544 16228 15013
17203 19525 22966 27598 26827 24904 22875 20394 23401 24439 23318 21733 20104 16111 13370 9945
7571 5917 4820 3634 2993 2535 2570 2485 2868 4482 6788 11078 13729 16700 19156 19953 19502 18994
17311 17904 17133 18589 19134 19259 18667 19078 18546 18593 17967 16624 14634 13888 17430 21919
23633 24512 24887 26872 22009 18259 20844 22576 22401 19056 17518 15307 12646 10562 8416 7098 5826
4383 3270 2948 3146 3077 3000 4592 6486 10113 12240 14574 16778 18910 18350 17218 16097 16409 15893
16778 17604 18665 19045 19261 19363 19078 18193 16635 14615 13759 17008 19595 21328 22661 29985
21501 22684 22188 22663 19573 17136 16606 16166 16020 15591
"""


def taxi_demand(days: int = 3) -> np.ndarray:
    """Real demand over time: passengers of New York's taxis, float64 (48 * days + 1,).

    One value each half-hour from Tuesday 1 July 2014, 00:00, on; `days` is 1, 2 or 3. Not a web
    server's log: people's demand over a working day, whose shape the requests of this course take.
    Source: Numenta Anomaly Benchmark (MIT licence), doi:10.1109/ICMLA.2015.141.
    """
    if days not in (1, 2, 3):
        raise CostError(f"The series has three days; {days!r} were asked for: give 1, 2 or 3.")
    return np.array(_PASSENGERS.split(), float)[: 48 * days + 1]


def arrivals(demand: np.ndarray, mean_rate: float, seed: int = 0) -> np.ndarray:
    """Arrival times in seconds, sorted: a Poisson process with the shape of `demand`.

    demand     values half an hour apart, two or more, joined by straight lines
    mean_rate  requests a second, on average over the series
    """
    _positive(mean_rate=mean_rate)
    values = np.asarray(demand, float)
    if len(values) < 2 or values.min() < 0 or values.sum() == 0:
        raise CostError("The demand needs two values or more, none below 0 and one above it.")
    rng = np.random.default_rng(seed)
    minutes = np.arange(30 * (len(values) - 1)) + 0.5
    rate = np.interp(minutes / 30, np.arange(len(values)), values)
    counts = rng.poisson(60 * rate * mean_rate / rate.mean())
    return np.sort(np.repeat(60 * (minutes - 0.5), counts) + 60 * rng.random(counts.sum()))


def serve(
    times: np.ndarray,
    work: np.ndarray,
    replicas: int,
    target: float | None = None,
    least: int = 2,
    most: int = 100,
    startup: float = 60.0,
    period: float = 15.0,
    stabilization: float = 300.0,
) -> Served:
    """`Served` for requests at `times` that need `work` seconds each, first come, first served.

    replicas       at the start; for good when `target` is None (static sizing)
    target         utilization that the autoscaler aims at; it looks every `period` seconds
    least, most    bounds of the number of replicas
    startup        seconds between a replica's order, from when it is paid, and its first request
    stabilization  seconds over which the highest recommendation counts before scaling down

    A replica serves one request at a time; one that is removed ends its request. Utilization is
    busy time by available time of the replicas that are ready. Scaling up at most doubles, or adds
    four, in each period, the default of autoscaling/v2. Raises `CostError` for bad sizes.
    """
    _positive(replicas=replicas, period=period)
    if len(times) != len(work) or len(times) == 0:
        raise CostError(f"There are {len(times)} arrivals and {len(work)} works; give as many.")
    waits, queue, free, coming = np.empty(len(times)), deque(), [0.0] * replicas, []
    history: deque[int] = deque(maxlen=max(1, round(stabilization / period)))
    busy: dict[int, float] = {}
    paid, changes, position, count = [], 0, 0, replicas
    for slot in range(math.ceil((times[-1] + 1e-9) / period)):
        end = (slot + 1) * period
        coming = [start for start in coming if start > end - period]
        while position < len(times) and times[position] < end:
            queue.append(position)
            position += 1
        while queue:
            first = queue[0]
            begin = max(free[0], times[first])
            if begin >= end:
                break
            queue.popleft()
            finish = begin + work[first]
            heapq.heapreplace(free, finish)
            waits[first] = begin - times[first]
            for piece in range(slot, int(finish // period) + 1):
                inside = min(finish, (piece + 1) * period) - max(begin, piece * period)
                busy[piece] = busy.get(piece, 0.0) + inside
        paid.append(count)
        if target is None:
            continue
        ready = count - len(coming)
        utilization = busy.pop(slot, 0.0) / (period * max(1, ready))
        wish = desired_replicas(max(1, ready), utilization, target)
        # Replicas that still start are on their way: they count as ordered.
        wish = min(max(wish, least), most, max(2 * count, count + 4))
        history.append(wish)
        wanted = max(history)
        if wish > count:
            coming += [end + startup] * (wish - count)
            for start in [end + startup] * (wish - count):
                heapq.heappush(free, start)
            changes, count = changes + 1, wish
        elif wanted < count and not coming:
            free.sort()  # idle replicas, free for longest, go first
            del free[: count - wanted]
            changes, count = changes + 1, wanted
    for first in queue:
        begin = max(free[0], times[first])
        heapq.heapreplace(free, begin + work[first])
        waits[first] = begin - times[first]
    return Served(waits, np.array(paid), period, changes)


def smallest_static(times: np.ndarray, work: np.ndarray, p99: float, most: int = 100) -> Served:
    """`Served` by the smallest fixed number of replicas whose p99 is at most `p99` seconds.

    Chosen with the whole day known, which no one has beforehand. Raises `CostError` when not even
    `most` replicas reach it.
    """
    low, high = max(1, math.floor(work.sum() / times[-1])), most + 1
    best = None
    while low < high:
        middle = (low + high) // 2
        found = serve(times, work, middle)
        if found.p99 <= p99:
            high, best = middle, found
        else:
            low = middle + 1
    if best is None:
        raise CostError(f"{most} replicas do not reach a p99 of {p99} s: allow more of them.")
    return best
