/* What a template computes with: Python's values as far as templates see them, and Jinja2's own. They
 * live as long as a rendering and are never changed, namespaces apart. */
#ifndef TS_TEXT_JINJA_VALUE_H
#define TS_TEXT_JINJA_VALUE_H
#include "text/jinja/ast.h"

typedef enum ts_jtype {
    TS_JV_ABSENT, /* no value at all */
    TS_JV_UNDEFINED,
    TS_JV_NONE,
    TS_JV_BOOL,
    TS_JV_INT,
    TS_JV_FLOAT,
    TS_JV_STR,
    TS_JV_LIST,
    TS_JV_TUPLE,
    TS_JV_RANGE,
    TS_JV_VIEW,      /* dict.items() and the like */
    TS_JV_GENERATOR, /* what map() and the like give: it can be read once */
    TS_JV_DICT,
    TS_JV_NAMESPACE,
    TS_JV_MACRO,
    TS_JV_FUNCTION, /* a global one */
    TS_JV_METHOD,
    TS_JV_LOOP,
    TS_JV_CYCLER,
    TS_JV_JOINER,
    TS_JV_SLICE,
} ts_jtype;

typedef struct ts_jseq ts_jseq;
typedef struct ts_jdict ts_jdict;
typedef struct ts_jhint ts_jhint;
typedef struct ts_jclosure ts_jclosure;
typedef struct ts_jmethod ts_jmethod;
typedef struct ts_jloop ts_jloop;
typedef struct ts_jcycler ts_jcycler;

typedef struct ts_jv {
    uint8_t type;    /* ts_jtype */
    bool is_safe;    /* STR: Markup, to be escaped no more */
    uint32_t n;      /* STR: bytes */
    union {
        bool b;
        int64_t i;
        double f;
        const char *s; /* UTF-8 */
        ts_jseq *seq;
        ts_jdict *dict; /* DICT, NAMESPACE */
        const ts_jhint *hint; /* UNDEFINED */
        const ts_jclosure *closure;
        const ts_jmethod *method;
        ts_jloop *loop;
        ts_jcycler *cycler;
        int function;
    };
} ts_jv;

struct ts_jseq { /* LIST, TUPLE, VIEW, GENERATOR: v[n]; RANGE: start + i * step */
    ts_jv *v;
    size_t n;
    size_t at; /* GENERATOR: what was read */
    int64_t start, step;
    const char *view; /* VIEW: its name */
};

typedef struct ts_jpair {
    ts_jv key, value;
    uint64_t hash;
} ts_jpair;

struct ts_jdict { /* in the order in which keys came */
    ts_jpair *v;
    size_t n, cap;
    uint32_t *index; /* [n_index] number of a pair + 1, by hash; NULL while there are few */
    size_t n_index;
};

/* Why something is undefined. */
struct ts_jhint {
    const char *text;  /* the message, or NULL: from the rest */
    bool is_unsafe;    /* SecurityError */
    ts_jv owner;       /* ABSENT: it was a variable */
    ts_jv name;
};

struct ts_jmethod {
    ts_jv self;
    int id;
};

struct ts_jcycler {
    ts_jv items; /* TUPLE; of a joiner: the separator */
    size_t at;
};

typedef struct ts_jscope ts_jscope;
struct ts_jclosure {
    const ts_jmacro *macro;
    ts_jscope *scope; /* where it was defined */
};

/* A rendering. */
typedef struct ts_jx {
    const ts_jinja *t;
    const json_t *vars;
    const struct tm *now;
    ts_arena arena;
    size_t used;     /* bytes in the arena and in buffers */
    int64_t steps;
    int depth;
    int line;        /* of what is evaluated */
    ts_str *out;     /* where text goes now */
    ts_jinja_text *result;
    int id_loop, id_caller, id_kwargs, id_varargs; /* of these names, or -1 */
} ts_jx;

/* "NAME:LINE: KIND: what". */
ts_status ts_jx_fail(const ts_jx *x, const char *kind, const char *fmt, ...) TS_PRINTF(3, 4);
ts_status ts_jx_fail_undefined(ts_jx *x, ts_jv v);

/* Zeroed memory for the rendering's time. */
ts_status ts_jx_alloc(ts_jx *x, size_t count, size_t size, void *out) TS_NODISCARD;
/* Counts work, and fails when it is too much. */
ts_status ts_jx_step(ts_jx *x, size_t n) TS_NODISCARD;
ts_status ts_jx_enter(ts_jx *x) TS_NODISCARD; /* one level deeper */
static inline void ts_jx_leave(ts_jx *x) { x->depth--; }

