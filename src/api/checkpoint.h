/* Looking into folders of checkpoints: what the public functions and the command share. */
#ifndef TS_API_CHECKPOINT_H
#define TS_API_CHECKPOINT_H
#include "base/option.h"
#include "ckpt/check.h"

typedef struct ts_checkpoint_options {
    bool json, all, quick;
    int64_t step;
} ts_checkpoint_options;
extern const ts_option ts_checkpoint_rows[];
extern const size_t ts_checkpoint_count_rows;

/* dir is there and a folder, else TS_ERR_USER. */
ts_status ts_checkpoint_need_folder(const char *dir) TS_NODISCARD;

/* A folder without damage. */
typedef struct ts_verify_good {
    const char *folder;
    bool is_hf;
    int64_t files, tensors;
    double bytes, seconds;
    const char *model_type; /* of a Hugging Face folder; NULL: of a family that is not known here */
} ts_verify_good;

typedef struct ts_verify_hooks {
    ts_ckpt_found *found;                            /* may be NULL */
    void (*good)(void *ctx, const ts_verify_good *); /* may be NULL */
    void *ctx;
} ts_verify_hooks;

/* json: NULL, or receives one object where the folder could be looked into, damaged or not. */
ts_status ts_checkpoint_verify_folder(const char *dir, const ts_checkpoint_options *o,
                                      const ts_verify_hooks *hooks, ts_str *json) TS_NODISCARD;

typedef struct ts_checkpoint_row {
    const ts_ckpt_entry *entry;
    size_t index;
    int64_t latest;  /* the tracker's iteration, -1: none */
    const char *why; /* what is wrong with it; NULL: nothing that was looked for */
} ts_checkpoint_row;
/* Calls row for each checkpoint of a folder, the last saved first; none is TS_ERR_USER. */
ts_status ts_checkpoint_walk(const char *dir, const ts_checkpoint_options *o,
                             ts_status (*row)(void *ctx, const ts_checkpoint_row *r),
                             void *ctx) TS_NODISCARD;
/* One JSON object each. */
ts_status ts_checkpoint_list_json(const char *dir, const ts_checkpoint_options *o,
                                  ts_str *out) TS_NODISCARD;
ts_status ts_checkpoint_show_json(const char *dir, const ts_checkpoint_options *o,
                                  ts_str *out) TS_NODISCARD;

/* ", \"key\": value" in JSON; NULL and numbers below 0 become null. */
ts_status ts_json_put_text(ts_str *out, const char *key, const char *text) TS_NODISCARD;
ts_status ts_json_put_number(ts_str *out, const char *key, int64_t n) TS_NODISCARD;
#endif
