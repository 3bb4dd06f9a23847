/* Options beside a model that is there: what they say must be what it is. */
#include "../cmocka_all.h"
#include "../temp.h"
#include "model/options.h"

#include <stdio.h>
#include <string.h>

enum { MOST = 48 };

/* Options and what they were given. */
typedef struct parsed {
    ts_model_options o;
    ts_option_set *set;
} parsed;

static void parse(parsed *p, const char *words)
{
    static char text[1024];
    char *v[MOST];
    int n = 0;
    const ts_option_table table = { ts_model_option_rows, ts_model_option_count, &p->o };
    snprintf(text, sizeof text, "%s", words);
    for (char *save = NULL, *w = strtok_r(text, " ", &save); w; w = strtok_r(NULL, " ", &save))
        v[n++] = w;
    p->o = (ts_model_options){ 0 };
    OK(ts_option_set_create(&table, 1, &p->set));
    OK(ts_option_parse(p->set, n, v));
    OK(ts_option_finish(p->set));
}

#define SHAPE                                                                                      \
    "--num-layers 4 --hidden-size 64 --num-attention-heads 4 --max-position-embeddings 32 "        \
    "--padded-vocab-size 96 "
#define LLAMA                                                                                      \
    SHAPE "--normalization RMSNorm --disable-bias-linear --position-embedding-type rope --swiglu "

#define COMPRESSED                                                                                 \
    LLAMA "--num-experts 4 --moe-ffn-hidden-size 24 --q-lora-rank 6 --qk-pos-emb-head-dim 4 --kv-channels 8 "   \
          "--index-n-heads 2 --index-head-dim 8 --compress-ratios 0 4 8 4 --n-hash-layers 1 --o-groups 2 "       \
          "--o-lora-rank 5 --original-seq-len 16 --rope-factor 2"

static void describe(const char *words, ts_arch *a)
{
    parsed p;
    parse(&p, words);
    ts_arch_init(a);
    OK(ts_model_describe(&p.o, p.set, 0, a));
    ts_option_set_destroy(&p.set);
}

static ts_status compare(const char *words, const ts_arch *a)
{
    parsed p;
    parse(&p, words);
    const ts_status st = ts_model_compare(&p.o, p.set, a, "DIR");
    ts_option_set_destroy(&p.set);
    return st;
}

/* Words, not the numbers that stand for them. */
static void test_messages(void **state)
{
    (void)state;
    static const struct {
        const char *model, *words, *says;
    } trials[] = {
        { LLAMA, "--position-embedding-type learned_absolute",
          "--position-embedding-type learned_absolute contradicts DIR, which says rope" },
        { SHAPE, "--position-embedding-type none",
          "--position-embedding-type none contradicts DIR, which says learned_absolute" },
        { LLAMA, "--normalization LayerNorm",
          "--normalization LayerNorm contradicts DIR, which says RMSNorm" },
        { SHAPE, "--normalization RMSNorm",
          "--normalization RMSNorm contradicts DIR, which says LayerNorm" },
        { LLAMA "--rope-scaling-type yarn --rope-scaling-factor 2", "--rope-scaling-type llama3",
          "--rope-scaling-type llama3 contradicts DIR, which says yarn" },
        { LLAMA, "--squared-relu", "--squared-relu true contradicts DIR, which says false" },
        { SHAPE, "--disable-bias-linear",
          "--disable-bias-linear true contradicts DIR, which says false" },
        { LLAMA, "--untie-embeddings-and-output-weights",
          "--untie-embeddings-and-output-weights true contradicts DIR, which says false" },
        { LLAMA, "--hidden-size 32", "--hidden-size 32 contradicts DIR, which says 64" },
        { LLAMA, "--norm-epsilon 1e-6", "--norm-epsilon 1e-06 contradicts DIR, which says 1e-05" },
        { LLAMA, "--partial-rotary-factor 0.5",
          "--partial-rotary-factor 8 contradicts DIR, which says 16" },
        { LLAMA, "--scale-emb 3", "--scale-emb 3 contradicts DIR, which says 1" },
        { LLAMA, "--pad-vocab-size-to 128", "--pad-vocab-size-to 128 contradicts DIR, which says 96" },
        { LLAMA, "--sliding-window 8", "--sliding-window 8 contradicts DIR, which says 0" },
    };
    for (size_t i = 0; i < sizeof trials / sizeof *trials; i++) {
        ts_arch a;
        describe(trials[i].model, &a);
        OK(compare(trials[i].model, &a)); /* what a model was made with fits it */
        REFUSED(compare(trials[i].words, &a), TS_ERR_USER, trials[i].says);
        ts_arch_deinit(&a);
    }
}

