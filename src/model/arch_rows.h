/* The description as rows, one a field of ts_arch, ts_layer_arch and ts_rope_config: what a field is
 * called, what it may be, what says it. Defaults, checks, differences, JSON, the keys of families and
 * the comparison of options with a model all go by these rows, so that a new field is one row. */
#ifndef TS_MODEL_ARCH_ROWS_H
#define TS_MODEL_ARCH_ROWS_H
#include "model/arch.h"

/* Activations, in the words of JSON. */
#define TS_ACTS(W)                                                                                    \
    W(TS_ACT_SILU, "silu")                                                                         \
    W(TS_ACT_GELU, "gelu")                                                                         \
    W(TS_ACT_GELU_TANH, "gelu_tanh")                                                               \
    W(TS_ACT_GELU_QUICK, "gelu_quick")                                                             \
    W(TS_ACT_RELU, "relu")                                                                         \
    W(TS_ACT_RELU2, "relu2")                                                                       \
    W(TS_ACT_TANH, "tanh")

typedef enum ts_field_type {
    TS_FIELD_INT,    /* int64_t or int: the row's size tells */
    TS_FIELD_REAL,   /* double */
    TS_FIELD_BOOL,
    TS_FIELD_CHOICE, /* an enum */
    /* The following are no numbers; they have code of their own. */
    TS_FIELD_ROPES,
    TS_FIELD_LAYERS,
    TS_FIELD_IDS,
    TS_FIELD_COUNT,  /* of one of these lists */
    TS_FIELD_TEXT,
    TS_FIELD_FACTORS, /* of a rotary embedding: floats, dim / 2 of them */
} ts_field_type;

/* What an option's value is to its field. */
typedef enum ts_field_says {
    TS_SAYS_SOMETHING, /* it has code of its own (model/options.c, options_compare.c) */
    TS_SAYS_VALUE,     /* the field's value; a flag: that it is so */
    TS_SAYS_NOT,       /* a flag: that it is not so */
} ts_field_says;

typedef struct ts_field_row {
    const char *field; /* its name */
    const char *key;   /* in JSON */
    ts_field_type type;
    size_t offset, size;
    double def;          /* where nothing is said */
    double lo, hi;       /* bounds; both 0: none */
    bool above;          /* lo itself is out of bounds */
    const char *choices; /* CHOICE: "a|b|c" */
    const char *name;    /* in the message of a bound: config.json's */
    const char *words;   /* for people: what two descriptions differ in */
    const char *option;  /* that says it */
    ts_field_says says;
    bool shapes;         /* with another value a model may have other parameters */
    bool apart;          /* neither compared nor in the description's JSON */
    bool later;          /* a description of before it lacks it: def */
    unsigned scalings;   /* of a rotary embedding: bits 1 << TS_ROPE_* of those that it matters to; 0: all */
    const char *model;   /* of a layer: the model's field that is its default; NULL: def is */
    bool always;         /* of a layer: in JSON also where all layers have their default */
} ts_field_row;

extern const ts_field_row ts_arch_rows[], ts_layer_rows[], ts_rope_rows[];
extern const size_t ts_arch_row_count, ts_layer_row_count, ts_rope_row_count;
/* Of ts_vision_arch, but for its blocks (vision.c). */
extern const ts_field_row ts_vision_rows[];
extern const size_t ts_vision_row_count;

static inline bool ts_field_is_number(const ts_field_row *r)
{
    return r->type <= TS_FIELD_CHOICE;
}
/* Whether the field is compared and written as a number. */
static inline bool ts_field_is_told(const ts_field_row *r)
{
    return ts_field_is_number(r) && !r->apart;
}
/* A number's value in the struct at base; all of them are exact in a double. */
double ts_field_get(const void *base, const ts_field_row *r);
void ts_field_set(void *base, const ts_field_row *r, double v);
/* The row of the field of ts_arch at this offset, or of this key (the key may be NULL). */
const ts_field_row *ts_arch_row_at(size_t offset);
const ts_field_row *ts_arch_row_named(const char *key);
/* Name number i of "a|b|c", with its length; NULL: there are fewer. */
const char *ts_field_choice(const char *choices, int i, size_t *n);

/* What a layer has where only the model's fields say it. */
ts_layer_arch ts_layer_default(const ts_arch *a);
#endif
