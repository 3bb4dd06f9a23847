#!/usr/bin/env python3
"""A server under clients that stream, beside llama.cpp's server, in turns: tokens per second, time to the first token.

usage: bench/serve.py --model DIR [--gguf FILE --python PYTHON] [--clients 1,8,32] [--requests N] [--prompt 64:256] [--new 64:128]
                      [--rounds N] [--threads N] [--tessera build/tessera] [--options "..."] [--request JSON] [--start] [--json]

DIR is a model's folder, FILE the same weights as GGUF (tessera convert --outfile), PYTHON an interpreter with xllamacpp, which has
llama.cpp's server; without the two ours runs alone. Each client sends --requests one after the other: ids drawn at random (the same for
both servers, no two prompts alike), greedy, to the end of a number of new tokens that is drawn too. A server is started for each run; a
run begins when it has answered one request. Of each number of clients: new tokens per second from the first request to the last
token, medians of the rounds; the first token's time of all requests, median and 95th percentile.
--start measures something else: from the start of the process to the first token of a prompt of 16, weights in the page cache; the
peer's clock begins behind its Python's imports.
--options are more options of tessera serve, --request members of each request to both (as '{"grammar": "..."}'). Needs Python 3 alone.
"""
import argparse
import json
import os
import random
import re
import selectors
import shlex
import signal
import socket
import statistics
import subprocess
import sys
import time

PEER = """
import sys, time
import xllamacpp
began = time.monotonic()
p = xllamacpp.CommonParams()
p.model.path, threads, clients, room, port = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
p.cpuparams.n_threads = p.cpuparams_batch.n_threads = threads
p.n_parallel, p.n_ctx, p.port, p.n_gpu_layers, p.warmup, p.verbosity = clients, clients * room, port, 0, clients > 0 and len(sys.argv) < 7, 0
server = xllamacpp.Server(p)
print("at", server.listening_address, began, flush=True)
sys.stdin.read()
"""


class Server:
    """A process that listens; `began` is when its work began."""

    def __init__(self, words, is_ours):
        self.began = time.monotonic()
        self.job = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE if not is_ours else subprocess.DEVNULL,
                                    stderr=subprocess.PIPE if is_ours else subprocess.DEVNULL, text=True)
        out = self.job.stderr if is_ours else self.job.stdout
        seen = []
        for line in out:
            seen.append(line)
            found = re.search(r"http://([\d.]+):(\d+)", line)
            if found:
                self.address = (found[1], int(found[2]))
                if not is_ours:
                    self.began = float(line.split()[-1])
                return
        sys.exit("the server ended: " + " ".join(words) + "\n" + "".join(seen))

    def peak_mib(self):
        return int(re.search(r"VmHWM:\s*(\d+)", open(f"/proc/{self.job.pid}/status").read())[1]) // 1024

    def end(self):
        self.job.send_signal(signal.SIGKILL if self.job.stdout else signal.SIGTERM)
        self.job.wait()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def ours(a, clients):
    return Server([a.tessera, "serve", "--load", a.model, "--bf16", "--threads", str(a.threads), "--port", "0", "--max-model-len", str(a.room),
                   *shlex.split(a.options)], True)


def peer(a, clients, *more):
    return Server([a.python, "-c", PEER, a.gguf, str(a.threads), str(clients), str(a.room), str(free_port()), *more], False)


class Client:
    """Sends its requests one after the other and reads what comes."""

    def __init__(self, address, bodies):
        self.address, self.bodies, self.at = address, bodies, 0
        self.first, self.tokens = [], 0
        self.send()

    def send(self):
        body = self.bodies[self.at]
        self.socket = socket.create_connection(self.address)
        self.sent = time.monotonic()
        self.socket.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        self.seen, self.has_first = b"", False

    def read(self):
        """False at the end of the last answer. Only the end of what has come is kept: who measures should cost little."""
        got = self.socket.recv(1 << 16)
        if not self.has_first and b"data: {" in self.seen + got:
            self.has_first = True
            self.first.append(time.monotonic() - self.sent)
        self.seen = (self.seen + got)[-8192:]
        if got:
            return True
        self.socket.close()
        found = re.findall(rb'"completion_tokens":\s*(\d+)', self.seen)
        if not found or not self.has_first:
            sys.exit("an answer without its end: %r" % self.seen[-2000:])
        self.tokens += int(found[-1])
        self.at += 1
        if self.at == len(self.bodies):
            return False
        self.send()
        return True