/* Longrope is no word of the option's. */
static void test_longrope(void **state)
{
    (void)state;
    ts_arch a;
    describe(LLAMA, &a);
    a.rope[0].scaling = TS_ROPE_LONGROPE;
    REFUSED(compare("--rope-scaling-type none", &a), TS_ERR_USER,
            "--rope-scaling-type none contradicts DIR, which says something else");
    ts_arch_deinit(&a);
}

/* A layer that is not as the others: no option of the whole model fits. */
static void test_mixed_layers(void **state)
{
    (void)state;
    ts_arch a;
    describe(LLAMA, &a);
    OK(compare("--swiglu", &a));
    a.layer[2].mlp = TS_MLP_PLAIN;
    REFUSED(compare("--swiglu", &a), TS_ERR_USER, "--swiglu true contradicts DIR, which says false");
    ts_arch_deinit(&a);
}

/* Each option with a value that is not the models': it is refused by its name, or says nothing of a
 * model that is there. */
static void test_every_option(void **state)
{
    (void)state;
    static const char *const silent[] = {
        "model-config", "preset", "group-query-attention", "make-vocab-size-divisible-by", "init-method-std",
        "mhc-init-gating-factor",
        "noop-layers", /* counts where stages share out layers */
        "norm-topk-prob", /* a softmax over the chosen may be called so */
        "moe-model-type", /* it says how experts are trained */
    };
    static const char *const models[] = {
        SHAPE, LLAMA,
        LLAMA "--rope-scaling-type yarn --rope-scaling-factor 2 --rope-scaling-mscale 1 "
              "--rope-scaling-mscale-all-dim 2",
        LLAMA "--rope-scaling-type llama3 --rope-scaling-factor 2",
        LLAMA "--num-experts 4 --moe-ffn-hidden-size 24 --moe-shared-expert-intermediate-size 8",
        LLAMA "--multi-latent-attention --kv-lora-rank 8 --qk-head-dim 6 --qk-pos-emb-head-dim 4 --v-head-dim 8",
        LLAMA "--multi-latent-attention --kv-lora-rank 8 --q-lora-rank 6 --qk-head-dim 6 --qk-pos-emb-head-dim 4 --v-head-dim 8 "
              "--enable-dsa-indexer --index-n-heads 2 --index-head-dim 8 --index-topk 4",
        LLAMA "--multi-latent-attention --kv-lora-rank 8 --q-lora-rank 6 --qk-head-dim 6 --qk-pos-emb-head-dim 4 --v-head-dim 8 "
              "--enable-dsa-indexer --index-n-heads 2 --index-head-dim 8 --index-topk 4 --index-topk-freq 2 --index-skip-topk-offset 1",
        COMPRESSED,
    };
    /* of options that know other values */
    static const char *const values[] = {
        "--normalization RMSNorm", "--moe-router-score-function sigmoid",
        "--moe-model-type deepspeed_moe", "--rope-type yarn",
        "--window-attn-skip-freq [1,1,1,1]", "--softmax-type learnable",
        "--rotary-base 500",
    };
    enum { MODELS = sizeof models / sizeof *models };
    for (size_t i = 0; i < ts_model_option_count; i++) {
        const ts_option *r = &ts_model_option_rows[i];
        bool refused = false, is_silent = false;
        for (size_t k = 0; k < sizeof silent / sizeof *silent; k++)
            is_silent = is_silent || !strcmp(silent[k], r->name);
        for (int m = 0; m < MODELS; m++) {
            char words[128], name[80];
            ts_arch a;
            snprintf(words, sizeof words, "--%s%s", r->name,
                     r->type == TS_OPTION_FLAG || r->type == TS_OPTION_NOFLAG ? ""
                     : r->type == TS_OPTION_CHOICE                           ? " none"
                     : r->type == TS_OPTION_REAL                             ? " 0.625"
                     : r->type == TS_OPTION_TEXT                             ? " x"
                                                                             : " 3");
            snprintf(name, sizeof name, "--%s ", r->name);
            for (size_t k = 0; k < sizeof values / sizeof *values; k++)
                if (!strncmp(values[k], name, strlen(name)))
                    snprintf(words, sizeof words, "%s", values[k]);
            describe(models[m], &a);
            const ts_status st = compare(words, &a);
            if (st != TS_OK && (st != TS_ERR_USER || strncmp(ts_error_message(), name, strlen(name))))
                fail_msg("%s: %s", words, ts_error_message());
            refused = refused || st != TS_OK;
            ts_arch_deinit(&a);
        }
        if (refused == is_silent)
            fail_msg("--%s says %s of a model that is there", r->name, refused ? "something" : "nothing");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages), cmocka_unit_test(test_longrope),
        cmocka_unit_test(test_mixed_layers), cmocka_unit_test(test_every_option),
    };
    return cmocka_run_group_tests_name("options beside a model", tests, NULL, NULL);
}
