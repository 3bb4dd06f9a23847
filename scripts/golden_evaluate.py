"""Goldens of `tessera evaluate`, made with lm-evaluation-harness 0.4.13, transformers and torch.

    python scripts/golden_evaluate.py [tests/golden/evaluate]

model/        a tiny Llama that has read some of the answers, its tokenizer and chat template
data/         files of the benchmarks in their published layouts, with texts of our own
golden.json   runs: options, scores with their errors, and of each sample prompt, log-likelihoods or text, judgement;
              own_error is how far float32 is from float64 in transformers itself

The harness reads its own task files; what they take from the hub comes from the same texts as data/.
"""
import csv
import json
import logging
import os
import random
import shutil
import sys
import tempfile
from pathlib import Path

import lm_eval
import lm_eval.tasks
import torch
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from lm_eval.tasks._yaml_loader import load_yaml
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

TASKS = Path(lm_eval.tasks.__file__).parent
WORDS = "harbour lantern meadow kettle orchard pebble violin anchor thimble cedar ribbon hammer candle saddle basket".split()
TEMPLATE = ("{{ bos_token }}{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}\n{% endfor %}"
            "{% if add_generation_prompt %}<|assistant|>\n{% endif %}")
rng = random.Random(20261130)


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".csv":
        with open(path, "w", newline="", encoding="utf-8") as f:
            csv.writer(f, lineterminator="\n").writerows(rows)
    else:
        path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), encoding="utf-8")


def four(right):
    rest = rng.sample([w for w in WORDS if w != right], 3)
    rest.insert(rng.randrange(4), right)
    return rest


def questions(n, ask):
    rows = []
    for _ in range(n):
        w = rng.choice(WORDS)
        c = four(w)
        rows.append({"question": ask(w), "choices": c, "answer": c.index(w)})
    return rows


