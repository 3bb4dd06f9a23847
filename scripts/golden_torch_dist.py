#!/usr/bin/env python3
"""Makes tests/golden/megatron/dist-*: distributed checkpoints (torch_dist) as megatron-core saves them, of small models of random
values, and dist.json: shape and CRC-32 of the tensors that each rank's own model has, in the form of cases.json.

usage: golden_torch_dist.py OUT PATTERN TP PP    (once a rank, with torch.distributed's variables: RANK, WORLD_SIZE, ...)
PATTERN: which layers have experts, as 00 or 01. Made with megatron-core 0.16.1 (dist-016: 01 1 2) and 0.19.2 (dist-019: 00 2 2),
on a machine without CUDA, whose calls are stood in for."""
import argparse
import json
import os
import pathlib
import sys
import zlib

import torch
import torch.distributed as dist
from megatron.core import dist_checkpointing, parallel_state
from megatron.core.models.gpt.gpt_layer_specs import get_gpt_decoder_block_spec
from megatron.core.models.gpt.gpt_model import GPTModel
from megatron.core.transformer.transformer_config import TransformerConfig


def main():
    out, pattern, tp, pp = pathlib.Path(sys.argv[1]), [int(c) for c in sys.argv[2]], int(sys.argv[3]), int(sys.argv[4])
    torch.cuda.synchronize = lambda *a, **k: None
    torch.cuda.current_device = lambda: torch.device("cpu")
    dist.init_process_group("gloo")
    rank = dist.get_rank()
    parallel_state.initialize_model_parallel(tp, pp)
    size = {"num_layers": 2, "hidden_size": 8, "ffn_hidden_size": 12, "num_attention_heads": 4, "num_query_groups": 2, "kv_channels": 4,
            "normalization": "RMSNorm", "qk_layernorm": True, "add_bias_linear": False}
    moe = {"moe_router_topk": 2, "moe_ffn_hidden_size": 4, "moe_layer_freq": pattern} if any(pattern) else {}
    config = TransformerConfig(**size, **moe, num_moe_experts=2 if moe else None, gated_linear_unit=True, activation_func=torch.nn.functional.silu,
                               use_cpu_initialization=True, tensor_model_parallel_size=tp, pipeline_model_parallel_size=pp,
                               pipeline_dtype=torch.float32)
    spec = get_gpt_decoder_block_spec(config, use_transformer_engine=False, normalization="RMSNorm")
    model = GPTModel(config, spec, vocab_size=32, max_sequence_length=32, pre_process=parallel_state.is_pipeline_first_stage(),
                     post_process=parallel_state.is_pipeline_last_stage(), share_embeddings_and_output_weights=False,
                     position_embedding_type="rope")
    for name, p in model.named_parameters():
        # what processes share is the same on all of them
        shared = "norm" in name or "router" in name
        g = torch.Generator().manual_seed(zlib.crc32(name.encode()) + (0 if shared else 1 + rank))
        with torch.no_grad():
            p.copy_(torch.randn(p.shape, generator=g))
    args = argparse.Namespace(**size, **moe, num_experts=2 if moe else None, group_query_attention=True, swiglu=True, max_position_embeddings=32,
                              padded_vocab_size=32, position_embedding_type="rope", untie_embeddings_and_output_weights=True,
                              norm_epsilon=1e-5, rotary_base=10000, params_dtype=torch.float32, tensor_model_parallel_size=tp,
                              pipeline_model_parallel_size=pp, kv_lora_rank=32, mamba_state_dim=128, window_size=None)
    if not rank:
        (out / "iter_0000007").mkdir(parents=True)
        (out / "latest_checkpointed_iteration.txt").write_text("7")
    dist.barrier()
    dist_checkpointing.save({"model": model.sharded_state_dict(), "iteration": 7, "args": args}, str(out / "iter_0000007"))
    has = {k: [list(v.shape), zlib.crc32(bytes(v.contiguous().flatten().view(torch.uint8).numpy()))]
           for k, v in model.state_dict().items() if torch.is_tensor(v) and "_extra_state" not in k}
    folder = f"mp_rank_{rank % tp:02}" + (f"_{rank // tp:03}" if pp > 1 else "")
    (out / f"{folder}.json").write_text(json.dumps({folder: {"model": has}}, separators=(",", ":")))
    dist.barrier()
    if not rank:
        ranks = {}
        for part in sorted(out.glob("mp_rank*.json")):
            ranks.update(json.loads(part.read_text()))
            part.unlink()
        case = {"folder": f"megatron/{out.name}", "ranks": ranks,
                "options": ["--target-tensor-parallel-size", str(tp), "--target-pipeline-parallel-size", str(pp)]}
        (out.parent / f"{out.name}.json").write_text(json.dumps([case], separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
