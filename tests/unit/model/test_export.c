/* Every combination of the options that describe a model: it can be written as a Hugging Face folder
 * that computes the same, or is refused with a sentence before anything is written. */
#include "../cmocka_all.h"

#include "../temp.h"
#include "device/isa.h"
#include "infer/score.h"
#include "model/open.h"
#include "model/options.h"

#include <math.h>
#include <string.h>

enum { VOCAB = 24, TOKENS = 6, MOST_WORDS = 60 };

/* The ways of one feature; words are parted by blanks. */
typedef struct feature {
    const char *name;
    const char *way[7];
} feature;
static const feature features[] = {
    { "norm", { "--normalization RMSNorm", "--normalization LayerNorm" } },
    { "1p", { "", "--apply-layernorm-1p" } },
    { "mlp", { "--swiglu", "", "--squared-relu" } },
    { "bias", { "--disable-bias-linear", "", "--disable-bias-linear --add-qkv-bias" } },
    { "position",
      { "--position-embedding-type rope", "--position-embedding-type rope --rotary-percent 0.5",
        "--position-embedding-type rope --rotary-interleaved",
        "--position-embedding-type rope --rotary-interleaved --rotary-percent 0.5",
        "--position-embedding-type learned_absolute", "--position-embedding-type none" } },
    { "tied", { "", "--untie-embeddings-and-output-weights" } },
    { "groups", { "", "--group-query-attention --num-query-groups 1" } },
    { "qk", { "", "--qk-layernorm" } },
    { "window", { "", "--window-size 3" } },
};
enum { N_FEATURES = sizeof features / sizeof *features };

static size_t ways(const feature *f)
{
    size_t n = 0;
    while (n < sizeof f->way / sizeof *f->way && f->way[n])
        n++;
    return n;
}

/* The words of combination c (one digit a feature). */
static void spell(size_t c, char *text, size_t room)
{
    snprintf(text, room,
             "--num-layers 2 --hidden-size 16 --ffn-hidden-size 24 --num-attention-heads 2 "
             "--max-position-embeddings 8 --make-vocab-size-divisible-by 1");
    for (size_t i = 0; i < N_FEATURES; i++) {
        const size_t n = ways(&features[i]);
        snprintf(text + strlen(text), room - strlen(text), " %s", features[i].way[c % n]);
        c /= n;
    }
}

static ts_status describe(const char *options, ts_arch *a)
{
    static char text[1024];
    char *words[MOST_WORDS];
    int n = 0;
    ts_model_options o = { 0 };
    const ts_option_table table = { ts_model_option_rows, ts_model_option_count, &o };
    ts_option_set *set;
    snprintf(text, sizeof text, "%s", options);
    for (char *w = strtok(text, " "); w; w = strtok(NULL, " "))
        words[n++] = w;
    ts_arch_init(a);
    OK(ts_option_set_create(&table, 1, &set));
    OK(ts_option_parse(set, n, words));
    OK(ts_option_finish(set));
    const ts_status st = ts_model_describe(&o, set, VOCAB, a);
    ts_option_set_destroy(&set);
    return st;
}

static ts_device *dev;

static void logits_of(ts_decoder *d, float *out)
{
    static const int32_t ids[TOKENS] = { 3, 14, 1, 5, 9, 2 };
    const ts_tape_options to = { 0 };
    ts_tape *tape;
    OK(ts_tape_create(dev, &to, &tape));
    OK(ts_score_logits(d, tape, ids, TOKENS, NULL, out));
    ts_tape_destroy(&tape);
}

/* Norms and biases away from what they begin as. */
static void shake(ts_decoder *d)
{
    for (size_t i = 0; i < d->params.n; i++) {
        ts_param *p = d->params.p[i];
        float *v = p->value;
        for (int64_t k = 0; p->rank == 1 && k < ts_param_count(p); k++)
            v[k] += 0.05f * (float)((k * 7 + (int64_t)i * 3) % 11 - 5);
    }
    ts_param_set_changed(&d->params);
}

static void check_written(const char *options, const ts_arch *a, const char *folder)
{
    static float before[TOKENS * VOCAB], after[TOKENS * VOCAB];
    const ts_model_use use = { .dev = dev, .compute = TS_DTYPE_F32, .training = true };
    const ts_weights_save_options o = { .dtype = TS_ST_F32 };
    ts_model made, back;
    OK(ts_model_make(a, &use, 7, &made));
    shake(made.decoder);
    logits_of(made.decoder, before);
    OK(ts_weights_save(&made, folder, &o));
    OK(ts_model_load(folder, &use, &back));
    logits_of(back.decoder, after);
    for (int i = 0; i < TOKENS * VOCAB; i++)
        if (!(fabsf(before[i] - after[i]) <= 2e-6f))
            fail_msg("%s as %s: logit %d is %g, was %g", options, back.family->architecture, i,
                     (double)after[i], (double)before[i]);
    ts_model_deinit(&made);
    ts_model_deinit(&back);
}

