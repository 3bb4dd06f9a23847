#!/usr/bin/env python3
"""Makes tests/golden/megatron. cases.json: what Megatron's checkpoints of folders in tests/golden/families are to hold, made with torch as
MindSpeed LLM's converters do it (cat, chunk, reshape), from the names of the folders' own tensors. The folders beside it are models of random values.

A case: {"folder", "options", "ranks": {rank: {"model" or "modelN": {name: [shape, CRC-32 of the bytes]}}}}"""
import json
import pathlib
import zlib

import torch
from safetensors.torch import load_file, save_file

HERE = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden"

MODELS = HERE / "megatron"
CASES = [
    ("families/llama", {}),
    ("families/llama", {"tp": 2, "pp": 2, "vocab_by": 50}),
    ("families/qwen2", {"te": True}),
    ("families/gemma2", {"tp": 2, "vocab_by": 1, "pp": 2}),
    ("families/phi3", {}),
    ("megatron/qwen3_moe", {"tp": 2, "ep": 2, "pp": 2}),
    ("megatron/qwen3_moe", {"ep": 2, "grouped": True, "tp": 2}),
    ("megatron/qwen3_moe", {"ep": 2, "grouped": True, "te": True}),
    ("megatron/qwen2_moe", {"grouped": True, "tp": 2, "etp": 1}),
    ("megatron/deepseek_v3", {"tp": 2, "grouped": True, "ep": 2, "mtp": 1, "pp": 2}),
    ("megatron/deepseek_v3", {"split": True, "extend": True, "tp": 2, "grouped": True}),
    ("megatron/gpt_oss", {"tp": 2, "ep": 2, "pp": 2}),
    ("megatron/gpt_oss", {"grouped": True, "te": True, "tp": 2, "etp": 1}),
    ("megatron/qwen3_moe", {"pp": 2, "noop": [1, 3]}),
    ("megatron/qwen3_moe", {"pp": 2, "dualpipe": True}),
    ("megatron/qwen3_moe", {"pp": 2, "vpp": 1}),
]


