/* Unigram: the best path over all ways to cut the text, for tokenizer.json (scores in double)
 * and for SentencePiece (in float, as it counts: ties and near-ties must fall the same way). */
#include "text/model/model.h"
#include "text/unicode.h"

static const double unknown_penalty = 10;

static inline void reach(ts_lattice_node *to, double score, int64_t from, int32_t id)
{
    if (to->from >= 0 && !(score > to->score))
        return;
    to->score = score;
    to->from = from;
    to->id = id;
}

/* Fills node[0..n]: the best way to reach every byte. */
static ts_status forward(const ts_token_model *m, ts_lattice_node *node, const char *s, size_t n)
{
    const bool sp = m->kind == TS_MODEL_SP_UNIGRAM;
    const double unk_score =
        sp ? (double)((float)m->min_score - 10.0f) : m->min_score - unknown_penalty;
    for (size_t i = 0; i <= n; i++)
        node[i] = (ts_lattice_node){ .from = i ? -1 : 0, .id = -1 };
    for (size_t at = 0, width; at < n; at += width) {
        const double here = sp ? (double)(float)node[at].score : node[at].score;
        bool has_single = false;
        uint32_t t = 0;
        width = ts_utf8_width((unsigned char)s[at]);
        for (size_t end = at; end < n;) {
            t = ts_trie_child(&m->trie, t, (unsigned char)s[end++]);
            if (!t)
                break;
            const int32_t id = m->trie.value[t];
            if (id < 0 || (sp && m->type[id] == TS_SP_UNUSED))
                continue;
            double score = m->score[id] + here;
            if (sp && m->type[id] == TS_SP_USER)
                score = (double)((float)(end - at) * (float)m->max_score) - 0.1 + here;
            else if (sp)
                score = (double)((float)m->score[id] + (float)here);
            /* Stored as a float: compared before rounding, as the original does. */
            if (node[end].from < 0 || score > node[end].score)
                reach(&node[end], sp ? (double)(float)score : score, (int64_t)at, id);
            has_single |= end - at == width;
        }
        if (has_single)
            continue;
        const double score = sp ? (double)((float)unk_score + (float)here) : unk_score + here;
        if (m->unk < 0)
            return ts_error(TS_ERR_USER,
                            "the text has a character that the tokenizer does not know, and "
                            "it has no unknown token");
        reach(&node[at + width], score, (int64_t)at, m->unk);
    }
    return TS_OK;
}

/* One stretch of the path as a token: its id, its bytes, or the unknown token. */
static ts_status emit(const ts_token_model *m, const char *s, size_t n, ts_ids *out)
{
    const int32_t id = ts_vocab_find(&m->vocab, s, n);
    if (id >= 0)
        return ts_ids_add(out, id);
    bool all = m->byte_fallback;
    for (size_t i = 0; i < n && all; i++)
        all = m->byte_token[(unsigned char)s[i]] >= 0;
    if (!all)
        return ts_ids_add(out, m->unk);
    for (size_t i = 0; i < n; i++)
        TS_TRY(ts_ids_add(out, m->byte_token[(unsigned char)s[i]]));
    return TS_OK;
}

ts_status ts_unigram_path(const ts_token_model *m, ts_token_model_work *w, const char *s, size_t n,
                          size_t *cuts)
{
    TS_TRY(ts_grow(&w->node, &w->node_cap, n + 1, sizeof *w->node));
    TS_TRY(ts_grow(&w->cut, &w->cut_cap, n + 1, sizeof *w->cut));
    TS_TRY(forward(m, w->node, s, n));
    *cuts = 0;
    for (size_t end = n; end > 0; end = (size_t)w->node[end].from)
        w->cut[(*cuts)++] = end;
    return TS_OK;
}

ts_status ts_unigram_encode(const ts_token_model *m, ts_token_model_work *w, const char *s,
                            size_t n, ts_ids *out)
{
    size_t cuts, from = 0;
    TS_TRY(ts_unigram_path(m, w, s, n, &cuts));
    while (cuts > 0) {
        size_t end = w->cut[--cuts];
        /* Unknown stretches in a row are one token. */
        while (w->node[end].id == m->unk && cuts > 0 && w->node[w->cut[cuts - 1]].id == m->unk)
            end = w->cut[--cuts];
        TS_TRY(emit(m, s + from, end - from, out));
        from = end;
    }
    return TS_OK;
}
