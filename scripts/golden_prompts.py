#!/usr/bin/env python3
"""What MindSpeed LLM's own handlers and templates make of small records of ours: tests/golden/prompts.

golden_prompts.py CHECKOUT LLAMAFACTORY [tests/golden/prompts]: CHECKOUT is a clone of Ascend/MindSpeed-LLM (made with
c77308a1, 26.0.0), LLAMAFACTORY the folder with the package llamafactory (0.9.5), whose tool formats are the oracle where
MindSpeed LLM names them but does not have them. Needs transformers (5.24), datasets (5.2) and tokenizers. Megatron is
not needed: its names are stubbed, and what would be written is collected.

cases.jsonl has a row a case: the tokenizer's folder, the records, templates of its own, the options of
`tessera preprocess`, and the arrays of all samples by key: attention masks of ones are left out, and labels that are
ids or none are the lengths of their runs, none first."""
import argparse
import contextlib
import copy
import importlib
import io
import json
import logging
import os
import pathlib
import sys
import tempfile
import types
from unittest.mock import MagicMock

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

os.environ["HF_HUB_OFFLINE"] = "1"
logging.disable(logging.CRITICAL)

SPECIAL = ("<unk> <s> </s> <|endoftext|> <|im_start|> <|im_end|> <|user|> <|assistant|> <|system|> <|observation|> [gMASK] sop <sop> "
           "<|start_header_id|> <|end_header_id|> <|eot_id|> <｜User｜> <｜Assistant｜> <｜end▁of▁sentence｜> "
           "<｜begin▁of▁sentence｜> <think> </think> <start_of_turn> <end_of_turn> [INST] [/INST] ки + -").split()
TEXT = """Name three colours. Red, green and blue. Who are you? I am a small test. What is the weather in Paris now?
It is sunny: 21 degrees. {"name": "get_weather", "arguments": {"city": "Paris", "days": 2}} Human: Assistant: User: system
### Instruction: ### Response: think about the question step by step. Translate: the cat sat on the mat. 你好，世界。"""


class Stub(types.ModuleType):
    __path__ = []

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return MagicMock(name=name)


def stub(names):
    for name in names.split():
        sys.modules[name] = Stub(name)


def original(checkout):
    stub("megatron megatron.core megatron.core.datasets megatron.core.datasets.indexed_dataset megatron.training "
         "megatron.core.parallel_state megatron.core.mpu megatron.legacy megatron.legacy.data "
         "megatron.legacy.data.dataset_utils mindspeed_llm.training mindspeed_llm.training.tokenizer "
         "mindspeed_llm.training.utils mindspeed_llm.tasks.utils mindspeed_llm.tasks.utils.error_utils "
         "mindspeed_llm.tasks.posttrain mindspeed_llm.tasks.posttrain.utils")
    for name in ("mindspeed_llm", "mindspeed_llm.tasks", "mindspeed_llm.tasks.preprocess"):
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__path__ = [str(pathlib.Path(checkout, *name.split(".")))]
    module = "mindspeed_llm.tasks.preprocess."
    return importlib.import_module(module + "templates"), importlib.import_module(module + "data_handler")


def make_tokenizers(folder):
    """Byte-level BPE with the templates' tokens, and a BPE that puts a mark in front of each text."""
    for name, bytes_ in (("bytes", True), ("meta", False)):
        t = Tokenizer(models.BPE(unk_token=None if bytes_ else "<unk>"))
        t.pre_tokenizer = (pre_tokenizers.ByteLevel(add_prefix_space=False) if bytes_
                           else pre_tokenizers.Metaspace(prepend_scheme="always"))
        t.decoder = decoders.ByteLevel() if bytes_ else decoders.Metaspace()
        if not bytes_:
            t.normalizer = normalizers.NFKC()
            t.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", 1)])
        special = SPECIAL if bytes_ else SPECIAL[:4] + SPECIAL[-3:]
        t.train_from_iterator([TEXT], trainers.BpeTrainer(
            vocab_size=600 if bytes_ else 200, special_tokens=[AddedToken(s, special=True, normalized=False) for s in special],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet() if bytes_ else [], show_progress=False))
        (folder / name).mkdir(exist_ok=True)
        t.save(str(folder / name / "tokenizer.json"), pretty=False)
        config = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
        (folder / name / "tokenizer_config.json").write_text(json.dumps(config) + "\n")


