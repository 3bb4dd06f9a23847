#include "infer/lookup.h"

#include <string.h>

/* How many tokens before ids[at] are those before ids[n], `longest` at most. */
static int64_t match(const int32_t *ids, int64_t n, int64_t at, int64_t longest)
{
    int64_t k = 0;
    while (k < longest && k < at && ids[at - 1 - k] == ids[n - 1 - k])
        k++;
    return k;
}

int64_t ts_lookup(const int32_t *ids, int64_t n, int64_t longest, int64_t most, int32_t *out)
{
    int64_t best = 0, from = 0;
    for (int64_t at = n - 1; at > 0 && best < longest; at--) {
        const int64_t k = match(ids, n, at, longest);
        if (k > best)
            best = k, from = at;
    }
    if (!best)
        return 0;
    const int64_t count = n - from < most ? n - from : most;
    memcpy(out, ids + from, (size_t)count * sizeof *out);
    return count;
}

int64_t ts_lookup_guess(void *longest, const int32_t *ids, int64_t n, int64_t most, int32_t *out)
{
    return ts_lookup(ids, n, *(const int64_t *)longest, most, out);
}
