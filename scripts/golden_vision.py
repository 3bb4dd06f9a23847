"""Goldens of the families that see pictures, made with torch and transformers.

    python scripts/golden_vision.py [--only NAME,...] [tests/golden/vision]

<case>/   a tiny model with random weights: config.json and model.safetensors; in tensors.safetensors what a processor gives
          for its pictures and clips ("0.pixel_values", ...); in golden.json the tokens, their log-probabilities, the mean loss
          over all tokens and digests of its gradients
"""
import argparse
import copy
import json
import shutil
from pathlib import Path

import torch
import transformers
from golden_families import digest, rounded
from safetensors.torch import save_file

SEED = 20261201
TEXT = dict(vocab_size=61, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1, head_dim=8,
            max_position_embeddings=128, bos_token_id=1, eos_token_id=2, pad_token_id=0)
TURNS = dict(rope_type="default", rope_theta=500.0, mrope_section=[2, 1, 1])
IDS = dict(image_token_id=55, video_token_id=56, vision_start_token_id=57, vision_end_token_id=58)
QWEN = dict(patch_size=4, temporal_patch_size=2, spatial_merge_size=2)
CLIP = dict(hidden_size=12, intermediate_size=20, num_hidden_layers=3, num_attention_heads=2, image_size=8, patch_size=4)
VIT = dict(hidden_size=12, intermediate_size=20, num_hidden_layers=2, num_attention_heads=2, image_size=[16, 16], patch_size=[4, 4])
GLM = dict(depth=2, hidden_size=16, out_hidden_size=16, intermediate_size=20, num_heads=2, image_size=12, **QWEN)
MOE = dict(moe_intermediate_size=12, num_experts=4, num_experts_per_tok=2, norm_topk_prob=True)
# name: class, configuration, kind of inputs
CASES = {
    "qwen2-vl": ("Qwen2VL", dict(text_config=dict(TEXT, rope_parameters=TURNS), vision_config=dict(depth=2, embed_dim=16, hidden_size=16, num_heads=2, mlp_ratio=2, **QWEN), **IDS), "grids"),
    "qwen2.5-vl": ("Qwen2_5_VL", dict(text_config=dict(TEXT, rope_parameters=TURNS), vision_config=dict(depth=3, hidden_size=16, out_hidden_size=16, intermediate_size=20, num_heads=2, window_size=16,
                   fullatt_block_indexes=[1], tokens_per_second=2, **QWEN), **IDS), "grids"),
    "qwen3-vl": ("Qwen3VL", dict(text_config=dict(TEXT, rope_parameters=dict(TURNS, mrope_interleaved=True)), vision_config=dict(depth=3, hidden_size=16, out_hidden_size=16, intermediate_size=20, num_heads=2,
                 num_position_embeddings=9, deepstack_visual_indexes=[0, 1], **QWEN), **IDS), "frames"),
    "qwen3-vl-moe": ("Qwen3VLMoe", dict(text_config=dict(TEXT, **MOE, rope_parameters=dict(TURNS, mrope_interleaved=True)), vision_config=dict(depth=2, hidden_size=16, out_hidden_size=16, intermediate_size=20,
                     num_heads=2, num_position_embeddings=9, deepstack_visual_indexes=[0], **QWEN), **IDS), "frames"),
    "glm4v": ("Glm4v", dict(text_config=dict({k: v for k, v in TEXT.items() if k != "head_dim"}, rope_parameters=dict(TURNS, mrope_section=[1, 1, 0], partial_rotary_factor=0.5)), vision_config=GLM,
              image_token_id=55, video_token_id=56, video_start_token_id=57, video_end_token_id=58), "between"),
    "llava": ("Llava", dict(text_config=dict(TEXT, model_type="llama"), vision_config=dict(CLIP, model_type="clip_vision_model"), image_token_index=55, vision_feature_layer=-2,
              image_seq_length=4), "tiles"),
    "internvl": ("InternVL", dict(text_config=dict(TEXT, model_type="qwen2"), vision_config=dict(VIT, attention_bias=True), image_token_id=55, image_seq_length=4, downsample_ratio=0.5), "tiles"),
    "internvl-6b": ("InternVL", dict(text_config=dict(TEXT, model_type="qwen3"), vision_config=dict(VIT, attention_bias=False, use_qk_norm=True, norm_type="rms_norm", use_mean_pooling=False), image_token_id=55,
                    image_seq_length=4, downsample_ratio=0.5), "tiles"),
}


def model_of(name):
    kind, config, _ = CASES[name]
    c = getattr(transformers, kind + "Config")(**copy.deepcopy(config), tie_word_embeddings=False)
    for part in (c, c.text_config, c.vision_config):
        part._attn_implementation = part._experts_implementation = "eager"
    model = getattr(transformers, kind + "ForConditionalGeneration")(c).eval()
    g = torch.Generator().manual_seed(SEED + len(name))
    with torch.no_grad():
        for n, p in sorted(model.named_parameters()):
            noise = torch.randn(p.shape, generator=g)
            if "embed" in n and "patch" not in n or n.endswith("cls_token"):
                p.copy_(noise * 0.5)
            elif p.dim() >= 2:
                p.copy_(noise * 1.2 / min(p[0].numel(), max(p.shape)) ** 0.5)
            else:
                p.add_(noise * 0.2)
    return model


