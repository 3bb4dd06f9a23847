/* The order of rows of queries, keys and values. */
#include "io/gguf/models.h"

bool ts_gguf_order_of(const ts_gguf_model *m, ts_gguf_part part, int64_t heads, int64_t kv_heads, int64_t rows, ts_gguf_order *out)
{
    const int64_t pairs = !m->pairs ? 0 : part == TS_GGUF_PART_Q ? heads : part == TS_GGUF_PART_K ? kv_heads : 0;
    *out = (ts_gguf_order){ 0 };
    if (pairs) {
        out->pair_rows = rows / pairs;
        return rows % (2 * pairs) == 0;
    }
    if (part != TS_GGUF_PART_QKV)
        return true;
    if (kv_heads < 1 || heads % kv_heads || rows % (heads + 2 * kv_heads))
        return false;
    *out = (ts_gguf_order){ .groups = kv_heads, .queries = heads / kv_heads, .head = rows / (heads + 2 * kv_heads) };
    return true;
}

int64_t ts_gguf_row_in_folder(const ts_gguf_order *o, int64_t row)
{
    if (o->pair_rows) {
        const int64_t at = row % o->pair_rows;
        return row - at + at % 2 * (o->pair_rows / 2) + at / 2;
    }
    if (!o->groups)
        return row;
    const int64_t group = (o->queries + 2) * o->head, queries = o->queries * o->head, all = o->groups * queries;
    if (row < all)
        return row / queries * group + row % queries;
    const int64_t at = row - all, each = o->groups * o->head, kind = at / each, in = at % each;
    return in / o->head * group + queries + kind * o->head + in % o->head;
}

int64_t ts_gguf_row_in_file(const ts_gguf_order *o, int64_t row)
{
    if (o->pair_rows) {
        const int64_t half = o->pair_rows / 2, at = row % o->pair_rows;
        return row - at + at % half * 2 + at / half;
    }
    if (!o->groups)
        return row;
    const int64_t group = (o->queries + 2) * o->head, queries = o->queries * o->head, g = row / group, in = row % group;
    if (in < queries)
        return g * queries + in;
    const int64_t kind = (in - queries) / o->head;
    return o->groups * queries + (kind * o->groups + g) * o->head + (in - queries) % o->head;
}