class Benchmarks:
    """data: files to write; hub: task -> splits as the harness sees them."""

    def __init__(self):
        self.files, self.hub, self.texts = {}, {}, []

    def mmlu(self):
        asks = {"hand_tools": lambda w: f' Which word, "{w}" or not,\nhas {len(w)} letters and begins with {w[0]}? ',
                "plain_words": lambda w: f"Which word is {w}?"}
        for s, ask in asks.items():
            dev, test = questions(3, ask), questions(4, ask)
            for part, rows in (("dev", dev), ("test", test)):
                self.files[f"mmlu/{part}/{s}_{part}.csv"] = [[r["question"], *r["choices"], "ABCD"[r["answer"]]] for r in rows]
            self.hub[f"mmlu_{s}"] = {"dev": dev, "test": test}
            self.texts += [f"{r['question'].strip()}\n" + "".join(f"{k}. {c}\n" for k, c in zip("ABCD", r["choices"]))
                           + f"Answer: {'ABCD'[r['answer']]}" for r in dev + test[:3]]

    def chinese(self):
        for name, q, a, folder in (("ceval", "question", "answer", "ceval"), ("cmmlu", "Question", "Answer", "cmmlu")):
            s = "law" if name == "ceval" else "arts"
            rows = [{q: f"哪一个词是 {w}？ ", **dict(zip("ABCD", c)), a: "ABCD"[c.index(w)]}
                    for w in rng.sample(WORDS, 5) for c in [four(w)]]
            head = ["id", q, *"ABCD", a]
            for part, rs in (("dev", rows[:2]), ("val" if name == "ceval" else "test", rows[2:])):
                file = f"{folder}/{part}/{s}" + (f"_{part}" if name == "ceval" else "") + ".csv"
                self.files[file] = [head] + [[i, *(r[k] for k in head[1:])] for i, r in enumerate(rs)]
            self.hub[name] = {"dev": rows[:2], "test": rows[2:]}

    def boolq(self):
        rows = [{"title": w, "passage": f"The {w} is near the river, and it is {k}.", "question": f"is the {w} {o}",
                 "answer": k == o} for w in rng.sample(WORDS, 5) for k in ["old", "new"][:1 + len(w) % 2] for o in ["old"]]
        self.files["boolq/train.jsonl"], self.files["boolq/dev.jsonl"] = rows[:2], rows[2:]
        self.hub["boolq"] = {p: [{**r, "label": int(r["answer"])} for r in rs] for p, rs in (("dev", rows[:2]), ("test", rows[2:]))}
        self.texts += [f"{r['passage']}\nQuestion: {r['question']}?\nAnswer: {'yes' if r['answer'] else 'no'}" for r in rows[:4]]

    def hellaswag(self):
        rows = []
        for i in range(5):
            w = rng.choice(WORDS)
            ends = [f"[title] carries the {w}  home.", "stops.", f"  puts it beside the {rng.choice(WORDS)} and the wall [step] slowly.", "é, says the été."]
            rows.append({"ind": i, "activity_label": f" Finding a {w}", "ctx_a": f"A man [header] sees a {w} [title] then.", "ctx_b": "he THEN", "endings": ends, "label": str(i % 4)})
        self.files["hellaswag/val.jsonl"] = rows
        fields = load_yaml(TASKS / "hellaswag/hellaswag.yaml")["process_docs"].__globals__["preprocess"]
        self.hub["hellaswag"] = {"test": [{"query": fields(r["activity_label"] + ": " + r["ctx_a"] + " " + r["ctx_b"].capitalize()),
                                           "choices": [fields(e) for e in r["endings"]], "label": int(r["label"])} for r in rows]}

    def gsm8k(self):
        rows = []
        for _ in range(6):
            a, b, w = rng.randrange(2, 30), rng.randrange(2, 9), rng.choice(WORDS)
            rows.append({"question": f"Bo has {a} {w}s and finds {b}. How many?", "answer": f"He has {a}+{b}=<<{a}+{b}={a + b}>>{a + b}.\n#### {a + b}"})
        self.files["gsm8k/train.jsonl"], self.files["gsm8k/test.jsonl"] = rows[:1], rows[1:]
        self.hub["gsm8k"] = {"dev": rows[:1], "test": rows[1:]}
        self.texts += [f"Question: {r['question']}\nAnswer: {r['answer']}\n\n" for r in rows[:5]]

    def arc(self):
        rows = []
        for i, r in enumerate(questions(5, lambda w: f"What is a {w}?")):
            labels = list("1234" if i == 3 else "ABCD")
            rows.append({"id": f"q{i}", "question": r["question"], "choices": {"text": [f"it is a {c}" for c in r["choices"]], "label": labels}, "answerKey": labels[r["answer"]]})
        self.files["arc/train.jsonl"], self.files["arc/test.jsonl"] = rows[:1], rows[1:]
        self.hub["arc_easy"] = {"dev": rows[:1], "test": rows[1:]}
        nested = [{"id": r["id"], "question": {"stem": r["question"], "choices": [{"text": t, "label": k} for t, k in zip(r["choices"]["text"], r["choices"]["label"])]}, "answerKey": r["answerKey"]} for r in rows]
        self.files["arc/ARC-Challenge-Train.jsonl"], self.files["arc2/ARC-Challenge-Test.jsonl"] = nested[:1], nested[1:]
        self.hub["arc_challenge"] = {"test": rows[1:]}

    def pairs(self):
        rows = [{"sentence": f"The {a} did not fit in the {b} because the _ was too {k}.", "option1": a, "option2": b, "answer": "1" if k == "large" else "2"}
                for a, b, k in ((*rng.sample(WORDS, 2), k) for k in ("large", "small", "large", "small"))]
        self.files["winogrande/train.jsonl"], self.files["winogrande/dev.jsonl"] = rows[:1], rows[1:]
        self.hub["winogrande"] = {"dev": rows[:1], "test": rows[1:]}
        piqa = [{"goal": f"Mend a {w}", "sol1": f"with a {a}", "sol2": f"by the {b}, and slowly", "label": i % 2} for i, w in enumerate(WORDS[:4]) for a, b in [rng.sample(WORDS, 2)]]
        self.files["piqa/train.jsonl"], self.files["piqa/valid.jsonl"] = piqa[:1], piqa[1:]
        self.hub["piqa"] = {"dev": piqa[:1], "test": piqa[1:]}

    def bbh(self):
        canary = "BIG-bench canary. Do not train.\n-----\n"
        rows = [{"input": f"not {a} is", "target": str(not a)} for a in (True, False, True, False)]
        think = lambda r: f"We look at it: {r['input']} {r['target']}. So the answer is {r['target']}."
        self.files["bbh/bbh/boolean_words.json"] = {"canary": "", "examples": rows[2:]}
        self.files["bbh/cot-prompts/boolean_words.txt"] = canary + "Say whether it is true.\n\n" + "\n\n".join(
            f"Q: {r['input']}\nA: Let's think step by step.\n{think(r)}" for r in rows[:2])
        self.hub["bbh"] = {"test": rows[2:]}
        self.bbh_shots = {"bbh": rows[:2], "bbh_cot": [{"input": r["input"], "target": think(r)} for r in rows[:2]]}
        self.texts += [f"Q: {r['input']}\nA: {r['target']}\n\n" for r in rows]

    def agieval(self):
        rows = []
        for i, r in enumerate(questions(3, lambda w: f"Which is {w}?")):
            rows.append({"passage": "A text. " if i else None, "question": r["question"], "options": [f"({k}){c}" for k, c in zip("ABCD", r["choices"])], "label": "ABCD"[r["answer"]], "other": None})
        self.files["agieval/aqua-rat.jsonl"] = rows
        self.hub["agieval"] = {"test": [{"query": (r["passage"] or "") + "Q: " + r["question"] + " Answer Choices: " + " ".join(r["options"]) + "\nA: Among A through D, the answer is",
                                         "choices": r["options"], "gold": ["ABCD".index(r["label"])]} for r in rows]}

    def own(self):
        rows = [{"word": w, "kind": ["tool", "place"][len(w) % 2]} for w in WORDS[:6]]
        self.files["own/train.jsonl"], self.files["own/test.json"] = rows[:2], rows[2:]
        self.hub["own"] = {"dev": rows[:2], "test": rows[2:]}