def drive(address, per_client):
    """Seconds, tokens, times to the first token."""
    began = time.monotonic()
    with selectors.DefaultSelector() as s:
        clients = [Client(address, bodies) for bodies in per_client]
        for c in clients:
            s.register(c.socket, selectors.EVENT_READ, c)
        left = len(clients)
        while left:
            for key, _ in s.select():
                c = key.data
                was = c.socket
                going = c.read()
                if c.socket is not was or not going:
                    s.unregister(was)
                if not going:
                    left -= 1
                elif c.socket is not was:
                    s.register(c.socket, selectors.EVENT_READ, c)
    return time.monotonic() - began, sum(c.tokens for c in clients), [t for c in clients for t in c.first]


def body(a, rng, prompt=None, new=None):
    low, high = map(int, a.prompt.split(":"))
    n_low, n_high = map(int, a.new.split(":"))
    n = prompt or rng.randint(low, high)
    r = {"prompt": [rng.randint(1000, 30000) for _ in range(n)], "max_tokens": new or rng.randint(n_low, n_high), "temperature": 0, "ignore_eos": True, "stream": True,
         "stream_options": {"include_usage": True}, "cache_prompt": False, **json.loads(a.request)}
    return json.dumps(r).encode()


def run(a, start, clients):
    rng = random.Random(a.seed)
    warm, bodies = body(a, rng, 16, 4), [[body(a, rng) for _ in range(a.requests)] for _ in range(clients)]
    server = start(a, clients)
    try:
        drive(server.address, [[warm]])
        seconds, tokens, first = drive(server.address, bodies)
        return tokens / seconds, first, server.peak_mib()
    finally:
        server.end()


def start_time(a, start, *more):
    server = start(a, 1, *more)
    try:
        drive(server.address, [[body(a, random.Random(a.seed), 16, 1)]])
        return time.monotonic() - server.began
    finally:
        server.end()


def quantile(v, q):
    v = sorted(v)
    return v[min(int(q * len(v)), len(v) - 1)]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", required=True)
    p.add_argument("--gguf")
    p.add_argument("--python")
    p.add_argument("--tessera", default="build/tessera")
    p.add_argument("--options", default="")
    p.add_argument("--request", default="{}")
    p.add_argument("--clients", default="1,8,32")
    p.add_argument("--requests", type=int, default=2)
    p.add_argument("--prompt", default="64:256")
    p.add_argument("--new", default="64:128")
    p.add_argument("--room", type=int, default=512, help="tokens of a prompt and its answer, at most")
    p.add_argument("--rounds", type=int, default=1)
    p.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--start", action="store_true")
    p.add_argument("--json", action="store_true")
    a = p.parse_args()
    servers = {"tessera": ours, **({"llama.cpp": peer} if a.gguf else {})}
    rows = []
    if a.start:
        seconds = {name: [] for name in servers}
        for _ in range(a.rounds):
            for name, start in servers.items():
                seconds[name].append(start_time(a, start, *(["cold"] if start is peer else [])))
        rows = [{"what": "start", "server": name, "seconds": statistics.median(v), "best_seconds": min(v)} for name, v in seconds.items()]
    for clients in [] if a.start else map(int, a.clients.split(",")):
        speed, first, peak = ({name: [] for name in servers} for _ in range(3))
        for _ in range(a.rounds):
            for name, start in servers.items():
                s, f, m = run(a, start, clients)
                speed[name].append(s)
                first[name] += f
                peak[name].append(m)
        rows += [{"what": "serve", "server": name, "clients": clients, "tokens_per_second": statistics.median(v), "best_tokens_per_second": max(v),
                  "first_token_p50_s": quantile(first[name], 0.5), "first_token_p95_s": quantile(first[name], 0.95), "rss_peak_mib": max(peak[name])} for name, v in speed.items()]
    for r in rows:
        if a.json:
            print(json.dumps(r))
        elif a.start:
            print(f"{r['server']:10} first token after {r['seconds']:.3f} s (best {r['best_seconds']:.3f})")
        else:
            print(f"{r['server']:10} {r['clients']:3} clients {r['tokens_per_second']:8.1f} tokens/s (best {r['best_tokens_per_second']:.1f})   first token p50 "
                  f"{r['first_token_p50_s']:.3f} s, p95 {r['first_token_p95_s']:.3f} s   {r['rss_peak_mib']} MiB")


if __name__ == "__main__":
    main()
