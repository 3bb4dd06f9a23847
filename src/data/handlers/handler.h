/* MindSpeed LLM's handlers (preprocess --handler-name): a raw record, a JSON object, becomes one sample or
 * several, each with one array of numbers for each key. */
#ifndef TS_DATA_HANDLERS_HANDLER_H
#define TS_DATA_HANDLERS_HANDLER_H
#include "data/token_run.h"
#include "text/prompt/prompt.h"

typedef struct ts_handler_options {
    const char *name;
    ts_prompt_options prompt;
    const char *map_keys, *dataset_dir, *placeholder_token;
    ts_option_list additional_keys, reward_tokens;
    bool pack, neat_pack;
    int64_t seq_length, max_samples;
    const char *folder; /* no option: the tokenizer's, whose chat template one of the handlers reads; may be NULL */
} ts_handler_options;
/* Rows of the options, for the table of the command that has them. */
#define TS_HANDLER_ROWS(struct_, field_)                                                                    \
    TS_ROW(TEXT, struct_, field_.name, "handler-name", "GeneralPretrainHandler", 0, 0, NULL, "input",       \
           "kind of records: GeneralPretrainHandler, AlpacaStyleInstructionHandler, "                       \
           "SharegptStyleInstructionHandler, AlpacaStylePairwiseHandler, ..."),                             \
        TS_PROMPT_ROWS(0, struct_, field_.prompt, "template"),                                              \
        TS_ROW(TEXT, struct_, field_.map_keys, "map-keys", NULL, 0, 0, NULL, "input",                       \
               "columns of the records as a JSON object: {\"prompt\": \"question\", \"query\": \"\", "      \
               "\"response\": \"answer\", \"tags\": {...}}"),                                               \
        TS_ROW(TEXT, struct_, field_.dataset_dir, "dataset-dir", NULL, 0, 0, NULL, "input",                 \
               "LlamaFactoryInstructionHandler: folder with dataset_info.json, where --input names a set"), \
        TS_ROW(LIST, struct_, field_.additional_keys, "dataset-additional-keys", NULL, 0, 0, NULL, "input", \
               "R1 handlers: columns whose texts become keys; labels is the answer"),                       \
        TS_ROW(INT, struct_, field_.max_samples, "max-samples", "0", 0, 1e15, NULL, "input",                \
               "instruction records read at most, 0: all"),                                                 \
        TS_ROW(TEXT, struct_, field_.placeholder_token, "placeholder-token", "ки", 0, 0, NULL, "input",     \
               "process rewards: the token behind each step"),                                              \
        TS_ROW(LIST, struct_, field_.reward_tokens, "reward-tokens", NULL, 0, 0, NULL, "input",             \
               "process rewards: the labels of steps that there may be"),                                   \
        TS_ROW(INT, struct_, field_.seq_length, "seq-length", "0", 0, 1 << 30, NULL, "output",              \
               "instruction data: longer samples are left out; the length of packs; 0: any length"),        \
        TS_ROW(FLAG, struct_, field_.pack, "pack", NULL, 0, 0, NULL, "output",                              \
               "put samples together to packs of --seq-length tokens"),                                     \
        TS_ROW(FLAG, struct_, field_.neat_pack, "neat-pack", NULL, 0, 0, NULL, "output",                    \
               "with --pack: attention_mask numbers the samples of a pack, which do not see each other")

/* A handler, its columns and its template. Read-only: any number of threads, each with its own work. */
typedef struct ts_handler ts_handler;
/* o is borrowed; input is --input's single word, for LlamaFactoryInstructionHandler, else NULL; tok is lent
 * and may change as ts_prompt_open says. *out is NULL where the handler is GeneralPretrainHandler, whose
 * texts go their own way. Unknown names and options that do not fit are TS_ERR_USER. */
ts_status ts_handler_open(const ts_handler_options *o, const char *input, const ts_option_list *json_keys,
                          bool append_eod, ts_text_tokenizer *tok, ts_handler **out) TS_NODISCARD;
void ts_handler_close(ts_handler **h);
/* The keys of its samples, [*n], borrowed; whether files are PREFIX_packed_KEY_document. */
const char *const *ts_handler_keys(const ts_handler *h, size_t *n);
bool ts_handler_is_packed(const ts_handler *h);
/* Of LlamaFactoryInstructionHandler: the file of the data set; NULL: --input. */
const char *ts_handler_file(const ts_handler *h);

typedef struct ts_handler_work ts_handler_work;
ts_status ts_handler_work_create(const ts_handler *h, ts_handler_work **out) TS_NODISCARD;
void ts_handler_work_destroy(ts_handler_work **w);
/* Appends the samples of a record to runs [n of the keys], which are marked where it begins. What a record
 * lacks is TS_ERR_USER naming the field. */
ts_status ts_handler_record(const ts_handler *h, ts_handler_work *w, const char *record, size_t n,
                            ts_token_run *runs) TS_NODISCARD;
#endif