OWN = """# A task as lm-evaluation-harness has them, in a file of its own.
task: words
output_type: multiple_choice
test_split: test
fewshot_split: train
description: "Kinds of words."
doc_to_text: "The {{word}}\\nis a"
doc_to_choice: {"0": tool, "1": place}
doc_to_target: kind
target_delimiter: " "
fewshot_delimiter: "\\n"
num_fewshot: 1
metric_list:
  - metric: acc
  - metric: acc_bytes
"""


def make_model(where, texts):
    tk = Tokenizer(models.BPE())
    tk.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tk.decoder = decoders.ByteLevel()
    tk.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=480, special_tokens=["<s>", "</s>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    tk.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    tok = PreTrainedTokenizerFast(tokenizer_object=tk, bos_token="<s>", eos_token="</s>")
    tok.chat_template = TEMPLATE
    torch.manual_seed(5)
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tok), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
                                         max_position_embeddings=512, tie_word_embeddings=True, bos_token_id=0, eos_token_id=1))
    ids = [torch.tensor(tok(t)["input_ids"] + ([1] if t.endswith("\n\n") else [])) for t in texts]
    opt = torch.optim.AdamW(model.parameters(), lr=4e-3, weight_decay=0.0)
    for step in range(400):
        pick = [ids[i] for i in torch.randperm(len(ids))[:8]]
        width = max(map(len, pick))
        x = torch.stack([torch.nn.functional.pad(t, (0, width - len(t)), value=1) for t in pick])
        y = torch.stack([torch.nn.functional.pad(t, (0, width - len(t)), value=-100) for t in pick])
        loss = model(input_ids=x, labels=y).loss
        opt.zero_grad()
        loss.backward()
        opt.step()
    print("training loss", loss.item())
    model.to(torch.bfloat16).save_pretrained(where)
    tok.save_pretrained(where)
    for f in ("generation_config.json",):
        (where / f).unlink(missing_ok=True)
    return tok


