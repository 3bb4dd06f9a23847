#include "api/foreign.h"
#include "base/option.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OFF "false|False|0"

/* The text of the key of this name; "" where there is none. */
static const char *text_of(ts_option_file *f, const char *name)
{
    const char *text = ts_option_key_text(f, ts_option_file_key(f, name));
    return text ? text : "";
}

static bool is(const char *text, const char *words) { return ts_option_is_one_of(words, text); }

/* A number that k is; false: it is none. */
static bool number(ts_option_file *f, const ts_option_key *k, double *out)
{
    const char *text = ts_option_key_text(f, k);
    char *end;
    *out = text ? strtod(text, &end) : 0;
    return text && *text && !*end;
}

static ts_status put_number(ts_option_file *f, const ts_option_key *k, const char *option, double v)
{
    ts_str text = { 0 };
    ts_status st = ts_str_real(&text, v);
    if (st == TS_OK)
        st = ts_option_key_put(f, k, option, text.s);
    ts_str_deinit(&text);
    return st;
}

/* ---- preferences ---- */

/* The stage that a file of LLaMA-Factory asks for: ORPO and SimPO are losses of its stage dpo. */
static const char *stage_of(ts_option_file *f)
{
    const char *stage = text_of(f, "stage"), *loss = text_of(f, "pref-loss");
    return !strcmp(stage, "dpo") && is(loss, "orpo|simpo") ? loss : stage;
}

ts_status ts_foreign_pref_loss(ts_option_file *f, const ts_option_key *k)
{
    const char *loss = text_of(f, "pref-loss");
    if (is(loss, "orpo|simpo"))
        return ts_option_key_replace(f, k, "stage", loss);
    if (!is(loss, "sigmoid|hinge|ipo"))
        return ts_option_key_refuse(f, k, "sigmoid, hinge, ipo, orpo and simpo are known");
    return ts_option_key_put(f, k, "dpo-loss-type", loss);
}

ts_status ts_foreign_pref_beta(ts_option_file *f, const ts_option_key *k)
{
    const char *stage = stage_of(f), *beta = ts_option_key_text(f, k);
    char option[40];
    if (!*stage && !ts_option_file_key(f, "pref-beta")) /* TRL's word; its trainer, not its file, says the stage */
        stage = "dpo";
    if (!is(stage, "dpo|orpo|simpo|kto"))
        return ts_option_key_idle(f, k, "of preferences");
    snprintf(option, sizeof option, "%s-beta", stage);
    return ts_option_key_put(f, k, option, beta ? beta : "");
}

/* There the margin is divided by beta before it is taken off. */
ts_status ts_foreign_simpo_gamma(ts_option_file *f, const ts_option_key *k)
{
    double gamma, beta = 0.1;
    const ts_option_key *b = ts_option_file_key(f, "pref-beta");
    if (!number(f, k, &gamma) || (b && (!number(f, b, &beta) || beta <= 0)))
        return ts_option_key_refuse(f, k, "a number was expected, and a pref_beta above 0");
    return put_number(f, k, "gamma-beta-ratio", gamma / beta);
}

ts_status ts_foreign_label_smoothing(ts_option_file *f, const ts_option_key *k)
{
    const bool simpo = !strcmp(stage_of(f), "simpo");
    return ts_option_key_put(f, k, simpo ? "simpo-label-smoothing" : "dpo-label-smoothing",
                             text_of(f, "dpo-label-smoothing"));
}

/* ---- what is trained ---- */

/* Layers of the model that a folder holds; 0: not known. */
static int64_t count_layers(ts_option_file *f)
{
    char path[1200];
    json_t *o;
    int64_t n = 0;
    snprintf(path, sizeof path, "%s/config.json", text_of(f, "model-name-or-path"));
    if (ts_json_read(path, &o) != TS_OK)
        return 0;
    if (ts_json_int(o, path, "num_hidden_layers", 0, 0, 1 << 20, &n) != TS_OK)
        n = 0;
    json_decref(o);
    return n;
}

