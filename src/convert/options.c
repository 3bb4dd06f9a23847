#include "convert/convert.h"

#include "base/log.h"
#include "base/thread.h"

#include <stdlib.h>
#include <string.h>

#define ROW(type, field, name, def, lo, hi, choices, help)                                         \
    TS_ROW(type, ts_convert_options, field, name, def, lo, hi, choices, "conversion", help)

#define CUT(type, field, name, def, lo, hi, choices, help)                                         \
    TS_ROW(type, ts_convert_options, cut.field, name, def, lo, hi, choices, "Megatron", help)

#define SHARDS                                                                                     \
    "folders that are cut for several processes of a layer or a stage; Hugging Face folders are whole"
#define ADAPTERS "adapters (LoRA)"

const ts_option ts_convert_rows[] = {
    ROW(TEXT, load_dir, "load-dir", NULL, 0, 0, NULL,
        "a checkpoint (or its folder of checkpoints), a Hugging Face folder, a GGUF file, a checkpoint of Megatron, or a state "
        "dict of torch (.pt, .bin; with --hf-cfg-dir)"),
    ROW(TEXT, save_dir, "save-dir", NULL, 0, 0, NULL, "the folder to be made"),
    ROW(TEXT, outfile, "outfile", NULL, 0, 0, NULL, "the GGUF file to be made, in place of a folder"),
    ROW(CHOICE, outtype, "outtype", "auto", 0, 0, TS_CHOICES(TS_GGUF_TYPES),
        "type of a GGUF file's weights, in llama.cpp's words; auto: bf16 of weights in bf16, else f16"),
    ROW(CHOICE, load_type, "load-model-type", "auto", 0, 0, TS_CHOICES(TS_CONVERT_LOADS),
        "what is read; auto tells it by content"),
    ROW(CHOICE, save_type, "save-model-type", "hf", 0, 0, TS_CHOICES(TS_CONVERT_SAVES),
        "what is written"),
    ROW(CHOICE, dtype, "params-dtype", "auto", 0, 0, TS_CHOICES(TS_SAVE_HF_DTYPES),
        "type of the weights; auto: as they are (of a checkpoint: as the model came in)"),
    ROW(CHOICE, dtype, "save-hf-dtype", "auto", 0, 0, TS_CHOICES(TS_SAVE_HF_DTYPES),
        "as --params-dtype"),
    ROW(TEXT, max_shard_size, "max-shard-size", NULL, 0, 0, NULL,
        "files of at most so many bytes, as 5000000000, 500MB or 2GiB (default 5GB)"),
    ROW(INT, step, "ckpt-step", "-1", -1, 9e15, NULL, "this iteration instead of the newest (-1)"),
    ROW(TEXT, model_type_hf, "model-type-hf", NULL, 0, 0, NULL,
        "the model's kind, as a check against what is read"),
    ROW(TEXT, hf_cfg_dir, "hf-cfg-dir", NULL, 0, 0, NULL,
        "of a checkpoint of Megatron or a file of torch: a folder with the config.json and the tokenizer of its model"),
    ROW(FLAG, nf4, "qlora-nf4", NULL, 0, 0, NULL,
        "weights of the layers' linear layers in 4 bits (NF4 with double quantisation), as bitsandbytes has them"),
    ROW(FLAG, unpacked, "qlora-save-dequantize", NULL, 0, 0, NULL,
        "weights that bitsandbytes has in 4 or 8 bits, or that are in FP8 or MXFP4 (with --params-dtype those always), as the values that they stand for"),
    ROW(FLAG, check, "check", NULL, 0, 0, NULL,
        "load both forms, compare their logits and say the largest difference"),
    ROW(INT, threads, "threads", "0", 0, 4096, NULL, "threads of --check, and of GGUF files that are written (0: all cores)"),
    ROW(TEXT, lora.load, "lora-load", NULL, 0, 0, NULL,
        "an adapter's folder (PEFT), whose sum the weights get; the others stay bit for bit"),
    ROW(INT, lora.r, "lora-r", "0", 0, 1 << 16, NULL, "--lora-load: its rank, as a check (0: none)"),
    ROW(REAL, lora.alpha, "lora-alpha", "0", 0, 1e9, NULL, "--lora-load: its alpha, likewise"),
    ROW(LIST, lora.targets, "lora-target-modules", NULL, 0, 0, NULL, "--lora-load: its target_modules, likewise"),
    ROW(FLAG, adapter_alone, "save-lora-to-hf", NULL, 0, 0, NULL,
        "write the adapter alone, as PEFT has it, instead of the model with it"),
    ROW(LIST, lora_merge, "lora-merge", NULL, 0, 0, NULL,
        "folders of adapters (PEFT) that become one, in --save-dir; without --load-dir"),
    ROW(LIST, lora_weights, "lora-weights", NULL, 0, 0, NULL, "--lora-merge: a number for each, which it is multiplied with (1)"),
    ROW(CHOICE, lora_combination, "lora-combination", "cat", 0, 0, TS_CHOICES(TS_LORA_COMBINATIONS),
        "--lora-merge: cat is the sum exactly, of all ranks together; linear sums A and B each; svd is the nearest of the "
        "largest rank"),
    ROW(LIST, text.add_tokens, "add-tokens", NULL, 0, 0, NULL,
        "tokens that the tokenizer of a Hugging Face folder gets beside its own, and the model rows for"),
    ROW(LIST, text.add_special_tokens, "add-special-tokens", NULL, 0, 0, NULL, "likewise, special ones"),
    ROW(TEXT, text.new_tokens_config, "new-tokens-config", NULL, 0, 0, NULL,
        "a YAML or JSON file of special tokens, each with words that describe it"),
    ROW(FLAG, rows.resize, "resize-vocab", NULL, 0, 0, NULL,
        "where the model has fewer rows than the tokenizer has ids, it gets as many (with new tokens always)"),
    ROW(INT, rows.multiple, "resize-vocab-to-multiple-of", "1", 1, 1 << 20, NULL,
        "a vocabulary that grows gets a multiple of this number of rows"),
    ROW(CHOICE, rows.init, "new-tokens-init", "auto", 0, 0, TS_CHOICES(TS_NEW_ROWS_INITS),
        "values of new rows, as training's option says"),
    ROW(FLAG, rows.fewer, "allow-ids-without-rows", NULL, 0, 0, NULL,
        "write a model though its tokenizer has more ids than it has rows"),
    ROW(INT, seed, "seed", "1234", 0, 9e15, NULL, "of values of new rows that are random"),
    ROW(FLAG, json, "json", NULL, 0, 0, NULL, "print one JSON object"),
    CUT(INT, tp, "target-tensor-parallel-size", "1", 1, 1 << 16, NULL, "processes that share each layer's matrices"),
    CUT(INT, pp, "target-pipeline-parallel-size", "1", 1, 1 << 16, NULL, "stages of layers"),
    CUT(INT, ep, "target-expert-parallel-size", "1", 1, 1 << 16, NULL, "processes that share out experts"),
    CUT(INT, expert_tp, "expert-tensor-parallel-size", "0", 0, 1 << 16, NULL,
        "processes that share each expert's matrices: 1, or as many as share the others (0)"),
    CUT(FLAG, tp_extends_ep, "moe-tp-extend-ep", NULL, 0, 0, NULL,
        "the processes that share matrices share out experts instead of cutting them"),
    CUT(FLAG, grouped, "moe-grouped-gemm", NULL, 0, 0, NULL, "all experts of a process in one tensor (weight1, weight2)"),
    CUT(LIST, stage_layers, "num-layer-list", NULL, 0, 0, NULL, "layers of each stage, as 4,6,6,4 (default: evenly)"),
    CUT(INT, chunk_layers, "num-layers-per-virtual-pipeline-stage", "0", 0, 1 << 16, NULL,
        "layers of a virtual stage, of which each stage has several (0: no virtual stages)"),
    CUT(LIST, noop_layers, "noop-layers", NULL, 0, 0, NULL,
        "numbers of layers that are none: they are counted in the checkpoint, and hold nothing"),
    CUT(CHOICE, schedule, "schedules-method", "none", 0, 0, TS_CHOICES(TS_CONVERT_SCHEDULES),
        "dualpipev: two chunks a stage, the second one counted from the last stage on"),
    CUT(INT, mtp_layers, "mtp-num-layers", "0", 0, 64, NULL, "so many layers that predict further tokens are taken along"),
    CUT(FLAG, mla_split, "mla-mm-split", NULL, 0, 0, NULL, "up projections of latent attention in two tensors each"),
    CUT(CHOICE, impl, "transformer-impl", "local", 0, 0, TS_CHOICES(TS_CONVERT_IMPLS), "whose names tensors have"),
    CUT(INT, vocab_by, "make-vocab-size-divisible-by", "0", 0, 1 << 20, NULL,
        "the vocabulary is filled up to a multiple of this times --target-tensor-parallel-size (0: it stays)"),
    /* what scripts of MindSpeed LLM's converters say beside */
    TS_NOTE("model-type", 1, "conversion", "kinds are told by content"),
    TS_NOTE("cvt-type", 1, "conversion", "kinds are told by content"),
    TS_NOTE("loader", 1, "conversion", "kinds are told by content"),
    TS_NOTE("saver", 1, "conversion", "kinds are told by content"),
    TS_NOTE("use-mcore-models", 0, "conversion", "one naming of tensors"),
    TS_NOTE("spec", TS_OPTION_MANY, "conversion", "the folder describes its model"),
    TS_NOTE("add-qkv-bias", 0, "conversion", "the folder describes its model"),
    TS_NOTE("qk-layernorm", 0, "conversion", "the folder describes its model"),
    TS_NOTE("tokenizer-model", 1, "conversion", "the folder's tokenizer is taken along"),
    TS_NOTE("load-from-legacy", 0, "conversion", "names of tensors are told by content"),
    TS_NOTE("load-hf-from-config", 0, "conversion", "the folder's config.json is read"),
    TS_NOTE("load-checkpoint-loosely", 0, "conversion", "tensors that are not needed are passed over"),
    TS_NOTE("add-dense-bias", 0, "conversion", "the folder describes its model"),
    TS_NOTE("post-norm", 0, "conversion", "the folder describes its model"),
    TS_NOTE("params-from-config", 0, "conversion", "the folder describes its model"),
    TS_NOTE("num-layers", 1, "conversion", "the folder describes its model"),
    TS_NOTE("hidden-size", 1, "conversion", "the folder describes its model"),
    TS_NOTE("true-vocab-size", 1, "conversion", "config.json says how many tokens there are; rows beyond are left out"),
    TS_NOTE("input-tp-rank", 1, "conversion", "all ranks are read"),
    TS_NOTE("input-pp-rank", 1, "conversion", "all ranks are read"),
    TS_NOTE("save-layer-by-layer", 0, "conversion", "memory is that of the largest tensor always"),
    TS_LATER("source-tensor-parallel-size", 1, "1", SHARDS),
    TS_LATER("source-pipeline-parallel-size", 1, "1", SHARDS),
    TS_LATER("source-expert-parallel-size", 1, "1", SHARDS),
    TS_LATER("save-to-legacy", 0, NULL, "names of tensors of Megatron before its core"),
    TS_LATER("first-k-dense-replace", 1, NULL, "models with fewer layers than the folder has"),
    TS_LATER("load-dir-cloud", 1, NULL, SHARDS),
    TS_LATER("load-dir-edge", 1, NULL, SHARDS),
    TS_LATER("save-dir-cloud", 1, NULL, SHARDS),
    TS_LATER("save-dir-edge", 1, NULL, SHARDS),
    TS_LATER("merge-stages", 1, NULL, SHARDS),
    TS_LATER("middle-ranks", 1, NULL, SHARDS),
    TS_LATER("middle-stages", 1, NULL, SHARDS),
    TS_LATER("split-rank", 1, NULL, SHARDS),
    TS_LATER("w-pack", 1, NULL, "models whose query, key and value weights come in one tensor W_pack"),
    TS_LATER("orm", 0, NULL, "reward heads"),
    TS_HINT("load", 1, "--load-dir"),
    TS_HINT("input", 1, "--load-dir"),
    TS_HINT("model", 1, "--load-dir"),
    TS_HINT("hf-dir", 1, "--load-dir, or --save-dir"),
    TS_HINT("mg-dir", 1, "--load-dir, or --save-dir"),
    TS_HINT("input-fp8-hf-path", 1, "--load-dir"),
    TS_HINT("output-hf-path", 1, "--save-dir"),
    TS_HINT("quant-type", 1, "--params-dtype"),
    TS_HINT("save", 1, "--save-dir"),
    TS_HINT("output", 1, "--save-dir"),
    TS_HINT("output-dir", 1, "--save-dir"),
    TS_HINT("save-hf", 1, "--save-dir"),
    TS_HINT("dtype", 1, "--params-dtype"),
    TS_HINT("torch-dtype", 1, "--params-dtype"),
};
const size_t ts_convert_count_rows = sizeof ts_convert_rows / sizeof *ts_convert_rows;

