/* The models that GGUF files hold, as llama.cpp's converter writes them: what each architecture is called in
 * Hugging Face's files, and where its tensors and keys stand there. */
#ifndef TS_IO_GGUF_MODELS_H
#define TS_IO_GGUF_MODELS_H
#include "base/json.h"
#include "io/gguf/gguf.h"

typedef enum ts_gguf_part {
    TS_GGUF_PART_ALL,     /* as it is */
    TS_GGUF_PART_Q,       /* rows of heads: interleaved where the model's are (`pairs`) */
    TS_GGUF_PART_K,
    TS_GGUF_PART_QKV,     /* of each group of heads its queries, key and value; in GGUF files all queries, then all keys, all values */
    TS_GGUF_PART_TURNED,  /* a matrix [in, out], in GGUF files [out, in] as all others */
    TS_GGUF_PART_NORM,    /* stored with the model's norm_offset added */
    TS_GGUF_PART_EXPERTS, /* a matrix for each expert; '#' in hf is its number */
    TS_GGUF_PART_LINE,    /* a vector, in Hugging Face's files a matrix of one row */
    TS_GGUF_PART_NONE,    /* not a weight: told by config.json, or made anew */
} ts_gguf_part;

/* A tensor's name without "blk.N." and ".weight" or ".bias", and Hugging Face's, with '*' for the layer. */
typedef struct ts_gguf_name {
    const char *gguf, *hf;
    ts_gguf_part part;
} ts_gguf_name;

/* A key of the file, behind "ARCHITECTURE.", and config.json's. What may be missing, or 0, is left out then. */
typedef struct ts_gguf_key {
    const char *gguf, *hf;
    bool is_real, may_miss;
} ts_gguf_key;

typedef struct ts_gguf_model ts_gguf_model;
struct ts_gguf_model {
    const char *arch;                      /* general.architecture */
    const char *model_type, *architecture; /* config.json's */
    const char *also;                      /* model_types of models that are written so too, separated by blanks; may be NULL */
    const ts_gguf_name *names; /* before the common ones; a row without gguf behind them; may be NULL */
    const ts_gguf_key *keys;   /* beside the common ones, likewise */
    const char *fixed;         /* JSON: what is always so, or NULL */
    bool with_experts; /* of files with expert_count above 0 alone */
    const char *with;  /* of files with this tensor alone; NULL: of all */
    bool pairs;        /* rows of queries and keys: of each head one of the first half and one of the second in turn */
    bool says_head_dim; /* always, not only where it is not hidden_size / heads */
    float norm_offset;
    const char *layer_norm; /* config.json's key of the norms' epsilon, of models with layer norms; NULL: root mean squares */
    const char *no_bias; /* tensors that llama.cpp has no biases of, as rows of `names`, with blanks between; or NULL */
    /* what else config.json says; NULL: nothing */
    ts_status (*more)(const ts_gguf *g, const ts_gguf_model *m, json_t *config);
};

/* The order of a tensor's rows in GGUF files: of all it is Hugging Face's but of these. Rows are numbers where it is a bias. */
typedef struct ts_gguf_order {
    int64_t pair_rows;             /* of a head whose rows of the first and the second half stand in turn; 0: they do not */
    int64_t groups, queries, head; /* of TS_GGUF_PART_QKV: groups, queries of each, rows of a head; groups 0: it is none */
} ts_gguf_order;
/* Of a part of so many rows, of heads as the model has them. False: they are not rows of such heads. */
bool ts_gguf_order_of(const ts_gguf_model *m, ts_gguf_part part, int64_t heads, int64_t kv_heads, int64_t rows, ts_gguf_order *out);
static inline bool ts_gguf_is_ordered(const ts_gguf_order *o) { return o->pair_rows || o->groups; }
int64_t ts_gguf_row_in_folder(const ts_gguf_order *o, int64_t row); /* of the file's row the folder's */
int64_t ts_gguf_row_in_file(const ts_gguf_order *o, int64_t row);   /* the other way */

/* By the file's architecture; an unknown one is TS_ERR_USER that lists what is known. */
ts_status ts_gguf_model_of(const ts_gguf *g, const ts_gguf_model **out) TS_NODISCARD;

/* The row of a tensor, its layer (-1: none) and what is behind the row's name (".weight"). NULL: no such tensor in
 * models of this kind. */
const ts_gguf_name *ts_gguf_name_of(const ts_gguf_model *m, const char *tensor, int64_t *layer, const char **end);

/* The other way: by a config.json's model_type (NULL: GGUF files of that kind are not written); the row of a tensor of
 * Hugging Face's, its layer and expert (-1: none), and what is behind the row's name. */
const ts_gguf_model *ts_gguf_model_for(const char *model_type);
const ts_gguf_name *ts_gguf_name_for(const ts_gguf_model *m, const char *hf, int64_t *layer, int64_t *expert, const char **end);
/* Whether llama.cpp knows a bias of a tensor, a window of layers, in models of this kind. */
bool ts_gguf_has_bias(const ts_gguf_model *m, const ts_gguf_name *row);
bool ts_gguf_says_window(const ts_gguf_model *m);
/* What is written: "llama, mistral, ...". */
ts_status ts_gguf_models_written(ts_str *out) TS_NODISCARD;

/* A key of the model's architecture: "llama.block_count". */
enum { TS_GGUF_KEY_TEXT = 128 };
const char *ts_gguf_arch_key(const ts_gguf_model *m, const char *key, char out[TS_GGUF_KEY_TEXT]);

/* The config.json that describes the model. Belongs to the caller (json_decref). */
ts_status ts_gguf_config(const ts_gguf *g, json_t **out) TS_NODISCARD;
/* Its generation_config.json: the ids that begin, end and fill. */
ts_status ts_gguf_generation_config(const ts_gguf *g, json_t **out) TS_NODISCARD;

/* ---- what models.c and config.c share ---- */

/* A number as config.json would have it: of a float of four bytes the shortest text that means it. */
json_t *ts_gguf_json_real(const ts_gguf_value *v, int64_t i);
/* Puts it; value NULL: out of memory. */
ts_status ts_gguf_put(json_t *config, const char *key, json_t *value) TS_NODISCARD;
/* What rope_freqs.weight, rope.scaling.* and rope_factors_* say of rotary embeddings. */
ts_status ts_gguf_rope(const ts_gguf *g, const ts_gguf_model *m, json_t *config) TS_NODISCARD;
#endif
