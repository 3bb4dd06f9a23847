#!/usr/bin/env python3
"""Two programs (a change and what was before it) on the same training job, taking turns at every step.

usage: bench/turns.py OLD NEW [--pairs N] [--warmup N] [--json] -- OPTIONS OF pretrain

Both run at once and one of them is stopped (SIGSTOP) while the other makes a step, so that what else the machine does in
these seconds meets both alike; whole runs one after the other differ by tens of per cent on a shared machine. A turn is
the time from waking a program to its next line of --metrics-jsonl, which is one step. Printed are the median of the pairs'
ratios (old time over new time: above 1 the new one is faster), its quartiles, and each program's median and best step.
OLD twice shows what the method itself leaves of noise. OLD and NEW may be whole commands, options of theirs alone among
them, and jobs of several processes: "build/tessera pretrain --threads 2" and "mpirun -n 2 build/tessera pretrain
--threads 1 --context-parallel-size 2"; all processes of a job are stopped and woken. The first steps, --warmup of each, do not count. The order within a
pair changes with each pair. Needs memory for both.
"""
import argparse
import json
import os
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def family(pid):
    """The process and all that it has started."""
    found = [pid]
    for task in Path("/proc/%d/task" % pid).glob("*/children"):
        try:
            for child in task.read_text().split():
                found += family(int(child))
        except OSError:  # it has ended
            pass
    return found


class Program:
    """A running job that makes one step each time it is woken. It does not outlive this program."""

    def __init__(self, command, folder):
        """command: words; its steps are lines of folder/metrics.jsonl."""
        self.lines = 0
        self.nap = 0.001  # later a small part of a step: who looks often takes a core's time from one of the processes
        self.metrics = folder / "metrics.jsonl"
        self.errors = open(folder / "stderr", "w+")
        self.job = subprocess.Popen([*command, "--metrics-jsonl", self.metrics], stdout=subprocess.DEVNULL, stderr=self.errors)

    def tell(self, what):
        for pid in family(self.job.pid):
            try:
                os.kill(pid, what)
            except ProcessLookupError:
                pass

    def step(self):
        """Wakes the program until it has written its next line; seconds."""
        started = time.monotonic()
        self.tell(signal.SIGCONT)
        while not self.written():
            if self.job.poll() is not None:
                self.errors.seek(0)
                sys.exit("%s ended before its step:\n%s" % (self.job.args[0], self.errors.read()))
            time.sleep(self.nap)
        taken = time.monotonic() - started
        self.nap = min(max(taken / 500, 0.001), 0.02)
        self.tell(signal.SIGSTOP)
        return taken

    def written(self):
        lines = self.metrics.read_bytes().count(b"\n") if self.metrics.exists() else 0
        more, self.lines = lines > self.lines, lines
        return more

    def losses(self):
        return [json.loads(line)["lm_loss"] for line in self.metrics.read_text().splitlines()]

    def end(self):
        self.tell(signal.SIGKILL)
        self.job.wait()
        self.errors.close()


def stop_all(programs):
    """Ends them, the stopped ones too."""
    for program in programs:
        program.end()


def end_by_terms():
    """A program that is told to end ends its jobs first."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to end"))


def measure(old, new, pairs):
    taken = {old: [], new: []}
    for pair in range(pairs):
        for program in (old, new) if pair % 2 else (new, old):
            taken[program].append(program.step())
    return taken[old], taken[new]


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("old")
    options.add_argument("new")
    options.add_argument("--pairs", type=int, default=21)
    options.add_argument("--warmup", type=int, default=2)
    options.add_argument("--json", action="store_true")
    words = sys.argv[1:]
    cut = words.index("--") if "--" in words else len(words)
    a = options.parse_args(words[:cut])
    a.warmup = max(a.warmup, 1)
    end_by_terms()
    steps = ["--train-iters", str(a.pairs + a.warmup + 1), "--eval-iters", "0"]
    with tempfile.TemporaryDirectory() as at:
        programs = []
        try:
            for side, path in (("old", a.old), ("new", a.new)):
                folder = Path(at) / side
                folder.mkdir()
                start = shlex.split(path)
                programs.append(Program([*start, *([] if "pretrain" in start else ["pretrain"]), *words[cut + 1:], *steps], folder))
                for _ in range(a.warmup):  # behind them all that a job starts is there, and stopped
                    programs[-1].step()
            old, new = measure(*programs, a.pairs)
        finally:
            stop_all(programs)
    ratios = [x / y for x, y in zip(old, new)]
    quartiles = statistics.quantiles(ratios, n=4)
    result = dict(pairs=a.pairs, ratio_median=statistics.median(ratios), ratio_quartiles=[quartiles[0], quartiles[2]],
                  old_median_s=statistics.median(old), old_best_s=min(old), new_median_s=statistics.median(new),
                  new_best_s=min(new), load=os.getloadavg()[0])
    if a.json:
        print(json.dumps(result))
        return
    print("new is %.3f times as fast as old (median of %d pairs; half of them between %.3f and %.3f)"
          % (result["ratio_median"], a.pairs, *result["ratio_quartiles"]))
    print("old: median %.3f s, best %.3f s; new: median %.3f s, best %.3f s; load %.1f"
          % (result["old_median_s"], result["old_best_s"], result["new_median_s"], result["new_best_s"], result["load"]))


if __name__ == "__main__":
    main()