def models():
    """Small models that two processes can share, with four layers."""
    import transformers as tf

    common = {"vocab_size": 64, "hidden_size": 16, "intermediate_size": 8, "num_hidden_layers": 4, "num_attention_heads": 4,
              "num_key_value_heads": 2, "max_position_embeddings": 32, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    moe = {**common, "head_dim": 4, "moe_intermediate_size": 4, "num_experts": 4, "num_experts_per_tok": 2}
    latent = {**common, "num_hidden_layers": 2, "num_key_value_heads": 4, "q_lora_rank": 6, "kv_lora_rank": 8, "qk_nope_head_dim": 4, "qk_rope_head_dim": 2, "v_head_dim": 4,
              "n_routed_experts": 4, "num_experts_per_tok": 2, "n_shared_experts": 1, "moe_intermediate_size": 4, "first_k_dense_replace": 1,
              "n_group": 2, "topk_group": 1, "num_nextn_predict_layers": 1}
    made = {"qwen3_moe": tf.Qwen3MoeConfig(**moe, mlp_only_layers=[0], tie_word_embeddings=True),
            "qwen2_moe": tf.Qwen2MoeConfig(**{**moe, "num_hidden_layers": 2}, shared_expert_intermediate_size=8),
            "deepseek_v3": tf.DeepseekV3Config(**latent),
            "gpt_oss": tf.GptOssConfig(**{**common, "num_hidden_layers": 2, "head_dim": 4, "num_local_experts": 4, "num_experts_per_tok": 2,
                                          "sliding_window": 8, "layer_types": ["sliding_attention", "full_attention"]})}
    for name, config in made.items():
        torch.manual_seed(len(name))
        tf.AutoModelForCausalLM.from_config(config).save_pretrained(MODELS / name)
        (MODELS / name / "generation_config.json").unlink(missing_ok=True)
        file = MODELS / name / "model.safetensors"
        w = {k: torch.randn(x.shape).to(torch.bfloat16 if "norm" not in k and "bias" not in k else torch.float32) for k, x in load_file(file).items()}
        if name == "deepseek_v3":  # the layer that predicts further tokens, which transformers leaves out
            first, behind = "model.layers.1.", "model.layers.2."
            w.update({behind + k[len(first):]: torch.randn(x.shape).to(x.dtype) for k, x in list(w.items()) if k.startswith(first)})
            for k in ("enorm", "hnorm", "shared_head.norm"):
                w[f"{behind}{k}.weight"] = torch.randn(16)
            w[f"{behind}eh_proj.weight"] = torch.randn(16, 32).bfloat16()
            w[f"{behind}embed_tokens.weight"] = w["model.embed_tokens.weight"].clone()
            w[f"{behind}shared_head.head.weight"] = w["lm_head.weight"].clone()
        save_file(w, file, metadata={"format": "pt"})


class Case:
    def __init__(self, family, o):
        self.family = family
        self.dir = HERE / family
        self.c = json.loads((self.dir / "config.json").read_text())
        self.w = load_file(self.dir / "model.safetensors")
        self.o = o
        self.T, self.P, self.E = (o.get(k, 1) for k in ("tp", "pp", "ep"))
        self.L = self.c["num_hidden_layers"] + len(o.get("noop", []))
        self.tied = "lm_head.weight" not in self.w
        self.out = {}

    def options(self):
        o, words = self.o, []
        names = {"tp": "--target-tensor-parallel-size", "pp": "--target-pipeline-parallel-size", "ep": "--target-expert-parallel-size",
                 "etp": "--expert-tensor-parallel-size", "vpp": "--num-layers-per-virtual-pipeline-stage",
                 "mtp": "--mtp-num-layers", "vocab_by": "--make-vocab-size-divisible-by"}
        for k, v in o.items():
            if k in names:
                words += [names[k], str(v)]
        for k, v in {"grouped": ["--moe-grouped-gemm"], "te": ["--transformer-impl", "transformer_engine"], "split": ["--mla-mm-split"],
                     "extend": ["--moe-tp-extend-ep"], "dualpipe": ["--schedules-method", "dualpipev"]}.items():
            if o.get(k):
                words += v
        if "noop" in o:
            words += ["--noop-layers", ",".join(map(str, o["noop"]))]
        return words

    def rank(self, t, p, e):
        name = f"mp_rank_{t:02}" + (f"_{p:03}" if self.P > 1 else "") + (f"_{e:03}" if self.E > 1 else "")
        return self.out.setdefault(name, {})

    def chunks(self):
        return 2 if self.o.get("dualpipe") else self.L // (self.P * self.o["vpp"]) if "vpp" in self.o else 1

    def put(self, p, chunk, name, parts, experts=None):
        """parts: one tensor for all processes of a layer, or a list of one for each; experts: likewise for each expert rank."""
        key = f"model{chunk}" if self.chunks() > 1 else "model"
        for e in range(self.E):
            if self.o.get("etp") == 1 and self.T % self.E and self.E % self.T:
                raise SystemExit("no such case")
            mine = experts[e] if experts else parts
            for t in range(self.T):
                if self.o.get("etp") == 1 and (e != t % self.E if self.T % self.E == 0 else t != e % self.T):
                    continue
                x = (mine[t] if isinstance(mine, (list, tuple)) else mine).contiguous()
                raw = bytes(x.flatten().view(torch.uint8).numpy())
                self.rank(t, p, e).setdefault(key, {})[name] = [list(x.shape), zlib.crc32(raw)]

    def rows(self, x):
        return torch.chunk(x, self.T, dim=0)

    def columns(self, x):
        return torch.chunk(x, self.T, dim=1)

    def gated(self, gate, up, T=None):
        T = T or self.T
        return [torch.cat(x) for x in zip(torch.chunk(gate, T), torch.chunk(up, T))]

    def filled(self, x):
        return torch.cat([x, x[-1:].expand(-len(x) % (self.o["vocab_by"] * self.T), -1)]) if "vocab_by" in self.o else x

    def places(self):
        """(layer of the folder, stage, chunk, number there) of each layer."""
        noop, out, real = self.o.get("noop", []), [], 0
        for g in range(self.L):
            if g in noop:
                continue
            if self.o.get("dualpipe"):
                half = self.L // (2 * self.P)
                block = g // half
                place = (block, 0, g % half) if block < self.P else (2 * self.P - 1 - block, 1, g % half)
            elif "vpp" in self.o:
                v = self.o["vpp"]
                place = (g // v % self.P, g // v // self.P, g % v)
            else:
                place = (g // (self.L // self.P), 0, g % (self.L // self.P))
            out.append((real, *place))
            real += 1
        return out

    def make(self):
        w, c = self.w, self.c
        embed = self.filled(w["model.embed_tokens.weight"])
        last = 0 if self.o.get("dualpipe") else self.P - 1
        self.put(0, 0, "embedding.word_embeddings.weight", self.rows(embed))
        for layer, p, chunk, n in self.places():
            self.layer(f"model.layers.{layer}.", p, chunk, f"decoder.layers.{n}.")
        mtp = self.o.get("mtp", 0)
        for k in range(mtp):
            hf, mg = f"model.layers.{c['num_hidden_layers'] + k}.", f"mtp.layers.{k}."
            for n in ("enorm", "hnorm"):
                self.put(last, self.chunks() - 1, f"{mg}{n}.weight", w[f"{hf}{n}.weight"])
            self.put(last, self.chunks() - 1, f"{mg}eh_proj.weight", self.rows(w[f"{hf}eh_proj.weight"]))
            self.put(last, self.chunks() - 1, f"mtp.final_layernorms.{k}.weight", w[f"{hf}shared_head.norm.weight"])
            self.layer(hf, last, self.chunks() - 1, f"{mg}transformer_layer.")
        if mtp and self.P > 1:
            self.put(last, self.chunks() - 1, "embedding.word_embeddings.weight", self.rows(embed))
        self.put(last, self.chunks() - 1, "final_layernorm.weight" if mtp else "decoder.final_layernorm.weight", w["model.norm.weight"])
        if not self.tied or self.P > 1:
            self.put(last, self.chunks() - 1, "output_layer.weight", self.rows(embed if self.tied else self.filled(w["lm_head.weight"])))
        return {"folder": self.family, "options": self.options(), "ranks": self.out}

    def layer(self, hf, p, chunk, mg):
        w, te = self.w, self.o.get("te")
        put = lambda name, *x, **y: self.put(p, chunk, mg + name, *x, **y)
        has_experts = f"{hf}mlp.gate.weight" in w or f"{hf}mlp.router.weight" in w or f"{hf}block_sparse_moe.gate.weight" in w
        put("self_attention.linear_qkv.layer_norm_weight" if te else "input_layernorm.weight", w[f"{hf}input_layernorm.weight"])
        sandwich = f"{hf}pre_feedforward_layernorm.weight" in w
        before_mlp = w[f"{hf}{'pre_feedforward' if sandwich else 'post_attention'}_layernorm.weight"]
        put("mlp.linear_fc1.layer_norm_weight" if te and not has_experts else "pre_mlp_layernorm.weight", before_mlp)
        if sandwich:
            put("post_attn_norm.weight", w[f"{hf}post_attention_layernorm.weight"])
            put("post_mlp_layernorm.weight", w[f"{hf}post_feedforward_layernorm.weight"])
        put("self_attention.linear_proj.weight", self.columns(w[f"{hf}self_attn.o_proj.weight"]))
        if f"{hf}self_attn.o_proj.bias" in w:
            put("self_attention.linear_proj.bias", w[f"{hf}self_attn.o_proj.bias"])
        if f"{hf}self_attn.sinks" in w:
            put("self_attention.core_attention.softmax_offset", self.rows(w[f"{hf}self_attn.sinks"]))
        (self.latent if "kv_lora_rank" in self.c else self.attention)(hf, put)
        if has_experts:
            self.experts(hf, p, chunk, mg)
        else:
            if f"{hf}mlp.gate_up_proj.weight" in w:
                gate, up = torch.chunk(w[f"{hf}mlp.gate_up_proj.weight"], 2)
            else:
                gate, up = w[f"{hf}mlp.gate_proj.weight"], w[f"{hf}mlp.up_proj.weight"]
            put("mlp.linear_fc1.weight", self.gated(gate, up))
            put("mlp.linear_fc2.weight", self.columns(w[f"{hf}mlp.down_proj.weight"]))

    def attention(self, hf, put):
        w, c = self.w, self.c
        H, G = c["num_attention_heads"], c.get("num_key_value_heads") or c["num_attention_heads"]
        for kind in ("weight", "bias"):
            if f"{hf}self_attn.qkv_proj.{kind}" in w:
                x = w[f"{hf}self_attn.qkv_proj.{kind}"]
                d = len(x) // (H + 2 * G)
                q, k, v = x.split([H * d, G * d, G * d])
            elif f"{hf}self_attn.q_proj.{kind}" in w:
                q, k, v = (w[f"{hf}self_attn.{n}_proj.{kind}"] for n in "qkv")
            else:
                continue
            groups = [torch.cat(x) for x in zip(*(torch.chunk(x, G) for x in (q, k, v)))]
            put(f"self_attention.linear_qkv.{kind}", self.rows(torch.cat(groups)))
        for n in "qk":
            if f"{hf}self_attn.{n}_norm.weight" in w:
                put(f"self_attention.{n}_layernorm.weight", w[f"{hf}self_attn.{n}_norm.weight"])

    def latent(self, hf, put):
        w, c, a = self.w, self.c, f"{hf}self_attn."
        H, nope, rope, v = c["num_attention_heads"], c["qk_nope_head_dim"], c["qk_rope_head_dim"], c["v_head_dim"]
        first = "q_a_proj" if f"{a}q_a_proj.weight" in w else "q_proj"
        put("self_attention.linear_qkv.weight", torch.cat([w[f"{a}{first}.weight"], w[f"{a}kv_a_proj_with_mqa.weight"]]))
        put("self_attention.kv_layernorm.weight", w[f"{a}kv_a_layernorm.weight"])
        ups = [("linear_kv_up_proj", ("linear_kv_nope", "linear_v"), w[f"{a}kv_b_proj.weight"], [nope, v])]
        if first == "q_a_proj":
            put("self_attention.q_layernorm.weight", w[f"{a}q_a_layernorm.weight"])
            ups.append(("linear_q_up_proj", ("linear_qk_nope", "linear_qk_rope"), w[f"{a}q_b_proj.weight"], [nope, rope]))
        for whole, parts, x, sizes in ups:
            if not self.o.get("split"):
                put(f"self_attention.{whole}.weight", self.rows(x))
                continue
            for name, part in zip(parts, x.view(H, sum(sizes), -1).split(sizes, dim=1)):
                put(f"self_attention.{name}.weight", self.rows(part.reshape(-1, x.shape[1])))

    def experts(self, hf, p, chunk, mg):
        w, o = self.w, self.o
        put = lambda name, *x, **y: self.put(p, chunk, mg + name, *x, **y)
        if f"{hf}mlp.experts.gate_up_proj_bias" in w:
            self.with_biases(hf, put)
            return
        m = "block_sparse_moe" if f"{hf}block_sparse_moe.gate.weight" in w else "mlp"
        put("mlp.router.weight", w[f"{hf}{m}.gate.weight"])
        if f"{hf}{m}.gate.e_score_correction_bias" in w:
            put("mlp.router.expert_bias", w[f"{hf}{m}.gate.e_score_correction_bias"])
        for shared in ("shared_expert", "shared_experts"):
            if f"{hf}mlp.{shared}.gate_proj.weight" in w:
                put("mlp.shared_experts.linear_fc1.weight", self.gated(w[f"{hf}mlp.{shared}.gate_proj.weight"], w[f"{hf}mlp.{shared}.up_proj.weight"]))
                put("mlp.shared_experts.linear_fc2.weight", self.columns(w[f"{hf}mlp.{shared}.down_proj.weight"]))
        if f"{hf}mlp.shared_expert_gate.weight" in w:
            put("mlp.shared_experts.gate_weight", w[f"{hf}mlp.shared_expert_gate.weight"])
        n = len([k for k in w if k.startswith(f"{hf}{m}.experts.") and k.endswith(("down_proj.weight", "w2.weight"))])
        names = ("w1", "w3", "w2") if m != "mlp" else ("gate_proj", "up_proj", "down_proj")
        each = [[w[f"{hf}{m}.experts.{i}.{k}.weight"] for k in names] for i in range(n)]
        T = 1 if o.get("etp") == 1 or o.get("extend") else self.T
        ranks = self.E * (self.T if o.get("extend") else 1)
        fc1 = [self.gated(g, u, T) for g, u, _ in each]  # [expert][process]
        fc2 = [torch.chunk(d, T, dim=1) for _, _, d in each]
        here = lambda e, t: range((e * self.T + t if o.get("extend") else e) * n // ranks, ((e * self.T + t if o.get("extend") else e) + 1) * n // ranks)
        of = lambda t: t if T > 1 else 0
        if o.get("grouped") and not o.get("te"):
            h = each[0][0].shape[1]
            put("mlp.experts.weight1", None, experts=[[torch.stack([fc1[i][of(t)].t().contiguous() for i in here(e, t)]).reshape(h, -1) for t in range(self.T)] for e in range(self.E)])
            put("mlp.experts.weight2", None, experts=[[torch.stack([fc2[i][of(t)].t().contiguous() for i in here(e, t)]).reshape(-1, h) for t in range(self.T)] for e in range(self.E)])
            return
        for k in range(n // ranks):
            form = "mlp.experts.linear_fc%d.weight{}" if o.get("grouped") else "mlp.experts.local_experts.{}.linear_fc%d.weight"
            for number, x in ((1, fc1), (2, fc2)):
                put((form % number).format(k), None, experts=[[x[here(e, t)[k]][of(t)] for t in range(self.T)] for e in range(self.E)])

    def with_biases(self, hf, put):
        """gpt-oss: [experts, in, out], gate and up in turn."""
        w, te = self.w, self.o.get("grouped")
        put("mlp.router.weight", w[f"{hf}mlp.router.weight"])
        put("mlp.router.bias", w[f"{hf}mlp.router.bias"])
        e = f"{hf}mlp.experts."
        T = 1 if self.o.get("etp") == 1 else self.T
        n = len(w[f"{e}down_proj"]) // self.E
        over = lambda x: [x[t % len(x)] for t in range(self.T)]
        for k in range(n):
            form = f"mlp.experts.linear_fc%d.%s{k}" if te else f"mlp.experts.local_experts.{k}.linear_fc%d.%s"
            of = lambda name, f: [f(w[e + name][r * n + k]) for r in range(self.E)]
            pairs = lambda x: over(self.gated(x[..., ::2].t() if x.dim() > 1 else x[::2], x[..., 1::2].t() if x.dim() > 1 else x[1::2], T))
            put(form % (1, "weight"), None, experts=of("gate_up_proj", pairs))
            put(form % (1, "bias"), None, experts=of("gate_up_proj_bias", pairs))
            put(form % (2, "weight"), None, experts=of("down_proj", lambda x: over(torch.chunk(x.t(), T, dim=1))))
            put(form % (2, "bias"), None, experts=of("down_proj_bias", lambda x: x))


models()
(MODELS / "cases.json").write_text("[\n" + ",\n".join(json.dumps(Case(f, o).make(), separators=(",", ":")) for f, o in CASES) + "\n]\n")