static inline ts_jv ts_jv_none(void) { return (ts_jv){ .type = TS_JV_NONE }; }
static inline ts_jv ts_jv_bool(bool b) { return (ts_jv){ .type = TS_JV_BOOL, .b = b }; }
static inline ts_jv ts_jv_int(int64_t i) { return (ts_jv){ .type = TS_JV_INT, .i = i }; }
static inline ts_jv ts_jv_float(double f) { return (ts_jv){ .type = TS_JV_FLOAT, .f = f }; }
/* Borrows s. */
static inline ts_jv ts_jv_str(const char *s, size_t n)
{
    return (ts_jv){ .type = TS_JV_STR, .n = (uint32_t)n, .s = s };
}
ts_jv ts_jv_text(const char *s);
static inline bool ts_jv_is_whole(ts_jv v) { return v.type == TS_JV_INT || v.type == TS_JV_BOOL; }
static inline int64_t ts_jv_whole(ts_jv v) { return v.type == TS_JV_BOOL ? v.b : v.i; }
static inline bool ts_jv_is_number(ts_jv v) { return ts_jv_is_whole(v) || v.type == TS_JV_FLOAT; }
static inline double ts_jv_real(ts_jv v)
{
    return v.type == TS_JV_FLOAT ? v.f : (double)ts_jv_whole(v);
}
bool ts_jv_is(ts_jv v, const char *text); /* a string with that text */
static inline bool ts_jv_is_seq(ts_jv v) { return v.type >= TS_JV_LIST && v.type <= TS_JV_GENERATOR; }

/* A string with a copy of the bytes. */
ts_status ts_jv_copy(ts_jx *x, const char *s, size_t n, ts_jv *out) TS_NODISCARD;
ts_status ts_jv_seq(ts_jx *x, ts_jtype type, size_t n, ts_jv *out) TS_NODISCARD;
ts_status ts_jv_pair(ts_jx *x, ts_jv a, ts_jv b, ts_jv *out) TS_NODISCARD; /* a tuple */
ts_status ts_jv_undefined(ts_jx *x, ts_jv owner, ts_jv name, ts_jv *out) TS_NODISCARD;
ts_status ts_jv_undefined_text(ts_jx *x, const char *text, ts_jv *out) TS_NODISCARD;
ts_status ts_jv_unsafe(ts_jx *x, ts_jv owner, ts_jv name, ts_jv *out) TS_NODISCARD;
ts_status ts_jv_from_json(ts_jx *x, const json_t *j, ts_jv *out) TS_NODISCARD;

ts_status ts_jdict_create(ts_jx *x, ts_jdict **out) TS_NODISCARD;
ts_status ts_jdict_set(ts_jx *x, ts_jdict *d, ts_jv key, ts_jv value) TS_NODISCARD;
/* The value is ABSENT where there is none. Keys that have no hash are an error. */
ts_status ts_jdict_get(ts_jx *x, const ts_jdict *d, ts_jv key, ts_jv *out) TS_NODISCARD;

bool ts_jv_true(ts_jv v);
const char *ts_jv_type_name(ts_jv v); /* Python's */
/* Length in characters or items; a type without length is a TypeError. */
ts_status ts_jv_length(ts_jx *x, ts_jv v, size_t *out) TS_NODISCARD;
size_t ts_jv_chars(ts_jv v); /* of a string */
ts_status ts_jv_equal(ts_jx *x, ts_jv a, ts_jv b, bool *out) TS_NODISCARD;
/* a < b, as sort() and comparisons have it: -1, 0, 1. */
ts_status ts_jv_order(ts_jx *x, ts_jv a, ts_jv b, const char *op, int *out) TS_NODISCARD;
/* What a for loop goes over, as a sequence (of characters, keys, items); a generator is used up. */
ts_status ts_jv_items(ts_jx *x, ts_jv v, ts_jseq **out) TS_NODISCARD;
ts_jv ts_jseq_at(const ts_jseq *s, size_t i);

/* str(v) and repr(v), appended. */
ts_status ts_jv_put(ts_jx *x, ts_jv v, ts_str *out) TS_NODISCARD;
ts_status ts_jv_put_repr(ts_jx *x, ts_jv v, ts_str *out) TS_NODISCARD;
/* str(v) as a string: v itself where it is one. */
ts_status ts_jv_to_str(ts_jx *x, ts_jv v, ts_jv *out) TS_NODISCARD;
/* repr() of a number, at least 32 bytes. */
void ts_jv_float_text(double f, char buf[64]);
/* v as json.dumps writes it. */
typedef struct ts_jdump {
    bool ascii, sort;
    ts_jv indent; /* NONE, INT or STR */
    ts_jv item, key; /* separators: strings */
} ts_jdump;
ts_status ts_jv_dump(ts_jx *x, ts_jv v, const ts_jdump *how, ts_str *out) TS_NODISCARD;
#endif