ALPACA = [
    {"instruction": "Name three colours.", "input": "", "output": "Red, green and blue.", "history": [], "sys": ""},
    {"instruction": "Translate", "input": "the cat\nsat", "output": "<think>\nstep by step\n</think>\n\n你好，世界。",
     "history": [["Who are you?", "<think>\nI?\n</think>\n\nI am a small test."], ["Red?", ""]], "sys": "Be brief."},
    {"instruction": "", "input": "Who?", "output": "I am.", "history": [["Hi \"you\"", "Ho \\ é 🙂"]], "sys": None},
]
FEW = [ALPACA[1]]
SHAREGPT = [
    {"conversations": [{"from": "human", "value": "Who are you?"}, {"from": "gpt", "value": "A test."}]},
    {"conversations": [{"from": "system", "value": "Be kind."}, {"from": "human", "value": "Hi"},
                       {"from": "gpt", "value": "Ho"}, {"from": "human", "value": "And now?"},
                       {"from": "gpt", "value": "Nothing."}]},
]
TOOLS = [{"name": "get_weather", "description": "The weather, \"now\"", "parameters": {
    "type": "object", "required": ["city"], "properties": {
        "city": {"type": "string", "description": "Wo? 何処"},
        "unit": {"type": "string", "enum": ["c", "f"]},
        "days": {"type": "array", "items": {"type": "number"}, "description": "0.1, 1e-7"}}}},
    {"name": "stop", "description": "", "parameters": {"type": "object", "properties": {}}}]
CALL = {"name": "get_weather", "arguments": {"city": "Paris", "days": [0.1, 1e-7, 3], "ok": True, "none": None}}
TOOL_TALK = [{"conversations": [
    {"from": "human", "value": "What is the weather?"},
    {"from": "function_call", "value": json.dumps(CALL)},
    {"from": "observation", "value": "{\"degrees\": 21}"},
    {"from": "gpt", "value": "It is sunny: 21 degrees."}], "system": "Be kind.", "tools": json.dumps(TOOLS)}]
WRAPPED = [{"type": "function", "function": t} for t in TOOLS]


def openai_call(n):
    return {"id": f"call_{n}", "type": "function", "function": {
        "name": f"f{n}", "arguments": json.dumps({"city": "Paris é", "n": n, "deep": {"a": [1, 2.5]}}, ensure_ascii=False)}}


OPENAI = [
    {"messages": [
        {"role": "system", "content": "Be kind."}, {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": "", "reasoning_content": "I look it up.", "tool_calls": [openai_call(1)]},
        {"role": "tool", "content": "sunny", "tool_call_id": "call_1"},
        {"role": "assistant", "content": "Sunny.", "reasoning_content": "So it is."}], "tools": WRAPPED},
    {"messages": [
        {"role": "user", "content": "Who?"}, {"role": "assistant", "content": "<think> hm \n</think>\n A test."},
        {"role": "user", "content": "And?"}, {"role": "assistant", "content": "No.", "reasoning_content": "Ok."}],
     "tools": None},
]
PARALLEL = {"messages": [
    {"role": "user", "content": "Weather?"},
    {"role": "assistant", "content": "I ask.", "tool_calls": [openai_call(1), openai_call(2)]},
    {"role": "tool", "content": "second", "tool_call_id": "call_2"},
    {"role": "tool", "content": "first", "tool_call_id": "call_1"},
    {"role": "user", "content": "Well?"}, {"role": "assistant", "content": "Both."}], "tools": WRAPPED}
PAIRS = [
    {"instruction": "Who are you?", "input": "", "chosen": "I am a test.", "rejected": "No.", "history": [["Hi", "Ho"]]},
    {"instruction": "Hi", "input": "there", "chosen": "<think>\nhm\n</think>\n\nYes", "rejected": "Nothing", "history": []},
]
PAIR_TALKS = [{"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Ho"},
                                 {"from": "human", "value": "And?"}],
               "chosen": {"from": "gpt", "value": "Well."}, "rejected": {"from": "gpt", "value": "Bah."}}]
LISTS = [{"instruction": "Which?", "input": "", "output": ["the first", "the second"]}]
LENGTHS = [{"instruction": "Name three colours. " * (1 + k % 5), "input": "", "output": "Red, green and blue. " * (1 + k * k % 7)}
           for k in range(14)]
