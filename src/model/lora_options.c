#include "model/lora_options.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define WORD(value, words) words,
static const char *const starts[] = { TS_ADAPTER_STARTS(WORD) };

const char *ts_adapter_start_name(ts_adapter_start s) { return starts[s]; }

bool ts_adapter_start_of(const char *word, ts_adapter_start *out, int64_t *passes)
{
    static const char niter[] = "pissa_niter_";
    const char *number = word + sizeof niter - 1;
    char *end;
    *passes = 0;
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
        if (!strcasecmp(word, starts[i])) {
            *out = (ts_adapter_start)i;
            return true;
        }
    if (strncmp(word, niter, sizeof niter - 1) || *number < '0' || *number > '9')
        return false;
    *out = TS_ADAPTER_START_PISSA;
    *passes = strtol(number, &end, 10);
    return !*end && *passes > 0 && *passes <= 1000;
}

#define RUN(type, field, name, def, lo, hi, choices, help)                                         \
    TS_ROW_IS(TS_OPTION_DECIDES, type, ts_lora_options, field, name, def, lo, hi, choices, "adapters", help)

const ts_option ts_lora_option_rows[] = {
    RUN(INT, r, "lora-r", "0", 0, 1 << 16, NULL,
        "begin an adapter of this rank beside weights that stay as they are (0: none)"),
    RUN(REAL, alpha, "lora-alpha", "32", 0, 1e9, NULL, "what an adapter adds is multiplied with this over its rank"),
    RUN(LIST, targets, "lora-target-modules", NULL, 0, 0, NULL,
        "layers that get an adapter: Megatron's names (linear_qkv linear_proj linear_fc1 linear_fc2: one for all that a "
        "weight holds), or the names of the model's Hugging Face class (q_proj ..., all-linear: each its own)"),
    RUN(LIST, whole, "lora-modules-to-save", NULL, 0, 0, NULL,
        "modules that are trained whole beside an adapter that begins, by the names of the model's Hugging Face class (norm lm_head)"),
    RUN(FLAG, dora, "lora-dora", NULL, 0, 0, NULL,
        "train lengths of the weights' rows as well, and with the two matrices their directions (DoRA)"),
    RUN(REAL, plus, "lora-plus-ratio", "0", 0, 1e6, NULL,
        "B learns at so many times the rate of A (LoRA+), and lengths of DoRA too (0: at the same)"),
    RUN(REAL, dropout, "lora-dropout", "0", 0, 0.999, NULL,
        "of what an adapter reads so much is dropped in training, at random, and the rest multiplied with 1 / (1 - this)"),
    RUN(TEXT, init, "lora-init", "true", 0, 0, NULL,
        "what an adapter begins with, in PEFT's words (init_lora_weights): true or gaussian (A random, B zero), pissa, "
        "pissa_niter_N or olora (a part of the weights, which is taken out of them), loftq (what --qlora's 4 bits lose)"),
    TS_ROW(FLAG, ts_lora_options, alone, "lora-ckpt-filter", NULL, 0, 0, NULL, "adapters",
           "checkpoints hold the adapter alone; the model's weights stay where --load has found them"),
    RUN(FLAG, rslora, "lora-rslora", NULL, 0, 0, NULL, "divide --lora-alpha by the root of the rank"),
    TS_ROW_IS(TS_OPTION_PLACE, TEXT, ts_lora_options, load, "lora-load", NULL, 0, 0, NULL, "adapters",
              "an adapter beside the weights of --load: a folder that PEFT or --save-peft has written, whose "
              "adapter_config.json decides everything (docs/adapters.md)"),
    TS_ROW_IS(TS_OPTION_PLACE, TEXT, ts_lora_options, save_peft, "save-peft", NULL, 0, 0, NULL, "adapters",
              "a folder for the adapter when training ends, as PEFT has it"),
    RUN(FLAG, nf4, "qlora", NULL, 0, 0, NULL,
        "hold the weights of the layers' linear layers in 4 bits (NF4 with double quantisation), as --load has them or "
        "quantised as they are read"),
    TS_NOTE("lora-fusion", 0, "adapters", "small matrices are multiplied together always"),
    TS_NOTE("lora-register-forward-hook", TS_OPTION_MANY, "adapters", "gradients go where they are needed"),
};
const size_t ts_lora_option_count = sizeof ts_lora_option_rows / sizeof *ts_lora_option_rows;

static ts_status check_init(const ts_lora_options *o)
{
    ts_adapter_start start;
    int64_t passes;
    if (!ts_adapter_start_of(o->init, &start, &passes))
        return ts_error(TS_ERR_USER, "--lora-init %s: expected true, gaussian, pissa, pissa_niter_N (N from 1 to 1000), olora or loftq",
                        o->init);
    return start == TS_ADAPTER_START_LOFTQ && !o->nf4
               ? ts_error(TS_ERR_USER, "--lora-init loftq: begins with what weights lose in 4 bits: give --qlora") : TS_OK;
}

ts_status ts_lora_options_check(const ts_lora_options *o, const ts_option_set *set)
{
    /* what reads the weights' values, or writes them */
    static const char *const of_values[] = { "qat-scheme", "save-hf" };
    if (o->r > 0 && !o->load && !o->targets.n)
        return ts_error(TS_ERR_USER, "--lora-r %lld: --lora-target-modules must say which layers get an adapter, such as "
                                     "linear_qkv linear_proj, or all-linear", (long long)o->r);
    for (int64_t i = 0; i < o->targets.n; i++)
        if (strchr(o->targets.v[i], ','))
            return ts_error(TS_ERR_USER, "--lora-target-modules %s: names are separated by blanks, not by commas", o->targets.v[i]);
    if (o->nf4 && !ts_lora_on(o))
        return ts_error(TS_ERR_USER, "--qlora: weights in 4 bits are not trained themselves: give --lora-r or --lora-load");
    for (size_t i = 0; o->nf4 && i < sizeof of_values / sizeof *of_values; i++)
        TS_TRY(ts_option_exclude(set, "qlora", of_values[i]));
    if (o->init)
        TS_TRY(check_init(o));
    if (ts_lora_on(o)) {
        if (o->plus > 0)
            TS_TRY(ts_option_exclude(set, "lora-plus-ratio", "decoupled-lr"));
        const char *const option = o->r > 0 ? "lora-r" : "lora-load";
        static const char *const others[] = { "freeze", "tp-2d", "int8", "fp8-format" };
        for (size_t i = 0; i < sizeof others / sizeof *others; i++)
            TS_TRY(ts_option_exclude(set, option, others[i]));
    }
    return TS_OK;
}

void ts_lora_options_warn(const ts_lora_options *o, const ts_option_set *set)
{
    static const char *const all[] = { "lora-alpha", "lora-target-modules", "lora-rslora", "lora-dora", "lora-plus-ratio",
                                      "lora-dropout", "lora-modules-to-save", "lora-init" };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        ts_option_warn_alone(set, all[i], ts_lora_on(o), "--lora-r");
}
