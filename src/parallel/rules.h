/* What a layout must be for a job: rules over its sizes, all looked at together before a weight is
 * read, so that a user hears of every mistake at once and of the values that would do. A rule is a
 * row of the table in rules.c. */
#ifndef TS_PARALLEL_RULES_H
#define TS_PARALLEL_RULES_H
#include "model/arch.h"
#include "parallel/options.h"

typedef struct ts_layout {
    int64_t world;              /* processes */
    int64_t tp, cp, pp, ep;     /* 1: not shared out so */
    int64_t etp;                /* of an expert; 0: as tp */
    int64_t experts;            /* of the model, where it is known; else -1 */
    int64_t micro, global;      /* sequences; global 0: micro on each process */
    int64_t n_micro;            /* micro-batches of a step on a process, where their sizes differ; 0: global says how many */
    int64_t seq_length;
    int64_t heads, kv_heads, ffn, hidden, vocab, n_layers; /* of the model; 0: not known, or it has none */
    int64_t expert_ffn, shared_ffn; /* widths of an expert and of the shared one; 0: there are none */
    int64_t scan_heads, scan_groups; /* of its layers that carry a state; 0: none */
    int64_t scan_norms; /* groups of heads that are normed together; 0: as many as groups, or none */
    bool scan_common;           /* what heads of a group have in common every process makes, which may be more than groups */
    bool scan_joins;            /* between convolution and scan all of a row's channels are multiplied together */
    const int64_t *empty;       /* [n_empty] layers that are none, as ts_stages_make takes them */
    int64_t n_empty;
    bool tied;                  /* the output layer is the embedding */
    int64_t head_groups;        /* of the output projection, where heads share keys that stand for several tokens; else 0 */
    bool indexed;               /* an indexer chooses keys */
    int64_t mtp_layers;         /* layers behind the last one, which read the embedding too */
    bool latent;                /* attention is */
    bool norms_of_heads;        /* of queries and keys, of each head with weights of its own */
    int64_t lenders;            /* earlier layers of which the layers behind some border read something, at most */
    const ts_parallel_options *o;
} ts_layout;

/* TS_ERR_USER: rules are broken, and the message has a line for each. Rules about what is not known
 * are left out. */
ts_status ts_layout_check(const ts_layout *l) TS_NODISCARD;
/* The same with what the description of a model says of its sizes, and of those of each layer. */
ts_status ts_layout_check_model(const ts_layout *sizes, const ts_arch *a) TS_NODISCARD;
/* Processes that share out the batch; 0: the sizes do not divide the world. */
int64_t ts_layout_replicas(const ts_layout *l);
#endif