/* The last layers are trained, or with a number below 0 the first; all else is not. */
static ts_status freeze(ts_option_file *f, const ts_option_key *k)
{
    const ts_option_key *n = ts_option_file_key(f, "freeze-trainable-layers");
    const char *modules = text_of(f, "freeze-trainable-modules");
    const int64_t layers = count_layers(f);
    double count = 2;
    char words[200];
    if ((*modules && strcmp(modules, "all") != 0) || ts_option_file_key(f, "freeze-extra-modules"))
        return ts_option_key_refuse(f, k, "--freeze names the modules that are not trained: give it");
    if (!layers)
        return ts_option_key_refuse(f, k, "how many layers the model has is not known: --freeze names what is not trained");
    if ((n && !number(f, n, &count)) || count == 0 || count > (double)layers || -count > (double)layers)
        return ts_option_key_refuse(f, k, "freeze_trainable_layers is no number of layers of the model");
    const int64_t trained = (int64_t)(count < 0 ? -count : count), from = count < 0 ? trained : 0,
                  end = count < 0 ? layers : layers - trained;
    int at = snprintf(words, sizeof words, "embedding,final_layernorm,output_layer");
    if (end > from)
        snprintf(words + at, sizeof words - (size_t)at, ",layers.{%lld-%lld}", (long long)from, (long long)end - 1);
    return ts_option_key_put(f, k, "freeze", words);
}

/* What freeze() reads beside its own key. */
ts_status ts_foreign_freeze_part(ts_option_file *f, const ts_option_key *k)
{
    if (strcmp(text_of(f, "finetuning-type"), "freeze") != 0)
        return ts_option_key_idle(f, k, "of finetuning_type: freeze");
    return ts_option_key_say(f, k, "part of --freeze");
}

ts_status ts_foreign_use_peft(ts_option_file *f, const ts_option_key *k)
{
    return ts_option_file_key(f, "lora-r") || ts_option_file_key(f, "lora-rank")
               ? ts_option_key_say(f, k, "adapters are trained")
               : ts_option_key_put(f, k, "lora-r", "16"); /* TRL's default */
}

ts_status ts_foreign_finetuning_type(ts_option_file *f, const ts_option_key *k)
{
    const char *type = text_of(f, "finetuning-type");
    if (!strcmp(type, "full"))
        return ts_option_key_say(f, k, "all weights are trained");
    if (!strcmp(type, "freeze"))
        return freeze(f, k);
    if (strcmp(type, "lora") != 0)
        return ts_option_key_refuse(f, k, "full, freeze and lora are known");
    if (ts_option_file_key(f, "lora-rank") || ts_option_file_key(f, "adapter-name-or-path"))
        return ts_option_key_say(f, k, "adapters are trained");
    return ts_option_key_put(f, k, "lora-r", "8"); /* its default */
}

/* Whether adapters are: LLaMA-Factory's default, TRL's `use_peft`. */
static bool trains_adapters(ts_option_file *f)
{
    const char *type = text_of(f, "finetuning-type");
    return !strcmp(type, "lora") || is(text_of(f, "use-peft"), "true|True|1") ||
           (!*type && ts_option_file_key(f, "do-train"));
}

/* ---- what comes out ---- */

ts_status ts_foreign_output_dir(ts_option_file *f, const ts_option_key *k)
{
    const char *dir = text_of(f, "output-dir");
    char folder[1200];
    const bool keeps_hf = !is(text_of(f, "save-hf-weights"), OFF), saves = strcmp(text_of(f, "save-strategy"), "no") != 0;
    snprintf(folder, sizeof folder, "%s/%s", dir, trains_adapters(f) ? "peft" : "hf");
    if (keeps_hf)
        TS_TRY(ts_option_key_put(f, k, trains_adapters(f) ? "save-peft" : "save-hf", folder));
    snprintf(folder, sizeof folder, "%s/checkpoints", dir);
    return saves ? ts_option_key_put(f, k, "save", folder) : TS_OK;
}