void ts_convert_warn(const ts_convert_options *o, const ts_option_set *set)
{
    static const char *const cuts[] = { "target-tensor-parallel-size", "target-pipeline-parallel-size", "target-expert-parallel-size" };
    const bool is_cut = o->save_type == TS_CONVERT_SAVE_MG && !o->outfile;
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++)
        ts_option_warn_alone(set, cuts[i], is_cut, "--save-model-type mg (other files are whole)");
    ts_option_warn_alone(set, "lora-weights", o->lora_merge.n, "--lora-merge");
    ts_option_warn_alone(set, "lora-combination", o->lora_merge.n, "--lora-merge");
}

ts_status ts_convert_shard_bytes(const ts_convert_options *o, size_t *out)
{
    static const struct {
        const char *unit;
        double bytes;
    } units[] = { { "", 1 },     { "B", 1 },        { "KB", 1e3 },         { "MB", 1e6 },
                  { "GB", 1e9 }, { "KiB", 1024.0 }, { "MiB", 1048576.0 }, { "GiB", 1073741824.0 } };
    char *end;
    *out = 0;
    if (!o->max_shard_size)
        return TS_OK;
    const double n = strtod(o->max_shard_size, &end);
    for (size_t i = 0; end != o->max_shard_size && i < sizeof units / sizeof *units; i++)
        if (!strcmp(end, units[i].unit) && n * units[i].bytes >= 1 && n * units[i].bytes < 1e18) {
            *out = (size_t)(n * units[i].bytes);
            return TS_OK;
        }
    return ts_error(TS_ERR_USER,
                    "--max-shard-size %s: expected a number of bytes, or one with KB, MB, GB, KiB, "
                    "MiB or GiB behind it",
                    o->max_shard_size);
}

void ts_convert_progress(size_t done, size_t all)
{
    static double said;
    const bool terminal = ts_log_is_terminal();
    const double now = ts_now();
    if (done == 1)
        said = now;
    if (now - said < (terminal ? 0.5 : 10))
        return;
    said = now;
    ts_log_raw("%s%zu of %zu tensors%s", terminal ? "\r" : "", done, all, terminal ? "   " : "\n");
}
