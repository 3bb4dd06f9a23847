#!/usr/bin/env python3
"""The server judged by OpenAI's client, under load, and by schemathesis: README.md. MODEL is a folder with a tokenizer and a chat
template (or --chat-template FILE). Needs: pip install openai [schemathesis]"""
import argparse
import http.client
import json
import os
import random
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import openai

wrong = []


def check(what, is_right, found=""):
    if not is_right:
        wrong.append(what)
        print(f"WRONG {what}: {found}")


class Server:
    def __init__(self, args, *more):
        command = [args.tessera, "serve", "--load", args.load, "--port", "0", "--threads", "1", "--embeddings", *more]
        if args.chat_template:
            command += ["--chat-template", args.chat_template]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
            if found:
                self.port = int(found[1])
                break
        else:
            sys.exit("the server does not start")
        threading.Thread(target=self.process.stderr.read, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.port}"

    def memory(self):
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") >> 20

    def figures(self):
        c = http.client.HTTPConnection("127.0.0.1", self.port)
        c.request("GET", "/metrics")
        text = c.getresponse().read().decode()
        return {k: float(v) for k, v in re.findall(r"^(tessera_\w+) (\S+)$", text, re.M)}

    def stop(self):
        self.process.terminate()
        check("the end", self.process.wait(60) == 0, self.process.returncode)


# ---- OpenAI's client ----

def text_of_stream(stream):
    text, finish, usage = "", None, None
    for chunk in stream:
        if chunk.choices:
            text += chunk.choices[0].delta.content or ""
            finish = chunk.choices[0].finish_reason or finish
        usage = chunk.usage or usage
    return text, finish, usage


def chats(c, model):
    def chat(**more):
        given = dict(model=model, messages=[{"role": "user", "content": "Tell me a story"}], max_tokens=20, seed=5)
        return c.chat.completions.create(**{**given, **more})

    first = chat().choices[0].message.content
    check("a seed", chat().choices[0].message.content == first)
    text, finish, usage = text_of_stream(chat(stream=True, stream_options={"include_usage": True}))
    check("a stream", text == first and finish in ("stop", "length"), text)
    check("usage of a stream", usage and usage.completion_tokens <= 20, usage)
    several = chat(n=3, logprobs=True, top_logprobs=5)
    check("n", [x.index for x in several.choices] == [0, 1, 2] and several.choices[0].message.content == first)
    for token in several.choices[0].logprobs.content:
        tops = [t.logprob for t in token.top_logprobs]
        check("top_logprobs", len(tops) == 5 and tops == sorted(tops, reverse=True) and token.logprob <= tops[0] + 1e-9, tops)
    if len(first) > 8:
        stop = first[4:7]
        cut = chat(stop=[stop])
        check("stop", cut.choices[0].message.content == first[:first.index(stop)] and cut.choices[0].finish_reason == "stop")
        check("stop in a stream", text_of_stream(chat(stop=[stop], stream=True))[0] == first[:first.index(stop)])
    alone = {s: chat(seed=s, max_tokens=30).choices[0].message.content for s in range(16)}
    beside = {}

    def one(s):
        beside[s] = text_of_stream(chat(seed=s, max_tokens=30, stream=True))[0] if s % 2 else \
            chat(seed=s, max_tokens=30).choices[0].message.content

    threads = [threading.Thread(target=one, args=(s,)) for s in alone]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    check("beside each other as alone", beside == alone)
    return chat


