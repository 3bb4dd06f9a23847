#include "model/options.h"

/* Options of models in scripts of Megatron-LM and MindSpeed LLM that have no field here: what chooses
 * one of several kernels for the same result, and models that there are not yet. */

#define KERNEL(name, words) TS_NOTE(name, words, "model", "chooses a kernel; the result is the same")
/* what other words say of it is --window-size's matter */
#define MASK(name_, choices_)                                                                      \
    { .name = name_, .type = TS_OPTION_NOTE, .lo = 1, .choices = choices_, .group = "model",       \
      .help = "masks are never stored" }
#define WIDE(name) TS_NOTE(name, 0, "model", "sums, norms and softmax are in fp32 always")
#define PLACE(name, words) TS_NOTE(name, words, "model", "where something is kept, not what it is")

#define MOE "this way of training mixtures of experts (docs/moe.md has those that there are)"
#define MLA "latent vectors that are multiplied with a factor (LongCat)"
#define INDEXER "choices of an indexer that layers which predict further tokens share (GLM-5.2)"
#define STATES "linear attention and state space layers (Qwen3-Next, ...)"
#define MTP "another form of the layers of multi-token prediction"
#define SHARED "keys and values that several layers share (Hunyuan)"
#define LONGROPE                                                                                   \
    "longrope by options; it comes with a model's own config.json (--model-config FILE or --load DIR)"
#define BLOCK                                                                                      \
    "this block of a model by options; give --load DIR or --model-config FILE where its family is one of docs/models.md"
#define DSPEED "DeepSpeed's engine and its configuration"
#define TEACHER "distillation of a mixture of experts into another"

#define SPEC "mindspeed_llm.tasks.models.spec."
#define CORE "megatron.core.models.gpt.gpt_layer_specs "