def inputs_of(name, model):
    """Random tokens round a picture, a second of another size and a clip; what a processor gives for them, and transformers' arguments."""
    kind = CASES[name][2]
    g = torch.Generator().manual_seed(SEED)
    text = lambda n: torch.randint(3, 50, (n,), generator=g).tolist()
    c = model.config
    if kind == "tiles":
        side = c.vision_config.image_size if isinstance(c.vision_config.image_size, int) else c.vision_config.image_size[0]
        x = dict(pixel_values=torch.randn(3, 3, side, side, generator=g))
        ids = text(4) + [55] * 4 + text(3) + [55] * 8 + text(6)
        return ids, x, x
    grids, clips = [[1, 4, 6], [1, 4, 4]], [[2, 4, 6]]  # a clip that is wider than long: what follows has the same places by either rule
    pixels = lambda v: torch.randn(sum(t * h * w for t, h, w in v), 3 * 2 * 4 * 4, generator=g)
    x = dict(pixel_values=pixels(grids), image_grid_thw=torch.tensor(grids), pixel_values_videos=pixels(clips), video_grid_thw=torch.tensor(clips))
    ids = text(3) + [57] + [55] * 6 + [58] + text(2) + [57] + [55] * 4 + [58] + text(2)
    if kind == "grids":
        ids += [57] + [56] * 12 + [58] + text(5)
    elif kind == "frames":
        ids += text(2) + [57] + [56] * 6 + [58] + text(2) + [57] + [56] * 6 + [58] + text(5)
    else:  # frames' placeholders are those of pictures, between two tokens; transformers takes one or the other in a text
        ids = text(3) + [57] + [55] * 6 + text(2) + [55] * 6 + [58] + text(5)
        x = {k: v for k, v in x.items() if "video" in k}
    seen, inside = [], False
    for t in ids:
        inside = True if kind == "between" and t == 57 else False if kind == "between" and t == 58 else inside
        seen.append(2 if t == 56 or (inside and t == 55) else 1 if t == 55 else 0)
    return ids, x, dict(x, mm_token_type_ids=torch.tensor([seen]))


def results(model, ids, x):
    tokens = torch.tensor([ids])
    run = lambda m, x: m(input_ids=tokens, attention_mask=torch.ones_like(tokens), use_cache=False, **x).logits
    logits = run(model, x)
    loss = torch.nn.functional.cross_entropy(logits[0, :-1].float(), tokens[0, 1:])
    loss.backward()
    twin = copy.deepcopy(model).double()
    own = (run(twin, {k: v.double() if v.is_floating_point() else v for k, v in x.items()}) - logits).abs().max().item()
    logp = logits.detach().log_softmax(-1)[0, :-1].gather(-1, tokens[0, 1:, None])[:, 0]
    return dict(tokens=[ids], loss=loss.item(), logprobs=[logp.tolist()], own_error=own, logit_scale=logits.abs().max().item())


def grads_in_files(model, folder):
    """Gradients under the names and in the packing of the files: they are saved as the weights are."""
    twin = copy.deepcopy(model)
    with torch.no_grad():
        for p, q in zip(twin.parameters(), model.parameters()):
            p.copy_(torch.zeros_like(q) if q.grad is None else q.grad)
    twin.save_pretrained(folder / "grads")
    from safetensors.torch import load_file
    out = {n: digest(t) for n, t in load_file(folder / "grads" / "model.safetensors").items()}
    shutil.rmtree(folder / "grads")
    return out


def main():
    p = argparse.ArgumentParser()
    p.add_argument("out", nargs="?", type=Path, default=Path("tests/golden/vision"))
    p.add_argument("--only", type=lambda s: s.split(","), default=[])
    args = p.parse_args()
    for name in CASES:
        if args.only and name not in args.only:
            continue
        folder = args.out / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        model = model_of(name)
        model.save_pretrained(folder)
        (folder / "generation_config.json").unlink(missing_ok=True)
        ids, arrays, x = inputs_of(name, model)
        save_file({"0." + k: v.contiguous() for k, v in arrays.items()}, folder / "tensors.safetensors")
        golden = results(model, ids, x)
        golden["grads"] = grads_in_files(model, folder)
        (folder / "golden.json").write_text(json.dumps(rounded(golden)) + "\n")
        size = sum(f.stat().st_size for f in folder.iterdir())
        print(f"{name}: {size // 1024} KB, loss {golden['loss']:.4f}, largest logit {golden['logit_scale']:.1f}, own error {golden['own_error']:.1e}")


if __name__ == "__main__":
    main()