def config(task, name, b, scratch, shots, extra):
    """The harness's own file of a task, over local data."""
    files = {"mmlu": "mmlu/default/mmlu_anatomy.yaml", "ceval": "ceval/ceval-valid_law.yaml", "cmmlu": "cmmlu/cmmlu_arts.yaml", "boolq": "super_glue/boolq/default.yaml",
             "hellaswag": "hellaswag/hellaswag.yaml", "gsm8k": "gsm8k/gsm8k.yaml", "arc_easy": "arc/arc_easy.yaml", "arc_challenge": "arc/arc_challenge.yaml",
             "winogrande": "winogrande/default.yaml", "piqa": "piqa/piqa.yaml", "bbh": "bbh/fewshot/boolean_expressions.yaml", "bbh_cot": "bbh/cot_fewshot/boolean_expressions.yaml",
             "agieval": "agieval/aqua-rat.yaml"}
    if task == "own":
        (scratch / "words.yaml").write_text(OWN)
        c = load_yaml(scratch / "words.yaml")
    else:
        c = load_yaml(TASKS / files[task])
    hub = b.hub["bbh" if task == "bbh_cot" else name]
    paths = {}
    for part, rows in hub.items():
        paths[part] = str(scratch / f"{name}_{part}.jsonl")
        write(Path(paths[part]), rows)
    for k in ("process_docs", "tag", "group", "dataset_name", "training_split", "validation_split", "task_alias", "should_decontaminate", "doc_to_decontamination_query"):
        c.pop(k, None)
    c.update(task=f"t_{name}", dataset_path="json", dataset_kwargs={"data_files": paths}, test_split="test", num_fewshot=shots)
    if shots and "dev" in paths:
        c["fewshot_split"], c["fewshot_config"] = "dev", {"sampler": "first_n"}
    if task == "mmlu":
        c["description"] = c["description"].replace("anatomy", name[5:].replace("_", " "))
    if task.startswith("bbh"):
        c["description"] = "Say whether it is true.\n\n"
        c["fewshot_config"] = {"sampler": "first_n", "samples": b.bbh_shots[task]}
    if not shots:
        c.pop("fewshot_split", None)
        c.pop("fewshot_config", None)
    if c["output_type"] == "generate_until":
        c["generation_kwargs"] = {**c["generation_kwargs"], "max_gen_toks": 24}
    c.update(extra)
    return c


def run(case, b, models, manager, scratch):
    task = case["task"]
    names = [n for n in b.hub if n.startswith("mmlu_")] if task == "mmlu" else [task]
    tasks = [config(task, n, b, scratch, case["shots"], {}) for n in names]
    keys = {k: case[k] for k in ("apply_chat_template", "fewshot_as_multiturn", "system_instruction") if k in case}
    out = []
    for lm in models:
        out.append(lm_eval.simple_evaluate(model=lm, tasks=tasks, task_manager=manager, log_samples=True, **keys))
    got, wide = out
    samples, scores = [], {}
    for t in tasks:
        by_doc = {}
        for r, w in zip(got["samples"][t["task"]], wide["samples"][t["task"]]):
            row = by_doc.setdefault(r["doc_id"], {"index": r["doc_id"], **({"subject": t["task"][7:]} if task == "mmlu" else {})})
            row["prompt"] = r["arguments"][0][0]
            if t["output_type"] == "generate_until":
                assert r["resps"] == w["resps"], "the text depends on rounding: take another seed"
                name = r["filter"] if r["filter"] != "none" else "exact_match"
                row["generated"] = r["resps"][0][0]
                row.setdefault("extracted", {})[r["filter"]] = r["filtered_resps"][0]
                row.setdefault("correct", {})[name] = int(r["exact_match"])
            else:
                row["loglikelihoods"] = [float(x[0][0]) for x in w["resps"]]
                row["own_error"] = max(abs(float(x[0][0]) - y) for x, y in zip(r["resps"], row["loglikelihoods"]))
                row["correct"] = {m: int(r[m]) for m in ("acc", "acc_norm", "acc_bytes") if m in r}
        samples += [by_doc[k] for k in sorted(by_doc)]
        for k, v in got["results"][t["task"]].items():
            if "," in k and not isinstance(v, str):
                metric, filt = k.split(",")
                scores.setdefault(t["task"][2:], {})[metric.replace("exact_match", filt if filt != "none" else "exact_match")] = v
    return {"name": case["name"], "task": "tests/golden/evaluate/words.yaml" if task == "own" else task, "data": case["data"], "options": case["options"], "scores": scores, "samples": samples}


