/* How to generate: options of the command line over a folder's generation_config.json over
 * transformers' defaults. */
#ifndef TS_INFER_GEN_CONFIG_H
#define TS_INFER_GEN_CONFIG_H
#include "base/option.h"
#include "infer/constraint.h"
#include "infer/sample.h"

typedef struct ts_gen_options {
    int64_t max_new_tokens, top_k, num_beams, seed, min_new_tokens;
    double temperature, top_p, min_p, repetition_penalty, length_penalty;
    bool greedy, do_sample, ignore_eos, logprobs, early_stopping;
    ts_option_list stop, add_eos;
    const char *grammar, *grammar_file, *json_schema, *json_schema_file, *regex;
} ts_gen_options;
extern const ts_option ts_gen_option_rows[];
extern const size_t ts_gen_option_count;

typedef enum ts_early_stopping { TS_EARLY_FALSE, TS_EARLY_TRUE, TS_EARLY_NEVER } ts_early_stopping;

/* Resolved. Stop texts are borrowed from the options. */
typedef struct ts_gen_config {
    ts_sampling sampling;
    int64_t max_new_tokens;      /* 0: max_length decides */
    int64_t max_length;          /* of prompt and answer together; 0: max_new_tokens decides */
    int64_t num_beams;
    double length_penalty;
    ts_early_stopping early_stopping;
    bool ignore_eos, logprobs;
    const char *const *stop;
    int64_t n_stop;
    ts_constraint *constraint;   /* borrowed: what answers must fit; NULL: anything */
} ts_gen_config;

/* folder may be NULL (no generation_config.json). Wrong values are TS_ERR_USER that names the
 * option or file and key; settings of the file that are not known here are said once in the log. */
ts_status ts_gen_config_resolve(const ts_gen_options *o, const ts_option_set *set,
                                const char *folder, const ts_arch *arch,
                                ts_gen_config *out) TS_NODISCARD;
/* The grammar that the options name; *out NULL: none. Several of them, and what is no grammar, are TS_ERR_USER. */
ts_status ts_gen_grammar(const ts_gen_options *o, ts_grammar **out) TS_NODISCARD;
#endif