GENERAL = [{"instruction": "Name three colours.", "input": "now", "output": "Red, green and blue."}]
BELLE = [{"instruction": "Human: Hi\nAssistant: Ho\nHuman: And?\nAssistant:", "input": "", "output": " Well. "}]
LEETCODE = [{"code_with_problem": " Sum two. \n```python\npass\n```", "code_only": "def f(): pass", "explanation_only": "It adds."}]
MOSS = [{"chat": {"turn_1": {"Human": "<|Human|>: Hi<eoh>\n", "MOSS": "<|MOSS|>: Ho<eom>\n"},
                  "turn_2": {"Human": "<|Human|>: And?<eoh>\n", "MOSS": "<|MOSS|>: Well.<eom>\n"}}}]
SHARE_TEXT = [{"text": [{"from": "human", "value": "Hi "}, {"from": "gpt", "value": "Ho"}]}]
MAP = {"prompt": "instruction", "query": "input", "response": "output", "history": "history", "system": "sys"}
HISTORY = {"prompt": "instruction", "query": "input", "history": "history"}

DEFAULTS = dict(prompt_type=None, enable_thinking=None, reasoning_effort=None, drop_thinking=True, seq_length=None, pack=False,
                neat_pack=False, append_eod=False, map_keys=None, dataset_additional_keys=[], json_keys=["text"],
                split_sentences=False, pad_to_multiple_of=1, workers=None, streaming=False, log_interval=10 ** 9,
                hf_datasets_params=None, cache_dir=None, overwrite_cache=True, output_prefix="out", input=None,
                dataset_dir=None, max_samples=None)