def cases():
    plain = [("mmlu", "mmlu/test", 2), ("mmlu", "mmlu/test", 0), ("ceval", "ceval/val", 2), ("cmmlu", "cmmlu/test", 1), ("boolq", "boolq", 0), ("boolq", "boolq", 2), ("hellaswag", "hellaswag", 0),
             ("gsm8k", "gsm8k", 0), ("gsm8k", "gsm8k", 1), ("arc_easy", "arc", 1), ("arc_challenge", "arc2", 0), ("winogrande", "winogrande", 0), ("winogrande", "winogrande", 1),
             ("piqa", "piqa", 1), ("bbh", "bbh/bbh", 2), ("bbh_cot", "bbh/bbh", 2), ("agieval", "agieval", 0), ("own", "own", 1)]
    for task, data, shots in plain:
        more = ["--max-new-tokens", "24"] if task in ("gsm8k", "bbh", "bbh_cot") else []
        yield {"name": f"{task} {shots}", "task": task, "data": data, "shots": shots, "options": ["--num-fewshot", str(shots), *more]}
    chat = ["--apply-chat-template"]
    for task, shots, many, system in (("mmlu", 2, True, None), ("mmlu", 2, False, "Be brief."), ("gsm8k", 1, True, "Be brief."), ("winogrande", 1, True, None)):
        more = ["--max-new-tokens", "24"] if task == "gsm8k" else []
        yield {"name": f"{task} {shots} chat {many}", "task": task, "data": dict((t, d) for t, d, _ in plain)[task], "shots": shots, "apply_chat_template": True, "fewshot_as_multiturn": many,
               **({"system_instruction": system} if system else {}),
               "options": ["--num-fewshot", str(shots), *chat, "--fewshot-as-multiturn" if many else "--no-fewshot-as-multiturn", *(["--system-instruction", system] if system else []), *more]}


def main():
    os.environ["TQDM_DISABLE"] = "1"
    logging.disable(logging.WARNING)
    root = Path(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/evaluate")
    b = Benchmarks()
    for part in ("mmlu", "chinese", "boolq", "hellaswag", "gsm8k", "arc", "pairs", "bbh", "agieval", "own"):
        getattr(b, part)()
    for old in ("model", "data"):
        shutil.rmtree(root / old, ignore_errors=True)
    for name, rows in b.files.items():
        path = root / "data" / name
        if isinstance(rows, list) and path.suffix != ".json":
            write(path, rows)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(rows if isinstance(rows, str) else json.dumps(rows, indent=1))
    (root / "words.yaml").write_text(OWN)
    tok = make_model(root / "model", b.texts)
    models = [HFLM(pretrained=AutoModelForCausalLM.from_pretrained(root / "model", dtype=d), tokenizer=tok, batch_size=1, device="cpu")
              for d in (torch.float32, torch.float64)]
    manager = TaskManager(include_defaults=False)
    with tempfile.TemporaryDirectory() as scratch:
        runs = [run(c, b, models, manager, Path(scratch)) for c in cases()]
    (root / "golden.json").write_text(json.dumps(runs, ensure_ascii=False, indent=0) + "\n")
    print(len(runs), "runs,", sum(len(r["samples"]) for r in runs), "samples")


if __name__ == "__main__":
    main()
