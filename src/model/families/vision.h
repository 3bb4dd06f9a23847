/* Families that see pictures: a family of words, a tower and a joint, each with rows of config.json and names of its own. */
#ifndef TS_MODEL_FAMILIES_VISION_H
#define TS_MODEL_FAMILIES_VISION_H
#include "io/safetensors.h"
#include "model/family.h"
#include "model/vision.h"
#include "text/tokenizer.h"

/* How files begin names: those that begin with "model." in the family of words, its others ("lm_head"), the tower's, the
 * joint's. Published files and those that transformers writes may differ. */
typedef struct ts_vision_form {
    const char *words, *others, *tower, *joint;
} ts_vision_form;

typedef struct ts_vision_family {
    const ts_family *text; /* of the words; NULL: model_type of text_key's object says */
    const char *text_key;  /* where config.json has what they are; it itself where the key is missing */
    const char *vision_key;
    const ts_family *tower; /* rows of that object for the blocks; names of tower and joint without what a form puts before them.
                               Layers are "decoder.layers.<i>" of vision_model */
    /* What no row says: fills in a->vision. config is the whole, vision the object of vision_key. */
    ts_status (*read)(const json_t *config, const json_t *vision, const char *file, ts_arch *a);
    const char *placeholder; /* text of the token that stands for a row, where config.json does not say it; else NULL */
    const ts_vision_form *form; /* as transformers writes it first; one without words behind them */
} ts_vision_family;

/* Rows that blocks of towers have: sizes under their usual names, layer norms, no words. */
extern const ts_family ts_tower_base;

/* Which form the files have: the first whose embedding and first tensor of the tower are there, else the first. */
ts_status ts_vision_settle_form(const ts_family *f, const ts_st_dir *dir, ts_arch *a) TS_NODISCARD;

/* The placeholder of models whose config.json does not say it, by the tokenizer. */
ts_status ts_vision_settle_token(const ts_family *f, const ts_tokenizer *tok, ts_arch *a) TS_NODISCARD;

/* For families: ids of placeholders, the sections of positions (mrope_section). */
ts_status ts_vision_token(const json_t *config, const char *file, const char *key, const char *or_key, int64_t *out) TS_NODISCARD;
ts_status ts_vision_sections(const json_t *config, const char *text_key, const char *file, ts_arch *a) TS_NODISCARD;
/* Heads turn by row and column. */
void ts_vision_rotate(ts_vision_arch *v, double theta);
/* A size that is a number or two equal ones. */
ts_status ts_vision_side(const json_t *o, const char *file, const char *key, int64_t missing, int64_t *out) TS_NODISCARD;
#endif
