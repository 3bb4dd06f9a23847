#include "fuzz.h"
#include "infer/gen_config.h"
#include "json_mutate.h"

/* A token of a vocabulary of 8 by what the file says; ids of the file may lie beyond it. */
static void sample(const ts_sampling *o)
{
    enum { VOCAB = 8 };
    static const float logits[VOCAB] = { 1, -2, 3, 3, 0.5F, -1e30F, 20, 0 };
    static const int32_t before[] = { 2, 6 };
    ts_sampler s = { 0 };
    ts_seen seen = { 0 };
    int32_t id;
    if (ts_sampler_init(&s, o, VOCAB) != TS_OK || ts_seen_add(&seen, VOCAB, before, 2) != TS_OK)
        abort();
    for (int64_t at = 0; at < 3; at++)
        if (ts_sampler_next(&s, logits, &seen, (ts_place_in_line){ 0, at }, &id) == TS_OK &&
            (id < 0 || id >= VOCAB))
            abort();
    ts_seen_deinit(&seen);
    ts_sampler_deinit(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ts_gen_options o = { 0 };
    const ts_option_table table = { ts_gen_option_rows, ts_gen_option_count, &o };
    ts_option_set *set;
    ts_gen_config c;
    ts_arch a;
    ts_arch_init(&a);
    a.eos[0] = 3, a.n_eos = 1;
    if (ts_option_set_create(&table, 1, &set) != TS_OK)
        abort();
    fuzz_write("generation_config.json", data, size);
    const ts_status st = ts_gen_config_resolve(&o, set, fuzz_folder(), &a, &c);
    if (st == TS_OK) {
        if (c.num_beams < 1 || (c.max_new_tokens < 1 && c.max_length < 1) ||
            c.sampling.n_eos > TS_ARCH_MAX_EOS)
            abort();
        sample(&c.sampling);
    } else if (st != TS_ERR_USER || !*ts_error_message()) {
        abort();
    }
    ts_option_set_destroy(&set);
    ts_arch_deinit(&a);
    return 0;
}

const fuzz_row fuzz_rows[] = {
    { "do_sample", "[true, false, true, null]", NULL },
    { "temperature", "[1.0, 0.5, 0, 1e-30, 1e30, 5e-324]", NULL },
    { "top_k", "[0, 1, 3, 50]", NULL },
    { "top_p", "[1.0, 0.9, 0, 1e-9]", NULL },
    { "min_p", "[0.0, 0.1, 1]", NULL },
    { "repetition_penalty", "[1.0, 1.3, 0.5, 1e-300]", NULL },
    { "min_new_tokens", "[0, 2]", NULL },
    { "max_new_tokens", "[1, 128, null]", NULL },
    { "max_length", "[20, 0]", NULL },
    { "num_beams", "[1, 4]", NULL },
    { "length_penalty", "[1.0, -2.0]", NULL },
    { "early_stopping", "[true, false, \"never\"]", NULL },
    { "eos_token_id", "[2, [0, 6], [], null, 50256, [1, 2, 3, 4, 5, 6, 7, 8, 9]]", NULL },
    { "no_repeat_ngram_size", "[0, 3]", NULL },
    { "stop_strings", "[[\"a\"], 0]", NULL },
    { NULL, NULL, NULL },
};
const char *const fuzz_kinds = NULL;
fuzz_hook *const fuzz_hooks[] = { NULL };
