/* The network that a grammar is compiled to: for the files of this folder. */
#ifndef TS_TEXT_GRAMMAR_NET_H
#define TS_TEXT_GRAMMAR_NET_H
#include "text/grammar/grammar.h"

enum { TS_NET_MOST_NODES = 1000000, TS_NET_MOST_DEPTH = 500 };

typedef enum ts_net_kind {
    TS_NET_BYTES, /* one byte from a to b, then next */
    TS_NET_SPLIT, /* next, or other */
    TS_NET_CALL,  /* the rule `other`, then next */
    TS_NET_END,   /* of a rule */
} ts_net_kind;

typedef struct ts_net_node {
    ts_net_kind kind;
    unsigned char a, b;
    int32_t next, other;
} ts_net_node;

typedef struct ts_net {
    ts_net_node *v; /* [n]; node 0 is the END of every rule */
    size_t n, cap;
    int32_t *rule; /* [n_rules] the node that it begins with */
    size_t n_rules;
    int32_t root;
} ts_net;

/* What a grammar says, before it is a network. */
typedef enum ts_gbnf_kind { TS_GBNF_TEXT, TS_GBNF_CLASS, TS_GBNF_RULE, TS_GBNF_SEQ, TS_GBNF_ALT, TS_GBNF_REPEAT } ts_gbnf_kind;

typedef struct ts_code_range {
    uint32_t lo, hi;
} ts_code_range;

typedef struct ts_gbnf ts_gbnf;
struct ts_gbnf {
    ts_gbnf_kind kind;
    ts_gbnf *child, *next;          /* the first inside; the one behind it on its level */
    const char *text;               /* TEXT [n] */
    const ts_code_range *range;     /* CLASS [n], in order, apart */
    size_t n;
    int32_t rule;                   /* RULE */
    int64_t least, most;            /* REPEAT; most -1: any number */
};

/* Adds the nodes that read `e` and go on at `next`; *at: where they begin. */
ts_status ts_net_add(ts_net *net, const ts_gbnf *e, int32_t next, int32_t *at) TS_NODISCARD;
/* TS_ERR_USER where a rule can call itself before it has read anything; names [n_rules]. */
ts_status ts_net_check(const ts_net *net, char *const *names, const char *grammar) TS_NODISCARD;
void ts_net_deinit(ts_net *net);

/* Takes the network over. */
ts_status ts_grammar_of_net(ts_net *net, ts_grammar **out) TS_NODISCARD;
#endif