ts_status ts_foreign_report_to(ts_option_file *f, const ts_option_key *k)
{
    const char *to = ts_option_key_text(f, k);
    char folder[1200];
    if (!to && json_array_size(ts_option_key_value(k)) == 1)
        to = json_string_value(json_array_get(ts_option_key_value(k), 0));
    if (to && !strcmp(to, "none"))
        return TS_OK;
    if (!to || strcmp(to, "tensorboard") != 0 || ts_option_file_key(f, "logging-dir"))
        return ts_option_key_idle(f, k, "a run is told to --tensorboard-dir and --metrics-jsonl, not to a service");
    snprintf(folder, sizeof folder, "%s/runs", text_of(f, "output-dir"));
    return ts_option_key_put(f, k, "tensorboard-dir", *text_of(f, "output-dir") ? folder : "runs");
}

/* ---- data and steps ---- */

/* A share of the data. */
ts_status ts_foreign_val_size(ts_option_file *f, const ts_option_key *k)
{
    double share;
    char split[80];
    if (!number(f, k, &share) || share < 0 || share >= 1)
        return ts_option_key_refuse(f, k, "a share from 0 to 1 is --split; a number of samples has no counterpart");
    snprintf(split, sizeof split, "%.10g,%.10g,0", 1 - share, share);
    return ts_option_key_put(f, k, "split", split);
}

ts_status ts_foreign_epochs(ts_option_file *f, const ts_option_key *k)
{
    const char *steps = text_of(f, "max-steps");
    if (*steps && strtod(steps, NULL) > 0)
        return ts_option_key_idle(f, k, "max_steps counts");
    return ts_option_key_put(f, k, "num-train-epochs", text_of(f, "num-train-epochs"));
}

/* Below 1 it is a share. */
ts_status ts_foreign_warmup_steps(ts_option_file *f, const ts_option_key *k)
{
    double steps;
    const bool share = number(f, k, &steps) && steps < 1;
    return ts_option_key_put(f, k, share ? "lr-warmup-fraction" : "lr-warmup-iters", text_of(f, "warmup-steps"));
}

static ts_status schedule_word(ts_option_file *f, const ts_option_key *k, const char *name, const json_t *v)
{
    const char *lr = text_of(f, "learning-rate");
    if (json_is_number(v) && !strcmp(name, "min_lr"))
        return put_number(f, k, "min-lr", json_number_value(v));
    if (json_is_number(v) && !strcmp(name, "min_lr_rate") && *lr)
        return put_number(f, k, "min-lr", json_number_value(v) * strtod(lr, NULL));
    if (json_is_number(v) && !strcmp(name, "num_decay_steps"))
        return put_number(f, k, "lr-wsd-decay-iters", json_number_value(v));
    return ts_option_key_refuse(f, k, "min_lr, min_lr_rate and num_decay_steps are known");
}

ts_status ts_foreign_lr_scheduler_kwargs(ts_option_file *f, const ts_option_key *k)
{
    const char *name;
    json_t *v, *o = (json_t *)(uintptr_t)ts_option_key_value(k);
    if (!json_is_object(o))
        return ts_option_key_refuse(f, k, "name: value pairs were expected");
    json_object_foreach(o, name, v)
        TS_TRY(schedule_word(f, k, name, v));
    return TS_OK;
}

/* ---- DeepSpeed ---- */