const ts_option ts_model_script_rows[] = {
    /* kernels */
    KERNEL("use-mcore-models", 0),
    KERNEL("use-legacy-models", 0),
    KERNEL("use-flash-attn", 0),
    { .name = "attention-backend", .type = TS_OPTION_NOTE, .lo = 1, .group = "model",
      .choices = "auto|flash|fused|unfused|local",
      .help = "chooses a kernel; the result is the same" },
    { .name = "transformer-impl", .type = TS_OPTION_NOTE, .lo = 1, .group = "model",
      .choices = "local|transformer_engine|inference_optimized",
      .help = "chooses a kernel; the result is the same" },
    WIDE("attention-softmax-in-fp32"),
    WIDE("fp16-lm-cross-entropy"),
    TS_NOTE("no-attention-softmax-in-fp32", 0, "model",
            "sums, norms and softmax are in fp32 always"),
    TS_NOTE("query-key-layer-scaling", 0, "model", "as --apply-query-key-layer-scaling"),
    TS_NOTE("add-bias-linear", 0, "model", "as without --disable-bias-linear"),
    TS_NOTE("no-untie-embeddings-and-output-weights", 0, "model",
            "as without --untie-embeddings-and-output-weights"),
    WIDE("input-layernorm-in-fp32"),
    WIDE("init-norm-weight-in-fp32"),
    WIDE("rmsnorm-weight-in-fp32"),
    WIDE("router-gating-in-fp32"),
    WIDE("topk-softmax-in-fp32"),
    TS_NOTE("apply-query-key-layer-scaling", 0, "model",
            "keeps fp16 scores small and is undone in the softmax; scores are in fp32 always"),
    KERNEL("no-masked-softmax-fusion", 0),
    KERNEL("use-fused-swiglu", 0),
    KERNEL("use-fused-rmsnorm", 0),
    KERNEL("use-fused-rotary-pos-emb", 0),
    KERNEL("use-fused-rotary-pos-emb-new", 0),
    KERNEL("use-fused-mlp", 0),
    KERNEL("no-rope-fusion", 0),
    KERNEL("no-bias-gelu-fusion", 0),
    KERNEL("bias-gelu-fusion", 0),
    KERNEL("no-bias-swiglu-fusion", 0),
    KERNEL("no-bias-dropout-fusion", 0),
    KERNEL("no-gradient-accumulation-fusion", 0),
    KERNEL("gemm-gradient-accumulation-fusion", 0),
    KERNEL("no-persist-layer-norm", 0),
    KERNEL("cross-entropy-loss-fusion", 0),
    KERNEL("cross-entropy-fusion-impl", 1),
    KERNEL("memory-efficient-layer-norm", 0),
    KERNEL("apply-rope-fusion", 0),
    KERNEL("skip-bias-add", 0),
    KERNEL("shape-order", 1),
    MASK("sparse-mode", "0|2"),
    MASK("pre-tockens", "65536|1048576|2147483647"),
    MASK("next-tockens", "0"),
    KERNEL("jit-compile", 0),
    KERNEL("disable-bf16-reduced-precision-matmul", 0),
    KERNEL("te-rng-tracker", 0),
    KERNEL("external-cuda-graph", 0),
    KERNEL("enable-cuda-graph", 0),
    KERNEL("cuda-graph-impl", 1),
    KERNEL("cuda-graph-scope", TS_OPTION_ANY),
    KERNEL("fill-neg-inf", 0),
    KERNEL("square-alibi-mask", 0),
    KERNEL("alibi-fusion-attn-type", 1),
    KERNEL("moe-permute-fusion", 0),
    KERNEL("moe-router-fusion", 0),
    KERNEL("moe-grouped-gemm", 0),
    KERNEL("moe-unperm2-mem-optim", 0),
    KERNEL("use-fused-moe-token-permute-and-unpermute", 0),
    KERNEL("mla-fa-without-pad", 0),
    KERNEL("enable-mla-absorb", 0),
    KERNEL("use-sparse-flash-attn", 0),
    KERNEL("use-fused-lightning-indexer", 0),
    KERNEL("use-fused-lightning-indexer-loss", 0),
    KERNEL("no-use-sparse-c8-indexer", 0),
    KERNEL("apply-rope-no-in-complex", 0),
    KERNEL("use-fused-mhc", 0),
    KERNEL("use-triton-mhc", 0),
    KERNEL("use-triton-gdn", 0),
    KERNEL("use-triton-rmsnormgated", 0),
    KERNEL("use-triton-swiglu-limit", 0),
    KERNEL("use-ascend-mhc", 0),
    KERNEL("use-flash-gdn", 0),
    KERNEL("mamba-chunk-size", 1),
    KERNEL("max-batch-size", 1),
    KERNEL("export-force-local-attention", 0),
    PLACE("use-cpu-initialization", 0),
    PLACE("init-model-with-meta-device", 0),
    PLACE("output-layer-slice-num", 1),
    PLACE("loss-chunk-size", 1),
    PLACE("chunk-loss-size", 1),
    { .name = "loss-compute-mode", .type = TS_OPTION_NOTE, .lo = 1, .group = "model",
      .choices = "default|chunk", .help = "where something is kept, not what it is" },
    TS_NOTE("attention-mask-type", 1, "model", "what a token sees follows --reset-attention-mask"),
    TS_NOTE("cp-attention-mask-type", 1, "model",
            "what a token sees follows --reset-attention-mask"),
    TS_NOTE("model-type-hf", 1, "model", "the kind of a folder is told by its content"),
    TS_NOTE("enable-hf2mg-convert", 0, "model", "--load reads Hugging Face folders as they are"),
    TS_NOTE("trust-remote-code", 0, "model", "no code is taken from a model's folder"),
    TS_NOTE("model-id", 1, "model", "the kind of a folder is told by its content"),
    TS_NOTE("no-qad-enable", 0, "model", "as without --qad-enable"),
    TS_NOTE("num-layers-teacher", 1, "model", "the teacher's folder says what it is"),
    TS_NOTE("hidden-size-teacher", 1, "model", "the teacher's folder says what it is"),
    TS_NOTE("num-attention-heads-teacher", 1, "model", "the teacher's folder says what it is"),
    TS_NOTE("qat-quant-block-size", 1, "model", "goes with --qat-scheme w4a8-moe-only"),
    TS_NOTE("no-use-gmm-fp8", 0, "model", "of experts; models are dense here"),
    { .name = "te-gmm-mode", .type = TS_OPTION_NOTE, .lo = 1, .group = "model", .choices = "compatible|performance",
      .help = "of experts; models are dense here" },
    TS_NOTE("fp8-interval", 1, "model", "goes with --fp8-format"),
    TS_NOTE("fp8-param-gather", 0, "model", "goes with --fp8-format"),
    TS_NOTE("enable-fsdp-low-precision-all-gather", 0, "model", "goes with --fp8-format"),
    TS_TOLD("quant-converters", TS_OPTION_ANY, "model",
            "products are in bf16 or fp32, which is more exact"),
    TS_NOTE("quant-recipe-name", 1, "model", "goes with --quant-converters"),

    /* A layer specification of a dense model says what its options say as well. */
    TS_LATER("spec", TS_OPTION_MANY,
             "local|" SPEC "qwen3_spec layer_spec|" SPEC "gemma2_spec layer_spec|" CORE
             "get_gpt_layer_local_spec|" CORE "get_gpt_layer_with_transformer_engine_spec",
             "layers of this specification; those of dense models are described by options"),

    /* mixtures of experts */
    { .name = "moe-router-dtype", .type = TS_OPTION_NOTE, .lo = 1, .choices = TS_WORDS_FP32 "|fp64", .group = "model",
      .help = "routers are in fp32 always" },
    WIDE("moe-revert-type-after-topk"),
    KERNEL("moe-per-layer-logging", 0),
    TS_LATER("moe-comm-aux-loss-coeff", 1, "0", MOE),
    TS_LATER("moe-device-level-aux-loss-coeff", 1, "0", MOE),
    TS_LATER("router-aux-loss-coef", 1, "0", MOE),
    TS_LATER("seq-aux", 0, NULL, MOE),
    TS_LATER("moe-loss-coeff", 1, "0", MOE),
    TS_LATER("create-moe-param-group", 0, NULL, MOE),
    TS_LATER("disable-moe-token-dropping", 0, NULL, MOE),
    TS_LATER("input-jitter", 0, NULL, MOE),

    /* other attention, other layers */
    KERNEL("mla-mm-split", 0),
    TS_LATER("index-share-for-mtp-iteration", 0, NULL, INDEXER),
    TS_LATER("no-enable-linear-qkv", 0, NULL, STATES),
    KERNEL("mtp-mem-efficient-logits", 0), /* logits are there for a chunk of rows at a time always */
    TS_LATER("mtp-spec", TS_OPTION_MANY, NULL, MTP),
    TS_NOTE("share-mtp-embedding-and-output-weight", 0, "model", "--mtp-num-layers: they are the model's own always"),
    TS_NOTE("recompute-mtp-layer", 0, "model", "--mtp-num-layers: they are recomputed with the others, by "
                                               "--recompute-granularity full"),
    TS_NOTE("recompute-mtp-norm", 0, "model", "the outputs of norms are made again always"),
    TS_LATER("cla-share-factor", 1, "1", SHARED),
    TS_LATER("share-kvstates", 0, NULL, SHARED),
    TS_LATER("long-factor", 1, NULL, LONGROPE),
    TS_LATER("short-factor", 1, NULL, LONGROPE),
    TS_LATER("long-mscale", 1, NULL, LONGROPE),
    TS_LATER("short-mscale", 1, NULL, LONGROPE),
    TS_LATER("longrope-freqs-type", 1, NULL, LONGROPE),
    TS_LATER("dynamic-factor", 1, NULL, BLOCK),
    TS_LATER("apply-residual-connection-post-layernorm", 0, NULL, BLOCK),
    TS_LATER("openai-gelu", 0, NULL, BLOCK),
    TS_LATER("enable-gpt-oss", 0, NULL, BLOCK),
    TS_LATER("fc-type", 1, NULL, BLOCK),
    TS_LATER("mlp-type", 1, "standard", BLOCK),
    TS_NOTE("no-add-gate", 0, "model", "as without --swiglu"),
    TS_LATER("retro-add-retriever", 0, NULL, BLOCK),
    TS_LATER("retro-workdir", 1, NULL, BLOCK),
    TS_LATER("deepspeed", 0, NULL, DSPEED),
    TS_LATER("deepspeed_config", 1, NULL, DSPEED),
    TS_NOTE("zero-stage", 1, "model", "goes with --deepspeed"),
    TS_LATER("mos", 0, NULL, TEACHER),
    TS_LATER("num-experts-teacher", TS_OPTION_MANY, NULL, TEACHER),

    /* what other programs call the same */
    TS_HINT("n-layers", 1, "--num-layers"),
    TS_HINT("num-hidden-layers", 1, "--num-layers"),
    TS_HINT("intermediate-size", 1, "--ffn-hidden-size"),
    TS_HINT("n-heads", 1, "--num-attention-heads"),
    TS_HINT("num-heads", 1, "--num-attention-heads"),
    TS_HINT("num-key-value-heads", 1, "--group-query-attention --num-query-groups"),
    TS_HINT("head-dim", 1, "--kv-channels"),
    TS_HINT("rope-theta", 1, "--rotary-base"),
    TS_HINT("rms-norm-eps", 1, "--norm-epsilon"),
    TS_HINT("layer-norm-eps", 1, "--norm-epsilon"),
    TS_HINT("layernorm-epsilon", 1, "--norm-epsilon"),
    TS_HINT("tie-word-embeddings", TS_OPTION_ANY,
            "tied unless --untie-embeddings-and-output-weights"),
    TS_HINT("config-name", 1, "--model-config"),
    TS_HINT("train-from-scratch", TS_OPTION_ANY, "--model-config DIR/config.json without --load"),
};
const size_t ts_model_script_count = sizeof ts_model_script_rows / sizeof *ts_model_script_rows;
