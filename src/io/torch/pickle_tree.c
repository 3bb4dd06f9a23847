/* Looking into what a pickle said. */
#include "io/torch/pickle.h"

#include <string.h>

bool ts_pickle_is(const ts_pickle_node *node, ts_pickle_kind kind) { return node && node->kind == kind; }

bool ts_pickle_is_text(const ts_pickle_node *node, const char *s)
{
    return ts_pickle_is(node, TS_PICKLE_TEXT) && node->text.n == strlen(s) && !memcmp(node->text.s, s, node->text.n);
}

bool ts_pickle_is_name(const ts_pickle_node *node, const char *name)
{
    return ts_pickle_is(node, TS_PICKLE_NAME) && !strcmp(node->text.s, name);
}

const ts_pickle_node *ts_pickle_called(const ts_pickle_node *node, const char *name)
{
    return ts_pickle_is(node, TS_PICKLE_CALL) && ts_pickle_is_name(node->call.callee, name) ? node->call.args : NULL;
}

const ts_pickle_node *ts_pickle_get(const ts_pickle_node *dict, const char *key)
{
    if (!ts_pickle_is(dict, TS_PICKLE_DICT))
        return NULL;
    for (size_t i = dict->list.n; i >= 2; i -= 2)
        if (ts_pickle_is_text(dict->list.item[i - 2], key))
            return dict->list.item[i - 1];
    return NULL;
}

size_t ts_pickle_count(const ts_pickle_node *list)
{
    if (ts_pickle_is(list, TS_PICKLE_DICT))
        return list->list.n / 2;
    return list && list->kind >= TS_PICKLE_LIST && list->kind <= TS_PICKLE_SET ? list->list.n : 0;
}

const ts_pickle_node *ts_pickle_at(const ts_pickle_node *list, size_t i)
{
    return !ts_pickle_is(list, TS_PICKLE_DICT) && i < ts_pickle_count(list) ? list->list.item[i] : NULL;
}

bool ts_pickle_int(const ts_pickle_node *node, int64_t lo, int64_t hi, int64_t *out)
{
    if (!ts_pickle_is(node, TS_PICKLE_INT) || node->whole < lo || node->whole > hi)
        return false;
    *out = node->whole;
    return true;
}