class Megatron:
    """The tokenizer as Megatron's class has it."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        self.vocab_size = len(tokenizer)

    eod = property(lambda self: self.tokenizer.eos_token_id)
    pad_token_id = property(lambda self: self.tokenizer.pad_token_id)


class Identity:
    def tokenize(self, *text):
        return text


def compact(arrays):
    def runs(labels, ids):
        out, on = [0], False
        for label, i in zip(labels, ids):
            if label not in (-100, i):
                return labels
            if (label != -100) != on:
                on = not on
                out.append(0)
            out[-1] += 1
        return {"runs": out}

    if all(set(a) == {1} for a in arrays.get("attention_mask", [[]])):
        arrays.pop("attention_mask", None)
    return {k: [runs(a, i) for a, i in zip(v, arrays[k.replace("labels", "input_ids")])] if k.endswith("labels") and
            len(v[0]) == len(arrays[k.replace("labels", "input_ids")][0]) else v for k, v in arrays.items()}


class Maker:
    def __init__(self, checkout, folder):
        self.templates, self.handlers = original(checkout)
        self.list = str(pathlib.Path(checkout, "configs/finetune/templates.json"))
        self.folder, self.rows = folder, []

    def tokenizer(self, name):
        from transformers import PreTrainedTokenizerFast
        return PreTrainedTokenizerFast.from_pretrained(str(self.folder / name))

    def prepare(self, tok, args):
        self.templates.templates.clear()
        if args.prompt_type:
            self.templates.fix_model_tokenizer(tok, args.prompt_type, args.prompt_type_path, args.enable_thinking,
                                               args.reasoning_effort, args.drop_thinking)

    def run(self, handler, records, tokenizer, args):
        args.handler_name = handler
        tok = self.tokenizer(tokenizer)
        self.prepare(tok, args)
        arrays = {}

        class Builder:
            def __init__(self, path, *_, **__):
                self.rows = arrays.setdefault(path.split("/")[-1], [])

            def add_item(self, item):
                self.rows.append([int(i) for i in item])

            def end_document(self):
                pass

            def finalize(self, *_):
                pass

        self.handlers.indexed_dataset = types.SimpleNamespace(IndexedDatasetBuilder=Builder)
        with tempfile.TemporaryDirectory() as cache, contextlib.redirect_stderr(io.StringIO()):
            args.cache_dir = cache
            args.input = cache + "/records.jsonl"
            pathlib.Path(args.input).write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records))
            data = self.handlers.build_dataset(args)
            run = self.handlers.get_dataset_handler(args, data, Megatron(tok), Identity())
            run.serialize_to_disk()
        prefix = "out_packed_" if any("_packed_" in k for k in arrays) else "out_"
        return {k[len(prefix):-len("_document.bin")]: v for k, v in arrays.items()}

    def case(self, name, handler, records, tokenizer="bytes", arrays=None, templates=None, **given):
        args = argparse.Namespace(**{**copy.deepcopy(DEFAULTS), **copy.deepcopy(given)}, prompt_type_path=self.list)
        options = ["--handler-name", handler]
        for key, value in given.items():
            if value is True and key not in ("enable_thinking", "drop_thinking"):
                options += ["--" + key.replace("_", "-")]
            elif isinstance(value, list):
                options += ["--" + key.replace("_", "-"), *value]
            elif value is not None:
                text = json.dumps(value) if isinstance(value, dict) else str(value).lower() if isinstance(value, bool) else str(value)
                options += ["--" + key.replace("_", "-"), text]
        if arrays is None:
            arrays = self.run(handler, records, tokenizer, args)
        assert arrays and all(arrays.values()), name
        self.rows.append({"case": name, "tokenizer": tokenizer, "records": records, "options": options, "arrays": compact(arrays),
                          **({"templates": templates} if templates else {})})

    def all_templates(self):
        for t in json.load(open(self.list)):
            name = t["name"]
            if name != "deepseek4":
                self.case(name, "AlpacaStyleInstructionHandler", FEW, prompt_type=name, map_keys=MAP)
        for name in ("qwen", "qwen3", "llama2", "magistral", "gemma", "default", "qwen_lf"):
            self.case(f"{name}-alpaca", "AlpacaStyleInstructionHandler", ALPACA, prompt_type=name, map_keys=MAP, append_eod=True)
        for thinking in (True, False):
            for name in ("qwen3", "gpt_oss"):
                self.case(f"{name}-{thinking}", "AlpacaStyleInstructionHandler", ALPACA, prompt_type=name, map_keys=MAP, enable_thinking=thinking)
        for name in ("baichuan2", "mistral", "llama2", "qwen3", "chatml"):  # the last: stop words that are no tokens
            self.case(f"{name}-meta", "AlpacaStyleInstructionHandler", ALPACA, "meta", prompt_type=name)
        self.case("sharegpt", "SharegptStyleInstructionHandler", SHAREGPT, prompt_type="llama3")

    def lengths(self):
        for name in ("default", "qwen_lf", "qwen3", "gemma"):
            for length in (60, 100):
                self.case(f"{name}-{length}", "AlpacaStyleInstructionHandler", ALPACA + LENGTHS[:4], prompt_type=name,
                          map_keys=MAP, seq_length=length)
        for name in ("default", "gemma"):
            self.case(f"{name}-pack", "AlpacaStyleInstructionHandler", LENGTHS, prompt_type=name, pack=True, seq_length=96)
            self.case(f"{name}-neat", "AlpacaStyleInstructionHandler", LENGTHS, prompt_type=name, pack=True, neat_pack=True, seq_length=48)

    def preferences(self):
        for name in ("qwen", "qwen3", "gemma"):
            self.case(f"{name}-pair", "AlpacaStylePairwiseHandler", PAIRS, prompt_type=name, map_keys=HISTORY)
            self.case(f"{name}-r1", "R1AlpacaStyleInstructionHandler", FEW, prompt_type=name, map_keys=MAP,
                      dataset_additional_keys=["labels", "instruction"])
        self.case("pair-false", "AlpacaStylePairwiseHandler", PAIRS, prompt_type="qwen3", enable_thinking=False)
        self.case("pair-lists", "AlpacaStylePairwiseHandler", LISTS, prompt_type="qwen", map_keys={"chosen": "output", "rejected": "output"})
        self.case("pair-talks", "SharegptStylePairwiseHandler", PAIR_TALKS, prompt_type="llama3")
        self.case("r1-talks", "R1SharegptStyleInstructionHandler", SHAREGPT, prompt_type="qwen")
        self.case("ppo", "PPOAlpacaStyleInstructionHandler", ALPACA, prompt_type="qwen")  # one turn: the rule for more is ours

    def corpora(self):
        for name, records in (("General", GENERAL), ("BelleMultiTurn", BELLE), ("LeetcodePython", LEETCODE), ("MOSS", MOSS)):
            self.case(name, f"{name}InstructionHandler", records, "meta", append_eod=name == "General")
        self.case("moss", "MOSSMultiTurnHandler", MOSS, "meta")
        self.case("alpaca", "AlpacaPretrainHandler", ALPACA[:2], "meta", append_eod=True)
        self.case("sharetext", "SharegptPretrainHandler", SHARE_TEXT, "meta", append_eod=True)

    def samples(self, tokenizer, pairs):
        row = {"input_ids": [], "attention_mask": [], "labels": []}
        for source, target in pairs:
            row["input_ids"] += source + target
            row["labels"] += [-100] * len(source) + target
        row["attention_mask"] = [1] * len(row["labels"])
        return {k: [v] for k, v in row.items()}

    def deepseek4(self):
        ways = [("none", {}), ("think", dict(enable_thinking=True)), ("max", dict(enable_thinking=True, reasoning_effort="max"))]
        for label, way in ways:
            self.case(f"deepseek4-{label}", "OpenAIInstructionHandler", OPENAI[label == "max":], prompt_type="deepseek4", **way)
        for label, way in ways[:2] + [("keep", dict(enable_thinking=True, drop_thinking=False))]:
            tok = self.tokenizer("bytes")
            args = argparse.Namespace(**{**DEFAULTS, **way}, prompt_type_path=self.list)
            args.prompt_type = "deepseek4"
            self.prepare(tok, args)
            for i, talk in enumerate([PARALLEL, OPENAI[1]]):
                template = self.templates.templates["deepseek4"]
                pairs = template.encode_multiturn(tok, talk["messages"], "", json.dumps(talk["tools"]) if talk["tools"] else "")
                self.case(f"deepseek4-{label}-{i}", "OpenAIInstructionHandler", [talk], arrays=self.samples("bytes", pairs),
                          prompt_type="deepseek4", **way)

    def tools(self, llamafactory):
        """Tools of MindSpeed LLM's templates by its own code where that runs, and by LLaMA-Factory's."""
        own = json.load(open(self.list))
        for t in own:
            if t["name"] == "qwen3":  # the code knows the format by another name than the list, which it then cannot use
                t["format_tools"]["tool_format"] = t["format_function"]["tool_format"] = "qwen3"
        file = tempfile.NamedTemporaryFile("w", suffix=".json")
        json.dump(own, file)
        file.flush()
        was, self.list = self.list, file.name
        columns = {"system": "system", "tools": "tools"}
        for name in ("default", "qwen", "qwen3"):
            self.case(f"{name}-tools", "SharegptStyleInstructionHandler", TOOL_TALK, prompt_type=name, map_keys=columns)
        self.list = was
        sys.path.insert(0, llamafactory)
        stub("torchaudio")
        utils = importlib.import_module("llamafactory.data.tool_utils")
        base = {"name": "t", "format_system": {"slots": ["S:{{content}}|"]}, "format_user": {"slots": ["U:{{content}}|"]},
                "format_function": {"slots": ["F:{{content}}|"]}, "format_observation": {"slots": ["O:{{content}}|"]},
                "template_class": "LFDefaultTemplate"}
        calls = [utils.FunctionCall(CALL["name"], json.dumps(CALL["arguments"], ensure_ascii=False))]
        for name in ("qwen", "ling", "glm4", "glm4_moe"):
            f = utils.TOOLS[name]
            tok = self.tokenizer("bytes")
            texts = ["S:Be kind." + f.tool_formatter(TOOLS) + "|", "U:What is the weather?|", "F:" + f.function_formatter(calls) + "|",
                     "O:{\"degrees\": 21}|", "It is sunny: 21 degrees."]
            ids = [tok.encode(s, add_special_tokens=False) for s in texts]
            pairs = [(ids[0] + ids[1], ids[2]), (ids[3], ids[4] + [tok.eos_token_id])]
            t = {**base, "format_function": {**base["format_function"], "tool_format": name}, "format_tools": {"tool_format": name}}
            self.case(f"{name}-format", "SharegptStyleInstructionHandler", TOOL_TALK, arrays=self.samples("bytes", pairs),
                      templates=[t], prompt_type="t", map_keys=columns)


def main():
    checkout, llamafactory = sys.argv[1:3]
    folder = pathlib.Path(sys.argv[3] if len(sys.argv) > 3 else "tests/golden/prompts")
    folder.mkdir(exist_ok=True)
    make_tokenizers(folder)
    m = Maker(checkout, folder)
    m.all_templates()
    m.lengths()
    m.preferences()
    m.corpora()
    m.deepseek4()
    m.tools(llamafactory)
    with open(folder / "cases.jsonl", "w") as f:
        for row in m.rows:
            f.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")


main()