def forms(chat):
    schema = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 12}, "age": {"type": "integer"}, "kind": {"enum": ["cat", "dog"]}},
              "required": ["name", "age", "kind"], "additionalProperties": False}
    for seed in range(5):
        r = chat(response_format={"type": "json_schema", "json_schema": {"name": "animal", "strict": True, "schema": schema}}, seed=seed,
                 max_tokens=200).choices[0]
        try:
            v = json.loads(r.message.content)
            check("a schema", set(v) == {"name", "age", "kind"} and v["kind"] in ("cat", "dog") and isinstance(v["age"], int), v)
        except ValueError:
            check("a schema", r.finish_reason == "length", r.message.content)
    tool = {"type": "function", "function": {"name": "look_up", "parameters": {
        "type": "object", "properties": {"place": {"enum": ["Rome", "Oslo"]}}, "required": ["place"], "additionalProperties": False}}}
    for choice in ("required", {"type": "function", "function": {"name": "look_up"}}):
        r = chat(tools=[tool], tool_choice=choice, max_tokens=200).choices[0]
        calls = r.message.tool_calls or []
        check("a call", len(calls) == 1 and json.loads(calls[0].function.arguments)["place"] in ("Rome", "Oslo") and
              r.finish_reason == "tool_calls", r)
    parts = [d for d in chat(tools=[tool], tool_choice="required", max_tokens=200, stream=True)]
    pieces = [t.function for p in parts for x in p.choices for t in x.delta.tool_calls or []]
    check("a call in a stream", [f.name for f in pieces if f.name] == ["look_up"], pieces)
    check("its arguments", json.loads("".join(f.arguments or "" for f in pieces))["place"] in ("Rome", "Oslo"), pieces)


def others(c, model):
    r = c.responses.create(model=model, input="Hello", max_output_tokens=8, instructions="Be kind", temperature=0)
    events = list(c.responses.create(model=model, input=[{"role": "user", "content": [{"type": "input_text", "text": "Hello"}]}],
                                     instructions="Be kind", max_output_tokens=8, temperature=0, stream=True))
    said = "".join(e.delta for e in events if e.type == "response.output_text.delta")
    check("a response", r.output_text == said and events[-1].response.output_text == said, (r.output_text, said))
    check("numbers of events", [e.sequence_number for e in events] == list(range(len(events))))
    r = c.completions.create(model=model, prompt=["Once", "Twice"], max_tokens=5, echo=True, logprobs=2, n=2)
    check("completions", len(r.choices) == 4 and r.choices[2].text.startswith("Twice"))
    for x in r.choices:
        check("lists of logprobs", len({len(x.logprobs.tokens), len(x.logprobs.token_logprobs), len(x.logprobs.top_logprobs)}) == 1)
    vectors = c.embeddings.create(model=model, input=["a cat", "a dog"]).data
    plain = c.embeddings.create(model=model, input="a cat", encoding_format="float").data[0].embedding
    check("vectors", abs(sum(x * x for x in plain) - 1) < 1e-5 and
          max(abs(a - b) for a, b in zip(plain, vectors[0].embedding)) < 1e-6)


def refusals(chat):
    bad = [dict(temperature=-1), dict(max_tokens=0), dict(n=1000), dict(messages=[]), dict(top_p="a"), dict(max_tokens=10 ** 8),
           dict(logit_bias={"999999999": 1}), dict(response_format={"type": "xml"}), dict(tool_choice="required"),
           dict(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}])]
    for more in bad:
        try:
            chat(**more)
            check(f"{more} is answered", False)
        except openai.BadRequestError as e:
            check(f"the refusal of {more}", e.body["message"] and e.body["type"] == "invalid_request_error", e.body)
    try:
        chat(model="none")
        check("another model is answered", False)
    except openai.NotFoundError:
        pass


# ---- load ----