/* A description in our own words comes back as it was. */
static void check_own_words(const ts_arch *a)
{
    json_t *o = NULL;
    ts_arch back;
    ts_arch_init(&back);
    OK(ts_arch_write(a, &o));
    OK(ts_arch_read(o, "state.json", &back));
    assert_true(ts_arch_equal(a, &back));
    ts_arch_deinit(&back);
    json_decref(o);
}

static void test_combinations(void **state)
{
    (void)state;
    size_t all = 1, written = 0, refused = 0;
    char text[1024];
    temp t;
    const ts_device_options d = { .threads = 1, .isa = TS_ISA_ALL };
    OK(ts_device_open("cpu", &d, &dev));
    temp_make(&t);
    for (size_t i = 0; i < N_FEATURES; i++)
        all *= ways(&features[i]);
    /* It has no divisor of the ways of a feature: each way meets each of the others. */
#if defined(TESSERA_SANITIZED)
    enum { STEP = 35 };
#else
    enum { STEP = 5 };
#endif
    for (size_t c = 0; c < all; c += STEP) {
        ts_arch a;
        spell(c, text, sizeof text);
        if (describe(text, &a) != TS_OK) { /* contradicts itself: trained neither */
            ts_arch_deinit(&a);
            continue;
        }
        check_own_words(&a);
        const ts_weights_source s = { .arch = &a };
        if (ts_weights_check(&s) == TS_OK) {
            if (written++ % 5 == 0) /* all would take long */
                check_written(text, &a, temp_path(&t, "hf"));
        } else {
            REFUSED(ts_weights_check(&s), TS_ERR_USER, "no Hugging Face class");
            refused++;
        }
        ts_arch_deinit(&a);
    }
    printf("%zu written, %zu refused\n", written, refused);
    assert_true(written > 250 / STEP && refused > 100 / STEP);
    temp_remove(&t);
    ts_device_close(&dev);
}

/* Which class says what; "": none. */
static void test_classes(void **state)
{
    (void)state;
#define ROPE "--position-embedding-type rope "
#define RMS "--normalization RMSNorm --swiglu "
#define NOBIAS "--disable-bias-linear "
    static const struct {
        const char *options, *architecture;
    } rows[] = {
        { ROPE RMS NOBIAS, "LlamaForCausalLM" },
        { ROPE RMS, "LlamaForCausalLM" },
        { ROPE RMS NOBIAS "--apply-layernorm-1p", "LlamaForCausalLM" },
        { ROPE RMS NOBIAS "--add-qkv-bias", "Qwen2ForCausalLM" },
        { ROPE RMS NOBIAS "--qk-layernorm", "Qwen3ForCausalLM" },
        { ROPE RMS NOBIAS "--window-size 3", "MistralForCausalLM" },
        { ROPE RMS NOBIAS "--rotary-percent 0.5", "Phi3ForCausalLM" },
        { ROPE RMS NOBIAS "--rotary-percent 0.5 --rotary-interleaved", "" }, /* Glm needs its ends */
        { ROPE RMS NOBIAS "--rotary-interleaved", "Ernie4_5ForCausalLM" },
        { "", "GPT2LMHeadModel" },
        { NOBIAS, "GPT2LMHeadModel" },
        { NOBIAS "--add-qkv-bias --apply-layernorm-1p --squared-relu", "GPT2LMHeadModel" },
        { "--position-embedding-type none", "GPT2LMHeadModel" },
        { ROPE, "GPTNeoXForCausalLM" },
        { ROPE "--group-query-attention --num-query-groups 1", "Starcoder2ForCausalLM" },
        { ROPE "--rotary-percent 0.5", "GPTNeoXForCausalLM" },
        { ROPE "--rotary-percent 0.5 --squared-relu --apply-layernorm-1p " NOBIAS
          "--group-query-attention --num-query-groups 1", "NemotronForCausalLM" },
        { ROPE "--rotary-percent 0.5 --group-query-attention --num-query-groups 1",
          "NemotronForCausalLM" },
        { ROPE "--swiglu " NOBIAS, "StableLmForCausalLM" },
        { ROPE "--swiglu --rotary-percent 0.5 --add-qkv-bias " NOBIAS, "StableLmForCausalLM" },
        { ROPE "--swiglu", "" }, /* no class has these norms, a gate and its biases */
        { ROPE "--normalization RMSNorm " NOBIAS, "ArceeForCausalLM" },
        { ROPE "--normalization RMSNorm --squared-relu", "ArceeForCausalLM" },
        { "--swiglu", "" },
        { "--normalization RMSNorm", "" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[1024];
        ts_arch a;
        ts_family_fit f = { 0 };
        snprintf(text, sizeof text,
                 "--num-layers 1 --hidden-size 16 --num-attention-heads 2 --max-position-embeddings "
                 "8 %s",
                 rows[i].options);
        OK(describe(text, &a));
        const ts_status st = ts_family_fit_init(&f, &a);
        const char *got = st == TS_OK ? f.family->architecture : "";
        if (strcmp(got, rows[i].architecture))
            fail_msg("%s is written as \"%s\", expected \"%s\"", rows[i].options, got,
                     rows[i].architecture);
        ts_family_fit_deinit(&f);
        ts_arch_deinit(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_combinations),
        cmocka_unit_test(test_classes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
