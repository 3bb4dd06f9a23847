/* Reading Python's pickles, protocols 0 to 5 as far as torch.save and torch.distributed.checkpoint use them, into a
 * tree of plain values. Nothing is imported, constructed or called: a name of a class or function is a value, and
 * where the pickle has it called there stands a node of its name and arguments.
 *
 * A name that is not on the list (ts_pickle_may_name) is refused, as are codes that are not known, more than 10^7
 * values, values nested deeper than 1000, texts over 64 MiB. Every refusal is TS_ERR_USER and names the file. */
#ifndef TS_IO_TORCH_PICKLE_H
#define TS_IO_TORCH_PICKLE_H
#include "base/arena.h"

typedef enum ts_pickle_kind {
    TS_PICKLE_NONE,
    TS_PICKLE_BOOL,
    TS_PICKLE_INT,
    TS_PICKLE_REAL,
    TS_PICKLE_TEXT, /* UTF-8, or what a pickle of Python 2 has as str */
    TS_PICKLE_BYTES,
    TS_PICKLE_LIST,
    TS_PICKLE_TUPLE,
    TS_PICKLE_SET,
    TS_PICKLE_DICT, /* also its kinds of collections */
    TS_PICKLE_NAME, /* of a class or function */
    TS_PICKLE_CALL, /* what a class or function would make */
    TS_PICKLE_PERSISTENT, /* what the file holds beside the pickle */
    TS_PICKLE_LARGE, /* a whole number of more than 64 bits */
} ts_pickle_kind;

/* All of a tree live as long as the arena; a node may stand in several places, or in itself. */
typedef struct ts_pickle_node ts_pickle_node;
struct ts_pickle_node {
    ts_pickle_kind kind;
    int depth; /* of what it holds: 0 nothing */
    union {
        bool truth;
        int64_t whole;
        double real;
        struct { /* TEXT, BYTES: n bytes, borrowed from the pickle; NAME: "module.name", ending in 0 */
            const char *s;
            size_t n;
        } text;
        struct { /* of a DICT keys and values in turn */
            ts_pickle_node **item;
            size_t n, cap;
        } list;
        struct { /* state: what the object is said to have; NULL: nothing */
            ts_pickle_node *callee, *args, *state;
        } call;
        ts_pickle_node *id;
    };
};

/* The pickle in n bytes; path is for messages. Texts stay in these bytes. */
ts_status ts_pickle_read(const unsigned char *data, size_t n, const char *path, ts_arena *arena,
                         const ts_pickle_node **out) TS_NODISCARD;
/* Whether a module's name may stand in a pickle: those that torch and Megatron call safe, and Megatron's and
 * MindSpeed's own classes, of which nothing is known but their names. */
bool ts_pickle_may_name(const char *module, const char *name);

/* ---- looking into a tree; a NULL node is one that is not there ---- */

bool ts_pickle_is(const ts_pickle_node *node, ts_pickle_kind kind);
/* A text equal to s. */
bool ts_pickle_is_text(const ts_pickle_node *node, const char *s);
bool ts_pickle_is_name(const ts_pickle_node *node, const char *name);
/* A call of this name; its arguments, a tuple. NULL: it is none. */
const ts_pickle_node *ts_pickle_called(const ts_pickle_node *node, const char *name);
/* The value of a dict's text key, the last that stands there; of a list or tuple its i-th. NULL: not there. */
const ts_pickle_node *ts_pickle_get(const ts_pickle_node *dict, const char *key);
const ts_pickle_node *ts_pickle_at(const ts_pickle_node *list, size_t i);
size_t ts_pickle_count(const ts_pickle_node *list); /* of a dict its keys; of others 0 */
/* A whole number in [lo, hi]; false: it is none. */
bool ts_pickle_int(const ts_pickle_node *node, int64_t lo, int64_t hi, int64_t *out);
#endif