class Load:
    prompts = ["Once upon a time there was a fox", "Once upon a time there was a fox who liked", "The dog and the cat were", "A",
               "Lily loved to play outside in the sun and"]
    rubbish = [b"GET / HTTP/9.9\r\n\r\n", b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n{\"a\"", b"\x00\xff" * 100,
               b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
               b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n",
               b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"]

    def __init__(self, server, seconds):
        self.server, self.seconds = server, seconds
        self.count = dict.fromkeys(("whole", "stream", "slow", "gone", "rubbish", "half"), 0)
        self.want = [json.loads(self.post(self.body(k)).read())["choices"][0]["text"] for k in range(40)]

    def body(self, k):
        return {"prompt": self.prompts[k % 5], "max_tokens": 10 + 7 * (k % 13), "seed": k, "temperature": 0.9, "ignore_eos": True}

    def post(self, body):
        c = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=300)
        c.request("POST", "/v1/completions", body=json.dumps(body))
        r = c.getresponse()
        r.connection = c
        return r

    def one(self, rnd, kind):
        k = rnd.randrange(40)
        if kind == "whole":
            check("an answer under load", json.loads(self.post(self.body(k)).read())["choices"][0]["text"] == self.want[k])
        elif kind in ("stream", "slow"):
            r, got = self.post(dict(self.body(k), stream=True)), b""
            while part := r.read(50 if kind == "slow" else 1 << 16):
                got += part
                time.sleep(0.002 if kind == "slow" else 0)
            text = "".join(json.loads(x[6:])["choices"][0]["text"] for x in got.decode().split("\n") if x.startswith("data: {"))
            check("a stream under load", text == self.want[k])
        elif kind == "gone":
            r = self.post(dict(self.body(k), stream=True, max_tokens=200))
            r.read(rnd.randrange(1, 400))
            r.connection.close()
        else:
            s = socket.create_connection(("127.0.0.1", self.server.port))
            s.settimeout(2)
            s.sendall(rnd.choice(self.rubbish) if kind == "rubbish" else b"POST /v1/comp")
            try:
                s.recv(100) if kind == "rubbish" else time.sleep(0.2)
            except OSError:
                pass
            s.close()
        self.count[kind] += 1

    def client(self, number):
        rnd = random.Random(number)
        while time.time() < self.end:
            kind = rnd.choices(list(self.count), [40, 25, 5, 18, 8, 4])[0]
            try:
                self.one(rnd, kind)
            except (OSError, http.client.HTTPException) as e:
                check(f"a connection ({kind})", False, repr(e))

    def run(self, clients):
        self.end = time.time() + self.seconds
        threads = [threading.Thread(target=self.client, args=(i,)) for i in range(clients)]
        for t in threads:
            t.start()
        time.sleep(min(20, (self.end - time.time()) / 2))
        early = self.server.memory()
        while time.time() < self.end:
            time.sleep(min(30, max(0, self.end - time.time())))
            print(f"{self.server.memory()} MiB {self.count}", flush=True)
        for t in threads:
            t.join()
        time.sleep(1)
        figures = self.server.figures()
        check("places that are free", figures["tessera_texts_running"] == figures["tessera_texts_waiting"] ==
              figures["tessera_kv_cache_usage_ratio"] == 0, figures)
        check("memory", self.server.memory() < early * 1.2 + 16, f"{early} MiB early, {self.server.memory()} at the end")
        print(f"{figures['tessera_preemptions_total']:.0f} texts made room, {figures['tessera_prompt_tokens_reused_total']:.0f} tokens reused")


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--tessera", required=True)
    p.add_argument("--load", required=True)
    p.add_argument("--chat-template")
    p.add_argument("--minutes", type=float, default=0, help="of load")
    p.add_argument("--clients", type=int, default=64)
    p.add_argument("--schemathesis", help="the program")
    args = p.parse_args()
    if args.minutes:
        server = Server(args, "--kv-cache-tokens", "1024", "--max-model-len", "256", "--max-num-seqs", "24")
        Load(server, 60 * args.minutes).run(args.clients)
    elif args.schemathesis:
        server = Server(args, "--max-model-len", "256")
        described = Path(__file__).with_name("openapi.json")
        done = subprocess.run([args.schemathesis, "run", str(described), "--url", server.url, "--checks",
                               "not_a_server_error,response_schema_conformance,content_type_conformance,status_code_conformance",
                               "--max-examples", "60", "--workers", "4"])
        check("schemathesis", done.returncode == 0, done.returncode)
    else:
        server = Server(args)
        c = openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0)
        model = c.models.list().data[0].id
        chat = chats(c, model)
        forms(chat)
        others(c, model)
        refusals(chat)
    server.stop()
    print("wrong" if wrong else "right")
    sys.exit(bool(wrong))


main()