/* What a file of DeepSpeed says and the trainer's own file does not; "auto": that one says it. */
static ts_status take_deepspeed(ts_option_file *f, const ts_option_key *k, json_t *o)
{
    json_t *zero = json_object_get(o, "zero_optimization"), *clip = json_object_get(o, "gradient_clipping");
    const json_int_t stage = json_integer_value(json_object_get(zero, "stage"));
    if (json_is_true(json_object_get(json_object_get(o, "bf16"), "enabled")) && !ts_option_file_key(f, "bf16"))
        TS_TRY(ts_option_key_put(f, k, "bf16", "true"));
    if (json_is_true(json_object_get(json_object_get(o, "fp16"), "enabled")) && !ts_option_file_key(f, "fp16"))
        TS_TRY(ts_option_key_put(f, k, "fp16", "true"));
    if (json_is_number(clip) && !ts_option_file_key(f, "max-grad-norm"))
        TS_TRY(put_number(f, k, "clip-grad", json_number_value(clip)));
    if (stage == 1)
        return ts_option_key_put(f, k, "use-distributed-optimizer", "true");
    if (stage != 2 && stage != 3)
        return stage == 0 ? ts_option_key_say(f, k, "every process has all of the model (ZeRO-0)")
                          : ts_option_key_refuse(f, k, "zero_optimization: stage is 0, 1, 2 or 3");
    TS_TRY(ts_option_key_put(f, k, "use-megatron-fsdp", "true"));
    return ts_option_key_put(f, k, "data-parallel-sharding-strategy", stage == 2 ? "optim_grads" : "optim_grads_params");
}

ts_status ts_foreign_deepspeed(ts_option_file *f, const ts_option_key *k)
{
    const json_t *v = ts_option_key_value(k);
    json_t *o;
    if (json_is_object(v))
        return take_deepspeed(f, k, (json_t *)(uintptr_t)v);
    if (!json_is_string(v))
        return ts_option_key_refuse(f, k, "a file of DeepSpeed's options, or these themselves, were expected");
    if (ts_json_read(json_string_value(v), &o) != TS_OK)
        return ts_option_key_refuse(f, k, ts_error_message());
    const ts_status st = take_deepspeed(f, k, o);
    json_decref(o);
    return st;
}

/* ---- what is left out ---- */

ts_status ts_foreign_defaults(ts_option_file *f)
{
    static const char whose[] = "LLaMA-Factory's default";
    static const struct {
        const char *name, *option, *value;
    } row[] = {
        { "learning_rate", "lr", "5e-5" },
        { "per_device_train_batch_size", "micro-batch-size", "8" },
        { "weight_decay", "weight-decay", "0" },
        { "cutoff_len", "seq-length", "2048" },
        { "val_size", "split", "100,0,0" },
        { "eval_strategy", "eval-iters", "0" },
    };
    const char *rank = text_of(f, "lora-rank"), *steps = text_of(f, "max-steps");
    char alpha[32];
    if (!ts_option_file_key(f, "finetuning-type") && !ts_option_file_key(f, "do-train"))
        return TS_OK;
    for (size_t i = 0; i < sizeof row / sizeof *row; i++)
        if (strcmp(row[i].name, "eval_strategy") != 0 || !is(text_of(f, "eval-strategy"), "steps"))
            TS_TRY(ts_option_file_default(f, row[i].name, whose, row[i].option, row[i].value));
    if (ts_option_file_key(f, "add-tokens") || ts_option_file_key(f, "add-special-tokens") || ts_option_file_key(f, "resize-vocab") ||
        ts_option_file_key(f, "new-special-tokens-config")) {
        TS_TRY(ts_option_file_default(f, "init_special_tokens", whose, "new-tokens-init", "noise"));
        TS_TRY(ts_option_file_default(f, "pad_to_multiple_of of the vocabulary", whose, "resize-vocab-to-multiple-of", "64"));
    }
    if (!(strtod(steps, NULL) > 0))
        TS_TRY(ts_option_file_default(f, "num_train_epochs", whose, "num-train-epochs", "3"));
    if (!trains_adapters(f) || ts_option_file_key(f, "adapter-name-or-path"))
        return TS_OK;
    TS_TRY(ts_option_file_default(f, "lora_rank", whose, "lora-r", "8"));
    snprintf(alpha, sizeof alpha, "%lld", 2 * (*rank ? strtoll(rank, NULL, 10) : 8));
    TS_TRY(ts_option_file_default(f, "lora_alpha", whose, "lora-alpha", alpha));
    return ts_option_file_default(f, "lora_target", whose, "lora-target-modules", "all-linear");
}
